/*
 * A guest's life: made and removed, started and stopped. What is being made or removed is locked: ERR_LOCKED to others.
 */
#pragma once
#include "runtime/guest/nics.h"

struct guest_create_req {
	const char *image, *rootfs, *template;	/* exactly one */
	const char *storage, *userns, *selinux, *apparmor, *hostname;
	struct strv networks;			/* "none" alone: none; empty: "default" */
	struct nic_words nics;
	struct strv dns;
	struct opt_u64 memory, swap;
	struct opt_u64 pids;
	const char *cpus;			/* "1.5" */
	struct strv features, binds, tags;
	struct strv command;			/* instead of the image's or /sbin/init */
};
int guest_create(const struct guest_where *at, const char *name, const struct guest_create_req *r);
int guest_destroy(const struct guest_where *at, const char *name, bool force);
/* What a killed creation or removal left; one that was finished meanwhile stays. */
int guest_destroy_unfinished(const struct guest_where *at, const char *name);
/*
 * What killed commands left: half-made guests, creations of containers, and (only: NULL) what is nobody's. The number
 * of things mended.
 */
int guest_recover(const struct guest_where *at, const char *only);

struct guest_started { pid_t pid; bool ready; uint64_t ms; };
/* wait: until the init says that it is up, where it can tell; timeout_ms 0: no limit. */
int guest_start(const struct guest_where *at, const char *name, bool wait, uint64_t timeout_ms,
		struct guest_started *out);
/*
 * The init's own signal, after timeout_ms (NULL: the guest's stopTimeout, or a minute; 0: at once) SIGKILL.
 * *killed: the time ran out. Already stopped: ERR_STATE. A broken config.json keeps no guest from stopping.
 */
int guest_stop(const struct guest_where *at, const char *name, const uint64_t *timeout_ms, bool *killed);
