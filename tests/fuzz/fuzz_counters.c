/* Counters of control groups: whatever stands in a file, what is told of it is JSON. */
#include "cgroups/counters.c"

#include "tests/fuzz/fuzz.h"

static void put_v1(struct jout *o, const char *name, const char *text)
{
	jout_open(o, name, '[');
	put_io_v1(o, text);
	jout_close(o, ']');
}

static void put_v2(struct jout *o, const char *name, const char *text)
{
	jout_open(o, name, '[');
	put_io_v2(o, text, &io_names[0]);
	jout_close(o, ']');
}

static void put_second(struct jout *o, const char *name, const char *text) { put_column(o, name, text, 1); }

/* The kernel writes ASCII, and no key twice (unique); the input may. */
static const struct { void (*put)(struct jout *o, const char *name, const char *text); bool unique; } all[] = {
	{ put_set }, { put_series }, { put_second }, { put_each, true }, { put_pressure }, { put_v1 }, { put_v2 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size);

	for (char *p = text; *p; p++)
		*p &= 0x7f;
	for (size_t i = 0; i < COUNT(all); i++) {
		auto_json struct json *tree = NULL;
		auto_buf struct buf b = { 0 };
		struct jout o = { .b = &b };

		jout_open(&o, NULL, '{');
		all[i].put(&o, "x", text);
		jout_close(&o, '}');
		demand(json_parse("counters", buf_text(&b), b.n, &tree) == 0 || all[i].unique);
	}
	err_clear();
	return 0;
}
