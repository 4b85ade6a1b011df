#include "runtime/guest/keeper.h"
#include "tests/unit/unit.h"

#define HEAD "4,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0"
#define TAIL ",task=sh,pid=7,uid=0"

static const struct { const char *line; bool whole, part; } lines[] = {
	{ HEAD ",oom_memcg=/vzrun-web,task_memcg=/vzrun-web" TAIL, true, true },
	{ HEAD ",oom_memcg=/vzrun-web/x,task_memcg=/vzrun-web/x/y" TAIL, true, true },
	{ HEAD ",oom_memcg=/,task_memcg=/vzrun-web" TAIL, true, true },
	{ HEAD ",global_oom,task_memcg=/vzrun-web/x" TAIL, true, true },
	{ HEAD ",oom_memcg=/vzrun-web2,task_memcg=/vzrun-web2" TAIL, false, false },
	{ HEAD ",global_oom,task_memcg=/vzrun-other" TAIL, false, false },
	{ "6,1,2,-;somebody says oom-kill:" ",global_oom,task_memcg=/vzrun-web" TAIL, false, false },
	/* Seen from a host that is a container. */
	{ HEAD ",oom_memcg=/docker/1/vzrun-web,task_memcg=/docker/1/vzrun-web" TAIL, false, true },
	/* Another guest's groups. */
	{ HEAD ",oom_memcg=/vzrun-bad/vzrun-web,task_memcg=/vzrun-bad/vzrun-web" TAIL, false, true },
	{ HEAD ",oom_memcg=/vzrun-bad,task_memcg=/vzrun-bad/x,task_memcg=/vzrun-web" TAIL, false, false },
	{ HEAD ",oom_memcg=/vzrun-bad/x,task_memcg=/vzrun-web,task_memcg=/vzrun-bad/x,task_memcg=/vzrun-web" TAIL,
	  false, true },
	{ HEAD ",oom_memcg=/vzrun-bad/,global_oom,task_memcg=/vzrun-web,task_memcg=/vzrun-bad" TAIL, false, true },
	{ HEAD ",global_oom,task_memcg=/vzrun-bad/x,oom_memcg=/vzrun-web" TAIL, false, false },
	{ "4,1,2,-;oom-kill:cpuset=,global_oom,task_memcg=,mems_allowed=0,oom_memcg=/vzrun-bad,task_memcg=/vzrun-bad" TAIL,
	  false, false },
};

TEST(whose_kill)
{
	for (size_t i = 0; i < COUNT(lines); i++) {
		CHECK(oom_is_ours("/vzrun-web", true, lines[i].line) == lines[i].whole);
		if (oom_is_ours("/vzrun-web", false, lines[i].line) != lines[i].part)
			CHECK_STR(lines[i].line, "");
	}
	CHECK(oom_is_ours("/a/web", true, HEAD ",oom_memcg=/a,task_memcg=/a/web/x" TAIL));
	CHECK(!oom_is_ours("/a/web", true, HEAD ",oom_memcg=/a/bad,task_memcg=/a/web/x" TAIL));
}

UNIT_MAIN(UNIT(whose_kill))
