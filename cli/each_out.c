#include "cli/each.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "cli/out.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT_MAX = FILE_READ_MAX };

void turn_init(struct turn *t)
{
	for (size_t i = 0; i < STREAMS; i++)
		t->streams[i].fd = -1;
	t->pidfd = -1;
}

void turn_free(struct turn *t)
{
	for (size_t i = 0; i < STREAMS; i++) {
		drop_fd(&t->streams[i].fd);
		buf_free(&t->streams[i].text);
		t->streams[i].cut = false;
	}
	drop_fd(&t->pidfd);
	t->pid = 0;
}

int turn_pipes(struct turn *t, bool exec, int ends[STREAMS])
{
	for (size_t i = 0; i < STREAMS; i++)
		ends[i] = -1;
	for (size_t i = 0; i < (exec ? STREAMS : 1); i++) {
		int p[2];

		if (pipe2(p, O_CLOEXEC) < 0)
			return -1;
		t->streams[i].fd = p[0];
		ends[i] = p[1];
		/* Who has the pipe can open its reading end, and take from us what poll promised. */
		if (fcntl(p[0], F_SETFL, O_NONBLOCK) < 0)
			return -1;
	}
	return 0;
}

void turns_forget(struct turn *turns)
{
	for (size_t i = 0; i < EACH_AT_ONCE; i++)
		turn_free(&turns[i]);
}

/* What is beyond the limit is read all the same: its writer must not stand still. */
static void keep(struct stream *s, const char *text, size_t n)
{
	size_t room = KEPT_MAX - s->text.n;

	s->cut |= n > room;
	buf_add(&s->text, text, n < room ? n : room);
	s->cut |= s->text.oom;
}

static void take(struct stream *s, size_t most)
{
	char text[16384];

	while (most && s->fd >= 0) {
		ssize_t n = TEMP_FAILURE_RETRY(read(s->fd, text, most < sizeof text ? most : sizeof text));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			return drop_fd(&s->fd);
		keep(s, text, (size_t)n);
		most -= (size_t)n;
	}
}

/*
 * It is dead, and what it wrote before is in the pipes. What it left behind in the guest can write on and on: only
 * what is there now is read, and an end is not waited for.
 */
static void finish(struct turn *t)
{
	for (size_t i = 0; i < STREAMS; i++) {
		struct stream *s = &t->streams[i];
		int there = 0;

		if (s->fd >= 0 && ioctl(s->fd, FIONREAD, &there) == 0 && there > 0)
			take(s, (size_t)there);
		drop_fd(&s->fd);
	}
	if (TEMP_FAILURE_RETRY(waitpid(t->pid, &t->status, 0)) < 0) {
		t->failed = fail_errno("wait for its process");
		err_save(&t->why);
	}
	drop_fd(&t->pidfd);
	t->pid = 0;
}

void turns_wait(struct turn *turns, struct turn *t)
{
	enum { EACH = STREAMS + 1 };	/* and its end */

	while (t->pid > 0) {
		struct pollfd p[EACH_AT_ONCE * EACH];

		for (size_t i = 0; i < COUNT(p); i++) {
			const struct turn *of = &turns[i / EACH];

			p[i] = (struct pollfd){ .events = POLLIN };
			p[i].fd = i % EACH == STREAMS ? of->pidfd : of->streams[i % EACH].fd;
		}
		if (TEMP_FAILURE_RETRY(poll(p, COUNT(p), -1)) < 0)
			return finish(t);
		for (size_t i = 0; i < COUNT(p); i++) {
			struct turn *of = &turns[i / EACH];

			if (p[i].revents && i % EACH != STREAMS)
				take(&of->streams[i % EACH], 1 << 16);
			else if (p[i].revents)
				finish(of);
		}
	}
}

/* The next thing begins at the start of a line, if this one is below a heading. */
static void copy(FILE *to, const struct stream *s, bool heading)
{
	if (!s->text.n)
		return;
	fwrite(s->text.p, 1, s->text.n, to);
	if (heading && s->text.p[s->text.n - 1] != '\n')
		putc('\n', to);
}

static int show_text(const struct turn *t, const char *name, bool heading)
{
	const struct stream *s = t->streams;

	if (heading && (s[SAID].text.n || s[OUT].text.n || s[ERRORS].text.n))
		printf("==> %s <==\n", name);
	copy(stdout, &s[SAID], heading);
	copy(stdout, &s[OUT], heading);
	fflush(stdout);
	copy(stderr, &s[ERRORS], heading);
	if (s[SAID].cut || s[OUT].cut || s[ERRORS].cut)
		log_warn("%s: it wrote more than %d MiB: the rest is not shown", name, KEPT_MAX >> 20);
	return 0;
}

/* As a string can have it: no NUL, and characters. */
static const char *as_text(struct buf *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (!b->p[i])
			b->p[i] = '?';
	out_utf8(b->p);
	return buf_text(b);
}

static int show_record(struct turn *t, const char *name, bool exec)
{
	struct stream *s = t->streams;
	auto_buf struct buf b = { 0 };
	struct jout o;

	out_open(&o, &b);
	jout_str(&o, "name", name);
	if (exec) {
		jout_i64(&o, "status", WEXITSTATUS(t->status));
		jout_str(&o, "output", as_text(&s[OUT].text));
		jout_str(&o, "errors", as_text(&s[ERRORS].text));
	}
	if (s[OUT].cut || s[ERRORS].cut)
		jout_bool(&o, "truncated", true);
	return out_close(&o);
}

int turn_show(const struct cli *g, struct turn *t, const char *name, bool heading)
{
	const struct stream *said = &t->streams[SAID];

	if (!g->json)
		return show_text(t, name, heading);
	/* A part of an object is none. */
	if (said->cut)
		return fail(EFBIG, "%s: what the command says is more than %d MiB", name, KEPT_MAX >> 20);
	if (!said->text.n)
		return show_record(t, name, g->cmd->flags & CMD_EXEC);
	copy(stderr, &t->streams[ERRORS], true);
	return out_text(buf_text(&said->text));
}
