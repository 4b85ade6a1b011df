#include "images/tar.h"
#include "base/err.h"
#include "base/scope.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/*
 * Two readers, one behind the other: `plain` only decompresses, `members` only knows tar
 * and is fed by us, so that digest and limits see every byte of the uncompressed stream.
 */
struct tar {
	struct archive *plain, *members;
	struct archive_entry *entry;
	const struct limits *lim;
	struct sha *sha;
	uint64_t bytes;
	bool ended, refused;
};

static int set_up(struct tar *t)
{
	t->plain = archive_read_new();
	t->members = archive_read_new();
	t->sha = sha_new();
	if (!t->plain || !t->members || !t->sha)
		return fail(ENOMEM, "archive: out of memory");
	/* Only these: some other filters of libarchive run programs. */
	archive_read_support_filter_gzip(t->plain);
	archive_read_support_filter_xz(t->plain);
	archive_read_support_filter_zstd(t->plain);
	archive_read_support_format_raw(t->plain);
	archive_read_support_format_empty(t->plain);
	archive_read_support_format_tar(t->members);
	archive_read_support_format_empty(t->members);
	return 0;
}

static int refuse(struct tar *t, struct archive *a, const char *what)
{
	const char *why = archive_error_string(a);

	/* Our own message is already pending. */
	if (t->refused)
		return -EBADMSG;
	return fail_as(ERR_IMAGE, "%s: %s", what, why ? why : "damaged");
}

static int check_stream(struct tar *t)
{
	uint64_t in = (uint64_t)archive_filter_bytes(t->plain, -1);

	if (t->bytes > t->lim->bytes)
		return fail_as(ERR_IMAGE, "archive: more than %ju bytes uncompressed",
			       (uintmax_t)t->lim->bytes);
	if (t->bytes > t->lim->ratio_from && t->bytes / t->lim->ratio > in)
		return fail_as(ERR_IMAGE, "archive: expands more than %ju times", (uintmax_t)t->lim->ratio);
	return 0;
}

static ssize_t pull(struct archive *a, void *ctx, const void **p)
{
	struct tar *t = ctx;
	size_t n = 0;
	la_int64_t at;
	int r;

	do
		r = archive_read_data_block(t->plain, p, &n, &at);
	while (r == ARCHIVE_WARN || (r == ARCHIVE_OK && n == 0));
	if (r == ARCHIVE_EOF) {
		t->ended = true;
		return 0;
	}
	if (r != ARCHIVE_OK) {
		(void)refuse(t, t->plain, "archive");
		t->refused = true;
	} else {
		t->bytes += n;
		sha_add(t->sha, *p, n);
		t->refused = check_stream(t) < 0;
	}
	if (t->refused)
		archive_set_error(a, EBADMSG, "refused");
	return t->refused ? -1 : (ssize_t)n;
}

static int start(struct tar *t)
{
	struct archive_entry *whole;
	int r = archive_read_next_header(t->plain, &whole);

	if (r != ARCHIVE_OK && r != ARCHIVE_WARN && r != ARCHIVE_EOF)
		return refuse(t, t->plain, "archive");
	if (r == ARCHIVE_EOF)
		return fail_as(ERR_IMAGE, "archive: empty");
	if (archive_filter_count(t->plain) > 2)
		return fail_as(ERR_IMAGE, "archive: compressed more than once");
	if (archive_read_open(t->members, t, NULL, pull, NULL) != ARCHIVE_OK)
		return refuse(t, t->members, "archive");
	return 0;
}

int tar_open(struct tar **out, int fd, const struct limits *lim)
{
	struct tar *t = *out = calloc(1, sizeof *t);

	if (!t)
		return fail(ENOMEM, "archive: out of memory");
	t->lim = lim;
	TRY(set_up(t));
	if (archive_read_open_fd(t->plain, fd, 1 << 18) != ARCHIVE_OK)
		return refuse(t, t->plain, "archive");
	return start(t);
}

int tar_open_memory(struct tar **out, const void *p, size_t n, const struct limits *lim)
{
	struct tar *t = *out = calloc(1, sizeof *t);

	if (!t)
		return fail(ENOMEM, "archive: out of memory");
	t->lim = lim;
	TRY(set_up(t));
	if (archive_read_open_memory(t->plain, p, n) != ARCHIVE_OK)
		return refuse(t, t->plain, "archive");
	return start(t);
}

static enum tar_type type_of(struct archive_entry *e)
{
	if (archive_entry_hardlink(e))
		return TAR_HARDLINK;
	switch (archive_entry_filetype(e)) {
	case AE_IFREG: return TAR_FILE;
	case AE_IFDIR: return TAR_DIR;
	case AE_IFLNK: return TAR_SYMLINK;
	case AE_IFIFO: return TAR_FIFO;
	case AE_IFCHR: return TAR_CHAR;
	case AE_IFBLK: return TAR_BLOCK;
	default: return TAR_OTHER;
	}
}

/* Of a device's number, which may have more bits in a tar: none becomes another's for that. */
static unsigned part(dev_t n)
{
	return n > UINT32_MAX ? UINT32_MAX : (unsigned)n;
}

int tar_next(struct tar *t, struct tar_entry *e)
{
	int r = archive_read_next_header(t->members, &t->entry);
	int64_t uid, gid;

	if (r == ARCHIVE_EOF)
		return 0;
	/* A warning is a name that the C locale cannot spell: its bytes are kept as they are. */
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return refuse(t, t->members, "archive");
	*e = (struct tar_entry){
		.path = archive_entry_pathname(t->entry), .type = type_of(t->entry),
		.mode = archive_entry_perm(t->entry), .size = (uint64_t)archive_entry_size(t->entry),
		.mtime = { archive_entry_mtime(t->entry), archive_entry_mtime_nsec(t->entry) },
		.rdev = makedev(part(archive_entry_rdevmajor(t->entry)), part(archive_entry_rdevminor(t->entry))),
	};
	uid = archive_entry_uid(t->entry);
	gid = archive_entry_gid(t->entry);
	if (!e->path)
		return fail_as(ERR_IMAGE, "archive: a member without a name");
	e->link = e->type == TAR_HARDLINK ? archive_entry_hardlink(t->entry) :
		  e->type == TAR_SYMLINK  ? archive_entry_symlink(t->entry) : NULL;
	if ((e->type == TAR_HARDLINK || e->type == TAR_SYMLINK) && !e->link)
		return fail_as(ERR_IMAGE, "%.200s: a link without a target", e->path);
	if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
		return fail_as(ERR_IMAGE, "%.200s: owner %jd:%jd out of range", e->path, (intmax_t)uid,
			       (intmax_t)gid);
	if (archive_entry_size(t->entry) < 0)
		return fail_as(ERR_IMAGE, "%.200s: negative size", e->path);
	e->uid = (uid_t)uid;
	e->gid = (gid_t)gid;
	archive_entry_xattr_reset(t->entry);
	return 1;
}

int tar_data(struct tar *t, const void **p, size_t *n, uint64_t *at)
{
	la_int64_t offset;
	int r;

	do
		r = archive_read_data_block(t->members, p, n, &offset);
	while (r == ARCHIVE_WARN);
	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK)
		return refuse(t, t->members, "archive");
	*at = (uint64_t)offset;
	return 1;
}

int tar_xattr(struct tar *t, const char **name, const void **value, size_t *n)
{
	return archive_entry_xattr_next(t->entry, name, value, n) == ARCHIVE_OK;
}

void tar_xattr_again(struct tar *t)
{
	archive_entry_xattr_reset(t->entry);
}

int tar_finish(struct tar *t, char hex[HEX_SIZE])
{
	const void *p;

	while (!t->ended)
		if (pull(t->members, t, &p) < 0)
			return refuse(t, t->members, "archive");
	sha_hex(t->sha, hex);
	return 0;
}

uint64_t tar_bytes(const struct tar *t)
{
	return t->bytes;
}

void tar_close(struct tar **out)
{
	struct tar *t = *out;

	if (!t)
		return;
	if (t->members)
		archive_read_free(t->members);
	if (t->plain)
		archive_read_free(t->plain);
	sha_free(&t->sha);
	free(t);
	*out = NULL;
}
