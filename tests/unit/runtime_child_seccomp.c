#include "runtime/child/bpf.h"
#include "runtime/child/seccomp.h"
#include "tests/unit/seccomp_text.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ENOSYS_RET (SECCOMP_RET_ERRNO | ENOSYS)

static uint64_t answer(const struct seccomp_prog *p, uint32_t arch, uint32_t nr)
{
	struct seccomp_data d = { .arch = arch, .nr = (int)nr };

	return bpf_run(p->insns, p->len, &d);
}

TEST(younger_calls_do_not_exist)
{
	auto_seccomp struct seccomp_prog p = { 0 };
	SCOPED(unload) struct loaded l = { 0 }, open = { 0 };
	const uint32_t archs[] = { native(), AUDIT_ARCH_X86_64 };

	CHECK(load_rules("'defaultAction':'SCMP_ACT_ERRNO'," X86, &l) == 0);
	CHECK(seccomp_compile(&l.s, -1, &p) == 0);
	for (size_t i = 0; i < COUNT(archs); i++) {
		CHECK(answer(&p, archs[i], number(archs[i], "openat2")) == SECCOMP_RET_ALLOW);
		CHECK(answer(&p, archs[i], number(archs[i], "openat2") + 1) == ENOSYS_RET);
		CHECK(answer(&p, archs[i], 0x3fffffff) == ENOSYS_RET);
		CHECK(answer(&p, archs[i], number(archs[i], "init_module")) == (SECCOMP_RET_ERRNO | EPERM));
	}
	CHECK(answer(&p, AUDIT_ARCH_X86_64, 0x40000000) == SECCOMP_RET_ALLOW);
	CHECK(answer(&p, AUDIT_ARCH_X86_64, 0x40000000 + 547 + 300) == ENOSYS_RET);
	CHECK(answer(&p, AUDIT_ARCH_I386, 5000) == ENOSYS_RET);
	CHECK(answer(&p, stranger(), 5000) == SECCOMP_RET_KILL_THREAD);
	seccomp_free(&p);
	CHECK(load_rules("'defaultAction':'SCMP_ACT_LOG',", &open) == 0);
	CHECK(seccomp_compile(&open.s, -1, &p) == 0);
	CHECK(answer(&p, native(), 5000) == SECCOMP_RET_LOG);
	CHECK(answer(&p, AUDIT_ARCH_X86_64, 0x40000000) == SECCOMP_RET_KILL_THREAD);
	CHECK(answer(&p, AUDIT_ARCH_I386, 4) == SECCOMP_RET_KILL_THREAD);
}

/* As every runtime reads them: either is enough. */
TEST(two_comparisons_of_one_argument)
{
	auto_seccomp struct seccomp_prog p = { 0 };
	SCOPED(unload) struct loaded l = { 0 };
	struct seccomp_data d = { .arch = native(), .nr = SYS_prctl };

	CHECK(load("{'defaultAction':'SCMP_ACT_ERRNO','syscalls':["
		   RULE("prctl", "ALLOW", WHEN(0, 5, 0, "EQ") "," WHEN(0, 9, 0, "EQ")) "]}", &l) == 0);
	CHECK(seccomp_compile(&l.s, -1, &p) == 0);
	for (d.args[0] = 0; d.args[0] < 12; d.args[0]++)
		CHECK((bpf_run(p.insns, p.len, &d) == SECCOMP_RET_ALLOW) ==
		      (d.args[0] == 5 || d.args[0] == 9));
}

TEST(refused)
{
	auto_seccomp struct seccomp_prog p = { 0 };
	SCOPED(unload) struct loaded vax = { 0 }, order = { 0 }, clash = { 0 };
	const char *archs_of = "{'defaultAction':'SCMP_ACT_ALLOW','architectures':['SCMP_ARCH_%s']}";
	char text[200];

	snprintf(text, sizeof text, archs_of, "M68K");
	CHECK(load(text, &vax) == 0);
	if (seccomp_compile(&vax.s, -1, &p) < 0)
		CHECK(strstr(err_text(), "does not know SCMP_ARCH_M68K") || strstr(err_text(), "byte order"));
	snprintf(text, sizeof text, archs_of, "S390X");
	CHECK(load(text, &order) == 0);
	CHECK_FAILS(seccomp_compile(&order.s, -1, &p),
		    "architectures[0]: SCMP_ARCH_S390X has another byte order than this machine");
	CHECK(load("{'defaultAction':'SCMP_ACT_ALLOW','syscalls':["
		   RULE("prctl", "LOG", WHEN(0, 1, 0, "EQ")) ","
		   RULE("prctl", "TRAP", WHEN(0, 1, 0, "EQ")) "]}", &clash) == 0);
	CHECK_FAILS(seccomp_compile(&clash.s, -1, &p), "syscalls[1]: libseccomp refuses the rule for prctl: "
		    "it contradicts an earlier one for the same arguments");
	CHECK(p.insns == NULL);
}

/* --- files ------------------------------------------------------------------------------------------ */

static int cache_dir(char *path)
{
	strcpy(path, "/tmp/vzrun-seccomp-XXXXXX");
	return mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static void damage(int dirfd, const char *name, off_t at)
{
	int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC);
	char c = 0;

	CHECK(fd >= 0 && pread(fd, &c, 1, at) == 1);
	c ^= 1;
	CHECK(pwrite(fd, &c, 1, at) == 1);
	close(fd);
}

TEST(save_and_restore)
{
	auto_seccomp struct seccomp_prog p = { 0 }, q = { 0 };
	SCOPED(unload) struct loaded l = { 0 };
	char dir[40], text[300];
	int fd = cache_dir(dir);

	CHECK(load_rules("'defaultAction':'SCMP_ACT_ERRNO','flags':['SECCOMP_FILTER_FLAG_LOG'],", &l) == 0);
	CHECK(seccomp_compile(&l.s, -1, &p) == 0 && p.flags == SECCOMP_FILTER_FLAG_LOG);
	CHECK(seccomp_restore(fd, "seccomp", &q) == -ENOENT);
	CHECK(seccomp_save(&p, fd, "seccomp") == 0);
	CHECK(seccomp_restore(fd, "seccomp", &q) == 0);
	CHECK(q.len == p.len && memcmp(q.insns, p.insns, p.len * sizeof(struct sock_filter)) == 0);
	CHECK(q.flags == p.flags && q.notify == p.notify);
	seccomp_free(&q);
	CHECK(fchmodat(fd, "seccomp", 0620, 0) == 0);
	snprintf(text, sizeof text, "seccomp: belongs to uid %u with mode 0620: others could have written it",
		 geteuid());
	CHECK_FAILS(seccomp_restore(fd, "seccomp", &q), text);
	CHECK(fchmodat(fd, "seccomp", 0600, 0) == 0);
	damage(fd, "seccomp", 20);
	CHECK_FAILS(seccomp_restore(fd, "seccomp", &q), "seccomp: not a compiled filter");
	CHECK(symlinkat("seccomp", fd, "link") == 0 && seccomp_restore(fd, "link", &q) == -ELOOP);
	CHECK(unlinkat(fd, "seccomp", 0) == 0 && unlinkat(fd, "link", 0) == 0 && rmdir(dir) == 0);
	close(fd);
}

TEST(cache)
{
	auto_seccomp struct seccomp_prog p = { 0 }, q = { 0 };
	SCOPED(unload) struct loaded l = { 0 }, other = { 0 };
	char dir[40], command[160];
	int fd = cache_dir(dir);

	CHECK(load_rules("'defaultAction':'SCMP_ACT_ERRNO',", &l) == 0);
	CHECK(load_rules("'defaultAction':'SCMP_ACT_LOG',", &other) == 0);
	CHECK(seccomp_compile(&l.s, fd, &p) == 0 && p.flags == SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	CHECK(seccomp_compile(&l.s, fd, &q) == 0 && q.len == p.len && q.flags == p.flags);
	CHECK(memcmp(q.insns, p.insns, p.len * sizeof(struct sock_filter)) == 0);
	seccomp_free(&q);
	CHECK(seccomp_compile(&other.s, fd, &q) == 0);
	CHECK(answer(&q, native(), 5000) == SECCOMP_RET_LOG);
	snprintf(command, sizeof command, "test $(ls %s | wc -l) = 2", dir);
	CHECK(system(command) == 0);
	snprintf(command, sizeof command, "for f in %s/*; do : >$f; done", dir);
	CHECK(system(command) == 0);
	seccomp_free(&q);
	CHECK(seccomp_compile(&l.s, fd, &q) == 0 && q.len == p.len);
	seccomp_free(&q);
	CHECK(fchmod(fd, 0777) == 0 && seccomp_compile(&l.s, fd, &q) == 0 && q.len == p.len);
	snprintf(command, sizeof command, "rm -r %s", dir);
	CHECK(system(command) == 0);
	close(fd);
}

/* --- alive ------------------------------------------------------------------------------------------- */

static int run_filtered(const char *text, int (*what)(int))
{
	int status, listener;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct loaded l = { 0 };
		struct seccomp_prog p;

		if (load(text, &l) < 0 || seccomp_compile(&l.s, -1, &p) < 0 ||
		    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_attach(&p, &listener) < 0) {
			printf("# %s\n", err_text());
			fflush(stdout);
			_exit(99);
		}
		_exit(what(listener));
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int refused_mkdir(int listener)
{
	return mkdir("/nowhere/x", 0700) < 0 && errno == 77 && getppid() > 0 && listener < 0 ? 0 : 1;
}

static int has_listener(int listener)
{
	return listener >= 0 && fcntl(listener, F_GETFD) == FD_CLOEXEC ? 0 : 1;
}

static int get_ppid(int listener)
{
	(void)listener;
	return getppid() > 0;
}

TEST(attached)
{
	CHECK(run_filtered("{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['mkdir','mkdirat'],"
			   "'action':'SCMP_ACT_ERRNO','errnoRet':77}]}", refused_mkdir) == 0);
	CHECK(run_filtered("{'defaultAction':'SCMP_ACT_ALLOW','syscalls':["
			   RULE("getppid", "KILL_PROCESS", "") "]}", get_ppid) == 1000 + SIGSYS);
	CHECK(run_filtered("{'defaultAction':'SCMP_ACT_ALLOW','listenerPath':'/s','flags':["
			   "'SECCOMP_FILTER_FLAG_TSYNC','SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'],"
			   "'syscalls':[" RULE("mkdirat", "NOTIFY", "") "]}", has_listener) == 0);
}

static int attach_unprivileged(void)
{
	struct seccomp_prog p = { 0 };
	struct loaded l = { 0 };
	int r;

	if (load("{'defaultAction':'SCMP_ACT_ALLOW'}", &l) < 0 || seccomp_compile(&l.s, -1, &p) < 0 ||
	    (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0))
		return 1;
	r = seccomp_attach(&p, NULL);
	return r == -EACCES && strstr(err_why_text(), "no_new_privs") ? 0 : 2;
}

TEST(privilege)
{
	struct seccomp_prog none = { 0 };
	int status;
	pid_t pid;

	CHECK(seccomp_attach(&none, NULL) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(attach_unprivileged());
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

UNIT_MAIN(UNIT(younger_calls_do_not_exist), UNIT(refused), UNIT(two_comparisons_of_one_argument),
	  UNIT(save_and_restore), UNIT(cache), UNIT(attached), UNIT(privilege))
