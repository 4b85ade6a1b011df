#include "images/unpack.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "images/confine.h"
#include "images/extract.h"
#include "images/layer.h"
#include "images/probe.h"
#include "images/progress.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

struct job {
	/* the child's */
	int fd, report;
	struct limits lim;
	bool devices, plain, ours;
	/* the parent's */
	int dir;
	char diff[HEX_SIZE], skipped[24];
	struct probe probe;
};

static int say(void *ctx, char what, const char *text)
{
	struct job *j = ctx;

	return j->plain && what == 'o' ? 0 : confine_say(j->report, what, text);
}

static int extract(void *ctx, int root, int report)
{
	struct job *j = ctx;
	struct extract x = { .root = root, .rules = { &j->lim, j->devices, j->plain }, .say = say, .ctx = j };
	auto_tar struct tar *t = NULL;
	char hex[HEX_SIZE], text[24];

	j->report = report;
	TRY(tar_open(&t, j->fd, &j->lim));
	TRY(extract_all(&x, t, hex));
	snprintf(text, sizeof text, "%ju", (uintmax_t)x.skipped);
	TRY(confine_say(report, 's', text));
	return confine_say(report, 'd', hex);
}

/* The one thing that the child may not do: this attribute is the host's to give. */
static int make_opaque(struct job *j, const char *path)
{
	auto_close int fd = path_open_strict(j->dir, path, O_RDONLY | O_DIRECTORY);

	TRY(fd);
	if (fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0)
		return fail_class(fail_errno("%.200s: mark the directory opaque", path), ERR_STORAGE);
	return 0;
}

static int heard(void *ctx, char what, const char *text)
{
	struct job *j = ctx;
	uint64_t n;

	switch (what) {
	case 'o':
		return make_opaque(j, text);
	case 'p':
		if (str_u64(text, UINT64_MAX, &n) == 0)
			progress(n, 0);
		return 0;
	case 'd':
		snprintf(j->diff, sizeof j->diff, "%s", text);
		return 0;
	case 's':
		snprintf(j->skipped, sizeof j->skipped, "%s", text);
		return 0;
	case 'n':
		(void)probe_name(&j->probe, text);
		return 0;
	default:
		return fail_as(ERR_IMAGE, "the extractor broke its own protocol");
	}
}

static int run(struct stage *g, struct job *j, const char *what, char name[32])
{
	char path[PATH_MAX], digest[DIGEST_SIZE], hex[HEX_SIZE];

	TRY(limits_get(&j->lim));
	if (j->ours)
		j->lim.ratio = UINT64_MAX;
	stage_name(g, "tree", name);
	stage_path(g, name, path);
	if (mkdirat(g->dir, name, 0755) < 0 || fchmodat(g->dir, name, 0755, 0) < 0)
		return fail_class(fail_errno("create %s", path), ERR_STORAGE);
	auto_close int dir = openat(g->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || lseek(j->fd, 0, SEEK_SET) < 0)
		return fail_errno("open %s", path);
	j->dir = dir;
	struct confine c = { .target = path, .keep = j->fd, .devices = j->devices, .bytes = j->lim.bytes };
	TRY_IN(confine_run(&c, extract, j, heard, j), "%s", what);
	digest_text(j->diff, digest);
	TRY_IN(digest_hex(digest, hex), "%s", what);
	if (!str_eq(j->skipped, "0"))
		log_debug("%s: %s device nodes and the like left out", what, j->skipped);
	return 0;
}

int unpack_layer(struct stage *g, int fd, const char *what, int flags, char name[32], char diff[HEX_SIZE])
{
	struct job j = { .fd = fd, .devices = flags & LAYER_DEVICES, .ours = flags & LAYER_OURS };

	TRY(run(g, &j, what, name));
	memcpy(diff, j.diff, HEX_SIZE);
	return 0;
}

int unpack_plain(struct stage *g, int fd, const char *what, char name[32])
{
	struct job j = { .fd = fd, .plain = true };

	return run(g, &j, what, name);
}

static int look(void *ctx, int root, int report)
{
	struct job *j = ctx;
	struct probe p = { 0 };
	struct tar_entry e;
	auto_tar struct tar *t = NULL;
	int r;

	(void)root;
	TRY(tar_open(&t, j->fd, &j->lim));
	while ((r = tar_next(t, &e)) > 0) {
		struct probe before = p;
		bool more = probe_name(&p, e.path);

		/* Only what changes the verdict is passed on. */
		if (memcmp(&before, &p, sizeof p) != 0)
			TRY(confine_say(report, 'n', e.path));
		if (!more)
			return 0;
	}
	return r;
}

int unpack_probe(int fd, const char *what, enum archive_kind *kind)
{
	struct job j = { .fd = fd };

	TRY(limits_get(&j.lim));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return fail_errno("%s", what);
	struct confine c = { .keep = fd, .bytes = j.lim.bytes };
	TRY_IN(confine_run(&c, look, &j, heard, &j), "%s", what);
	*kind = probe_kind(&j.probe);
	return 0;
}
