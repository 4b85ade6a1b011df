#include "images/ref.h"
#include "base/err.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

static bool lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
	return lower(c) || (c >= 'A' && c <= 'Z');
}

/* Between letters and digits: one '.', one or two '_', or any number of '-'. */
static size_t separator(const char *s, size_t n)
{
	size_t i = 0;

	if (n && s[0] == '.')
		return 1;
	if (n && s[0] == '_')
		return n > 1 && s[1] == '_' ? 2 : 1;
	while (i < n && s[i] == '-')
		i++;
	return i;
}

static bool is_component(const char *s, size_t n)
{
	for (size_t i = 0;;) {
		size_t word = i, gap;

		while (i < n && lower(s[i]))
			i++;
		if (i == word)
			return false;
		if (i == n)
			return true;
		gap = separator(s + i, n - i);
		if (gap == 0)
			return false;
		i += gap;
	}
}

static bool is_host(const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);
	size_t len = colon ? (size_t)(colon - s) : n, port = colon ? n - len - 1 : 0;

	if (colon && (port == 0 || port > 5 || strspn(colon + 1, "0123456789") < port))
		return false;
	for (size_t i = 0; i < len; i++) {
		bool edge = i == 0 || i + 1 == len || s[i - 1] == '.' || s[i + 1] == '.';

		if (!alnum(s[i]) && (edge || (s[i] != '-' && s[i] != '.')))
			return false;
	}
	return len > 0;
}

static bool is_tag(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!alnum(s[i]) && s[i] != '_' && (i == 0 || (s[i] != '.' && s[i] != '-')))
			return false;
	/* The specification would allow "a..b"; nothing needs it. */
	return n > 0 && n <= 128 && !strstr(s, "..");
}

static int check_name(const char *text, const char *name)
{
	bool first = true;

	for (const char *s = name;; first = false) {
		size_t n = strcspn(s, "/");

		if (!is_component(s, n) && !(first && s[n] && is_host(s, n)))
			return fail_as(ERR_USAGE,
				       "reference \"%s\": \"%.*s\" is not a name"
				       " (lower-case letters and digits, single separators between)",
				       text, (int)n, s);
		if (!s[n])
			return 0;
		s += n + 1;
	}
}

int ref_parse(const char *text, struct ref *out)
{
	char *at, *slash, *colon;

	memset(out, 0, sizeof *out);
	if (!*text)
		return fail_as(ERR_USAGE, "reference \"\": empty");
	if (strcspn(text, "@") >= sizeof out->name)
		return fail_as(ERR_USAGE, "reference \"%.32s...\": too long", text);
	snprintf(out->name, sizeof out->name, "%.*s", (int)strcspn(text, "@"), text);
	at = strchr(text, '@');
	if (at) {
		char hex[HEX_SIZE];

		if (digest_hex(at + 1, hex) < 0)
			return fail_as(ERR_USAGE, "reference \"%.200s\": %s", text, err_text());
		digest_text(hex, out->digest);
	}
	slash = strrchr(out->name, '/');
	colon = strchr(slash ? slash : out->name, ':');
	if (colon)
		*colon = '\0';
	if (colon && !is_tag(colon + 1))
		return fail_as(ERR_USAGE, "reference \"%s\": \"%s\" is not a tag", text, colon + 1);
	snprintf(out->tag, sizeof out->tag, "%s", colon ? colon + 1 : "latest");
	TRY(check_name(text, out->name));
	/* The file name must hold it: every '/' takes three bytes. */
	size_t cost = strlen(out->name) + strlen(out->tag) + 1;
	for (const char *s = out->name; *s; s++)
		cost += *s == '/' ? 2 : 0;
	if (cost >= REF_MAX)
		return fail_as(ERR_USAGE, "reference \"%.32s...\": too long", text);
	return 0;
}

void ref_text(const struct ref *r, char out[REF_MAX])
{
	snprintf(out, REF_MAX, "%s:%s", r->name, r->tag);
}

void ref_file(const char *text, char out[256])
{
	size_t n = 0;

	for (; *text && n < 250; text++) {
		if (*text != '/') {
			out[n++] = *text;
			continue;
		}
		memcpy(out + n, "%2F", 3);
		n += 3;
	}
	out[n] = '\0';
}

int ref_unfile(const char *file, char out[REF_MAX])
{
	struct ref r;
	size_t n = 0;

	for (; *file && n < REF_MAX - 1; file++) {
		bool slash = str_starts(file, "%2F");

		out[n++] = slash ? '/' : *file;
		file += slash ? 2 : 0;
	}
	out[n] = '\0';
	if (*file || strchr(out, '@') || ref_parse(out, &r) < 0)
		return -EINVAL;
	return 0;
}

void ref_from_path(const char *path, char out[REF_MAX])
{
	static const char *const ends[] = { ".gz", ".xz", ".zst", ".tgz", ".txz", ".tar", ".oci" };
	char base[256], *s = base;
	size_t n = strlen(path), from, o = 0;

	while (n > 0 && path[n - 1] == '/')
		n--;
	for (from = n; from > 0 && path[from - 1] != '/'; from--)
		;
	snprintf(base, sizeof base, "%.*s", (int)(n - from), path + from);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (str_ends(base, ends[i]) && strlen(base) > strlen(ends[i]))
			base[strlen(base) - strlen(ends[i])] = '\0';
	for (; *s && o < 100; s++) {
		char c = *s >= 'A' && *s <= 'Z' ? (char)(*s + 32) : *s;

		if (lower(c))
			out[o++] = c;
		else if (o > 0 && lower(out[o - 1]))
			out[o++] = c == '.' || c == '_' ? c : '-';
	}
	while (o > 0 && !lower(out[o - 1]))
		o--;
	snprintf(out + o, REF_MAX - o, "%s:latest", o ? "" : "image");
}
