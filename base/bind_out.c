#include "base/bind.h"

#include <string.h>

const char *name_of(const struct name *names, int value)
{
	while (names->text && names->value != value)
		names++;
	return names->text;
}

int name_flags(const char *key, const struct strv *words, const struct name *names, uint64_t *out)
{
	uint64_t all = 0;

	for (size_t i = 0; i < words->n; i++) {
		const struct name *k = names;

		while (k->text && !str_eq(k->text, words->v[i]))
			k++;
		if (!k->text)
			return fail(EINVAL, "%s[%zu]: unknown value \"%s\"", key, i, words->v[i]);
		all |= (uint64_t)(unsigned)k->value;
	}
	if (out)
		*out = all;
	return 0;
}

const char *map_get(const struct map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (str_eq(m->v[i].key, key))
			return m->v[i].value;
	return NULL;
}

int strv_copy(struct arena *a, const char *const *v, size_t n, struct strv *out)
{
	out->v = arena_alloc(a, n + 1, sizeof *out->v);
	if (!out->v)
		return fail(ENOMEM, "out of memory");
	memcpy(out->v, v, n * sizeof *out->v);
	out->n = n;
	return 0;
}

int strv_add(struct arena *a, struct strv *s, const char *word)
{
	/* The room is the next power of two above n, so it is full exactly when n + 1 is one. */
	if ((s->n & (s->n + 1)) == 0) {
		const char **more = arena_alloc(a, 2 * (s->n + 1), sizeof *more);

		if (!more)
			return fail(ENOMEM, "out of memory");
		if (s->n)
			memcpy(more, s->v, s->n * sizeof *more);
		s->v = more;
	}
	s->v[s->n++] = word;
	s->v[s->n] = NULL;
	return 0;
}

bool strv_has(const struct strv *s, const char *word)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->v[i], word))
			return true;
	return false;
}

static bool is_absent(const struct field *f, const void *at)
{
	switch (f->kind) {
	case K_STR:
	case K_RAW:
	case K_OPT:    return !*(void *const *)at;
	case K_STRV:   return !((const struct strv *)at)->v;
	case K_U32V:   return !((const struct u32v *)at)->v;
	case K_MAP:    return !((const struct map *)at)->v;
	case K_RECMAP:
	case K_LIST:   return !((const struct list *)at)->v;
	case K_OBOOL:  return !((const struct opt_bool *)at)->set;
	case K_I64:    return !((const struct opt_i64 *)at)->set;
	case K_U64:    return !((const struct opt_u64 *)at)->set;
	case K_U32:    return !((const struct opt_u32 *)at)->set;
	case K_ENUM:   return !name_of(f->aux, *(const int *)at);
	case K_BOOL:   return !*(const bool *)at;
	case K_OBJ:    return false;
	}
	return true;
}

static void encode_members(struct jout *o, const struct record *rec, const void *in);

static void encode_strings(struct jout *o, const struct field *f, const void *at)
{
	const struct strv *sv = at;
	const struct u32v *nv = at;
	const struct map *m = at;

	jout_open(o, f->key, f->kind == K_MAP ? '{' : '[');
	if (f->kind == K_STRV)
		for (size_t i = 0; i < sv->n; i++)
			jout_str(o, NULL, sv->v[i]);
	if (f->kind == K_U32V)
		for (size_t i = 0; i < nv->n; i++)
			jout_u64(o, NULL, nv->v[i]);
	if (f->kind == K_MAP)
		for (size_t i = 0; i < m->n; i++)
			jout_str(o, m->v[i].key, m->v[i].value);
	jout_close(o, f->kind == K_MAP ? '}' : ']');
}

static void encode_records(struct jout *o, const struct field *f, const struct list *l)
{
	const struct record *rec = f->aux;
	bool map = f->kind == K_RECMAP;

	jout_open(o, f->key, map ? '{' : '[');
	for (size_t i = 0; i < l->n; i++) {
		const char *at = (const char *)l->v + i * rec->size;

		bind_encode(o, map ? *(const char *const *)at : NULL, rec, at);
	}
	jout_close(o, map ? '}' : ']');
}

static void encode_value(struct jout *o, const struct field *f, const void *at)
{
	switch (f->kind) {
	case K_STR:    jout_str(o, f->key, *(const char *const *)at); break;
	case K_BOOL:   jout_bool(o, f->key, *(const bool *)at); break;
	case K_OBOOL:  jout_bool(o, f->key, ((const struct opt_bool *)at)->v); break;
	case K_I64:    jout_i64(o, f->key, ((const struct opt_i64 *)at)->v); break;
	case K_U64:    jout_u64(o, f->key, ((const struct opt_u64 *)at)->v); break;
	case K_U32:    jout_u64(o, f->key, ((const struct opt_u32 *)at)->v); break;
	case K_ENUM:   jout_str(o, f->key, name_of(f->aux, *(const int *)at)); break;
	case K_OBJ:    bind_encode(o, f->key, f->aux, at); break;
	case K_OPT:    bind_encode(o, f->key, f->aux, *(void *const *)at); break;
	case K_RAW:    jout_tree(o, f->key, *(struct json *const *)at); break;
	case K_STRV:
	case K_U32V:
	case K_MAP:    encode_strings(o, f, at); break;
	case K_RECMAP:
	case K_LIST:   encode_records(o, f, at); break;
	}
}

static void encode_members(struct jout *o, const struct record *rec, const void *in)
{
	for (const struct field *f = rec->fields; f->key; f++) {
		const void *at = (const char *)in + f->offset;

		if (!is_absent(f, at))
			encode_value(o, f, at);
	}
}

void bind_encode(struct jout *o, const char *key, const struct record *rec, const void *in)
{
	jout_open(o, key, '{');
	encode_members(o, rec, in);
	jout_close(o, '}');
}
