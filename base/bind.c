#include "base/bind.h"
#include "base/scope.h"

#include <stdio.h>
#include <string.h>

static int decode_obj(struct arena *a, const struct record *rec, struct json *v, void *out);

/* Where decoding failed, grown outward: "options[1]", then "mounts[3].options[1]". */
static char place[512];

static int at_member(int r, const char *key)
{
	char inner[sizeof place];

	memcpy(inner, place, sizeof inner);
	snprintf(place, sizeof place, "%s%s%s", key, *inner && *inner != '[' ? "." : "", inner);
	return r;
}

static int at_index(int r, size_t i)
{
	char index[24];

	snprintf(index, sizeof index, "[%zu]", i);
	return at_member(r, index);
}

static int wrong(const char *want)
{
	return fail(EINVAL, "expected %s", want);
}

static int no_memory(void)
{
	return fail(ENOMEM, "out of memory");
}

static int decode_enum(const struct name *names, struct json *v, int *out)
{
	const char *s = json_string(v);

	if (!s)
		return wrong("a string");
	for (; names->text; names++)
		if (str_eq(names->text, s)) {
			*out = names->value;
			return 0;
		}
	return fail(EINVAL, "unknown value \"%s\"", s);
}

static int decode_strv(struct arena *a, struct json *v, struct strv *out)
{
	if (!json_is(v, JSON_ARRAY))
		return wrong("an array of strings");
	out->n = v->n;
	out->v = arena_alloc(a, out->n + 1, sizeof *out->v);
	if (!out->v)
		return no_memory();
	for (size_t i = 0; i < out->n; i++) {
		out->v[i] = json_string(v->values[i]);
		if (!out->v[i])
			return at_index(wrong("a string"), i);
	}
	return 0;
}

static int number_u64(struct json *v, uint64_t max, uint64_t *out)
{
	int r = json_is(v, JSON_NUMBER) ? str_u64(v->text, max, out) : -EINVAL;

	if (r == -ERANGE)
		return fail(ERANGE, "%s is too large (at most %ju)", v->text, (uintmax_t)max);
	return r < 0 ? wrong("an unsigned integer") : 0;
}

static int decode_i64(struct json *v, struct opt_i64 *out)
{
	int r = json_is(v, JSON_NUMBER) ? str_i64(v->text, INT64_MIN, INT64_MAX, &out->v) : -EINVAL;

	if (r == -ERANGE)
		return fail(ERANGE, "%s does not fit 64 bits", v->text);
	out->set = true;
	return r < 0 ? wrong("an integer") : 0;
}

static int decode_u32(struct json *v, struct opt_u32 *out)
{
	uint64_t wide;

	TRY(number_u64(v, UINT32_MAX, &wide));
	*out = (struct opt_u32){ (uint32_t)wide, true };
	return 0;
}

static int decode_u32v(struct arena *a, struct json *v, struct u32v *out)
{
	if (!json_is(v, JSON_ARRAY))
		return wrong("an array of numbers");
	out->n = v->n;
	out->v = arena_alloc(a, out->n + 1, sizeof *out->v);
	if (!out->v)
		return no_memory();
	for (size_t i = 0; i < out->n; i++) {
		struct opt_u32 one;

		int r = decode_u32(v->values[i], &one);
		if (r < 0)
			return at_index(r, i);
		out->v[i] = one.v;
	}
	return 0;
}

static int decode_map(struct arena *a, struct json *v, struct map *out)
{
	if (!json_is(v, JSON_OBJECT))
		return wrong("an object of strings");
	out->n = v->n;
	out->v = arena_alloc(a, out->n + 1, sizeof *out->v);
	if (!out->v)
		return no_memory();
	for (size_t i = 0; i < out->n; i++) {
		out->v[i] = (struct pair){ v->keys[i], json_string(v->values[i]) };
		if (!out->v[i].value)
			return at_member(wrong("a string"), v->keys[i]);
	}
	return 0;
}

static int decode_list(struct arena *a, const struct record *rec, struct json *v, struct list *out)
{
	if (!json_is(v, JSON_ARRAY))
		return wrong("an array");
	out->n = v->n;
	out->v = arena_alloc(a, out->n + 1, rec->size);
	if (!out->v)
		return no_memory();
	for (size_t i = 0; i < out->n; i++) {
		int r = decode_obj(a, rec, v->values[i], (char *)out->v + i * rec->size);

		if (r < 0)
			return at_index(r, i);
	}
	return 0;
}

static int decode_recmap(struct arena *a, const struct record *rec, struct json *v, struct list *out)
{
	if (!json_is(v, JSON_OBJECT))
		return wrong("an object");
	out->n = v->n;
	out->v = arena_alloc(a, out->n + 1, rec->size);
	if (!out->v)
		return no_memory();
	for (size_t i = 0; i < out->n; i++) {
		char *at = (char *)out->v + i * rec->size;

		int r = decode_obj(a, rec, v->values[i], at);

		if (r < 0)
			return at_member(r, v->keys[i]);
		*(const char **)at = v->keys[i];
	}
	return 0;
}

static int decode_value(struct arena *a, const struct field *f, struct json *v, void *at)
{
	switch (f->kind) {
	case K_STR:
		*(const char **)at = json_string(v);
		return *(const char **)at ? 0 : wrong("a string");
	case K_BOOL:
		*(bool *)at = json_is(v, JSON_TRUE);
		return json_is(v, JSON_TRUE) || json_is(v, JSON_FALSE) ? 0 : wrong("true or false");
	case K_OBOOL:
		*(struct opt_bool *)at = (struct opt_bool){ json_is(v, JSON_TRUE), true };
		return json_is(v, JSON_TRUE) || json_is(v, JSON_FALSE) ? 0 : wrong("true or false");
	case K_U64:
		((struct opt_u64 *)at)->set = true;
		return number_u64(v, UINT64_MAX, &((struct opt_u64 *)at)->v);
	case K_OPT:
		*(void **)at = arena_alloc(a, 1, ((const struct record *)f->aux)->size);
		return *(void **)at ? decode_obj(a, f->aux, v, *(void **)at) : no_memory();
	case K_RAW:
		*(struct json **)at = v;
		return 0;
	case K_I64:    return decode_i64(v, at);
	case K_U32:    return decode_u32(v, at);
	case K_STRV:   return decode_strv(a, v, at);
	case K_U32V:   return decode_u32v(a, v, at);
	case K_ENUM:   return decode_enum(f->aux, v, at);
	case K_MAP:    return decode_map(a, v, at);
	case K_OBJ:    return decode_obj(a, f->aux, v, at);
	case K_LIST:   return decode_list(a, f->aux, v, at);
	case K_RECMAP: return decode_recmap(a, f->aux, v, at);
	}
	return fail(EINVAL, "bad field kind %d", (int)f->kind);
}

static const struct field *field_of(const struct record *rec, const char *key)
{
	for (const struct field *f = rec->fields; f->key; f++)
		if (str_eq(f->key, key))
			return f;
	return NULL;
}

static int decode_obj(struct arena *a, const struct record *rec, struct json *v, void *out)
{
	uint64_t seen = 0;

	if (!json_is(v, JSON_OBJECT))
		return wrong("an object");
	for (size_t i = 0; i < v->n; i++) {
		const struct field *f = field_of(rec, v->keys[i]);
		int r;

		if (!f || json_is(v->values[i], JSON_NULL))
			continue;
		seen |= UINT64_C(1) << (f - rec->fields);
		r = decode_value(a, f, v->values[i], (char *)out + f->offset);
		if (r < 0)
			return at_member(r, f->key);
	}
	for (const struct field *f = rec->fields; f->key; f++)
		if ((f->flags & REQUIRED) && !(seen & (UINT64_C(1) << (f - rec->fields))))
			return at_member(fail(EINVAL, "missing"), f->key);
	return 0;
}

int bind_decode(struct arena *a, const struct record *rec, struct json *tree, void *out)
{
	int r;

	memset(out, 0, rec->size);
	place[0] = '\0';
	r = decode_obj(a, rec, tree, out);
	return r < 0 && *place ? fail_in(r, "%s", place) : r;
}

int bind_decode_at(struct arena *a, const struct record *rec, struct json *tree, void *out, const char *at)
{
	memset(out, 0, rec->size);
	place[0] = '\0';
	int r = decode_obj(a, rec, tree, out);
	return r < 0 ? fail_in(r, "%s%s%s", at, *place ? "." : "", place) : r;
}

static void unknown_in(const struct record *rec, struct json *v, const char *at,
		       void (*found)(void *, const char *), void *ctx);

static void unknown_below(const struct field *f, struct json *v, const char *at,
			  void (*found)(void *, const char *), void *ctx)
{
	char where[512];

	if (f->kind == K_OBJ || f->kind == K_OPT)
		unknown_in(f->aux, v, at, found, ctx);
	if (f->kind == K_LIST && json_is(v, JSON_ARRAY))
		for (size_t i = 0; i < v->n; i++) {
			snprintf(where, sizeof where, "%s[%zu]", at, i);
			unknown_in(f->aux, v->values[i], where, found, ctx);
		}
	if (f->kind == K_RECMAP && json_is(v, JSON_OBJECT))
		for (size_t i = 0; i < v->n; i++) {
			snprintf(where, sizeof where, "%s.%s", at, v->keys[i]);
			unknown_in(f->aux, v->values[i], where, found, ctx);
		}
}

static void unknown_in(const struct record *rec, struct json *v, const char *at,
		       void (*found)(void *, const char *), void *ctx)
{
	if (!json_is(v, JSON_OBJECT))
		return;
	for (size_t i = 0; i < v->n; i++) {
		const struct field *f = field_of(rec, v->keys[i]);
		char where[512];

		snprintf(where, sizeof where, "%s%s%s", at, *at ? "." : "", v->keys[i]);
		if (f)
			unknown_below(f, v->values[i], where, found, ctx);
		else
			found(ctx, where);
	}
}

void bind_unknown(const struct record *rec, struct json *tree, void (*found)(void *, const char *), void *ctx)
{
	unknown_in(rec, tree, "", found, ctx);
}
