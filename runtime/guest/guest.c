#include "runtime/guest/checkpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"
#include "netns/ports.h"
#include "runtime/guest/apparmor.h"
#include "runtime/guest/idrange.h"
#include "runtime/guest/keeper_wire.h"
#include "runtime/guest/nic.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

int guest_check_name(const char *name)
{
	if (str_is_name(name) && strlen(name) <= 60)
		return 0;
	fail_as(ERR_USAGE, "invalid guest name \"%.80s\"", name);
	err_why("a name is a host name: small letters, digits, '-' and '.', at most 60 characters");
	return -EINVAL;
}

char *guest_path(struct arena *a, const struct guest_where *at, const char *name, const char *file)
{
	return arena_printf(a, "%s/guests%s%s%s%s", at->home, name ? "/" : "", name ?: "", file ? "/" : "", file ?: "");
}

int guest_dir(const struct guest_where *at, const char *name)
{
	auto_arena struct arena a = { 0 };
	struct stat st;

	TRY(guest_check_name(name));
	const char *path = guest_path(&a, at, name, NULL);
	if (!path)
		return fail(ENOMEM, "out of memory");
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		TRY(file_check_owners(at->home, "guests"));
		if (fstat(fd, &st) < 0)
			return fail_errno("guest %s", name);
		TRY(file_check_owner(&st, path));
		return take_fd(&fd);
	}
	if (errno != ENOENT)
		return fail_errno("guest %s", name);
	fail_as(ERR_NOT_FOUND, "guest \"%s\" does not exist", name);
	err_try("vzrun ls");
	return -ENOENT;
}

int guest_lock(int fd, const char *name)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		/* Whoever held the lock may have been destroying it. */
		if (fstat(fd, &st) < 0)
			return fail_errno("look at guest %s", name);
		if (st.st_nlink > 0)
			return 0;
		return fail_as(ERR_NOT_FOUND, "guest \"%s\" does not exist", name);
	}
	if (errno != EWOULDBLOCK)
		return fail_errno("lock guest %s", name);
	fail_as(ERR_LOCKED, "guest \"%s\" is locked by another command", name);
	err_try("wait for it and try again");
	return -EAGAIN;
}

/*
 * Whether a directory without a config.json is of a creation or a removal that was killed: events come after that file,
 * and go before it. Where they are, somebody has moved the file away.
 */
static bool is_half_made(int dir)
{
	static const char *const events[] = { "events", "events.1" };	/* just rotated, there is the second alone */

	for (size_t i = 0; i < COUNT(events); i++)
		if (faccessat(dir, events[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
			return false;
	return true;
}

static int no_config(const struct guest *g)
{
	auto_arena struct arena a = { 0 };

	if (is_half_made(g->dir_fd))
		return fail_as(ERR_NOT_FOUND, "guest \"%s\" is only half made (try: vzrun recover %s)", g->name, g->name);
	fail_as(ERR_CONFIG, "guest \"%s\" has lost its config.json", g->name);
	err_try("put it back to %s   |   vzrun destroy %s", guest_path(&a, &g->at, g->name, NULL) ?: "its place", g->name);
	return -EINVAL;
}

static int load(struct guest *g)
{
	struct json *tree;
	int r = json_load(g->dir_fd, "config.json", &tree);

	if (r == -ENOENT)
		return no_config(g);
	if (r >= 0)
		r = spec_decode("config.json", tree, &g->spec);
	if (r >= 0 && (r = guest_conf_load(g)) < 0)
		fail_in(r, "config.json");
	return r < 0 ? fail_class(fail_in(r, "guest \"%s\"", g->name), ERR_CONFIG) : 0;
}

int guest_take_idle(const struct guest_where *at, const char *name, int *dir)
{
	int r = *dir = guest_dir(at, name);

	if (r >= 0)
		r = guest_lock(*dir, name);
	if (r >= 0)
		return 1;
	if (err_class() != ERR_NOT_FOUND && err_class() != ERR_LOCKED)
		return r;
	err_clear();
	return 0;
}

int guest_open(const struct guest_where *at, const char *name, bool lock, struct guest *out)
{
	int r;

	*out = (struct guest){ .at = *at, .dir_fd = -1 };
	out->dir_fd = guest_dir(at, name);
	TRY(out->dir_fd);
	snprintf(out->name, sizeof out->name, "%s", name);
	r = lock ? guest_lock(out->dir_fd, name) : 0;
	if (r >= 0)
		r = load(out);
	if (r < 0)
		guest_close(out);
	return r;
}

void guest_close(struct guest *g)
{
	drop_fd(&g->dir_fd);
	spec_free(&g->spec);
}

int guest_look(const struct guest_where *at, const char *name)
{
	int fd = str_is_name(name) && strlen(name) <= 60 ? guest_dir(at, name) : -ENOENT;

	if (fd >= 0)
		close(fd);
	/* An ordinary user has no guests, and may not look. */
	else if (fd != -ENOENT && fd != -EACCES)
		return fd;
	else
		err_clear();
	return fd >= 0;
}

bool guest_exists(const struct guest_where *at, const char *name)
{
	int r = guest_look(at, name);

	if (r < 0)
		err_clear();
	return r > 0;
}

int guest_each(const struct guest_where *at, int (*each)(void *, const char *), void *ctx)
{
	auto_arena struct arena a = { 0 };
	const char *path = guest_path(&a, at, NULL, NULL);
	struct dirent **list;
	int n, r = 0;

	if (!path)
		return fail(ENOMEM, "out of memory");
	n = scandir(path, &list, NULL, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : fail_errno("read %s", path);
	for (int i = 0; i < n; i++) {
		if (r >= 0 && str_is_name(list[i]->d_name))
			r = each(ctx, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return r;
}

const char *guest_status_name(enum guest_status s)
{
	static const char *const names[] = { [GUEST_STOPPED] = "stopped", [GUEST_STARTING] = "starting",
					     [GUEST_RUNNING] = "running", [GUEST_PAUSED] = "paused",
					     [GUEST_UNKNOWN] = "unknown" };

	return names[s];
}

const char *guest_status_word(const struct guest_where *at, const char *name, enum guest_status s)
{
	auto_close int dir = s == GUEST_STOPPED ? guest_dir(at, name) : -1;

	if (dir >= 0 && guest_suspended(dir))
		return "suspended";
	return guest_status_name(s);
}

enum guest_status guest_status(const struct guest_where *at, const char *name, pid_t *pid)
{
	struct container_info i;
	enum guest_status s = GUEST_STOPPED;
	int r = container_info(at->root, name, &i);

	*pid = 0;
	if (r < 0) {
		/* A corrupt record says nothing of its guest; that a system call failed says nothing of the record. */
		if (r != -ENODATA && r != -EINVAL && err_class() != ERR_NOT_FOUND && err_class() != ERR_UNSUPPORTED)
			return GUEST_UNKNOWN;
		err_clear();
		/* Between two boots there is a keeper and no container. */
		return r == -ENODATA || keeper_lives(at, name) ? GUEST_STARTING : GUEST_STOPPED;
	}
	if (i.status == ST_RUNNING || i.status == ST_CREATED)
		s = GUEST_RUNNING;
	else if (i.status == ST_PAUSED)
		s = GUEST_PAUSED;
	else if (keeper_lives(at, name))
		s = GUEST_STARTING;	/* its init is dead, and the keeper decides whether it boots again */
	*pid = i.pid;
	container_info_free(&i);
	return s;
}

int guest_check_up(const struct guest_where *at, const char *name, pid_t *pid)
{
	static const struct { const char *state, *try; } rows[] = {
		{ "stopped", "vzrun start %s" }, { "suspended", "vzrun restore %s" }, { "paused", "vzrun resume %s" },
		{ "starting", "vzrun why %s" },
	};
	enum guest_status s = guest_status(at, name, pid);
	const char *word = guest_status_word(at, name, s);

	if (s == GUEST_UNKNOWN)
		return -EIO;
	if (s == GUEST_RUNNING)
		return 0;
	fail_as(ERR_STATE, "guest \"%s\" is %s", name, word);
	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_eq(rows[i].state, word))
			err_try(rows[i].try, name);
	return -EBUSY;
}

int guest_init(const struct guest_where *at, const char *name, pid_t *pid)
{
	struct container_info i;
	int fd;

	*pid = 0;
	TRY(container_info(at->root, name, &i));
	fd = sys_pidfd_of((pid_t)i.s.pid.v, i.s.start_time.v);
	*pid = (pid_t)i.s.pid.v;
	if (fd < 0 && errno != ESRCH)
		fd = fail_errno("look for process %d", (int)*pid);
	else if (fd < 0)
		fd = -ESRCH;
	container_info_free(&i);
	return fd;
}

int guest_sweep(const struct guest_where *at, const char *name, int dir_fd)
{
	struct container_info i;
	int mended = 0, r;

	if (keeper_lives(at, name))
		return 0;
	r = container_info(at->root, name, &i);
	if (r >= 0) {
		enum status s = i.status;

		container_info_free(&i);
		if (s != ST_STOPPED)
			return 0;
	} else if (err_class() == ERR_UNSUPPORTED) {
		/* Another vzrun's record: whether it runs is not known. */
		log_warn("%s", err_text());
		err_clear();
		return 0;
	} else if (err_class() != ERR_NOT_FOUND && r != -ENODATA) {
		return r;
	}
	mended = r >= 0 || r == -ENODATA;
	err_clear();
	TRY(net_publish_down(at->home, name));
	TRY(container_delete(at->root, name, true));
	TRY(r = guest_apparmor_drop(at, name));
	mended |= r;
	mended |= unlinkat(dir_fd, "keeper.sock", 0) == 0;
	mended |= links_end(dir_fd, -1) > 0;
	TRY(r = guest_checkpoint_sweep(dir_fd));
	return mended | (r > 0);
}

struct recovery { const struct guest_where *at; const char *only; int n; };

static int recover_one(void *p, const char *name)
{
	struct recovery *r = p;
	auto_close int dir = -1;

	if (r->only && !str_eq(r->only, name))
		return 0;
	int idle = guest_take_idle(r->at, name, &dir);
	if (idle <= 0)
		return idle;
	if (faccessat(dir, "config.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		/* Of a running guest, too: the lock says that no other command is at work on it. */
		int dumps = guest_checkpoint_sweep(dir), n = guest_sweep(r->at, name, dir), files = file_sweep(dir, ".");

		TRY(dumps);
		TRY(n);
		TRY(files);
		r->n += n + dumps + files;
		return 0;
	}
	/* What could not be looked at is no half of a guest. */
	if (errno != ENOENT)
		return fail_errno("look for config.json of guest %s", name);
	if (!is_half_made(dir)) {
		log_warn("guest \"%s\" has lost its config.json, and is left as it is", name);
		return 0;
	}
	(void)flock(dir, LOCK_UN);
	drop_fd(&dir);
	r->n++;
	return guest_destroy_unfinished(r->at, name);
}

int guest_recover(const struct guest_where *at, const char *only)
{
	struct recovery r = { .at = at, .only = only };
	int n = container_recover(at->root, only);

	TRY(n);
	TRY(guest_each(at, recover_one, &r));
	n += r.n;
	/* What follows is shared by all guests: not for a command that names one. */
	if (only)
		return n;
	TRY(r.n = idrange_sweep());
	n += r.n;
	TRY(r.n = label_sweep());
	n += r.n;
	TRY(r.n = net_sweep(at->home));
	return n + r.n;
}
