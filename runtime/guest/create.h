/*
 * create.c makes a guest by a table of steps, destroy.c goes back through it; create_config.c says in its first
 * config.json what was asked for and what the image says. The room's own.
 *
 * config.json is written last and removed first: a directory without it is a killed creation or a killed removal, and
 * is finished by `recover` or by destroy.
 */
#pragma once
#include "base/steps.h"
#include "images/image.h"
#include "runtime/guest/label.h"
#include "runtime/guest/life.h"
#include "runtime/guest/nic.h"

struct bind_word;
struct making {
	const struct guest_where *at;
	const char *name, *dir;		/* dir: absolute */
	const struct guest_create_req *req;
	struct buf ref, config;
	struct image_rootfs image;
	struct nic_wishes nics;
	struct bind_word *binds;	/* as many as req->binds */
	struct guest_labels labels;
	int guests_fd, dir_fd;
	bool incomplete;		/* something could not be undone: the directory stays, by which it is found */
	struct arena arena;
};
#define MAKING_INIT(where, what) { .at = (where), .name = (what), .guests_fd = -1, .dir_fd = -1 }
void making_free(struct making *m);

enum { GUEST_STEPS = 9 };
extern const struct step guest_steps[GUEST_STEPS];	/* of struct making; undoing takes its paths and descriptors alone */

struct new_guest {
	const char *name;
	const struct guest_create_req *req;
	const char *ref;			/* the image */
	const struct image_rootfs *image;
	bool own_copy;				/* of the image's layers: --storage dir */
	const struct nic_wishes *nics;
	const struct bind_word *binds;		/* req->binds, understood */
};
/* ERR_USAGE: cpus. What out has after a failure is nothing. */
int create_config(const struct new_guest *g, struct buf *out);
