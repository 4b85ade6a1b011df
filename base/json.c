#include "base/json.h"
#include "base/file.h"
#include "base/scope.h"

#include <string.h>
#include <yajl/yajl_parse.h>

enum { SIZE_LIMIT = 16 << 20 };

struct screen { int depth; const char *why; };

static int deeper(void *p)
{
	struct screen *s = p;

	if (++s->depth <= JSON_DEPTH_MAX)
		return 1;
	s->why = "nested too deeply";
	return 0;
}

static int back(void *p)
{
	((struct screen *)p)->depth--;
	return 1;
}

static int text_ok(void *p, const unsigned char *text, size_t n)
{
	if (!memchr(text, 0, n))
		return 1;
	((struct screen *)p)->why = "NUL character in a string";
	return 0;
}

static const yajl_callbacks screen_calls = {
	.yajl_start_map = deeper, .yajl_end_map = back,
	.yajl_start_array = deeper, .yajl_end_array = back,
	.yajl_string = text_ok, .yajl_map_key = text_ok,
};

static unsigned line_of(const char *text, size_t n)
{
	unsigned line = 1;

	while (n--)
		line += *text++ == '\n';
	return line;
}

static int syntax_error(yajl_handle h, const char *name, unsigned line)
{
	unsigned char *m = yajl_get_error(h, 0, NULL, 0);
	int n = m ? (int)strcspn((char *)m, "\n") : 0;
	int r = fail(EINVAL, "%s:%u: %.*s", name, line, n, m ? (char *)m : "");

	yajl_free_error(h, m);
	return r;
}

static int check_shape(const char *name, const char *text, size_t len)
{
	struct screen s = { 0 };
	yajl_handle h = yajl_alloc(&screen_calls, NULL, &s);
	yajl_status st;
	unsigned line;
	int r = 0;

	if (!h)
		return fail(ENOMEM, "%s: out of memory", name);
	st = yajl_parse(h, (const unsigned char *)text, len);
	line = line_of(text, yajl_get_bytes_consumed(h) < len ? yajl_get_bytes_consumed(h) : len);
	if (st == yajl_status_ok)
		st = yajl_complete_parse(h);
	if (st == yajl_status_client_canceled)
		r = fail(EINVAL, "%s:%u: %s", name, line, s.why);
	else if (st != yajl_status_ok)
		r = syntax_error(h, name, line);
	yajl_free(h);
	return r;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *twice_in(yajl_val v)
{
	size_t n = v->u.object.len;
	const char *dup = NULL;

	if (n <= 24) {
		for (size_t i = 1; i < n; i++)
			for (size_t j = 0; j < i; j++)
				if (str_eq(v->u.object.keys[i], v->u.object.keys[j]))
					return v->u.object.keys[i];
		return NULL;
	}
	const char **sorted = malloc(n * sizeof *sorted);
	if (!sorted)
		return "(out of memory)";
	memcpy(sorted, v->u.object.keys, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, compare);
	for (size_t i = 1; i < n && !dup; i++)
		if (str_eq(sorted[i], sorted[i - 1]))
			dup = sorted[i];
	free(sorted);
	return dup;
}

static int check_keys(yajl_val v)
{
	if (YAJL_IS_ARRAY(v))
		for (size_t i = 0; i < v->u.array.len; i++)
			TRY_IN(check_keys(v->u.array.values[i]), "[%zu]", i);
	if (!YAJL_IS_OBJECT(v))
		return 0;
	const char *dup = twice_in(v);
	if (dup)
		return fail(EINVAL, "%s: given twice", dup);
	for (size_t i = 0; i < v->u.object.len; i++) {
		TRY_IN(check_keys(v->u.object.values[i]), "%s", v->u.object.keys[i]);
	}
	return 0;
}

int json_parse(const char *name, const char *text, size_t len, yajl_val *out)
{
	char why[256];

	*out = NULL;
	if (len > SIZE_LIMIT)
		return fail(EFBIG, "%s: larger than %d bytes", name, SIZE_LIMIT);
	TRY(check_shape(name, text, len));
	*out = yajl_tree_parse(text, why, sizeof why);
	if (!*out)
		return fail(EINVAL, "%s: %.*s", name, (int)strcspn(why, "\n"), why);
	int r = check_keys(*out);
	if (r < 0) {
		json_free(out);
		return fail_in(r, "%s", name);
	}
	return 0;
}

int json_load(int dirfd, const char *path, yajl_val *out)
{
	auto_free char *text = NULL;
	size_t len;

	TRY(file_read(dirfd, path, &text, &len));
	return json_parse(path, text, len, out);
}

yajl_val json_get(yajl_val v, const char *key)
{
	if (!YAJL_IS_OBJECT(v))
		return NULL;
	for (size_t i = 0; i < v->u.object.len; i++)
		if (str_eq(v->u.object.keys[i], key))
			return v->u.object.values[i];
	return NULL;
}

const char *json_get_str(yajl_val v, const char *key)
{
	yajl_val m = json_get(v, key);

	return m ? YAJL_GET_STRING(m) : NULL;
}
