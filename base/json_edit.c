#include "base/json_tree.h"
#include "base/scope.h"

#include <string.h>

static size_t find(struct json *obj, const char *key)
{
	size_t i = 0;

	while (i < obj->n && !str_eq(obj->keys[i], key))
		i++;
	return i;
}

static void drop(struct json *obj, size_t i)
{
	size_t last = --obj->n;

	memmove(obj->keys + i, obj->keys + i + 1, (last - i) * sizeof *obj->keys);
	memmove(obj->values + i, obj->values + i + 1, (last - i) * sizeof *obj->values);
}

static int put(struct arena *a, struct json *obj, const char *key, struct json *v)
{
	size_t i = find(obj, key), n = obj->n;
	const char **keys;
	struct json **values;

	if (i < n) {
		obj->values[i] = v;
		return 0;
	}
	keys = arena_alloc(a, n + 1, sizeof *keys);
	values = arena_alloc(a, n + 1, sizeof *values);
	if (!keys || !values || !(keys[n] = arena_strdup(a, key)))
		return fail(ENOMEM, "out of memory");
	if (n) {
		memcpy(keys, obj->keys, n * sizeof *keys);
		memcpy(values, obj->values, n * sizeof *values);
	}
	values[n] = v;
	obj->keys = keys;
	obj->values = values;
	obj->n = n + 1;
	return 0;
}

static int sub_object(struct json *root, struct json *obj, const char *key, struct json **out)
{
	struct json *v = json_get(obj, key);

	if (!v || json_is(v, JSON_NULL)) {
		TRY(json_graft(root, key, "{}", &v));
		TRY(put(json_arena(root), obj, key, v));
	}
	if (!json_is(v, JSON_OBJECT))
		return fail(EINVAL, "%s: expected an object", key);
	*out = v;
	return 0;
}

int json_set(struct json **root, const char *path, const char *text)
{
	auto_free char *copy = strdup(path);
	struct json *at = *root, *v;
	char *key = copy, *dot;

	if (!copy)
		return fail(ENOMEM, "out of memory");
	if (!json_is(at, JSON_OBJECT))
		return fail(EINVAL, "expected an object");
	for (; (dot = strchr(key, '.')); key = dot + 1) {
		*dot = '\0';
		if (!text && !json_get(at, key))
			return 0;
		TRY(sub_object(*root, at, key, &at));
	}
	if (text) {
		TRY(json_graft(*root, path, text, &v));
		TRY_IN(json_check_keys(v), "%s", path);
		return put(json_arena(*root), at, key, v);
	}
	size_t i = find(at, key);
	if (i < at->n)
		drop(at, i);
	return 0;
}
