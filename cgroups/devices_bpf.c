/*
 * Device rules on v2: a program at the group that the kernel asks about every open and
 * mknod of a device. Written as raw instructions: a compiler is no part of a runtime.
 * Kernel: linux/bpf.h, struct bpf_cgroup_dev_ctx; BPF_F_REPLACE since 5.6.
 */
#include "cgroups/internal.h"
#include "base/fault.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define PROG_NAME "vzrun_devices"
enum { PER_RULE = 8, FRAME = 6, PROGS_MAX = 64 };

/* w2 the type, w3 the access that no rule has decided yet, w4 major, w5 minor */
#define INSN(op, d, s, o, i) \
	(struct bpf_insn){ .code = (op), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }
#define LOAD(d, member) \
	INSN(BPF_LDX | BPF_MEM | BPF_W, d, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, member), 0)
/* off is set at the end of the rule */
#define SKIP_UNLESS(d, v) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, 0, v)
#define MOV(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, v) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, v)
#define AND(d, v) INSN(BPF_ALU64 | BPF_AND | BPF_K, d, 0, 0, v)
#define SHR(d, v) INSN(BPF_ALU64 | BPF_RSH | BPF_K, d, 0, 0, v)
#define EXIT() INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* Returns true when the rule decides everything, so that nothing before it is ever reached. */
static bool rule_code(const struct dev *d, struct bpf_insn **at)
{
	struct bpf_insn *start = *at, *p = start;
	/* The last two of a rule are its verdict; jumps that fail the match go behind them. */
	if (d->type != 'a')
		*p++ = SKIP_UNLESS(BPF_REG_2, d->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (d->major >= 0)
		*p++ = SKIP_UNLESS(BPF_REG_4, (int32_t)d->major);
	if (d->minor >= 0)
		*p++ = SKIP_UNLESS(BPF_REG_5, (int32_t)d->minor);
	bool all = p == start && d->acc == ACC_ALL;
	if (d->acc != ACC_ALL && d->allow) {
		*p++ = AND(BPF_REG_3, (int32_t)~d->acc);
		*p++ = SKIP_UNLESS(BPF_REG_3, 0);
	} else if (d->acc != ACC_ALL) {
		*p++ = MOV(BPF_REG_6, BPF_REG_3);
		*p++ = AND(BPF_REG_6, (int32_t)d->acc);
		*p++ = INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_6, 0, 0, 0);
	}
	*p++ = SET(BPF_REG_0, d->allow);
	*p++ = EXIT();
	for (struct bpf_insn *j = start; j < p - 2; j++)
		if (BPF_CLASS(j->code) == BPF_JMP)
			j->off = (int16_t)(p - j - 1);
	*at = p;
	return all;
}

int cg_bpf_program(const struct list *rules, struct bpf_insn **out, size_t *n)
{
	const struct cg_device_rule *first = rules->v;
	struct bpf_insn *p = calloc(rules->n * PER_RULE + FRAME + 2, sizeof *p), *at = p;
	bool all = false;

	if (!p)
		return fail(ENOMEM, "device rules: out of memory");
	*at++ = LOAD(BPF_REG_2, access_type);
	*at++ = MOV(BPF_REG_3, BPF_REG_2);
	*at++ = AND(BPF_REG_2, 0xffff);
	*at++ = SHR(BPF_REG_3, 16);
	*at++ = LOAD(BPF_REG_4, major);
	*at++ = LOAD(BPF_REG_5, minor);
	/* Backwards: the last rule that matches decides. The verifier refuses code that none can reach. */
	for (size_t i = rules->n; i-- && !all;) {
		struct dev d;
		int r = cg_dev_of(&first[i], &d);

		if (r < 0) {
			free(p);
			return fail_in(r, "devices[%zu]", i);
		}
		all = rule_code(&d, &at);
	}
	if (!all) {
		*at++ = SET(BPF_REG_0, 0);
		*at++ = EXIT();
	}
	*out = p;
	*n = (size_t)(at - p);
	return 0;
}

static int bpf(enum bpf_cmd cmd, union bpf_attr *a)
{
	return (int)syscall(SYS_bpf, cmd, a, sizeof *a);
}

static int load(const struct bpf_insn *insn, size_t n)
{
	static const char license[] = "Dual BSD/GPL";
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY }, ours;
	union bpf_attr a = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insn_cnt = (uint32_t)n, .prog_name = PROG_NAME,
	};
	int fd;

	a.insns = (uintptr_t)insn;
	a.license = (uintptr_t)license;
	fd = bpf(BPF_PROG_LOAD, &a);
	/* Before Linux 5.11 programs count as locked memory. The container is to inherit the limit as it was. */
	if (fd < 0 && errno == EPERM && geteuid() == 0 && getrlimit(RLIMIT_MEMLOCK, &ours) == 0 &&
	    setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0) {
		fd = bpf(BPF_PROG_LOAD, &a);
		int code = errno;
		(void)setrlimit(RLIMIT_MEMLOCK, &ours);
		errno = code;
	}
	if (fd < 0)
		return fail_errno("device rules: load the BPF program of %zu instructions", n);
	return fd;
}

static int open_former(uint32_t id)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr a = { .prog_id = id };
	auto_close int fd = bpf(BPF_PROG_GET_FD_BY_ID, &a);

	if (fd < 0)
		return -1;
	memset(&a, 0, sizeof a);
	a.info.bpf_fd = (uint32_t)fd;
	a.info.info_len = sizeof info;
	a.info.info = (uintptr_t)&info;
	/* systemd may have put its own there: those stay, and all must agree. */
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &a) < 0 || strncmp(info.name, PROG_NAME, sizeof info.name - 1) != 0)
		return -1;
	return take_fd(&fd);
}

/* Ours of an earlier call; -1 when there is none. */
static int former_program(int group)
{
	uint32_t ids[PROGS_MAX];
	union bpf_attr a = { 0 };
	int fd = -1;

	a.query.target_fd = (uint32_t)group;
	a.query.attach_type = BPF_CGROUP_DEVICE;
	a.query.prog_ids = (uintptr_t)ids;
	a.query.prog_cnt = PROGS_MAX;
	if (bpf(BPF_PROG_QUERY, &a) < 0)
		return -1;
	for (uint32_t i = 0; i < a.query.prog_cnt && fd < 0; i++)
		fd = open_former(ids[i]);
	return fd;
}

static int attach(int group, int prog, int former)
{
	union bpf_attr a = { 0 };

	a.target_fd = (uint32_t)group;
	a.attach_bpf_fd = (uint32_t)prog;
	a.attach_type = BPF_CGROUP_DEVICE;
	a.attach_flags = BPF_F_ALLOW_MULTI | (former >= 0 ? BPF_F_REPLACE : 0);
	a.replace_bpf_fd = former >= 0 ? (uint32_t)former : 0;
	if (bpf(BPF_PROG_ATTACH, &a) == 0)
		return 0;
	if (former < 0)
		return -1;
	/* Without BPF_F_REPLACE: both for a moment, which allows no more than each alone. */
	a.attach_flags = BPF_F_ALLOW_MULTI;
	a.replace_bpf_fd = 0;
	if (bpf(BPF_PROG_ATTACH, &a) < 0)
		return -1;
	a.attach_bpf_fd = (uint32_t)former;
	a.attach_flags = 0;
	return bpf(BPF_PROG_DETACH, &a);
}

int cg_bpf_attach(const char *dir, const struct list *rules)
{
	auto_free struct bpf_insn *insn = NULL;
	size_t n = 0;

	TRY(fault_point("cgroup device program"));
	TRY(cg_bpf_program(rules, &insn, &n));
	auto_close int group = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group < 0)
		return fail_errno("device rules: open %s", dir);
	auto_close int prog = load(insn, n);
	TRY(prog);
	auto_close int former = former_program(group);
	if (attach(group, prog, former) < 0)
		return fail_errno("device rules: attach the BPF program to %s", dir);
	return 0;
}
