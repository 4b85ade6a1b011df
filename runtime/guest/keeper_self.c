/* What the keeper does to its own process: it lets go of the caller, has a name, and is small. */
#include "runtime/guest/keeper.h"
#include "base/dgram.h"
#include "base/log.h"
#include "base/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A descriptor without close-on-exec is inherited: kept open, a pipe of the caller's would never reach its end. */
static void close_inherited(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	uint64_t fd;

	while (d && (e = readdir(d)))
		if (str_u64(e->d_name, INT32_MAX, &fd) == 0 && fd > 2 && fcntl((int)fd, F_GETFD) == 0)
			close((int)fd);
	if (d)
		closedir(d);
}

/* Away from the terminal, the session, the pipes and the signals of whoever started us. */
int keeper_detach(struct keeper *k)
{
	int ear[2];
	sigset_t all;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || setsid() < 0)
		return fail_errno("detach the keeper");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			return fail_errno("detach the keeper");
	if (null > 2)
		close(null);
	close_inherited();
	TRY(dgram_pair(ear));
	k->warnings = ear[0];
	log_divert(ear[1]);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGPIPE, SIG_IGN);
	return chdir("/") < 0 ? fail_errno("chdir /") : 0;
}

/* Field n of /proc/self/stat, n > 2. */
static uintptr_t stat_field(const char *stat, int n)
{
	const char *p = strrchr(stat, ')');

	for (int i = 2; p && i < n; i++)
		if ((p = strchr(p, ' ')))
			p++;
	return p ? (uintptr_t)strtoull(p, NULL, 10) : 0;
}

/* The strings move to the heap: what they leave is room for a title longer than argv was. */
static int move_environment(void)
{
	size_t n = 0;

	while (environ && environ[n])
		n++;
	char **moved = calloc(n + 1, sizeof *moved);
	if (!moved)
		return fail(ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		if ((moved[i] = strdup(environ[i])))
			continue;
		while (i > 0)
			free(moved[--i]);
		free(moved);
		return fail(ENOMEM, "out of memory");
	}
	environ = moved;
	return 0;
}

/* Nothing may point into argv or the environment after this but `environ` itself. */
static int set_title(const char *name)
{
	char stat[2048], title[96];
	uintptr_t from, to;
	ssize_t n;

	(void)prctl(PR_SET_NAME, "vzrun-keeper");
	auto_close int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, stat, sizeof stat - 1);
	if (n <= 0)
		return 0;
	stat[n] = '\0';
	from = stat_field(stat, 48);
	to = stat_field(stat, 51);
	n = snprintf(title, sizeof title, "vzrun-keeper %s", name) + 1;
	if (!from || to < from || to - from < (size_t)n || stat_field(stat, 49) != stat_field(stat, 50))
		return 0;
	TRY(move_environment());
	/*
	 * The kernel shows the memory of argv, and goes on into that of the environment when argv's last
	 * NUL was overwritten. That takes no right, unlike PR_SET_MM.
	 */
	memset((void *)from, 0, to - from);
	memcpy((void *)from, title, (size_t)n);
	return 0;
}

int keeper_title(struct guest *g)
{
	g->at.home = strdup(g->at.home);
	g->at.root = strdup(g->at.root);
	if (!g->at.home || !g->at.root)
		return fail(ENOMEM, "out of memory");
	return set_title(g->name);
}

enum { DROPS = 8, STACK_MAX = 1 << 20 };
static struct { uintptr_t from, to; } drop[DROPS];

/* Code and constants come back from the file when they are needed, and a keeper needs little of them. */
static int find_segment(struct dl_phdr_info *i, size_t size, void *ctx)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	size_t *n = ctx;

	(void)size;
	for (int k = 0; k < i->dlpi_phnum && *n < DROPS - 1; k++) {
		const ElfW(Phdr) *p = &i->dlpi_phdr[k];

		if (p->p_type != PT_LOAD || p->p_flags & PF_W)
			continue;
		drop[*n].from = (i->dlpi_addr + p->p_vaddr + page) & ~page;
		drop[(*n)++].to = (i->dlpi_addr + p->p_vaddr + p->p_memsz) & ~page;
	}
	return 0;
}

/*
 * Waits in as little memory as there can be: nothing but this function and syscall() is touched after the
 * pages were dropped, and below the stack's present end is what the boot needed.
 */
int keeper_sleep(struct pollfd *p, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), here = (uintptr_t)__builtin_frame_address(0);
	size_t found = 0;

	(void)malloc_trim(0);
	(void)dl_iterate_phdr(find_segment, &found);
	drop[found].to = (here & ~(page - 1)) - page;
	drop[found].from = drop[found].to - STACK_MAX;
	for (size_t i = 0; i <= found; i++)
		(void)syscall(SYS_madvise, drop[i].from, drop[i].to - drop[i].from, MADV_DONTNEED);
	return (int)syscall(SYS_ppoll, p, n, NULL, NULL, 0);
}
