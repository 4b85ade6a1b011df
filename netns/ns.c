/* Other network namespaces. A socket belongs to the one in which it was made, wherever it is used. */
#include "base/err.h"
#include "netns/nl.h"

#include <fcntl.h>
#include <sched.h>

int net_ns_own(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? fail_errno("open /proc/self/ns/net") : fd;
}

int net_ns_within(int netns_fd, int (*do_it)(void *ctx), void *ctx)
{
	auto_close int own = net_ns_own();
	int r;

	TRY(own);
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return fail_errno("enter the network namespace");
	r = do_it(ctx);
	/* Nothing that follows may happen in a guest's namespace. */
	if (setns(own, CLONE_NEWNET) < 0) {
		(void)fail_errno("return to the own network namespace");
		abort();
	}
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
