#include "runtime/guest/profile.h"
#include "base/scope.h"

/*
 * What tells of the host, or does harm to it. Not masked, because programs of a guest fail without:
 * /proc/vmstat (vmstat), /proc/swaps (systemd watches it), /proc/tty (ps), node of /sys (libnuma).
 */
static const char *masked[] = {
	"/proc/acpi", "/proc/asound", "/proc/bootconfig", "/proc/buddyinfo", "/proc/bus", "/proc/cmdline",
	"/proc/config.gz", "/proc/consoles", "/proc/crypto", "/proc/devices", "/proc/diskstats", "/proc/dma",
	"/proc/driver", "/proc/dynamic_debug", "/proc/execdomains", "/proc/fb", "/proc/fs", "/proc/interrupts",
	"/proc/iomem", "/proc/ioports", "/proc/irq", "/proc/kallsyms", "/proc/kcore", "/proc/key-users",
	"/proc/keys", "/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats", "/proc/mdstat",
	"/proc/misc", "/proc/modules", "/proc/mtrr", "/proc/pagetypeinfo", "/proc/partitions", "/proc/pressure",
	"/proc/sched_debug", "/proc/schedstat", "/proc/scsi", "/proc/slabinfo", "/proc/softirqs",
	"/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo", "/proc/zoneinfo",
	"/sys/block", "/sys/bus", "/sys/class/block", "/sys/class/dmi", "/sys/class/hwmon",
	"/sys/class/power_supply", "/sys/class/thermal", "/sys/dev/block", "/sys/devices/pci0000:00",
	"/sys/devices/system/cpu/vulnerabilities", "/sys/devices/system/memory", "/sys/devices/virtual/block",
	"/sys/devices/virtual/dmi", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/bpf",
	"/sys/fs/btrfs", "/sys/fs/ext4", "/sys/fs/pstore", "/sys/fs/xfs", "/sys/hypervisor",
	"/sys/kernel/boot_params", "/sys/kernel/btf", "/sys/kernel/debug", "/sys/kernel/iommu_groups",
	"/sys/kernel/irq", "/sys/kernel/notes", "/sys/kernel/security", "/sys/kernel/slab", "/sys/kernel/tracing",
	"/sys/kernel/vmcoreinfo", "/sys/module", "/sys/power", NULL
};
const struct strv profile_masked = { masked, COUNT(masked) - 1 };

/* In a user namespace the kernel itself keeps what is the host's below /proc/sys from being written. */
static const char *userns[] = { "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", NULL };
static const char *on_host[] = { "/proc/sys", "/proc/sysrq-trigger", NULL };

struct strv profile_readonly(unsigned features)
{
	return features & PROFILE_USERNS ? (struct strv){ userns, COUNT(userns) - 1 } :
					   (struct strv){ on_host, COUNT(on_host) - 1 };
}
