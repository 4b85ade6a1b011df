#include "runtime/guest/keeper.h"
#include "base/dgram.h"
#include "base/fault.h"
#include "base/scope.h"
#include "netns/ports.h"
#include "runtime/guest/apparmor.h"
#include "runtime/guest/events.h"
#include "runtime/guest/nic.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int labels(struct keeper *k)
{
	auto_arena struct arena a = { 0 };
	const char *dir = guest_path(&a, &k->g->at, k->g->name, NULL);

	if (!dir)
		return fail(ENOMEM, "out of memory");
	TRY(label_get(k->g->dir_fd, dir, k->g->conf.selinux, &k->labels));
	TRY_IN(label_state(k->g->at.root, &k->labels), "SELinux: %s", k->g->at.root);
	return label_layers(k->g->at.home, &k->g->conf.layers, &k->labels);
}

/* A keeper with hooks stays unconfined: hooks are the administrator's programs, and inherit the keeper's domain. */
static int confine(struct keeper *k)
{
	TRY(fault_point("keeper's domain"));
	for (size_t i = 0; k->g->spec.hooks && i < COUNT(k->g->spec.hooks->of); i++)
		if (k->g->spec.hooks->of[i].n)
			return 0;
	return label_keeper(&k->labels);
}

static int sockets(struct keeper *k)
{
	int dir = k->g->dir_fd;

	TRY(fault_point("keeper's sockets"));
	(void)unlinkat(dir, "keeper.sock", 0);
	TRY(k->listener = dgram_listen(dir, "keeper.sock", SOCK_SEQPACKET));
	return 0;
}

/* The socket is closed after READY=1, or too many messages without it: no guest may keep its keeper busy. */
static void on_notify(struct keeper *k)
{
	char text[1024];
	ssize_t n = recv(k->notify, text, sizeof text - 1, MSG_DONTWAIT);

	if (n < 0)
		return;
	text[n] = '\0';
	if (!str_starts(text, "READY=1") && !strstr(text, "\nREADY=1")) {
		if (++k->notified > NOTIFICATIONS_MAX)
			drop_fd(&k->notify);
		return;
	}
	drop_fd(&k->notify);
	k->ready = true;
	keeper_tell(k, KEEPER_READY, 0);
	(void)event_add(k->g->dir_fd, &(struct guest_event){ .event = "ready" });
}

/* When it was quiet for a second the keeper gives its memory back and waits without a limit. */
static int wait_for_something(struct pollfd *p, size_t n)
{
	int r = poll(p, n, 1000);

	return r == 0 ? keeper_sleep(p, n) : r;
}

/* wait=false: only what is there already. */
static void turn(struct keeper *k, bool wait)
{
	struct pollfd p[6 + CLIENTS_MAX] = {
		{ k->pidfd, POLLIN, 0 }, { k->tty, POLLIN, 0 }, { k->listener, POLLIN, 0 },
		{ k->notify, POLLIN, 0 }, { k->oom, POLLIN | POLLPRI, 0 }, { k->oom_pending ? k->kmsg : -1, POLLIN, 0 },
	};

	for (size_t i = 0; i < CLIENTS_MAX; i++)
		p[6 + i] = (struct pollfd){ k->client[i].fd, POLLIN, 0 };
	if ((wait ? wait_for_something(p, COUNT(p)) : poll(p, COUNT(p), 0)) <= 0)
		return;
	if (p[1].revents)
		keeper_console(k);
	if (p[3].revents)
		on_notify(k);
	if (p[4].revents || p[5].revents)
		oom_look(k, false);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (p[6 + i].revents)
			keeper_client(k, i);
	if (p[2].revents)
		keeper_accept(k);
}

static bool suspending(const struct keeper *k)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (k->client[i].suspending)
			return true;
	return false;
}

static bool stopping(const struct keeper *k)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (k->client[i].stopping)
			return true;
	return false;
}

static bool late(const struct keeper *k)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (k->client[i].late)
			return true;
	return false;
}

enum ending { END_STOP, END_REBOOT };

/* A pid namespace's reboot(2) kills its init: SIGHUP for a restart, SIGINT for power-off and halt. */
static void died_of(const struct keeper *k, int sig, char *text, size_t size)
{
	bool asked = stopping(k);

	if (sig == SIGKILL && (k->suspended || suspending(k)) && guest_suspended(k->g->dir_fd))
		snprintf(text, size, "suspended: its processes are in a checkpoint, vzrun restore %s", k->g->name);
	else if (sig == SIGHUP)
		snprintf(text, size, asked ? "stopped by the host" : "rebooted from inside");
	else if (sig == SIGINT)
		snprintf(text, size, asked ? "stopped by the host, powered off cleanly" : "powered off from inside");
	else if (sig == SIGKILL && k->victim_pid == k->pid)
		snprintf(text, size, "out of memory: the kernel killed its init (%s)", k->victim);
	else if (sig == SIGKILL)
		snprintf(text, size, late(k) ? "killed by the host: it did not stop in time" :
				     asked ? "killed by the host" : "killed from the host by SIGKILL");
	else
		snprintf(text, size, "%sits init died of signal %d (SIG%s)", asked ? "stopped by the host: " : "", sig,
			 sigabbrev_np(sig) ? sigabbrev_np(sig) : "?");
}

static enum ending judge(struct keeper *k, int status)
{
	struct guest_event e = { .event = "ended", .pid = { k->pid, true } };
	char text[384];

	oom_look(k, true);
	if (WIFEXITED(status)) {
		e.code = (struct opt_i64){ WEXITSTATUS(status), true };
		snprintf(text, sizeof text, "%s with status %d",
			 stopping(k) ? "stopped by the host: its init exited" : "its init exited", WEXITSTATUS(status));
	} else {
		e.signal = (struct opt_i64){ WTERMSIG(status), true };
		died_of(k, WTERMSIG(status), text, sizeof text);
	}
	if (k->victim_pid && k->victim_pid != k->pid && WIFEXITED(status) && WEXITSTATUS(status) != 0) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof text - n, ", after the kernel had killed \"%s\" for lack of memory", k->victim);
		e.victim = k->victim;
	}
	e.detail = text;
	(void)event_add(k->g->dir_fd, &e);
	/* It does not boot beside its checkpoint. */
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP && !stopping(k) && !guest_suspended(k->g->dir_fd)
		? END_REBOOT : END_STOP;
}

static enum ending watch(struct keeper *k)
{
	int status = 0;

	while (waitpid(k->pid, &status, WNOHANG) != k->pid)
		turn(k, true);
	/* The guest's last output. Bounded: another process that has the terminal open may write for ever. */
	for (int i = 0; i < CONSOLE_LAST && keeper_console(k); i++)
		;
	/* A stop that was asked for a moment ago lies in a socket still. */
	for (int i = 0; i < 4; i++)
		turn(k, false);
	return judge(k, status);
}

/* From here on nobody starts, stops or destroys the guest until we are done with its remains. */
static void lock(struct keeper *k)
{
	(void)TEMP_FAILURE_RETRY(flock(k->g->dir_fd, LOCK_EX));
}

/*
 * Counts the links' traffic for the last time and returns lent links. The network namespace itself stays until all else
 * is cleared up: the kernel takes its links down under locks, and with interrupts to each processor, that what follows
 * would wait for.
 */
static void end_network(struct keeper *k)
{
	struct net_port ports[NET_PORTS_MAX];
	size_t n;
	bool known = k->netns >= 0 && nic_ports(&k->g->at, k->g->name, k->g->dir_fd, NULL, ports, &n) >= 0;

	if (k->netns >= 0 && (!known || traffic_keep(k->g->dir_fd, ports, n, k->netns, false) < 0))
		(void)event_add(k->g->dir_fd, &(struct guest_event){ .event = "traffic-lost", .detail = err_text() });
	if (known)
		links_drop(ports, n, k->netns);
	(void)links_end(k->g->dir_fd, k->netns);
}

static int one_boot(struct keeper *k, enum ending *end)
{
	bool restored = k->restore;
	int r = restored ? checkpoint_open(k->restore, k->g, &k->labels) : 0;
	struct err_saved s;

	if (r >= 0)
		r = keeper_boot(k);
	if (restored)
		checkpoint_close(k->restore, k->g, r >= 0);
	k->restore = NULL;
	k->suspended = false;

	if (r >= 0) {
		(void)flock(k->g->dir_fd, LOCK_UN);
		/* After the unlock: a starter that hears of it may at once run a command that takes the lock. */
		keeper_up(k, restored);
		spec_free(&k->g->spec);
		*end = watch(k);
		k->ready = false;
		lock(k);
	}
	err_save(&s);
	end_network(k);
	keeper_unboot(k);
	if (net_publish_down(k->g->at.home, k->g->name) < 0)
		(void)event_add(k->g->dir_fd, &(struct guest_event){ .event = "cleanup-failed", .detail = err_text() });
	if (container_delete(k->g->at.root, k->g->name, true) < 0)
		(void)event_add(k->g->dir_fd, &(struct guest_event){ .event = "cleanup-failed", .detail = err_text() });
	else if (guest_apparmor_drop(&k->g->at, k->g->name) < 0)
		(void)event_add(k->g->dir_fd, &(struct guest_event){ .event = "cleanup-failed", .detail = err_text() });
	/* A container whose record somebody took away is nothing to delete; its groups are. */
	if (cg_remove(&k->cg) < 0)
		(void)event_add(k->g->dir_fd, &(struct guest_event){ .event = "cleanup-failed", .detail = err_text() });
	k->cg = (struct cg){ 0 };
	keeper_release_ids(k);
	err_restore(&s);
	return r;
}

/* The file may have been edited while the guest ran: an edit counts from the next start, and this is one. */
static int reload(struct keeper *k)
{
	struct guest fresh;
	int r = guest_open(&k->g->at, k->g->name, false, &fresh);

	if (r < 0)
		return r;
	/* flock(2) belongs to the open file description: the new one is closed, the locked one stays. */
	close(fresh.dir_fd);
	fresh.dir_fd = k->g->dir_fd;
	*k->g = fresh;
	return 0;
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* A guest that reboots as soon as it is up would keep the host busy for ever. */
static bool in_a_loop(struct keeper *k, time_t began)
{
	k->short_boots = now() - began < SHORT_BOOT ? k->short_boots + 1 : 0;
	if (k->short_boots < SHORT_BOOTS_MAX)
		return false;
	(void)event_add(k->g->dir_fd, &(struct guest_event){
		.event = "ended", .detail = "it rebooted ten times in a row within seconds of its start: given up" });
	return true;
}

static int keep(struct keeper *k)
{
	enum ending end = END_STOP;
	time_t began;

	TRY(keeper_detach(k));
	TRY(keeper_title(k->g));
	TRY(labels(k));
	TRY(confine(k));
	TRY(sockets(k));
	for (;;) {
		began = now();
		TRY(one_boot(k, &end));
		for (int i = 0; i < 4; i++)
			turn(k, false);
		if (end == END_STOP || stopping(k) || in_a_loop(k, began))
			return 0;
		drop_fd(&k->netns);
		TRY(reload(k));
	}
}

_Noreturn void keeper_main(struct guest *g, int report, const struct checkpoint_opts *restore)
{
	static struct keeper k;
	static struct guest_restore from;
	struct err_saved s;
	int r;

	from.opts = restore ? *restore : (struct checkpoint_opts){ 0 };
	k = (struct keeper){ .g = g, .restore = restore ? &from : NULL, .report = report,
			     .listener = -1, .notify = -1, .warnings = -1, .host_dir = -1, .pidfd = -1,
			     .tty = -1, .tty_slave = -1, .netns = -1, .oom = -1, .kmsg = -1, .log = -1,
			     .plan = { .slot_fd = { -1, -1 } } };
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		k.client[i].fd = -1;
	r = keep(&k);
	err_save(&s);
	keeper_warn(&k);
	if (r < 0)
		(void)event_add(g->dir_fd, &(struct guest_event){ .event = "failed", .detail = s.text });
	(void)unlinkat(g->dir_fd, "keeper.sock", 0);
	/* Unlocked explicitly: exit closes the sockets first, and a waiting client would find the lock still held. */
	(void)flock(g->dir_fd, LOCK_UN);
	err_restore(&s);
	keeper_tell(&k, r < 0 ? KEEPER_FAILED : KEEPER_ENDED, r);
	/* Who waits for the end of the sockets waits for no more: not for our memory to go, nor beside the kernel's work. */
	if (k.netns >= 0)
		(void)dup2(k.netns, STDIN_FILENO);
	(void)close_range(STDERR_FILENO + 1, UINT_MAX, 0);
	_exit(r < 0);
}
