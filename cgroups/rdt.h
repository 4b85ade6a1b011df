/*
 * Shares of caches and memory bandwidth: the group of the resctrl file system (Intel RDT and its like) that
 * processes are in. Owns the "linux.intelRdt" slice of the configuration; knows nothing of containers.
 * Kernel document: filesystems/resctrl.rst. All functions return 0 or -errno with a message.
 *
 *	root = rdt_open();  rdt_plan(root, conf, id, &r);  [r goes on record]  rdt_make(root, conf, &r);
 *	rdt_add(root, &r, pid);  ...  rdt_remove(root, &r);
 */
#pragma once
#include "base/bind.h"
#include <sys/types.h>

struct rdt_conf {
	const char *clos;	/* closID: a group that others may share; NULL: one of its own, named by id */
	struct strv schemata;
	const char *l3, *mb;
	bool monitoring;
};
extern const struct record rdt_record;
/* Places are relative to linux.intelRdt. */
int rdt_check(const struct rdt_conf *c);

enum { RDT_NAME_MAX = 255 };
struct rdt {
	char group[RDT_NAME_MAX + 1];	/* directory in resctrl; "" is the root's own group */
	char monitor[RDT_NAME_MAX + 1];	/* its monitoring group below GROUP/mon_groups, or "" */
	bool make;			/* the group is not there yet */
	bool own;			/* to be removed: made, and not a shared one */
};

/* The directory of the mounted resctrl; ERR_UNSUPPORTED when there is none. */
int rdt_open(void);
/*
 * What has to be made; no effect. ERR_NOT_FOUND: a bare closID names a group that must be there, and is not.
 */
int rdt_plan(int root, const struct rdt_conf *c, const char *id, struct rdt *out);
/* Makes the groups and writes the schemata; what it made it removes again when it fails. */
int rdt_make(int root, const struct rdt_conf *c, const struct rdt *r);
/* Writes the schemata of a group that is there: live, for all that are in it. */
int rdt_update(int root, const struct rdt_conf *c, const char *group);
int rdt_add(int root, const struct rdt *r, pid_t pid);
/* Already gone is success. Processes that are left go to the root's group. */
int rdt_remove(int root, const struct rdt *r);
