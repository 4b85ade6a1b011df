/* Other network namespaces. A socket belongs to the one in which it was made, wherever it is used. */
#include "base/err.h"
#include "base/log.h"
#include "netns/nl.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

enum { RETURN_TRIES = 10 };

int net_ns_own(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? fail_errno("open /proc/self/ns/net") : fd;
}

void net_ns_return(int own)
{
	for (int tries = 1; setns(own, CLONE_NEWNET) < 0; tries++)
		if (tries == RETURN_TRIES) {
			log_warn("cannot return to the own network namespace: %s", strerrordesc_np(errno));
			_exit(ERR_OTHER);
		}
}

int net_ns_within(int netns_fd, int (*do_it)(void *ctx), void *ctx)
{
	auto_close int own = net_ns_own();
	int r;

	TRY(own);
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return fail_errno("enter the network namespace");
	r = do_it(ctx);
	net_ns_return(own);
	return r;
}

struct opening { struct nlq *q; int protocol; };

static int open_it(void *ctx)
{
	struct opening *o = ctx;

	return nlq_open(o->q, o->protocol);
}

int nlq_open_in(struct nlq *q, int protocol, int netns_fd)
{
	struct opening o = { q, protocol };

	return netns_fd < 0 ? nlq_open(q, protocol) : net_ns_within(netns_fd, open_it, &o);
}
