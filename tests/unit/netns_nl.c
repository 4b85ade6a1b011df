/* Conversations over netlink. The kernel is played here: each send is answered with the next of a list of answers. */
#include "netns/nl.h"
#include "base/str.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

enum { ENTRY = RTM_NEWLINK, TOO_LONG = 100 };

/* One message; code: of an error, of the end of a dump, or what an entry is known by. pid: who says it. */
struct says { int type; unsigned flags; int code; uint32_t pid; };
static struct { const struct says *v; size_t n, at; uint32_t seq; int asked; bool again; } kernel;

ssize_t sendmsg(int fd, const struct msghdr *mh, int flags)
{
	(void)fd, (void)flags;
	kernel.seq = ((const struct nlmsghdr *)mh->msg_iov[0].iov_base)->nlmsg_seq;
	kernel.asked++;
	if (kernel.again)
		kernel.at = 0;
	return 1;
}

ssize_t recvfrom(int fd, void *buf, size_t size, int flags, __SOCKADDR_ARG from, socklen_t *from_size)
{
	struct { struct nlmsghdr h; int code; unsigned char rest[16]; } m = { .code = 0 };
	const struct says *s = &kernel.v[kernel.at];

	(void)fd, (void)flags, (void)from_size;
	if (kernel.at == kernel.n) {
		errno = EBADMSG;	/* a real one would wait for ever */
		return -1;
	}
	kernel.at++;
	if (s->type == TOO_LONG)
		return (ssize_t)size + 1;
	m.h = (struct nlmsghdr){ sizeof m, (uint16_t)s->type, (uint16_t)(NLM_F_MULTI | s->flags), kernel.seq, 0 };
	m.code = s->code;
	memcpy(buf, &m, sizeof m);
	((struct sockaddr_nl *)from.__sockaddr__)->nl_pid = s->pid;
	return sizeof m;
}

struct heard { int n, codes[8]; };

static void hear(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct heard *k = ctx;

	CHECK(i == 0 && h->nlmsg_type == ENTRY);
	if (k->n < 8)
		memcpy(&k->codes[k->n++], NLMSG_DATA(h), sizeof k->codes[0]);
}

typedef int talk(struct nlq *q, nlq_reply *reply, void *ctx);

static int play(talk *how, int flags, const struct says *v, size_t n, struct heard *k)
{
	auto_nlq struct nlq q = { .sk = nl_socket_alloc() };
	struct ifinfomsg m = { 0 };
	int r;

	*k = (struct heard){ 0 };
	kernel.v = v;
	kernel.n = n;
	kernel.at = 0;
	kernel.asked = 0;
	nlq_add(&q, RTM_GETLINK, flags, &m, sizeof m);
	r = how(&q, hear, k);
	CHECK(q.n == 0);
	if (r == -EAGAIN)
		CHECK(strstr(q.says, "changed each of the") != NULL);
	return r;
}
#define PLAY(how, flags, k, ...) \
	play(how, flags, (const struct says[]){ __VA_ARGS__ }, \
	     sizeof((const struct says[]){ __VA_ARGS__ }) / sizeof(struct says), k)

#define IS(number)  { ENTRY, 0, number, 0 }
#define END	    { NLMSG_DONE, 0, 0, 0 }

TEST(whole)
{
	struct heard k;

	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, IS(1), IS(2), END) == 0);
	CHECK(k.n == 2 && k.codes[0] == 1 && k.codes[1] == 2 && kernel.asked == 1);
	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, END) == 0 && k.n == 0);
}

TEST(interrupted_is_asked_again)
{
	struct heard k;

	/* Wherever it is said: in a message, in the last one, by itself. */
	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, IS(1), { ENTRY, NLM_F_DUMP_INTR, 2, 0 }, IS(3), END, IS(4), END) == 0);
	CHECK(k.n == 1 && k.codes[0] == 4 && kernel.asked == 2);
	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, IS(1), { NLMSG_DONE, NLM_F_DUMP_INTR, 0, 0 }, IS(4), IS(5), END) == 0);
	CHECK(k.n == 2 && k.codes[0] == 4 && k.codes[1] == 5 && kernel.asked == 2);
	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, IS(1), { NLMSG_OVERRUN, 0, 0, 0 }, END, IS(4), END) == 0);
	CHECK(k.n == 1 && k.codes[0] == 4 && kernel.asked == 2);
}

TEST(interrupted_for_ever)
{
	struct heard k;

	kernel.again = true;
	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, IS(1), { NLMSG_DONE, NLM_F_DUMP_INTR, 0, 0 }) == -EAGAIN);
	kernel.again = false;
	CHECK(k.n == 0 && kernel.asked == 100);
}

TEST(ended_by_an_error)
{
	struct heard k;

	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, IS(1), { NLMSG_DONE, 0, -ENOMEM, 0 }) == -ENOMEM);
	CHECK(k.n == 0 && kernel.asked == 1);
	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, { NLMSG_ERROR, 0, -EPERM, 0 }) == -EPERM);
	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, { NLMSG_DONE, 0, -100000, 0 }) == -EPROTO);
	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, IS(1), { TOO_LONG, 0, 0, 0 }) == -EMSGSIZE);
	CHECK(k.n == 0);
	CHECK(PLAY(nlq_stream, NLM_F_DUMP, &k, IS(1), { NLMSG_DONE, 0, -ENOMEM, 0 }) == -ENOMEM);
}

TEST(stream)
{
	struct heard k;

	CHECK(PLAY(nlq_stream, NLM_F_DUMP, &k, IS(1), { ENTRY, NLM_F_DUMP_INTR, 2, 0 }, END, IS(1), IS(2), END) == 0);
	CHECK(k.n == 4 && k.codes[0] == 1 && k.codes[3] == 2 && kernel.asked == 2);
}

/* What it is told stays as it is. */
static void asks_more(void *ctx, size_t i, const struct nlmsghdr *h)
{
	__typeof__(kernel) outer = kernel;
	struct heard k;

	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, IS(8), IS(9), END) == 0 && k.n == 2);
	kernel = outer;
	hear(ctx, i, h);
}

TEST(asks_within_an_answer)
{
	const struct says v[] = { IS(1), IS(2), END };
	auto_nlq struct nlq q = { .sk = nl_socket_alloc() };
	struct ifinfomsg m = { 0 };
	struct heard k = { 0 };

	for (int twice = 0; twice < 2; twice++) {
		k = (struct heard){ 0 };
		kernel.v = v;
		kernel.n = COUNT(v);
		kernel.at = 0;
		nlq_add(&q, RTM_GETLINK, NLM_F_DUMP, &m, sizeof m);
		CHECK(nlq_stream(&q, asks_more, &k) == 0);
		CHECK(k.n == 2 && k.codes[0] == 1 && k.codes[1] == 2);
	}
}

TEST(one_answer)
{
	struct heard k;

	/* The flag of an interrupted dump says nothing elsewhere. */
	CHECK(PLAY(nlq_talk, 0, &k, { ENTRY, NLM_F_DUMP_INTR, 7, 0 }, { NLMSG_ERROR, 0, 0, 0 }) == 0);
	CHECK(k.n == 1 && k.codes[0] == 7 && kernel.asked == 1);
}

TEST(only_the_kernel_is_believed)
{
	struct heard k;

	CHECK(PLAY(nlq_talk, 0, &k, { ENTRY, 0, 9, 4711 }, { NLMSG_ERROR, 0, 0, 4711 }, IS(1),
		   { NLMSG_ERROR, 0, -ENODEV, 0 }) == -ENODEV);
	CHECK(k.n == 1 && k.codes[0] == 1);
	CHECK(PLAY(nlq_talk, NLM_F_DUMP, &k, { NLMSG_DONE, 0, 0, 4711 }, IS(1), END) == 0 && k.n == 1);
}

UNIT_MAIN(UNIT(whole), UNIT(interrupted_is_asked_again), UNIT(interrupted_for_ever), UNIT(ended_by_an_error),
	  UNIT(stream), UNIT(asks_within_an_answer), UNIT(one_answer), UNIT(only_the_kernel_is_believed))
