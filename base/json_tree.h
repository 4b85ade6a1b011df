/* The tree behind json.h: all of it lies in one arena, with its root. Internal to base/. */
#pragma once
#include "base/arena.h"
#include "base/json.h"

/* Parses text, of len bytes, into a tree of its own. -EINVAL: "NAME:LINE: what". */
int json_tree(const char *name, const char *text, size_t len, struct json **out);
/* -EINVAL: a key that is given twice, with its place. */
int json_check_keys(const struct json *v);
/* Parses into the tree of root, which owns it then. */
int json_graft(struct json *root, const char *name, const char *text, struct json **out);
struct arena *json_arena(struct json *root);
