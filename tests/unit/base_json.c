#include "base/bind.h"
#include "base/scope.h"
#include "tests/unit/unit.h"

struct item { const char *dst; struct strv options; };
struct top { const char *version; bool on; struct opt_u64 big; struct opt_u32 small; struct list items; struct map notes; };

static const struct field item_fields[] = {
	FR(struct item, "destination", K_STR, dst),
	F(struct item, "options", K_STRV, options),
	{ 0 }
};
static const struct record item_record = RECORD("item", struct item, item_fields);
static const struct field top_fields[] = {
	FR(struct top, "version", K_STR, version),
	F(struct top, "on", K_BOOL, on),
	F(struct top, "big", K_U64, big),
	F(struct top, "small", K_U32, small),
	SUB(struct top, "items", K_LIST, items, &item_record),
	F(struct top, "notes", K_MAP, notes),
	{ 0 }
};
static const struct record top_record = RECORD("top", struct top, top_fields);

static int decode(const char *text, struct arena *a, yajl_val *tree, struct top *t)
{
	TRY(json_parse("c.json", text, strlen(text), tree));
	TRY_IN(bind_decode(a, &top_record, *tree, t), "c.json");
	return 0;
}

#define BAD(text, message)                                          \
	do {                                                        \
		auto_arena struct arena a = { 0 };                  \
		auto_json yajl_val tree = NULL;                     \
		struct top t;                                       \
		CHECK_FAILS(decode(text, &a, &tree, &t), message);  \
	} while (0)

TEST(both_ways)
{
	auto_arena struct arena a = { 0 };
	auto_json yajl_val tree = NULL;
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	struct top t;
	const char *text = "{\"version\":\"1.0\",\"on\":true,\"big\":18446744073709551615,\"small\":7,"
			   "\"items\":[{\"destination\":\"/a\",\"options\":[\"ro\",\"x\\\"y\"]}],\"notes\":{\"k\":\"v\"}}";

	CHECK(decode(text, &a, &tree, &t) == 0);
	CHECK(t.big.v == UINT64_MAX);
	bind_encode(&o, NULL, &top_record, &t);
	CHECK_STR(buf_text(&b), text);
}

TEST(places)
{
	BAD("{}", "c.json: version: missing");
	BAD("{\"version\":\"1\",\"items\":[{\"destination\":\"/\"},{}]}", "c.json: items[1].destination: missing");
	BAD("{\"version\":\"1\",\"items\":[{\"destination\":\"/\",\"options\":[\"a\",3]}]}",
	    "c.json: items[0].options[1]: expected a string");
	BAD("{\"version\":\"1\",\"small\":4294967296}", "c.json: small: 4294967296 is too large (at most 4294967295)");
	BAD("{\"version\":\"1\",\"big\":-1}", "c.json: big: expected an unsigned integer");
	BAD("{\"version\":\"1\",\"notes\":{\"k\":1}}", "c.json: notes.k: expected a string");
}

TEST(screens)
{
	char deep[300001];

	memset(deep, '[', sizeof deep - 1);
	deep[sizeof deep - 1] = '\0';
	BAD(deep, "c.json:1: nested too deeply");
	BAD("{\n\"version\":\"1\\u0000evil\"}", "c.json:2: NUL character in a string");
	BAD("{\"version\":\"1\",\"version\":\"2\"}", "c.json: version: given twice");
	BAD("{\"version\":\"1\",\"items\":[{\"a\":1,\"a\":2}]}", "c.json: items[0]: a: given twice");
	BAD("{\"version\":\"1\",\n}", "c.json:2: parse error: invalid object key (must be a string)");
	BAD("{\"version\":", "c.json:1: parse error: premature EOF");
}

TEST(edit)
{
	auto_json yajl_val tree = NULL;
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	CHECK(json_parse("x", "{\"a\":{\"b\":1},\"keep\":[1]}", 24, &tree) == 0);
	CHECK(json_set(&tree, "a.b", "2") == 0);
	CHECK(json_set(&tree, "linux.memory.limit", "5") == 0);
	CHECK(json_set(&tree, "keep", NULL) == 0);
	CHECK(json_set(&tree, "absent.x", NULL) == 0);
	jout_tree(&o, NULL, tree);
	CHECK_STR(buf_text(&b), "{\"a\":{\"b\":2},\"linux\":{\"memory\":{\"limit\":5}}}");
	CHECK_FAILS(json_set(&tree, "a.b.c", "1"), "b: expected an object");
}

static void collect(void *ctx, const char *place) { buf_printf(ctx, "%s ", place); }

TEST(unknown)
{
	auto_json yajl_val tree = NULL;
	auto_buf struct buf b = { 0 };
	const char *text = "{\"version\":\"1\",\"nope\":{},\"items\":[{\"destination\":\"/\",\"optoins\":[]}]}";

	CHECK(json_parse("x", text, strlen(text), &tree) == 0);
	bind_unknown(&top_record, tree, collect, &b);
	CHECK_STR(buf_text(&b), "nope items[0].optoins ");
}

UNIT_MAIN(UNIT(both_ways), UNIT(places), UNIT(screens), UNIT(edit), UNIT(unknown))
