/* SHA-256 and the one form of a digest: "sha256:" and 64 lower-case hexadecimal digits. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { HEX_SIZE = 65, DIGEST_SIZE = 72 };

struct sha;
struct sha *sha_new(void);			/* NULL when memory is out */
void sha_add(struct sha *s, const void *p, size_t n);
void sha_hex(struct sha *s, char hex[HEX_SIZE]);	/* of all that was added; begins anew */
void sha_free(struct sha **s);
#define auto_sha __attribute__((cleanup(sha_free)))

/* The hexadecimal part, checked, so that it can be a file name. ERR_IMAGE. */
int digest_hex(const char *digest, char hex[HEX_SIZE]);
void digest_text(const char *hex, char out[DIGEST_SIZE]);
int digest_memory(const void *p, size_t n, char hex[HEX_SIZE]);
/* From the first byte to the last, wherever the descriptor stands. */
int digest_file(int fd, char hex[HEX_SIZE], uint64_t *size);
