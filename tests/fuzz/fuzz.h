/*
 * What the targets share. A target that includes a .c of the tree stands for that unit: the others come from an
 * archive, so only what is not here already is linked.
 */
#pragma once
#include "base/err.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for every input. */
static inline void demand(bool ok)
{
	if (!ok)
		abort();
}

/* As a text of its own, of exactly this size: what reads behind it is seen. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	demand(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* The next line of *text, which is cut; NULL: there is none. */
static inline char *fuzz_line(char **text)
{
	return *text ? strsep(text, "\n") : NULL;
}

/* A file system of this process alone, mounted nowhere: records are read from files. Needs root, as the suites do. */
static inline int fuzz_dir(void)
{
	static int dir = -1;
	int fs;

	if (dir >= 0)
		return dir;
	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	demand(fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0);
	dir = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	demand(dir >= 0 && close(fs) == 0);
	return dir;
}

static inline void fuzz_file(const char *name, const uint8_t *data, size_t size)
{
	auto_close int fd = openat(fuzz_dir(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	demand(fd >= 0 && file_write_all(fd, data, size) == 0);
}

/* Kinds of input: a letter, one more byte, and what goes to `record` as it is or to `text`. */
struct fuzz_kind { char letter; void (*record)(const uint8_t *data, size_t size); void (*text)(char *s); };

static inline void fuzz_kinds(const struct fuzz_kind *kinds, size_t n, const uint8_t *data, size_t size)
{
	for (size_t i = 0; size > 1 && i < n; i++) {
		auto_free char *text = NULL;

		if (data[0] != kinds[i].letter)
			continue;
		if (kinds[i].record)
			kinds[i].record(data + 2, size - 2);
		else
			kinds[i].text(text = fuzz_text(data + 2, size - 2));
	}
	err_clear();
}
