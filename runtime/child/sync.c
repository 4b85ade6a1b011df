#include "runtime/child/sync.h"
#include "base/dgram.h"
#include "base/err.h"
#include "base/scope.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct packet {
	uint32_t msg;
	int32_t code, class, pid;
	char text[900];
};

static const char *const names[SYNC_MSGS] = {
	[SYNC_FAILED] = "failed", [SYNC_PID] = "pid", [SYNC_MAPPED] = "mapped", [SYNC_ROOTED] = "rooted",
	[SYNC_HOOKED] = "hooked", [SYNC_CONSOLE] = "console", [SYNC_READY] = "ready", [SYNC_GO] = "go",
	[SYNC_EXEC] = "exec",
	[SYNC_LISTENER] = "listener",
	[SYNC_LISTENED] = "listened", [SYNC_GROUPED] = "grouped", [SYNC_PLUGGED] = "plugged",
};

enum { SHORT = offsetof(struct packet, text) };	/* all but failures carry no text */

static int say(int fd, const struct packet *p, size_t size, int passed)
{
	int r = dgram_send(fd, p, size, &passed, passed >= 0);

	/* Who hung up has said why, perhaps. */
	if (r == -EPIPE) {
		do
			r = sync_next(fd, NULL, NULL);
		while (r >= 0);
		if (r != -ECHILD)
			return r;
	}
	return r < 0 ? fail_in(r, "say \"%s\"", names[p->msg]) : 0;
}

int sync_say(int fd, enum sync_msg m)
{
	return say(fd, &(struct packet){ .msg = m }, SHORT, -1);
}

int sync_say_fd(int fd, enum sync_msg m, int passed)
{
	return say(fd, &(struct packet){ .msg = m }, SHORT, passed);
}

int sync_say_pid(int fd, pid_t pid)
{
	return say(fd, &(struct packet){ .msg = SYNC_PID, .pid = pid }, SHORT, -1);
}

void sync_say_failed(int fd, int r)
{
	struct packet p = { .msg = SYNC_FAILED, .code = -r, .class = (int32_t)err_class() };

	snprintf(p.text, sizeof p.text, "%s", err_text());
	(void)dgram_send(fd, &p, sizeof p, NULL, 0);
}

static int failed(struct packet *p)
{
	int r;

	p->text[sizeof p->text - 1] = '\0';
	r = fail(p->code > 0 ? p->code : EIO, "%s", p->text);
	return p->class > ERR_OTHER && p->class < ERR_CLASSES ? fail_class(r, (enum err_class)p->class) : r;
}

int sync_next(int fd, pid_t *pid, int *passed)
{
	struct packet p = { 0 };
	int got = -1;
	size_t nfds = 1;
	ssize_t n = dgram_recv(fd, &p, sizeof p, &got, &nfds);

	if (n < 0)
		return (int)n;
	if (n == 0)
		return fail(ECHILD, "the other process died without a word");
	if (n < SHORT || p.msg < SYNC_FAILED || p.msg >= SYNC_MSGS) {
		if (got >= 0)
			close(got);
		return fail(EPROTO, "malformed message");
	}
	if (got >= 0 && !passed)
		close(got);
	else if (passed)
		*passed = got;
	if (pid)
		*pid = p.pid;
	return p.msg == SYNC_FAILED ? failed(&p) : (int)p.msg;
}

int sync_hear(int fd, enum sync_msg want, int *passed)
{
	int got = sync_next(fd, NULL, passed);

	if (got == -ECHILD)
		return fail_in(got, "waiting for \"%s\"", names[want]);
	TRY(got);
	return got == (int)want ? 0 : fail(EPROTO, "heard \"%s\", expected \"%s\"", names[got], names[want]);
}

int sync_hear_exec(int fd, sync_listener *take, void *ctx, bool *begun)
{
	bool heard = false;
	int r;

	for (;;) {
		auto_close int got = -1;

		r = sync_next(fd, NULL, &got);
		if (r == SYNC_EXEC && !heard) {
			heard = true;
		} else if (r == SYNC_LISTENER && got >= 0 && take) {
			TRY(take(ctx, got));
			TRY(sync_say(fd, SYNC_LISTENED));
			take = NULL;
		} else {
			break;
		}
		if (heard && begun)
			*begun = true;
	}
	if (r != -ECHILD)
		return r < 0 ? r : fail(EPROTO, "unexpected message %d at exec", r);
	if (!heard)
		return fail_in(r, "container init");
	/* The socket closes at exec: silence is success. */
	err_clear();
	return 0;
}
