/* One condition of a foreign rule against a packet of which some things are known. */
#include "netns/firewall_judge.h"
#include "base/scope.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static enum truth both(enum truth a, enum truth b) { return a < b ? a : b; }
static enum truth either(enum truth a, enum truth b) { return a > b ? a : b; }
static enum truth sure(bool v) { return v ? YES : NO; }

/* ---- values on the right ---------------------------------------------------------------------------- */

bool judge_number(struct json *v, unsigned long *out)
{
	uint64_t n;
	int64_t i;

	if (json_i64(v, &i)) {
		*out = (unsigned long)i;
		return true;
	}
	if (!json_is(v, JSON_STRING) || str_u64(json_string(v), UINT32_MAX, &n) < 0)
		return false;
	*out = (unsigned long)n;
	return true;
}

static enum truth in_ports(struct json *v, const struct packet *p)
{
	unsigned long a, b;
	struct json *range = json_get(v, "range");

	if (range && json_is(range, JSON_ARRAY) && range->n == 2) {
		if (!judge_number(range->values[0], &a) || !judge_number(range->values[1], &b))
			return MAYBE;
	} else if (judge_number(v, &a)) {
		b = a;
	} else {
		return MAYBE;
	}
	if (b < p->first || a > p->last)
		return NO;
	return a <= p->first && p->last <= b ? YES : MAYBE;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned rest = bits % 8;

	return memcmp(a, b, bits / 8) == 0 && (!rest || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0);
}

/* Is every address of s, or none, in what v says? */
static enum truth in_addresses(struct json *v, int family, const struct sources *s)
{
	unsigned bits = family == AF_INET ? 32 : 128, len = bits;
	struct json *prefix = json_get(v, "prefix"), *range = json_get(v, "range");
	const char *text = json_is(v, JSON_STRING) ? json_string(v) : NULL;
	unsigned char a[16], b[16];
	unsigned long n;

	if (range && json_is(range, JSON_ARRAY) && range->n == 2 && !s->any && s->prefix == bits) {
		const char *lo = json_string(range->values[0]);
		const char *hi = json_string(range->values[1]);

		if (!lo || !hi || inet_pton(family, lo, a) != 1 || inet_pton(family, hi, b) != 1)
			return MAYBE;
		return sure(memcmp(a, s->addr, bits / 8) <= 0 && memcmp(s->addr, b, bits / 8) <= 0);
	}
	if (prefix) {
		text = json_get_str(prefix, "addr");
		if (!json_get(prefix, "len") || !judge_number(json_get(prefix, "len"), &n) || n > bits)
			return MAYBE;
		len = (unsigned)n;
	}
	if (!text || inet_pton(family, text, a) != 1)
		return MAYBE;
	if (s->any)
		return len == 0 ? YES : MAYBE;
	if (len <= s->prefix)
		return sure(same_bits(a, s->addr, len));
	return same_bits(a, s->addr, s->prefix) ? MAYBE : NO;
}

static bool like(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	return n && pattern[n - 1] == '*' ? strncmp(pattern, name, n - 1) == 0 : str_eq(pattern, name);
}

/* A word that may be its number, too. */
static enum truth is_word(struct json *v, const char *word, unsigned long value)
{
	unsigned long n;

	if (judge_number(v, &n))
		return sure(n == value);
	return json_is(v, JSON_STRING) ? sure(str_eq(json_string(v), word)) : MAYBE;
}

/* ---- what is on the left ------------------------------------------------------------------------------ */

enum what {
	UNKNOWN, NOT_THIS, IIF, PROTO, DPORT, SADDR, DADDR, NFPROTO, CT_STATE, CT_STATUS, CT_DIRECTION, TCP_FLAGS,
	PKTTYPE, FIB_TYPE,
};

static enum what payload(const char *protocol, const char *field, const struct packet *p)
{
	if (!protocol || !field)
		return UNKNOWN;
	if (str_eq(protocol, "ip") || str_eq(protocol, "ip6")) {
		if (p->family != (protocol[2] ? AF_INET6 : AF_INET))
			return NOT_THIS;
		return str_eq(field, "saddr") ? SADDR : str_eq(field, "daddr") ? DADDR
		     : str_eq(field, "protocol") || str_eq(field, "nexthdr") ? PROTO : UNKNOWN;
	}
	if (str_eq(protocol, "tcp") || str_eq(protocol, "udp")) {
		if (p->proto != (protocol[0] == 't' ? IPPROTO_TCP : IPPROTO_UDP))
			return NOT_THIS;
		return str_eq(field, "dport") ? DPORT : str_eq(field, "flags") ? TCP_FLAGS : UNKNOWN;
	}
	if (str_eq(protocol, "th"))
		return str_eq(field, "dport") ? DPORT : UNKNOWN;
	return str_eq(protocol, "ether") || str_eq(protocol, "vlan") ? UNKNOWN : NOT_THIS;
}

static enum what meta(const char *key)
{
	static const struct { const char *key; enum what what; } known[] = {
		{ "iifname", IIF }, { "iif", IIF }, { "l4proto", PROTO }, { "nfproto", NFPROTO },
		{ "pkttype", PKTTYPE },
	};

	for (size_t i = 0; key && i < COUNT(known); i++)
		if (str_eq(key, known[i].key))
			return known[i].what;
	return UNKNOWN;
}

static enum what left_is(struct json *left, const struct packet *p)
{
	struct json *v, *flags;
	const char *key;

	if ((v = json_get(left, "payload")))
		return payload(json_get_str(v, "protocol"), json_get_str(v, "field"), p);
	if ((v = json_get(left, "meta")))
		return meta(json_get_str(v, "key"));
	if ((v = json_get(left, "ct"))) {
		key = json_get_str(v, "key");
		return !key ? UNKNOWN : str_eq(key, "state") ? CT_STATE : str_eq(key, "status") ? CT_STATUS
		     : str_eq(key, "direction") ? CT_DIRECTION : UNKNOWN;
	}
	if ((v = json_get(left, "fib"))) {
		key = json_get_str(v, "result");
		flags = json_get(v, "flags");
		/* With "iif" it is another question. */
		if (key && str_eq(key, "type") && flags &&
		    (json_is(flags, JSON_STRING) || (json_is(flags, JSON_ARRAY) && flags->n == 1)))
			return FIB_TYPE;
	}
	return UNKNOWN;
}

static enum truth value(enum what w, struct json *v, const struct packet *p)
{
	struct sources to = { .prefix = p->family == AF_INET ? 32 : 128 };
	const char *text = json_is(v, JSON_STRING) ? json_string(v) : NULL;

	memcpy(to.addr, p->to, sizeof to.addr);
	switch (w) {
	case NOT_THIS: return NO;
	case IIF: return text ? sure(like(text, p->iif)) : MAYBE;
	case PROTO: return p->proto == IPPROTO_TCP ? is_word(v, "tcp", IPPROTO_TCP) : is_word(v, "udp", IPPROTO_UDP);
	case DPORT: return in_ports(v, p);
	case SADDR: return in_addresses(v, p->family, &p->from);
	case DADDR: return p->to_known ? in_addresses(v, p->family, &to) : MAYBE;
	case NFPROTO: return p->family == AF_INET ? is_word(v, "ipv4", 2) : is_word(v, "ipv6", 10);
	case CT_STATE: return is_word(v, "new", 8);
	case CT_DIRECTION: return is_word(v, "original", 0);
	/* As nobody translated it, if it comes to these chains at all. */
	case CT_STATUS: return text && (str_eq(text, "dnat") || str_eq(text, "snat")) ? NO : MAYBE;
	case PKTTYPE: return either(is_word(v, "host", 0), is_word(v, "unicast", 0));
	case FIB_TYPE: return is_word(v, "local", 2);
	default: return MAYBE;
	}
}

/* ---- both sides ------------------------------------------------------------------------------------------ */

enum { PARTS_MAX = 8 };
struct left { enum what part[PARTS_MAX]; size_t n; bool concat; };

bool judge_items(struct json *v, const char *key, struct json **list)
{
	*list = json_get(v, key);
	return *list && json_is(*list, JSON_ARRAY);
}

static struct left left_of(struct json *v, const struct packet *p)
{
	struct left l = { .n = 1 };
	struct json *list;

	l.concat = judge_items(v, "concat", &list);
	if (!l.concat) {
		l.part[0] = left_is(v, p);
		return l;
	}
	for (l.n = 0; l.n < list->n && l.n < PARTS_MAX; l.n++)
		l.part[l.n] = left_is(list->values[l.n], p);
	if (list->n > PARTS_MAX)
		l.part[0] = UNKNOWN;
	return l;
}

static enum truth one(const struct left *l, struct json *v, const struct packet *p)
{
	struct json *parts, *inner = json_get(v, "elem");
	enum truth t = YES;

	/* An element may have a limit of its own. */
	if (inner && json_get(inner, "val"))
		return both(json_get(inner, "limit") || json_get(inner, "quota") ? MAYBE : YES,
			   one(l, json_get(inner, "val"), p));
	if (!l->concat)
		return value(l->part[0], v, p);
	if (!judge_items(v, "concat", &parts) || parts->n != l->n)
		return MAYBE;
	for (size_t i = 0; i < l->n; i++)
		t = both(t, value(l->part[i], parts->values[i], p));
	return t;
}

/* A set or map by its name; NULL: there is none. */
static struct json *named(const struct foreign *f, const char *name)
{
	struct json *objects;

	for (size_t i = 0; judge_items(f->list, "nftables", &objects) && i < objects->n; i++) {
		struct json *set = json_get(objects->values[i], "set");
		const char *its;

		set = set ? set : json_get(objects->values[i], "map");
		its = set ? json_get_str(set, "name") : NULL;
		if (its && str_eq(its, name))
			return set;
	}
	return NULL;
}

/* What packets fill, or what times out, says nothing about the next packet. */
static bool moves(struct json *set)
{
	struct json *flags;

	if (json_get(set, "timeout"))
		return true;
	for (size_t i = 0; judge_items(set, "flags", &flags) && i < flags->n; i++)
		if (json_is(flags->values[i], JSON_STRING) &&
		    (str_eq(json_string(flags->values[i]), "dynamic") ||
		     str_eq(json_string(flags->values[i]), "timeout")))
			return true;
	return false;
}

/* The elements that v names or lists; NULL: it is none of these. *unsure: they come and go. */
static struct json *elements_of(const struct foreign *f, struct json *v, bool *unsure, bool *none)
{
	const char *text = json_is(v, JSON_STRING) ? json_string(v) : NULL;
	struct json *set, *list = NULL;

	*unsure = *none = false;
	if (json_is(v, JSON_ARRAY))
		return v;
	if (judge_items(v, "set", &list))
		return list;
	if (!text || *text != '@')
		return NULL;
	set = named(f, text + 1);
	*unsure = !set || moves(set);
	*none = set && !judge_items(set, "elem", &list);
	return set && !*none ? list : NULL;
}

static enum truth right_has(const struct foreign *f, const struct left *l, struct json *right, const struct packet *p)
{
	bool unsure, none;
	struct json *list = elements_of(f, right, &unsure, &none);
	enum truth t = NO;

	/* Of a field that the packet does not have, no value matches. */
	for (size_t i = 0; i < l->n; i++)
		if (l->part[i] == NOT_THIS)
			return NO;
	if (unsure)
		return MAYBE;
	if (none)
		return NO;
	if (!list)
		return one(l, right, p);
	for (size_t i = 0; i < list->n; i++)
		t = either(t, one(l, list->values[i], p));
	return t;
}

static enum truth opposite(enum truth t) { return t == YES ? NO : t == NO ? YES : MAYBE; }

enum truth judge_match(const struct foreign *f, struct json *match, const struct packet *p)
{
	struct json *left = json_get(match, "left"), *right = json_get(match, "right"), *masked;
	const char *op = json_get_str(match, "op");
	struct left l;
	unsigned mask = 255;
	enum truth t;

	if (!left || !right || !op)
		return MAYBE;
	if (judge_items(left, "&", &masked) && masked->n == 2) {
		l = left_of(masked->values[0], p);
		mask = 0;
		if (l.part[0] != NOT_THIS && (l.part[0] != TCP_FLAGS || !judge_flag_bits(masked->values[1], &mask)))
			return MAYBE;
	} else {
		l = left_of(left, p);
	}
	/* "tcp dport != 25" is no match of a datagram: the protocol is asked first. */
	for (size_t i = 0; i < l.n; i++)
		if (l.part[i] == NOT_THIS)
			return NO;
	if (!str_eq(op, "==") && !str_eq(op, "!=") && !str_eq(op, "in"))
		return MAYBE;
	t = !l.concat && l.part[0] == TCP_FLAGS ? judge_flags(mask, op, right) : right_has(f, &l, right, p);
	return str_eq(op, "!=") ? opposite(t) : t;
}

enum truth judge_vmap(const struct foreign *f, struct json *vmap, const struct packet *p,
		      void (*each)(void *ctx, enum truth t, struct json *verdict), void *ctx)
{
	struct left l = left_of(json_get(vmap, "key"), p);
	bool unsure, none;
	struct json *list = elements_of(f, json_get(vmap, "data"), &unsure, &none);
	enum truth all = NO;

	if (none && !unsure)
		return NO;
	if (!list || unsure)
		return MAYBE;
	for (size_t i = 0; i < list->n; i++) {
		struct json *pair = list->values[i];
		enum truth t;

		if (!json_is(pair, JSON_ARRAY) || pair->n != 2)
			return MAYBE;
		t = one(&l, pair->values[0], p);
		if (t != NO)
			each(ctx, t, pair->values[1]);
		all = either(all, t);
	}
	return all;
}
