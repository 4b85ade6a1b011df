/*
 * Paths inside a root that cannot be trusted (rule R5). Every path is resolved on a
 * descriptor of the root and cannot leave it, whatever links the root holds; what is
 * created is created on the descriptor of its parent. Descriptors are O_CLOEXEC and
 * the caller's to close. All return -errno with a message; -ENOENT is expected.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Links are followed as if rootfd were "/"; magic links are refused. mode: with O_CREAT. */
int path_open(int rootfd, const char *path, int flags);
/*
 * The same, O_PATH, but links are followed on the mount of rootfd alone: -EXDEV for one on a mount below, where
 * others may write.
 */
int path_open_own(int rootfd, const char *path);
/* No symbolic link anywhere on the way, no magic link, and nothing outside dirfd. */
int path_open_strict(int dirfd, const char *path, int flags);

enum path_kind { PATH_DIR, PATH_FILE, PATH_OWN_LINKS = 2 };	/* the last is a flag: as path_open_own() */
/*
 * The O_PATH descriptor of path; what is missing is created: directories with mode
 * 0755, and the last component as a directory or an empty file (0644). A link to what is missing is followed in the
 * root like any other (images have /etc/resolv.conf so), and what it leads to is created there. ".." in the missing
 * part is refused. *created: whether the last one is new (may be NULL).
 */
int path_ensure(int rootfd, const char *path, enum path_kind kind, bool *created);
/* The descriptor of path's parent, created where missing; *name is the last component (in path). */
int path_parent(int rootfd, const char *path, const char **name);
/*
 * Replace a file without opening what is there: a new file beside it, then rename.
 * Owner is the caller's. A last component that is a link is replaced, not followed.
 */
int path_write(int rootfd, const char *path, const char *text, size_t len, mode_t mode);
/*
 * A guest's own file (rule R14): regular, not followed at the end, never blocks, at
 * most max bytes, NUL-terminated in *text. -EFBIG, -EINVAL when it is not such a file.
 */
int path_read(int rootfd, const char *path, size_t max, char **text, size_t *len);

/* Removes name under dirfd with all below it; stays on one file system; already gone is success. */
int path_remove_tree(int dirfd, const char *name);
