/*
 * The host's switches below /proc/sys/net, by what follows ("ipv4/conf/vzbr0/forwarding"), and
 * HOME/networks/.forwarding: what those were that this home has turned.
 */
#pragma once
#include "base/bind.h"

struct net_value { char text[32]; };
/* link: whose it is, by its number in this boot; NULL: of no link. */
struct net_switch { const char *key, *was, *set, *link; };
struct net_book_text { const char *ip_forward; struct list saved; };
/* Zeroed before net_book_open(); what it points to lives until net_book_close(). ip_forward: the host's, before. */
struct net_book {
	struct arena a;
	struct json *tree;
	struct net_book_text b;
	bool dirty;
};

/* 1: how it stands, in now; 0: there is no such switch. */
int net_switch_peek(const char *key, struct net_value *now);
/* The same, of one that stands otherwise only. */
int net_switch_peek_other(const char *key, const char *wanted, struct net_value *now);
int net_switch_poke(const char *key, const char *value);

/*
 * Within net_host_enter(): other homes write there, too (net_forwarding_bequeath()). Empty when there is none. A link
 * that was renamed since is in it by its new name.
 */
int net_book_open(int dirfd, struct net_book *o);
void net_book_close(struct net_book *o);
int net_book_store(int dirfd, const struct net_book *o);
int net_book_forget(int dirfd);
struct net_switch *net_book_find(const struct net_book *o, const char *key);
int net_book_note(struct net_book *o, const char *key, const char *was, const char *set);
/* What stands as the one turned it goes to the other, but for what that has on record itself: this was so before. */
int net_book_hand_over(const struct net_book *from, struct net_book *to);
