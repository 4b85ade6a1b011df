/* What unpacking may cost. The defaults can be lowered by VZRUN_IMAGE_LIMITS, for tests too. */
#pragma once
#include <stdint.h>

struct limits {
	uint64_t bytes;		/* of the uncompressed archive, and of the sum of all file sizes */
	uint64_t ratio;		/* uncompressed to compressed, looked at beyond ratio_from bytes */
	uint64_t ratio_from;
	uint64_t entries, depth, path, name, link;
	uint64_t xattrs, xattr_bytes;	/* of one member */
};

extern const struct limits limits_default;
/* "bytes=1M,entries=100": each lower than the default. ERR_USAGE. */
int limits_parse(const char *text, struct limits *l);
/* The defaults, lowered by the environment. */
int limits_get(struct limits *l);
