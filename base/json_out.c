#include "base/json.h"

#include <stdio.h>
#include <string.h>

static void indent(struct jout *o)
{
	if (!o->pretty)
		return;
	buf_puts(o->b, "\n");
	for (int i = 0; i < o->depth; i++)
		buf_puts(o->b, "\t");
}

static void quoted(struct buf *b, const char *s)
{
	buf_add(b, "\"", 1);
	while (*s) {
		size_t n = str_json_plain(s);
		char one[8];

		buf_add(b, s, n);
		s += n;
		if (*s)
			buf_add(b, one, str_json_char(one, &s));
	}
	buf_add(b, "\"", 1);
}

static void lead(struct jout *o, const char *key)
{
	if (o->more)
		buf_puts(o->b, ",");
	if (o->depth > 0)
		indent(o);
	o->more = true;
	if (!key)
		return;
	quoted(o->b, key);
	buf_puts(o->b, o->pretty ? ": " : ":");
}

void jout_open(struct jout *o, const char *key, char bracket)
{
	lead(o, key);
	buf_add(o->b, &bracket, 1);
	o->depth++;
	o->more = false;
}

void jout_close(struct jout *o, char bracket)
{
	o->depth--;
	if (o->more)
		indent(o);
	buf_add(o->b, &bracket, 1);
	o->more = true;
}

void jout_str(struct jout *o, const char *key, const char *s)
{
	lead(o, key);
	if (s)
		quoted(o->b, s);
	else
		buf_puts(o->b, "null");
}

void jout_bool(struct jout *o, const char *key, bool v)
{
	jout_raw(o, key, v ? "true" : "false");
}

void jout_u64(struct jout *o, const char *key, uint64_t v)
{
	lead(o, key);
	buf_printf(o->b, "%ju", (uintmax_t)v);
}

void jout_i64(struct jout *o, const char *key, int64_t v)
{
	lead(o, key);
	buf_printf(o->b, "%jd", (intmax_t)v);
}

void jout_raw(struct jout *o, const char *key, const char *text)
{
	lead(o, key);
	buf_puts(o->b, text);
}

void jout_tree(struct jout *o, const char *key, struct json *v)
{
	switch (v->type) {
	case JSON_STRING:
		jout_str(o, key, v->text);
		return;
	case JSON_NUMBER:
		jout_raw(o, key, v->text);
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		jout_bool(o, key, v->type == JSON_TRUE);
		return;
	case JSON_OBJECT:
		jout_open(o, key, '{');
		for (size_t i = 0; i < v->n; i++)
			jout_tree(o, v->keys[i], v->values[i]);
		jout_close(o, '}');
		return;
	case JSON_ARRAY:
		jout_open(o, key, '[');
		for (size_t i = 0; i < v->n; i++)
			jout_tree(o, NULL, v->values[i]);
		jout_close(o, ']');
		return;
	default:
		jout_raw(o, key, "null");
	}
}
