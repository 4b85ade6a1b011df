/* Shared by the files of the keeper only. */
#pragma once
#include "runtime/guest/guest.h"

enum { CLIENTS_MAX = 16, CONSOLE_LOG_MAX = 1 << 20 };

struct client { int fd; bool console; };

struct keeper {
	struct guest *g;
	int report;				/* to the starter; -1 when it is satisfied or gone */
	int listener, notify;
	struct client client[CLIENTS_MAX];
	bool stopping, ready;
	/* of one boot */
	struct guest_plan plan;
	pid_t pid;
	int pidfd, tty, tty_slave, oom, kmsg, log;
	struct cg cg;
	uint64_t oom_kills;
	bool oom_pending;
	char victim[64];
	pid_t victim_pid;
	size_t log_size;
};

int keeper_boot(struct keeper *k);		/* boot.c: create and start the container */
void keeper_unboot(struct keeper *k);		/* everything of the boot is given back */
void keeper_log(struct keeper *k, const char *p, size_t n);	/* keeper_io.c */
void keeper_console(struct keeper *k);		/* the terminal has something */
void keeper_client(struct keeper *k, size_t i);	/* a client has something */
void keeper_accept(struct keeper *k);
void keeper_tell(struct keeper *k, enum keeper_msg m, int code, const char *text);	/* starter and watchers */
void oom_look(struct keeper *k);		/* oom.c: counts kills and finds the victim's name */
int oom_open_log(void);
