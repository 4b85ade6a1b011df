/* What is kept of definitions is believed while the files are the ones that were read, and never else. */
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"
#include "netns/kernel.h"
#include "netns/others.h"
#include "tests/unit/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEPT ".others"

static struct store store_new(void)
{
	struct store s = store_made();

	s.dir = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(s.dir >= 0);
	return s;
}

/* Network n of bridge vzbr`digit`, into the file that stands there. */
static void define_as(const struct store *s, const char *n, int digit, const char *mode)
{
	char file[16], text[256];
	int len = snprintf(text, sizeof text, "{\"version\":2,\"name\":\"%s\",\"mode\":\"%s\",\"bridge\":\"vzbr%d\","
			   "\"subnet\":\"10.77.%d.0/24\"}", n, mode, digit, digit);

	snprintf(file, sizeof file, "%s.json", n);
	auto_close int fd = openat(s->dir, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && pwrite(fd, text, (size_t)len, 0) == len && ftruncate(fd, len) == 0);
}

static void define(const struct store *s, const char *n, int digit) { define_as(s, n, digit, "nat"); }

/* The digit of n's bridge as others see it; -1: it is not there. */
static int seen(const struct store *s, const char *n)
{
	SCOPED(net_others_free) struct net_others o = { 0 };

	CHECK(net_others_read(s->dir, "new", true, &o) == 0);
	net_others_keep(s->dir, &o);
	for (size_t i = 0; i < o.n; i++)
		if (str_eq(o.v[i].name, n)) {
			CHECK(str_starts(o.v[i].bridge, "vzbr") && o.v[i].v4.addr[2] == o.v[i].bridge[4] - '0');
			return o.v[i].bridge[4] - '0';
		}
	return -1;
}

static size_t kept_size(const struct store *s)
{
	struct stat st;

	return fstatat(s->dir, KEPT, &st, 0) == 0 ? (size_t)st.st_size : 0;
}

/* Until its last change is so long ago that its times count. */
static void grow_old(const struct store *s, const char *file)
{
	struct timespec now;
	struct stat st;

	do {
		usleep(1000);
		CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0 && fstatat(s->dir, file, &st, 0) == 0);
	} while ((now.tv_sec - st.st_ctim.tv_sec) * 1000 + (now.tv_nsec - st.st_ctim.tv_nsec) / 1000000 < 200);
}

/* Until what n networks are is kept and believed: a file is noted some ticks after its last change. */
static void settle(const struct store *s, size_t n)
{
	DIR *d = opendir(s->path);

	CHECK(d != NULL);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));)
		if (str_ends(e->d_name, ".json"))
			grow_old(s, e->d_name);
	closedir(d);
	CHECK(seen(s, "none") == -1);
	CHECK(kept_size(s) > n * sizeof(struct net_other));
}

/* In what is kept, digit `was` becomes `is`, of bridge and subnet. */
static void falsify(const struct store *s, int was, int is)
{
	auto_free char *text = NULL;
	char bridge[8];
	size_t len;

	CHECK(file_read(s->dir, KEPT, &text, &len) == 0);
	snprintf(bridge, sizeof bridge, "vzbr%d", was);
	for (char *p = text; p + sizeof(struct net_other) - offsetof(struct net_other, bridge) <= text + len; p++)
		if (memcmp(p, bridge, sizeof "vzbr0") == 0) {
			struct net_other *one = (void *)(p - offsetof(struct net_other, bridge));

			one->bridge[4] = (char)('0' + is);
			one->v4.addr[2] = (unsigned char)is;
		}
	CHECK(file_write_volatile(s->dir, KEPT, text, len, 0600) == 0);
}

TEST(believed_as_long_as_it_is_that_file)
{
	auto_store struct store s = store_new();
	const struct timespec never[] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1000000000 } };

	define(&s, "one", 1);
	define(&s, "two", 2);
	CHECK(utimensat(s.dir, "two.json", never, 0) == 0);
	settle(&s, 2);
	CHECK(seen(&s, "one") == 1 && seen(&s, "two") == 2);
	/* It is what is read. */
	falsify(&s, 1, 8);
	falsify(&s, 2, 9);
	CHECK(seen(&s, "one") == 8 && seen(&s, "two") == 9);
	/* The same size, and the time of its content put back. */
	define(&s, "two", 3);
	CHECK(utimensat(s.dir, "two.json", never, 0) == 0);
	grow_old(&s, "two.json");
	CHECK(seen(&s, "one") == 8 && seen(&s, "two") == 3);
}

TEST(another_file_of_that_name)
{
	auto_store struct store s = store_new();

	define(&s, "one", 1);
	settle(&s, 1);
	CHECK(mkdirat(s.dir, "elsewhere", 0700) == 0);
	struct store there = { .dir = openat(s.dir, "elsewhere", O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	define(&there, "one", 5);
	CHECK(renameat(there.dir, "one.json", s.dir, "one.json") == 0);
	grow_old(&s, "one.json");
	CHECK(seen(&s, "one") == 5);
	close(there.dir);
	CHECK(unlinkat(s.dir, "one.json", 0) == 0 && seen(&s, "one") == -1);
}

TEST(changes_within_a_tick_are_seen)
{
	auto_store struct store s = store_new();

	define(&s, "one", 1);
	settle(&s, 1);
	for (int i = 0; i < 2000; i++) {
		define(&s, "one", i % 10);
		CHECK(seen(&s, "one") == i % 10);
	}
}

TEST(what_is_kept_may_be_anything)
{
	static const char *const texts[] = { "", "x", "others 1 ", "\0\0\0\0" };
	auto_store struct store s = store_new();
	auto_free char *text = NULL;
	size_t len;

	define(&s, "one", 1);
	settle(&s, 1);
	CHECK(file_read(s.dir, KEPT, &text, &len) == 0);
	for (size_t i = 0; i < COUNT(texts); i++) {
		CHECK(file_write_volatile(s.dir, KEPT, texts[i], strlen(texts[i]), 0600) == 0);
		CHECK(seen(&s, "one") == 1);
	}
	for (size_t cut = 0; cut < len; cut += 7) {
		CHECK(file_write_volatile(s.dir, KEPT, text, cut, 0600) == 0);
		/* And nothing is added behind half a record. */
		CHECK(seen(&s, "one") == 1 && kept_size(&s) == len);
	}
	/* Of another boot, or another version of this program: nothing of it counts. */
	falsify(&s, 1, 8);
	CHECK(seen(&s, "one") == 8);
	auto_close int fd = openat(s.dir, KEPT, O_WRONLY | O_CLOEXEC);
	CHECK(pwrite(fd, "?", 1, (off_t)(len - sizeof(struct net_other) - 20)) == 1);
	CHECK(seen(&s, "one") == 1);
	net_others_forget(s.dir);
	CHECK(kept_size(&s) == 0);
}

/* A record that no program wrote is as good as none: a text without an end, an address that is too short. */
TEST(a_record_may_be_anything)
{
	static const struct { size_t at; int byte; size_t n; } damage[] = {
		{ offsetof(struct net_other, bridge), 'x', IFNAMSIZ },
		{ offsetof(struct net_other, v4.prefix), 200, 1 },
		{ offsetof(struct net_other, v4.prefix), 33, 1 },
		{ offsetof(struct net_other, v4.family), AF_INET6, 1 },
		{ offsetof(struct net_other, v6.family), AF_INET, 1 },
	};
	auto_store struct store s = store_new();

	define(&s, "one", 1);
	settle(&s, 1);
	for (size_t i = 0; i < COUNT(damage); i++) {
		SCOPED(net_others_free) struct net_others o = { 0 };
		auto_free char *text = NULL;
		size_t len;

		CHECK(file_read(s.dir, KEPT, &text, &len) == 0);
		memset(text + len - sizeof(struct net_other) + damage[i].at, damage[i].byte, damage[i].n);
		CHECK(file_write_volatile(s.dir, KEPT, text, len, 0600) == 0);
		CHECK(net_others_read(s.dir, "new", true, &o) == 0 && o.n == 1);
		CHECK(str_eq(o.v[0].bridge, "vzbr1") && o.v[0].v4.family == AF_INET && o.v[0].v4.prefix == 24);
		CHECK(!o.v[0].v6.family && o.news.n == sizeof(struct net_other));
		net_others_keep(s.dir, &o);
	}
}

/* What is new is added to it; what is old in it goes when that is most of it. */
TEST(kept_is_as_long_as_what_there_is)
{
	const size_t one = sizeof(struct net_other);
	auto_store struct store s = store_new();
	size_t before, most = 0;

	define(&s, "one", 1);
	settle(&s, 1);
	before = kept_size(&s);
	for (int i = 2; i < 5; i++) {
		define(&s, "two", i);
		grow_old(&s, "two.json");
		CHECK(seen(&s, "one") == 1 && seen(&s, "two") == i);
		CHECK(kept_size(&s) == before + (size_t)(i - 1) * one);
	}
	for (int i = 0; i < 80; i++) {
		auto_close int fd = openat(s.dir, KEPT, O_WRONLY | O_APPEND | O_CLOEXEC);
		auto_free char *text = NULL;

		CHECK(file_read(s.dir, KEPT, &text, NULL) == 0);
		CHECK(write(fd, text + before - one, one) == (ssize_t)one);
	}
	most = kept_size(&s);
	define(&s, "two", 6);
	grow_old(&s, "two.json");
	CHECK(seen(&s, "two") == 6 && kept_size(&s) == before + one && most > 80 * one);
	CHECK(seen(&s, "one") == 1 && seen(&s, "two") == 6);
}

static const struct net_other *two(const struct net_others *o)
{
	static const struct net_other none;

	for (size_t i = 0; i < o->n; i++)
		if (str_eq(o->v[i].name, "two"))
			return &o->v[i];
	return &none;
}

TEST(damaged_is_what_is_left_of_it_or_left_out)
{
	static const char wrong[] = "{\"bridge\":\"vzbr7\",\"subnet\":\"10.9.8.0/24\",\"mtu\":7}";
	auto_store struct store s = store_new();
	SCOPED(net_others_free) struct net_others o = { 0 };

	define(&s, "one", 1);
	define(&s, "two", 2);
	settle(&s, 2);
	auto_close int fd = openat(s.dir, "two.json", O_WRONLY | O_CLOEXEC);
	CHECK(pwrite(fd, "x", 1, 0) == 1);
	/* Not JSON any more: it has what it had when it was read last, and is nobody's file. */
	CHECK(net_others_read(s.dir, "new", true, &o) == 0 && o.n == 2);
	CHECK(str_eq(two(&o)->bridge, "vzbr2") && two(&o)->v4.addr[2] == 2 && !two(&o)->file.ino);
	net_others_free(&o);
	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, wrong, strlen(wrong), 0) == (ssize_t)strlen(wrong));
	net_others_forget(s.dir);
	CHECK(net_others_read(s.dir, "new", true, &o) == 0 && o.n == 2);
	CHECK(str_eq(two(&o)->bridge, "vzbr7") && two(&o)->v4.addr[2] == 8);
	CHECK(net_others_made_bridge(&o, "vzbr1") && net_others_made_bridge(&o, "vzbr7"));
	CHECK(!net_others_made_bridge(&o, "vzbr2") && !net_others_made_bridge(&o, "eth0"));
	net_others_free(&o);
	CHECK(net_others_read(s.dir, "new", false, &o) == 0 && o.n == 1 && o.left_out == 1);
	net_others_free(&o);
	/* It is the one that is brought up: nobody asks. */
	CHECK(net_others_read(s.dir, "two", true, &o) == 0 && o.n == 1);
}

static int needed(const struct store *s, const char *except)
{
	SCOPED(net_others_free) struct net_others o = { 0 };

	return net_forwarding_needed(s->dir, except, &o);
}

/* Routing by the host goes off when nobody can need it: an edited file counts, and one that nobody can read may. */
TEST(who_needs_forwarding)
{
	auto_store struct store s = store_new();

	CHECK(needed(&s, NULL) == 0);
	define_as(&s, "one", 1, "isolated");
	define_as(&s, "two", 2, "routed");
	settle(&s, 2);
	CHECK(needed(&s, NULL) == 1 && needed(&s, "one") == 1 && needed(&s, "two") == 0);
	define_as(&s, "one", 1, "nat");
	CHECK(needed(&s, "two") == 1);
	define_as(&s, "one", 1, "isolated");
	settle(&s, 2);
	CHECK(needed(&s, "two") == 0);
	auto_close int fd = openat(s.dir, "one.json", O_WRONLY | O_CLOEXEC);
	CHECK(pwrite(fd, "x", 1, 0) == 1);
	CHECK(needed(&s, "two") == 1 && needed(&s, "one") == 1);
	CHECK(unlinkat(s.dir, "one.json", 0) == 0 && needed(&s, "two") == 0);
}

UNIT_MAIN(UNIT(believed_as_long_as_it_is_that_file), UNIT(another_file_of_that_name),
	  UNIT(changes_within_a_tick_are_seen), UNIT(what_is_kept_may_be_anything),
	  UNIT(a_record_may_be_anything), UNIT(kept_is_as_long_as_what_there_is),
	  UNIT(damaged_is_what_is_left_of_it_or_left_out), UNIT(who_needs_forwarding))
