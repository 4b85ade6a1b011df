#include "netns/nl.h"
#include "base/err.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { ERRNO_MAX = 4095, /* of the kernel's */ DUMP_TRIES = 100, DATAGRAM_MAX = 131072, USUAL_ROOM = 1024,
       SHORT_ROOM = 192,
       /* An answer takes at least 768 bytes of it, and libnl asks for room for 85. */
       ANSWERS_ROOM = NLQ_MAX * 1024 };

int nlq_open(struct nlq *q, int protocol)
{
	int one = 1, room = ANSWERS_ROOM, r;

	memset(q, 0, sizeof *q);
	q->sk = nl_socket_alloc();
	if (!q->sk)
		return fail(ENOMEM, "netlink: out of memory");
	errno = 0;
	r = nl_connect(q->sk, protocol);
	if (r < 0) {
		int code = errno ? errno : EIO;

		nlq_close(q);
		if (code == EPROTONOSUPPORT)
			return fail_as(ERR_UNSUPPORTED, "this kernel has no netlink family %d", protocol);
		errno = code;
		return fail_errno("netlink socket");
	}
	/* Each of the requests that are sent together may be answered; the host's limit (net.core.rmem_max) is enough. */
	(void)setsockopt(nl_socket_get_fd(q->sk), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	/* The kernel's own words about an error, and requests cut out of its answer. */
	(void)setsockopt(nl_socket_get_fd(q->sk), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
	(void)setsockopt(nl_socket_get_fd(q->sk), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
	return 0;
}

static void forget(struct nlq *q)
{
	for (size_t i = 0; i < q->n; i++)
		nlmsg_free(q->msg[i]);
	nlmsg_free(q->end);
	q->end = NULL;
	q->n = 0;
}

void nlq_close(struct nlq *q)
{
	int saved = errno;

	forget(q);
	if (q->sk)
		nl_socket_free(q->sk);
	q->sk = NULL;
	errno = saved;
}

void nlq_take(struct nlq *q, struct nl_msg *m)
{
	if (m && q->n < NLQ_MAX) {
		q->msg[q->n++] = m;
		return;
	}
	nlmsg_free(m);
	q->oom = true;
}

void nlq_end_of_batch(struct nlq *q, int type)
{
	struct nfgenmsg g = { .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nlq_add(q, type, 0, &g, sizeof g);
	if (!q->oom)
		q->end = q->msg[--q->n];
}

static struct nl_msg *add(struct nlq *q, int type, int flags, const void *header, size_t n, size_t room)
{
	struct nl_msg *m = nlmsg_alloc_size(room);

	if (m && (!nlmsg_put(m, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, NLM_F_REQUEST | flags) ||
		  nlmsg_append(m, (void *)(uintptr_t)header, n, NLMSG_ALIGNTO) < 0)) {
		nlmsg_free(m);
		m = NULL;
	}
	nlq_take(q, m);
	return m;
}

struct nl_msg *nlq_add(struct nlq *q, int type, int flags, const void *header, size_t n)
{
	return nlq_add_large(q, type, flags, header, n, 0);
}

struct nl_msg *nlq_add_short(struct nlq *q, int type, const void *header, size_t n)
{
	return add(q, type, 0, header, n, SHORT_ROOM);
}

struct nl_msg *nlq_add_large(struct nlq *q, int type, int flags, const void *header, size_t n, size_t room)
{
	return add(q, type, flags, header, n, room > USUAL_ROOM ? room : USUAL_ROOM);
}

static struct nl_msg *newest(struct nlq *q)
{
	return q->n && !q->oom ? q->msg[q->n - 1] : NULL;
}

void nlq_put(struct nlq *q, int attr, const void *p, size_t n)
{
	struct nl_msg *m = newest(q);

	if (m && nla_put(m, attr, (int)n, p) < 0)
		q->oom = true;
}

void nlq_put_str(struct nlq *q, int attr, const char *s)
{
	nlq_put(q, attr, s, strlen(s) + 1);
}

void nlq_put_u32(struct nlq *q, int attr, uint32_t v)
{
	nlq_put(q, attr, &v, sizeof v);
}

struct nlattr *nlq_nest(struct nlq *q, int attr)
{
	struct nl_msg *m = newest(q);
	struct nlattr *a = m ? nla_nest_start(m, attr) : NULL;

	if (!a)
		q->oom = true;
	return a;
}

void nlq_end(struct nlq *q, struct nlattr *nest)
{
	struct nl_msg *m = newest(q);

	if (m && nest)
		nla_nest_end(m, nest);
}

static int send_all(struct nlq *q, uint32_t *first)
{
	struct iovec iov[NLQ_MAX + 1];
	size_t n = q->n + (q->end != NULL);
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = n };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t sent;

	mh.msg_name = &kernel;
	mh.msg_namelen = sizeof kernel;
	for (size_t i = 0; i < n; i++) {
		struct nlmsghdr *h = nlmsg_hdr(i < q->n ? q->msg[i] : q->end);

		h->nlmsg_seq = nl_socket_use_seq(q->sk);
		h->nlmsg_flags |= NLM_F_REQUEST;
		h->nlmsg_pid = nl_socket_get_local_port(q->sk);
		if (i == 0)
			*first = h->nlmsg_seq;
		iov[i] = (struct iovec){ h, NLMSG_ALIGN(h->nlmsg_len) };
	}
	do
		sent = sendmsg(nl_socket_get_fd(q->sk), &mh, 0);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static void keep_words(struct nlq *q, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);
	size_t skip = sizeof *e;
	struct nlattr *a;

	q->says[0] = '\0';
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - sizeof e->msg;
	if (h->nlmsg_len < NLMSG_LENGTH(skip))
		return;
	a = nla_find((struct nlattr *)((char *)NLMSG_DATA(h) + skip),
		     (int)(h->nlmsg_len - NLMSG_LENGTH(skip)), NLMSGERR_ATTR_MSG);
	if (a)
		nla_strlcpy(q->says, a, sizeof q->says);
}

/*
 * What is heard of a dump is kept until all of it is there: what changes meanwhile may be left out of it or told twice,
 * and then it begins anew.
 */
struct talk {
	nlq_reply *reply;
	void *ctx;
	int *err, result;
	uint32_t first;
	bool done, dump, keep, cut;
	struct buf kept;
};

static int code_of(const struct nlmsghdr *h)
{
	int code = 0;

	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof code))
		memcpy(&code, NLMSG_DATA(h), sizeof code);
	return code < -ERRNO_MAX ? -EPROTO : code;
}

static void hear(struct nlq *q, struct talk *t, const struct nlmsghdr *h)
{
	size_t i = h->nlmsg_seq - t->first;
	int code;

	/* An answer to somebody who spoke on this socket before. */
	if (i >= q->n)
		return;
	if (t->dump && (h->nlmsg_flags & NLM_F_DUMP_INTR || h->nlmsg_type == NLMSG_OVERRUN))
		t->cut = true;
	if (h->nlmsg_type != NLMSG_ERROR && h->nlmsg_type != NLMSG_DONE) {
		if (t->keep && !t->cut)
			buf_add(&t->kept, h, NLMSG_ALIGN(h->nlmsg_len));
		else if (t->reply && !t->keep)
			t->reply(t->ctx, i, h);
		return;
	}
	/* Both begin with the code: of a dump that ended before its time, too. */
	code = code_of(h);
	if (code < 0 && t->err)
		t->err[i] = code;
	if (code < 0 && !t->result) {
		t->result = code;
		q->bad = i;
		keep_words(q, h);
	}
	if (i == q->n - 1 || (q->end && i == 0 && code < 0))
		t->done = true;
}

static int listen_in(struct nlq *q, struct talk *t, char *b)
{
	while (!t->done) {
		struct sockaddr_nl from = { .nl_pid = 0 };
		socklen_t size = sizeof from;
		ssize_t got = recvfrom(nl_socket_get_fd(q->sk), b, DATAGRAM_MAX, MSG_TRUNC, (struct sockaddr *)&from, &size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		/* Root of a guest may send to a socket in its namespace, as if it were the kernel. */
		if (from.nl_pid != 0)
			continue;
		if (got > DATAGRAM_MAX)
			return -EMSGSIZE;
		int left = (int)got;
		for (struct nlmsghdr *h = (void *)b; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
			hear(q, t, h);
	}
	return 0;
}

/*
 * A link that has been given as many names as it may have is a message of 64 KiB and more. Not on the stack, of which
 * each page would be touched, and copied if the process was forked, for answers of a few hundred bytes; nor allocated,
 * which is a mapping made and taken down for each. Who hears an answer may ask something else meanwhile.
 */
static _Alignas(max_align_t) char usual_room[DATAGRAM_MAX];
static bool usual_taken;

static int listen_all(struct nlq *q, struct talk *t)
{
	bool ours = !usual_taken;
	auto_free char *own = ours ? NULL : malloc(DATAGRAM_MAX);
	int r;

	if (!ours && !own)
		return -ENOMEM;
	usual_taken = true;
	r = listen_in(q, t, ours ? usual_room : own);
	usual_taken = !ours;
	return r;
}

static int replay(struct talk *t)
{
	int left = (int)t->kept.n;

	if (t->kept.oom)
		return -ENOMEM;
	if (t->reply && t->result >= 0)
		for (struct nlmsghdr *h = (void *)t->kept.p; left > 0 && nlmsg_ok(h, left); h = nlmsg_next(h, &left))
			t->reply(t->ctx, 0, h);
	return 0;
}

static int converse(struct nlq *q, struct talk *t)
{
	int r = 0;

	for (int tries = 0; tries < DUMP_TRIES; tries++) {
		t->done = t->cut = false;
		t->kept.n = 0;
		r = send_all(q, &t->first);
		if (r == 0)
			r = listen_all(q, t);
		if (r < 0 || t->result < 0 || !t->cut)
			return r < 0 ? r : replay(t);
	}
	snprintf(q->says, sizeof q->says, "what was asked for changed each of the %d times that it was read", DUMP_TRIES);
	return -EAGAIN;
}

static int ask(struct nlq *q, struct talk *t)
{
	struct nlmsghdr *last;
	int r;

	q->bad = 0;
	q->says[0] = '\0';
	if (q->oom || !q->n) {
		r = q->oom ? -ENOMEM : 0;
		q->oom = false;
		forget(q);
		return r;
	}
	if (t->err)
		memset(t->err, 0, q->n * sizeof *t->err);
	last = nlmsg_hdr(q->msg[q->n - 1]);
	t->dump = (last->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	t->keep &= t->dump;
	/* Errors come unasked; that the last one is done says that all are. */
	if (!t->dump)
		last->nlmsg_flags |= NLM_F_ACK;
	r = converse(q, t);
	forget(q);
	buf_free(&t->kept);
	if (r < 0)
		return r;
	return t->err ? 0 : t->result;
}

int nlq_ask(struct nlq *q, nlq_reply *reply, void *ctx, int *err)
{
	return ask(q, &(struct talk){ .reply = reply, .ctx = ctx, .err = err, .keep = true });
}

int nlq_talk(struct nlq *q, nlq_reply *reply, void *ctx)
{
	return ask(q, &(struct talk){ .reply = reply, .ctx = ctx, .keep = true });
}

int nlq_stream(struct nlq *q, nlq_reply *reply, void *ctx)
{
	return ask(q, &(struct talk){ .reply = reply, .ctx = ctx });
}

int net_fail_talk(const struct nlq *q, int r, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	errno = -r;
	r = fail_errno("%s", what);
	if (q->says[0])
		err_why("the kernel says: %s", q->says);
	if (r == -EPERM || r == -EACCES)
		return fail_class(r, ERR_PERMISSION);
	return r == -EOPNOTSUPP || r == -EAFNOSUPPORT ? fail_class(r, ERR_UNSUPPORTED) : r;
}
