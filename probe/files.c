#include "probe/probe.h"
#include "base/file.h"
#include "base/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

/* ---- what can be opened for writing --------------------------------------------------------------- */

/* Sysctls of a namespace: whoever has the namespace for himself changes nobody else's. */
static const struct { const char *prefix, *row; } own[] = {
	{ "/proc/sys/net/", "sysctl-net" },
	{ "/proc/sys/user/", "sysctl-user" },
	{ "/proc/sys/kernel/hostname", "sysctl-uts" },
	{ "/proc/sys/kernel/domainname", "sysctl-uts" },
	{ "/proc/sys/kernel/msg", "sysctl-ipc" },
	{ "/proc/sys/kernel/sem", "sysctl-ipc" },
	{ "/proc/sys/kernel/shm", "sysctl-ipc" },
	{ "/proc/sys/kernel/auto_msgmni", "sysctl-ipc" },
	{ "/proc/sys/fs/mqueue/", "sysctl-ipc" },
	{ "/proc/sys/kernel/ns_last_pid", "sysctl-pid" },
	{ "/proc/sys/kernel/pid_max", "sysctl-pid" },	/* since 6.14; before, it takes the host's root */
};

static const char *row_of(const char *path)
{
	for (size_t i = 0; i < COUNT(own); i++)
		if (str_starts(path, own[i].prefix))
			return own[i].row;
	return str_starts(path, "/proc/") ? "proc-writable" : "sys-writable";
}

static void writable(const char *path, mode_t mode, void *ctx)
{
	struct statfs fs;

	(void)ctx;
	if (!S_ISREG(mode) || access(path, W_OK) < 0 || statfs(path, &fs) < 0)
		return;
	/* Elsewhere (debugfs, securityfs) opening alone may have an effect: there the question has to do. */
	if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC) {
		auto_close int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		if (fd < 0)
			return;
	}
	found(row_of(path), "%s", path);
}

/* Groups: the hierarchy's root as it is seen here. */
static void writable_groups(void)
{
	DIR *d = opendir("/sys/fs/cgroup");
	char path[512];

	if (access("/sys/fs/cgroup/cgroup.procs", W_OK) == 0)
		found("cgroup-writable", "/sys/fs/cgroup");
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/sys/fs/cgroup/%s/cgroup.procs", e->d_name);
		if (access("/sys/fs/cgroup/cgroup.procs", F_OK) < 0 && access(path, W_OK) == 0)
			found("cgroup-writable", "/sys/fs/cgroup/%s", e->d_name);
		for (size_t i = 0; i < 2; i++) {
			snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", e->d_name,
				 i ? "devices.allow" : "release_agent");
			if (access(path, W_OK) == 0)
				found("sys-writable", "%s", path);
		}
	}
	if (d)
		closedir(d);
}

void probe_writable(void)
{
	static const char *const below_sys[] = {
		"/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/kernel/config",
		"/sys/fs/bpf", "/sys/fs/pstore", "/sys/fs/fuse/connections", "/sys/firmware/efi/efivars",
	};

	walk("/proc", writable, NULL);
	walk("/sys", writable, NULL);
	for (size_t i = 0; i < COUNT(below_sys); i++)
		if (access(below_sys[i], W_OK) == 0)
			found("sys-writable", "%s", below_sys[i]);
	writable_groups();
}

/* ---- what tells of the host ------------------------------------------------------------------------ */

static const char *const telling[] = {
	"/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/proc/config.gz", "/proc/keys", "/proc/key-users", "/proc/modules", "/proc/iomem", "/proc/ioports",
	"/proc/slabinfo", "/proc/zoneinfo", "/proc/pagetypeinfo", "/proc/buddyinfo", "/proc/vmallocinfo",
	"/proc/softirqs", "/proc/interrupts", "/proc/mtrr", "/proc/dma", "/proc/latency_stats", "/proc/kpagecount",
	"/proc/kpageflags", "/proc/kpagecgroup", "/proc/acpi", "/proc/asound", "/proc/scsi", "/proc/bus",
	"/proc/partitions", "/proc/diskstats", "/proc/swaps", "/proc/cmdline", "/proc/crypto",
	"/proc/consoles", "/proc/devices", "/proc/misc", "/proc/fb", "/proc/execdomains", "/proc/schedstat",
	"/proc/vmstat", "/proc/mdstat", "/proc/driver", "/proc/irq", "/proc/tty/drivers", "/proc/tty/driver",
	"/proc/pressure", "/proc/fs", "/proc/bootconfig", "/proc/dynamic_debug", "/proc/sysrq-trigger",
	"/sys/firmware", "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/kernel/notes",
	"/sys/kernel/vmcoreinfo", "/sys/kernel/slab", "/sys/kernel/iommu_groups", "/sys/kernel/boot_params",
	"/sys/kernel/btf", "/sys/kernel/irq", "/sys/module", "/sys/class/dmi", "/sys/devices/virtual/dmi",
	"/sys/devices/virtual/powercap", "/sys/devices/pci0000:00", "/sys/hypervisor", "/sys/block",
	"/sys/class/thermal", "/sys/class/hwmon", "/sys/class/power_supply", "/sys/bus/pci/devices",
	"/sys/bus/virtio/devices", "/sys/fs/bpf", "/sys/fs/pstore", "/sys/fs/ext4", "/sys/fs/btrfs", "/sys/power",
	"/sys/devices/system/cpu/vulnerabilities", "/sys/devices/system/node", "/sys/devices/system/memory",
};

/* Addresses that the kernel hides are zeros. */
static bool has_addresses(const char *path)
{
	auto_fclose FILE *f = fopen(path, "re");
	char text[256];

	for (int i = 0; f && i < 1000 && fgets(text, sizeof text, f); i++)
		if (text[strspn(text, " 0-")] != ' ' && strspn(text + strspn(text, " 0-"), "123456789abcdef") > 0)
			return true;
	return false;
}

static bool dir_tells(const char *path)
{
	DIR *d = opendir(path);
	bool any = false;

	for (struct dirent *e; d && (e = readdir(d));)
		any |= e->d_name[0] != '.';
	if (d)
		closedir(d);
	return any;
}

static bool tells(const char *path)
{
	struct statfs fs;
	struct stat st;
	char byte;

	/* lxcfs shows the container itself. */
	if (stat(path, &st) < 0 || (statfs(path, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC))
		return false;
	if (S_ISDIR(st.st_mode))
		return dir_tells(path);
	if (!S_ISREG(st.st_mode))
		return false;
	if (str_eq(path, "/proc/kallsyms") || str_eq(path, "/proc/iomem") || str_eq(path, "/proc/ioports"))
		return has_addresses(path);
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 && (read(fd, &byte, 1) == 1 || errno == EAGAIN);
}

void probe_readable(void)
{
	for (size_t i = 0; i < COUNT(telling); i++) {
		errno = 0;
		if (tells(telling[i]))
			found("host-information", "%s", telling[i]);
	}
}

/* ---- devices --------------------------------------------------------------------------------------- */

/* Opening these has an effect, or waits: the machine's watchdog, tapes. */
static bool acts_when_opened(const struct stat *st)
{
	unsigned n = major(st->st_rdev);

	return (n == 10 && minor(st->st_rdev) == 130) || n == 9 || n == 206 || (n >= 234 && n <= 254);
}

/* Those that every program expects. */
static bool is_harmless(const struct stat *st)
{
	unsigned n = major(st->st_rdev), m = minor(st->st_rdev);

	if (!S_ISCHR(st->st_mode))
		return false;
	return (n == 1 && (m == 3 || m == 5 || m == 7 || m == 8 || m == 9)) || (n == 5 && (m == 0 || m == 2)) ||
	       (n >= 136 && n <= 143);
}

static void device(const char *path, mode_t mode, void *ctx)
{
	struct stat st;

	(void)ctx;
	if ((!S_ISCHR(mode) && !S_ISBLK(mode)) || stat(path, &st) < 0 || is_harmless(&st))
		return;
	if (acts_when_opened(&st)) {
		if (access(path, R_OK) == 0)
			found("device", "%s (not opened)", path);
		return;
	}
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		found("device", "%s", path);
}

void probe_devices(void)
{
	walk("/dev", device, NULL);
}

/* ---- the kernel's log ------------------------------------------------------------------------------ */

void probe_kernel_log(void)
{
	char text[64];

	if (klogctl(3, text, sizeof text) >= 0)
		found("kernel-log", "syslog(2)");
	auto_close int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		found("kernel-log", "/dev/kmsg");
}
