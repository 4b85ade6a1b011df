#include "images/digest.h"
#include "base/err.h"
#include "base/scope.h"
#include "base/str.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

struct sha { struct sha256_ctx ctx; };

struct sha *sha_new(void)
{
	struct sha *s = malloc(sizeof *s);

	if (s)
		sha256_init(&s->ctx);
	return s;
}

void sha_add(struct sha *s, const void *p, size_t n)
{
	sha256_update(&s->ctx, n, p);
}

void sha_hex(struct sha *s, char hex[HEX_SIZE])
{
	uint8_t sum[SHA256_DIGEST_SIZE];

	sha256_digest(&s->ctx, sizeof sum, sum);
	for (size_t i = 0; i < sizeof sum; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

void sha_free(struct sha **s)
{
	free(*s);
	*s = NULL;
}

int digest_hex(const char *digest, char hex[HEX_SIZE])
{
	const char *at = digest + 7;

	if (str_starts(digest, "sha512:") || str_starts(digest, "sha384:"))
		return fail_as(ERR_IMAGE, "digest %.40s...: only sha256 is supported", digest);
	if (!str_starts(digest, "sha256:") || strlen(at) != HEX_SIZE - 1 ||
	    strspn(at, "0123456789abcdef") != HEX_SIZE - 1)
		return fail_as(ERR_IMAGE,
			       "digest \"%.80s\": not sha256: and 64 lower-case hexadecimal digits", digest);
	memcpy(hex, at, HEX_SIZE);
	return 0;
}

void digest_text(const char *hex, char out[DIGEST_SIZE])
{
	snprintf(out, DIGEST_SIZE, "sha256:%s", hex);
}

int digest_memory(const void *p, size_t n, char hex[HEX_SIZE])
{
	auto_sha struct sha *s = sha_new();

	if (!s)
		return fail(ENOMEM, "digest: out of memory");
	sha_add(s, p, n);
	sha_hex(s, hex);
	return 0;
}

int digest_file(int fd, char hex[HEX_SIZE], uint64_t *size)
{
	enum { PART = 1 << 18 };
	auto_sha struct sha *s = sha_new();
	auto_free char *part = malloc(PART);
	uint64_t at = 0;

	if (!s || !part)
		return fail(ENOMEM, "digest: out of memory");
	for (;;) {
		ssize_t n = pread(fd, part, PART, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno("read");
		if (n == 0)
			break;
		sha_add(s, part, (size_t)n);
		at += (uint64_t)n;
	}
	sha_hex(s, hex);
	*size = at;
	return 0;
}
