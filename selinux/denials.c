/* The kernel's records of what SELinux denied, from its log; from auditd's where one takes them away. */
#include "selinux/denials.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define AUDIT_LOG "/var/log/audit/audit.log"

/* key=word or key="word with blanks"; "" where it is not there. */
static void value_of(const char *record, const char *key, char *out, size_t size)
{
	const char *at = strstr(record, key), *end;

	*out = '\0';
	if (!at)
		return;
	at += strlen(key);
	end = *at == '"' ? strchr(++at, '"') : at + strcspn(at, " ");
	if (end)
		snprintf(out, size, "%.*s", (int)(end - at), at);
}

bool denial_parse(const char *line, const char *label, struct denial *out)
{
	const char *record = strstr(line, "audit("), *set = record ? strstr(record, "avc:  denied  { ") : NULL;
	char source[256];

	if (!set)
		return false;
	value_of(set, "scontext=", source, sizeof source);
	if (strcmp(source, label) != 0)
		return false;
	*out = (struct denial){ 0 };
	set += strlen("avc:  denied  { ");
	snprintf(out->perms, sizeof out->perms, "%.*s", (int)strcspn(set, " }"), set);
	for (const char *p = set + strlen(out->perms); str_starts(p, " ") && p[1] != '}';) {
		size_t n = strcspn(++p, " }"), have = strlen(out->perms);

		snprintf(out->perms + have, sizeof out->perms - have, " %.*s", (int)n, p);
		p += n;
	}
	value_of(set, "comm=", out->program, sizeof out->program);
	value_of(set, " path=", out->object, sizeof out->object);
	if (!*out->object)
		value_of(set, " name=", out->object, sizeof out->object);
	value_of(set, "tcontext=", out->target, sizeof out->target);
	value_of(set, "tclass=", out->class, sizeof out->class);
	snprintf(out->record, sizeof out->record, "%.*s", (int)strcspn(record, "\n"), record);
	return true;
}

/* The last of them, in a ring. */
static void keep(struct denial *ring, size_t size, size_t *n, const char *line, const char *label)
{
	struct denial d;

	if (denial_parse(line, label, &d))
		ring[(*n)++ % size] = d;
}

static void from_kernel(const char *label, struct denial *ring, size_t size, size_t *n)
{
	auto_close int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char line[2048];
	ssize_t got;

	/* EPIPE: records were overwritten before we read them; the next read goes on after the gap. */
	while (fd >= 0 && ((got = read(fd, line, sizeof line - 1)) > 0 || (got < 0 && errno == EPIPE)))
		if (got > 0) {
			line[got] = '\0';
			keep(ring, size, n, line, label);
		}
}

static void from_auditd(const char *label, struct denial *ring, size_t size, size_t *n)
{
	auto_fclose FILE *f = fopen(AUDIT_LOG, "re");
	char line[4096];

	while (f && fgets(line, sizeof line, f))
		keep(ring, size, n, line, label);
}

size_t denials_of(const char *label, struct denial *out, size_t max)
{
	struct denial *ring = calloc(max, sizeof *ring);
	size_t n = 0;

	if (!ring || !*label) {
		free(ring);
		return 0;
	}
	from_auditd(label, ring, max, &n);
	if (n == 0)
		from_kernel(label, ring, max, &n);
	for (size_t i = 0; i < n && i < max; i++)
		out[i] = ring[n > max ? (n + i) % max : i];
	free(ring);
	return n < max ? n : max;
}
