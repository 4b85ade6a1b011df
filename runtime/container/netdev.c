#include "runtime/container/launch.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* In memory that is shared with the guard; at[n] is on its way or there. */
struct netdev_loan {
	size_t size;
	int netns, alive;		/* alive: the guard reads its end until we are gone */
	pid_t guard;
	size_t n;
	struct net_moved at[];
};

static int open_netns(const struct launch *l)
{
	const struct ns_join *joined = ns_joined(&l->child->ns, CLONE_NEWNET);
	int fd = joined ? fcntl(joined->fd, F_DUPFD_CLOEXEC, 3) : sys_open_ns(l->pid, "net");

	return fd < 0 ? fail_errno("open the container's network namespace") : fd;
}

/* The namespace outlives its processes as long as we hold it, and the devices in it as well. */
static void take_back(struct netdev_loan *loan)
{
	for (; loan->n > 0; loan->n--) {
		struct net_moved *m = &loan->at[loan->n - 1];

		if (!m->is[0] || net_move_back(m, loan->netns) >= 0)
			continue;
		/* The last device of the list may not have been moved at all: that it is not in the namespace is no failure. */
		if (m->settled || err_class() != ERR_NOT_FOUND)
			log_warn("network device %s was not brought back: %s", m->was, err_text());
		err_clear();
	}
}

/*
 * A virtual device is gone with its network namespace, and the namespace with the container's process, which ends when
 * the runtime does: no later command could bring it back. So a process of its own session, the
 * guard, holds the namespace open.
 */
static _Noreturn void stand_guard(const struct launch *l, int fd)
{
	sigset_t all;
	char word;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setsid();
	if (TEMP_FAILURE_RETRY(read(fd, &word, 1)) == 0) {
		/* The container's process may run by now: it is killed before its devices are taken away. */
		(void)sys_pidfd_kill(l->pidfd, SIGKILL);
		take_back(l->lent);
	}
	_exit(0);
}

static int post_guard(struct launch *l)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail_errno("pipe");
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		stand_guard(l, fds[0]);
	}
	close(fds[0]);
	l->lent->alive = fds[1];
	l->lent->guard = pid;
	return pid < 0 ? fail_errno("fork") : 0;
}

static int begin(struct launch *l, size_t n)
{
	size_t size = sizeof *l->lent + n * sizeof l->lent->at[0];
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return fail_errno("linux.netDevices");
	l->lent = p;
	*l->lent = (struct netdev_loan){ .size = size, .netns = -1, .alive = -1, .guard = -1 };
	TRY(l->lent->netns = open_netns(l));
	return post_guard(l);
}

int netdev_lend(struct launch *l)
{
	const struct list *devices = &l->child->spec->linux_->net_devices;

	if (devices->n == 0)
		return 0;
	TRY(begin(l, devices->n));
	LIST_EACH(struct net_device_conf, d, *devices) {
		struct net_moved *m = &l->lent->at[l->lent->n++];
		int r = net_move_device(d->host, d->name, l->lent->netns, m);

		if (r < 0) {
			l->lent->n--;
			return fail_in(r, "linux.netDevices.%s", d->host);
		}
	}
	return 0;
}

void netdev_settle(struct launch *l, bool back)
{
	struct netdev_loan *loan = l->lent;
	struct err_saved why;

	if (!loan)
		return;
	err_save(&why);
	if (back)
		take_back(loan);
	if (loan->guard > 0) {
		(void)!write(loan->alive, "", 1);
		(void)TEMP_FAILURE_RETRY(waitpid(loan->guard, NULL, 0));
	}
	drop_fd(&loan->alive);
	drop_fd(&loan->netns);
	munmap(loan, loan->size);
	l->lent = NULL;
	err_restore(&why);
}
