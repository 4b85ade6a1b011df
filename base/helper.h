/*
 * Our own helper executables (vzrun-image, vzrun-net, vzrun-systemd, vzrun-probe): in VZRUN_LIBEXEC and
 * nowhere else if that is set, or beside vzrun as it was called, or in PREFIX/libexec/vzrun.
 */
#pragma once
#include "base/str.h"

#include <limits.h>

/*
 * The directory that vzrun was called from; the string is kept. It runs from a copy without a path (rule R1).
 */
void helper_set_dir(const char *dir);
/* ERR_UNSUPPORTED, naming the places that were looked at. */
int helper_find(const char *name, char path[PATH_MAX]);

/*
 * Runs NAME VERB with `in` on its stdin. A helper says in one line on stderr what went wrong and exits with
 * the error's class: that becomes the error here, after "WHAT: ".
 */
struct helper_call {
	const char *name, *verb, *what;
	const char *in;
	size_t in_n;
	struct buf *out;
	int timeout_ms;
};
int helper_run(const struct helper_call *c);

/* The environment of a helper: ours, and who we are. The caller frees the array; NULL: no memory. */
const char **helper_env(void);
/*
 * First of all in a helper's main(): it ends when who called it does. What that had locked is another's then, and no
 * work of ours may still come to it.
 */
void helper_follow(void);
