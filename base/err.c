#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct err_saved now;

static const int class_errno[] = {
	[ERR_OTHER] = EIO, [ERR_USAGE] = EINVAL, [ERR_NOT_FOUND] = ENOENT, [ERR_EXISTS] = EEXIST,
	[ERR_STATE] = EBUSY, [ERR_LOCKED] = EAGAIN, [ERR_PERMISSION] = EPERM, [ERR_UNSUPPORTED] = ENOTSUP,
	[ERR_RESOURCE] = ENOMEM, [ERR_CONFIG] = EINVAL, [ERR_TIMEOUT] = ETIMEDOUT, [ERR_ADDRESS] = EADDRINUSE,
	[ERR_IMAGE] = EBADMSG, [ERR_STORAGE] = EIO, [ERR_CHECKPOINT] = EIO, [ERR_PARTIAL] = EIO,
	[ERR_EXEC] = EACCES, [ERR_NO_PROGRAM] = ENOENT,
};

static void begin(const char *fmt, va_list ap)
{
	char fresh[sizeof now.text];

	/* An argument may be err_text() itself. */
	vsnprintf(fresh, sizeof fresh, fmt, ap);
	memset(&now, 0, sizeof now);
	memcpy(now.text, fresh, sizeof now.text);
}

/* Truncates: a message cut short is still a message. */
static void append(const char *s)
{
	size_t used = strlen(now.text);

	snprintf(now.text + used, sizeof now.text - used, "%s", s);
}

int fail(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	begin(fmt, ap);
	va_end(ap);
	return -code;
}

int fail_errno(const char *fmt, ...)
{
	int code = errno ? errno : EIO;
	va_list ap;

	va_start(ap, fmt);
	begin(fmt, ap);
	va_end(ap);
	append(": ");
	append(strerrordesc_np(code) ? strerrordesc_np(code) : "unknown error");
	/* Whatever was tried: what helps is another caller. */
	if (code == EACCES || code == EPERM)
		now.class = ERR_PERMISSION;
	return -code;
}

int fail_as(enum err_class class, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	begin(fmt, ap);
	va_end(ap);
	now.class = class;
	return -class_errno[class];
}

int fail_in(int r, const char *fmt, ...)
{
	char inner[sizeof now.text];
	va_list ap;

	memcpy(inner, now.text, sizeof inner);
	va_start(ap, fmt);
	vsnprintf(now.text, sizeof now.text, fmt, ap);
	va_end(ap);
	/* A place inside an array continues the name before it: mounts[3]. */
	append(inner[0] == '[' ? "" : ": ");
	append(inner);
	return r;
}

int fail_class(int r, enum err_class class)
{
	if (r < 0 && !now.class)
		now.class = class;
	return r;
}

void err_why(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(now.why, sizeof now.why, fmt, ap);
	va_end(ap);
}

void err_try(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(now.try, sizeof now.try, fmt, ap);
	va_end(ap);
}

const char *err_text(void)
{
	return now.text;
}

const char *err_why_text(void)
{
	return now.why;
}

const char *err_try_text(void)
{
	return now.try;
}

enum err_class err_class(void)
{
	return now.class ? now.class : ERR_OTHER;
}

void err_clear(void)
{
	memset(&now, 0, sizeof now);
}

void err_save(struct err_saved *s)
{
	*s = now;
}

void err_restore(const struct err_saved *s)
{
	now = *s;
}
