#include "tests/tools/inject_call.h"

#include <elf.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#if defined __x86_64__
#define NUMBER(r) ((r).orig_rax)
#define FIRST(r)  ((r).rdi)
#define RESULT(r) ((r).rax)
#elif defined __aarch64__
#define NUMBER(r) ((r).regs[8])
#define FIRST(r)  ((r).regs[0])
#define RESULT(r) ((r).regs[0])
#else
#error "inject knows x86_64 and aarch64"
#endif

const char *call_name(uint64_t nr)
{
	static char name[64];
	char *s = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);

	snprintf(name, sizeof name, "%s", s ? s : "?");
	free(s);
	return name;
}

bool call_can_fail(uint64_t nr)
{
	static const char *const never[] = { "exit", "exit_group", "rt_sigreturn", "restart_syscall", "umask", "getpid",
		"getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getpgrp", "set_tid_address", "sync" };
	const char *name = call_name(nr);

	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (strcmp(name, never[i]) == 0)
			return false;
	return true;
}

const char *call_of(pid_t pid)
{
	char path[64];
	unsigned long nr;

	snprintf(path, sizeof path, "/proc/%d/syscall", pid);
	FILE *f = fopen(path, "re");
	bool in_one = f && fscanf(f, "%lu", &nr) == 1;

	if (f)
		fclose(f);
	return in_one ? call_name(nr) : "none";
}

static int regset(int request, pid_t pid, void *v, size_t size, int set)
{
	struct iovec io = { v, size };

	return (int)ptrace(request, pid, set, &io);
}

static unsigned long long asked;

/*
 * The call becomes one that does not exist. brk never returns an error: it fails by leaving the break where it is, as
 * it does when it is asked for 0. What it was asked for is where it was when it is left: libc compares.
 */
int call_replace(pid_t pid)
{
	struct user_regs_struct r;

	if (regset(PTRACE_GETREGSET, pid, &r, sizeof r, NT_PRSTATUS) < 0)
		return -1;
	if (NUMBER(r) == SYS_brk) {
		asked = FIRST(r);
		FIRST(r) = 0;
	} else {
#if defined __aarch64__
		int none = -1;

		return regset(PTRACE_SETREGSET, pid, &none, sizeof none, NT_ARM_SYSTEM_CALL);
#else
		NUMBER(r) = (unsigned long long)-1;
#endif
	}
	return regset(PTRACE_SETREGSET, pid, &r, sizeof r, NT_PRSTATUS);
}

int call_result(pid_t pid, int value)
{
	struct user_regs_struct r;

	if (regset(PTRACE_GETREGSET, pid, &r, sizeof r, NT_PRSTATUS) < 0)
		return -1;
	if (NUMBER(r) != SYS_brk)
		RESULT(r) = (unsigned long long)value;
	else if (&FIRST(r) != &RESULT(r))
		FIRST(r) = asked;
	return regset(PTRACE_SETREGSET, pid, &r, sizeof r, NT_PRSTATUS);
}
