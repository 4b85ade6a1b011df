/* The kernel's records of what SELinux and AppArmor denied, from its log; from auditd's where one takes them away. */
#include "selinux/denials.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AUDIT_LOG "/var/log/audit/audit.log"

/* A string that a process may have chosen is hexadecimal where it has blanks, quotes or what is not ASCII. */
static void value_of_hex(const char *hex, size_t n, char *out, size_t size)
{
	char digits[3] = "";
	size_t i;

	for (i = 0; 2 * i + 1 < n && i + 1 < size; i++) {
		memcpy(digits, hex + 2 * i, 2);
		out[i] = (char)strtoul(digits, NULL, 16);
		/* It goes to a terminal. */
		if (out[i] < ' ' || out[i] == 0x7f)
			out[i] = '?';
	}
	out[i] = '\0';
}

/* The value of the word " KEY=", which may be quoted; "" where it is not there. */
static void value_of(const char *record, const char *key, bool chosen, char *out, size_t size)
{
	const char *at = strstr(record, key);
	size_t n;

	*out = '\0';
	if (!at)
		return;
	at += strlen(key);
	if (*at == '"') {
		at++;
		snprintf(out, size, "%.*s", (int)strcspn(at, "\"\n"), at);
		return;
	}
	n = strcspn(at, " \n");
	if (chosen && n && n % 2 == 0 && strspn(at, "0123456789ABCDEF") == n)
		value_of_hex(at, n, out, size);
	else
		snprintf(out, size, "%.*s", (int)n, at);
}

static bool parse_selinux(const char *record, const char *label, struct denial *out)
{
	static const char begin[] = "avc:  denied  { ";
	const char *set = strstr(record, begin);
	char source[256];

	if (!set || !label || !*label)
		return false;
	value_of(set, " scontext=", false, source, sizeof source);
	if (strcmp(source, label) != 0)
		return false;
	set += strlen(begin);
	snprintf(out->perms, sizeof out->perms, "%.*s", (int)strcspn(set, "}"), set);
	if (str_ends(out->perms, " "))
		out->perms[strlen(out->perms) - 1] = '\0';
	value_of(set, " comm=", true, out->program, sizeof out->program);
	value_of(set, " path=", true, out->object, sizeof out->object);
	if (!*out->object)
		value_of(set, " name=", true, out->object, sizeof out->object);
	value_of(set, " tcontext=", false, out->target, sizeof out->target);
	value_of(set, " tclass=", false, out->class, sizeof out->class);
	out->by = "SELinux";
	return true;
}

/* What an operation is on, by the first of these that its record has. */
static const char *const objects[] = { " name=", " peer=", " capname=", " family=" };

static bool parse_apparmor(const char *record, const char *profile, struct denial *out)
{
	const char *set = strstr(record, "apparmor=\"DENIED\"");
	char whose[256];
	size_t n = strlen(profile);

	if (!set || !n)
		return false;
	value_of(set, " profile=", true, whose, sizeof whose);
	/* PROFILE//CHILD is what programs of the profile's are confined by further. */
	if (strncmp(whose, profile, n) != 0 || (whose[n] && !str_starts(whose + n, "//")))
		return false;
	value_of(set, " operation=", false, out->operation, sizeof out->operation);
	value_of(set, " denied_mask=", false, out->perms, sizeof out->perms);
	value_of(set, " comm=", true, out->program, sizeof out->program);
	for (size_t i = 0; i < COUNT(objects) && !*out->object; i++)
		value_of(set, objects[i], true, out->object, sizeof out->object);
	out->by = "AppArmor";
	return true;
}

bool denial_parse(const char *line, const struct denied_to *who, struct denial *out)
{
	const char *record = strstr(line, "audit(");
	int64_t seconds;
	char stamp[32];

	if (!record || sscanf(record, "audit(%" SCNd64, &seconds) != 1)
		return false;
	clock_stamp_of(seconds, stamp, sizeof stamp);
	if (strcmp(stamp, who->since) < 0)
		return false;
	*out = (struct denial){ 0 };
	if (!parse_selinux(record, who->label, out) && !parse_selinux(record, who->keeper, out) &&
	    !parse_apparmor(record, who->profile, out))
		return false;
	snprintf(out->record, sizeof out->record, "%.*s", (int)strcspn(record, "\n"), record);
	return true;
}

/* The last of them, in a ring. */
static void keep(struct denial *ring, size_t size, size_t *n, const char *line, const struct denied_to *who)
{
	struct denial d;

	if (denial_parse(line, who, &d))
		ring[(*n)++ % size] = d;
}

static void from_kernel(const struct denied_to *who, struct denial *ring, size_t size, size_t *n)
{
	auto_close int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char line[2048];
	ssize_t got;

	/* EPIPE: records were overwritten before we read them; the next read goes on after the gap. */
	while (fd >= 0 && ((got = read(fd, line, sizeof line - 1)) > 0 || (got < 0 && errno == EPIPE)))
		if (got > 0) {
			line[got] = '\0';
			keep(ring, size, n, line, who);
		}
}

static void from_auditd(const struct denied_to *who, struct denial *ring, size_t size, size_t *n)
{
	auto_fclose FILE *f = fopen(AUDIT_LOG, "re");
	char line[4096];

	while (f && fgets(line, sizeof line, f))
		keep(ring, size, n, line, who);
}

size_t denials_of(const struct denied_to *who, struct denial *out, size_t max)
{
	struct denial *ring = calloc(max, sizeof *ring);
	size_t n = 0;

	if (!ring || (!*who->label && !*who->profile)) {
		free(ring);
		return 0;
	}
	from_auditd(who, ring, max, &n);
	if (n == 0)
		from_kernel(who, ring, max, &n);
	for (size_t i = 0; i < n && i < max; i++)
		out[i] = ring[n > max ? (n + i) % max : i];
	free(ring);
	return n < max ? n : max;
}
