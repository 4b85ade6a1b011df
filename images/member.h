/*
 * What one member of a layer means, decided from its words alone; nothing here touches a
 * file system. Every refusal names the member. ERR_IMAGE.
 */
#pragma once
#include "images/tar.h"
#include <limits.h>
#include <stdbool.h>

enum member_what {
	MEMBER_MAKE,		/* create it */
	MEMBER_SKIP,		/* leave it out: a device below dev, aufs bookkeeping */
	MEMBER_WHITEOUT,	/* path is the name that it hides in lower layers */
	MEMBER_OPAQUE,		/* path is the directory whose lower content it hides */
};
struct member_rules {
	const struct limits *lim;
	bool devices;		/* device nodes are wanted */
	bool plain;		/* an archive of blobs: files, directories, links only */
};
struct member { enum member_what what; char path[PATH_MAX], link[PATH_MAX]; };	/* path "." is the root */

/* A clean relative path without ".", ".." and empty components; "./" and "/" before it are dropped. */
int member_path(const char *raw, const struct limits *lim, char out[PATH_MAX]);
int member_decide(const struct tar_entry *e, const struct member_rules *rules, struct member *out);

/* 1: set it, 0: not for this system, leave it out, ERR_IMAGE: refused. */
int member_xattr(const char *path, const char *name, const void *value, size_t n);
