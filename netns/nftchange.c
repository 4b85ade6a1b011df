/*
 * From elements that stood to elements that stand. Each transaction waits for a grace period of the kernel's: as many
 * changes go together as one send takes.
 */
#include "base/scope.h"
#include "netns/firewall.h"
#include "netns/link.h"
#include "netns/nft.h"
#include "netns/nftexpr.h"
#include "netns/shortcut.h"

#include <linux/netfilter/nf_tables.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

struct step { const struct nft_elem *e; bool add; };

static int by_value(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): push() zeroes them whole */
	return memcmp(x->e, y->e, sizeof *x->e);
}

static bool stamped(const struct step *s) { return s->e->comment[0]; }

/*
 * The elements that a start looks at go first and come last: where several sends are needed, and one of them is the
 * last, they say so. Removals come before all that comes.
 */
static int by_turn(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->add != y->add)
		return x->add ? 1 : -1;
	if (stamped(x) != stamped(y))
		return stamped(x) == x->add ? 1 : -1;
	return by_value(a, b);
}

/* Both lists sorted together: what is there twice, once to go and once to come, stays. */
static size_t difference(const struct nft_list *was, const struct nft_list *is, struct step *s)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; was && i < was->n; i++)
		s[n++] = (struct step){ &was->v[i], false };
	for (size_t i = 0; is && i < is->n; i++)
		s[n++] = (struct step){ &is->v[i], true };
	if (n)
		qsort(s, n, sizeof *s, by_value);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && s[i].add != s[i + 1].add && by_value(&s[i], &s[i + 1]) == 0)
			i++;
		else
			s[k++] = s[i];
	}
	if (k)
		qsort(s, k, sizeof *s, by_turn);
	return k;
}

/* ---- what goes into one send ----------------------------------------------------------------------------- */

enum { REQUESTS_MAX = NLQ_MAX - 2, REQUEST_BYTES = 32 << 10, SEND_BYTES = 4 << 20 };

/* many: of one set together, because one by one they are more than go into a send. */
struct sending { struct nlq q; const char *table; bool many, destroys; size_t room; };
struct batch { struct { size_t first, n; } of[REQUESTS_MAX]; size_t n; };

/* How many of the steps make one request. */
static size_t group(const struct sending *c, const struct step *s, size_t n, size_t *bytes)
{
	size_t k = 0;

	*bytes = 0;
	do
		*bytes += nft_room(s[k++].e);
	while (c->many && s->e->set != FW_INGRESS && (s->add || c->destroys) && k < n && s[k].add == s->add &&
	       s[k].e->set == s->e->set && *bytes < REQUEST_BYTES);
	return k;
}

/* Where there is the netdev table, the kernel can; it may have none of what should go. */
static bool destroys(const struct sending *c, const struct nft_elem *e)
{
	return (c->many && c->destroys) || fw_sets[e->set].family == FW_NETDEV;
}

static void put_elements(struct sending *c, const struct step *s, size_t n, size_t bytes)
{
	int type = s->add ? NFT_MSG_NEWSETELEM : destroys(c, s->e) ? NFTX_DESTROYSETELEM : NFT_MSG_DELSETELEM;
	struct nlattr *list = nft_begin(&c->q, c->table, s->e, type, s->add ? NLM_F_CREATE : 0, bytes + 256);

	for (size_t i = 0; i < n; i++)
		nft_put(&c->q, s[i].e, s->add);
	nlq_end(&c->q, list);
}

/* Returns how many of the steps it took. */
static size_t fill(struct sending *c, const struct step *s, size_t n, struct batch *b)
{
	size_t at = 0, bytes, sum = 0;

	b->n = 0;
	nftx_begin(&c->q);
	while (at < n && b->n < REQUESTS_MAX) {
		size_t k = group(c, s + at, n - at, &bytes);
		const struct step *first = &s[at];

		if (at && sum + bytes > c->room)
			break;
		if (first->e->set == FW_INGRESS)
			net_shortcut_put_link(&c->q, c->table, (const char *)first->e->key, first->add);
		else
			put_elements(c, first, k, bytes);
		b->of[b->n].first = at;
		b->of[b->n++].n = k;
		at += k;
		sum += bytes;
	}
	nftx_commit(&c->q);
	return at;
}

/*
 * What was gone is not asked for again. Returns how many of the n steps that were sent are left, or -errno; *again:
 * nothing was done.
 */
static int send_some(struct sending *c, struct step *s, size_t n, const struct batch *b, bool *again)
{
	int err[NLQ_MAX], r;
	size_t k = 0;

	*again = false;
	r = nlq_ask(&c->q, NULL, NULL, err);
	TRY(r);
	TRY(err[0]);
	for (size_t i = 0; i < b->n; i++) {
		const struct step *of = s + b->of[i].first;

		r = err[i + 1];
		if (r == -EINVAL && !of->add && c->many && c->destroys) {
			c->destroys = false;
			*again = true;
			return (int)n;
		}
		if (r == -ENOENT && !of->add) {
			*again = true;
			continue;
		}
		TRY(r == -EBUSY ? -EEXIST : r);
		memmove(s + k, of, b->of[i].n * sizeof *s);
		k += b->of[i].n;
	}
	return (int)k;
}

/* Bytes that the socket takes at once; and each request about what is gone is an answer. */
static size_t make_room(const struct nlq *q)
{
	int fd = nl_socket_get_fd(q->sk), n = SEND_BYTES, answers = 256 << 10;
	socklen_t size = sizeof n;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &answers, sizeof answers);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &n, sizeof n) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof n);
	return getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, &size) < 0 ? 0 : (size_t)n / 2;
}

static void sending_end(struct sending *c) { nlq_close(&c->q); }

static int send_steps(const char *table, struct step *s, size_t n)
{
	SCOPED(sending_end) struct sending c = { .table = table, .many = n > REQUESTS_MAX, .destroys = true };
	struct batch b;
	bool again;

	TRY(nlq_open(&c.q, NETLINK_NETFILTER));
	c.room = make_room(&c.q);
	for (size_t at = 0; at < n;) {
		size_t some = fill(&c, s + at, n - at, &b);
		int r = send_some(&c, s + at, some, &b, &again);

		if (r == -ENOENT || r == -EEXIST)
			return r;
		if (r < 0)
			return net_fail_talk(&c.q, r, "nftables table %s", table);
		if (again)
			memmove(s + at + some - r, s + at, (size_t)r * sizeof *s);
		at += again ? some - (size_t)r : some;
	}
	return 0;
}

int nft_change(const char *table, const struct nft_list *was, const struct nft_list *is)
{
	size_t n = (was ? was->n : 0) + (is ? is->n : 0);
	auto_free struct step *s = calloc(n + 1, sizeof *s);

	if (!s || (was && was->oom) || (is && is->oom))
		return fail(ENOMEM, "nftables table %s: out of memory", table);
	n = difference(was, is, s);
	return n ? send_steps(table, s, n) : 0;
}
