#include "images/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static char label[96];
static struct timespec last;

void progress_start(const char *what)
{
	snprintf(label, sizeof label, "%s", isatty(STDERR_FILENO) ? what : "");
}

void progress(uint64_t done, uint64_t total)
{
	struct timespec now;

	if (!label[0])
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000 < 100)
		return;
	last = now;
	if (total)
		fprintf(stderr, "\r\033[K%s: %ju of %ju MiB (%ju%%)", label, (uintmax_t)(done >> 20),
			(uintmax_t)(total >> 20), (uintmax_t)(done * 100 / total));
	else
		fprintf(stderr, "\r\033[K%s: %ju MiB", label, (uintmax_t)(done >> 20));
}

void progress_end(void)
{
	if (label[0])
		fputs("\r\033[K", stderr);
	label[0] = '\0';
}
