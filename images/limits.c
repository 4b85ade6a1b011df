#include "images/limits.h"
#include "base/err.h"
#include "base/scope.h"
#include "base/str.h"

#include <stddef.h>
#include <string.h>

const struct limits limits_default = {
	.bytes = 32ULL << 30, .ratio = 1000, .ratio_from = 64ULL << 20, .entries = 2000000, .depth = 256,
	.path = 4095, .name = 255, .link = 4095, .xattrs = 64, .xattr_bytes = 64 << 10,
};

static const struct { const char *name; size_t at; } rows[] = {
	{ "bytes", offsetof(struct limits, bytes) },
	{ "ratio", offsetof(struct limits, ratio) },
	{ "ratio-from", offsetof(struct limits, ratio_from) },
	{ "entries", offsetof(struct limits, entries) },
	{ "depth", offsetof(struct limits, depth) },
	{ "path", offsetof(struct limits, path) },
	{ "xattrs", offsetof(struct limits, xattrs) },
	{ "xattr-bytes", offsetof(struct limits, xattr_bytes) },
};

static int set_one(struct limits *l, char *word)
{
	char *eq = strchr(word, '=');
	uint64_t v;

	for (size_t i = 0; eq && i < COUNT(rows); i++) {
		uint64_t *p = (uint64_t *)((char *)l + rows[i].at);

		if (strncmp(word, rows[i].name, (size_t)(eq - word)) != 0 || rows[i].name[eq - word])
			continue;
		if (str_size(eq + 1, &v) < 0 || v == 0 || v > *p)
			return fail_as(ERR_USAGE, "limit %s: not a number up to %ju", word, (uintmax_t)*p);
		*p = v;
		return 0;
	}
	return fail_as(ERR_USAGE, "limit \"%s\": no such limit", word);
}

int limits_parse(const char *text, struct limits *l)
{
	char copy[256], *save = NULL;

	*l = limits_default;
	if (strlen(text) >= sizeof copy)
		return fail_as(ERR_USAGE, "limits: too long");
	strcpy(copy, text);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		TRY(set_one(l, w));
	return 0;
}

int limits_get(struct limits *l)
{
	const char *env = getenv("VZRUN_IMAGE_LIMITS");

	return limits_parse(env ? env : "", l);
}
