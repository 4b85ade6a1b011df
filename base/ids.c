#include "base/ids.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS = 7, MAP_TEXT = 12 << 10 };	/* the kernel takes 340 lines of at most 33 bytes */

/* The highest id of 32 bits is none: to the kernel it means "leave it as it is". */
static bool is_id(const char *word, uint32_t *id)
{
	uint64_t wide;

	if (!word || str_u64(word, UINT32_MAX - 1, &wide) < 0)
		return false;
	*id = (uint32_t)wide;
	return true;
}

bool passwd_next(char **text, struct passwd_entry *e)
{
	for (char *line; (line = strsep(text, "\n"));) {
		const char *field[FIELDS] = { NULL };

		for (size_t i = 0; i < FIELDS && line; i++)
			field[i] = strsep(&line, ":");
		*e = (struct passwd_entry){ .name = field[0], .home = field[5] ?: "", .shell = field[6] ?: "" };
		if (*e->name && is_id(field[2], &e->uid) && is_id(field[3], &e->gid))
			return true;
	}
	return false;
}

bool idmap_next(const char **text, struct idmap_range *r)
{
	int used;

	if (sscanf(*text, "%u %u %u%n", &r->inside, &r->outside, &r->n, &used) != 3)
		return false;
	*text += used;
	return true;
}

int idmap_outside(int dir, const char *path, unsigned inside, unsigned *outside)
{
	char text[MAP_TEXT];
	const char *rest = text;
	struct idmap_range r;
	ssize_t n = file_peek(dir, path, text, sizeof text);

	if (n < 0)
		return (int)n;
	while (idmap_next(&rest, &r))
		if (inside >= r.inside && inside - r.inside < r.n) {
			*outside = r.outside + (inside - r.inside);
			return 0;
		}
	return -ENODATA;
}
