#include "base/scope.h"
#include "base/str.h"
#include "runtime/guest/label.h"
#include "runtime/guest/claims.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <limits.h>
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
	CHECK(claims_drop(claims, NULL) == 0);
	CHECK(claims_drop(claims, place("a")) == 1);
	CHECK(claims_drop(claims, place("a")) == 0);
	CHECK(links() == 1);
	/* The directory of the guest is gone: its pair is free, and swept. */
	rmdir(place("b"));
	CHECK(label_claim(claims, place("a"), b, again) >= 0);
	CHECK_STR(again, b);
	rmdir(place("a"));
	CHECK(claims_drop(claims, NULL) == 1);
	CHECK(access(claims, F_OK) < 0);
	CHECK(claims_drop(claims, NULL) == 0);
	rmdir(base);
}

TEST(spelt_otherwise)
{
	char link[PATH_MAX + 96], other[PATH_MAX + 96], pair[16];
	int fd;

	begin();
	mkdir(place("a"), 0700);
	mkdir(place("b"), 0700);
	snprintf(link, sizeof link, "%s", place("link"));
	CHECK(symlink(base, link) == 0);
	CHECK(label_claim(claims, place("a"), "c1,c2", pair) >= 0);
	snprintf(other, sizeof other, "%s/", place("a"));
	CHECK(claims_held(claims, "c1,c2", other) == 0);
	snprintf(other, sizeof other, "%s/a", link);
	CHECK(claims_held(claims, "c1,c2", other) == 0);
	CHECK(claims_held(claims, "c1,c2", place("b")) == 1);
	CHECK(claims_held(claims, "c1,c2", NULL) == 1);
	fd = claims_open(claims, true);
	CHECK(claims_take(fd, "c1,c2", other) == 1);
	CHECK(claims_take(fd, "c1,c2", place("b")) == 0);
	close(fd);
	CHECK(claims_drop(claims, place("b")) == 0);
	CHECK(claims_drop(claims, other) == 1);
	unlink(link);
	rmdir(place("a"));
	rmdir(place("b"));
	CHECK(rmdir(base) == 0);
}

/* The last one to release removes the directory under those who claim. */
static int churn(int who)
{
	char dir[PATH_MAX + 80], pair[16];

	for (int i = 0; i < 200; i++) {
		snprintf(dir, sizeof dir, "%s/g%d-%d", base, who, i);
		if (mkdir(dir, 0700) < 0 || label_claim(claims, dir, "", pair) < 0)
			return 1;
		/* A shared pair would be the other's directory. */
		if (i % 2 && (claims_drop(claims, dir) != 1 || rmdir(dir) < 0))
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
	CHECK(links() == MANY * 100);
	for (int i = 0; i < MANY; i++)
		for (int k = 0; k < 200; k += 2) {
			snprintf(dir, sizeof dir, "g%d-%d", i, k);
			CHECK(rmdir(place(dir)) == 0);
		}
	CHECK(claims_drop(claims, NULL) == MANY * 100);
	CHECK(rmdir(base) == 0);
}

/* All want one pair, whose owner vanishes again and again without giving it back. */
static int want_one(int who)
{
	char dir[PATH_MAX + 80], link[PATH_MAX + 80], owner[PATH_MAX + 80], pair[16];

	snprintf(link, sizeof link, "%s/c1,c2", claims);
	for (int i = 0; i < 300; i++) {
		snprintf(dir, sizeof dir, "%s/w%d-%d", base, who, i);
		if (mkdir(dir, 0700) < 0 || label_claim(claims, dir, "c1,c2", pair) < 0)
			return 1;
		for (int k = 0; k < 50 && strcmp(pair, "c1,c2") == 0; k++) {
			ssize_t n = readlink(link, owner, sizeof owner - 1);

			owner[n > 0 ? n : 0] = '\0';
			if (strcmp(owner, dir) != 0)
				return 2;
		}
		rmdir(dir);
	}
	return 0;
}

TEST(taken_over)
{
	enum { MANY = 8 };
	int status;

	begin();
	for (int i = 0; i < MANY; i++)
		if (fork() == 0)
			_exit(want_one(i));
	for (int i = 0; i < MANY; i++)
		CHECK(wait(&status) > 0 && status == 0);
	CHECK(claims_drop(claims, NULL) > 0);
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

UNIT_MAIN(UNIT(claim_and_drop), UNIT(spelt_otherwise), UNIT(parallel), UNIT(taken_over), UNIT(words))
