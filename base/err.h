/*
 * One pending error per process: a code, a class, one message that grows outward,
 * and up to two lines that explain it.
 *
 * Every function that can fail returns 0 or positive, or -errno. The message is
 * composed once, at the origin, where errno is fresh; callers pass it on with TRY
 * or put a context before it with TRY_IN. Library code never prints.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* The classes are the exit codes of the guest commands; the last two those of exec and enter, as a shell has them. */
enum err_class {
	ERR_OTHER = 1, ERR_USAGE = 2, ERR_NOT_FOUND = 3, ERR_EXISTS = 4, ERR_STATE = 5, ERR_LOCKED = 6,
	ERR_PERMISSION = 7, ERR_UNSUPPORTED = 8, ERR_RESOURCE = 9, ERR_CONFIG = 10, ERR_TIMEOUT = 11,
	ERR_ADDRESS = 12, ERR_IMAGE = 13, ERR_STORAGE = 14, ERR_CHECKPOINT = 15, ERR_PARTIAL = 16,
	ERR_EXEC = 126, ERR_NO_PROGRAM = 127,
	ERR_CLASSES
};

/* At the origin: record the message (replacing any other) and return -code. */
int fail(int code, const char *fmt, ...) PRINTF(2, 3);
/* The same with code and text from errno; EACCES and EPERM are ERR_PERMISSION. */
int fail_errno(const char *fmt, ...) PRINTF(1, 2);
/* The same with an exit class; errno is the class's own (ERR_NOT_FOUND is ENOENT, ...). */
int fail_as(enum err_class class, const char *fmt, ...) PRINTF(2, 3);
/* On the way up: put "context: " before the pending message; returns r. */
int fail_in(int r, const char *fmt, ...) PRINTF(2, 3);
/* On the way up: classify the pending error unless it is classified; returns r. */
int fail_class(int r, enum err_class class);

/* Explain the pending error: the cause behind it, and what the user can try. */
void err_why(const char *fmt, ...) PRINTF(1, 2);
void err_try(const char *fmt, ...) PRINTF(1, 2);

const char *err_text(void);		/* never NULL */
const char *err_why_text(void);		/* "" when there is none */
const char *err_try_text(void);
enum err_class err_class(void);		/* ERR_OTHER when nobody said */
void err_clear(void);

/* Set the pending error aside while something else may fail (roll-back, clean-up). */
struct err_saved { char text[1024], why[256], try[256]; enum err_class class; };
void err_save(struct err_saved *s);
void err_restore(const struct err_saved *s);

#define TRY(expr)                                                  \
	do {                                                       \
		int try_r_ = (expr);                               \
		if (__builtin_expect(try_r_ < 0, 0))               \
			return try_r_;                             \
	} while (0)
#define TRY_IN(expr, ...)                                          \
	do {                                                       \
		int try_r_ = (expr);                               \
		if (__builtin_expect(try_r_ < 0, 0))               \
			return fail_in(try_r_, __VA_ARGS__);       \
	} while (0)
