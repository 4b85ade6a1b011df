#include "base/json.h"
#include "runtime/spec/seccomp.h"
#include "tests/unit/unit.h"

static int load(const char *text, struct arena *a, struct json **tree, struct spec_seccomp *s)
{
	TRY(json_parse("c.json", text, strlen(text), tree));
	TRY(bind_decode(a, &spec_seccomp_record, *tree, s));
	return spec_seccomp_check(s);
}

static void bad(const char *text, const char *message)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct spec_seccomp s;

	CHECK_FAILS(load(text, &a, &tree, &s), message);
}

TEST(both_ways)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	struct spec_seccomp s;
	const char *text = "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,"
			   "\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_LOONGARCH64\"],"
			   "\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"],\"listenerPath\":\"/s\","
			   "\"listenerMetadata\":\"m\",\"syscalls\":[{\"names\":[\"mkdir\",\"mknod\"],"
			   "\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":65535,\"args\":[{\"index\":5,"
			   "\"value\":18446744073709551615,\"valueTwo\":1,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}]}";

	CHECK(load(text, &a, &tree, &s) == 0);
	bind_encode(&o, NULL, &spec_seccomp_record, &s);
	CHECK_STR(buf_text(&b), text);
	CHECK(!spec_seccomp_notifies(&s));
}

TEST(every_word)
{
	static const struct { const struct name *names; const char *before, *after; } kinds[] = {
		{ spec_seccomp_actions,
		  "{\"defaultAction\":\"SCMP_ACT_KILL\",\"listenerPath\":\"/s\",\"syscalls\":[{"
		  "\"names\":[\"a\"],\"action\":\"", "\"}]}" },
		{ spec_seccomp_ops,
		  "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[{\"names\":[\"a\"],\"action\":"
		  "\"SCMP_ACT_LOG\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"", "\"}]}]}" },
		{ spec_seccomp_flags, "{\"defaultAction\":\"SCMP_ACT_KILL\",\"flags\":[\"", "\"]}" },
		{ spec_seccomp_archs, "{\"defaultAction\":\"SCMP_ACT_KILL\",\"architectures\":[\"", "\"]}" },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		for (const struct name *n = kinds[i].names; n->text; n++) {
			auto_arena struct arena a = { 0 };
			auto_json struct json *tree = NULL;
			struct spec_seccomp s;
			char text[300];

			snprintf(text, sizeof text, "%s%s%s", kinds[i].before, n->text, kinds[i].after);
			err_clear();
			CHECK(load(text, &a, &tree, &s) == 0);
		}
}

#define RULE(rest) "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],\"action\":" \
		   "\"SCMP_ACT_LOG\"},{" rest "}]}"
#define ARG(rest) RULE("\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{" rest "}]")

TEST(places)
{
	bad("{}", "defaultAction: missing");
	bad("{\"defaultAction\":\"SCMP_ACT_NONE\"}", "defaultAction: unknown value \"SCMP_ACT_NONE\"");
	bad("{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}",
	    "defaultAction: SCMP_ACT_NOTIFY cannot be the default");
	bad("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}",
	    "defaultErrnoRet: SCMP_ACT_ALLOW returns no errno");
	bad("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4096}",
	    "defaultErrnoRet: 4096 is too large (at most 4095)");
	bad("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\",\"SCMP_ARCH_VAX\"]}",
	    "architectures[1]: unknown value \"SCMP_ARCH_VAX\"");
	bad("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"X\"]}", "flags[0]: unknown value \"X\"");
	bad("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerMetadata\":\"x\"}",
	    "listenerMetadata: needs listenerPath");
	bad(RULE("\"action\":\"SCMP_ACT_LOG\""), "syscalls[1].names: missing");
	bad(RULE("\"names\":[],\"action\":\"SCMP_ACT_LOG\""), "syscalls[1].names: empty");
	bad(RULE("\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\",\"errnoRet\":1"),
	    "syscalls[1].errnoRet: SCMP_ACT_LOG returns no errno");
	bad(RULE("\"names\":[\"a\"],\"action\":\"SCMP_ACT_NOTIFY\""),
	    "syscalls[1].action: SCMP_ACT_NOTIFY needs listenerPath");
	bad(ARG("\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_XX\""),
	    "syscalls[1].args[0].op: unknown value \"SCMP_CMP_XX\"");
	bad(ARG("\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\""),
	    "syscalls[1].args[0].index: 6 is too large (at most 5)");
	bad(ARG("\"index\":0,\"op\":\"SCMP_CMP_EQ\""), "syscalls[1].args[0].value: missing");
}

TEST(own_calls_are_not_notified)
{
	bad("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/s\",\"syscalls\":"
	    "[{\"names\":[\"mkdir\",\"write\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
	    "syscalls[0].action: SCMP_ACT_NOTIFY cannot be used for the write syscall: by it the "
	    "listener is handed over");
}

UNIT_MAIN(UNIT(both_ways), UNIT(every_word), UNIT(places), UNIT(own_calls_are_not_notified))
