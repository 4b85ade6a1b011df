/*
 * Strings: strict numbers, grammars, and a growing buffer. A number is the whole
 * string, in range, without sign tricks or white space (rule R9).
 */
#pragma once
#include "base/err.h"
#include <stdarg.h>
#include <stdint.h>

/* Return 0 or -EINVAL/-ERANGE; no message is recorded, the caller names the place. */
int str_u64(const char *s, uint64_t max, uint64_t *out);	/* decimal digits only */
int str_i64(const char *s, int64_t min, int64_t max, int64_t *out);
int str_octal(const char *s, unsigned max, unsigned *out);
int str_size(const char *s, uint64_t *out);	/* 512M, 1.5G; K M G T P are powers of 1024 */
int str_duration(const char *s, uint64_t *ms);	/* 10s 5m 2h 250ms; a bare number is seconds */
/* "0-3,7" to a bitmap of max + 1 bits, which is zeroed first. "" is empty. */
int str_list(const char *s, unsigned max, uint64_t *bits);

static inline bool str_eq(const char *a, const char *b) { return *a == *b && __builtin_strcmp(a, b) == 0; }
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* [a-zA-Z0-9_+-][a-zA-Z0-9_+.-]*, at most 1024 bytes, not "." nor "..". */
enum { ID_MAX = 1024 };
bool str_is_id(const char *s);
/* A guest or network name: [a-z0-9]([a-z0-9.-]*[a-z0-9])?, at most 63 bytes: it is also a host name. */
bool str_is_name(const char *s);
/*
 * The bytes of the character that s, which is not at its end, begins with; 0: it is not UTF-8 (overlong, half of a
 * pair, beyond U+10FFFF).
 */
size_t str_utf8(const char *s);
/*
 * In place: '?' for control characters but newlines and tabs, of C1 too, and what is not UTF-8: a guest's do not reach
 * a terminal.
 */
void str_plain(char *s);
/* The same, newlines and tabs too: what others have written stays within its line and its column. */
void str_line(char *s);
/*
 * Writes s escaped for a JSON string, without the quotes, '?' for what is not UTF-8; cut at a character where it does
 * not fit.
 */
void str_json_escape(char *out, size_t size, const char *s);
/*
 * How many bytes of s stand for themselves in a JSON string; and what is written (at most 6 bytes) for what comes then,
 * behind which s goes: control characters, of C1 too, are escaped.
 */
size_t str_json_plain(const char *s);
size_t str_json_char(char out[8], const char **s);
/*
 * n bytes of the kernel's tables of mounts, where blank, tab, newline and backslash are \ooo; cut where it does
 * not fit. from may be out.
 */
void str_unescape(char *out, size_t size, const char *from, size_t n);
/* A short stable hash for names of files and links (FNV-1a); no security rests on it. */
uint64_t str_hash(const void *p, size_t n);

/* A growing text. Zero-initialise. After a failed allocation `oom` is set and nothing is added. */
struct buf { char *p; size_t n, size; bool oom; };
void buf_add(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_free(struct buf *b);
const char *buf_text(const struct buf *b);	/* "" when empty */
#define auto_buf __attribute__((cleanup(buf_free)))
