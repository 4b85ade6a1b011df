/*
 * One table is create, roll-back, delete and crash recovery (base/steps.h). Undo needs no
 * more than struct teardown, which comes from the creation itself, from state.json, or
 * from the journal of a creation that was killed.
 */
#pragma once
#include "base/steps.h"
#include "runtime/container/launch.h"

#include <limits.h>

struct teardown {
	char id[ID_MAX + 1];
	int root_fd, dir_fd, journal;
	struct cg cg;
	struct rdt rdt;
	pid_t pid;
	uint64_t start_time;
	char net_owner[NET_OWNER_MAX], net_home[PATH_MAX];	/* networks of its own; "": none */
	bool ours;			/* the process is our own child: reap it */
	bool force;			/* asked for: what the id alone names is killed, too */
	bool incomplete;		/* something is still there: the record stays, so that it can be tried again */
	bool group_unsure;		/* not on record as made by us: remove what is empty, kill nothing */
};

enum { CONTAINER_STEPS = 6 };
extern const struct step container_steps[CONTAINER_STEPS];

int create_claim(void *ctx);	/* create.c; ctx begins with struct teardown */
int create_cgroup(void *ctx);
int create_rdt(void *ctx);
int create_network(void *ctx);	/* network.c */
int create_init(void *ctx);
int create_record(void *ctx);

int teardown_claim(void *ctx);	/* teardown.c */
int teardown_cgroup(void *ctx);
int teardown_rdt(void *ctx);
int teardown_network(void *ctx);
int teardown_init(void *ctx);

/*
 * Fills t, whose dir_fd is open, for an existing container: from its state, or else from the journal. loaded:
 * what state_load() said. *steps: what is on record.
 */
int teardown_load(struct teardown *t, const char *id, int loaded, const struct state *s, uint64_t *steps);
