#include "runtime/guest/create.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/scope.h"
#include "runtime/guest/apparmor.h"
#include "runtime/guest/binds.h"
#include "runtime/guest/checkpoint.h"
#include "runtime/guest/events.h"
#include "runtime/guest/set.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool dir_storage(const struct making *m)
{
	return m->req->storage && str_eq(m->req->storage, "dir");
}

static int exists(const struct making *m)
{
	auto_buf struct buf conf = { 0 };

	buf_printf(&conf, "%s/config.json", m->name);
	fail_as(ERR_EXISTS, "guest \"%s\" already exists", m->name);
	if (faccessat(m->guests_fd, buf_text(&conf), F_OK, 0) < 0 && errno == ENOENT)
		err_try("vzrun recover %s, if nobody makes it just now", m->name);
	return -EEXIST;
}

static int is_entry(const struct dirent *e)
{
	return !str_eq(e->d_name, ".") && !str_eq(e->d_name, "..");
}

/* 1: nothing is in it. */
static int is_empty(int dir_fd)
{
	struct dirent **list;
	int n = scandirat(dir_fd, ".", &list, is_entry, NULL);

	if (n < 0)
		return fail_errno("read the guest's directory");
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return n == 0;
}

/*
 * Not locked yet, it is a half-made guest to `recover` and destroy: what they took away meanwhile is made again, but
 * for what another made of it in the meantime.
 */
static int take_name(struct making *m)
{
	struct stat st = { 0 };

	while (st.st_nlink == 0) {
		drop_fd(&m->dir_fd);
		if (mkdirat(m->guests_fd, m->name, 0700) < 0) {
			if (errno == EEXIST)
				return exists(m);
			return fail_class(fail_errno("create %s", m->dir), ERR_STORAGE);
		}
		m->dir_fd = openat(m->guests_fd, m->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (m->dir_fd < 0 && errno == ENOENT)
			continue;
		if (m->dir_fd < 0 || TEMP_FAILURE_RETRY(flock(m->dir_fd, LOCK_EX)) < 0 || fstat(m->dir_fd, &st) < 0) {
			int r = fail_errno("open %s", m->dir);

			(void)unlinkat(m->guests_fd, m->name, AT_REMOVEDIR);
			return r;
		}
	}
	int empty = is_empty(m->dir_fd);
	/* rmdir(2) fails on a directory that is not empty, so another's guest is safe. */
	if (empty < 0)
		(void)unlinkat(m->guests_fd, m->name, AT_REMOVEDIR);
	TRY(empty);
	return empty ? 0 : exists(m);
}

static int claim(void *p)
{
	struct making *m = p;
	const char *path = guest_path(&m->arena, m->at, NULL, NULL);

	if (!path)
		return fail(ENOMEM, "out of memory");
	TRY(m->guests_fd = file_make_dirs(path, 0700));
	TRY(file_check_owners(m->at->home, "guests"));
	return take_name(m);
}

static int unclaim(void *p)
{
	struct making *m = p;

	return m->incomplete ? 0 : path_remove_tree(m->guests_fd, m->name);
}

static int noted(struct making *m, int r)
{
	m->incomplete |= r < 0;
	return r;
}

static int find_image(void *p)
{
	struct making *m = p;
	const struct guest_create_req *r = m->req;

	if (r->template)
		TRY(image_template(m->at->home, r->template, &m->ref));
	else if (r->rootfs)
		TRY(image_import(m->at->home, r->rootfs, NULL, &m->ref));
	else
		buf_puts(&m->ref, r->image);
	return image_resolve(m->at->home, buf_text(&m->ref), &m->image);
}

static int make_root(void *p)
{
	struct making *m = p;

	if (dir_storage(m)) {
		auto_buf struct buf target = { 0 };

		if (mkdirat(m->dir_fd, "rootfs", 0755) < 0)
			return fail_class(fail_errno("create %s/rootfs", m->dir), ERR_STORAGE);
		buf_printf(&target, "%s/rootfs", m->dir);
		return image_unpack_copy(m->at->home, buf_text(&m->ref), buf_text(&target));
	}
	/* upper becomes the guest's "/": its mode is the root directory's. */
	if (mkdirat(m->dir_fd, "disk", 0700) < 0 || mkdirat(m->dir_fd, "disk/upper", 0755) < 0 ||
	    mkdirat(m->dir_fd, "disk/work", 0700) < 0 || fchmodat(m->dir_fd, "disk/upper", 0755, 0) < 0)
		return fail_class(fail_errno("create the guest's layer in %s", m->dir), ERR_STORAGE);
	return 0;
}

static int remove_root(const struct making *m)
{
	TRY(guest_checkpoint_drop(m->dir_fd));
	TRY(path_remove_tree(m->dir_fd, "disk"));
	return path_remove_tree(m->dir_fd, "rootfs");
}

static int drop_root(void *p)
{
	return noted(p, remove_root(p));
}

static int label(void *p)
{
	struct making *m = p;

	TRY(label_get(m->dir_fd, m->dir, m->req->selinux, &m->labels));
	return dir_storage(m) ? 0 : label_layers(m->at->home, &m->image.layers, &m->labels);
}

/* Not undone: no earlier label of a volume would suit another guest of this name. */
static int label_binds(void *p)
{
	struct making *m = p;

	for (size_t i = 0; i < m->req->binds.n; i++)
		TRY(bind_label(&m->binds[i], &m->labels));
	return 0;
}

static int remove_label(const struct making *m)
{
	TRY(label_release(m->dir));
	if (unlinkat(m->dir_fd, "label", 0) < 0 && errno != ENOENT)
		return fail_errno("remove the label of %s", m->name);
	return 0;
}

static int unlabel(void *p)
{
	return noted(p, remove_label(p));
}

static int wish(struct making *m)
{
	const struct guest_create_req *r = m->req;
	static const char *const usual[] = { "default" };
	struct strv nets = r->networks.n ? r->networks : (struct strv){ (const char **)(uintptr_t)usual, 1 };

	m->nics.n = 0;
	if (nets.n > NET_PORTS_MAX)
		return fail_as(ERR_USAGE, "--net: more than %d", NET_PORTS_MAX);
	for (size_t i = 0; i < nets.n; i++) {
		if (str_eq(nets.v[i], "none") && nets.n > 1)
			return fail_as(ERR_USAGE, "--net: none stands alone");
		if (str_eq(nets.v[i], "none"))
			break;
		if (!str_is_name(nets.v[i]))
			return fail_as(ERR_USAGE, "--net: \"%.64s\" is not the name of a network", nets.v[i]);
		m->nics.v[m->nics.n++] = (struct net_nic_conf){ .network = nets.v[i], .index = { (uint32_t)i, true } };
	}
	return nic_words(&m->nics, &r->nics, NULL, 0, &m->arena);
}

static int parse_binds(struct making *m)
{
	const struct strv *words = &m->req->binds;

	m->binds = arena_alloc(&m->arena, words->n + 1, sizeof *m->binds);
	if (!m->binds)
		return fail(ENOMEM, "out of memory");
	for (size_t i = 0; i < words->n; i++) {
		TRY(bind_parse(&m->arena, words->v[i], &m->binds[i]));
		/* Before an image is made for nothing. */
		auto_close int there = bind_open_source(&m->binds[i]);
		TRY(there);
	}
	return 0;
}

static int unlease(void *p)
{
	struct making *m = p;

	return noted(m, net_release(m->at->home, m->name));
}

static int lease(void *p)
{
	static struct net_port ports[NET_PORTS_MAX];
	struct making *m = p;
	size_t n = NET_PORTS_MAX;
	struct err_saved why;
	int r = m->nics.n ? net_claim(m->at->home, m->name, &(struct list){ m->nics.v, m->nics.n }, ports, &n) : 0;

	if (r >= 0)
		return 0;
	/* The failed lease has undone what it could; what remains is released here, or told. */
	err_save(&why);
	if (unlease(m) < 0)
		log_warn("guest \"%s\" may have addresses still (vzrun recover): %s", m->name, err_text());
	err_restore(&why);
	return r;
}

/* What an image says goes into it: a guest that could never start is not made. */
static int compose(void *p)
{
	struct making *m = p;

	TRY(create_config(&(struct new_guest){ m->name, m->req, buf_text(&m->ref), &m->image, dir_storage(m), &m->nics,
					       m->binds }, &m->config));
	TRY_IN(guest_check_text("config.json", m->config.p, m->config.n), "guest \"%s\" not created", m->name);
	return 0;
}

static int write_config(void *p)
{
	struct making *m = p;

	return file_write_atomic(m->dir_fd, "config.json", m->config.p, m->config.n, 0600);
}

/* A guest is known to have been whole by its events. */
static int write_event(void *p)
{
	struct making *m = p;

	return event_add(m->dir_fd, &(struct guest_event){ .event = "created", .detail = buf_text(&m->ref) });
}

static int remove_config(void *p)
{
	struct making *m = p;

	static const char *const files[] = { "events.1", "events", "config.json" };

	/* Events go first: a directory with events but no config.json counts as a guest that lost the file. */
	for (size_t i = 0; i < COUNT(files); i++)
		if (unlinkat(m->dir_fd, files[i], 0) < 0 && errno != ENOENT)
			return fail_errno("remove %s of %s", files[i], m->name);
	return 0;
}

const struct step guest_steps[GUEST_STEPS] = {
	{ "claim the name",  claim,        unclaim },
	{ "image",           find_image,   NULL },
	{ "what it says",    compose,      NULL },
	{ "root filesystem", make_root,    drop_root },
	{ "label",           label,        unlabel },
	{ "address",         lease,        unlease },
	{ "volumes",         label_binds,  NULL },
	{ "configuration",   write_config, remove_config },
	{ "events",          write_event,  NULL },
};

static int check_words(const struct guest_create_req *r)
{
	uint64_t quota, base;

	if (!!r->image + !!r->rootfs + !!r->template != 1)
		return fail_as(ERR_USAGE, "give one of --image, --rootfs and --template");
	if (r->storage && !str_eq(r->storage, "dir") && !str_eq(r->storage, "overlay"))
		return fail_as(ERR_USAGE, "--storage: \"%s\" is neither overlay nor dir", r->storage);
	if (r->userns && !str_eq(r->userns, "auto") && !str_eq(r->userns, "host") &&
	    (str_u64(r->userns, UINT32_MAX - 65536, &base) < 0 || base < 65536))
		return fail_as(ERR_USAGE, "--userns: \"%s\" is neither auto, host nor a first id from 65536 on", r->userns);
	if (r->selinux)
		TRY(label_check(r->selinux));
	TRY(label_possible(r->selinux));
	if (r->memory.set && r->memory.v < (1 << 20))
		return fail_as(ERR_USAGE, "--memory: less than 1M");
	if (r->swap.set && !r->memory.set)
		return fail_as(ERR_USAGE, "--swap: needs --memory");
	if (r->memory.v > INT64_MAX || r->swap.v > INT64_MAX - r->memory.v)
		return fail_as(ERR_USAGE, "--%s: too large", r->memory.v > INT64_MAX ? "memory" : "swap");
	if (r->pids.set && r->pids.v < 1)
		return fail_as(ERR_USAGE, "--pids: less than 1");
	if (r->cpus)
		TRY(guest_cpu_quota(r->cpus, &quota));
	if (r->hostname && !str_is_name(r->hostname))
		return fail_as(ERR_USAGE, "--hostname: \"%s\" is not a host name", r->hostname);
	TRY(guest_apparmor_check(r->apparmor));
	TRY(guest_check_dns(&r->dns, "--dns"));
	TRY(guest_check_tags(&r->tags, "--tag"));
	for (size_t i = 0; i < r->features.n; i++)
		if (!guest_feature_known(r->features.v[i]))
			return fail_as(ERR_USAGE, "--features: \"%s\" is unknown (nesting, fuse, tun, i386)",
				       r->features.v[i]);
	return 0;
}

void making_free(struct making *m)
{
	drop_fd(&m->dir_fd);
	drop_fd(&m->guests_fd);
	buf_free(&m->ref);
	buf_free(&m->config);
	image_rootfs_free(&m->image);
	arena_free(&m->arena);
}

int guest_create(const struct guest_where *at, const char *name, const struct guest_create_req *req)
{
	struct making m = MAKING_INIT(at, name);
	sigset_t old;
	int r;

	TRY(guest_check_name(name));
	TRY(check_words(req));
	m.req = req;
	m.dir = guest_path(&m.arena, at, name, NULL);
	r = m.dir ? parse_binds(&m) : fail(ENOMEM, "out of memory");
	if (r >= 0)
		r = wish(&m);
	proc_hold_signals(&old);
	if (r >= 0)
		r = steps_run(guest_steps, GUEST_STEPS, &m, NULL);
	making_free(&m);
	proc_let_signals(&old);
	return r;
}
