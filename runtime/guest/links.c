#include "runtime/guest/nic.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "runtime/guest/events.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char file[] = "links.json";

struct links { struct list nics, loans; };
static const struct field links_fields[] = {
	SUB(struct links, "nics", K_LIST, nics, &net_nic_record),
	SUB(struct links, "loans", K_LIST, loans, &net_loan_record),
	{ 0 }
};
static const struct record links_record = RECORD("links", struct links, links_fields);

void links_free(struct guest_links *l)
{
	json_free(&l->tree);
	arena_free(&l->arena);
}

int links_load(int dir_fd, struct guest_links *l)
{
	struct links v;
	int r;

	memset(l, 0, sizeof *l);
	r = json_load(dir_fd, file, &l->tree);
	if (r == -ENOENT) {
		err_clear();
		return 0;
	}
	if (r >= 0)
		r = bind_decode(&l->arena, &links_record, l->tree, &v);
	if (r >= 0)
		r = net_check(&v.nics);
	if (r < 0) {
		links_free(l);
		return fail_class(fail_in(r, "%s", file), ERR_CONFIG);
	}
	l->nics = v.nics;
	l->loans = v.loans;
	return 1;
}

int links_store(int dir_fd, const struct guest_links *l)
{
	struct links v = { l->nics.n ? l->nics : (struct list){ 0 }, l->loans.n ? l->loans : (struct list){ 0 } };
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	if (!l->nics.n && !l->loans.n)
		return unlinkat(dir_fd, file, 0) < 0 && errno != ENOENT ? fail_errno("remove %s", file) : 0;
	bind_encode(&o, NULL, &links_record, &v);
	buf_puts(&b, "\n");
	if (b.oom)
		return fail(ENOMEM, "out of memory");
	/* A lent link comes back by itself when the machine goes down: the note need not outlive it. */
	return file_write_volatile(dir_fd, file, b.p, b.n, 0600);
}

static int append(struct arena *a, struct list *l, const void *item, size_t size)
{
	char *v = arena_alloc(a, l->n + 1, size);

	if (!v)
		return fail(ENOMEM, "out of memory");
	if (l->n)
		memcpy(v, l->v, l->n * size);
	memcpy(v + l->n * size, item, size);
	*l = (struct list){ v, l->n + 1 };
	return 0;
}

int links_add(struct guest_links *l, const struct net_nic_conf *nic, const struct net_port *p)
{
	struct net_nic_conf copy = *nic;
	struct net_loan loan;

	copy.index = (struct opt_u32){ p->index, true };
	TRY(append(&l->arena, &l->nics, &copy, sizeof copy));
	if (p->kind != NET_KIND_PHYSICAL)
		return 0;
	TRY(net_loan_note(p, &l->arena, &loan));
	return append(&l->arena, &l->loans, &loan, sizeof loan);
}

const struct net_loan *links_loan(const struct guest_links *l, unsigned index)
{
	LIST_EACH(const struct net_loan, v, l->loans)
		if (v->index.v == index)
			return v;
	return NULL;
}

static void cut(struct list *l, size_t i, size_t size)
{
	char *v = l->v;

	memmove(v + i * size, v + (i + 1) * size, (l->n - i - 1) * size);
	l->n--;
}

void links_remove(struct guest_links *l, unsigned index)
{
	const struct net_nic_conf *nics = l->nics.v;
	const struct net_loan *loans = l->loans.v;

	for (size_t i = l->nics.n; i-- > 0;)
		if (net_nic_index(&nics[i], i) == index)
			cut(&l->nics, i, sizeof *nics);
	for (size_t i = l->loans.n; i-- > 0;)
		if (loans[i].index.v == index)
			cut(&l->loans, i, sizeof *loans);
}

int links_begin(int dir_fd, const struct list *nics, const struct net_port *ports)
{
	auto_links struct guest_links l = { 0 };
	const struct net_nic_conf *v = nics->v;

	for (size_t i = 0; i < nics->n; i++)
		if (v[i].kind > NET_KIND_NETWORK)
			TRY(links_add(&l, &v[i], &ports[i]));
	return l.nics.n ? links_store(dir_fd, &l) : 0;
}

bool links_any(int dir_fd)
{
	return faccessat(dir_fd, file, F_OK, 0) == 0;
}

void links_drop(const struct net_port *ports, size_t n, int netns)
{
	for (size_t i = 0; i < n && netns >= 0; i++)
		if ((ports[i].kind == NET_KIND_MACVLAN || ports[i].kind == NET_KIND_IPVLAN) &&
		    net_detach(&ports[i], netns) < 0)
			err_clear();
}

int links_end(int dir_fd, int netns)
{
	auto_links struct guest_links l = { 0 };
	int r = links_load(dir_fd, &l);

	if (r < 0) {
		log_warn("%s", err_text());
		err_clear();
		return 0;
	}
	if (r == 0)
		return 0;
	for (size_t i = l.loans.n; i-- > 0;) {
		const struct net_loan *v = (const struct net_loan *)l.loans.v + i;

		if (net_loan_take_back(v, netns) < 0) {
			log_warn("%s", err_text());
			(void)event_add(dir_fd, &(struct guest_event){ .event = "link-lost", .detail = err_text() });
			err_clear();
		}
	}
	l.nics.n = l.loans.n = 0;
	return links_store(dir_fd, &l) < 0 ? 0 : 1;
}

static void add_standing(const struct guest_where *at, const char *name, const struct list *nics,
			 struct net_port *ports, size_t *n)
{
	const struct net_nic_conf *v = nics->v;

	for (size_t i = 0; i < nics->n && *n < NET_PORTS_MAX; i++)
		if (v[i].kind > NET_KIND_NETWORK)
			net_standing(at->home, name, &v[i], i, &ports[(*n)++]);
}

static int by_index(const void *a, const void *b)
{
	const struct net_port *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

int nic_ports(const struct guest_where *at, const char *name, int dir_fd, const struct list *conf,
	      struct net_port *ports, size_t *n)
{
	auto_links struct guest_links l = { 0 };

	TRY(net_leased(at->home, name, ports, n));
	if (conf) {
		add_standing(at, name, conf, ports, n);
	} else {
		TRY(links_load(dir_fd, &l));
		add_standing(at, name, &l.nics, ports, n);
	}
	qsort(ports, *n, sizeof *ports, by_index);
	return 0;
}
