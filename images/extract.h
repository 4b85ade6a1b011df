/*
 * The members of a layer become files below one directory descriptor. Every step is taken
 * on a descriptor that was opened without following any link; a member can neither leave
 * the directory nor go through a symbolic link that came with the archive.
 */
#pragma once
#include "images/member.h"

/* What the extractor says on the way: 'o' an opaque directory, 'p' bytes so far. */
typedef int extract_say(void *ctx, char what, const char *text);

struct extract {
	int root;
	struct member_rules rules;
	extract_say *say;
	void *ctx;
	uint64_t entries, skipped, bytes;
};

/* hex: the digest of the whole uncompressed stream. */
int extract_all(struct extract *x, struct tar *t, char hex[HEX_SIZE]);
