#include "base/sys.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Below the stack lies a page that nobody may touch. */
enum { STACK = 256 << 10, GUARD = 64 << 10 };

#ifdef __x86_64__
static long clone_and_call(struct clone_args *a, void (*run)(void *), void *arg)
{
	register void (*f)(void *) __asm__("r12") = run;
	register void *p __asm__("r13") = arg;
	long r;

	__asm__ volatile("syscall\n"
			 "	testq %%rax, %%rax\n"
			 "	jnz 1f\n"
			 "	xorl %%ebp, %%ebp\n"
			 "	movq %%r13, %%rdi\n"
			 "	callq *%%r12\n"
			 "	ud2\n"
			 "1:"
			 : "=a"(r) : "0"((long)SYS_clone3), "D"(a), "S"(sizeof *a), "r"(f), "r"(p)
			 : "rcx", "r11", "memory", "cc");
	return r;
}
#elif defined(__aarch64__)
static long clone_and_call(struct clone_args *a, void (*run)(void *), void *arg)
{
	register void (*f)(void *) __asm__("x20") = run;
	register void *p __asm__("x21") = arg;
	register long nr __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)a;
	register long x1 __asm__("x1") = sizeof *a;

	__asm__ volatile("svc 0\n"
			 "	cbnz x0, 1f\n"
			 "	mov x29, xzr\n"
			 "	mov x0, x21\n"
			 "	blr x20\n"
			 "	brk 1\n"
			 "1:"
			 : "+r"(x0) : "r"(x1), "r"(nr), "r"(f), "r"(p) : "memory", "cc");
	return x0;
}
#else
static long clone_and_call(struct clone_args *a, void (*run)(void *), void *arg)
{
	(void)a, (void)run, (void)arg;
	return -ENOSYS;
}
#endif

pid_t sys_borrow(int cgroup_fd, int *pidfd, void (*run)(void *), void *arg)
{
	char *stack = mmap(NULL, STACK + GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup_fd,
		.stack = (uint64_t)(uintptr_t)stack + GUARD, .stack_size = STACK,
	};
	long pid;

	if (stack == MAP_FAILED)
		return -1;
	pid = mprotect(stack + GUARD, STACK, PROT_READ | PROT_WRITE) < 0 ? -errno : clone_and_call(&a, run, arg);
	munmap(stack, STACK + GUARD);
	if (pid < 0)
		errno = (int)-pid;
	return pid < 0 ? -1 : (pid_t)pid;
}
