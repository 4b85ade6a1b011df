#include "cgroups/systemd.h"
#include "base/json.h"
#include "base/scope.h"
#include "tests/unit/unit.h"

/* One property as text: "NAME type value". */
static void say(struct buf *b, const struct prop *p)
{
	buf_printf(b, "%s %s", p->name, p->type);
	if (strchr("byqut", p->type[0]))
		buf_printf(b, " %ju", (uintmax_t)p->u);
	else if (strchr("nix", p->type[0]))
		buf_printf(b, " %jd", (intmax_t)p->i);
	else if (*p->type == 'd')
		buf_printf(b, " %g", p->d);
	else if (*p->type == 's')
		buf_printf(b, " %s", p->s);
	for (size_t i = 0; i < p->words.n; i++)
		buf_printf(b, " %s", p->words.v[i]);
	for (size_t i = 0; i < p->n_bytes; i++)
		buf_printf(b, " %02x", p->bytes[i]);
	for (size_t i = 0; i < p->n_devices; i++)
		buf_printf(b, " %s=%s", p->devices[i].path, p->devices[i].access);
	buf_puts(b, "\n");
}

static const char *limits(const char *text, bool v2, unsigned version)
{
	static struct buf b;
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct props p = { .a = &a };
	struct cg_resources r;

	b.n = 0;
	if (json_parse("r", text, strlen(text), &tree) < 0 || bind_decode(&a, &cg_resources_record, tree, &r) < 0 ||
	    props_of_resources(&p, &r, v2, version) < 0)
		return err_text();
	for (size_t i = 0; i < p.n; i++)
		say(&b, &p.v[i]);
	return buf_text(&b);
}

TEST(v2_limits)
{
	CHECK_STR(limits("{\"memory\":{\"limit\":100,\"swap\":150,\"reservation\":-1}}", true, 252),
		  "MemoryMax t 100\nMemoryLow t 18446744073709551615\nMemorySwapMax t 50\n");
	CHECK_STR(limits("{\"memory\":{\"limit\":100,\"swap\":100}}", true, 252), "MemoryMax t 100\nMemorySwapMax t 0\n");
	CHECK_STR(limits("{\"cpu\":{\"shares\":1024,\"quota\":25001,\"period\":100000,\"cpus\":\"0-2,9\"}}", true, 252),
		  "CPUWeight t 100\nCPUQuotaPeriodUSec t 100000\nCPUQuotaPerSecUSec t 260000\nAllowedCPUs ay 07 02\n");
	CHECK_STR(limits("{\"cpu\":{\"quota\":-1,\"period\":100000,\"cpus\":\"0\",\"idle\":1}}", true, 241),
		  "CPUQuotaPerSecUSec t 18446744073709551615\n");
	CHECK_STR(limits("{\"cpu\":{\"idle\":1},\"pids\":{\"limit\":-1},\"blockIO\":{\"weight\":1000}}", true, 252),
		  "CPUWeight t 0\nTasksMax t 18446744073709551615\nIOWeight t 10000\n");
}

TEST(v1_limits)
{
	CHECK_STR(limits("{\"memory\":{\"limit\":100,\"swap\":150,\"reservation\":7},\"cpu\":{\"shares\":512,\"cpus\":\"0\"},"
			 "\"pids\":{\"limit\":9},\"blockIO\":{\"weight\":500},\"unified\":{\"pids.max\":\"4\"}}", false, 252),
		  "MemoryLimit t 100\nCPUShares t 512\nTasksMax t 9\nBlockIOWeight t 500\n");
}

TEST(unified)
{
	CHECK_STR(limits("{\"unified\":{\"cpu.max\":\"50000 100000\",\"memory.high\":\"max\",\"cpuset.mems\":\"0\","
			 "\"pids.max\":\"5\",\"hugetlb.2MB.max\":\"0\"}}", true, 252),
		  "CPUQuotaPeriodUSec t 100000\nCPUQuotaPerSecUSec t 500000\nMemoryHigh t 18446744073709551615\n"
		  "AllowedMemoryNodes ay 01\nTasksMax t 5\n");
	CHECK_STR(limits("{\"unified\":{\"memory.max\":\"1G\"}}", true, 252), "unified.memory.max: \"1G\" is no number");
}

TEST(devices)
{
	CHECK_STR(limits("{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
			 "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rw\"},"
			 "{\"allow\":true,\"type\":\"c\",\"major\":136,\"access\":\"rwm\"},"
			 "{\"allow\":true,\"type\":\"b\",\"access\":\"m\"}]}", true, 252),
		  "DevicePolicy s strict\nDeviceAllow a(ss)\n"
		  "DeviceAllow a(ss) /dev/char/1:3=rw char-136=rwm block-*=m\n");
	/* Everything but one, and a minor of any major: systemd has no words for either. */
	CHECK_STR(limits("{\"devices\":[{\"allow\":true,\"access\":\"rwm\"},"
			 "{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rw\"}]}", true, 252),
		  "DevicePolicy s auto\nDeviceAllow a(ss)\n");
	CHECK_STR(limits("{\"devices\":[{\"allow\":true,\"type\":\"c\",\"minor\":3,\"access\":\"r\"}]}", true, 252),
		  "DevicePolicy s auto\nDeviceAllow a(ss)\n");
}

static const char *annotation(const char *name, const char *text)
{
	static struct buf b;
	auto_arena struct arena a = { 0 };
	struct props p = { .a = &a };

	b.n = 0;
	if (prop_of_annotation(&p, name, text) < 0)
		return "refused";
	say(&b, &p.v[0]);
	b.p[b.n - 1] = '\0';
	return b.p;
}

static const struct { const char *name, *text, *says; } annotations[] = {
	{ "Name", "'a b'", "Name s a b" }, { "Name", " \"it's\" ", "Name s it's" }, { "Name", "'a\\'b\\n'", "Name s a'b\n" },
	{ "Flag", "true", "Flag b 1" }, { "Flag", "false", "Flag b 0" }, { "Flag", "True", "refused" },
	{ "Number", "5", "Number i 5" }, { "Number", "-5", "Number i -5" }, { "Number", "uint64 18446744073709551615",
	  "Number t 18446744073709551615" }, { "Number", "byte 256", "refused" },
	{ "Number", "int16 -32768", "Number n -32768" },
	{ "Number", "uint32 -1", "refused" }, { "Number", "2147483648", "refused" }, { "Number", "5 6", "refused" },
	{ "Number", "uint99 5", "refused" }, { "Number", "", "refused" }, { "Number", "1.5", "Number d 1.5" },
	{ "Number", "1.5.2", "refused" }, { "Number", "nan", "refused" },
	{ "List", "['a', \"b\"]", "List as a b" }, { "List", "['a',]", "refused" }, { "List", "[]", "refused" },
	{ "List", "['a'", "refused" }, { "List", "['a'] x", "refused" }, { "List", "[5]", "refused" },
	{ "Text", "'open", "refused" }, { "Text", "'a'b", "refused" }, { "Text", "'\\x'", "refused" },
	{ "Text", "bare", "refused" },
	{ "TimeoutStopSec", "uint64 10", "TimeoutStopUSec t 10000000" },
	{ "TimeoutStopSec", "7", "TimeoutStopUSec t 7000000" },
	{ "TimeoutStopSec", "1.5", "TimeoutStopUSec t 1500000" }, { "TimeoutStopSec", "-1", "refused" },
	{ "TimeoutStopSec", "'10'", "refused" }, { "TimeoutStopSec", "uint64 18446744073709551615", "refused" },
	{ "TimeoutStopUSec", "uint64 10", "TimeoutStopUSec t 10" }, { "A-b", "1", "refused" }, { "", "1", "refused" },
	{ "Sec", "1", "USec t 1000000" },
};

TEST(values)
{
	for (size_t i = 0; i < COUNT(annotations); i++)
		CHECK_STR(annotation(annotations[i].name, annotations[i].text), annotations[i].says);
}

static const struct { const char *path, *slice, *name; } names[] = {
	{ "a-b.slice:pre:x", "a-b.slice", "pre-x.scope" }, { "a.slice::x", "a.slice", "-x.scope" },
	{ "-.slice:p:x", "-.slice", "p-x.scope" }, { "a.slice:p:b.slice", "a.slice", "b.slice" },
	{ "machine.slice:libpod:0a:b", NULL, NULL }, { "a.slice:x", NULL, NULL }, { "/a", NULL, NULL },
	{ "a:p:x", NULL, NULL }, { "a--b.slice:p:x", NULL, NULL }, { "a-.slice:p:x", NULL, NULL },
	{ "a.slice:p:", NULL, NULL }, { "a.slice:p:x y", NULL, NULL }, { "a.slice:p:-b.slice", NULL, NULL },
	{ "a.slice:p:../x", NULL, NULL }, { "a.slice:p:-.slice", NULL, NULL }, { ".slice:p:x", NULL, NULL },
};

TEST(unit_names)
{
	char longer[300];
	struct cg_unit u;

	for (size_t i = 0; i < COUNT(names); i++) {
		int r = cg_unit_parse(names[i].path, "id", &u);

		CHECK((r >= 0) == (names[i].slice != NULL));
		if (r >= 0 && names[i].slice) {
			CHECK_STR(u.slice, names[i].slice);
			CHECK_STR(u.name, names[i].name);
		}
	}
	CHECK(cg_unit_parse(NULL, "a+b_c.d", &u) == 0);
	CHECK_STR(u.name, "vzrun-a\\x2bb_c.d.scope");
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	CHECK(cg_unit_parse(NULL, longer, &u) < 0);
	CHECK_FAILS(cg_unit_parse("/vzrun/x", "id", &u), "expected cgroupsPath to be of format \"slice:prefix:name\" for "
		    "systemd cgroups, got /vzrun/x instead");
}

static const struct { const char *text; bool is; } addresses[] = {
	{ "unix:path=/run/user/7/bus", true }, { "unix:path=/run/user/7/bus,guid=0123abcd", true },
	{ "unix:guid=0123abcd,path=/run/user/7/bus", true }, { "unix:path=%2frun/user/%37/bus", true },
	{ "tcp:host=h,port=1;unix:path=/nowhere;unix:path=/run/user/7/bus;", true },
	{ "", false }, { ";", false }, { "unix:", false }, { "unix:path=", false }, { "unix:path=/run/user/7/bus2", false },
	{ "unix:path=/run/user/7", false }, { "unix:abstract=/run/user/7/bus", false },
	{ "unix:path=/run/user/7/bus%", false },
	{ "tcp:path=/run/user/7/bus", false }, { "unix:path=/run/user/7/%00bus", false }, { "path=/run/user/7/bus", false },
	{ "unix:path=/run/user/7/bu%7", false },
};

TEST(bus_addresses)
{
	for (size_t i = 0; i < COUNT(addresses); i++)
		CHECK(unit_bus_is_among(addresses[i].text, "/run/user/7/bus") == addresses[i].is);
}

UNIT_MAIN(UNIT(v2_limits), UNIT(v1_limits), UNIT(unified), UNIT(devices), UNIT(values), UNIT(unit_names),
	  UNIT(bus_addresses))
