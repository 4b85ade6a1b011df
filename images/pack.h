/*
 * Writing archives: a directory as a tar (names sorted, so that the same tree is the same
 * bytes), members made up from a table, and the compression of a stream.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct pack;
int pack_open(struct pack **out, int fd);
int pack_tree(struct pack *p, int dirfd);
/* mode with its type. text: a file's content, or a link's target. */
int pack_text(struct pack *p, const char *path, mode_t mode, const char *text, size_t n);
int pack_file(struct pack *p, const char *path, mode_t mode, int fd);
int pack_end(struct pack *p);
void pack_close(struct pack **p);
#define auto_pack __attribute__((cleanup(pack_close)))

struct squeeze;		/* zstd */
int squeeze_open(struct squeeze **out, int fd);
int squeeze_add(struct squeeze *s, const void *p, size_t n);
int squeeze_end(struct squeeze *s);
void squeeze_close(struct squeeze **s);
#define auto_squeeze __attribute__((cleanup(squeeze_close)))
