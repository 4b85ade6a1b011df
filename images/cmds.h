/* The commands of vzrun-image. Only main.c prints: a command fills two buffers. */
#pragma once
#include "base/json.h"
#include "images/store.h"

struct cmd_args {
	struct store store;
	bool json, devices, rebuild;
	const char *ref;		/* --ref */
	char **v;
	int n;
	struct buf out;			/* for stdout */
	struct jout j;			/* writes into out; an object with its schema is open */
	struct buf warn;		/* lines for stderr */
};
struct image_cmd {
	const char *name, *args, *help;
	int min, max;			/* max -1: any number */
	int (*run)(struct cmd_args *a);	/* 0, -errno, or 1: done, but a problem was found (exit status 13) */
};
extern const struct image_cmd image_cmds[];	/* ends with name NULL */
