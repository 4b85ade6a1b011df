/*
 * The first instructions of vzrun, before libc's. The executable runs twice: first to make the protected copy of
 * itself (self.h), then from it. The first run needs nothing of libc, and libc's start alone (each CPUID of it traps
 * on a virtual machine) takes longer than everything here. So: raw system calls only; no thread-local storage, no
 * relocation, no memcpy. Whatever fails here is left to self_protect(), which says what went wrong.
 */
#include "runtime/container/self.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <fcntl.h>
#include <linux/mount.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* Small, so that the stack costs few pages; whoever has more goes by way of libc. */
enum { ENV_MAX = 200, DIR_MAX = 1000, STATFS_RDONLY = 1 };

#ifdef __x86_64__
__asm__(".pushsection .text\n"
	".globl self_entry\n"
	".type self_entry, @function\n"
	"self_entry:\n"
	"	endbr64\n"
	"	xorl %ebp, %ebp\n"
	"	movq %rsp, %rbx\n"
	"	movq %rdx, %r12\n"
	"	movq %rsp, %rdi\n"
	"	andq $-16, %rsp\n"
	"	call self_before_libc\n"
	"	movq %rbx, %rsp\n"
	"	movq %r12, %rdx\n"
	"	jmp _start\n"
	".size self_entry, . - self_entry\n"
	".popsection\n");

static long call(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return r;
}
#else
__asm__(".pushsection .text\n"
	".globl self_entry\n"
	".type self_entry, %function\n"
	"self_entry:\n"
	"	mov x29, xzr\n"
	"	mov x20, x0\n"
	"	mov x0, sp\n"
	"	bl self_before_libc\n"
	"	mov x0, x20\n"
	"	b _start\n"
	".size self_entry, . - self_entry\n"
	".popsection\n");

static long call(long nr, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}
#endif

static const char exe[] = "/proc/self/exe", variable[] = SELF_DIR_VARIABLE "=";

static int is_variable(const char *s)
{
	for (size_t i = 0; i < sizeof variable - 1; i++)
		if (s[i] != variable[i])
			return 0;
	return 1;
}

/* "_VZRUN_SELF=/usr/local/bin"; 0 when the path is not to be had, or too long. */
static int dir_of_exe(char out[DIR_MAX])
{
	long start = (long)sizeof variable - 1, n;

	for (long i = 0; i < start; i++)
		out[i] = variable[i];
	n = call(SYS_readlinkat, AT_FDCWD, (long)exe, (long)(out + start), DIR_MAX - start - 1, 0);
	if (n <= 0 || n >= DIR_MAX - start - 1)
		return 0;
	for (n += start - 1; n > start && out[n] != '/'; n--)
		;
	out[n] = '\0';
	return 1;
}

/* The environment with our variable; what the caller set of that name is dropped. */
static int make_env(char **from, char *ours, char *to[ENV_MAX + 2])
{
	size_t n = 0;

	for (; *from; from++) {
		if (is_variable(*from))
			continue;
		if (n == ENV_MAX)
			return 0;
		to[n++] = *from;
	}
	to[n++] = ours;
	to[n] = NULL;
	return 1;
}

/* sp: as the kernel leaves the stack of a new program: argc, argv[], NULL, envp[], NULL. */
__attribute__((used)) void self_before_libc(long *sp);
void self_before_libc(long *sp)
{
	char **argv = (char **)(sp + 1), **envp = argv + sp[0] + 1;
	char *env[ENV_MAX + 2], dir[DIR_MAX];
	struct mount_attr ro;
	struct statfs fs;
	long fd;

	if (call(SYS_statfs, (long)exe, (long)&fs, 0, 0, 0) < 0 || fs.f_flags & STATFS_RDONLY)
		return;
	if (!dir_of_exe(dir) || !make_env(envp, dir, env))
		return;
	ro.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
	ro.attr_clr = ro.propagation = ro.userns_fd = 0;
	fd = call(SYS_open_tree, AT_FDCWD, (long)exe, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0, 0);
	if (fd < 0)
		return;
	if (call(SYS_mount_setattr, fd, (long)"", AT_EMPTY_PATH, (long)&ro, sizeof ro) >= 0)
		(void)call(SYS_execveat, fd, (long)"", (long)argv, (long)env, AT_EMPTY_PATH);
	(void)call(SYS_close, fd, 0, 0, 0, 0);
}
#endif
