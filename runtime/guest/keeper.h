/* The keeper from within: shared by its own files only. keeper_wire.h is how it is talked to. */
#pragma once
#include "runtime/guest/checkpoint.h"
#include "runtime/guest/keeper_wire.h"
#include "runtime/guest/label.h"

enum { CLIENTS_MAX = 16, CONSOLE_LOG_MAX = 1 << 20, CONSOLE_LAST = 200, TTY_FAILURES_MAX = 100 };
enum { NOTIFICATIONS_MAX = 10000 };
enum { SHORT_BOOT = 3, SHORT_BOOTS_MAX = 10 };	/* seconds */

struct client { int fd; bool console, stopping, late, suspending; };	/* late: it was asked, and did not stop */

struct keeper {
	struct guest *g;
	struct guest_labels labels;		/* of its whole life, reboots included */
	struct guest_restore *restore;		/* its next boot goes on with a checkpoint; NULL: it boots */
	int report;				/* to the starter; -1 when it is satisfied or gone */
	int listener, notify;			/* notify: of one boot, until it is ready */
	int warnings;				/* ours and our children's, to be read (log_divert) */
	struct client client[CLIENTS_MAX];
	bool ready;
	unsigned short_boots;			/* in a row */
	/* of one boot */
	struct guest_plan plan;
	pid_t pid;
	int pidfd, tty, tty_slave, oom, kmsg, log;
	unsigned tty_failures;			/* in a row */
	unsigned notified;			/* messages that were not the one */
	int host_dir;				/* GUEST_HOST_DIR, until the guest has it */
	int netns;				/* keeps its links countable after its end */
	struct container c;			/* until its init was let go */
	struct cg cg;
	uint64_t oom_kills, oom_named;		/* kills of this boot: counted, and on record with their victims */
	bool oom_pending, oom_whole;		/* whole: oom_is_ours() */
	char oom_group[CG_PATH_MAX];
	bool suspended;				/* ended by us, for who was checkpointing it */
	char victim[64];
	pid_t victim_pid;
	size_t log_size;
};

int keeper_boot(struct keeper *k);		/* boot.c: create and start the container */
void keeper_up(struct keeper *k, bool restored);	/* tells who waits for it that it runs */
void keeper_unboot(struct keeper *k);		/* descriptors of the boot */
void keeper_release_ids(struct keeper *k);	/* when its last process is gone */
void keeper_log(struct keeper *k, const char *p, size_t n);	/* keeper_io.c */
bool keeper_console(struct keeper *k);		/* the terminal has something; true: it may have more */
void keeper_client(struct keeper *k, size_t i);	/* a client has something */
void keeper_accept(struct keeper *k);
void keeper_tell(struct keeper *k, enum keeper_msg m, int code);	/* starter and watchers; the pending error */
void keeper_warn(struct keeper *k);		/* what was warned of since: to the starter and on record */
int keeper_detach(struct keeper *k);		/* keeper_self.c */
int keeper_title(struct guest *g);		/* "vzrun-keeper NAME" in lists of processes */
struct pollfd;
int keeper_sleep(struct pollfd *p, size_t n);	/* poll() for ever, all memory that can go given back */
/* oom.c: counts kills and finds the victims' names. last: what has no name by now gets none. */
void oom_look(struct keeper *k, bool last);
int oom_open_log(struct keeper *k);
/* Whether the record of the kernel's log tells of a kill in the group; whole: the kernel's path of it is this one. */
bool oom_is_ours(const char *group, bool whole, const char *line);
