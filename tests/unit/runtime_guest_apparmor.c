#include "base/scope.h"
#include "runtime/guest/apparmor.h"
#include "runtime/guest/guest.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

static struct strv caps = { (const char *[]){ "CAP_CHOWN", "cap_sys_time" }, 2 };

/* Does "BEGIN[^SET]...", or "BEGIN{,[^SET]...}", match this? */
static bool denies(const char *rule, const char *what)
{
	const char *set = strstr(rule, "[^");
	size_t n = strcspn(rule, "{[");

	if (!set || strncmp(rule, what, n) != 0)
		return false;
	return what[n] ? !memchr(set + 2, what[n], strcspn(set + 2, "]")) : rule[n] == '{';
}

static bool free_to(const char *text, const char *what)
{
	static const char word[] = "\taudit deny ";

	for (const char *l = text; (l = strstr(l, word));) {
		auto_free char *rule = NULL;

		l += strlen(word);
		rule = strndup(l, strcspn(l, "\n"));
		if (!rule)
			abort();
		if (denies(rule, what))
			return false;
	}
	return true;
}

TEST(denials)
{
	static const struct { const char *what; bool want; } rows[] = {
		{ "/proc/1/attr/exec", true }, { "/proc/9999/mem", true }, { "/proc/sys/net/ipv4/ip_forward", true },
		{ "/proc/sys/kernel/hostname", true }, { "/proc/sys/kernel/shmmax", true },
		{ "/proc/sys/kernel/sem", true }, { "/proc/sys/fs/mqueue/msg_max", true },
		{ "/proc/sys/user/max_user_namespaces", true }, { "/proc/sys/kernel/ns_last_pid", true },
		{ "/proc/sysrq-trigger", false }, { "/proc/sys/kernel/core_pattern", false },
		{ "/proc/sys/kernel/modprobe", false }, { "/proc/sys/kernel/hotplug", false },
		{ "/proc/sys/kernel/sysrq", false }, { "/proc/sys/vm/drop_caches", false },
		{ "/proc/sys/fs/suid_dumpable", false }, { "/proc/sys/fs/binfmt_misc/register", false },
		{ "/proc/irq/1/smp_affinity", false }, { "/proc/pressure/memory", false }, { "/proc/mtrr", false },
		{ "/sys/fs/cgroup/cgroup.procs", true }, { "/sys/devices/virtual/net/eth0/mtu", true },
		{ "/sys/kernel/uevent_helper", false }, { "/sys/power/state", false },
		{ "/sys/devices/pci0000:00/remove", false }, { "/sys/devices/virtual/block/x", false },
		{ "/sys/fs/bpf/x", false }, { "/sys/fs/ext4/x", false }, { "/sys/block/sda/queue/scheduler", false },
		{ "/usr/include/sys/x.h", true }, { "/srv/proc/x", true },
		{ "mount fstype=tmpfs", true }, { "mount fstype=cgroup2", true }, { "mount fstype=fuse.sshfs", true },
		{ "mount fstype=", true },	/* a bind */
		{ "mount fstype=cgroup", false }, { "mount fstype=bpf", false }, { "mount fstype=debugfs", false },
		{ "mount fstype=devtmpfs", false }, { "mount fstype=securityfs", false }, { "mount fstype=ext4", false },
		{ "mount fstype=binfmt_misc", false }, { "mount fstype=nfs", false }, { "mount fstype=pstore", false },
	};
	auto_buf struct buf b = { 0 };

	CHECK(guest_apparmor_text("p", &caps, &b) == 0);
	for (size_t i = 0; i < COUNT(rows); i++)
		if (free_to(buf_text(&b), rows[i].what) != rows[i].want) {
			printf("# %s: %s\n", rows[i].what, rows[i].want ? "denied" : "not denied");
			unit_failed = 1;
		}
}

TEST(capabilities)
{
	auto_buf struct buf b = { 0 };

	CHECK(guest_apparmor_text("p", &caps, &b) == 0);
	CHECK(strstr(buf_text(&b), "profile p flags=") == buf_text(&b));
	CHECK(!strstr(buf_text(&b), "audit deny capability chown,"));
	CHECK(!strstr(buf_text(&b), "audit deny capability sys_time,"));
	CHECK(strstr(buf_text(&b), "audit deny capability sys_module,"));
}

TEST(profile_name)
{
	static const struct guest_where a = { "/a", "/r" }, other_home = { "/b", "/r" }, other_root = { "/a", "/s" };
	char one[96], two[96];

	guest_apparmor_name(&a, "web", one);
	CHECK(strncmp(one, "vzrun-web-", 10) == 0 && strlen(one) == 26);
	guest_apparmor_name(&other_home, "web", two);
	CHECK(strcmp(one, two) != 0);
	guest_apparmor_name(&other_root, "web", two);
	CHECK(strcmp(one, two) != 0);
	guest_apparmor_name(&a, "web", two);
	CHECK_STR(one, two);
}

UNIT_MAIN(UNIT(denials), UNIT(capabilities), UNIT(profile_name))
