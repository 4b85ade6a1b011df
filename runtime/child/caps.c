#include "runtime/child/caps.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/scope.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { CAPS_MAX = 64 };

#define BIT(cap) (UINT64_C(1) << (cap))

#define NAME(cap) [cap] = #cap
static const char *const cap_names[] = {
	NAME(CAP_CHOWN), NAME(CAP_DAC_OVERRIDE), NAME(CAP_DAC_READ_SEARCH), NAME(CAP_FOWNER), NAME(CAP_FSETID),
	NAME(CAP_KILL), NAME(CAP_SETGID), NAME(CAP_SETUID), NAME(CAP_SETPCAP), NAME(CAP_LINUX_IMMUTABLE),
	NAME(CAP_NET_BIND_SERVICE), NAME(CAP_NET_BROADCAST), NAME(CAP_NET_ADMIN), NAME(CAP_NET_RAW),
	NAME(CAP_IPC_LOCK), NAME(CAP_IPC_OWNER), NAME(CAP_SYS_MODULE), NAME(CAP_SYS_RAWIO), NAME(CAP_SYS_CHROOT),
	NAME(CAP_SYS_PTRACE), NAME(CAP_SYS_PACCT), NAME(CAP_SYS_ADMIN), NAME(CAP_SYS_BOOT), NAME(CAP_SYS_NICE),
	NAME(CAP_SYS_RESOURCE), NAME(CAP_SYS_TIME), NAME(CAP_SYS_TTY_CONFIG), NAME(CAP_MKNOD), NAME(CAP_LEASE),
	NAME(CAP_AUDIT_WRITE), NAME(CAP_AUDIT_CONTROL), NAME(CAP_SETFCAP), NAME(CAP_MAC_OVERRIDE),
	NAME(CAP_MAC_ADMIN),
	NAME(CAP_SYSLOG), NAME(CAP_WAKE_ALARM), NAME(CAP_BLOCK_SUSPEND), NAME(CAP_AUDIT_READ), NAME(CAP_PERFMON),
	NAME(CAP_BPF), NAME(CAP_CHECKPOINT_RESTORE),
};

const char *caps_name(unsigned cap)
{
	return cap < COUNT(cap_names) ? cap_names[cap] : NULL;
}

static const char *cap_text(unsigned cap, char *buf, size_t size)
{
	const char *name = caps_name(cap);

	if (name)
		return name;
	snprintf(buf, size, "capability %u", cap);
	return buf;
}

/* Numbers are dense and end at /proc/sys/kernel/cap_last_cap; asking costs no open. */
uint64_t caps_known(void)
{
	static uint64_t known;
	unsigned low = 0, high = CAPS_MAX, mid = COUNT(cap_names);

	if (known)
		return known;
	/* Most kernels have those that are named above, and no more: the first two questions settle it. */
	while (low < high) {
		if (prctl(PR_CAPBSET_READ, mid, 0, 0, 0) >= 0)
			low = mid + 1;
		else
			high = mid;
		mid = low == 0 && high == COUNT(cap_names) ? high - 1 : (low + high) / 2;
	}
	known = low == CAPS_MAX ? UINT64_MAX : BIT(low) - 1;
	return known;
}

static unsigned number_of(const char *name)
{
	unsigned cap = 0;

	while (cap < COUNT(cap_names) && strcasecmp(cap_names[cap], name) != 0)
		cap++;
	return cap;
}

/* Told once, though a name stands in up to five sets. */
static void left_out(const char *name)
{
	static char told[8][40];
	static size_t n;

	for (size_t i = 0; i < n; i++)
		if (strncmp(told[i], name, sizeof told[i] - 1) == 0)
			return;
	if (n < COUNT(told))
		snprintf(told[n++], sizeof told[0], "%s", name);
	log_warn("process.capabilities: \"%s\" is no capability of this kernel: left out", name);
}

uint64_t caps_parse(const struct strv *names)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < names->n; i++) {
		unsigned cap = number_of(names->v[i]);

		if (cap < COUNT(cap_names) && caps_known() & BIT(cap))
			mask |= BIT(cap);
		else
			left_out(names->v[i]);
	}
	return mask;
}

static int get_caps(uint64_t *permitted, uint64_t *inheritable)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return fail_errno("capget");
	*permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	*inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
	return 0;
}

bool caps_hold(uint64_t wanted)
{
	uint64_t permitted = 0, inheritable = 0;

	if (get_caps(&permitted, &inheritable) < 0) {
		err_clear();
		return false;
	}
	return (permitted & wanted) == wanted;
}

static uint64_t read_bounding(uint64_t among)
{
	uint64_t have = 0;

	for (unsigned cap = 0; cap < CAPS_MAX; cap++)
		if ((among & BIT(cap)) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			have |= BIT(cap);
	return have;
}

static void warn_lost(uint64_t lost, const char *why)
{
	char buf[32];

	for (unsigned cap = 0; cap < CAPS_MAX; cap++)
		if (lost & BIT(cap))
			log_warn("capability %s is %s", cap_text(cap, buf, sizeof buf), why);
}

int caps_clamp(struct cap_sets *s)
{
	uint64_t wanted = s->bounding | s->permitted | s->effective | s->inheritable | s->ambient;
	uint64_t permitted = 0, inheritable = 0, bounding, lost;

	TRY(get_caps(&permitted, &inheritable));
	warn_lost(s->effective & ~s->permitted, "effective only where it is permitted");
	bounding = read_bounding(wanted);
	lost = (s->bounding & ~bounding) | ((s->permitted | s->ambient) & ~permitted) |
	       (s->inheritable & ~(inheritable | (permitted & bounding)));
	warn_lost(lost, "not ours to give");
	s->bounding &= bounding;
	s->permitted &= permitted;
	s->effective &= s->permitted;
	s->inheritable &= inheritable | (permitted & bounding);
	return 0;
}

void caps_fit_ambient(struct cap_sets *s, bool root)
{
	auto_buf struct buf names = { 0 };
	char buf[32];

	for (unsigned cap = 0; cap < CAPS_MAX && !root; cap++)
		if (s->ambient & ~(s->inheritable & s->permitted) & BIT(cap))
			buf_printf(&names, "%s%s", names.n ? ", " : "", cap_text(cap, buf, sizeof buf));
	if (names.n)
		log_warn("can't raise ambient capability %s: not both inheritable and permitted", buf_text(&names));
	s->ambient &= s->inheritable & s->permitted;
}

int caps_drop_bounding(const struct cap_sets *s)
{
	uint64_t drop = caps_known() & ~s->bounding;
	char buf[32];

	for (unsigned cap = 0; cap < CAPS_MAX; cap++) {
		if (!(drop & BIT(cap)) || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		/* Without CAP_SETPCAP one that is not there need not be dropped. */
		if (errno == EPERM && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0)
			continue;
		return fail_errno("drop %s from the bounding set", cap_text(cap, buf, sizeof buf));
	}
	return 0;
}

static int raise_ambient(uint64_t ambient)
{
	char buf[32];

	/* EINVAL: a kernel before 4.3 has no ambient set. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && (errno != EINVAL || ambient))
		return fail_errno("clear the ambient capabilities");
	for (unsigned cap = 0; cap < CAPS_MAX; cap++)
		if ((ambient & BIT(cap)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return fail_errno("make %s ambient", cap_text(cap, buf, sizeof buf));
	return 0;
}

int caps_apply(const struct cap_sets *s)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (unsigned i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t)(s->effective >> 32 * i),
			.permitted = (uint32_t)(s->permitted >> 32 * i),
			.inheritable = (uint32_t)((undefended("inheritable") ? s->permitted : s->inheritable) >> 32 * i),
		};
	if (syscall(SYS_capset, &head, data) < 0) {
		int r = fail_errno("set the capabilities");

		err_why("the sets must lie within those of this process, and what is inheritable within the "
			"bounding set");
		return r;
	}
	return raise_ambient(s->ambient);
}

/* The hexadecimal or decimal value of the line "KEY:\tVALUE"; -ENOENT without one. */
static int status_value(const char *status, const char *key, int base, uint64_t *out)
{
	size_t n = strlen(key);
	char *end;

	for (const char *line = status; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, n) != 0 || line[n] != ':')
			continue;
		*out = strtoull(line + n + 1, &end, base);
		return end == line + n + 1 || (*end != '\n' && *end != '\0') ? -EINVAL : 0;
	}
	return -ENOENT;
}

static int verify_set(const char *status, const char *key, const char *what, uint64_t planned)
{
	uint64_t have, differ;
	unsigned cap;
	char buf[32];
	int r = status_value(status, key, 16, &have);

	/* Before 4.3 there is no ambient set, which is as good as an empty one. */
	if (r == -ENOENT && str_eq(key, "CapAmb"))
		have = r = 0;
	if (r < 0)
		return fail(EPERM, "confinement: no %s in /proc/self/status", key);
	differ = have ^ planned;
	if (!differ)
		return 0;
	cap = (unsigned)__builtin_ctzll(differ);
	return fail(EPERM, "confinement: %s is %s the %s capabilities, against the plan",
		    cap_text(cap, buf, sizeof buf), have & BIT(cap) ? "among" : "missing from", what);
}

static int verify_number(const char *status, const char *key, const char *what, uint64_t planned)
{
	uint64_t have;
	int r = status_value(status, key, 10, &have);

	/* A kernel without the feature (no_new_privs in status since 4.10) has no line for it. */
	if (r == -ENOENT && planned == 0)
		return 0;
	if (r < 0)
		return fail(EPERM, "confinement: no %s in /proc/self/status", key);
	if (have != planned)
		return fail(EPERM, "confinement: %s is %ju, not %ju as planned", what, (uintmax_t)have,
			    (uintmax_t)planned);
	return 0;
}

int caps_verify(const struct caps_plan *plan, const char *status)
{
	const struct { const char *key, *what; uint64_t planned; } sets[] = {
		{ "CapInh", "inheritable", plan->sets.inheritable },
		{ "CapPrm", "permitted", plan->sets.permitted },
		{ "CapEff", "effective", plan->sets.effective },
		{ "CapBnd", "bounding", plan->sets.bounding },
		{ "CapAmb", "ambient", plan->sets.ambient },
	};

	for (size_t i = 0; i < COUNT(sets); i++)
		TRY(verify_set(status, sets[i].key, sets[i].what, sets[i].planned));
	TRY(verify_number(status, "NoNewPrivs", "no_new_privs", plan->no_new_privs));
	return verify_number(status, "Seccomp", "the mode of seccomp", (uint64_t)plan->seccomp_mode);
}
