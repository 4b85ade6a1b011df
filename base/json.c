#include "base/json.h"
#include "base/file.h"
#include "base/json_tree.h"
#include "base/scope.h"

#include <string.h>

enum { SIZE_LIMIT = 16 << 20 };

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *twice_in(const struct json *v)
{
	size_t n = v->n;
	const char *const *k = v->keys, *dup = NULL;

	if (n <= 24) {
		for (size_t i = 1; i < n; i++)
			for (size_t j = 0; j < i; j++)
				if (k[i][0] == k[j][0] && str_eq(k[i], k[j]))
					return k[i];
		return NULL;
	}
	const char **sorted = malloc(n * sizeof *sorted);
	if (!sorted)
		return "(out of memory)";
	memcpy(sorted, k, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, compare);
	for (size_t i = 1; i < n && !dup; i++)
		if (str_eq(sorted[i], sorted[i - 1]))
			dup = sorted[i];
	free(sorted);
	return dup;
}

int json_check_keys(const struct json *v)
{
	if (json_is(v, JSON_ARRAY))
		for (size_t i = 0; i < v->n; i++)
			TRY_IN(json_check_keys(v->values[i]), "[%zu]", i);
	if (!json_is(v, JSON_OBJECT))
		return 0;
	const char *dup = twice_in(v);
	if (dup)
		return fail(EINVAL, "%s: given twice", dup);
	for (size_t i = 0; i < v->n; i++) {
		TRY_IN(json_check_keys(v->values[i]), "%s", v->keys[i]);
	}
	return 0;
}

int json_parse(const char *name, const char *text, size_t len, struct json **out)
{
	int r;

	*out = NULL;
	if (len > SIZE_LIMIT)
		return fail(EFBIG, "%s: larger than %d bytes", name, SIZE_LIMIT);
	TRY(json_tree(name, text, len, out));
	r = json_check_keys(*out);
	if (r < 0) {
		json_free(out);
		return fail_in(r, "%s", name);
	}
	return 0;
}

int json_load(int dirfd, const char *path, struct json **out)
{
	auto_free char *text = NULL;
	size_t len;

	TRY(file_read(dirfd, path, &text, &len));
	return json_parse(path, text, len, out);
}

bool json_i64(const struct json *v, int64_t *out)
{
	return json_is(v, JSON_NUMBER) && str_i64(v->text, INT64_MIN, INT64_MAX, out) == 0;
}

struct json *json_get(struct json *v, const char *key)
{
	if (!json_is(v, JSON_OBJECT))
		return NULL;
	for (size_t i = 0; i < v->n; i++)
		if (str_eq(v->keys[i], key))
			return v->values[i];
	return NULL;
}

const char *json_get_str(struct json *v, const char *key)
{
	struct json *m = json_get(v, key);

	return m ? json_string(m) : NULL;
}
