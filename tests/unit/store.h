/* A directory of the test's own, with what stands for a home's networks, gone when the test is. */
#pragma once
#include "base/path.h"
#include "base/scope.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct store { char path[64]; int dir; };

static void store_remove(struct store *s)
{
	close(s->dir);
	CHECK(path_remove_tree(AT_FDCWD, s->path) == 0);
}
#define auto_store SCOPED(store_remove)

/* Its dir is to be opened. */
static struct store store_made(void)
{
	struct store s = { .path = "/tmp/vzrun-unit.XXXXXX", .dir = -1 };

	CHECK(mkdtemp(s.path) != NULL);
	return s;
}
