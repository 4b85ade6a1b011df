/*
 * System-call filters: compiled in the runtime, before the clone; attached in the
 * child by one system call, right before exec.
 *
 *	auto_seccomp struct seccomp_prog prog = { 0 };
 *	TRY(seccomp_compile(&spec, cache, &prog));	the runtime
 *	TRY(seccomp_save(&prog, statedir, "seccomp"));	for a later exec, which only does
 *	TRY(seccomp_restore(statedir, "seccomp", &prog));
 *	TRY(seccomp_attach(&prog, &listener));		the child
 *
 * A cache is a directory that only its owner (the effective user) can write. What it
 * holds is compared with the whole key, so a collision of names does no harm.
 */
#pragma once
#include "base/scope.h"
#include "runtime/spec/seccomp.h"

struct seccomp_prog {
	void *insns;		/* struct sock_filter; NULL: no filter */
	size_t len;		/* instructions */
	unsigned flags;		/* SECCOMP_FILTER_FLAG_* */
	bool notify;		/* loading yields a listener */
	void *block;		/* the allocation that insns lies in */
};

/* cache_dirfd -1: no cache. A cache that cannot be used costs time, never an error. `s` was checked. */
int seccomp_compile(const struct spec_seccomp *s, int cache_dirfd, struct seccomp_prog *out);

/* The program as libseccomp emits it (layout 1: a chain, 2: a binary tree); for tests and measurements. */
int seccomp_compile_plain(const struct spec_seccomp *s, unsigned layout, struct seccomp_prog *out);

/* Mode 0600, atomic. Restoring: -ENOENT is expected (the container has no filter). */
int seccomp_save(const struct seccomp_prog *p, int dirfd, const char *name);
int seccomp_restore(int dirfd, const char *name, struct seccomp_prog *out);

/*
 * Attaches the filter to the calling thread (TSYNC: to all). Allocates nothing, opens
 * nothing. An empty program does nothing. *listener (may be NULL unless notify) is the
 * O_CLOEXEC descriptor of the listener, or -1. After this only what the filter allows works;
 * how the listener gets out is notify.c's.
 */
int seccomp_attach(const struct seccomp_prog *p, int *listener);

/* Whether who is under the program may make this call, its arguments 0, and goes on: it may be refused, not more. */
bool seccomp_spares(const struct seccomp_prog *p, int nr);

/* Whether nobody under the program makes this call, whatever the arguments: all bits clear, and all set, are tried. */
bool seccomp_refuses(const struct seccomp_prog *p, int nr);

void seccomp_free(struct seccomp_prog *p);
#define auto_seccomp SCOPED(seccomp_free)

/* "2.5.4": libseccomp's version, for `vzrun --version` and `features`. */
const char *seccomp_lib_version(void);
