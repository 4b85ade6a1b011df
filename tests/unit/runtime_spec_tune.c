#include "base/json.h"
#include "runtime/spec/tune.h"
#include "tests/unit/unit.h"

static int load(const struct record *rec, const char *text, void *out, struct arena *a, struct json **tree)
{
	TRY(json_parse("c.json", text, strlen(text), tree));
	return bind_decode(a, rec, *tree, out);
}

static int scheduler(const char *text)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct spec_scheduler s;

	TRY(load(&spec_scheduler_record, text, &s, &a, &tree));
	return spec_scheduler_check(&s);
}

static int memory(const char *text)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct spec_memory_policy m;

	TRY(load(&spec_memory_policy_record, text, &m, &a, &tree));
	return spec_memory_policy_check(&m);
}

TEST(scheduler_is_right)
{
	static const char *const good[] = {
		"{\"policy\":\"SCHED_OTHER\"}", "{\"policy\":\"SCHED_OTHER\",\"nice\":-20}",
		"{\"policy\":\"SCHED_OTHER\",\"nice\":19,\"priority\":0,\"runtime\":0}",
		"{\"policy\":\"SCHED_BATCH\",\"nice\":5}", "{\"policy\":\"SCHED_IDLE\"}",
		"{\"policy\":\"SCHED_FIFO\",\"priority\":1}", "{\"policy\":\"SCHED_RR\",\"priority\":99,\"flags\":[]}",
		"{\"policy\":\"SCHED_DEADLINE\",\"runtime\":1024,\"deadline\":1024}",
		("{\"policy\":\"SCHED_DEADLINE\",\"runtime\":5000,\"deadline\":6000,\"period\":7000,"
		 "\"flags\":[\"SCHED_FLAG_RECLAIM\",\"SCHED_FLAG_DL_OVERRUN\",\"SCHED_FLAG_RESET_ON_FORK\"]}"),
		("{\"policy\":\"SCHED_OTHER\",\"flags\":[\"SCHED_FLAG_KEEP_POLICY\",\"SCHED_FLAG_KEEP_PARAMS\","
		 "\"SCHED_FLAG_UTIL_CLAMP_MIN\",\"SCHED_FLAG_UTIL_CLAMP_MAX\"]}"),
	};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(scheduler(good[i]) == 0);
	CHECK(spec_scheduler_check(NULL) == 0);
}

TEST(scheduler_is_wrong)
{
	CHECK_FAILS(scheduler("{}"), "policy: missing");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_X\"}"), "policy: unknown value \"SCHED_X\"");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_ISO\"}"), "scheduler.policy: Linux has no SCHED_ISO");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_OTHER\",\"nice\":20}"), "scheduler.nice: must be -20 to 19");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_OTHER\",\"priority\":1}"),
		    "scheduler.priority: has no meaning for SCHED_OTHER");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_FIFO\"}"), "scheduler.priority: must be 1 to 99 for SCHED_FIFO");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_RR\",\"priority\":100}"),
		    "scheduler.priority: must be 1 to 99 for SCHED_RR");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_IDLE\",\"runtime\":1}"),
		    "scheduler.runtime: has no meaning for SCHED_IDLE");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_BATCH\",\"flags\":[\"SCHED_FLAG_RECLAIM\"]}"),
		    "scheduler.flags: SCHED_FLAG_RECLAIM: has no meaning for SCHED_BATCH");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_OTHER\",\"flags\":[\"A\"]}"),
		    "scheduler.flags[0]: unknown value \"A\"");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_DEADLINE\",\"runtime\":1023,\"deadline\":5000}"),
		    "scheduler.runtime: SCHED_DEADLINE needs at least 1024 nanoseconds");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_DEADLINE\",\"runtime\":5000,\"deadline\":4999}"),
		    "scheduler.deadline: 4999 is less than runtime");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_DEADLINE\",\"runtime\":5000,\"deadline\":6000,\"period\":5999}"),
		    "scheduler.period: 5999 is less than deadline");
	CHECK_FAILS(scheduler("{\"policy\":\"SCHED_DEADLINE\",\"runtime\":5000,\"deadline\":9223372036854775808}"),
		    "scheduler.deadline: 9223372036854775808 is too large");
}

TEST(memory_policy_is_right)
{
	static const char *const good[] = {
		"{}", "{\"mode\":\"MPOL_DEFAULT\"}", "{\"mode\":\"MPOL_LOCAL\",\"nodes\":\"\"}", "{\"mode\":\"MPOL_PREFERRED\"}",
		"{\"mode\":\"MPOL_PREFERRED\",\"nodes\":\"1\",\"flags\":[\"MPOL_F_STATIC_NODES\"]}",
		"{\"mode\":\"MPOL_BIND\",\"nodes\":\"0-3,1023\",\"flags\":[\"MPOL_F_NUMA_BALANCING\"]}",
		"{\"mode\":\"MPOL_INTERLEAVE\",\"nodes\":\"0\"}", "{\"mode\":\"MPOL_WEIGHTED_INTERLEAVE\",\"nodes\":\"0\"}",
		"{\"mode\":\"MPOL_PREFERRED_MANY\",\"nodes\":\"0,2\",\"flags\":[\"MPOL_F_RELATIVE_NODES\"]}",
	};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(memory(good[i]) == 0);
}

TEST(memory_policy_is_wrong)
{
	CHECK_FAILS(memory("{\"nodes\":\"0\"}"), "linux.memoryPolicy.mode: invalid memory policy mode: missing");
	CHECK_FAILS(memory("{\"mode\":\"BIND\"}"), "linux.memoryPolicy.mode: invalid memory policy mode: \"BIND\"");
	CHECK_FAILS(memory("{\"mode\":\"MPOL_DEFAULT\",\"nodes\":\"0\"}"),
		    "linux.memoryPolicy.nodes: MPOL_DEFAULT takes none (set_mempolicy: invalid argument)");
	CHECK_FAILS(memory("{\"mode\":\"MPOL_BIND\"}"), "linux.memoryPolicy.nodes: missing, MPOL_BIND needs it");
	CHECK_FAILS(memory("{\"mode\":\"MPOL_PREFERRED\",\"flags\":[\"MPOL_F_STATIC_NODES\"]}"),
		    "linux.memoryPolicy.nodes: missing, MPOL_PREFERRED needs it");
	CHECK_FAILS(memory("{\"mode\":\"MPOL_LOCAL\",\"flags\":[\"MPOL_F_STATIC_NODES\"]}"),
		    "linux.memoryPolicy.flags: MPOL_LOCAL takes none");
	CHECK_FAILS(memory("{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":[\"MPOL_F_STATIC_NODES\","
			   "\"MPOL_F_RELATIVE_NODES\"]}"),
		    "linux.memoryPolicy.flags: nodes cannot be both static and relative");
	CHECK_FAILS(memory("{\"mode\":\"MPOL_INTERLEAVE\",\"nodes\":\"0\",\"flags\":[\"MPOL_F_NUMA_BALANCING\"]}"),
		    "linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING has no meaning for MPOL_INTERLEAVE");
	CHECK_FAILS(memory("{\"mode\":\"MPOL_BIND\",\"nodes\":\"0-\"}"),
		    "invalid memory policy node: linux.memoryPolicy.nodes: \"0-\" is no list such as 0-3,7");
	CHECK_FAILS(memory("{\"mode\":\"MPOL_BIND\",\"nodes\":\"1024\"}"),
		    "invalid memory policy node: linux.memoryPolicy.nodes: \"1024\" goes beyond 1023");
}

TEST(the_rest)
{
	struct spec_io_priority io = { 2, { 8, true } };
	struct spec_affinity cpus = { "0-3,7", "" };
	struct spec_personality p = { "LINUX32", { NULL, 0 } };

	CHECK_FAILS(spec_io_priority_check(&io), "ioPriority.priority: must be 0 to 7");
	io.priority.v = 7;
	CHECK(spec_io_priority_check(&io) == 0);
	CHECK(spec_affinity_check(&cpus) == 0);
	cpus.final = "3,";
	CHECK_FAILS(spec_affinity_check(&cpus), "execCPUAffinity.final: \"3,\" is no list such as 0-3,7");
	cpus.final = "8192";
	CHECK_FAILS(spec_affinity_check(&cpus), "execCPUAffinity.final: \"8192\" goes beyond 8191");
	CHECK(spec_personality_check(&p) == 0);
	p.domain = "BSD";
	CHECK_FAILS(spec_personality_check(&p), "linux.personality.domain: unknown value \"BSD\"");
}

UNIT_MAIN(UNIT(scheduler_is_right), UNIT(scheduler_is_wrong), UNIT(memory_policy_is_right),
	  UNIT(memory_policy_is_wrong),
	  UNIT(the_rest))
