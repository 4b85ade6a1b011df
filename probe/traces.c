#include "probe/probe.h"
#include "base/file.h"
#include "base/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Traces of the host and of others. */

static void each_line(const char *path, void (*each)(char *line))
{
	auto_fclose FILE *f = fopen(path, "re");
	auto_free char *text = NULL;
	size_t size = 0;

	while (f && getline(&text, &size, f) > 0)
		each(text);
}

static bool is_pseudo(const char *type)
{
	static const char *const names[] = {
		"proc", "sysfs", "cgroup", "cgroup2", "tmpfs", "devpts", "mqueue", "devtmpfs", "securityfs",
		"debugfs", "tracefs", "bpf", "pstore", "fuse.lxcfs", "hugetlbfs", "configfs", "binfmt_misc", "nsfs",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(type, names[i]))
			return true;
	return false;
}

/*
 * ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD...] - TYPE SOURCE SUPER: which directory of which disk of
 * the host a mount comes from, and the paths of an overlay's layers.
 */
static void mount_line(char *line)
{
	char root[1024], point[1024], type[64], source[1024], super[1024] = "";
	char *rest = strstr(line, " - ");

	if (!rest || sscanf(line, "%*s %*s %*s %1023s %1023s", root, point) != 2 ||
	    sscanf(rest, " - %63s %1023s %1023s", type, source, super) < 2)
		return;
	if (str_starts(type, "cgroup")) {
		if (!str_eq(root, "/"))
			found("host-path", "%s: %s", point, root);
	} else if (strstr(super, "lowerdir=/") || strstr(super, "upperdir=/") || strstr(super, "lowerdir+=/")) {
		found("host-path", "%s: overlay %s", point, super);
	} else if (!is_pseudo(type) && (source[0] == '/' || !str_eq(root, "/"))) {
		found("host-path", "%s: %s of %s", point, root, source);
	} else if (str_eq(type, "tmpfs") && !str_eq(root, "/") && strchr(root + 1, '/')) {
		found("host-path", "%s: %s of %s", point, root, source);
	}
}

static void cgroup_line(char *line)
{
	char *path = strchr(line, ':');

	path = path ? strchr(path + 1, ':') : NULL;
	if (!path)
		return;
	path[strcspn(path, "\n")] = '\0';
	/* A path that leaves by ".." is outside, whosever namespace this is. */
	if (str_starts(path, ":/.."))
		found("cgroup-path", "%s", line);
	fact("cgroup", "%s", line);
}

void probe_mounts(void)
{
	each_line("/proc/self/mountinfo", mount_line);
	each_line("/proc/self/cgroup", cgroup_line);
}

/* A socket that others may connect to, whatever their root: it has a name and no file. */
static void unix_line(char *line)
{
	const char *at = strchr(line, '@');

	line[strcspn(line, "\n")] = '\0';
	if (at)
		found("abstract-socket", "%s", at);
}

static void ipc_line(char *line)
{
	long key, id;

	if (sscanf(line, "%ld %ld", &key, &id) == 2)
		found("sysv-ipc", "key %ld id %ld", key, id);
}

/* Of processes that come from outside nobody here can see the root. */
static void processes(void)
{
	DIR *d = opendir("/proc");
	char path[300], link[64];

	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[strspn(e->d_name, "0123456789")])
			continue;
		snprintf(path, sizeof path, "/proc/%s/ns/pid", e->d_name);
		ssize_t n = readlink(path, link, sizeof link - 1);
		if (n > 0) {
			link[n] = '\0';
			fact("process", "%s %s", e->d_name, link);
		} else {
			fact("process", "%s unknown", e->d_name);
		}
	}
	if (d)
		closedir(d);
}

void probe_others(void)
{
	each_line("/proc/net/unix", unix_line);
	each_line("/proc/sysvipc/shm", ipc_line);
	each_line("/proc/sysvipc/msg", ipc_line);
	each_line("/proc/sysvipc/sem", ipc_line);
	processes();
}

static void key_line(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	found("key", "%s", line);
}

void probe_keys(void)
{
	static const struct { int id; const char *name; } rings[] = {
		{ KEY_SPEC_SESSION_KEYRING, "session keyring" }, { KEY_SPEC_USER_KEYRING, "user keyring" },
		{ KEY_SPEC_USER_SESSION_KEYRING, "user session keyring" },
	};
	char text[256];

	for (size_t i = 0; i < COUNT(rings); i++)
		if (syscall(SYS_keyctl, KEYCTL_DESCRIBE, rings[i].id, text, sizeof text) > 0)
			found("key", "%s", rings[i].name);
	each_line("/proc/keys", key_line);
}

static void memory_line(char *line)
{
	unsigned long long kib;

	if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
		fact("memory", "%llu", kib * 1024);
	if (sscanf(line, "SwapTotal: %llu kB", &kib) == 1)
		fact("swap", "%llu", kib * 1024);
}

static unsigned processors;

static void cpu_line(char *line)
{
	processors += str_starts(line, "processor");
}

void probe_figures(void)
{
	struct statfs fs;
	char text[256];
	double up;

	each_line("/proc/meminfo", memory_line);
	each_line("/proc/cpuinfo", cpu_line);
	fact("cpus", "%u", processors);
	if (file_peek(AT_FDCWD, "/proc/uptime", text, sizeof text) > 0 && sscanf(text, "%lf", &up) == 1)
		fact("uptime", "%llu", (unsigned long long)up);
	/* Its figures change under the comparison; what stands in for it is another file system's. */
	if (statfs("/proc/loadavg", &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
	    file_peek(AT_FDCWD, "/proc/loadavg", text, sizeof text) > 0)
		fact("loadavg", "%s", text);
	if (file_peek(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text, sizeof text) > 0)
		fact("boot", "%s", text);
}
