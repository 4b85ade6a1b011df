#include "base/bind.h"
#include "base/scope.h"
#include "tests/unit/unit.h"

struct item { const char *dst; struct strv options; };
struct top {
	const char *version;
	bool on;
	struct opt_u64 big;
	struct opt_u32 small;
	struct list items;
	struct map notes;
};

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

static int decode(const char *text, struct arena *a, struct json **tree, struct top *t)
{
	TRY(json_parse("c.json", text, strlen(text), tree));
	TRY_IN(bind_decode(a, &top_record, *tree, t), "c.json");
	return 0;
}

#define BAD(text, message)                                          \
	do {                                                        \
		auto_arena struct arena a = { 0 };                  \
		auto_json struct json *tree = NULL;                     \
		struct top t;                                       \
		CHECK_FAILS(decode(text, &a, &tree, &t), message);  \
	} while (0)

TEST(both_ways)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
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

/* As many values as n says, the array itself among them. */
static int many(size_t n)
{
	auto_json struct json *tree = NULL;
	auto_buf struct buf b = { 0 };

	buf_puts(&b, "[0");
	for (size_t i = 2; i < n; i++)
		buf_puts(&b, ",0");
	buf_puts(&b, "]");
	return json_parse("c.json", b.p, b.n, &tree);
}

TEST(values)
{
	CHECK(many(JSON_VALUES_MAX + 1) == 0);
	CHECK_FAILS(many(JSON_VALUES_MAX + 2), "c.json:1: more values than anybody reads");
}

/* The text and what it is when it is written again; NULL: the same. */
TEST(grammar)
{
	static const struct { const char *text, *again; } good[] = {
		{ "[]" }, { "{}" }, { " { } ", "{}" }, { "[1,-0,0.5,-1.25e+3,1E9,18446744073709551616]" },
		{ "\t[\r\n true , false,null ]", "[true,false,null]" },
		{ "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "\"A\u00e9\u20ac\U0001f600\"" },
		{ "\"\\ud83d\"", "\"\ufffd\"" }, { "\"\\ude00x\"", "\"\ufffdx\"" },
		{ "\"\\/\\\\\\\"\"", "\"/\\\\\\\"\"" }, { "[\"\\n\",{\"a\":[{}]}]" }, { "\"\xf4\x8f\xbf\xbf\"" },
	};
	static const char *const bad[] = {
		"", " ", "[", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "[]]", "1 2", "01", "-",
		"1.", ".5", "1e", "+1", "tru", "nul", "truex", "'a'", "\"a", "\"\\", "\"\\x\"", "\"\\u12g4\"", "\"\\u\"",
		"\"\t\"", "// x\n1", "/* x */1", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xe2\x82\"",
		"\"\xf4\x90\x80\x80\"",
		"\xef\xbb\xbf{}", "[\"a\":1]",
	};

	for (size_t i = 0; i < COUNT(good); i++) {
		auto_json struct json *tree = NULL;
		auto_buf struct buf b = { 0 };
		struct jout o = { .b = &b };

		CHECK(json_parse("x", good[i].text, strlen(good[i].text), &tree) == 0);
		jout_tree(&o, NULL, tree);
		CHECK_STR(buf_text(&b), good[i].again ? good[i].again : good[i].text);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		auto_json struct json *tree = NULL;

		CHECK(json_parse("x", bad[i], strlen(bad[i]), &tree) == -EINVAL && !tree);
	}
	struct json *tree;
	CHECK_FAILS(json_parse("x", "[\"\\n\",\n1\0]", 9, &tree),
		    "x:2: parse error: after array element, I expect ',' or ']'");
	CHECK_FAILS(json_parse("x", "[]\0", 3, &tree), "x:1: parse error: trailing garbage");
}

TEST(edit)
{
	auto_json struct json *tree = NULL;
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
	auto_json struct json *tree = NULL;
	auto_buf struct buf b = { 0 };
	const char *text = "{\"version\":\"1\",\"nope\":{},\"items\":[{\"destination\":\"/\",\"optoins\":[]}]}";

	CHECK(json_parse("x", text, strlen(text), &tree) == 0);
	bind_unknown(&top_record, tree, collect, &b);
	CHECK_STR(buf_text(&b), "nope items[0].optoins ");
}

UNIT_MAIN(UNIT(both_ways), UNIT(places), UNIT(screens), UNIT(values), UNIT(grammar), UNIT(edit), UNIT(unknown))
