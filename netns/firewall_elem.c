/*
 * One element of a request. Its key and data are bytes: what they become is decided by the types that the set is
 * declared with, never by the line.
 */
#include "netns/firewall.h"
#include "base/scope.h"
#include "netns/firewall_main.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

enum { BYTES_MAX = 64 };
struct bytes { unsigned char p[BYTES_MAX]; size_t n; };

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* len characters of s. */
static int from_hex(const char *s, size_t len, struct bytes *out)
{
	out->n = 0;
	if (len % 2 || len / 2 > BYTES_MAX)
		return -EINVAL;
	for (; out->n < len / 2; out->n++) {
		int hi = digit(s[2 * out->n]), lo = digit(s[2 * out->n + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		out->p[out->n] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}

static bool only(const char *s, size_t n, const char *allowed)
{
	return n > 0 && strspn(s, allowed) >= n;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* ---- fields ---------------------------------------------------------------------------------------- */

static int put_link(struct buf *b, const unsigned char *p, size_t size)
{
	size_t n = strnlen((const char *)p, size);

	for (size_t i = n; i < size; i++)
		if (p[i])
			return -EINVAL;
	if (n == size || !only((const char *)p, n, LETTERS DIGITS "_.-") || *p == '-' || *p == '.')
		return -EINVAL;
	buf_printf(b, "\"%.*s\"", (int)n, (const char *)p);
	return 0;
}

static int put_mac(struct buf *b, const unsigned char *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buf_printf(b, "%s%02x", i ? ":" : "", p[i]);
	return 0;
}

static int put_addr(struct buf *b, const unsigned char *p, size_t size)
{
	char text[INET6_ADDRSTRLEN];

	buf_puts(b, inet_ntop(size == 4 ? AF_INET : AF_INET6, p, text, sizeof text));
	return 0;
}

static int put_number(struct buf *b, const unsigned char *p, size_t size)
{
	buf_printf(b, "%u", size == 1 ? p[0] : (unsigned)p[0] << 8 | p[1]);
	return 0;
}

static int put_raw(struct buf *b, const unsigned char *p, size_t size)
{
	buf_puts(b, "0x");
	for (size_t i = 0; i < size; i++)
		buf_printf(b, "%02x", p[i]);
	return 0;
}

static const struct {
	char letter;
	size_t size;
	int (*put)(struct buf *b, const unsigned char *p, size_t size);
} fields[] = {
	{ 'i', IFNAMSIZ, put_link }, { 'm', 6, put_mac }, { '4', 4, put_addr }, { '6', 16, put_addr }, { 'p', 1, put_number },
	{ 's', 2, put_number }, { 'N', 16, put_raw }, { 'L', 6, put_raw }, { 'V', 3, put_raw },
};

static int put_field(struct buf *b, char letter, const struct bytes *v, size_t *at, bool several)
{
	for (size_t i = 0; i < COUNT(fields); i++) {
		size_t size = fields[i].size, padded = several ? (size + 3) & ~(size_t)3 : size;

		if (fields[i].letter != letter)
			continue;
		if (*at + padded > v->n)
			return -EINVAL;
		TRY(fields[i].put(b, v->p + *at, size));
		*at += padded;
		return 0;
	}
	return -EINVAL;
}

/* With an end each field that differs is a range. */
static int put_value(struct buf *b, const char *letters, const struct bytes *v, const struct bytes *end)
{
	bool several = letters[0] && letters[1];
	size_t at = 0, at_end = 0;

	for (const char *l = letters; *l; l++) {
		size_t from = at;

		buf_puts(b, l == letters ? "" : " . ");
		TRY(put_field(b, *l, v, &at, several));
		if (end && memcmp(v->p + from, end->p + from, at - from) != 0) {
			buf_puts(b, "-");
			at_end = from;
			TRY(put_field(b, *l, end, &at_end, several));
		}
	}
	return at == v->n ? 0 : -EINVAL;
}

/* ---- the line --------------------------------------------------------------------------------------- */

struct word { const char *p; size_t n; };

/* Words are parted by one space each; the last one is the rest of the line. */
static struct word next(const char **line)
{
	struct word w = { *line, strcspn(*line, " ") };

	*line += w.n + (**line && (*line)[w.n] == ' ');
	return w;
}

static const struct fw_set *set_of(const struct word *w)
{
	for (size_t i = 0; i < FW_SETS; i++)
		if (strlen(fw_sets[i].name) == w->n && memcmp(fw_sets[i].name, w->p, w->n) == 0)
			return &fw_sets[i];
	return NULL;
}

static int put_key(struct buf *b, const struct fw_set *s, const struct word *w)
{
	const char *dash = memchr(w->p, '-', w->n);
	size_t n = dash ? (size_t)(dash - w->p) : w->n;
	struct bytes key, end = { 0 };

	if (from_hex(w->p, n, &key) < 0 || (dash && from_hex(dash + 1, w->n - n - 1, &end) < 0) || (dash && end.n != key.n))
		return -EINVAL;
	return put_value(b, s->key, &key, dash ? &end : NULL);
}

static int put_limit(struct buf *b, const struct word *w)
{
	char text[48], *slash;
	uint64_t rate, burst;

	if (w->n == 1 && *w->p == '-')
		return 0;
	if (w->n >= sizeof text)
		return -EINVAL;
	memcpy(text, w->p, w->n);
	text[w->n] = '\0';
	slash = strchr(text, '/');
	if (!slash)
		return -EINVAL;
	*slash = '\0';
	if (str_u64(text, UINT64_MAX, &rate) < 0 || str_u64(slash + 1, UINT32_MAX, &burst) < 0)
		return -EINVAL;
	buf_printf(b, " limit rate over %llu bytes/second burst %llu bytes", (unsigned long long)rate,
		   (unsigned long long)burst);
	return 0;
}

static int put_comment(struct buf *b, const char *text)
{
	size_t n = strlen(text);

	if (n == 0)
		return 0;
	if (n > 127 || !only(text, n, LETTERS DIGITS "_+.@~ -"))
		return -EINVAL;
	buf_printf(b, " comment \"%s\"", text);
	return 0;
}

/* The word begins with it; what follows is a chain of ours. */
static int put_verdict(struct buf *b, const struct word *w)
{
	static const char *const to[] = { "jump", "goto" };

	if ((w->n == 6 && memcmp(w->p, "accept", 6) == 0) || (w->n == 4 && memcmp(w->p, "drop", 4) == 0)) {
		buf_printf(b, "%.*s", (int)w->n, w->p);
		return 0;
	}
	for (size_t i = 0; i < COUNT(to); i++) {
		size_t n = strlen(to[i]);

		if (w->n > n + 1 && w->n - n - 1 < 32 && memcmp(w->p, to[i], n) == 0 && w->p[n] == ':' &&
		    only(w->p + n + 1, w->n - n - 1, LETTERS DIGITS "_")) {
			buf_printf(b, "%s %.*s", to[i], (int)(w->n - n - 1), w->p + n + 1);
			return 0;
		}
	}
	return -EINVAL;
}

static int put_data(struct buf *b, const struct fw_set *s, const struct word *w)
{
	struct bytes v;

	if (!s->data)
		return w->n == 1 && *w->p == '-' ? 0 : -EINVAL;
	buf_puts(b, " : ");
	if (*s->data == 'v')
		return put_verdict(b, w);
	return from_hex(w->p, w->n, &v) < 0 ? -EINVAL : put_value(b, s->data, &v, NULL);
}

int fw_element(const char *table, const char *line, struct buf *out)
{
	struct word name = next(&line), key = next(&line), value = next(&line), limit = next(&line);
	const struct fw_set *s = set_of(&name);

	if (!s)
		return fail(EINVAL, "not one of our sets");
	buf_printf(out, "add element %s %s %s { ", fw_family_text[s->family], table, s->name);
	if (put_key(out, s, &key) < 0)
		return fail(EINVAL, "%s: key: not of the set's type", s->name);
	if (put_limit(out, &limit) < 0)
		return fail(EINVAL, "%s: limit: not BYTES/BURST", s->name);
	if (put_comment(out, line) < 0)
		return fail(EINVAL, "%s: comment: not fit for one", s->name);
	if (put_data(out, s, &value) < 0)
		return fail(EINVAL, "%s: value: not of the map's type", s->name);
	buf_puts(out, " }\n");
	return 0;
}
