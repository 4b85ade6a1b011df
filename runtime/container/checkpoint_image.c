/* The image directory, and what criu is told of it: by checkpoint as by restore. */
#include "runtime/container/checkpoint_io.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_dir(const char *path, bool create)
{
	int fd;

	if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
		return fail_errno("make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_errno("open %s", path) : fd;
}

int image_open(const struct checkpoint_opts *o, bool create, const char *log, struct image *out)
{
	*out = (struct image)IMAGE_CLOSED;
	out->path = o->image_path ? o->image_path : "checkpoint";
	out->work_path = o->work_path ? o->work_path : out->path;
	out->log = log;
	out->dir = open_dir(out->path, create);
	TRY(out->dir);
	out->work = open_dir(out->work_path, true);
	TRY(out->work);
	/* What an earlier attempt said is not why this one fails. */
	(void)unlinkat(out->work, log, 0);
	return 0;
}

void image_close(struct image *i)
{
	drop_fd(&i->dir);
	drop_fd(&i->work);
}

static int put_page_server(const char *where, struct buf *opts)
{
	auto_buf struct buf ps = { 0 };
	const char *colon = where ? strrchr(where, ':') : NULL;
	char address[128];
	uint64_t port;

	if (!where)
		return 0;
	if (!colon || colon == where || (size_t)(colon - where) >= sizeof address ||
	    str_u64(colon + 1, 65535, &port) < 0)
		return fail_as(ERR_USAGE, "Use --page-server ADDRESS:PORT to specify page server");
	snprintf(address, sizeof address, "%.*s", (int)(colon - where), where);
	criu_text(&ps, 1, address);
	criu_num(&ps, 2, port);
	criu_msg(opts, CRIU_PAGE_SERVER, &ps);
	return 0;
}

static int put_cgroups_mode(const char *mode, struct buf *opts)
{
	static const struct name modes[] = { { "ignore", 0 }, { "soft", 3 }, { "full", 4 }, { "strict", 5 }, { 0 } };
	const struct name *n = modes;

	while (mode && n->text && !str_eq(n->text, mode))
		n++;
	if (mode && !n->text)
		return fail_as(ERR_USAGE, "Invalid manage-cgroups-mode value \"%s\"", mode);
	criu_flag(opts, CRIU_MANAGE_CGROUPS, true);
	criu_num(opts, CRIU_MANAGE_CGROUPS_MODE, mode ? (uint64_t)n->value : 6);
	return 0;
}

int image_options(const struct checkpoint_opts *o, const struct image *i, const struct map *notes,
		  struct buf *opts)
{
	const char *config = map_get(notes, CHECKPOINT_ANNOTATION);

	criu_num(opts, CRIU_IMAGES_DIR_FD, (uint64_t)i->dir);
	criu_num(opts, CRIU_WORK_DIR_FD, (uint64_t)i->work);
	criu_num(opts, CRIU_LOG_LEVEL, 4);
	criu_text(opts, CRIU_LOG_FILE, i->log);
	criu_flag(opts, CRIU_NOTIFY_SCRIPTS, true);
	criu_flag(opts, CRIU_SHELL_JOB, o->shell_job);
	criu_flag(opts, CRIU_TCP_ESTABLISHED, o->tcp_established);
	criu_flag(opts, CRIU_EXT_UNIX_SK, o->ext_unix_sk);
	criu_flag(opts, CRIU_FILE_LOCKS, o->file_locks);
	criu_flag(opts, CRIU_AUTO_DEDUP, o->auto_dedup);
	criu_flag(opts, CRIU_LAZY_PAGES, o->lazy_pages);
	criu_flag(opts, CRIU_ORPHAN_PTS_MASTER, true);
	criu_text(opts, CRIU_CONFIG_FILE, config && *config ? config : NULL);
	if (o->empty_net)
		criu_num(opts, CRIU_EMPTY_NS, CLONE_NEWNET);
	TRY(put_page_server(o->page_server, opts));
	return put_cgroups_mode(o->cgroups_mode, opts);
}

void image_ready(const struct checkpoint_opts *o, const char *script)
{
	if (o->status_fd >= 0 && str_eq(script, "status-ready") && write(o->status_fd, "", 1) < 0)
		log_warn("--status-fd %d: %s", o->status_fd, strerrordesc_np(errno));
}

int image_list(const struct image *image, const char *name, struct strv *out, struct arena *a,
	       struct json **tree)
{
	struct list_of { struct strv v; };
	static const struct field fields[] = { F(struct list_of, "list", K_STRV, v), { 0 } };
	static const struct record record = RECORD("list", struct list_of, fields);
	auto_free char *text = NULL, *whole = NULL;
	struct list_of l;
	size_t n;
	int r = file_read(image->dir, name, &text, &n);

	*out = (struct strv){ 0 };
	if (r == -ENOENT) {
		err_clear();
		return 0;
	}
	TRY(r);
	if (asprintf(&whole, "{\"list\":%s}", text) < 0)
		return fail(ENOMEM, "out of memory");
	TRY_IN(json_parse(name, whole, strlen(whole), tree), "%s", image->path);
	TRY_IN(bind_decode(a, &record, *tree, &l), "%s/%s", image->path, name);
	*out = l.v;
	return 0;
}
