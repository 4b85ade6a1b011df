#include "runtime/child/seccomp.h"
#include "base/fault.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1UL << 4)
#endif

static const struct { int code; const char *why, *try; } causes[] = {
	{ EACCES, "without no_new_privs the kernel takes a filter only from a process with CAP_SYS_ADMIN",
	  "set process.noNewPrivileges" },
	{ EINVAL, "the kernel does not know one of the filter's flags or actions",
	  "leave out the flags of linux.seccomp" },
	{ EBUSY, "a filter of this process has a listener already", NULL },
	{ ENOMEM, "the filters of a process are limited to 32768 instructions together", NULL },
	{ ESRCH, "a thread could not be given the filter", NULL },
};

static int explain(int r)
{
	for (size_t i = 0; i < COUNT(causes); i++)
		if (causes[i].code == -r) {
			err_why("%s", causes[i].why);
			if (causes[i].try)
				err_try("%s", causes[i].try);
		}
	return r;
}

int seccomp_attach(const struct seccomp_prog *p, int *listener)
{
	struct sock_fprog prog = { (unsigned short)p->len, p->insns };
	unsigned flags = p->flags;
	long r;

	if (listener)
		*listener = -1;
	if (!p->insns || undefended("filter"))
		return 0;
	if (p->notify) {
		if (!listener)
			return fail(EINVAL, "attach the seccomp filter: nobody takes its listener");
		/* One return value for a descriptor and for a thread that failed: 5.7 tells them apart. */
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
		flags |= flags & SECCOMP_FILTER_FLAG_TSYNC ? SECCOMP_FILTER_FLAG_TSYNC_ESRCH : 0;
	} else {
		flags &= ~(unsigned)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	}
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (r < 0)
		return explain(fail_errno("attach the seccomp filter"));
	if (p->notify)
		*listener = (int)r;
	else if (r > 0)
		return explain(fail(ESRCH, "attach the seccomp filter to thread %ld", r));
	return 0;
}
