/* Tells an archive of blobs from a root filesystem by the names in it. */
#pragma once
#include "images/unpack.h"

struct probe { bool layout, index, manifest, other; };
/* false: what it is is decided. */
bool probe_name(struct probe *p, const char *path);
enum archive_kind probe_kind(const struct probe *p);
