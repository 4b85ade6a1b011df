#include "cli/opt.h"

#include <stdio.h>
#include <string.h>

struct parse {
	const struct opt *opts, *each;
	void *args;
	struct arena *a;
	struct cli *g;
};

typedef int store_fn(const struct opt *o, void *at, const char *value, struct arena *a);

static int bad_value(const char *value, const char *want)
{
	return fail_as(ERR_USAGE, "\"%s\" is not %s", value, want);
}

static int bool_word(const char *value, bool *out)
{
	static const struct name words[] = {
		{ "yes", 1 }, { "true", 1 }, { "on", 1 }, { "1", 1 }, { "True", 1 }, { "TRUE", 1 },
		{ "no", 0 }, { "false", 0 }, { "off", 0 }, { "0", 0 }, { "False", 0 }, { "FALSE", 0 },
		{ 0 }
	};

	for (const struct name *w = words; w->text; w++)
		if (str_eq(w->text, value)) {
			*out = w->value;
			return 0;
		}
	return bad_value(value, "yes or no");
}

static int store_flag(const struct opt *o, void *at, const char *value, struct arena *a)
{
	(void)o, (void)a;
	if (value)
		return bool_word(value, at);
	*(bool *)at = true;
	return 0;
}

static int store_str(const struct opt *o, void *at, const char *value, struct arena *a)
{
	(void)a;
	*(const char **)at = o->flags & OPT_EMPTY && !*value ? NULL : value;
	return 0;
}

static int store_int(const struct opt *o, void *at, const char *value, struct arena *a)
{
	struct opt_i64 *out = at;
	int r = str_i64(value, o->min, o->max, &out->v);

	(void)a;
	if (r == -ERANGE)
		return fail_as(ERR_USAGE, "%s is out of range (%jd to %jd)", value, (intmax_t)o->min,
			       (intmax_t)o->max);
	out->set = true;
	return r < 0 ? bad_value(value, "a number") : 0;
}

static int store_u64(const struct opt *o, void *at, const char *value, struct arena *a)
{
	struct opt_u64 *out = at;
	int r = str_u64(value, UINT64_MAX, &out->v);

	(void)o, (void)a;
	if (r == -ERANGE)
		return fail_as(ERR_USAGE, "%s is too large", value);
	out->set = true;
	return r < 0 ? bad_value(value, "a number of 0 or more") : 0;
}

static int store_size(const struct opt *o, void *at, const char *value, struct arena *a)
{
	struct opt_u64 *out = at;
	int r = str_size(value, &out->v);

	(void)o, (void)a;
	if (r == -ERANGE)
		return fail_as(ERR_USAGE, "%s is too large", value);
	out->set = true;
	return r < 0 ? bad_value(value, "a size (as 512M or 1.5G)") : 0;
}

static int store_limit(const struct opt *o, void *at, const char *value, struct arena *a)
{
	struct opt_i64 *out = at;
	struct opt_u64 size = { 0 };

	if (str_eq(value, "-1") || str_eq(value, "max") || str_eq(value, "unlimited")) {
		*out = (struct opt_i64){ -1, true };
		return 0;
	}
	TRY(store_size(o, &size, value, a));
	if (size.v > INT64_MAX)
		return fail_as(ERR_USAGE, "%s is too large", value);
	*out = (struct opt_i64){ (int64_t)size.v, true };
	return 0;
}

static int store_duration(const struct opt *o, void *at, const char *value, struct arena *a)
{
	struct opt_u64 *out = at;
	int r = str_duration(value, &out->v);

	(void)o, (void)a;
	if (r == -ERANGE)
		return fail_as(ERR_USAGE, "%s is too long", value);
	out->set = true;
	return r < 0 ? bad_value(value, "a time (as 10s or 5m)") : 0;
}

static int store_bool(const struct opt *o, void *at, const char *value, struct arena *a)
{
	struct opt_bool *out = at;

	(void)o, (void)a;
	out->set = true;
	return bool_word(value, &out->v);
}

static int store_choice(const struct opt *o, void *at, const char *value, struct arena *a)
{
	size_t n = strlen(value);

	(void)a;
	for (const char *w = o->arg; *w; w += strcspn(w, "|"), w += *w == '|')
		if (n && strcspn(w, "|") == n && strncmp(w, value, n) == 0) {
			*(const char **)at = value;
			return 0;
		}
	return fail_as(ERR_USAGE, "\"%s\" is not one of %s", value, o->arg);
}

static int store_strv(const struct opt *o, void *at, const char *value, struct arena *a)
{
	(void)o;
	return strv_add(a, at, value);
}

static int store_fn_value(const struct opt *o, void *at, const char *value, struct arena *a)
{
	return fail_class(o->fn(at, value, a), ERR_USAGE);
}

static store_fn *const stores[] = {
	[OPT_FLAG] = store_flag, [OPT_STR] = store_str, [OPT_INT] = store_int, [OPT_U64] = store_u64,
	[OPT_SIZE] = store_size, [OPT_LIMIT] = store_limit, [OPT_DURATION] = store_duration,
	[OPT_BOOL] = store_bool, [OPT_CHOICE] = store_choice, [OPT_STRV] = store_strv,
	[OPT_FN] = store_fn_value,
};

static int store(const struct parse *p, const struct opt *o, void *base, const char *value)
{
	TRY_IN(stores[o->kind](o, (char *)base + o->offset, value, p->a), "--%s", o->name);
	return 0;
}

static const struct opt *find(const struct opt *o, const char *name, size_t n, unsigned flags)
{
	for (; o && o->name; o++) {
		if ((o->flags & flags) != flags)
			continue;
		if (n == 1 && o->letter == *name)
			return o;
		if (n && strncmp(o->name, name, n) == 0 && !o->name[n])
			return o;
	}
	return NULL;
}

/* The command's own options come first; *base is the struct that the option writes into. */
static const struct opt *lookup(const struct parse *p, const char *name, size_t n, void **base)
{
	const struct opt *o = find(p->opts, name, n, 0);

	*base = p->args;
	if (o || !p->g)
		return o;
	*base = p->g;
	o = find(p->each, name, n, 0);
	return o ? o : find(cli_opts, name, n, OPT_EVERYWHERE);
}

const char *opt_nearer(const char *word, const char *best, const char *candidate)
{
	unsigned row[33], n = (unsigned)strlen(word), limit = n < 6 ? 1 : 2;
	const char *const both[] = { candidate, best };
	unsigned distance[2] = { limit + 1, limit + 1 };

	if (n > 32)
		return best;
	for (unsigned w = 0; w < 2 && both[w]; w++) {
		for (unsigned i = 0; i <= n; i++)
			row[i] = i;
		for (unsigned j = 0; both[w][j]; j++) {
			unsigned corner = row[0]++;

			for (unsigned i = 1; i <= n; i++) {
				unsigned above = row[i], change = corner + (word[i - 1] != both[w][j]);
				unsigned least = (above < row[i - 1] ? above : row[i - 1]) + 1;

				row[i] = least < change ? least : change;
				corner = above;
			}
		}
		distance[w] = row[n];
	}
	if (best && distance[1] <= distance[0])
		return best;
	return distance[0] <= limit && distance[0] < n ? candidate : best;
}

static int unknown_option(const struct parse *p, const char *word, size_t name_n)
{
	const char *name = word + strspn(word, "-"), *best = NULL;
	int shown = (int)(name - word) + (int)name_n;
	char typed[64];

	snprintf(typed, sizeof typed, "%.*s", (int)name_n, name);
	for (const struct opt *o = p->opts; o && o->name; o++)
		best = o->help ? opt_nearer(typed, best, o->name) : best;
	if (best)
		return fail_as(ERR_USAGE, "unknown option %.*s (did you mean --%s?)", shown, word, best);
	return fail_as(ERR_USAGE, "unknown option %.*s", shown, word);
}

/* -it: letters that are flags, the last of which may take a value. */
static bool is_cluster(const struct parse *p, const char *letters, size_t n)
{
	void *base;

	for (size_t i = 0; i < n; i++) {
		const struct opt *o = lookup(p, letters + i, 1, &base);

		if (!o || o->letter != letters[i] || (i + 1 < n && o->kind != OPT_FLAG))
			return false;
	}
	return n > 1;
}

/* argv[*i] and, where it takes one, its value; *i is left on the last word used. */
static int take_option(const struct parse *p, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *name = word + (word[1] == '-' ? 2 : 1), *value = strchr(name, '=');
	size_t n = value ? (size_t)(value - name) : strlen(name);
	void *base;
	const struct opt *o = lookup(p, name, n, &base);

	if (!o && name == word + 1 && is_cluster(p, name, n)) {
		for (; n > 1; name++, n--) {
			o = lookup(p, name, 1, &base);
			TRY(store(p, o, base, NULL));
		}
		o = lookup(p, name, 1, &base);
	}
	if (!o)
		return unknown_option(p, word, n);
	if (value)
		return store(p, o, base, value + 1);
	if (o->kind == OPT_FLAG)
		return store(p, o, base, NULL);
	if (++*i >= argc)
		return fail_as(ERR_USAGE, "flag needs an argument: --%s %s", o->name, o->arg);
	return store(p, o, base, argv[*i]);
}

int opt_parse(const struct opt *opts, void *args, struct arena *a, struct cli *g, unsigned flags, int argc,
	      char **argv)
{
	const struct parse p = { opts, each_opts(flags), args, a, g };
	int n = 0, i = 0;

	for (; i < argc && !(g && g->help); i++) {
		if (argv[i][0] == '-' && argv[i][1] && !str_eq(argv[i], "--")) {
			TRY(take_option(&p, argc, argv, &i));
			continue;
		}
		if (str_eq(argv[i], "--")) {
			i++;
			break;
		}
		argv[n++] = argv[i];
		if (!(flags & (CMD_PASS | OPT_STOP)))
			continue;
		i++;
		/* `exec web -- ls`, a habit from elsewhere: nobody means a program called "--". */
		if ((flags & CMD_PASS) && i < argc && str_eq(argv[i], "--"))
			i++;
		break;
	}
	for (; i < argc && !(g && g->help); i++)
		argv[n++] = argv[i];
	argv[n] = NULL;
	return n;
}
