#include "probe/probe.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static const struct { const char *field, *set; } sets[] = {
	{ "\nCapEff:", "effective" }, { "\nCapPrm:", "permitted" }, { "\nCapBnd:", "bounding" },
	{ "\nCapInh:", "inheritable" }, { "\nCapAmb:", "ambient" },
};

static uint64_t field_of(const char *status, const char *field, int base)
{
	const char *at = strstr(status, field);

	return at ? strtoull(at + strlen(field), NULL, base) : UINT64_MAX;
}

/* One line a capability, with the sets that it is in; those that an exec keeps have a row of their own. */
static void capabilities(const char *status)
{
	uint64_t in[COUNT(sets)];

	for (size_t s = 0; s < COUNT(sets); s++)
		in[s] = field_of(status, sets[s].field, 16);
	for (unsigned cap = 0; cap < 64; cap++) {
		char where[80] = "";

		for (size_t s = 0; s < COUNT(sets); s++)
			if (in[s] >> cap & 1)
				snprintf(where + strlen(where), sizeof where - strlen(where), "%s%s",
					 *where ? "," : "", sets[s].set);
		if ((in[0] | in[1] | in[2]) >> cap & 1)
			found("capability", "%u %s", cap, where);
		if ((in[3] | in[4]) >> cap & 1)
			found("inherited-capability", "%u %s", cap, where);
	}
}

static const char *const namespaces[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" };

void probe_self(void)
{
	char status[4096], path[64], link[64];
	struct utsname u;

	if (file_peek(AT_FDCWD, "/proc/self/status", status, sizeof status) < 0)
		give_up("no procfs at /proc");
	capabilities(status);
	if (field_of(status, "\nNoNewPrivs:", 10) == 0)
		found("new-privileges", "setuid programs raise privileges: no_new_privs is off");
	if (field_of(status, "\nSeccomp:", 10) == 0)
		found("no-filter", "no seccomp filter");
	for (size_t i = 0; i < COUNT(namespaces); i++) {
		ssize_t n;

		snprintf(path, sizeof path, "/proc/self/ns/%s", namespaces[i]);
		n = readlink(path, link, sizeof link - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		snprintf(path, sizeof path, "ns-%s", namespaces[i]);
		fact(path, "%s", link);
	}
	if (uname(&u) == 0)
		fact("hostname", "%s", u.nodename);
}
