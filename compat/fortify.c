/*
 * Distributions compile their archives (libseccomp's, libnl's) against glibc, with _FORTIFY_SOURCE. What these take
 * from libc musl has under the same names and with the same layouts, but for the checked functions below. A size that
 * is known is kept to; the check of a format is left out: no format in these archives comes from outside.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each as a prototype and a body, because nothing declares them. */
#define CHECKED(type, name, ...) \
	type name(__VA_ARGS__); \
	type name(__VA_ARGS__)
#define WITH_ARGUMENTS(call) \
	({ va_list ap; va_start(ap, fmt); int n_ = call; va_end(ap); n_; })

CHECKED(int, __vfprintf_chk, FILE *f, int flag, const char *fmt, va_list ap)
{
	(void)flag;
	return vfprintf(f, fmt, ap);
}

CHECKED(int, __vasprintf_chk, char **text, int flag, const char *fmt, va_list ap)
{
	(void)flag;
	return vasprintf(text, fmt, ap);
}

CHECKED(int, __fprintf_chk, FILE *f, int flag, const char *fmt, ...)
{
	return WITH_ARGUMENTS(__vfprintf_chk(f, flag, fmt, ap));
}

CHECKED(int, __printf_chk, int flag, const char *fmt, ...)
{
	return WITH_ARGUMENTS(__vfprintf_chk(stdout, flag, fmt, ap));
}

CHECKED(int, __asprintf_chk, char **text, int flag, const char *fmt, ...)
{
	return WITH_ARGUMENTS(__vasprintf_chk(text, flag, fmt, ap));
}

CHECKED(int, __snprintf_chk, char *text, size_t n, int flag, size_t size, const char *fmt, ...)
{
	(void)flag;
	if (n > size)
		abort();
	return WITH_ARGUMENTS(vsnprintf(text, n, fmt, ap));
}

CHECKED(int, __sprintf_chk, char *text, int flag, size_t size, const char *fmt, ...)
{
	(void)flag;
	/* Larger than INT_MAX, which vsnprintf refuses: the compiler did not know the size. */
	int n = WITH_ARGUMENTS(vsnprintf(text, size > 0x7fffffff ? 0x7fffffff : size, fmt, ap));

	if (n >= 0 && (size_t)n >= size)
		abort();
	return n;
}

CHECKED(void *, __memcpy_chk, void *to, const void *from, size_t n, size_t size)
{
	if (n > size)
		abort();
	return memcpy(to, from, n);
}

/*
 * Against a newer glibc the same functions have the names of C23, where they read 0b101, too: names and numbers of the
 * kernel's and of our own, to which that makes no difference.
 */
CHECKED(long, __isoc23_strtol, const char *text, char **end, int base)
{
	return strtol(text, end, base);
}

CHECKED(unsigned long, __isoc23_strtoul, const char *text, char **end, int base)
{
	return strtoul(text, end, base);
}

CHECKED(unsigned long long, __isoc23_strtoull, const char *text, char **end, int base)
{
	return strtoull(text, end, base);
}

CHECKED(int, __isoc23_sscanf, const char *text, const char *fmt, ...)
{
	return WITH_ARGUMENTS(vsscanf(text, fmt, ap));
}

CHECKED(int, __isoc23_fscanf, FILE *f, const char *fmt, ...)
{
	return WITH_ARGUMENTS(vfscanf(f, fmt, ap));
}
