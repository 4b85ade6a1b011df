#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int str_u64(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v) || v > max)
			return -ERANGE;
	}
	*out = v;
	return 0;
}

int str_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	bool neg = *s == '-';
	uint64_t v;

	TRY(str_u64(s + neg, neg ? (uint64_t)INT64_MAX + 1 : INT64_MAX, &v));
	*out = neg ? (int64_t)-v : (int64_t)v;
	return *out < min || *out > max ? -ERANGE : 0;
}

int str_octal(const char *s, unsigned max, unsigned *out)
{
	unsigned v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '7')
			return -EINVAL;
		v = v * 8 + (unsigned)(*s - '0');
		if (v > max)
			return -ERANGE;
	}
	*out = v;
	return 0;
}

int str_size(const char *s, uint64_t *out)
{
	static const char units[] = "KMGTP";
	uint64_t whole = 0, frac = 0, scale = 1;
	const char *u;
	unsigned shift = 0;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(whole, UINT64_C(10), &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*s - '0'), &whole))
			return -ERANGE;
	if (*s == '.') {
		if (!isdigit((unsigned char)*++s))
			return -EINVAL;
		for (; isdigit((unsigned char)*s); s++)
			if (scale < 1000) {
				frac = frac * 10 + (uint64_t)(*s - '0');
				scale *= 10;
			}
	}
	if (*s && (u = strchr(units, toupper((unsigned char)*s)))) {
		shift = 10 * (unsigned)(u - units + 1);
		s++;
	}
	if (shift && (s[0] == 'i' || s[0] == 'I') && toupper((unsigned char)s[1]) == 'B')
		s++;
	if (toupper((unsigned char)*s) == 'B')
		s++;
	if (*s || (frac && !shift))
		return -EINVAL;
	if (whole > UINT64_MAX >> shift)
		return -ERANGE;
	return __builtin_add_overflow(whole << shift, (frac << shift) / scale, out) ? -ERANGE : 0;
}

int str_duration(const char *s, uint64_t *ms)
{
	static const struct { const char *unit; uint64_t ms; } units[] = {
		{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	};
	char digits[24];
	size_t n = strspn(s, "0123456789");
	uint64_t v;

	if (n == 0 || n >= sizeof digits)
		return -EINVAL;
	memcpy(digits, s, n);
	digits[n] = '\0';
	TRY(str_u64(digits, UINT64_MAX / 86400000, &v));
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (str_eq(s + n, units[i].unit)) {
			*ms = v * units[i].ms;
			return 0;
		}
	return -EINVAL;
}

int str_list(const char *s, unsigned max, uint64_t *bits)
{
	memset(bits, 0, (max / 64 + 1) * sizeof *bits);
	while (*s) {
		char word[24], *dash;
		size_t n = strcspn(s, ",");
		uint64_t from, to;

		if (n >= sizeof word || (s[n] && !s[n + 1]))
			return -EINVAL;
		memcpy(word, s, n);
		word[n] = '\0';
		dash = strchr(word, '-');
		if (dash)
			*dash = '\0';
		TRY(str_u64(word, max, &from));
		to = from;
		if (dash)
			TRY(str_u64(dash + 1, max, &to));
		if (to < from)
			return -EINVAL;
		for (; from <= to; from++)
			bits[from / 64] |= UINT64_C(1) << from % 64;
		s += s[n] ? n + 1 : n;
	}
	return 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && str_eq(s + n - m, suffix);
}

static bool in_set(const char *s, const char *extra)
{
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || strchr(extra, *s)))
			return false;
	return true;
}

bool str_is_id(const char *s)
{
	return *s && *s != '.' && strlen(s) <= ID_MAX && in_set(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_+.-");
}

bool str_is_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 63 && in_set(s, ".-") && isalnum((unsigned char)s[0]) &&
	       isalnum((unsigned char)s[n - 1]) && !strstr(s, "..");
}

size_t str_utf8(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* U+0080 to U+009F: control characters to a terminal, U+009B as good as ESC [. */
static bool is_c1(const char *s)
{
	return (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0;
}

void str_plain(char *s)
{
	for (unsigned char *p = (unsigned char *)s; p && *p; p += *p == '?' ? 1 : str_utf8((char *)p))
		if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f || !str_utf8((char *)p))
			*p = '?';
		else if (is_c1((char *)p))
			p[0] = p[1] = '?';
}

void str_line(char *s)
{
	str_plain(s);
	for (; s && *s; s++)
		if (*s == '\n' || *s == '\t')
			*s = '?';
}

size_t str_json_plain(const char *s)
{
	size_t n = 0, more;

	while ((unsigned char)s[n] >= 0x20 && s[n] != '"' && s[n] != '\\' && s[n] != 0x7f && !is_c1(s + n) &&
	       (more = str_utf8(s + n)) > 0)
		n += more;
	return n;
}

size_t str_json_char(char out[8], const char **s)
{
	static const char hex[] = "0123456789abcdef";
	bool c1 = is_c1(*s);
	unsigned c = (unsigned char)(*s)[c1];

	*s += 1 + c1;
	out[0] = c < 0x80 || c1 ? '\\' : '?';
	if (out[0] == '?')
		return 1;
	if (c == '"' || c == '\\' || c == '\n') {
		out[1] = c == '\n' ? 'n' : (char)c;
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return 6;
}

void str_json_escape(char *out, size_t size, const char *s)
{
	size_t n = 0;

	while (*s && n + 1 < size) {
		size_t plain = str_json_plain(s), fits = plain;
		char one[8];

		if (fits > size - 1 - n)
			for (fits = size - 1 - n; fits > 0 && (s[fits] & 0xc0) == 0x80;)
				fits--;
		memcpy(out + n, s, fits);
		n += fits;
		s += fits;
		if (fits < plain || !*s)
			break;
		size_t m = str_json_char(one, &s);
		if (n + m >= size)
			break;
		memcpy(out + n, one, m);
		n += m;
	}
	out[n] = '\0';
}

static bool is_octal(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '7')
			return false;
	return true;
}

void str_unescape(char *out, size_t size, const char *from, size_t n)
{
	const char *end = from + n;

	for (; from < end && size > 1; size--)
		if (*from == '\\' && end - from > 3 && from[1] < '4' && is_octal(from + 1, 3)) {
			*out++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*out++ = *from++;
		}
	*out = '\0';
}

uint64_t str_hash(const void *p, size_t n)
{
	const unsigned char *c = p;
	uint64_t h = UINT64_C(14695981039346656037);

	while (n--)
		h = (h ^ *c++) * UINT64_C(1099511628211);
	return h;
}

static bool reserve(struct buf *b, size_t more)
{
	size_t size = b->size ? b->size : 256;
	char *p;

	if (b->oom)
		return false;
	while (size - b->n <= more)
		size *= 2;
	if (size == b->size)
		return true;
	p = realloc(b->p, size);
	if (!p) {
		b->oom = true;
		return false;
	}
	b->p = p;
	b->size = size;
	return true;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!reserve(b, n))
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0 && reserve(b, (size_t)n)) {
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
	va_end(ap);
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

const char *buf_text(const struct buf *b)
{
	return b->p ? b->p : "";
}
