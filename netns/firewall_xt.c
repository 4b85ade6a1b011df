/* iptables-nft: matches that JSON only names, but libxtables may have written out in the rule's text. */
#include "netns/firewall_judge.h"

#include <stdio.h>
#include <string.h>

/* The list after `what`: "related,established" or "{ 80, 443 }", each item given to has(). */
static enum truth listed(const char *words, const char *what, bool (*has)(const char *item, const struct packet *p),
			 const struct packet *p)
{
	const char *at = strstr(words, what);
	bool found = false, negated;
	char item[64];

	if (!at)
		return MAYBE;
	at += strlen(what);
	negated = str_starts(at, "!= ");
	at += negated ? 3 : 0;
	bool braces = *at == '{';
	at += braces;
	for (;;) {
		size_t n;

		at += strspn(at, braces ? ", " : ",");
		n = strcspn(at, braces ? ",} " : ", ");
		if (n == 0 || n >= sizeof item)
			break;
		snprintf(item, sizeof item, "%.*s", (int)n, at);
		found |= has(item, p);
		at += n;
	}
	return found != negated ? YES : NO;
}

static bool is_new(const char *item, const struct packet *p)
{
	(void)p;
	return str_eq(item, "new");
}

static bool has_port(const char *item, const struct packet *p)
{
	unsigned a = 0, b = 0;
	int n = sscanf(item, "%u-%u", &a, &b);

	return n > 0 && a <= p->first && p->last <= (n == 2 ? b : a);
}

static bool is_local(const char *item, const struct packet *p)
{
	(void)p;
	return str_eq(item, "local");
}

enum truth judge_xt(const char *name, const char *words, const struct packet *p)
{
	if (str_eq(name, "comment"))
		return YES;
	if (str_eq(name, "conntrack") || str_eq(name, "state"))
		return strstr(words, "ct state ") && strstr(words, "ct ") == strstr(words, "ct state ")
			       ? listed(words, "ct state ", is_new, p) : MAYBE;
	if (str_eq(name, "multiport") && p->first == p->last && !strstr(words, "sport"))
		return listed(words, "dport ", has_port, p);
	if (str_eq(name, "addrtype") && !strstr(words, "fib saddr"))
		return listed(words, "fib daddr type ", is_local, p);
	return MAYBE;
}
