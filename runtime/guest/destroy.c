/* A guest is removed by the steps that make one, backwards; so is what a killed creation or removal left of one. */
#include "runtime/guest/create.h"
#include "base/fault.h"
#include "base/scope.h"
#include "runtime/guest/apparmor.h"
#include "runtime/guest/idrange.h"
#include "runtime/guest/keeper_wire.h"

#include <fcntl.h>
#include <unistd.h>

/* What is on record is all of it, whatever a killed command did already. */
static int take_apart(struct making *m, bool force)
{
	pid_t pid;
	enum guest_status s = guest_status(m->at, m->name, &pid);

	if (s == GUEST_UNKNOWN)
		return -EIO;
	/* Started since we looked, before we had the lock. */
	if (s != GUEST_STOPPED && (s != GUEST_STARTING || keeper_lives(m->at, m->name))) {
		fail_as(ERR_STATE, "guest \"%s\" is running", m->name);
		err_try("vzrun stop %s%s%s", m->name, force ? "" : "   |   vzrun destroy --force ", force ? "" : m->name);
		return -EBUSY;
	}
	TRY(fault_point("remove the container"));
	TRY(container_delete(m->at->root, m->name, true));
	TRY(guest_apparmor_drop(m->at, m->name));
	TRY(fault_point("remove the guest"));
	for (size_t i = GUEST_STEPS; i-- > 0;) {
		if (!guest_steps[i].undo)
			continue;
		TRY(fault_point(guest_steps[i].name));
		TRY(guest_steps[i].undo(m));
	}
	if (idrange_sweep() < 0)
		err_clear();
	return 0;
}

static bool is_finished(const struct making *m)
{
	return faccessat(m->dir_fd, "config.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* unfinished: only while it is; whoever finished it meanwhile has a guest. */
static int destroy(const struct guest_where *at, const char *name, bool force, bool unfinished)
{
	struct making m = MAKING_INIT(at, name);
	const char *guests;
	uint64_t at_once = 0;
	pid_t pid;
	bool killed;
	int r;

	TRY(m.dir_fd = guest_dir(at, name));
	guests = guest_path(&m.arena, at, NULL, NULL);
	m.dir = guest_path(&m.arena, at, name, NULL);
	if (force && !(unfinished && is_finished(&m)) && guest_status(at, name, &pid) != GUEST_STOPPED &&
	    guest_stop(at, name, &at_once, &killed) < 0 && err_class() != ERR_STATE) {
		making_free(&m);
		return -EIO;
	}
	err_clear();
	m.guests_fd = guests ? open(guests, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	r = !m.dir || !guests ? fail(ENOMEM, "out of memory") :
	    m.guests_fd < 0 ? fail_errno("open %s", guests) : guest_lock(m.dir_fd, name);
	if (r >= 0 && !(unfinished && is_finished(&m)))
		r = take_apart(&m, force);
	making_free(&m);
	return r;
}

int guest_destroy(const struct guest_where *at, const char *name, bool force)
{
	return destroy(at, name, force, false);
}

int guest_destroy_unfinished(const struct guest_where *at, const char *name)
{
	return destroy(at, name, true, true);
}
