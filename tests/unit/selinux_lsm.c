#include "base/scope.h"
#include "base/str.h"
#include "selinux/denials.h"
#include "selinux/internal.h"
#include "selinux/lsm.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define S0 "system_u:object_r:container_file_t:s0:c1,c2"

TEST(grammar)
{
	char page[4097];

	memset(page, 'a', 4096);
	page[4096] = '\0';
	CHECK(lsm_check_grammar("label", S0) == 0);
	CHECK(lsm_check_grammar("profile", "docker-default//sub (x)") == 0);
	CHECK(lsm_check_grammar("label", page + 1) == 0);
	CHECK_FAILS(lsm_check_grammar("label", ""), "label is empty");
	CHECK_FAILS(lsm_check_grammar("label", page), "label is too long (4096 bytes)");
	CHECK_FAILS(lsm_check_grammar("label", "a:b\n"), "label \"a:b\n\": character 4 is not allowed");
	CHECK_FAILS(lsm_check_grammar("label", "a\",rw"), "label \"a\",rw\": character 2 is not allowed");
	CHECK_FAILS(lsm_check_grammar("label", "\\a"), "label \"\\a\": character 1 is not allowed");
	CHECK_FAILS(lsm_check_grammar("label", "a\x7f"), "label \"a\x7f\": character 2 is not allowed");
	CHECK(err_class() == ERR_CONFIG);
}

TEST(mount_option)
{
	char out[64] = "x", small[10] = "x";

	CHECK(lsm_quote_option("context", S0, out, sizeof out) == 0);
	CHECK_STR(out, "context=\"" S0 "\"");
	CHECK_FAILS(lsm_quote_option("context", "a", small, sizeof small), "mount label \"a\" is too long");
	CHECK_STR(small, "");
	CHECK(lsm_mount_option(NULL, NULL, out, sizeof out) == 0);
	CHECK_STR(out, "");
	CHECK(lsm_mount_option("rootcontext", NULL, out, sizeof out) == 0);
	CHECK_FAILS(lsm_mount_option("size=1,context", S0, out, sizeof out),
		    "\"size=1,context\" is not one of context, rootcontext, fscontext, defcontext");
	CHECK_STR(out, "");
	strcpy(out, "x");
	CHECK_FAILS(lsm_mount_option(NULL, "a\",rw,context=\"b", out, sizeof out),
		    "mount label \"a\",rw,context=\"b\": character 2 is not allowed");
	CHECK_STR(out, "");
}

/* comm stands where attr/exec does and needs no LSM. */
static int rename_in_child(int procfd, const char *name)
{
	char comm[17] = "";
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(lsm_write_own(procfd, "comm", name) < 0 || prctl(PR_GET_NAME, comm) < 0 ||
		      !str_eq(comm, name));
	return pid < 0 || waitpid(pid, &status, 0) != pid ? -1 : status;
}

TEST(own_file)
{
	auto_close int procfd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(rename_in_child(procfd, "relabelled") == 0);
	CHECK(lsm_write_own(procfd, "attr/no-such-file", "x") == -ENOENT);
	CHECK_FAILS(lsm_write_own(tmp, "attr/exec", "x"),
		    "the descriptor to write attr/exec through is not of a procfs");
	CHECK_FAILS(lsm_write_own(-1, "attr/exec", "x"), "procfs descriptor: Bad file descriptor");
	/* exe is a magic link, cwd leads out: neither is followed. */
	CHECK(lsm_write_own(procfd, "exe", "x") == -ELOOP);
	CHECK(lsm_write_own(procfd, "cwd/x", "x") == -ELOOP);
	CHECK(lsm_write_own(procfd, "../../../../etc/passwd", "x") < 0);
}

TEST(nothing_asked)
{
	CHECK(lsm_prepare_exec(-1, NULL, NULL) == 0);
	CHECK(lsm_check_exec(NULL, NULL) == 0 && lsm_check_exec("", "") == 0);
	CHECK_FAILS(lsm_check_exec("a\nb", NULL), "SELinux label \"a\nb\": character 2 is not allowed");
	CHECK_FAILS(lsm_check_exec(NULL, "a\"b"), "AppArmor profile \"a\"b\": character 2 is not allowed");
	CHECK(lsm_prepare_exec(-1, "", "") == 0);
	CHECK(lsm_label_keyring(-1, NULL) == 0);
	CHECK_FAILS(lsm_prepare_exec(-1, "a\nb", NULL), "SELinux label \"a\nb\": character 2 is not allowed");
	CHECK_FAILS(lsm_prepare_exec(-1, NULL, "a\nb"),
		    "AppArmor profile \"a\nb\": character 2 is not allowed");
	CHECK_FAILS(lsm_check_label("a\tb"), "SELinux label \"a\tb\": character 2 is not allowed");
}

#define V1 "system_u:system_r:vzrun_t:s0:c1,c2"
#define AT "5,1,2,-;audit: type=1400 audit(1795909315.564:4): "
#define AVC(perms, rest) AT "avc:  denied  { " perms " } for  pid=146 comm=\"cat\" " rest " scontext=" V1 \
	" tcontext=u:object_r:shadow_t:s0 tclass=file permissive=0\n"

TEST(denial)
{
	static const struct denied_to who = { V1, "", "" }, longer = { V1 "0", "", "" };
	static const struct denied_to keeper = { V1 "0", "", "", V1 };
	struct denial d;

	CHECK(denial_parse(AVC("read open", "name=7368612F20646F77 dev=\"vda\" ino=3"), &who, &d));
	CHECK_STR(d.by, "SELinux");
	CHECK_STR(d.perms, "read open");
	CHECK_STR(d.program, "cat");
	CHECK_STR(d.object, "sha/ dow");
	CHECK_STR(d.class, "file");
	CHECK_STR(d.target, "u:object_r:shadow_t:s0");
	CHECK(strncmp(d.record, "audit(1795909315.564:4): avc:", 29) == 0);
	CHECK(strchr(d.record, '\n') == NULL);
	CHECK(denial_parse(AVC("read", "path=\"/etc/x\" dev=\"vda\""), &who, &d));
	CHECK_STR(d.perms, "read");
	CHECK_STR(d.object, "/etc/x");
	/* What a guest calls its files must not reach a terminal as it is. */
	CHECK(denial_parse(AVC("read", "path=1B5B324A dev=\"vda\""), &who, &d));
	CHECK_STR(d.object, "?[2J");
	CHECK(!denial_parse(AVC("read", "name=x"), &longer, &d));
	CHECK(denial_parse(AVC("read", "name=x"), &keeper, &d));
	CHECK(!denial_parse("5,1,2,-;scontext=" V1, &who, &d));
	CHECK(!denial_parse("audit(1): avc:  denied  { ", &who, &d));
	CHECK(!denial_parse("", &who, &d));
}

#define ARMOR(operation, rest) AT "apparmor=\"DENIED\" operation=\"" operation "\" class=\"file\" " rest "\n"

TEST(denial_apparmor)
{
	static const struct denied_to who = { "", "vzrun-web", "2026-11-28T23:41:55Z" };
	static const struct denied_to later = { "", "vzrun-web", "2026-11-28T23:41:56Z" };
	static const struct denied_to blank = { "", "my web", "" }, nobody = { "", "", "" };
	static const char open_[] = ARMOR("open", "profile=\"vzrun-web\" name=\"/proc/sysrq-trigger\" pid=7 comm=\"sh\" "
		"requested_mask=\"wc\" denied_mask=\"w\" fsuid=0 ouid=0");
	struct denial d;

	CHECK(denial_parse(open_, &who, &d));
	CHECK_STR(d.by, "AppArmor");
	CHECK_STR(d.operation, "open");
	CHECK_STR(d.perms, "w");
	CHECK_STR(d.program, "sh");
	CHECK_STR(d.object, "/proc/sysrq-trigger");
	CHECK(strncmp(d.record, "audit(1795909315.564:4): apparmor=", 34) == 0);
	/* Of an earlier guest of that name. */
	CHECK(!denial_parse(open_, &later, &d));
	CHECK(!denial_parse(open_, &nobody, &d));
	CHECK(denial_parse(ARMOR("ptrace", "profile=\"vzrun-web//sub\" pid=7 comm=6120 denied_mask=\"read\" "
					   "peer=\"unconfined\""), &who, &d));
	CHECK_STR(d.program, "a ");
	CHECK_STR(d.object, "unconfined");
	CHECK(denial_parse(ARMOR("capable", "profile=6D7920776562 pid=7 comm=\"x\" capability=21  capname=\"sys_admin\""),
			   &blank, &d));
	CHECK_STR(d.object, "sys_admin");
	CHECK_STR(d.perms, "");
	CHECK(!denial_parse(ARMOR("open", "profile=\"vzrun-web2\" name=\"/x\""), &who, &d));
	CHECK(!denial_parse(AT "apparmor=\"ALLOWED\" operation=\"open\" profile=\"vzrun-web\"", &who, &d));
}

UNIT_MAIN(UNIT(denial), UNIT(denial_apparmor), UNIT(grammar), UNIT(mount_option), UNIT(own_file), UNIT(nothing_asked))
