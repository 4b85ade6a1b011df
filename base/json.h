/*
 * JSON in: a yajl tree, screened for what yajl lets through (nesting that overflows
 * its recursive free, NUL in strings, duplicate keys, more than 16 MiB). JSON out: a
 * small writer over struct buf. Errors are one line: "NAME:LINE: what".
 */
#pragma once
#include "base/str.h"
#include <yajl/yajl_tree.h>

enum { JSON_DEPTH_MAX = 64 };

int json_parse(const char *name, const char *text, size_t len, yajl_val *out);
int json_load(int dirfd, const char *path, yajl_val *out);	/* file_read + json_parse */
static inline void json_free(yajl_val *v) { if (*v) yajl_tree_free(*v); *v = NULL; }
#define auto_json __attribute__((cleanup(json_free)))

/* Member of an object; NULL when absent or v is no object. */
yajl_val json_get(yajl_val v, const char *key);
const char *json_get_str(yajl_val v, const char *key);		/* NULL unless a string */

/*
 * Edit a tree in place. path is dotted ("linux.resources.memory.limit"); missing
 * objects are made. text is JSON itself ("512", "\"x\"", "{}"); NULL removes the member.
 */
int json_set(yajl_val *root, const char *path, const char *text);

struct jout { struct buf *b; bool pretty; int depth; bool more; };

void jout_open(struct jout *o, const char *key, char bracket);	/* '{' or '[' ; key NULL in arrays and at the top */
void jout_close(struct jout *o, char bracket);			/* '}' or ']' */
void jout_str(struct jout *o, const char *key, const char *s);	/* NULL: null */
void jout_bool(struct jout *o, const char *key, bool v);
void jout_u64(struct jout *o, const char *key, uint64_t v);
void jout_i64(struct jout *o, const char *key, int64_t v);
void jout_raw(struct jout *o, const char *key, const char *text);	/* a number or JSON as it stands */
void jout_tree(struct jout *o, const char *key, yajl_val v);
