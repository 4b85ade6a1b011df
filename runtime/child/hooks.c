#include "runtime/child/child.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/scope.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/*
 * A hook of the host's side that says nothing of its environment has the caller's, as with runc and crun: many look for
 * their programs in its PATH. What runs in the container's namespaces learns nothing of the host's.
 */
static const char *const *environment(const struct spec_hook *h, enum hook_kind kind)
{
	static const char *const nothing[] = { NULL };

	if (h->env.v)
		return h->env.v;
	return kind == HOOK_CREATE_CONTAINER || kind == HOOK_START_CONTAINER ? nothing : NULL;
}

static int run_one(const struct spec_hook *h, enum hook_kind kind, const char *state, const char *cwd)
{
	const char *const self[] = { h->path, NULL };
	auto_buf struct buf out = { 0 }, err = { 0 };
	struct proc_req req = {
		.path = h->path,
		.argv = h->args.n > 0 ? h->args.v : self,
		.env = environment(h, kind),
		/* Ours lets nobody read, the child's lets all write; startContainer is the process's already. */
		.umask = kind == HOOK_START_CONTAINER ? 0 : 022,
		.cwd = cwd,
		.in = state, .in_n = strlen(state),
		/* Ours and the container's are no place for what a hook has to say. */
		.out = &out, .err = &err,
		.timeout_ms = h->timeout.set ? (int)h->timeout.v * 1000 : 0,
	};
	char killed[48] = "";
	int status;

	TRY(proc_run(&req, &status));
	if (status == 0)
		return 0;
	/* What a shell says of its own programs we say of a hook. */
	if (status > 128 && status < 128 + NSIG)
		snprintf(killed, sizeof killed, " (%c%s)", tolower(*strsignal(status - 128)), strsignal(status - 128) + 1);
	return fail(EIO, "%s: exit status %d%s%s%.*s", h->path, status, killed, err.n ? ": " : "",
		    (int)strcspn(buf_text(&err), "\n"), buf_text(&err));
}

int hooks_run(const struct spec_hooks *hooks, enum hook_kind kind, const char *state, const char *cwd)
{
	bool must = kind != HOOK_POSTSTOP;
	size_t i = 0;

	if (!hooks)
		return 0;
	LIST_EACH(struct spec_hook, h, hooks->of[kind]) {
		int r = state ? run_one(h, kind, state, cwd) : fail(ENOMEM, "out of memory");

		if (r < 0 && must)
			return fail_in(r, "error running %s hook #%zu", hook_names[kind], i);
		if (r < 0)
			log_warn("error running %s hook #%zu: %s", hook_names[kind], i, err_text());
		if (r < 0)
			err_clear();
		i++;
	}
	return 0;
}
