/*
 * Fault points, in builds with -DVZRUN_FAULT_POINTS only (make FAULT=1). The n-th
 * point that the process and its children pass fails (VZRUN_FAULT=n) or dies by
 * SIGKILL (VZRUN_KILL=n). A point stands before every step and before every
 * acquisition that registers an undo. With VZRUN_FAULT_LOG=FILE the process appends the
 * number and name of every point that it and its children passed, when it exits.
 *
 * VZRUN_UNDEFENDED=NAME,... leaves the named defences out, so that a test may see the attack succeed that
 * each is there against (tests/bats/54-escapes*, tests/hard/escapes): a check of a defence that cannot fail is none.
 */
#pragma once
#include <stdbool.h>

#ifdef VZRUN_FAULT_POINTS
int fault_point(const char *name);	/* 0, or -EIO with a message "injected fault: NAME" */
bool undefended(const char *name);

/* The same, of that environment, before libc is there to be called. */
static inline bool undefended_in(char *const *env, const char *name)
{
	const char *s, *p;

	for (; *env; env++) {
		for (s = *env, p = "VZRUN_UNDEFENDED="; *p && *s == *p; s++, p++)
			;
		while (!*p && *s) {
			const char *n = name;

			for (; *n && *s == *n; s++, n++)
				;
			if (!*n && (*s == ',' || !*s))
				return true;
			while (*s && *s++ != ',')
				;
		}
	}
	return false;
}
#else
static inline int fault_point(const char *name) { (void)name; return 0; }
static inline bool undefended(const char *name) { (void)name; return false; }
static inline bool undefended_in(char *const *env, const char *name) { (void)env, (void)name; return false; }
#endif
