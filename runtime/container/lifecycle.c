/* What is done with a container that is there: started, killed, paused, deleted, recovered. */
#include "runtime/container/opened.h"
#include "runtime/container/launch.h"
#include "runtime/container/notify_socket.h"
#include "runtime/container/teardown.h"
#include "base/dgram.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int give_listener(void *p, int fd)
{
	struct opened *o = p;
	auto_arena struct arena a = { 0 };

	return listener_send(o->s.listener, state_text(&a, &o->s, "created", (pid_t)o->s.pid.v),
			     (pid_t)o->s.pid.v, fd);
}

/* *destroy: hooks of the start failed, and the container ends with them, as the specification has it. */
static int start(struct opened *o, bool *destroy)
{
	auto_arena struct arena a = { 0 };
	bool begun = false;
	int r;

	TRY(fault_point("connect to the start socket"));
	auto_close int sync = dgram_connect(o->dir_fd, "start", SOCK_SEQPACKET);
	if (sync < 0)
		return launch_outlived("start", o->pidfd, sync);
	TRY(fault_point("remove the start socket"));
	/* The container counts as started from here on, even if its exec fails: a start killed now leaves it stopped. */
	if (unlinkat(o->dir_fd, "start", 0) < 0 && errno != ENOENT)
		return fail_errno("remove the start socket");
	TRY(fault_point("say go"));
	TRY(sync_say(sync, SYNC_GO));
	/* Hooks inside may take long: deleting must not wait for them. */
	(void)flock(o->dir_fd, LOCK_UN);
	r = sync_hear_exec(sync, o->s.listener ? give_listener : NULL, o, &begun);
	*destroy = r < 0 && !begun && o->s.hooks && o->s.hooks->of[HOOK_START_CONTAINER].n > 0;
	if (r < 0 && o->s.listener)
		(void)sys_pidfd_kill(o->pidfd, SIGKILL);
	TRY(r);
	r = hooks_run(o->s.hooks, HOOK_POSTSTART, state_text(&a, &o->s, "running", (pid_t)o->s.pid.v), o->s.bundle);
	*destroy = r < 0;
	return r;
}

static int not_running(void)
{
	return fail_as(ERR_STATE, "container not running");
}

/* In a pid namespace of others the group is what the container is. */
static int kill_group(const struct opened *o, const struct cg *cg)
{
	auto_free pid_t *pids = NULL;
	size_t n = 0;

	if (!cg->hiers)
		return o->status == ST_STOPPED ? not_running() : 1;
	if (o->status == ST_STOPPED) {
		TRY(cg_pids(cg, true, &pids, &n));
		if (n == 0)
			return not_running();
	}
	return cg_kill(cg, SIGKILL);
}

int container_kill(const char *root, const char *id, int sig, bool all)
{
	static struct cg cg;
	auto_opened struct opened o;

	TRY(opened_container(root, id, false, &o));
	TRY(opened_group(&o, &cg));
	if (all && cg.hiers)
		return cg_kill(&cg, sig);
	if (sig == SIGKILL && (o.status == ST_STOPPED || !opened_is_first((pid_t)o.s.pid.v))) {
		int r = kill_group(&o, &cg);

		if (r <= 0)
			return r;
	}
	if (o.status == ST_STOPPED)
		return not_running();
	if (all)
		return opened_signal_members(&o, sig);
	if (sys_pidfd_kill(o.pidfd, sig) < 0)
		return errno == ESRCH ? not_running() : fail_errno("send signal %d to container %s", sig, id);
	/* A frozen process keeps the signal waiting; killing must work on a paused container too. */
	int r = sig == SIGKILL && o.status == ST_PAUSED ? cg_freeze(&cg, false) : 0;
	/* The cgroup is gone: somebody else thawed it, so the signal has ended the process already. */
	if (r == -ENOENT) {
		err_clear();
		return 0;
	}
	return r;
}

int container_pause(const char *root, const char *id, bool pause)
{
	static struct cg cg;
	auto_opened struct opened o;

	TRY(opened_container(root, id, true, &o));
	if (pause && o.status != ST_RUNNING && o.status != ST_CREATED)
		return fail_as(ERR_STATE, "container not running or created: %s", status_name(o.status));
	if (!pause && o.status != ST_PAUSED)
		return fail_as(ERR_STATE, "container not paused");
	TRY(opened_group(&o, &cg));
	if (!cg.hiers)
		return fail_as(ERR_UNSUPPORTED, "container %s has no cgroup: it cannot be paused", id);
	return cg_freeze(&cg, pause);
}

static int delete_locked(struct teardown *t, const struct opened *o, uint64_t steps)
{
	auto_arena struct arena a = { 0 };

	TRY(fault_point("take the container down"));
	TRY(steps_unwind(container_steps, CONTAINER_STEPS, t, steps));
	return o->s.hooks
		? hooks_run(o->s.hooks, HOOK_POSTSTOP, state_text(&a, &o->s, "stopped", 0), o->s.bundle) : 0;
}

/* loaded: what loading its state said. */
static int delete_opened(struct opened *o, const char *id, int loaded, bool force)
{
	static struct teardown t;
	uint64_t steps = 0;

	FRESH(t);
	t.journal = -1;
	t.force = force;
	t.root_fd = o->root_fd;
	t.dir_fd = o->dir_fd;
	TRY(teardown_load(&t, id, loaded, &o->s, &steps));
	return delete_locked(&t, o, steps);
}

/* Unless somebody else did meanwhile: then the directory that we hold is no longer there. */
static int delete_unless_gone(struct opened *o, const char *id)
{
	struct stat st;

	if (TEMP_FAILURE_RETRY(flock(o->dir_fd, LOCK_EX)) < 0 || fstat(o->dir_fd, &st) < 0)
		return fail_errno("lock its state");
	return st.st_nlink > 0 ? delete_opened(o, id, 0, false) : 0;
}

static void destroy_opened(struct opened *o, const char *id)
{
	struct err_saved why;

	err_save(&why);
	if (delete_unless_gone(o, id) < 0)
		log_warn("container %s was not taken down: %s", id, err_text());
	err_restore(&why);
}

static int start_opened(struct opened *o, bool notifies)
{
	auto_close int notify = -1;
	bool destroy = false;
	int r;

	if (o->status == ST_PAUSED)
		return fail_as(ERR_STATE, "cannot start a container in the paused state");
	if (o->status != ST_CREATED)
		return fail_as(ERR_STATE, o->status == ST_STOPPED ? "cannot start a container that has stopped"
								  : "cannot start an already running container");
	if (notifies && (notify = notify_listen(o->dir_fd)) < 0 && notify != -ENOENT)
		return notify;
	r = start(o, &destroy);
	/* The process closed its socket without a word: it may be dead. Failures that it told stay as they are. */
	if (r == -ECHILD)
		r = launch_outlived("start", o->pidfd, r);
	if (destroy)
		destroy_opened(o, o->s.id);
	return r >= 0 && notify >= 0 ? notify_wait(notify, (pid_t)o->s.pid.v, o->pidfd) : r;
}

int container_start(const char *root, const char *id, bool notifies)
{
	auto_opened struct opened o;

	TRY(opened_container(root, id, true, &o));
	return start_opened(&o, notifies);
}

int container_start_made(const struct container *c, bool notifies)
{
	auto_opened struct opened o;

	TRY(opened_made(c, &o));
	return start_opened(&o, notifies);
}

enum how { DELETE_IDLE, DELETE_FORCE, DELETE_UNFINISHED };

static int delete_container(const char *root, const char *id, enum how how)
{
	auto_opened struct opened o;
	bool force = how != DELETE_IDLE;
	int r = opened_container(root, id, true, &o);

	if (o.dir_fd < 0 && err_class() == ERR_NOT_FOUND && force) {
		err_clear();
		return 0;
	}
	if (o.dir_fd < 0)
		return r;
	TRY(cg_host_check());
	if (r < 0 && r != -ENODATA && !force)
		return r;
	/* Judged under the lock: meanwhile another may have finished under this name. */
	if (how == DELETE_UNFINISHED && r != -ENODATA)
		return r < 0 ? r : 0;
	/* Buildah has no other word for a container whose network could not be set up: runc ends what has not begun. */
	if (r >= 0 && !force && o.status != ST_STOPPED && o.status != ST_CREATED)
		return fail_as(ERR_STATE, "cannot delete container %s that is not stopped: %s", id,
			       status_name(o.status));
	return delete_opened(&o, id, r, how == DELETE_FORCE);
}

int opened_delete(struct opened *o)
{
	TRY(cg_host_check());
	return delete_opened(o, o->s.id, 0, false);
}

int container_delete(const char *root, const char *id, bool force)
{
	return delete_container(root, id, force ? DELETE_FORCE : DELETE_IDLE);
}

/* The container was deleted meanwhile. Its name may be in use again, so the directory that was opened is asked. */
static bool is_gone(const struct container *c)
{
	struct stat st;

	return TEMP_FAILURE_RETRY(flock(c->dir_fd, LOCK_EX)) == 0 && fstat(c->dir_fd, &st) == 0 && st.st_nlink == 0;
}

/* Under the lock. */
static bool is_untouched(const struct container *c)
{
	static const struct state_mark none;
	struct state_mark now;

	if (memcmp(&c->mark, &none, sizeof none) == 0)
		return false;
	now = state_mark(c->dir_fd);
	return memcmp(&c->mark, &now, sizeof now) == 0;
}

int container_take_down(const struct container *c)
{
	auto_opened struct opened o = { .root_fd = -1, .dir_fd = -1, .pidfd = -1 };

	if (is_gone(c))
		return 0;
	int r = opened_made(c, &o);
	if (o.dir_fd < 0)
		return r;
	TRY(cg_host_check());
	return delete_opened(&o, c->id, r, true);
}

int container_end(const struct container *c)
{
	static struct teardown t;

	if (is_gone(c))
		return 0;
	if (!is_untouched(c))
		return container_take_down(c);
	FRESH(t);
	memcpy(t.id, c->id, sizeof t.id);
	t.journal = -1;
	t.root_fd = c->root_fd;
	t.dir_fd = c->dir_fd;
	t.cg = c->cg;
	TRY(fault_point("take the container down"));
	return steps_unwind(container_steps, CONTAINER_STEPS, &t, ~UINT64_C(0));
}

struct recovery { const char *root, *only; int root_fd, n; };

static int recover_one(void *p, const char *id)
{
	struct recovery *r = p;
	auto_close int dir = -1;
	auto_state struct state s = { 0 };

	if (r->only && !str_eq(r->only, id))
		return 0;
	dir = state_open(r->root_fd, id, false);
	if (dir < 0)
		return err_class() == ERR_NOT_FOUND ? 0 : dir;
	/* Another command holds the lock: an unfinished creation may be that command's, and still go on. */
	if (flock(dir, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : fail_errno("lock the state of %s", id);
	int loaded = state_load(dir, id, &s);
	/* A corrupt record is left alone here: only `delete -f` takes the container away whatever it is. */
	if (loaded >= 0 || loaded == -EINVAL || err_class() == ERR_UNSUPPORTED)
		return 0;
	if (loaded != -ENODATA)
		return loaded;
	drop_fd(&dir);
	TRY(delete_container(r->root, id, DELETE_UNFINISHED));
	r->n++;
	return 0;
}

int container_recover(const char *root, const char *only)
{
	struct recovery r = { .root = root, .only = only };

	r.root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r.root_fd < 0)
		return errno == ENOENT ? 0 : fail_errno("open %s", root);
	int ret = state_each(r.root_fd, recover_one, &r), files = file_sweep(r.root_fd, FILTER_CACHE);
	drop_fd(&r.root_fd);
	TRY(ret);
	TRY(files);
	return r.n + files;
}
