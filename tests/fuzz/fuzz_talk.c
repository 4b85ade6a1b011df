/*
 * What other processes say to the runtime and to the keeper: clients of a console, the first process of a container,
 * its notify socket, CRIU. Each part of the input is one datagram.
 */
#include "runtime/container/criu.c"

#include "runtime/child/sync.h"
#include "runtime/container/notify_socket.h"
#include "runtime/guest/keeper.h"
#include "tests/fuzz/fuzz.h"

struct talk { int in, out; };	/* what is sent to `in` is heard from `out` */

static void keeper(const struct talk *t)
{
	static struct keeper k;

	k = (struct keeper){ .report = -1, .listener = -1, .tty = -1, .log = -1, .pidfd = -1 };
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		k.client[i].fd = -1;
	k.client[0].fd = dup(t->out);
	/* Each datagram is an event; a client that says what is no message is dropped. */
	for (int i = 0; i < 64 && k.client[0].fd >= 0; i++)
		keeper_client(&k, 0);
	if (k.client[0].fd >= 0)
		close(k.client[0].fd);
}

static int take(void *ctx, int listener)
{
	(void)ctx;
	demand(listener >= 0);
	return 0;
}

static void child(const struct talk *t)
{
	bool begun = false;
	pid_t pid;
	int r;

	r = sync_next(t->out, &pid, NULL);
	demand(r < SYNC_MSGS && r != 0);
	(void)sync_hear(t->out, SYNC_ROOTED, NULL);
	(void)sync_hear_exec(t->out, take, NULL, &begun);
}

static void ready(const struct talk *t)
{
	int fd = dup(t->out);

	demand(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	notify_pass(&fd, 1);
	if (fd >= 0)
		close(fd);
	demand(fcntl(t->out, F_SETFL, 0) == 0);
}

static int notice(void *ctx, const char *script, pid_t pid, int *passed)
{
	(void)ctx, (void)pid;
	demand(strlen(script) < 64 && *passed < 0);
	return 0;
}

static void criu(const struct talk *t)
{
	auto_buf struct buf opts = { 0 };
	struct criu_run run = { .type = CRIU_DUMP, .opts = &opts, .notify = notice };

	criu_num(&opts, CRIU_PID, 1);
	(void)converse(&run, t->out);
}

static const struct { char letter; void (*run)(const struct talk *t); } talks[] = {
	{ 'k', keeper }, { 'c', child }, { 'n', ready }, { 'r', criu },
};

static void say(int fd, const uint8_t *data, size_t size)
{
	while (size > 2) {
		size_t n = data[0] | (size_t)data[1] << 8;

		data += 2, size -= 2;
		n = n < size ? n : size;
		if (n == 0 || send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
		data += n, size -= n;
	}
}

/* A letter: who speaks; parts with their lengths. Then it hangs up. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int sv[2];

	if (size < 1)
		return 0;
	for (size_t i = 0; i < COUNT(talks); i++) {
		if (data[0] != talks[i].letter)
			continue;
		demand(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0);
		say(sv[0], data + 1, size - 1);
		/* Written to, it takes; read from, it has come to its end. */
		demand(shutdown(sv[0], SHUT_WR) == 0);
		talks[i].run(&(struct talk){ sv[0], sv[1] });
		close(sv[0]);
		close(sv[1]);
	}
	err_clear();
	return 0;
}
