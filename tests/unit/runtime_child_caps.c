#include "base/file.h"
#include "base/scope.h"
#include "runtime/child/caps.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define BIT(cap) (UINT64_C(1) << (cap))

static uint64_t parse(const char *name)
{
	const char *v[] = { "CAP_CHOWN", name, NULL };
	struct strv names = { v, 2 };

	return caps_parse(&names);
}

TEST(names)
{
	static const char *const no[] = { "CAP_FLY", "KILL", "5", "CAP_63", "", "CAP_CHOWN " };

	CHECK(parse("CAP_SYS_ADMIN") == (BIT(CAP_CHOWN) | BIT(CAP_SYS_ADMIN)));
	CHECK(parse("cap_kill") == (BIT(CAP_CHOWN) | BIT(CAP_KILL)));
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		CHECK(parse(no[i]) == BIT(CAP_CHOWN));
	CHECK_STR(caps_name(CAP_NET_BIND_SERVICE), "CAP_NET_BIND_SERVICE");
	CHECK_STR(caps_name(CAP_NET_BIND_SERVICE), "CAP_NET_BIND_SERVICE");
	CHECK(caps_name(63) == NULL && caps_name(64) == NULL);
	CHECK((caps_known() & 0xffffffff) == 0xffffffff && (caps_known() & (caps_known() + 1)) == 0);
}

static const char good[] = "Name:\tx\nUid:\t0\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000021\n"
			   "CapEff:\t0000000000000001\nCapBnd:\t00000000000000a1\nCapAmb:\t0000000000000000\n"
			   "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";

TEST(verify)
{
	struct caps_plan p = { .sets = { .bounding = 0xa1, .permitted = 0x21, .effective = 1 },
			       .no_new_privs = true, .seccomp_mode = 2 };
	char text[sizeof good];

	CHECK(caps_verify(&p, good) == 0);
	p.sets.effective = 0x21;
	CHECK_FAILS(caps_verify(&p, good),
		    "confinement: CAP_KILL is missing from the effective capabilities, against the plan");
	p.sets.effective = 1;
	p.sets.bounding = 0x21;
	CHECK_FAILS(caps_verify(&p, good),
		    "confinement: CAP_SETUID is among the bounding capabilities, against the plan");
	p.sets.bounding = 0xa1;
	p.seccomp_mode = 0;
	CHECK_FAILS(caps_verify(&p, good), "confinement: the mode of seccomp is 2, not 0 as planned");
	p.seccomp_mode = 2;
	p.no_new_privs = false;
	CHECK_FAILS(caps_verify(&p, good), "confinement: no_new_privs is 1, not 0 as planned");
	p.no_new_privs = true;
	memcpy(text, good, sizeof good);
	memcpy(strstr(text, "CapBnd"), "CapBxx", 6);
	CHECK_FAILS(caps_verify(&p, text), "confinement: no CapBnd in /proc/self/status");
	CHECK(caps_verify(&p, "") == -EPERM);
	memcpy(text, good, sizeof good);
	memcpy(strstr(text, "a1\nCapAmb"), "g1", 2);
	CHECK_FAILS(caps_verify(&p, text), "confinement: no CapBnd in /proc/self/status");
}

/* In a child, since nothing of this can be taken back. */
static int confine(struct cap_sets *s)
{
	struct caps_plan plan = { .no_new_privs = true };
	auto_free char *status = NULL;

	TRY(caps_clamp(s));
	TRY(caps_drop_bounding(s));
	TRY(caps_apply(s));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	TRY(file_read(AT_FDCWD, "/proc/self/status", &status, NULL));
	plan.sets = *s;
	return caps_verify(&plan, status);
}

static int in_child(struct cap_sets *s, int (*run)(struct cap_sets *))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int r = run(s);

		if (r < 0)
			printf("# %s\n", err_text());
		fflush(stdout);
		_exit(r < 0 ? -r : 0);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(apply_all_or_less)
{
	uint64_t some = BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_SYS_BOOT);
	bool root = prctl(PR_CAPBSET_READ, CAP_SETPCAP, 0, 0, 0) == 1 && geteuid() == 0;
	struct cap_sets none = { 0 }, few = { some, some, some, BIT(CAP_KILL), BIT(CAP_KILL) };

	if (!root) {
		printf("# skipped: dropping from the bounding set needs CAP_SETPCAP\n");
		return;
	}
	CHECK(in_child(&none, confine) == 0);
	CHECK(in_child(&few, confine) == 0);
}

static int clamp_then_look(struct cap_sets *s)
{
	TRY(caps_apply(&(struct cap_sets){ 0 }));
	*s = (struct cap_sets){ 1, 1, 1, 1, 1 };
	TRY(caps_clamp(s));
	caps_fit_ambient(s, false);
	if (s->permitted | s->effective | s->inheritable | s->ambient)
		return fail(EINVAL, "something was left");
	return 0;
}

TEST(clamp)
{
	struct cap_sets s = { 0 };

	CHECK(in_child(&s, clamp_then_look) == 0);
}

UNIT_MAIN(UNIT(names), UNIT(verify), UNIT(apply_all_or_less), UNIT(clamp))
