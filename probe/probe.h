/*
 * vzrun-probe: what a process of a container reaches, found out from inside. Static, needs nothing of the
 * container's root. Report on stdout, a line each:
 *
 *	vzrun-probe 1		the first line
 *	ROW<TAB>ITEM		one thing that is open; rows and weights: runtime/guest/exposure.h
 *	=FACT<TAB>VALUE		what somebody outside compares with the host's; =cannot: why this is no report
 *	end			the last line; without it the report was cut
 *
 * Nothing is changed that is not made for the purpose and removed again: files are opened and never written,
 * calls get arguments that no kernel accepts, and whatever may have an effect is done by a child.
 */
#pragma once
#include "base/str.h"

#include <sys/types.h>

enum { PROBE_VERSION = 1 };

/* A line of the report. Bytes that would break it are shown as "?". Both are safe in a child. */
void found(const char *row, const char *fmt, ...) PRINTF(2, 3);
void fact(const char *name, const char *fmt, ...) PRINTF(2, 3);

/* Ends the report with the reason why it says nothing: what was not tried would look closed. */
_Noreturn void give_up(const char *fmt, ...) PRINTF(1, 2);

/*
 * Runs fn(arg) in a child, for at most two seconds; what it blocks in is interrupted before. Returns what fn
 * returned (0..255), or 256 + the signal that ended it.
 */
int in_child(int (*fn)(void *arg), void *arg);

/* What is open when fn, in a child, says so. */
enum { YES = 1, NO = 2 };
struct probe_try { const char *row, *item; int (*fn)(void *unused); };
void try_all(const struct probe_try *tries, size_t n);

/* Calls each(path, mode, ctx) for what is below dir; neither links nor other file systems are entered. */
typedef void walk_fn(const char *path, mode_t mode, void *ctx);
void walk(const char *dir, walk_fn *each, void *ctx);

/* The batteries, one file each or two. */
void probe_calls(void);		/* calls.c: syscall */
void probe_interfaces(void);	/* interfaces.c: i386 x32 socket-family interface terminal-injection */
void probe_self(void);		/* self.c: capability ... no-new-privs no-filter, the namespaces */
void probe_writable(void);	/* files.c */
void probe_readable(void);
void probe_devices(void);
void probe_kernel_log(void);
void probe_mounts(void);	/* traces.c */
void probe_others(void);
void probe_keys(void);
void probe_figures(void);
void probe_powers(void);	/* powers.c: mknod kernel-surface nested */
