#include "base/json.h"
#include "base/scope.h"

#include <string.h>

/*
 * yajl's tree is plain malloc'ed nodes, and yajl_tree_free() frees whatever hangs in
 * it, so members may be taken out of one tree and hung into another.
 */
static size_t find(yajl_val obj, const char *key)
{
	size_t i = 0;

	while (i < obj->u.object.len && !str_eq(obj->u.object.keys[i], key))
		i++;
	return i;
}

static void drop(yajl_val obj, size_t i)
{
	size_t last = --obj->u.object.len;

	free((char *)obj->u.object.keys[i]);
	yajl_tree_free(obj->u.object.values[i]);
	memmove(obj->u.object.keys + i, obj->u.object.keys + i + 1, (last - i) * sizeof *obj->u.object.keys);
	memmove(obj->u.object.values + i, obj->u.object.values + i + 1, (last - i) * sizeof *obj->u.object.values);
}

/* Takes v: it is in the tree afterwards, or freed. */
static int put(yajl_val obj, const char *key, yajl_val v)
{
	size_t i = find(obj, key), n = obj->u.object.len;
	const char **keys;
	yajl_val *values;
	char *copy;

	if (i < n) {
		yajl_tree_free(obj->u.object.values[i]);
		obj->u.object.values[i] = v;
		return 0;
	}
	copy = strdup(key);
	keys = realloc(obj->u.object.keys, (n + 1) * sizeof *keys);
	if (keys)
		obj->u.object.keys = keys;
	values = realloc(obj->u.object.values, (n + 1) * sizeof *values);
	if (values)
		obj->u.object.values = values;
	if (!copy || !keys || !values) {
		free(copy);
		yajl_tree_free(v);
		return fail(ENOMEM, "out of memory");
	}
	keys[n] = copy;
	values[n] = v;
	obj->u.object.len = n + 1;
	return 0;
}

static int sub_object(yajl_val obj, const char *key, yajl_val *out)
{
	yajl_val v = json_get(obj, key);

	if (!v || YAJL_IS_NULL(v)) {
		TRY(json_parse(key, "{}", 2, &v));
		TRY(put(obj, key, v));
	}
	if (!YAJL_IS_OBJECT(v))
		return fail(EINVAL, "%s: expected an object", key);
	*out = v;
	return 0;
}

int json_set(yajl_val *root, const char *path, const char *text)
{
	auto_free char *copy = strdup(path);
	yajl_val at = *root, v;
	char *key = copy, *dot;

	if (!copy)
		return fail(ENOMEM, "out of memory");
	if (!YAJL_IS_OBJECT(at))
		return fail(EINVAL, "expected an object");
	for (; (dot = strchr(key, '.')); key = dot + 1) {
		*dot = '\0';
		if (!text && !json_get(at, key))
			return 0;
		TRY(sub_object(at, key, &at));
	}
	if (text) {
		TRY(json_parse(path, text, strlen(text), &v));
		return put(at, key, v);
	}
	size_t i = find(at, key);
	if (i < at->u.object.len)
		drop(at, i);
	return 0;
}
