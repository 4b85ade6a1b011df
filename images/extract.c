#include "images/extract.h"
#include "base/err.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/str.h"
#include "images/extract_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { SAY_EVERY = 16 << 20 };

/* Times of directories are set last: filling a directory changes them. */
struct late { struct late *next; struct timespec mtime; char path[]; };

struct walk {
	struct extract *x;
	struct tar *t;
	struct late *late;
	int dir;		/* the parent of the last member */
	char dir_path[PATH_MAX];
	uint64_t said;
	struct member m;
};

static int refuse_parent(const char *path, const char *dir)
{
	return fail_as(ERR_IMAGE, "%.200s: its directory %.200s is no directory of the layer", path, dir);
}

/* Parents that have no member of their own. */
static int make_parents(struct walk *w, const char *dir, const char *path)
{
	char copy[PATH_MAX], whole[PATH_MAX];
	auto_close int at = fcntl(w->x->root, F_DUPFD_CLOEXEC, 3);

	if (at < 0)
		return fail_errno("%.200s", path);
	strcpy(copy, dir);
	for (char *save = NULL, *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		int below, was = place_parent(&(struct place){ at, name, path });

		TRY(was);
		snprintf(whole, sizeof whole, "%.*s", (int)(name + strlen(name) - copy), dir);
		if (was == 2)
			TRY(w->x->say(w->x->ctx, 'o', whole));
		below = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0)
			return errno == ENOTDIR || errno == ELOOP ? refuse_parent(path, dir)
								  : fail_errno("%.200s", path);
		close(at);
		at = below;
	}
	return take_fd(&at);
}

static int open_dir(struct walk *w, const char *dir, const char *path, bool make)
{
	int fd = path_open_strict(w->x->root, *dir ? dir : ".", O_PATH | O_DIRECTORY);

	/* ENOTDIR: it may be a whiteout. */
	if ((fd == -ENOENT || fd == -ENOTDIR) && make)
		return make_parents(w, dir, path);
	if (fd == -ELOOP || fd == -ENOTDIR || fd == -EXDEV)
		return refuse_parent(path, dir);
	return fd;
}

static void split(const char *path, char dir[PATH_MAX], const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	memcpy(dir, path, n);
	dir[n] = '\0';
	*name = slash ? slash + 1 : path;
}

/* Members come in runs of one directory; no directory ever goes away again, so its descriptor stays good. */
static int find_place(struct walk *w, struct place *p)
{
	char dir[PATH_MAX];

	split(w->m.path, dir, &p->name);
	if (w->dir < 0 || !str_eq(dir, w->dir_path)) {
		drop_fd(&w->dir);
		TRY(w->dir = open_dir(w, dir, w->m.path, true));
		strcpy(w->dir_path, dir);
	}
	p->dir = w->dir;
	p->path = w->m.path;
	return 0;
}

static int make_hardlink(struct walk *w, const struct place *p)
{
	char dir[PATH_MAX];
	const char *name;
	struct stat st;

	split(w->m.link, dir, &name);
	auto_close int from = open_dir(w, dir, w->m.path, false);
	if (from < 0 || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode) ||
	    (S_ISCHR(st.st_mode) && st.st_rdev == 0))
		return fail_as(ERR_IMAGE, "%.200s: hard link to %.200s, which is no file of the layer",
			       w->m.path, w->m.link);
	if (linkat(from, name, p->dir, p->name, 0) < 0)
		return fail_class(fail_errno("%.200s: link to %.200s", w->m.path, w->m.link), ERR_STORAGE);
	return 0;
}

static int time_later(struct walk *w, const struct tar_entry *e)
{
	size_t n = strlen(w->m.path) + 1;
	struct late *l = malloc(sizeof *l + n);

	if (!l)
		return fail(ENOMEM, "%.200s: out of memory", w->m.path);
	l->next = w->late;
	l->mtime = e->mtime;
	memcpy(l->path, w->m.path, n);
	w->late = l;
	return 0;
}

static int make_dir(struct walk *w, const struct place *p, const struct tar_entry *e)
{
	bool root = str_eq(w->m.path, ".");
	int was = root ? 1 : place_clear(p, TAR_DIR);

	TRY(was);
	TRY(place_dir(p, w->t, e, was == 1, w->x->rules.plain));
	/* A whiteout and then a directory of the same name: a new directory, not the lower one's. */
	if (was == 2)
		TRY(w->x->say(w->x->ctx, 'o', w->m.path));
	return time_later(w, e);
}

static int make(struct walk *w, const struct tar_entry *e)
{
	struct place p;

	TRY(find_place(w, &p));
	if (e->type == TAR_DIR)
		return make_dir(w, &p, e);
	TRY(place_clear(&p, e->type));
	switch (e->type) {
	case TAR_FILE: return place_file(&p, w->t, e, w->x->rules.plain);
	case TAR_SYMLINK: return place_symlink(&p, w->t, e, w->m.link);
	case TAR_HARDLINK: return make_hardlink(w, &p);
	default: return place_node(&p, w->t, e);
	}
}

static int whiteout(struct walk *w)
{
	struct place p;
	int r;

	TRY(find_place(w, &p));
	r = place_whiteout(&p);
	TRY(r);
	return r ? w->x->say(w->x->ctx, 'o', w->m.path) : 0;
}

static int opaque(struct walk *w)
{
	auto_close int fd = open_dir(w, w->m.path, w->m.path, true);

	TRY(fd);
	return w->x->say(w->x->ctx, 'o', w->m.path);
}

static int count(struct walk *w, const struct tar_entry *e)
{
	const struct limits *l = w->x->rules.lim;

	if (++w->x->entries > l->entries)
		return fail_as(ERR_IMAGE, "archive: more than %ju members", (uintmax_t)l->entries);
	if (e->type != TAR_FILE)
		return 0;
	if (e->size > l->bytes || (w->x->bytes += e->size) > l->bytes)
		return fail_as(ERR_IMAGE, "%.200s: the files are larger than %ju bytes together", e->path,
			       (uintmax_t)l->bytes);
	return 0;
}

static int check_xattrs(const struct tar_entry *e, struct tar *t, const struct limits *l)
{
	uint64_t n = 0, bytes = 0;
	const char *name;
	const void *value;
	size_t size;

	while (tar_xattr(t, &name, &value, &size)) {
		bytes += strlen(name) + size;
		if (++n > l->xattrs || bytes > l->xattr_bytes)
			return fail_as(ERR_IMAGE,
				       "%.200s: more than %ju extended attributes or %ju bytes of them",
				       e->path, (uintmax_t)l->xattrs, (uintmax_t)l->xattr_bytes);
	}
	return 0;
}

static int one(struct walk *w, const struct tar_entry *e)
{
	TRY(count(w, e));
	TRY(check_xattrs(e, w->t, w->x->rules.lim));
	tar_xattr_again(w->t);
	TRY(member_decide(e, &w->x->rules, &w->m));
	if (tar_bytes(w->t) - w->said > SAY_EVERY) {
		char text[24];

		w->said = tar_bytes(w->t);
		snprintf(text, sizeof text, "%ju", (uintmax_t)w->said);
		TRY(w->x->say(w->x->ctx, 'p', text));
	}
	switch (w->m.what) {
	case MEMBER_WHITEOUT: return whiteout(w);
	case MEMBER_OPAQUE: return opaque(w);
	case MEMBER_MAKE: return make(w, e);
	default:
		w->x->skipped++;
		return 0;
	}
}

static int set_times(struct walk *w)
{
	for (struct late *l = w->late; l; l = l->next) {
		const struct timespec times[2] = { l->mtime, l->mtime };
		auto_close int fd = path_open_strict(w->x->root, l->path, O_RDONLY | O_DIRECTORY);

		TRY(fd);
		if (futimens(fd, times) < 0)
			return fail_class(fail_errno("%.200s: set the time", l->path), ERR_STORAGE);
	}
	return 0;
}

static void drop(struct walk *w)
{
	for (struct late *l; (l = w->late); free(l))
		w->late = l->next;
	drop_fd(&w->dir);
}

int extract_all(struct extract *x, struct tar *t, char hex[HEX_SIZE])
{
	__attribute__((cleanup(drop))) struct walk w = { .x = x, .t = t, .dir = -1 };
	struct tar_entry e;
	int r;

	while ((r = tar_next(t, &e)) > 0)
		TRY(one(&w, &e));
	TRY(r);
	TRY(tar_finish(t, hex));
	return set_times(&w);
}
