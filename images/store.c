#include "images/store.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { TEXT_MAX = 8 << 20 };

static int make_dir(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return fail_errno("create directory %s in the image store", name);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? fail_errno("open directory %s in the image store", name) : fd;
}

int store_open(struct store *s, const char *home)
{
	*s = (struct store){ .dir = -1, .blobs = -1, .layers = -1, .refs = -1, .tmp = -1 };
	if (home[0] != '/' || strlen(home) >= sizeof s->home)
		return fail_as(ERR_USAGE, "home directory %.64s: not an absolute path, or too long", home);
	snprintf(s->home, sizeof s->home, "%s", home);
	snprintf(s->path, sizeof s->path, "%s/images", home);
	TRY(s->dir = fail_class(file_make_dirs(s->path, 0700), ERR_STORAGE));
	TRY(file_check_owners(home, "images"));
	TRY(s->layers = fail_class(make_dir(s->dir, "layers"), ERR_STORAGE));
	TRY(s->refs = fail_class(make_dir(s->dir, "refs"), ERR_STORAGE));
	TRY(s->tmp = fail_class(make_dir(s->dir, "tmp"), ERR_STORAGE));
	auto_close int blobs = make_dir(s->dir, "blobs");
	TRY(fail_class(blobs, ERR_STORAGE));
	TRY(s->blobs = fail_class(make_dir(blobs, "sha256"), ERR_STORAGE));
	return 0;
}

void store_close(struct store *s)
{
	int *fds[] = { &s->dir, &s->blobs, &s->layers, &s->refs, &s->tmp };

	for (size_t i = 0; i < COUNT(fds); i++)
		drop_fd(fds[i]);
}

int store_lock(const struct store *s, bool alone, bool wait)
{
	auto_close int fd = openat(s->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int how = (alone ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB);

	if (fd < 0)
		return fail_errno("open the lock of the image store");
	if (TEMP_FAILURE_RETRY(flock(fd, how)) < 0)
		return fail_errno("lock the image store");
	return take_fd(&fd);
}

bool store_has_blob(const struct store *s, const char *hex)
{
	struct stat st;

	return fstatat(s->blobs, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

bool store_has_layer(const struct store *s, const char *hex)
{
	struct stat st;

	return fstatat(s->layers, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

void store_layer_path(const struct store *s, const char *hex, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/layers/%s", s->path, hex);
}

int store_blob_open(const struct store *s, const char *digest)
{
	char hex[HEX_SIZE];
	int fd;

	TRY(digest_hex(digest, hex));
	fd = openat(s->blobs, hex, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return fail_as(ERR_IMAGE, "blob %s: missing from the image store", digest);
	return fd < 0 ? fail_class(fail_errno("blob %s", digest), ERR_STORAGE) : fd;
}

int store_blob_text(const struct store *s, const char *digest, char **text, size_t *len)
{
	auto_close int fd = store_blob_open(s, digest);
	auto_free char *got = NULL;
	char hex[HEX_SIZE];

	TRY(fd);
	TRY(fail_class(file_read_fd(fd, digest, TEXT_MAX, &got, len), ERR_IMAGE));
	TRY(digest_memory(got, *len, hex));
	if (!str_eq(hex, digest + 7))
		return fail_as(ERR_IMAGE, "blob %s: its content is sha256:%s", digest, hex);
	*text = TAKE(got);
	return 0;
}

static int read_ref(const struct store *s, const char *text, char digest[DIGEST_SIZE])
{
	char file[256], got[DIGEST_SIZE + 8], hex[HEX_SIZE];
	ssize_t n;

	ref_file(text, file);
	n = file_peek(s->refs, file, got, sizeof got);
	if (n == -ENOENT)
		return fail_as(ERR_NOT_FOUND, "image %s: not in the store", text);
	if (n < 0)
		return fail((int)-n, "read reference %s: %s", text, strerrordesc_np((int)-n));
	TRY_IN(digest_hex(got, hex), "reference %s", text);
	digest_text(hex, digest);
	return 0;
}

struct sought { const struct ref *ref; bool found; };

static int same_image(void *ctx, const char *text, const char *digest)
{
	struct sought *f = ctx;
	struct ref r;

	f->found |=
		ref_parse(text, &r) == 0 && str_eq(r.name, f->ref->name) && str_eq(digest, f->ref->digest);
	return 0;
}

int store_ref_read(const struct store *s, const struct ref *r, char digest[DIGEST_SIZE])
{
	struct sought f = { .ref = r };
	char text[REF_MAX];

	ref_text(r, text);
	if (!r->digest[0])
		return read_ref(s, text, digest);
	TRY(store_ref_each(s, same_image, &f));
	if (!f.found)
		return fail_as(ERR_NOT_FOUND, "image %s@%s: not in the store", r->name, r->digest);
	snprintf(digest, DIGEST_SIZE, "%s", r->digest);
	return 0;
}

int store_ref_write(const struct store *s, const struct ref *r, const char *digest)
{
	char text[REF_MAX], file[256], line[DIGEST_SIZE + 1];

	ref_text(r, text);
	ref_file(text, file);
	snprintf(line, sizeof line, "%s\n", digest);
	TRY_IN(fail_class(file_write_atomic(s->refs, file, line, strlen(line), 0600), ERR_STORAGE),
	       "reference %s", text);
	return 0;
}

int store_ref_remove(const struct store *s, const struct ref *r)
{
	char text[REF_MAX], file[256];

	ref_text(r, text);
	ref_file(text, file);
	if (unlinkat(s->refs, file, 0) == 0)
		return fsync(s->refs) < 0 ? fail_errno("sync the references") : 0;
	if (errno == ENOENT)
		return fail_as(ERR_NOT_FOUND, "image %s: not in the store", text);
	return fail_errno("remove reference %s", text);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int store_ref_each(const struct store *s, store_ref_fn *fn, void *ctx)
{
	struct dirent **list;
	int n = scandirat(s->refs, ".", &list, NULL, by_name), r = 0;

	if (n < 0)
		return fail_errno("list the references");
	for (int i = 0; i < n; i++) {
		char text[REF_MAX], digest[DIGEST_SIZE];

		/* A private file of a write that was killed, or gone since we listed. */
		if (r == 0 && list[i]->d_name[0] != '.' && ref_unfile(list[i]->d_name, text) == 0) {
			r = read_ref(s, text, digest);
			if (r == -ENOENT)
				r = 0;
			else if (r == 0)
				r = fn(ctx, text, digest);
		}
		free(list[i]);
	}
	free(list);
	return r;
}
