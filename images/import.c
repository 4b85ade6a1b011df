#include "images/import.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "images/limits.h"
#include "images/pack.h"
#include "images/produce.h"
#include "images/progress.h"
#include "images/unpack.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int write_tree(void *ctx, int out)
{
	auto_pack struct pack *p = NULL;

	TRY(pack_open(&p, out));
	TRY(pack_tree(p, *(int *)ctx));
	return pack_end(p);
}

static int import_tree(struct import *im, struct stage *g, int dir)
{
	static const struct make_words words = { .created_by = "vzrun import of a directory" };
	auto_producer struct producer p = { .fd = -1, .err = -1 };
	struct err_saved e;
	struct layer l;
	int r;

	TRY(produce_start(&p, 0, write_tree, &dir));
	r = layer_from_stream(g, p.fd, 0, im->source, im->devices, &l);
	/* When packing failed the stream was cut short: that is the cause, not what the cut led to. */
	err_save(&e);
	TRY_IN(produce_end(&p), "%s", im->source);
	err_restore(&e);
	TRY(r);
	return make_image(g, &l, &words, im->digest);
}

static int import_tar(struct import *im, struct stage *g, int fd, uint64_t size)
{
	static const struct make_words words = { .created_by = "vzrun import of an archive" };
	struct layer l;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return fail_errno("%s", im->source);
	TRY(layer_from_stream(g, fd, size, im->source, im->devices, &l));
	return make_image(g, &l, &words, im->digest);
}

static int import_archive(struct import *im, struct stage *g, int fd, uint64_t size)
{
	enum archive_kind kind;
	char name[32];

	TRY(unpack_probe(fd, im->source, &kind));
	if (kind == ARCHIVE_ROOTFS)
		return import_tar(im, g, fd, size);
	TRY(unpack_plain(g, fd, im->source, name));
	auto_close int dir = openat(g->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return fail_errno("%s", im->source);
	return kind == ARCHIVE_OCI ? import_layout(im, g, dir) : import_saved(im, g, dir);
}

/* Archives are read twice: what comes through a pipe is kept first. */
static int spool(struct import *im, struct stage *g, int in)
{
	auto_free char *part = malloc(1 << 16);
	auto_close int fd = openat(g->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct limits lim;
	uint64_t done = 0;
	ssize_t n;

	if (fd < 0 || !part)
		return fail_errno("%s", im->source);
	TRY(limits_get(&lim));
	while ((n = TEMP_FAILURE_RETRY(read(in, part, 1 << 16))) > 0) {
		if ((done += (uint64_t)n) > lim.bytes)
			return fail_as(ERR_IMAGE, "%s: larger than %ju bytes", im->source, (uintmax_t)lim.bytes);
		if (file_write_all(fd, part, (size_t)n) < 0)
			return fail_class(fail_errno("%s: write", im->source), ERR_STORAGE);
		progress(done, 0);
	}
	return n < 0 ? fail_errno("read %s", im->source) : take_fd(&fd);
}

static int import_source(struct import *im, struct stage *g, int src)
{
	struct stat st, sub;

	if (fstat(src, &st) < 0)
		return fail_errno("%s", im->source);
	if (S_ISREG(st.st_mode))
		return import_archive(im, g, src, (uint64_t)st.st_size);
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) {
		auto_close int fd = spool(im, g, src);

		TRY(fd);
		return import_archive(im, g, fd, 0);
	}
	if (!S_ISDIR(st.st_mode))
		return fail_as(ERR_USAGE, "%s: neither a directory nor an archive", im->source);
	if (fstatat(src, "oci-layout", &sub, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(src, "index.json", &sub, AT_SYMLINK_NOFOLLOW) == 0)
		return import_layout(im, g, src);
	return import_tree(im, g, src);
}

/* What an archive calls itself is not to be what the next guest of a template is made of. */
static int own_name(const struct import *im, struct ref *ref)
{
	TRY_IN(fail_class(ref_parse(im->made, ref), ERR_IMAGE), "%s", im->source);
	if (!str_starts(ref->name, TEMPLATES))
		return 0;
	int r = fail_as(ERR_IMAGE, "%s: calls itself %s, which is a template's name", im->source, im->made);
	err_try("--ref with another name");
	return r;
}

static int name_it(struct import *im, struct ref *ref)
{
	if (im->ref)
		TRY(ref_parse(im->ref, ref));
	else if (im->made[0])
		TRY(own_name(im, ref));
	else {
		ref_from_path(im->source, im->made);
		TRY(ref_parse(im->made, ref));
	}
	if (ref->digest[0])
		return fail_as(ERR_USAGE, "reference \"%s\": a name to store under has no digest", im->ref);
	ref_text(ref, im->made);
	return 0;
}

int import_run(struct import *im)
{
	auto_close int src = str_eq(im->source, "-") ? fcntl(0, F_DUPFD_CLOEXEC, 3) :
			     open(im->source, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	auto_close int lock = -1;
	auto_stage struct stage g = { .dir = -1 };
	struct ref ref;

	im->made[0] = '\0';
	/* A bad --ref is told before an hour of unpacking. */
	if (im->ref)
		TRY(ref_parse(im->ref, &ref));
	if (src < 0) {
		int r = fail_errno("import %s", im->source);

		return r == -ENOENT ? fail_class(r, ERR_NOT_FOUND) : r;
	}
	(void)fcntl(src, F_SETFL, fcntl(src, F_GETFL) & ~O_NONBLOCK);
	TRY(lock = store_lock(im->store, false, true));
	TRY(stage_open(&g, im->store));
	progress_start("import");
	TRY_IN(import_source(im, &g, src), "import");
	progress_end();
	TRY(name_it(im, &ref));
	TRY(stage_commit(&g));
	return store_ref_write(im->store, &ref, im->digest);
}
