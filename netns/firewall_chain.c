/* The chains of a foreign table, followed as the kernel would, every branch that may be taken. */
#include "netns/firewall_judge.h"
#include "base/scope.h"

#include <stdio.h>
#include <string.h>

enum { MAY_ACCEPT = 1, MAY_DROP = 2, MAY_GO_ON = 4, MAY_RETURN = 8 };
enum { DEPTH_MAX = 16, RULES_MAX = 200000 };

struct walk {
	const struct foreign *f;
	const struct packet *p;
	struct reason *why;
	const char *base;
	int depth;
	unsigned seen;		/* rules; a table may be built to have no end */
};

static int chain(struct walk *w, const char *name);

/* The rule's line in the table's text, which ends in its handle. */
static void words_of(const struct foreign *f, const char *chain_name, long long handle, char *out,
		     size_t size)
{
	char head[160], tail[40];
	const char *at = f->text, *end;

	snprintf(head, sizeof head, "\tchain %s {", chain_name);
	snprintf(tail, sizeof tail, " # handle %lld\n", handle);
	snprintf(out, size, "rule %lld", handle);
	at = at ? strstr(at, head) : NULL;
	end = at ? strstr(at + strlen(head), tail) : NULL;
	if (!end)
		return;
	for (at = end; at > f->text && at[-1] != '\n';)
		at--;
	at += strspn(at, " \t");
	snprintf(out, size, "%.*s", (int)(end - at), at);
}

/* The first reason is told. */
static void drop_here(struct walk *w, const char *rule, bool sure)
{
	if (w->why->chain[0])
		return;
	snprintf(w->why->chain, sizeof w->why->chain, "%s %s %s", w->f->family, w->f->name, w->base);
	snprintf(w->why->rule, sizeof w->why->rule, "%s", rule);
	w->why->sure = sure;
}

/* Of an xt target; what is not known may do anything. */
static int target(const char *name)
{
	static const char *const harmless[] = {
		"LOG", "NFLOG", "MARK", "CONNMARK", "TRACE", "SECMARK", "CONNSECMARK", "CLASSIFY", "TOS", "DSCP",
	};

	for (size_t i = 0; name && i < COUNT(harmless); i++)
		if (str_eq(name, harmless[i]))
			return MAY_GO_ON;
	return MAY_DROP;
}

/* {"accept": null}, {"jump": {"target": ...}}: flags, 0 when it is no verdict. */
static int verdict(struct walk *w, struct json *s)
{
	struct json *to;
	int r;

	if (!json_is(s, JSON_OBJECT) || s->n == 0)
		return MAY_DROP;
	const char *key = s->keys[0];
	if (str_eq(key, "accept"))
		return MAY_ACCEPT;
	if (str_eq(key, "drop") || str_eq(key, "reject") || str_eq(key, "queue") || str_eq(key, "synproxy"))
		return MAY_DROP;
	if (str_eq(key, "return"))
		return MAY_RETURN;
	if (str_eq(key, "continue"))
		return MAY_GO_ON;
	to = json_get(s, "jump");
	if (!to && !json_get(s, "goto"))
		return 0;
	r = chain(w, json_get_str(to ? to : json_get(s, "goto"), "target"));
	/* After a jump the next rule, after a goto the end. */
	if (r & MAY_GO_ON && !to)
		r = (r & ~MAY_GO_ON) | MAY_RETURN;
	return r;
}

/* A rule on the way: how sure it is that the packet came so far, and what may have become of it. */
struct line {
	struct walk *w;
	struct json *rule;
	const char *chain;
	enum truth t;
	int flags;
	bool end;
	char words[400];
};

static const char *words(struct line *l)
{
	int64_t handle = 0;

	if (!l->words[0]) {
		(void)json_i64(json_get(l->rule, "handle"), &handle);
		words_of(l->w->f, l->chain, handle, l->words, sizeof l->words);
	}
	return l->words;
}

static void dropped(struct line *l, enum truth t)
{
	drop_here(l->w, words(l), t == YES && l->t == YES);
	l->flags |= MAY_DROP;
}

/* 0: no verdict. */
static int take(struct line *l, enum truth t, struct json *s)
{
	bool told = l->w->why->chain[0];
	int r = verdict(l->w, s);

	if (r & MAY_DROP && !l->w->why->chain[0])
		dropped(l, t);
	/* By a chain that it may not come to. */
	if (!told && (t != YES || l->t != YES))
		l->w->why->sure = false;
	l->flags |= r;
	return r;
}

static void branch(void *ctx, enum truth t, struct json *v)
{
	if (!take(ctx, t, v))
		dropped(ctx, MAYBE);
}

/* A look-up without an answer ends the rule, too. */
static void by_map(struct line *l, struct json *vmap)
{
	int before = l->flags;
	enum truth t = judge_vmap(l->w->f, vmap, l->w->p, branch, l);

	if (t == MAYBE && l->flags == before)
		dropped(l, MAYBE);
	if (t != YES || l->t != YES)
		l->flags |= MAY_GO_ON;
	l->end = true;
}

static enum truth by_xt(struct line *l, struct json *xt)
{
	const char *type = json_get_str(xt, "type"), *name = json_get_str(xt, "name");

	if (type && name && str_eq(type, "match"))
		return judge_xt(name, words(l), l->w->p);
	if (target(type && str_eq(type, "target") ? name : NULL) == MAY_DROP) {
		dropped(l, YES);
		l->flags |= l->t == YES ? 0 : MAY_GO_ON;
		l->end = true;
	}
	return YES;
}

/* Statements that decide nothing. */
static bool harmless(const char *key)
{
	static const char *const known[] = {
		"counter", "log", "mangle", "ct helper", "ct timeout", "secmark", "notrack", "comment", "last", "dup",
		"ct expectation",
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq(key, known[i]))
			return true;
	return false;
}

/* "add @x { ip saddr limit rate over ... }" matches as its limit does. */
static enum truth dynamic(struct json *set)
{
	struct json *stmt = json_get(set, "stmt");

	return stmt && !(json_is(stmt, JSON_ARRAY) && stmt->n == 0) ? MAYBE : YES;
}

static enum truth statement(struct line *l, struct json *s)
{
	struct json *v;

	if (!json_is(s, JSON_OBJECT) || s->n == 0)
		return MAYBE;
	if ((v = json_get(s, "match")))
		return judge_match(l->w->f, v, l->w->p);
	if ((v = json_get(s, "xt")))
		return by_xt(l, v);
	if ((v = json_get(s, "set")) || (v = json_get(s, "map")))
		return dynamic(v);
	if ((v = json_get(s, "vmap"))) {
		by_map(l, v);
		return YES;
	}
	if (harmless(s->keys[0]))
		return YES;
	if (!take(l, YES, s))
		return MAYBE;
	l->flags |= l->t == YES ? 0 : MAY_GO_ON;
	l->end = true;
	return YES;
}

/* Flags of what may follow; MAY_GO_ON: the next rule. */
static int rule(struct walk *w, struct json *r, const char *chain_name)
{
	struct line l = { .w = w, .rule = r, .chain = chain_name, .t = YES };
	struct json *expr = json_get(r, "expr");

	for (size_t i = 0; expr && json_is(expr, JSON_ARRAY) && i < expr->n && !l.end; i++) {
		enum truth now = statement(&l, expr->values[i]);

		l.t = now < l.t ? now : l.t;
		if (l.t == NO)
			break;
	}
	return l.end ? l.flags : l.flags | MAY_GO_ON;
}

static int chain(struct walk *w, const char *name)
{
	struct json *objects = json_get(w->f->list, "nftables");
	int flags = 0;

	if (!name || w->depth >= DEPTH_MAX)
		return MAY_DROP;
	w->depth++;
	for (size_t i = 0; json_is(objects, JSON_ARRAY) && i < objects->n; i++) {
		struct json *r = json_get(objects->values[i], "rule");
		const char *of = r ? json_get_str(r, "chain") : NULL;
		int f;

		if (!of || !str_eq(of, name))
			continue;
		f = w->seen++ < RULES_MAX ? rule(w, r, name) : MAY_DROP;
		flags |= f & ~(MAY_GO_ON | MAY_RETURN);
		if (f & MAY_RETURN)
			flags |= MAY_GO_ON;
		if (!(f & MAY_GO_ON)) {
			w->depth--;
			return flags;
		}
	}
	w->depth--;
	return flags | MAY_GO_ON;
}

/* Translated before it: an input chain, and what looks at prerouting later than the translation. */
static bool sees_it_too_late(struct json *c)
{
	const char *hook = json_get_str(c, "hook"), *type = json_get_str(c, "type");
	int64_t prio;

	if (!hook || !type)
		return false;
	return str_eq(hook, "input") ||
	       (str_eq(hook, "prerouting") && str_eq(type, "filter") &&
		json_i64(json_get(c, "prio"), &prio) && prio > -100);
}

int judge_table(const struct foreign *f, const struct packet *p, struct reason *out)
{
	struct json *objects = json_get(f->list, "nftables");

	for (size_t i = 0; json_is(objects, JSON_ARRAY) && i < objects->n; i++) {
		struct json *c = json_get(objects->values[i], "chain");
		struct walk w = { .f = f, .p = p, .why = out };
		const char *policy;
		int flags;

		memset(out, 0, sizeof *out);
		if (!c || !sees_it_too_late(c))
			continue;
		w.base = json_get_str(c, "name");
		policy = json_get_str(c, "policy");
		flags = chain(&w, w.base);
		if (flags & MAY_GO_ON && policy && str_eq(policy, "drop")) {
			drop_here(&w, "policy drop", !(flags & MAY_ACCEPT));
			flags |= MAY_DROP;
		}
		if (flags & MAY_DROP) {
			if (!out->chain[0])
				drop_here(&w, "rules that cannot be followed", false);
			return 1;
		}
	}
	return 0;
}
