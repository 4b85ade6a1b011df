/* One creation, between its preparation (create_prepare.c) and its steps (create.c). The room's own. */
#pragma once
#include "runtime/container/teardown.h"

/* Everything of one creation. The steps and their undo are in teardown.h's table. */
struct create {
	struct teardown t;		/* what undo needs; first, so that one table serves both */
	const struct container_req *req;
	const struct spec *spec;
	bool run, ahead;		/* ahead: it is on record, and has the word, before it is ready */
	const char *bundle, *rootfs, *config;	/* absolute; config NULL: it is no file */
	char created[40];
	uint64_t more_namespaces;	/* CLONE_NEW*: the first process is in one that the configuration does not name */
	struct list nics;		/* of vzrun.networks; of a plain bundle alone */
	struct net_port ports[NET_PORTS_MAX];
	struct child child;
	struct launch launch;
	struct container *out;
};

/* Opens, checks and computes all that the steps and the child need; nothing has an effect yet. */
int create_prepare(struct create *c);
/* Its last part, for later when a source is still to be made. */
int create_open_sources(struct create *c);
/*
 * create_record.c: what exec needs later (create_save), then state.json. Where nothing remains to be done between the
 * child's "ready" and its "go" (create_may_go_ahead), create_go_ahead writes state.json while the child still builds
 * its root, and sends SYNC_GO in advance: then neither process waits for the other. create_save and create_go_ahead may
 * be launch.meanwhile.
 */
bool create_may_go_ahead(const struct create *c);
int create_save(void *create);
int create_go_ahead(void *create);
/* network.c: what the bundle says of networks, checked; nothing is claimed yet. */
int create_find_networks(struct create *c);
/* The agent that a filter's listener goes to, in *l; NULL: the filter has none. */
struct state_listener *create_listener(const struct create *c, struct state_listener *l);
/* update.c: the limits, with the devices that every container may use added to the rules. */
int limits_complete(struct arena *a, const struct cg_resources *wanted, struct cg_resources *out);
/* restore.c: whether it can be tried at all, and the step that starts the first process. */
int restore_check(const struct container_req *req);
int restore_init(struct create *c);
