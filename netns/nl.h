/*
 * A conversation with the kernel over netlink: several requests in one send, processed by the kernel
 * in their order; one acknowledgement, of the last. Messages are built with libnl.
 */
#pragma once
#include "base/err.h"
#include "base/scope.h"
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stddef.h>

enum { NLQ_MAX = 512 };

struct nlq {
	struct nl_sock *sk;
	struct nl_msg *msg[NLQ_MAX], *end;	/* end: of a batch; no answer comes to it */
	size_t n;
	bool oom;
	size_t bad; /* after a failure: which request, and what the kernel says about it ("" when nothing) */
	char says[128];
};

int nlq_open(struct nlq *q, int protocol);
/* The same to another network namespace, -1: the own. The process must have no other thread. */
int nlq_open_in(struct nlq *q, int protocol, int netns_fd);
void nlq_close(struct nlq *q);
#define auto_nlq SCOPED(nlq_close)

/* A new request with its fixed header; never NULL: after ENOMEM a spare that nlq_talk() refuses to send. */
struct nl_msg *nlq_add(struct nlq *q, int type, int flags, const void *header, size_t n);
/* A question that names one or two things: dozens are asked at once. */
struct nl_msg *nlq_add_short(struct nlq *q, int type, const void *header, size_t n);
/* With room for so many bytes. */
struct nl_msg *nlq_add_large(struct nlq *q, int type, int flags, const void *header, size_t n, size_t room);
/*
 * What was added is a batch of nfnetlink, the first request its begin: all of it or nothing is done, and this ends it.
 * When the begin itself is refused no other answer comes.
 */
void nlq_end_of_batch(struct nlq *q, int type);
/* One that libnl-route built; owned by q from now on. */
void nlq_take(struct nlq *q, struct nl_msg *m);
void nlq_put(struct nlq *q, int attr, const void *p, size_t n);	/* to the newest request */
void nlq_put_str(struct nlq *q, int attr, const char *s);
void nlq_put_u32(struct nlq *q, int attr, uint32_t v);
struct nlattr *nlq_nest(struct nlq *q, int attr);
void nlq_end(struct nlq *q, struct nlattr *nest);

/* Sees each message that is no acknowledgement; i is the request that it answers. */
typedef void nlq_reply(void *ctx, size_t i, const struct nlmsghdr *h);
/*
 * Sends what was added and forgets it. -errno of the first request that failed, without a message: the
 * caller knows what it was about (q->bad, q->says). Dumps (NLM_F_DUMP) go alone; one that the kernel calls
 * inconsistent is asked for anew, and reply sees it when it is whole. -EAGAIN: it never was.
 */
int nlq_talk(struct nlq *q, nlq_reply *reply, void *ctx);
/* A dump too long to be kept: reply sees each message as it comes, after a new beginning once more. */
int nlq_stream(struct nlq *q, nlq_reply *reply, void *ctx);
/* The same where each request may fail by itself: err[i] gets 0 or -errno of request i. */
int nlq_ask(struct nlq *q, nlq_reply *reply, void *ctx, int *err);
/* The message for a failed nlq_talk(): "WHAT: the kernel's words". Returns r. */
int net_fail_talk(const struct nlq *q, int r, const char *fmt, ...) PRINTF(3, 4);

/* A descriptor of the own network namespace. */
int net_ns_own(void);
/* Back to it; who cannot come back ends: nothing that follows may happen in a guest's namespace. */
void net_ns_return(int own);
/* do_it(ctx) in another network namespace, which is left again whatever it says. */
int net_ns_within(int netns_fd, int (*do_it)(void *ctx), void *ctx);
