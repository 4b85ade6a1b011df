/*
 * Texts that say who is who: passwd(5) files, and the maps of user namespaces. No function here records a message:
 * callers know whose text it is.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* home and shell are "" where the line has none. All point into the text. */
struct passwd_entry { const char *name, *home, *shell; uint32_t uid, gid; };
/*
 * The next entry of a passwd file's text, which is cut in place; *text goes on behind it, and may be NULL: none. Lines
 * without a name, a uid and a gid are left out. false: that was all.
 */
bool passwd_next(char **text, struct passwd_entry *e);

/* A line of uid_map or gid_map (user_namespaces(7)): n ids, `inside` the namespace and `outside`, to the reader. */
struct idmap_range { unsigned inside, outside, n; };
bool idmap_next(const char **text, struct idmap_range *r);
/* What the id `inside` is to the reader of the map at dir/path. -ENODATA: not mapped; else why it was not read. */
int idmap_outside(int dir, const char *path, unsigned inside, unsigned *outside);
