#include "base/scope.h"
#include "runtime/guest/guest.h"
#include "runtime/guest/set.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

TEST(quota)
{
	uint64_t q = 0;

	CHECK(guest_cpu_quota("1", &q) == 0 && q == 100000);
	CHECK(guest_cpu_quota("0.5", &q) == 0 && q == 50000);
	CHECK(guest_cpu_quota("1.25", &q) == 0 && q == 125000);
	CHECK(guest_cpu_quota("0.01", &q) == 0 && q == 1000);
	CHECK(guest_cpu_quota("4096", &q) == 0 && q == 409600000);
	CHECK_FAILS(guest_cpu_quota("", &q), "--cpus: \"\" is not a number of processors");
	CHECK_FAILS(guest_cpu_quota("-1", &q), "--cpus: \"-1\" is not a number of processors");
	CHECK_FAILS(guest_cpu_quota("1,5", &q), "--cpus: \"1,5\" is not a number of processors");
	CHECK_FAILS(guest_cpu_quota("1.5x", &q), "--cpus: \"1.5x\" is not a number of processors");
	CHECK_FAILS(guest_cpu_quota("4097", &q), "--cpus: \"4097\" is not a number of processors");
	CHECK_FAILS(guest_cpu_quota("99999999999999999999", &q),
		    "--cpus: \"99999999999999999999\" is not a number of processors");
	CHECK_FAILS(guest_cpu_quota("0.001", &q), "--cpus: \"0.001\" is less than 0.01");
	CHECK_FAILS(guest_cpu_quota("0", &q), "--cpus: \"0\" is less than 0.01");
	CHECK(err_class() == ERR_USAGE);
}

TEST(signals)
{
	static const struct { const char *name; int sig; } good[] = {
		{ "SIGTERM", 15 }, { "hup", 1 }, { "9", 9 }, { "0", 0 }, { "64", 64 }, { "SIGIO", 29 }, { "POLL", 29 },
		{ "CLD", 17 }, { "IOT", 6 }, { "SIGSTKFLT", 16 }, { "RTMIN", 34 }, { "SIGRTMIN+3", 37 },
		{ "rtmin+30", 64 }, { "SIGRTMAX", 64 }, { "RTMAX-30", 34 },
	};
	static const char *const bad[] = { "", "SIG", "65", "-1", "SIG9", "TERM ", "RTMIN+", "RTMIN+31", "RTMIN-1",
					   "RTMAX+1", "RTMAX-31", "RTMAXX" };

	for (size_t i = 0; i < COUNT(good); i++)
		CHECK(signal_number(good[i].name) == good[i].sig);
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(signal_number(bad[i]) < 0 && err_class() == ERR_USAGE);
	CHECK_FAILS(signal_number("SIGFOO"), "unknown signal \"SIGFOO\"");
}

TEST(names)
{
	static const char *const bad[] = { "", "A", "a_b", "-a", "a-", ".", "..", "a/b", "a b", "\xc3\xa9" };

	CHECK(guest_check_name("web1") == 0);
	CHECK(guest_check_name("a.b-c") == 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(guest_check_name(bad[i]) < 0 && err_class() == ERR_USAGE);
	CHECK(guest_check_name("123456789012345678901234567890123456789012345678901234567890") == 0);
	CHECK(guest_check_name("1234567890123456789012345678901234567890123456789012345678901") < 0);
}

static int lint(const char *text)
{
	char path[] = "/tmp/vzrun-lint-XXXXXX";
	auto_json struct json *tree = NULL;
	int fd = mkstemp(path), r;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
	r = guest_lint(path, &tree);
	unlink(path);
	return r;
}

#define HEAD "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"}," \
	     "\"process\":{\"args\":[\"/sbin/init\"],\"cwd\":\"/\"},"
#define LAYERS "\"layers\":[\"/x\"]"

/* The message without the name of the file, which differs. */
static const char *says(const char *vzrun)
{
	auto_buf struct buf b = { 0 };
	const char *p;

	err_clear();
	buf_printf(&b, HEAD "%s}", vzrun);
	if (lint(buf_text(&b)) >= 0)
		return "good";
	if (err_class() != ERR_CONFIG)
		return "not ERR_CONFIG";
	p = strstr(err_text(), ": ");
	return p ? p + 2 : err_text();
}

TEST(objects)
{
	CHECK_STR(says("\"vzrun\":{" LAYERS "}"), "good");
	CHECK_STR(says("\"vzrun\":{\"storage\":\"dir\"}"), "good");
	CHECK_STR(says("\"vzrun\":{\"layers\":[\"0123ab\"]}"), "good");
	CHECK_STR(says("\"vzrun\":{\"layers\":[\"/x\",\"../x\"]}"),
		  "vzrun.layers[1]: \"../x\" is neither a name in the store nor an absolute path");
	CHECK_STR(says("\"vzrun\":{\"layers\":[\"..\"]}"),
		  "vzrun.layers[0]: \"..\" is neither a name in the store nor an absolute path");
	CHECK_STR(says("\"vzrun\":{\"layers\":[\"\"]}"),
		  "vzrun.layers[0]: \"\" is neither a name in the store nor an absolute path");
	CHECK_STR(says("\"vzrun\":{}"), "vzrun.layers: missing for storage \"overlay\"");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"storage\":\"zfs\"}"),
		  "vzrun.storage: unknown value \"zfs\" (overlay or dir)");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"userns\":\"65535\"}"),
		  "vzrun.userns: unknown value \"65535\" (auto, host, or a first id from 65536 on)");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"userns\":\"65536\"}"), "good");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"userns\":\"4294967295\"}"),
		  "vzrun.userns: unknown value \"4294967295\" (auto, host, or a first id from 65536 on)");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"apparmor\":\"web\"}"), "good");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"apparmor\":\"a\\nb\"}"),
		  "vzrun.apparmor: profile \"a\nb\": character 2 is not allowed");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"features\":[\"tun\",\"kvm\"]}"),
		  "vzrun.features[1]: unknown value \"kvm\" (nesting, fuse, tun, i386)");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"stopSignal\":\"SIGX\"}"), "vzrun.stopSignal: unknown value \"SIGX\"");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"stopSignal\":\"SIGRTMIN+3\"}"), "good");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"networks\":[{\"ip\":\"1.2.3\"}]}"),
		  "vzrun.networks[0].ip: 1.2.3 is not an IPv4 address");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"ports\":[{\"port\":0,\"guestPort\":80}]}"),
		  "vzrun.ports[0].port: must be 1 to 65535");
	CHECK_STR(says("\"vzrun\":{" LAYERS ",\"firewall\":[{\"action\":\"deny\",\"direction\":\"in\",\"port\":0}]}"),
		  "vzrun.firewall[0].port: must be 1 to 65535");
	CHECK_STR(says("\"hostname\":\"a\\nb\",\"vzrun\":{" LAYERS "}"), "hostname: \"a\nb\" is not a host name");
	CHECK_STR(says("\"hostname\":\"Web1\",\"vzrun\":{" LAYERS "}"), "good");
}

UNIT_MAIN(UNIT(quota), UNIT(signals), UNIT(names), UNIT(objects))
