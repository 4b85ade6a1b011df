/* create.c makes a guest, create_config.c says in its first config.json what was asked for and what the image says. */
#pragma once
#include "images/image.h"
#include "runtime/guest/guest.h"

struct bind_word;
struct nic_wishes;
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
