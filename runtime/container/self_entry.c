/*
 * The first instructions of vzrun, before libc's: the program becomes one of a detached read-only mount
 * (self.h). Everything of it is mapped anew from there, and the kernel is told that this is the executable
 * (PR_SET_MM_MAP, which it takes only when nothing of the old one is mapped any more). Where it may not say
 * so, it executes itself from there. Neither needs libc, whose start alone (each CPUID of it traps on a
 * virtual machine) takes longer than all of this. So: raw system calls only; no thread-local storage, no
 * relocation, no memcpy. Whatever fails here is left to self_protect(), which looks at the result and says
 * what went wrong.
 */
#include "runtime/container/self.h"
#include "base/fault.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Small, so that the stack costs few pages; whoever has more goes by way of libc. */
enum { ENV_MAX = 200 };

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

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
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

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#endif

static const char exe[] = "/proc/self/exe";
extern const Elf64_Ehdr __ehdr_start;

static int is_variable(const char *s)
{
	for (size_t i = 0; i < SELF_PREFIX; i++)
		if (s[i] != self_variable[i])
			return 0;
	return 1;
}

/* 0 when the path is not to be had, or too long. */
static int keep_dir(void)
{
	char *dir = self_variable + SELF_PREFIX;
	long size = SELF_VARIABLE_MAX - SELF_PREFIX - 1;
	long n = call(SYS_readlinkat, AT_FDCWD, (long)exe, (long)dir, size, 0, 0);

	/* Cut at the last slash; what is not the whole path is nothing. */
	for (n = n < size ? n - 1 : 0; n > 0 && dir[n] != '/'; n--)
		;
	dir[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The environment with our variable; what the caller set of that name is dropped. */
static int make_env(char **from, char *to[ENV_MAX + 2])
{
	size_t n = 0;

	for (; *from; from++) {
		if (is_variable(*from))
			continue;
		if (n == ENV_MAX)
			return 0;
		to[n++] = *from;
	}
	to[n++] = self_variable;
	to[n] = NULL;
	return 1;
}

/*
 * The segments of the program, from another descriptor of its file. They are as the kernel made them: nothing
 * ran.
 */
static int map_again(int fd, unsigned long page, struct prctl_mm_map *m)
{
	const Elf64_Phdr *p = (const Elf64_Phdr *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);

	for (size_t i = 0; i < __ehdr_start.e_phnum; i++, p++) {
		unsigned long start = p->p_vaddr & ~(page - 1), end = p->p_vaddr + p->p_filesz;
		long prot = (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
			    (p->p_flags & PF_X ? PROT_EXEC : 0);

		if (p->p_type != PT_LOAD)
			continue;
		if (call(SYS_mmap, (long)start, (long)(end - start), prot, MAP_PRIVATE | MAP_FIXED, fd,
			 (long)(p->p_offset - (p->p_vaddr - start))) != (long)start)
			return 0;
		/* What follows in the file's last page is no part of the program. */
		if (p->p_flags & PF_W)
			for (volatile char *c = (char *)end; (unsigned long)c & (page - 1); c++)
				*c = 0;
		if (p->p_flags & PF_X)
			m->start_code = p->p_vaddr, m->end_code = end;
		m->start_data = p->p_vaddr;
		m->end_data = end;
	}
	return 1;
}

static char *end_of(char *s)
{
	while (*s)
		s++;
	return s + 1;
}

/*
 * fd: a file of the read-only mount. What the kernel knows of this process but the executable, it is told
 * again.
 */
static int move_in(int fd, long *sp)
{
	char **argv = (char **)(sp + 1), **envp = argv + sp[0] + 1, **last = envp;
	struct prctl_mm_map m;
	unsigned long page = 0;
	const Elf64_auxv_t *aux;

	while (*last)
		last++;
	for (aux = (const Elf64_auxv_t *)(last + 1); aux->a_type != AT_NULL; aux++)
		if (aux->a_type == AT_PAGESZ)
			page = aux->a_un.a_val;
	if (sp[0] < 1 || last == envp || !page || !map_again(fd, page, &m) || !keep_dir())
		return 0;
	m.start_brk = m.brk = (uint64_t)call(SYS_brk, 0, 0, 0, 0, 0, 0);
	m.start_stack = (uint64_t)sp;
	m.arg_start = (uint64_t)argv[0];
	m.arg_end = m.env_start = (uint64_t)end_of(argv[sp[0] - 1]);
	m.env_end = (uint64_t)end_of(last[-1]);
	m.auxv = NULL;
	m.auxv_size = 0;
	m.exe_fd = (uint32_t)fd;
	return call(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, (long)&m, sizeof m, 0, 0) == 0;
}

/* /proc/self/fd/N: what a tree's descriptor means can be opened only by this name. */
static long open_tree_file(long tree)
{
	char path[32] = "/proc/self/fd/";
	size_t n = 14;

	for (long unit = tree >= 1000 ? 1000 : tree >= 100 ? 100 : tree >= 10 ? 10 : 1; unit; unit /= 10)
		path[n++] = (char)('0' + tree / unit % 10);
	path[n] = '\0';
	return call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

/*
 * sp: as the kernel leaves the stack of a new program: argc, argv[], NULL, envp[], NULL, the auxiliary
 * vector.
 */
__attribute__((used)) void self_before_libc(long *sp);
void self_before_libc(long *sp)
{
	char **argv = (char **)(sp + 1), **envp = argv + sp[0] + 1;
	char *env[ENV_MAX + 2];
	struct mount_attr ro;
	long tree, file;

	if (undefended_in(envp, "self") || call(SYS_faccessat, AT_FDCWD, (long)exe, W_OK, 0, 0, 0) == -EROFS)
		return;
	ro.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
	ro.attr_clr = ro.propagation = ro.userns_fd = 0;
	tree = call(SYS_open_tree, AT_FDCWD, (long)exe, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0, 0, 0);
	if (tree < 0)
		return;
	file = call(SYS_mount_setattr, tree, (long)"", AT_EMPTY_PATH, (long)&ro, sizeof ro, 0);
	if (file == 0)
		file = open_tree_file(tree);
	if (file > 0 && move_in((int)file, sp)) {
		(void)call(SYS_close, file, 0, 0, 0, 0, 0);
		/* 0, 1 and 2 are taken only if the caller had closed them, and have to stay closed. */
		if (tree > 2)
			self_tree = (int)tree;
		else
			(void)call(SYS_close, tree, 0, 0, 0, 0, 0);
		return;
	}
	if (file > 0 && keep_dir() && make_env(envp, env))
		(void)call(SYS_execveat, tree, (long)"", (long)argv, (long)env, AT_EMPTY_PATH, 0);
	self_variable[SELF_PREFIX] = '\0';
	(void)call(SYS_close, file, 0, 0, 0, 0, 0);
	(void)call(SYS_close, tree, 0, 0, 0, 0, 0);
}
#endif
