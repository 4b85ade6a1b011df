#include "runtime/child/seccomp_store.h"
#include "base/file.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/stat.h>

enum { FORMAT = 1, FILE_MAX = 1 << 20 };

static const char magic[8] = "vzrunBPF";

struct head {
	char magic[8];
	uint32_t format, flags, notify, insns, key_len, pad;
};

/* The program stays aligned behind a key of any length. */
static size_t padded(size_t key_len)
{
	return (key_len + 7) & ~(size_t)7;
}

static int check_owner(int fd, const char *name, size_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno("stat %s", name);
	if (!S_ISREG(st.st_mode))
		return fail(EINVAL, "%s: not a regular file", name);
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return fail(EPERM, "%s: belongs to uid %u with mode %04o: others could have written it", name,
			    (unsigned)st.st_uid, (unsigned)st.st_mode & 07777);
	if (st.st_size < (off_t)sizeof(struct head) || st.st_size > FILE_MAX)
		return fail(EINVAL, "%s: not a compiled filter", name);
	*size = (size_t)st.st_size;
	return 0;
}

static int read_all(int fd, const char *name, char *to, size_t size)
{
	for (size_t n = 0; n < size;) {
		ssize_t r = TEMP_FAILURE_RETRY(pread(fd, to + n, size - n, (off_t)n));

		if (r < 0)
			return fail_errno("read %s", name);
		if (r == 0)
			return fail(EINVAL, "%s: cut short", name);
		n += (size_t)r;
	}
	return 0;
}

static bool is_whole(const struct head *h, size_t size)
{
	return memcmp(h->magic, magic, sizeof magic) == 0 && h->format == FORMAT && h->key_len <= FILE_MAX &&
	       h->insns > 0 && h->insns <= BPF_MAXINSNS &&
	       size == sizeof *h + padded(h->key_len) + h->insns * sizeof(struct sock_filter);
}

int seccomp_file_read(int dirfd, const char *name, const void *key, size_t key_len, struct seccomp_prog *out)
{
	auto_close int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_free char *block = NULL;
	const struct head *h;
	size_t size = 0;

	if (fd < 0)
		return fail_errno("open %s", name);
	TRY(check_owner(fd, name, &size));
	block = calloc(1, size);
	if (!block)
		return fail(ENOMEM, "read %s: out of memory", name);
	TRY(read_all(fd, name, block, size));
	h = (const struct head *)(const void *)block;
	if (!is_whole(h, size))
		return fail(EINVAL, "%s: not a compiled filter", name);
	if (h->key_len != key_len || memcmp(block + sizeof *h, key, key_len) != 0)
		return fail(EINVAL, "%s: compiled from something else", name);
	*out = (struct seccomp_prog){ .insns = block + sizeof *h + padded(key_len), .len = h->insns,
				      .flags = h->flags, .notify = h->notify };
	out->block = TAKE(block);
	return 0;
}

int seccomp_file_write(int dirfd, const char *name, const void *key, size_t key_len,
		       const struct seccomp_prog *p)
{
	struct head h = { .format = FORMAT, .flags = p->flags, .notify = p->notify, .insns = (uint32_t)p->len,
			  .key_len = (uint32_t)key_len };
	static const char zeros[8];
	auto_buf struct buf b = { 0 };

	memcpy(h.magic, magic, sizeof magic);
	buf_add(&b, &h, sizeof h);
	buf_add(&b, key, key_len);
	buf_add(&b, zeros, padded(key_len) - key_len);
	buf_add(&b, p->insns, p->len * sizeof(struct sock_filter));
	if (b.oom)
		return fail(ENOMEM, "write %s: out of memory", name);
	/* A cache may be met again after a power cut, a container's own copy (without a key) is not. */
	return key_len ? file_write_atomic(dirfd, name, b.p, b.n, 0600)
		       : file_write_volatile(dirfd, name, b.p, b.n, 0600);
}

int seccomp_save(const struct seccomp_prog *p, int dirfd, const char *name)
{
	return seccomp_file_write(dirfd, name, "", 0, p);
}

int seccomp_restore(int dirfd, const char *name, struct seccomp_prog *out)
{
	memset(out, 0, sizeof *out);
	return seccomp_file_read(dirfd, name, "", 0, out);
}
