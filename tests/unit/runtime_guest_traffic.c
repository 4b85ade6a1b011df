#include "base/file.h"
#include "base/json.h"
#include "base/scope.h"
#include "runtime/guest/nic.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/vzrun-traffic-XXXXXX";

/* More names than there is room for, in a file that somebody wrote by hand: their sum has one of the places. */
TEST(more_names_than_places)
{
	auto_close int dir = open(mkdtemp(top), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct net_port port = { .name = "another" };
	auto_buf struct buf b = { 0 };
	auto_free char *text = NULL;
	size_t names = 0;

	buf_puts(&b, "{\"version\":1,\"nics\":[");
	for (int i = 0; i < 3 * NET_PORTS_MAX; i++)
		buf_printf(&b, "%s{\"name\":\"n%d\",\"inBytes\":1}", i ? "," : "", i);
	buf_puts(&b, "]}");
	CHECK(file_write_volatile(dir, "traffic.json", b.p, b.n, 0600) == 0);
	CHECK(traffic_keep(dir, &port, 1, -1, true) == 0);
	CHECK(file_read(dir, "traffic.json", &text, NULL) == 0);
	for (const char *p = text; p && (p = strstr(p, "\"name\"")); p++)
		names++;
	CHECK(names == 2 * NET_PORTS_MAX && strstr(text, "removed"));
	CHECK(unlinkat(dir, "traffic.json", 0) == 0 && rmdir(top) == 0);
}

/* What every stop writes is no new file each time; a longer text is. */
TEST(it_stays_one_file)
{
	char home[] = "/tmp/vzrun-traffic-XXXXXX", want[] = "\"removed\",\"inBytes\":8";
	auto_close int dir = open(mkdtemp(home), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	static const char one[] = "{\"version\":1,\"nics\":[{\"name\":\"removed\",\"inBytes\":8}]}";
	struct net_port port = { .name = "another" };
	struct stat first, second;

	CHECK(file_write_volatile(dir, "traffic.json", one, strlen(one), 0600) == 0);
	CHECK(traffic_keep(dir, &port, 1, -1, true) == 0 && fstatat(dir, "traffic.json", &first, 0) == 0);
	CHECK(traffic_keep(dir, &port, 1, -1, true) == 0 && fstatat(dir, "traffic.json", &second, 0) == 0);
	CHECK(first.st_ino == second.st_ino && first.st_size == second.st_size && first.st_size % 512 == 0);
	for (int i = 0; i < 2; i++) {
		auto_free char *text = NULL;

		CHECK(file_read(dir, "traffic.json", &text, NULL) == 0 && strstr(text, want));
		/* Somebody else's name for it: what he keeps does not change. */
		CHECK(i == 1 || linkat(dir, "traffic.json", dir, "kept", 0) == 0);
		CHECK(traffic_keep(dir, &port, 1, -1, true) == 0 && fstatat(dir, "traffic.json", &second, 0) == 0);
		CHECK(first.st_ino != second.st_ino);
	}
	CHECK(unlinkat(dir, "traffic.json", 0) == 0 && unlinkat(dir, "kept", 0) == 0 && rmdir(home) == 0);
}

UNIT_MAIN(UNIT(more_names_than_places), UNIT(it_stays_one_file))
