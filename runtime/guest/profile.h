/*
 * The default confinement of guests: which system calls and capabilities a whole
 * distribution under systemd needs, and no more. A container by --bundle has its own
 * profile in its config.json; this one is for guests that vzrun makes.
 */
#pragma once
#include "base/arena.h"
#include "runtime/spec/seccomp.h"
#include <stdint.h>

enum {
	PROFILE_USERNS   = 1,	/* the guest has a user namespace of its own */
	PROFILE_NESTING  = 2,	/* containers in the guest: user namespaces, keyrings */
	PROFILE_MEDIATED = 8,	/* fsopen(2) is left out: an AppArmor profile sees mount(2) only */
	PROFILE_I386     = 4,	/* 32-bit programs; they reach every address family through socketcall */
};

/*
 * Refused calls: EPERM where a program should see that it may not, ENOSYS for
 * everything else, so that libraries fall back. NULL when memory is out.
 */
const struct spec_seccomp *profile_seccomp(struct arena *a, unsigned features);
/* For bounding, permitted and effective; inheritable and ambient are empty (rule R7). */
uint64_t profile_caps(unsigned features);
/* Paths that are masked, and those that are read-only. */
extern const struct strv profile_masked;
struct strv profile_readonly(unsigned features);
