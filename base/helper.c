#include "base/helper.h"
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef VZRUN_PREFIX
#define VZRUN_PREFIX "/usr/local"
#endif
#define LIBEXEC VZRUN_PREFIX "/libexec/vzrun"

static const char *called_from;

void helper_set_dir(const char *dir)
{
	called_from = dir;
}

static bool is_there(const char *dir, const char *name, char path[PATH_MAX])
{
	return dir && *dir && snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX && access(path, X_OK) == 0;
}

int helper_find(const char *name, char path[PATH_MAX])
{
	const char *only = getenv("VZRUN_LIBEXEC");
	int r;

	if (only && *only ? is_there(only, name, path)
			  : is_there(called_from, name, path) || is_there(LIBEXEC, name, path))
		return 0;
	if (only && *only)
		r = fail_as(ERR_UNSUPPORTED, "%s: not found in %s", name, only);
	else
		r = fail_as(ERR_UNSUPPORTED, "%s: not found beside vzrun nor in %s", name, LIBEXEC);
	err_try("VZRUN_LIBEXEC=DIR with the directory that has it");
	return r;
}
