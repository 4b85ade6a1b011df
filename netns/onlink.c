#include "netns/onlink.h"
#include "base/file.h"
#include "base/scope.h"
#include "netns/firewall.h"
#include "netns/hostlinks.h"
#include "netns/nft.h"
#include "netns/rule.h"

#include <string.h>

#define BOOK ".lan"

static void add(struct nft_list *l, const struct net_subnet *s)
{
	struct net_subnet end = *s;

	for (unsigned i = s->prefix; i < 8 * net_addr_size(s->family); i++)
		end.addr[i / 8] |= (unsigned char)(0x80 >> i % 8);
	nft_end(nft_add(l, s->family == AF_INET ? FW_LAN_NET4 : FW_LAN_NET6, s->addr), end.addr);
}

/* A subnet within another, or the same again, would clash with it in the set. */
static bool covered(const struct net_host_links *o, size_t i)
{
	for (size_t k = 0; k < o->n_on; k++)
		if (k != i && net_subnet_overlap(&o->on[k].s, &o->on[i].s) &&
		    (o->on[k].s.prefix < o->on[i].s.prefix || (k < i && o->on[k].s.prefix == o->on[i].s.prefix)))
			return true;
	return false;
}

static int read_book(int dir, struct nft_list *out)
{
	auto_free char *text = NULL;
	char *save = NULL;
	struct net_subnet s;
	int r = file_read(dir, BOOK, &text, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		TRY_IN(net_peer_parse(l, &s), "networks/" BOOK);
		add(out, &s);
	}
	return 0;
}

void net_onlink_forget(int dir)
{
	(void)unlinkat(dir, BOOK, 0);
}

/* As it is on the host now: elements, and the same as the book's text. */
static int look(struct nft_list *is, struct buf *book)
{
	SCOPED(net_host_links_free) struct net_host_links o = { 0 };
	char text[64];

	TRY(net_host_links_read(&o));
	for (size_t i = 0; i < o.n_on; i++) {
		if (covered(&o, i))
			continue;
		add(is, &o.on[i].s);
		net_subnet_text(&o.on[i].s, text, sizeof text);
		buf_printf(book, "%s\n", text);
	}
	return 0;
}

int net_onlink_moved(int dir)
{
	auto_nft_list struct nft_list is = { 0 };
	auto_buf struct buf book = { 0 };
	auto_free char *was = NULL;
	int r = file_read(dir, BOOK, &was, NULL);

	if (r < 0)
		return r == -ENOENT ? 1 : r;
	TRY(look(&is, &book));
	return !str_eq(was, buf_text(&book));
}

int net_onlink_refresh(const struct net_home *h, int dir)
{
	auto_nft_list struct nft_list was = { 0 }, is = { 0 };
	auto_buf struct buf book = { 0 };

	TRY(look(&is, &book));
	TRY(read_book(dir, &was));
	/* One by one: what stood and stands may be missing where somebody emptied the set. */
	int r = nft_change(h->table, &was, NULL);
	if (r == 0)
		r = nft_change(h->table, NULL, &is);
	if (r == -ENOENT || r == -EEXIST)
		return fail(EIO, "nftables table %s is not as it should be (vzrun network apply)", h->table);
	TRY(r);
	return file_write_atomic(dir, BOOK, book.p ? book.p : "", book.n, 0600);
}
