#include "runtime/container/opened.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

struct watch {
	const struct events_req *req;
	struct opened o;
	struct cg cg;
	int timer, oom;
	short oom_events;
	uint64_t kills;		/* counted so far */
};

/* One line of /proc/PID/net/dev: eight numbers received, eight sent. */
static void put_interface(struct jout *o, const char *line)
{
	static const char *const names[] = { "RxBytes", "RxPackets", "RxErrors", "RxDropped",
					     "TxBytes", "TxPackets", "TxErrors", "TxDropped" };
	const char *colon = strchr(line, ':');
	char name[64];

	if (!colon)
		return;
	line += strspn(line, " ");
	snprintf(name, sizeof name, "%.*s", (int)(colon - line), line);
	jout_open(o, NULL, '{');
	jout_str(o, "Name", name);
	line = colon + 1;
	for (size_t i = 0; i < 16; i++) {
		char *end;
		uint64_t v = strtoull(line, &end, 10);

		line = end;
		/* Of each eight numbers in the line the first four are reported. */
		if (i % 8 < 4)
			jout_u64(o, names[i / 8 * 4 + i % 8], v);
	}
	jout_close(o, '}');
}

/* What the container's own network namespace counts; the host's is not the container's to tell. */
static void put_interfaces(struct jout *o, const struct opened *c)
{
	auto_free char *text = NULL;
	char path[40], *save = NULL, *line;

	snprintf(path, sizeof path, "/proc/%d/net/dev", (int)c->s.pid.v);
	if (!(c->s.namespaces.v & CLONE_NEWNET) || file_read(AT_FDCWD, path, &text, NULL) < 0) {
		err_clear();
		jout_raw(o, "network_interfaces", "null");
		return;
	}
	jout_open(o, "network_interfaces", '[');
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strchr(line, '|'))
			put_interface(o, line);
	jout_close(o, ']');
}

static int say(const struct watch *w, struct jout *o)
{
	jout_close(o, '}');
	buf_puts(o->b, "\n");
	return o->b->oom ? fail(ENOMEM, "out of memory") : w->req->line(w->req->ctx, buf_text(o->b));
}

static void begin(struct jout *o, const char *type, const char *id)
{
	jout_open(o, NULL, '{');
	jout_str(o, "type", type);
	jout_str(o, "id", id);
}

static int say_stats(const struct watch *w)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	begin(&o, "stats", w->req->id);
	jout_open(&o, "data", '{');
	cg_counters(&w->cg, &o);
	jout_open(&o, "intel_rdt", '{');
	jout_close(&o, '}');
	put_interfaces(&o, &w->o);
	jout_close(&o, '}');
	return say(w, &o);
}

static int say_oom(struct watch *w, bool signalled)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	uint64_t kills = cg_oom_kills(&w->cg);

	/* A signal without a kill: a group whose killer is off, or one that is being removed. */
	if (kills <= w->kills && !signalled)
		return 0;
	w->kills = kills;
	begin(&o, "oom", w->req->id);
	return say(w, &o);
}

static int on_oom(struct watch *w)
{
	bool v2 = w->oom_events == POLLPRI;
	char text[512];

	/* Reading arms the next one. The v1 event also comes when the group goes away. */
	if (v2)
		(void)lseek(w->oom, 0, SEEK_SET);
	if (read(w->oom, text, sizeof text) < 0)
		drop_fd(&w->oom);
	return say_oom(w, !v2 && sys_pidfd_wait(w->o.pidfd, 0) == 0);
}

static int turn(struct watch *w, bool *ended)
{
	uint64_t ticks;
	struct pollfd p[] = {
		{ w->o.pidfd, POLLIN, 0 }, { w->timer, POLLIN, 0 }, { w->oom, w->oom_events, 0 },
	};

	if (poll(p, COUNT(p), -1) < 0)
		return errno == EINTR ? 0 : fail_errno("wait for events of %s", w->req->id);
	if (p[2].revents)
		TRY(on_oom(w));
	if (p[0].revents) {
		*ended = true;
		return say_oom(w, false);
	}
	return p[1].revents && read(w->timer, &ticks, sizeof ticks) > 0 ? say_stats(w) : 0;
}

static int open_watch(struct watch *w)
{
	uint64_t ms = w->req->interval_ms;
	const struct timespec step = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	const struct itimerspec every = { step, step };
	struct stat st;

	w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->timer < 0 || timerfd_settime(w->timer, 0, &every, NULL) < 0)
		return fail_errno("timer of %ju ms", (uintmax_t)ms);
	w->oom = w->cg.hiers ? cg_oom_fd(&w->cg) : -1;
	if (w->oom < 0 && w->cg.hiers) {
		log_warn("%s", err_text());
		err_clear();
	}
	/* A file of v2 can always be read; what is new there is told apart from that. */
	w->oom_events = w->oom >= 0 && fstat(w->oom, &st) == 0 && S_ISREG(st.st_mode) ? POLLPRI : POLLIN;
	w->kills = cg_oom_kills(&w->cg);
	return 0;
}

static int watch(struct watch *w)
{
	bool ended = false;

	TRY(opened_container(w->req->root, w->req->id, false, &w->o));
	if (w->o.status == ST_STOPPED)
		return fail_as(ERR_STATE, "container with id %s is not running", w->req->id);
	state_group(&w->o.s, &w->cg);
	if (w->req->once)
		return say_stats(w);
	TRY(open_watch(w));
	while (!ended)
		TRY(turn(w, &ended));
	return 0;
}

int container_events(const struct events_req *req)
{
	static struct watch w;
	int r;

	w = (struct watch){ .req = req, .timer = -1, .oom = -1 };
	r = watch(&w);
	drop_fd(&w.timer);
	drop_fd(&w.oom);
	opened_free(&w.o);
	return r;
}
