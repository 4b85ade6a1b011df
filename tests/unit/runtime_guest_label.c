#include "base/scope.h"
#include "base/str.h"
#include "runtime/guest/label.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char base[PATH_MAX], claims[PATH_MAX + 16];

static const char *place(const char *name)
{
	static char path[PATH_MAX + 80];

	snprintf(path, sizeof path, "%s/%s", base, name);
	return path;
}

static void begin(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(base, sizeof base, "%s/label.XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(base) != NULL);
	snprintf(claims, sizeof claims, "%s/claims", base);
}

static int links(void)
{
	DIR *d = opendir(claims);
	int n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

TEST(claim_and_drop)
{
	char a[16], b[16], again[16];

	begin();
	mkdir(place("a"), 0700);
	mkdir(place("b"), 0700);
	CHECK(label_claim(claims, place("a"), "", a) >= 0);
	CHECK(label_claim(claims, place("b"), a, b) >= 0);
	CHECK(strcmp(a, b) != 0);
	CHECK(label_claim(claims, place("b"), b, again) >= 0);
	CHECK_STR(again, b);
	CHECK(links() == 2);
	CHECK(label_drop(claims, NULL) == 0);
	CHECK(label_drop(claims, place("a")) == 1);
	CHECK(label_drop(claims, place("a")) == 0);
	CHECK(links() == 1);
	/* The directory of the guest is gone: its pair is free, and swept. */
	rmdir(place("b"));
	CHECK(label_claim(claims, place("a"), b, again) >= 0);
	CHECK_STR(again, b);
	rmdir(place("a"));
	CHECK(label_drop(claims, NULL) == 1);
	CHECK(access(claims, F_OK) < 0);
	CHECK(label_drop(claims, NULL) == 0);
	rmdir(base);
}

/* The last one to release removes the directory under those who claim: first nobody keeps anything, then all do. */
static int churn(int who)
{
	char dir[PATH_MAX + 80], pair[16];

	for (int i = 0; i < 150; i++) {
		snprintf(dir, sizeof dir, "%s/g%d-%d", base, who, i);
		if (mkdir(dir, 0700) < 0 || label_claim(claims, dir, "", pair) < 0)
			return 1;
		/* A shared pair would be the other's directory. */
		if (i < 100 && (label_drop(claims, dir) != 1 || rmdir(dir) < 0))
			return 2;
	}
	return 0;
}

TEST(parallel)
{
	enum { MANY = 8 };
	char dir[32];
	int status;

	begin();
	for (int i = 0; i < MANY; i++)
		if (fork() == 0)
			_exit(churn(i));
	for (int i = 0; i < MANY; i++)
		CHECK(wait(&status) > 0 && status == 0);
	CHECK(links() == MANY * 50);
	for (int i = 0; i < MANY; i++)
		for (int k = 100; k < 150; k++) {
			snprintf(dir, sizeof dir, "g%d-%d", i, k);
			CHECK(rmdir(place(dir)) == 0);
		}
	CHECK(label_drop(claims, NULL) == MANY * 50);
	CHECK(rmdir(base) == 0);
}

/* One pair whose owner is gone, and all want it at the same moment: whoever closes the other end of go. */
static int want_one(int who, int go)
{
	char dir[PATH_MAX + 80], pair[16], byte;

	snprintf(dir, sizeof dir, "%s/w%d", base, who);
	if (read(go, &byte, 1) != 0 || label_claim(claims, dir, "c1,c2", pair) < 0)
		return 2;
	return strcmp(pair, "c1,c2") == 0;
}

/* How many got it. */
static int one_round(int many)
{
	int go[2], status, got = 0;

	CHECK(pipe(go) == 0);
	for (int i = 0; i < many; i++)
		if (fork() == 0) {
			close(go[1]);
			_exit(want_one(i, go[0]));
		}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < many; i++) {
		CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) < 2);
		got += WEXITSTATUS(status);
	}
	return got;
}

TEST(taken_over)
{
	enum { MANY = 4, ROUNDS = 60 };
	char dir[8], pair[16];

	begin();
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(label_claim(claims, place("gone"), "c1,c2", pair) >= 0);
		CHECK_STR(pair, "c1,c2");
		for (int k = 0; k < MANY; k++) {
			snprintf(dir, sizeof dir, "w%d", k);
			CHECK(mkdir(place(dir), 0700) == 0);
		}
		CHECK(one_round(MANY) == 1);
		for (int k = 0; k < MANY; k++) {
			snprintf(dir, sizeof dir, "w%d", k);
			CHECK(rmdir(place(dir)) == 0);
		}
		CHECK(label_drop(claims, NULL) == MANY);
	}
	CHECK(rmdir(base) == 0);
}

/* The kernel's list of those who wait for a lock: "7: -> FLOCK ADVISORY WRITE PID ..." */
static bool waits_for_lock(pid_t pid)
{
	FILE *f = fopen("/proc/locks", "re");
	char line[256];
	bool found = false;
	int who;

	while (f && !found && fgets(line, sizeof line, f))
		found = sscanf(line, "%*d: -> FLOCK %*s %*s %d", &who) == 1 && who == pid;
	if (f)
		fclose(f);
	return found;
}

/* Where chance shows nothing: nobody claims and nobody drops while another has the lock. */
static void waits(bool drop)
{
	int dir = open(claims, O_RDONLY | O_DIRECTORY | O_CLOEXEC), before = links(), status = -1;
	char pair[16];
	pid_t pid;

	CHECK(dir >= 0 && flock(dir, LOCK_EX) == 0);
	pid = fork();
	if (pid == 0) {
		close(dir);
		_exit((drop ? label_drop(claims, place("a")) : label_claim(claims, place("a"), "", pair)) < 0);
	}
	while (!waits_for_lock(pid))
		if (waitpid(pid, &status, WNOHANG) != 0) {
			CHECK(!"it did not wait");
			break;
		}
	CHECK(links() == before);
	close(dir);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(links() == before + (drop ? -1 : 1));
}

TEST(locked)
{
	char pair[16];

	begin();
	mkdir(place("a"), 0700);
	mkdir(place("b"), 0700);
	CHECK(label_claim(claims, place("b"), "", pair) >= 0);
	waits(false);
	waits(true);
	rmdir(place("a"));
	rmdir(place("b"));
	CHECK(label_drop(claims, NULL) == 1);
	CHECK(rmdir(base) == 0);
}

TEST(words)
{
	CHECK(label_check("auto") == 0);
	CHECK(label_check("none") == 0);
	CHECK(label_check("system_u:system_r:vzrun_t:s0:c1,c2") == 0);
	CHECK_FAILS(label_check("no"), "--selinux: \"no\" is neither auto, none nor a label");
	CHECK(err_class() == ERR_USAGE);
}

UNIT_MAIN(UNIT(claim_and_drop), UNIT(parallel), UNIT(taken_over), UNIT(locked), UNIT(words))
