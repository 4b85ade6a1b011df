/*
 * RFC 8259, strictly: no comments, no trailing commas, valid UTF-8, no NUL in strings, a
 * limit on nesting. The text is copied once; strings are decoded and ended where they lie
 * in the copy.
 */
#include "base/arena.h"
#include "base/json_tree.h"
#include "base/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct doc { struct json root; struct arena arena; };	/* root first: who has it has the arena */

struct member { const char *key; struct json *value; };

struct in {
	char *p, *start, *end;		/* *end is NUL, which no rule of the grammar takes */
	const char *name, *text;	/* as it was */
	struct arena *a;
	struct member *open;		/* of the objects and arrays that are not closed yet: few, or malloc'ed */
	size_t n, size;
	int depth;
	unsigned values;
	struct member few[32];
};

static int value(struct in *in, struct json **out);

static int wrong(const struct in *in, const char *at, const char *what)
{
	unsigned line = 1;

	for (const char *p = in->text; p < in->text + (at - in->start); p++)
		line += *p == '\n';
	return fail(EINVAL, "%s:%u: %s", in->name, line, what);
}

static int unexpected(const struct in *in, const char *what)
{
	return wrong(in, in->p, in->p == in->end ? "parse error: premature EOF" : what);
}

static int no_memory(const struct in *in)
{
	return fail(ENOMEM, "%s: out of memory", in->name);
}

static void skip_blanks(struct in *in)
{
	while (*in->p == ' ' || *in->p == '\n' || *in->p == '\t' || *in->p == '\r')
		in->p++;
}

/* ---- strings -------------------------------------------------------------------------------------- */

static int hex4(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		int c = p[i] | 0x20;

		if (p[i] >= '0' && p[i] <= '9')
			v = v << 4 | (p[i] - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static char *put_utf8(char *to, int c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*to++ = (char)(0xe0 | c >> 12);
		} else {
			*to++ = (char)(0xf0 | c >> 18);
			*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

/* in->p is behind "\u". Half of a pair becomes U+FFFD, as elsewhere. */
static int escaped_unit(struct in *in, char **to)
{
	int c = hex4(in->p), low;

	if (c < 0)
		return wrong(in, in->p, "parse error: \\u without four hexadecimal digits");
	if (c == 0)
		return wrong(in, in->p, "NUL character in a string");
	in->p += 4;
	if (c >= 0xd800 && c < 0xdc00 && in->p[0] == '\\' && in->p[1] == 'u' && (low = hex4(in->p + 2)) >= 0xdc00 &&
	    low < 0xe000) {
		in->p += 6;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c >= 0xd800 && c < 0xe000) {
		c = 0xfffd;
	}
	*to = put_utf8(*to, c);
	return 0;
}

static int escape(struct in *in, char **to)
{
	static const char from[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	char c = *++in->p;
	const char *at = c ? strchr(from, c) : NULL;

	if (c != 'u' && !at)
		return unexpected(in, "parse error: no such escape in a string");
	in->p++;
	if (c == 'u')
		return escaped_unit(in, to);
	*(*to)++ = means[at - from];
	return 0;
}

/* Characters that stand for themselves, and are one byte. */
static const bool plain[256] = {
	[' '] = true, ['!'] = true, ['#' ... '['] = true, [']' ... 0x7f] = true,
};

/* in->p is at the opening quote. What is decoded is never longer than what was written. */
static int string(struct in *in, const char **out)
{
	char *to = ++in->p;

	*out = to;
	for (;;) {
		char *run = in->p;
		int n;

		while (plain[(unsigned char)*in->p])
			in->p++;
		if (to != run)
			memmove(to, run, (size_t)(in->p - run));
		to += in->p - run;
		if (*in->p == '"')
			break;
		if (*in->p == '\\') {
			TRY(escape(in, &to));
			continue;
		}
		n = (unsigned char)*in->p < 0x20 ? -1 : (int)str_utf8(in->p);
		if (n <= 0)
			return unexpected(in, n ? "parse error: control character in a string"
						: "parse error: invalid UTF-8 in a string");
		while (n--)
			*to++ = *in->p++;
	}
	in->p++;
	*to = '\0';
	return 0;
}

/* ---- numbers and words ---------------------------------------------------------------------------- */

static bool digits(char **p)
{
	char *start = *p;

	while (**p >= '0' && **p <= '9')
		++*p;
	return *p > start;
}

static int number(struct in *in, struct json *v)
{
	char *start = in->p, *p = start + (*start == '-'), *first = p, *text;
	bool ok = digits(&p) && !(*first == '0' && p > first + 1);

	if (ok && *p == '.')
		p++, ok = digits(&p);
	if (ok && (*p == 'e' || *p == 'E')) {
		p++;
		p += *p == '+' || *p == '-';
		ok = digits(&p);
	}
	in->p = p;
	if (!ok)
		return unexpected(in, "parse error: malformed number");
	v->type = JSON_NUMBER;
	text = arena_alloc(in->a, (size_t)(p - start) + 1, 1);
	if (!text)
		return no_memory(in);
	v->text = memcpy(text, start, (size_t)(p - start));
	return 0;
}

static int word(struct in *in, struct json *v)
{
	static const struct { const char *text; size_t n; enum json_type type; } words[] = {
		{ "true", 4, JSON_TRUE }, { "false", 5, JSON_FALSE }, { "null", 4, JSON_NULL },
	};

	for (size_t i = 0; i < COUNT(words); i++) {
		if (strncmp(in->p, words[i].text, words[i].n) != 0)
			continue;
		in->p += words[i].n;
		v->type = words[i].type;
		return 0;
	}
	return unexpected(in, "parse error: neither a value nor a string");
}

/* ---- objects and arrays --------------------------------------------------------------------------- */

static int push(struct in *in, const char *key, struct json *v)
{
	if (in->n == in->size) {
		size_t size = 2 * in->size;
		struct member *more = mem_grow(in->open, in->few, sizeof in->few, size * sizeof *more);

		if (!more)
			return no_memory(in);
		in->open = more;
		in->size = size;
	}
	in->open[in->n++] = (struct member){ key, v };
	return 0;
}

/* What was pushed since `from` becomes the content of v. */
static int pack(struct in *in, struct json *v, size_t from)
{
	size_t n = in->n - from;
	struct json **values = arena_alloc(in->a, n, sizeof *values);
	const char **keys = v->type == JSON_OBJECT ? arena_alloc(in->a, n, sizeof *keys) : NULL;

	if (!values || (v->type == JSON_OBJECT && !keys))
		return no_memory(in);
	for (size_t i = 0; i < n; i++) {
		values[i] = in->open[from + i].value;
		if (keys)
			keys[i] = in->open[from + i].key;
	}
	in->n = from;
	v->keys = keys;
	v->values = values;
	v->n = n;
	return 0;
}

static int member(struct in *in, bool keyed)
{
	const char *key = NULL;
	struct json *v;

	if (keyed) {
		if (*in->p != '"')
			return unexpected(in, "parse error: invalid object key (must be a string)");
		TRY(string(in, &key));
		skip_blanks(in);
		if (*in->p != ':')
			return unexpected(in, "parse error: object key and value must be separated by a colon (':')");
		in->p++;
		skip_blanks(in);
	}
	TRY(value(in, &v));
	return push(in, key, v);
}

static int container(struct in *in, struct json *v)
{
	bool keyed = *in->p++ == '{';
	char end = keyed ? '}' : ']';
	size_t from = in->n;

	if (++in->depth > JSON_DEPTH_MAX)
		return wrong(in, in->p, "nested too deeply");
	v->type = keyed ? JSON_OBJECT : JSON_ARRAY;
	skip_blanks(in);
	for (bool more = *in->p != end; more;) {
		TRY(member(in, keyed));
		skip_blanks(in);
		more = *in->p == ',';
		if (!more && *in->p != end)
			return unexpected(in, keyed ? "parse error: after key and value, inside map, I expect ',' or '}'"
						    : "parse error: after array element, I expect ',' or ']'");
		if (more) {
			in->p++;
			skip_blanks(in);
		}
	}
	in->p++;
	in->depth--;
	return pack(in, v, from);
}

static int fill(struct in *in, struct json *v)
{
	switch (*in->p) {
	case '{':
	case '[':
		return container(in, v);
	case '"':
		v->type = JSON_STRING;
		return string(in, &v->text);
	case '-':
	case '0' ... '9':
		return number(in, v);
	default:
		return word(in, v);
	}
}

static int value(struct in *in, struct json **out)
{
	*out = NULL;
	/* Each takes some hundred bytes where it was written in two. */
	if (++in->values > JSON_VALUES_MAX)
		return wrong(in, in->p, "more values than anybody reads");
	*out = arena_alloc(in->a, 1, sizeof **out);
	return *out ? fill(in, *out) : no_memory(in);
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static int whole(const char *name, const char *text, size_t len, struct arena *a, struct json *v)
{
	char *copy = arena_alloc(a, len + 1, 1);
	struct in in = { .p = copy, .start = copy, .name = name, .text = text, .a = a, .size = COUNT(in.few) };
	int r;

	if (!copy)
		return no_memory(&in);
	in.open = in.few;
	in.end = copy + len;
	memcpy(copy, text, len);
	skip_blanks(&in);
	r = fill(&in, v);
	if (in.open != in.few)
		free(in.open);
	TRY(r);
	skip_blanks(&in);
	return in.p == in.end ? 0 : wrong(&in, in.p, "parse error: trailing garbage");
}

int json_tree(const char *name, const char *text, size_t len, struct json **out)
{
	struct arena a = { 0 };
	struct doc *d = arena_alloc(&a, 1, sizeof *d);
	int r;

	*out = NULL;
	if (!d)
		return fail(ENOMEM, "%s: out of memory", name);
	d->arena = a;
	r = whole(name, text, len, &d->arena, &d->root);
	*out = &d->root;
	if (r < 0)
		json_free(out);
	return r;
}

int json_graft(struct json *root, const char *name, const char *text, struct json **out)
{
	struct arena *a = json_arena(root);

	*out = arena_alloc(a, 1, sizeof **out);
	return *out ? whole(name, text, strlen(text), a, *out) : fail(ENOMEM, "%s: out of memory", name);
}

struct arena *json_arena(struct json *root)
{
	return &((struct doc *)(void *)root)->arena;
}

void json_free(struct json **v)
{
	if (*v) {
		/* It lies in what goes with it. */
		struct arena a = *json_arena(*v);

		arena_free(&a);
	}
	*v = NULL;
}
