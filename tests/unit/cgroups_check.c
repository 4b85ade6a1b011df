#include "cgroups/cgroup.h"
#include "base/json.h"
#include "base/scope.h"
#include "tests/unit/unit.h"

static int check(const char *text)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct cg_resources r;

	TRY(json_parse("r", text, strlen(text), &tree));
	TRY_IN(bind_decode(&a, &cg_resources_record, tree, &r), "r");
	return cg_check(&r);
}

static const struct { const char *text, *message; } wrong[] = {
	{ "{\"memory\":{\"limit\":-2}}", "memory.limit: -2 is not in the range -1 to 9223372036854775807" },
	{ "{\"memory\":{\"limit\":10,\"swap\":5}}",
	  "memory.swap: 5 is less than memory.limit 10: it counts memory and swap together" },
	{ "{\"memory\":{\"limit\":-1,\"swap\":5}}",
	  "memory.swap: 5, but memory.limit is unlimited: memory and swap together cannot be less" },
	{ "{\"memory\":{\"swappiness\":101}}", "memory.swappiness: 101 is above 100" },
	{ "{\"memory\":{\"limit\":1.5}}", "r: memory.limit: expected an integer" },
	{ "{\"cpu\":{\"shares\":1}}", "cpu.shares: 1 is below 2" },
	{ "{\"cpu\":{\"shares\":262145}}", "cpu.shares: 262145 is above 262144" },
	{ "{\"cpu\":{\"quota\":999}}", "cpu.quota: 999 is below 1000" },
	{ "{\"cpu\":{\"period\":999}}", "cpu.period: 999 is below 1000" },
	{ "{\"cpu\":{\"period\":1000001}}", "cpu.period: 1000001 is above 1000000" },
	{ "{\"cpu\":{\"quota\":2000,\"burst\":3000}}", "cpu.burst: 3000 is above cpu.quota 2000" },
	{ "{\"cpu\":{\"idle\":2}}", "cpu.idle: 2 is above 1" },
	{ "{\"cpu\":{\"idle\":-1}}", "cpu.idle: -1 is not in the range 0 to 1" },
	{ "{\"cpu\":{\"cpus\":\"0-\"}}", "cpu.cpus: \"0-\" is no list such as 0-3,7" },
	{ "{\"cpu\":{\"cpus\":\"0-99999\"}}", "cpu.cpus: \"0-99999\" goes beyond the host's highest" },
	{ "{\"cpu\":{\"cpus\":\"3-1\"}}", "cpu.cpus: \"3-1\" is no list such as 0-3,7" },
	{ "{\"cpu\":{\"mems\":\"0,\"}}", "cpu.mems: \"0,\" is no list such as 0-3,7" },
	{ "{\"cpu\":{\"mems\":\"0 1\"}}", "cpu.mems: \"0 1\" is no list such as 0-3,7" },
	{ "{\"memory\":{\"swap\":-2}}", "memory.swap: -2 is not in the range -1 to 9223372036854775807" },
	{ "{\"cpu\":{\"idle\":-1}}", "cpu.idle: -1 is not in the range 0 to 1" },
	{ "{\"blockIO\":{\"weight\":9}}", "blockIO.weight: 9 is below 10" },
	{ "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":-1,\"minor\":0,\"rate\":1}]}}",
	  "blockIO.throttleReadBpsDevice[0].major: -1 is no device number" },
	{ "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"leafWeight\":9}]}}",
	  "blockIO.weightDevice[0].leafWeight: 9 is not in the range 10 to 1000" },
	{ "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":1001}]}}",
	  "blockIO.weightDevice[0].weight: 1001 is not in the range 10 to 1000" },
	{ "{\"hugepageLimits\":[{\"pageSize\":\"../x\",\"limit\":1}]}",
	  "hugepageLimits[0].pageSize: \"../x\" is no size such as 2MB or 1GB" },
	{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1},{\"pageSize\":\"2MB\",\"limit\":1}]}",
	  "hugepageLimits[1].pageSize: 2MB given twice" },
	{ "{\"network\":{\"priorities\":[{\"name\":\"a b\",\"priority\":1}]}}",
	  "network.priorities[0].name: \"a b\" is no interface name" },
	{ "{\"rdma\":{\"x\\ny\":{}}}", "rdma: \"x\ny\" is no device name" },
	{ "{\"unified\":{\"../memory.max\":\"1\"}}",
	  "unified: \"../memory.max\" is no name of a cgroup file" },
	{ "{\"unified\":{\"memory\":\"1\"}}", "unified: \"memory\" is no name of a cgroup file" },
	{ "{\"unified\":{\"cgroup.procs\":\"1\"}}", "unified: cgroup.procs is no limit" },
	{ "{\"devices\":[{\"access\":\"rwm\"}]}", "r: devices[0].allow: missing" },
	{ "{\"devices\":[{\"allow\":true,\"access\":\"x\"}]}",
	  "devices[0].access: \"x\" has none of r, w, m" },
	{ "{\"devices\":[{\"allow\":true,\"access\":\"r\"},{\"allow\":true,"
	  "\"type\":\"p\",\"access\":\"r\"}]}",
	  "devices[1].type: \"p\" is none of a, b, c" },
	{ "{\"devices\":[{\"allow\":true,\"access\":\"r\",\"minor\":-2}]}",
	  "devices[0].minor: -2 is no device number" },
};

static const char *const right[] = {
	"{}",
	"{\"devices\":[{\"allow\":false},{\"allow\":true,\"access\":\"\"}]}",
	"{\"memory\":{\"limit\":0,\"swap\":0,\"swappiness\":0},"
	"\"cpu\":{\"shares\":0,\"quota\":0,\"period\":0}}",
	"{\"memory\":{\"limit\":-1,\"swap\":-1},\"cpu\":{\"quota\":-1,\"cpus\":\"0-3,7\",\"mems\":\"\"}}",
	"{\"pids\":{}}",
	"{\"pids\":{\"limit\":-20},\"cpu\":{\"quota\":-9999}}",
	"{\"pids\":{\"limit\":0},\"unified\":{\"memory.high\":\"max\",\"hugetlb.2MB.max\":\"0\"}}",
	"{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":-1,\"access\":\"m\"}]}",
};

TEST(wrong_lines)
{
	for (size_t i = 0; i < COUNT(wrong); i++)
		CHECK_FAILS(check(wrong[i].text), wrong[i].message);
}

TEST(right_ones)
{
	for (size_t i = 0; i < COUNT(right); i++)
		CHECK(check(right[i]) == 0);
}

TEST(both_ways)
{
	const char *text = "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}],"
			   "\"memory\":{\"limit\":7,\"swap\":-1},"
			   "\"cpu\":{\"quota\":-1,\"burst\":0},"
			   "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":9}],"
			   "\"rdma\":{\"mlx5_0\":{\"hcaHandles\":3}},\"unified\":{\"memory.high\":\"1\"}}";
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	struct cg_resources r;

	CHECK(json_parse("r", text, strlen(text), &tree) == 0);
	CHECK(bind_decode(&a, &cg_resources_record, tree, &r) == 0);
	bind_encode(&o, NULL, &cg_resources_record, &r);
	CHECK_STR(buf_text(&b), text);
}

TEST(paths)
{
	char deep[CG_PATH_MAX];

	CHECK(cg_check_path("/vzrun/web") == 0);
	CHECK(cg_check_path("vzrun/a:b@c.scope") == 0);
	CHECK(cg_check_path("/..a/b..") == 0);
	CHECK_FAILS(cg_check_path(""), "cgroups path \"\": names no group");
	CHECK_FAILS(cg_check_path("/"), "cgroups path \"/\": names no group");
	CHECK_FAILS(cg_check_path("/a//b"), "cgroups path /a//b: empty component");
	CHECK_FAILS(cg_check_path("/a/"), "cgroups path /a/: empty component");
	CHECK_STR(cg_clean_path("//a///b/", deep), "/a/b");
	CHECK_STR(cg_clean_path("a//b", deep), "a/b");
	CHECK_STR(cg_clean_path("///", deep), "/");
	CHECK_STR(cg_clean_path("a:b:c", deep), "a:b:c");
	CHECK_FAILS(cg_check_path("/a/../b"), "cgroups path /a/../b: component \"..\"");
	CHECK_FAILS(cg_check_path(".."), "cgroups path ..: component \"..\"");
	CHECK_FAILS(cg_check_path("./a"), "cgroups path ./a: component \".\"");
	CHECK_FAILS(cg_check_path("/a\nmemory:/b"), "cgroups path: control character at byte 2");
	memset(deep, 'a', sizeof deep - 1);
	deep[sizeof deep - 1] = '\0';
	CHECK(cg_check_path(deep) < 0);
	deep[300] = '\0';
	CHECK(cg_check_path(deep) < 0);
}

UNIT_MAIN(UNIT(wrong_lines), UNIT(right_ones), UNIT(both_ways), UNIT(paths))
