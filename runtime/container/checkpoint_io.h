/* What checkpoint and restore share. The room's own. */
#pragma once
#include "runtime/container/checkpoint.h"
#include "runtime/container/criu.h"

struct image { int dir, work; const char *path, *work_path, *log; };
#define IMAGE_CLOSED { .dir = -1, .work = -1 }

/* Opens (create: makes, 0700) the two directories. */
int image_open(const struct checkpoint_opts *o, bool create, const char *log, struct image *out);
void image_close(struct image *i);
/* The options that dump and restore have in common. notes: the annotations of the container. */
int image_options(const struct checkpoint_opts *o, const struct image *i, const struct map *notes,
		  struct buf *opts);
/* criu is ready for lazy pages: whoever waits on --status-fd is told. */
void image_ready(const struct checkpoint_opts *o, const char *script);
/* A list of words that dump wrote beside criu's files; empty when there is no such file. */
int image_list(const struct image *i, const char *name, struct strv *out, struct arena *a,
	       struct json **tree);

/* ---- terminal.c: a guest's console, whose master is its keeper's ---- */
struct opened;
/*
 * criu shall leave it alone, wherever it is open, by whatever name. Which names it had is written into the image:
 * criu asks for it by them.
 */
int terminal_put(const struct opened *c, const struct image *image, struct buf *opts);
/*
 * criu looks at the terminal once, as init has it, whom it does not control: whose it is, is written into the
 * finished image. While all processes stand still.
 */
int terminal_session(const struct opened *c, const struct image *image);
/* A devpts of its own, in no mount namespace, and the first terminal in it. */
enum { TERMINAL_NAMES = 2 };
struct terminal { int fs, master, slave; };
#define TERMINAL_NONE { -1, -1, -1 }
int terminal_make(const struct spec *s, struct terminal *out);
/*
 * Tells criu that its descriptors from first_fd on are what had those names; how many, up to TERMINAL_NAMES. Each is
 * one of its own: criu closes it.
 */
int terminal_give(const struct image *image, unsigned first_fd, struct buf *opts);
void terminal_close(struct terminal *t);

/* ---- restore_guest.c ---- */
struct create;
/*
 * Everything of a guest that comes from outside, as descriptors: they are collected where the host's paths are, and
 * handed over at a place that a user namespace may enter, in a mount namespace of our own.
 */
struct restore_guest;
int restore_guest_collect(const struct create *c, const struct image *image, struct restore_guest **out);
/* In that mount namespace. The image's directory becomes one that the guest's root may read, too. */
int restore_guest_hand_over(struct restore_guest *g, const struct create *c, struct image *image, struct buf *opts);
/* The console: another descriptor of the slave; the master, which is the caller's from here on. */
int restore_guest_slave(const struct restore_guest *g);
int restore_guest_master(struct restore_guest *g);
/* Its network with its settings, in the namespace of the process that criu has made. */
int restore_guest_network(const struct create *c, const struct image *image, pid_t pid);
void restore_guest_close(struct restore_guest **g);

/* ---- restore_mounts.c ---- */
/*
 * A bind of the host's that has no row in the plan: what is masked, and nodes of /dev. The path of its source.
 */
int restore_source_of_ours(const struct create *c, const char *at, char *out, size_t size);
/*
 * Tells criu where on this host the mounts are that came from outside, by the configuration. Only in a mount
 * namespace of our own: what lay inside a volume is resolved on descriptors that cannot leave it, and handed
 * over as a mount at a place that nobody else sees, over the directory of the container's state.
 */
int restore_external_mounts(const struct create *c, const struct image *image, struct buf *opts);
/* Of a guest: whether there is a source for a mount from outside, of which the kernel says where it is and what. */
bool restore_has_source(const struct spec *s, const char *at, const char *what);
/* Takes that place away, which keeps the directory of the state from being removed. */
void restore_forget_mounts(const struct create *c);
/* Places that the image mounts on must be there, in the root and in volumes; what lies elsewhere comes with that. */
int restore_mountpoints(const struct create *c);
