#include "cgroups/internal.h"
#include "base/json.h"
#include "tests/unit/unit.h"
#include <linux/bpf.h>
#include <seccomp.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Just the instructions that our generator uses; -1: one that it does not. */
static int run_bpf(const struct bpf_insn *p, size_t n, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t reg[11] = { 0 };

	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &p[pc];
		uint64_t k = (uint64_t)(int64_t)i->imm;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			memcpy(&reg[i->dst_reg], (const char *)ctx + i->off, 4);
			break;
		case BPF_ALU64 | BPF_MOV | BPF_X: reg[i->dst_reg] = reg[i->src_reg]; break;
		case BPF_ALU64 | BPF_MOV | BPF_K: reg[i->dst_reg] = k; break;
		case BPF_ALU64 | BPF_AND | BPF_K: reg[i->dst_reg] &= k; break;
		case BPF_ALU64 | BPF_RSH | BPF_K: reg[i->dst_reg] >>= k; break;
		case BPF_JMP | BPF_JNE | BPF_K: pc += reg[i->dst_reg] != k ? (size_t)i->off : 0; break;
		case BPF_JMP | BPF_JEQ | BPF_K: pc += reg[i->dst_reg] == k ? (size_t)i->off : 0; break;
		case BPF_JMP | BPF_EXIT: return (int)reg[0];
		default: return -1;
		}
	}
	return -1;
}

/* The v1 kernel's way of asking its list. */
static bool ask_v1(const struct dev_list *l, char type, int64_t major, int64_t minor, unsigned acc)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct dev *d = &l->v[i];
		bool same = d->type == type && (d->major < 0 || d->major == major) &&
			    (d->minor < 0 || d->minor == minor);

		/* A default of allow asks for any overlap, a default of deny for a full cover. */
		if (same && (l->allow ? (d->acc & acc) != 0 : (acc & ~d->acc) == 0))
			return !l->allow;
	}
	return l->allow;
}

/* The meaning: for each letter the last rule that matches. */
static bool ask_rules(const struct list *rules, char type, int64_t major, int64_t minor, unsigned acc)
{
	for (unsigned bit = 1; bit < 8; bit <<= 1) {
		bool allow = false;

		LIST_EACH(struct cg_device_rule, rule, *rules) {
			struct dev d;

			if (cg_dev_of(rule, &d) == 0 && (d.type == 'a' || d.type == type) &&
			    (d.major < 0 || d.major == major) && (d.minor < 0 || d.minor == minor) &&
			    (d.acc & bit))
				allow = d.allow;
		}
		if ((acc & bit) && !allow)
			return false;
	}
	return true;
}

#define D(allow, rest) "{\"allow\":" #allow ",\"access\":" rest "}"
#define DENY_ALL D(false, "\"rwm\"")
static const char *const lists[] = {
	"[" DENY_ALL "]",
	"[" D(true, "\"rwm\"") "]",
	"[" DENY_ALL "," D(true, "\"rwm\",\"type\":\"c\",\"major\":1,\"minor\":3") "]",
	"[" DENY_ALL "," D(true, "\"m\",\"type\":\"c\"") "," D(true, "\"m\",\"type\":\"b\"") ","
	    D(true, "\"rw\",\"type\":\"c\",\"major\":1,\"minor\":3") "]",
	"[" DENY_ALL "," D(true, "\"r\",\"type\":\"c\",\"major\":1,\"minor\":3") ","
	    D(true, "\"w\",\"type\":\"c\",\"major\":1,\"minor\":3") "]",
	"[" D(true, "\"rwm\"") "," D(false, "\"rwm\",\"type\":\"b\"") ","
	    D(false, "\"w\",\"type\":\"c\",\"major\":1") "]",
	"[" DENY_ALL "," D(true, "\"rw\",\"type\":\"a\",\"major\":1") ","
	    D(false, "\"w\",\"type\":\"c\",\"major\":1") "]",
	"[" DENY_ALL "," D(true, "\"rw\",\"type\":\"c\",\"minor\":3") ","
	    D(true, "\"r\",\"type\":\"c\",\"major\":1") "]",
	"[" DENY_ALL "," D(true, "\"r\",\"type\":\"c\",\"major\":1") ","
	    D(true, "\"w\",\"type\":\"c\",\"major\":1,\"minor\":3") "]",
	"[" DENY_ALL "," D(true, "\"w\",\"type\":\"c\",\"minor\":2") "," D(true, "\"r\",\"type\":\"c\",\"major\":1") ","
	    D(true, "\"r\"") "]",
	"[" D(true, "\"rwm\",\"type\":\"c\",\"major\":1,\"minor\":3") "," DENY_ALL "]",
	"[" D(true, "\"r\"") "]",
	"[" D(true, "\"rwm\",\"type\":\"u\",\"major\":1,\"minor\":-1") "]",
};

static struct list decode(const char *text, struct arena *a, struct json **tree)
{
	static struct cg_resources r;
	char whole[2048];

	snprintf(whole, sizeof whole, "{\"devices\":%s}", text);
	CHECK(json_parse("d", whole, strlen(whole), tree) == 0);
	CHECK(bind_decode(a, &cg_resources_record, *tree, &r) == 0);
	CHECK(cg_check(&r) == 0);
	return r.devices;
}

static void same_answers(const char *text, const struct list *rules)
{
	struct dev_list v1;
	auto_free struct bpf_insn *p = NULL;
	size_t n;

	CHECK(cg_dev_compile(rules, &v1) == 0);
	CHECK(cg_bpf_program(rules, &p, &n) == 0);
	/* The kernel asks for mknod alone, or for reading and writing. */
	static const unsigned asked[] = { ACC_MKNOD, ACC_READ, ACC_WRITE, ACC_READ | ACC_WRITE };

	for (int64_t q = 0; q < 2 * 4 * 4 * 4; q++) {
		char type = q & 1 ? 'b' : 'c';
		int64_t major = q / 2 % 4, minor = q / 8 % 4 + 1;
		unsigned acc = asked[q / 32];
		struct bpf_cgroup_dev_ctx ctx = {
			.access_type = (acc << 16) | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
			.major = (uint32_t)major, .minor = (uint32_t)minor,
		};
		bool want = ask_rules(rules, type, major, minor, acc);

		if (run_bpf(p, n, &ctx) != want || ask_v1(&v1, type, major, minor, acc) != want) {
			printf("# %s: %c %d:%d %u: rules %d bpf %d v1 %d\n", text, type, (int)major,
			       (int)minor, acc, want, run_bpf(p, n, &ctx),
			       ask_v1(&v1, type, major, minor, acc));
			unit_failed = 1;
		}
	}
	cg_dev_free(&v1);
}

TEST(three_readings_agree)
{
	for (size_t i = 0; i < COUNT(lists); i++) {
		auto_arena struct arena a = { 0 };
		auto_json struct json *tree = NULL;
		struct list rules = decode(lists[i], &a, &tree);

		same_answers(lists[i], &rules);
	}
}

TEST(v1_cannot_say)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct list rules = decode("[" DENY_ALL "," D(true, "\"rwm\",\"type\":\"c\",\"major\":1") ","
				   D(false, "\"w\",\"type\":\"c\",\"major\":1,\"minor\":3") "]", &a, &tree);
	struct dev_list v1;

	CHECK_FAILS(cg_dev_compile(&rules, &v1),
		    "devices[2]: cgroup v1 cannot take \"c 1:3 w\" out of the wider rule \"c 1:* rwm\"");
}

static int refuse_bpf(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx && seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 0) == 0 ? seccomp_load(ctx) : -1;

	seccomp_release(ctx);
	return r;
}

/* Room for locked memory is ours for the moment of the loading; what is cloned afterwards has what it had. */
TEST(locked_memory)
{
	const struct list none = { 0 };
	struct rlimit had, is;
	int status = 1;

	CHECK(getrlimit(RLIMIT_MEMLOCK, &had) == 0);
	had.rlim_cur = 65536;
	pid_t pid = fork();

	if (pid == 0) {
		bool ready = setrlimit(RLIMIT_MEMLOCK, &had) == 0 && refuse_bpf() == 0;

		_exit(!(ready && cg_bpf_attach("/", &none) == -EPERM && getrlimit(RLIMIT_MEMLOCK, &is) == 0 &&
			is.rlim_cur == had.rlim_cur && is.rlim_max == had.rlim_max));
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

UNIT_MAIN(UNIT(three_readings_agree), UNIT(v1_cannot_say), UNIT(locked_memory))
