#include "cgroups/internal.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "tests/unit/unit.h"

#include <fcntl.h>

/* What every row would write, "file text|file text"; "!" a row that has no file there. */
static void written(const struct cg_resources *r, bool v2, struct buf *b)
{
	struct at at = { .r = r, .dir = "/nonexistent" };

	for (const struct knob *k = cg_knobs; k < cg_knobs + cg_knobs_n; k++) {
		const void *value = cg_knob_value(k, r);
		const struct knob_file *f = v2 ? &k->v2 : &k->v1;
		const struct list *l = value;
		size_t n = !value ? 0 : k->kind == V_LIST ? l->n : 1;

		for (size_t i = 0; i < n; i++) {
			const void *one = k->kind == V_LIST ? (const char *)l->v + i * k->size : value;
			char text[256], name[96];

			if (!f->name) {
				buf_printf(b, "!%s|", k->what);
				continue;
			}
			int err = f->text(&at, one, text, sizeof text);
			cg_knob_file(f, one, name, sizeof name);
			if (err < 0)
				buf_printf(b, "%s: %s|", name, err_text());
			else if (err == 0)
				buf_printf(b, "%s %s|", name, text);
		}
	}
}

static const struct { const char *json, *v1, *v2; } rows[] = {
	{ "{}", "", "" },
	{ "{\"cpu\":{\"shares\":0,\"quota\":0,\"period\":0},"
	  "\"memory\":{\"limit\":0,\"swap\":0},\"blockIO\":{\"weight\":0}}",
	  "", "" },
	{ "{\"cpu\":{\"shares\":1024}}", "cpu.shares 1024|", "cpu.weight 100|" },
	{ "{\"cpu\":{\"shares\":2}}", "cpu.shares 2|", "cpu.weight 1|" },
	{ "{\"cpu\":{\"shares\":262144}}", "cpu.shares 262144|", "cpu.weight 10000|" },
	{ "{\"cpu\":{\"quota\":50000,\"period\":100000}}", "cpu.cfs_period_us 100000|cpu.cfs_quota_us 50000|",
	  "cpu.max 50000 100000|" },
	{ "{\"cpu\":{\"quota\":-1}}", "cpu.cfs_quota_us -1|", "cpu.max max|" },
	{ "{\"cpu\":{\"period\":5000}}", "cpu.cfs_period_us 5000|", "cpu.max max 5000|" },
	{ "{\"cpu\":{\"burst\":0,\"idle\":1}}", "cpu.idle 1|cpu.cfs_burst_us 0|",
	  "cpu.idle 1|cpu.max.burst 0|" },
	{ "{\"cpu\":{\"cpus\":\"0-1\",\"mems\":\"0\"}}", "cpuset.cpus 0-1|cpuset.mems 0|",
	  "cpuset.cpus 0-1|cpuset.mems 0|" },
	{ "{\"cpu\":{\"realtimeRuntime\":5}}", "cpu.rt_runtime_us 5|", "!real-time runtime|" },
	{ "{\"memory\":{\"limit\":100,\"swap\":150}}",
	  "memory.limit_in_bytes 100|memory.memsw.limit_in_bytes 150|",
	  "memory.max 100|memory.swap.max 50|" },
	{ "{\"memory\":{\"limit\":100,\"swap\":100}}",
	  "memory.limit_in_bytes 100|memory.memsw.limit_in_bytes 100|",
	  "memory.max 100|memory.swap.max 0|" },
	{ "{\"memory\":{\"limit\":100,\"swap\":-1}}",
	  "memory.limit_in_bytes 100|memory.memsw.limit_in_bytes -1|",
	  "memory.max 100|memory.swap.max max|" },
	{ "{\"memory\":{\"limit\":-1}}", "memory.memsw.limit_in_bytes -1|memory.limit_in_bytes -1|",
	  "memory.swap.max max|memory.max max|" },
	{ "{\"memory\":{\"swap\":150}}", "memory.memsw.limit_in_bytes 150|",
	  "memory.swap.max: cgroup v2 limits swap alone: give memory.limit too, it is subtracted|" },
	{ "{\"memory\":{\"reservation\":5,\"swappiness\":0}}",
	  "memory.soft_limit_in_bytes 5|memory.swappiness 0|",
	  "memory.low 5|!swappiness|" },
	{ "{\"memory\":{\"disableOOMKiller\":true}}", "memory.oom_control 1|", "!disabled OOM killer|" },
	{ "{\"memory\":{\"disableOOMKiller\":false,\"useHierarchy\":false}}", "", "" },
	{ "{\"memory\":{\"useHierarchy\":true}}", "memory.use_hierarchy 1|", "" },
	{ "{\"memory\":{\"reservation\":-1,\"kernelTCP\":7}}",
	  "memory.soft_limit_in_bytes -1|memory.kmem.tcp.limit_in_bytes 7|",
	  "memory.low max|!kernel TCP memory limit|" },
	{ "{\"cpu\":{\"quota\":-1,\"period\":50000}}", "cpu.cfs_period_us 50000|cpu.cfs_quota_us -1|",
	  "cpu.max max 50000|" },
	{ "{\"cpu\":{\"quota\":5000,\"burst\":4000,\"idle\":0}}",
	  "cpu.idle 0|cpu.cfs_quota_us 5000|cpu.cfs_burst_us 4000|", "cpu.idle 0|cpu.max 5000|cpu.max.burst 4000|" },
	{ "{\"cpu\":{\"realtimePeriod\":9}}", "cpu.rt_period_us 9|", "!real-time period|" },
	{ "{\"blockIO\":{\"leafWeight\":30}}", "blkio.leaf_weight 30|", "!block I/O leaf weight|" },
	{ "{\"blockIO\":{\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":18446744073709551615}],"
	  "\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":5},{\"major\":9,\"minor\":1,\"rate\":6}]}}",
	  "blkio.throttle.write_bps_device 8:0 18446744073709551615|blkio.throttle.read_iops_device 8:0 5|"
	  "blkio.throttle.read_iops_device 9:1 6|",
	  "io.max 8:0 wbps=18446744073709551615|io.max 8:0 riops=5|io.max 9:1 riops=6|" },
	{ "{\"rdma\":{\"a\":{\"hcaHandles\":0},\"b\":{\"hcaObjects\":4294967295}}}",
	  "rdma.max a hca_handle=0|rdma.max b hca_object=4294967295|",
	  "rdma.max a hca_handle=0|rdma.max b hca_object=4294967295|" },
	{ "{\"network\":{\"classID\":0}}", "", "" },
	{ "{\"pids\":{\"limit\":5}}", "pids.max 5|", "pids.max 5|" },
	{ "{\"pids\":{\"limit\":-1}}", "pids.max max|", "pids.max max|" },
	{ "{\"pids\":{\"limit\":0}}", "pids.max 0|", "pids.max 0|" },
	{ "{\"blockIO\":{\"weight\":10}}", "blkio.weight 10|blkio.bfq.weight 10|",
	  "io.bfq.weight 10|io.weight default 1|" },
	{ "{\"blockIO\":{\"weight\":1000}}", "blkio.weight 1000|blkio.bfq.weight 1000|",
	  "io.bfq.weight 1000|io.weight default 10000|" },
	{ "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":500}]}}",
	  "blkio.weight_device 8:0 500|blkio.bfq.weight_device 8:0 500|", 
	  "io.bfq.weight 8:0 500|io.weight 8:0 4950|!block I/O leaf weight|" },
	{ "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":16,\"rate\":7}],"
	  "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":16,\"rate\":0}]}}",
	  "blkio.throttle.read_bps_device 8:16 7|blkio.throttle.write_iops_device 8:16 0|",
	  "io.max 8:16 rbps=7|io.max 8:16 wiops=max|" },
	{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":9},{\"pageSize\":\"1GB\",\"limit\":0}]}",
	  "hugetlb.2MB.limit_in_bytes 9|hugetlb.1GB.limit_in_bytes 0|"
	  "hugetlb.2MB.rsvd.limit_in_bytes 9|hugetlb.1GB.rsvd.limit_in_bytes 0|",
	  "hugetlb.2MB.max 9|hugetlb.1GB.max 0|hugetlb.2MB.rsvd.max 9|hugetlb.1GB.rsvd.max 0|" },
	{ "{\"network\":{\"classID\":4097,\"priorities\":[{\"name\":\"eth0\",\"priority\":3}]}}",
	  "net_cls.classid 4097|net_prio.ifpriomap eth0 3|", "!network class|!network priority|" },
	{ "{\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10000}}}",
	  "rdma.max mlx5_1 hca_handle=3 hca_object=10000|",
	  "rdma.max mlx5_1 hca_handle=3 hca_object=10000|" },
};

TEST(conversions)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_arena struct arena a = { 0 };
		auto_json struct json *tree = NULL;
		auto_buf struct buf v1 = { 0 };
		auto_buf struct buf v2 = { 0 };
		struct cg_resources r;

		CHECK(json_parse("r", rows[i].json, strlen(rows[i].json), &tree) == 0);
		CHECK(bind_decode(&a, &cg_resources_record, tree, &r) == 0);
		CHECK(cg_check(&r) == 0);
		written(&r, false, &v1);
		written(&r, true, &v2);
		CHECK_STR(buf_text(&v1), rows[i].v1);
		CHECK_STR(buf_text(&v2), rows[i].v2);
	}
}

/* Values of the curve, computed with libm's log2() and pow(). */
TEST(weights)
{
	static const struct { uint64_t shares, weight; } want[] = {
		{ 0, 1 }, { 2, 1 }, { 3, 2 }, { 10, 4 }, { 100, 17 }, { 512, 59 }, { 1023,
		  100 }, { 1024, 100 },
		{ 1025, 101 }, { 2048, 174 }, { 10240, 639 }, { 100000, 4340 }, { 262143,
		  10000 }, { 262144, 10000 },
	};
	uint64_t last = 0;

	for (size_t i = 0; i < COUNT(want); i++)
		if (cg_weight_of_shares(want[i].shares) != want[i].weight) {
			printf("# %ju: %ju\n", (uintmax_t)want[i].shares,
			       (uintmax_t)cg_weight_of_shares(want[i].shares));
			unit_failed = 1;
		}
	for (uint64_t s = 2; s <= 262144; s += 7) {
		CHECK(cg_weight_of_shares(s) >= last);
		last = cg_weight_of_shares(s);
	}
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* What was there is written again, and a line a device only where a file has such lines. */
TEST(put_back)
{
	static const struct { const char *file, *former, *text, *want; } files[] = {
		{ "blkio.weight", "500", "300", "500" },
		{ "blkio.bfq.weight", "500", "300", "500" },
		{ "io.weight", "default 100", "8:0 300", "8:0 default" },
		{ "io.weight", "default 100", "default 300", "default 100" },
	};
	char dir[] = "/tmp/vzrun-unit-XXXXXX", path[64], is[64];

	CHECK(mkdtemp(dir));
	for (size_t i = 0; i < COUNT(files); i++) {
		struct cg_former all = { 0 };

		snprintf(path, sizeof path, "%s/%s", dir, files[i].file);
		write_file(path, files[i].former);
		CHECK(cg_remember(&all, path, files[i].text) == 0);
		/* A cgroup's file takes each write as a whole. */
		write_file(path, "");
		undo_rollback(&all.undo);
		CHECK(file_peek(AT_FDCWD, path, is, sizeof is) >= 0);
		CHECK_STR(is, files[i].want);
		CHECK(unlink(path) == 0);
	}
	CHECK(rmdir(dir) == 0);
}

static void put(const char *dir, const char *file, const char *text)
{
	char path[96];

	snprintf(path, sizeof path, "%s/%s", dir, file);
	write_file(path, text);
}

/* The half that is not named, of v2 and of v1. */
TEST(as_is)
{
	char dir[] = "/tmp/vzrun-unit-XXXXXX";
	struct cg_cpu period = { .period = { 50000, true } }, quota = { .quota = { 7000, true } };
	struct cg_cpu period1 = period, quota1 = quota;
	struct cg_memory limit = { .limit = { 100, true } }, swap = { .swap = { 300, true } };

	CHECK(mkdtemp(dir));
	put(dir, "cpu.max", "max 40000\n");
	put(dir, "cpu.cfs_quota_us", "20000\n");
	put(dir, "cpu.cfs_period_us", "30000\n");
	put(dir, "memory.max", "250\n");
	put(dir, "memory.swap.max", "60\n");
	cg_cpu_as_is(dir, true, &period);
	CHECK(period.quota.set && period.quota.v == -1);
	cg_cpu_as_is(dir, true, &quota);
	CHECK(quota.period.set && quota.period.v == 40000);
	cg_cpu_as_is(dir, false, &period1);
	CHECK(period1.quota.set && period1.quota.v == 20000);
	cg_cpu_as_is(dir, false, &quota1);
	CHECK(quota1.period.set && quota1.period.v == 30000);
	cg_memory_as_is(dir, &limit);
	CHECK(limit.swap.set && limit.swap.v == 160);
	cg_memory_as_is(dir, &swap);
	CHECK(swap.limit.set && swap.limit.v == 250);
	CHECK(path_remove_tree(AT_FDCWD, dir) == 0);
}

UNIT_MAIN(UNIT(conversions), UNIT(weights), UNIT(put_back), UNIT(as_is))
