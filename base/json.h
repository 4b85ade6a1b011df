/*
 * JSON in: a tree, read strictly (RFC 8259, and no duplicate keys, no NUL in strings, at
 * most 64 deep, 16 MiB and a million values), as a configuration may be anybody's. JSON out:
 * a small writer over struct buf. Errors are one line: "NAME:LINE: what".
 */
#pragma once
#include "base/str.h"

enum { JSON_DEPTH_MAX = 64, JSON_VALUES_MAX = 1 << 20 };

enum json_type { JSON_STRING = 1, JSON_NUMBER, JSON_OBJECT, JSON_ARRAY, JSON_TRUE, JSON_FALSE, JSON_NULL };

struct json {
	enum json_type type;
	size_t n;			/* objects and arrays */
	const char **keys;		/* objects */
	union {
		struct json **values;
		const char *text;	/* strings; numbers, as they were written */
	};
};

static inline bool json_is(const struct json *v, enum json_type t) { return v && v->type == t; }
static inline const char *json_string(const struct json *v)
{
	return json_is(v, JSON_STRING) ? v->text : NULL;
}

int json_parse(const char *name, const char *text, size_t len, struct json **out);
int json_load(int dirfd, const char *path, struct json **out);	/* file_read + json_parse */
void json_free(struct json **v);	/* of a root; all that came from it is gone */
#define auto_json __attribute__((cleanup(json_free)))

/* The value of a whole number that fits; else false. */
bool json_i64(const struct json *v, int64_t *out);
/* Member of an object; NULL when absent or v is no object. */
struct json *json_get(struct json *v, const char *key);
const char *json_get_str(struct json *v, const char *key);		/* NULL unless a string */

/*
 * Edit a tree in place. path is dotted ("linux.resources.memory.limit"); missing
 * objects are made. text is JSON itself ("512", "\"x\"", "{}"); NULL removes the member.
 */
int json_set(struct json **root, const char *path, const char *text);

struct jout { struct buf *b; bool pretty; int depth; bool more; };

/* '{' or '[' ; key NULL in arrays and at the top */
void jout_open(struct jout *o, const char *key, char bracket);
void jout_close(struct jout *o, char bracket);			/* '}' or ']' */
void jout_str(struct jout *o, const char *key, const char *s);	/* NULL: null */
void jout_bool(struct jout *o, const char *key, bool v);
void jout_u64(struct jout *o, const char *key, uint64_t v);
void jout_i64(struct jout *o, const char *key, int64_t v);
void jout_raw(struct jout *o, const char *key, const char *text);	/* a number or JSON as it stands */
void jout_tree(struct jout *o, const char *key, struct json *v);
