#include "images/layer.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "images/limits.h"
#include "images/pack.h"
#include "images/progress.h"
#include "images/unpack.h"

#include <fcntl.h>
#include <string.h>

enum { PART = 1 << 18 };

static const struct { const char *magic; size_t n; const char *media_type; } kinds[] = {
	{ "\x1f\x8b", 2, "application/vnd.oci.image.layer.v1.tar+gzip" },
	{ "\x28\xb5\x2f\xfd", 4, "application/vnd.oci.image.layer.v1.tar+zstd" },
	/* The specification has no name for xz; the content is told by its magic when it is read again. */
	{ "\xfd" "7zXZ", 6, "application/vnd.oci.image.layer.v1.tar" },
};

static const char *compressed_as(const char *p, size_t n)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (n >= kinds[i].n && memcmp(p, kinds[i].magic, kinds[i].n) == 0)
			return kinds[i].media_type;
	return NULL;
}

static ssize_t fill(int fd, char *p, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = read(fd, p + have, n - have);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return fail_errno("read");
		if (r == 0)
			break;
		have += (size_t)r;
	}
	return (ssize_t)have;
}

static int create(struct stage *g, const char *what, char name[32])
{
	int fd;

	stage_name(g, what, name);
	fd = openat(g->dir, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 ? fail_class(fail_errno("create images/tmp/%s/%s", g->name, name), ERR_STORAGE) : fd;
}

static int write_out(int fd, const void *p, size_t n)
{
	return file_write_all(fd, p, n) < 0
		       ? fail_class(fail_errno("write into the image store"), ERR_STORAGE)
		       : 0;
}

static int copy_in(int from, int to, uint64_t total, const char **media_type, bool *ours)
{
	auto_free char *part = malloc(PART);
	auto_squeeze struct squeeze *z = NULL;
	struct limits lim;
	uint64_t done = 0;
	ssize_t n;

	if (!part)
		return fail(ENOMEM, "out of memory");
	TRY(limits_get(&lim));
	*media_type = NULL;
	while ((n = fill(from, part, PART)) > 0) {
		if (done == 0 && !(*media_type = compressed_as(part, (size_t)n)))
			TRY(squeeze_open(&z, to));
		TRY(z ? squeeze_add(z, part, (size_t)n) : write_out(to, part, (size_t)n));
		progress(done += (uint64_t)n, total);
		if (done > lim.bytes)
			return fail_as(ERR_IMAGE, "larger than %ju bytes", (uintmax_t)lim.bytes);
	}
	TRY((int)n);
	if (done == 0)
		return fail_as(ERR_IMAGE, "empty");
	*ours = z;
	if (z)
		*media_type = kinds[1].media_type;
	return z ? squeeze_end(z) : 0;
}

int layer_from_stream(struct stage *g, int fd, uint64_t total, const char *what, bool devices,
		      struct layer *out)
{
	char name[32];
	auto_close int blob = create(g, "blob", name);
	bool ours = false;

	TRY(blob);
	TRY_IN(copy_in(fd, blob, total, &out->media_type, &ours), "%s", what);
	TRY_IN(digest_file(blob, out->hex, &out->size), "%s", what);
	TRY(stage_add_blob(g, name, out->hex));
	return layer_unpack(g, blob, what, NULL, (devices ? LAYER_DEVICES : 0) | (ours ? LAYER_OURS : 0),
			    out->diff);
}

int layer_take_blob(struct stage *g, int fd, const char *digest, uint64_t size, char as[32])
{
	auto_free char *part = malloc(PART);
	auto_sha struct sha *sha = sha_new();
	auto_close int to = create(g, "blob", as);
	char want[HEX_SIZE], hex[HEX_SIZE];
	uint64_t done = 0;
	ssize_t n;

	TRY(digest_hex(digest, want));
	TRY(to);
	if (!part || !sha)
		return fail(ENOMEM, "blob %s: out of memory", digest);
	while ((n = fill(fd, part, PART)) > 0) {
		done += (uint64_t)n;
		if (done > size)
			return fail_as(ERR_IMAGE, "blob %s: larger than %ju bytes", digest, (uintmax_t)size);
		sha_add(sha, part, (size_t)n);
		TRY(write_out(to, part, (size_t)n));
		progress(done, size);
	}
	TRY_IN((int)n, "blob %s", digest);
	if (done != size)
		return fail_as(ERR_IMAGE, "blob %s: %ju bytes instead of %ju", digest, (uintmax_t)done,
			       (uintmax_t)size);
	sha_hex(sha, hex);
	if (!str_eq(hex, want))
		return fail_as(ERR_IMAGE, "blob %s: its content is sha256:%s", digest, hex);
	return stage_add_blob(g, as, want);
}

int layer_unpack(struct stage *g, int blob, const char *what, const char *diff, int flags, char got[HEX_SIZE])
{
	char want[HEX_SIZE] = "", tree[32];

	if (diff) {
		TRY(digest_hex(diff, want));
		memcpy(got, want, HEX_SIZE);
		if (stage_has_layer(g, want))
			return 0;
	}
	TRY(unpack_layer(g, blob, what, flags, tree, got));
	if (diff && !str_eq(got, want))
		return fail_as(ERR_IMAGE, "%s: unpacks to sha256:%s, its image says %s", what, got, diff);
	return stage_add_layer(g, tree, got);
}
