/* One file, link or node of a layer into the target directory; and what belongs to every one of them. */
#pragma once
#include <stddef.h>
#include <sys/stat.h>

int copy_regular(int from, const char *name, int to, const struct stat *st);
int copy_symlink(int from, const char *name, int to, const struct stat *st);
int copy_node(int to, const char *name, const struct stat *st);
/* Owner, mode, attributes (not those of overlayfs), times: in this order. */
int copy_dress(int from, int to, const char *name, const struct stat *st);
