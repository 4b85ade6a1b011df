/*
 * Checkpoint and restore through CRIU. An image directory holds criu's files and two of ours:
 *
 *	descriptors.json	what the first process's 0, 1 and 2 were, as runc and crun write it
 *	external.json		the mounts whose source is outside of the container
 *
 * and, of a guest, IMAGE_SYSCTLS: its network's settings by net_sysctl_keep(), which the guest's part writes.
 *
 * All functions return 0 or -errno with the message; ERR_CHECKPOINT when criu could not.
 */
#pragma once
#include "runtime/container/container.h"

#define IMAGE_SYSCTLS "sysctls"
/* An annotation of the container that names a configuration file for criu. */
#define CHECKPOINT_ANNOTATION "org.criu.config"

struct checkpoint_opts {
	const char *criu;		/* the program; NULL: "criu" in PATH */
	const char *image_path, *work_path;	/* NULL: ./checkpoint; the image path */
	const char *parent_path;	/* relative to the image path */
	const char *page_server;	/* ADDRESS:PORT */
	const char *cgroups_mode;	/* soft, full, strict, ignore; NULL: criu's default */
	const char *lsm_profile, *lsm_mount_context;	/* restore */
	bool leave_running, tcp_established, ext_unix_sk, shell_job, lazy_pages, file_locks, pre_dump, auto_dedup;
	bool empty_net;
	/*
	 * Of a guest, whose keeper makes its root, its network, /dev/pts with the console and GUEST_HOST_DIR anew:
	 * of those nothing is dumped.
	 */
	bool guest;
	/* Checkpoint of a guest: all of its configuration. A mount that a restore would not find by it is refused. */
	const struct spec *spec;
	/*
	 * The last moment at which a failure undoes everything. Checkpoint: the image is complete, and nothing was
	 * ended yet; restore: all is there, and nothing runs yet. May be NULL.
	 */
	int (*commit)(void *ctx);
	void *ctx;
	int status_fd;			/* -1: none */
};

/* Unless it is left running, or only its memory was dumped before, the container is gone afterwards. */
int container_checkpoint(const char *root, const char *id, const struct checkpoint_opts *o);
/* Restoring is container_create() with container_req.restore; the container runs when that returns. */
