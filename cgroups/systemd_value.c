/*
 * Annotations org.systemd.property.NAME=VALUE, VALUE in GVariant's text: true, 'a' or "a", 5, uint32 5, 1.5,
 * ['a', 'b']. A NAME in ...Sec is said in seconds and becomes systemd's ...USec.
 */
#include "cgroups/systemd.h"

#include <ctype.h>
#include <string.h>

static const struct { const char *word, *type; int64_t min; uint64_t max; } numbers[] = {
	{ "byte", "y", 0, UINT8_MAX }, { "int16", "n", INT16_MIN, INT16_MAX }, { "uint16", "q", 0, UINT16_MAX },
	{ "int32", "i", INT32_MIN, INT32_MAX }, { "uint32", "u", 0, UINT32_MAX },
	{ "int64", "x", INT64_MIN, INT64_MAX }, { "uint64", "t", 0, UINT64_MAX },
};

static const char *blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* A quoted string; *s goes behind it. */
static const char *quoted(struct arena *a, const char **s)
{
	char quote = **s, *out = arena_alloc(a, strlen(*s) + 1, 1);
	const char *p = *s + 1;
	size_t n = 0;

	if (!out || (quote != '\'' && quote != '"'))
		return NULL;
	for (; *p && *p != quote; p++) {
		if (*p == '\\') {
			static const char from[] = "\\'\"nrt", to[] = "\\'\"\n\r\t";
			const char *at = p[1] ? strchr(from, p[1]) : NULL;

			if (!at)
				return NULL;
			out[n++] = to[at - from];
			p++;
		} else {
			out[n++] = *p;
		}
	}
	if (*p != quote)
		return NULL;
	*s = p + 1;
	return out;
}

static bool words(struct props *p, const char *s, struct prop *out)
{
	const char **v = arena_alloc(p->a, strlen(s), sizeof *v);
	size_t n = 0;

	out->type = "as";
	for (s = blanks(s + 1); v; s = blanks(s + 1)) {
		const char *one = quoted(p->a, &s);

		if (!one)
			return false;
		v[n++] = one;
		s = blanks(s);
		if (*s == ',')
			continue;
		out->words = (struct strv){ v, n };
		return *s == ']' && !*blanks(s + 1);
	}
	return false;
}

static bool integer(const char *s, struct prop *out)
{
	size_t which = 3;	/* a number without a type is an int32 */

	for (size_t i = 0; i < COUNT(numbers); i++) {
		size_t n = strlen(numbers[i].word);

		if (strncmp(s, numbers[i].word, n) == 0 && (s[n] == ' ' || s[n] == '\t')) {
			which = i;
			s = blanks(s + n);
			break;
		}
	}
	out->type = numbers[which].type;
	if (numbers[which].min < 0)
		return str_i64(s, numbers[which].min, (int64_t)numbers[which].max, &out->i) == 0;
	return str_u64(s, numbers[which].max, &out->u) == 0;
}

static bool decimal(const char *s, struct prop *out)
{
	char *end;

	if (!isdigit((unsigned char)*s) || !strchr(s, '.') || strspn(s, "0123456789.") != strlen(s))
		return false;
	out->type = "d";
	out->d = strtod(s, &end);
	return !*end;
}

static bool value(struct props *p, const char *s, struct prop *out)
{
	s = blanks(s);
	if (str_eq(s, "true") || str_eq(s, "false")) {
		out->type = "b";
		out->u = *s == 't';
		return true;
	}
	if (*s == '\'' || *s == '"') {
		out->type = "s";
		out->s = quoted(p->a, &s);
		return out->s && !*blanks(s);
	}
	if (*s == '[')
		return words(p, s, out);
	return integer(s, out) || decimal(s, out);
}

static int in_usec(struct props *p, struct prop *one)
{
	uint64_t v = one->u;
	double sec = one->d;

	if (!strchr("yqutnixd", *one->type) || one->type[1])
		return fail_as(ERR_CONFIG, "a number of seconds is expected");
	if (strchr("nix", *one->type)) {
		if (one->i < 0)
			return fail_as(ERR_CONFIG, "%jd: less than no time", (intmax_t)one->i);
		v = (uint64_t)one->i;
	}
	if (*one->type == 'd' ? sec > 1e13 : v > UINT64_MAX / 1000000)
		return fail_as(ERR_CONFIG, "too many seconds");
	one->u = *one->type == 'd' ? (uint64_t)(sec * 1e6) : v * 1000000;
	one->type = "t";
	one->name = arena_printf(p->a, "%.*sUSec", (int)(strlen(one->name) - 3), one->name);
	return one->name ? 0 : fail(ENOMEM, "out of memory");
}

int prop_of_annotation(struct props *p, const char *name, const char *text)
{
	struct prop one = { .name = name };
	size_t n = strlen(name);

	if (n < 3 || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != n)
		return fail_as(ERR_CONFIG, "\"%s\" is no name of a property", name);
	if (!value(p, text, &one))
		return fail_as(ERR_CONFIG, "\"%s\" is no value that is known here (true, 'text', uint64 5, ['a', 'b'])",
			       text);
	if (str_ends(name, "Sec") && !str_ends(name, "USec"))
		TRY(in_usec(p, &one));
	prop_add(p, &one);
	return 0;
}
