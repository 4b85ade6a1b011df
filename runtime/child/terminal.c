#include "runtime/child/child.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/scope.h"

#include <fcntl.h>
#include <sched.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

/*
 * A fresh pseudo-terminal from the container's own devpts. The master is opened where we
 * know a devpts to be, and checked; the slave comes from the master by TIOCGPTPEER and
 * never by a name that somebody could have covered (rules R6 and R10).
 */
static int open_master(int root_fd)
{
	auto_close int fd = path_open_strict(root_fd, "dev/pts/ptmx", O_RDWR | O_NOCTTY);
	struct statfs fs;
	struct stat st;

	TRY_IN(fd, "terminal: a devpts must be mounted on /dev/pts");
	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return fail_errno("terminal");
	if (fs.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return fail(EPERM, "terminal: /dev/pts/ptmx is not the multiplexer of a devpts");
	return take_fd(&fd);
}

static int open_slave(int master)
{
	int zero = 0, fd;

	if (ioctl(master, TIOCSPTLCK, &zero) < 0)
		return fail_errno("terminal: unlock");
	fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? fail_errno("terminal: open the slave") : fd;
}

/* The carriage return before a line's end is the caller's terminal's to add, which keeps what it does to output. */
static int leave_newlines(int slave)
{
	struct termios t;

	if (tcgetattr(slave, &t) < 0)
		return fail_errno("terminal: its modes");
	t.c_oflag &= ~(tcflag_t)ONLCR;
	return tcsetattr(slave, TCSANOW, &t) < 0 ? fail_errno("terminal: set its modes") : 0;
}

/* /dev/console is the slave, bound; only a container of our own making gets one. */
static int bind_console(struct child *c, int slave)
{
	auto_close int tree = open_tree(slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0)
		return fail_errno("terminal: clone the slave");
	auto_close int at = mnt_open_target(&c->mnt, "/dev/console", NULL, false);
	TRY_IN(at, "terminal: /dev/console");
	TRY_IN(mnt_attach_at(&c->mnt, at, tree, "/dev/console"), "terminal: /dev/console");
	return 0;
}

int stage_terminal(struct child *c)
{
	const struct spec_box *box = &c->process->console_size;
	struct winsize size = { .ws_row = (unsigned short)box->height.v, .ws_col = (unsigned short)box->width.v };

	if (!c->process->terminal)
		return 0;
	auto_close int root = c->spec ? fcntl(c->mnt.root_fd, F_DUPFD_CLOEXEC, 3)
				      : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return fail_errno("terminal: open the root");
	auto_close int master = open_master(root);
	TRY(master);
	c->tty = open_slave(master);
	TRY(c->tty);
	if (c->relayed)
		TRY(leave_newlines(c->tty));
	/* Our caller's, where none is asked for: the program may look before the supervisor has copied it. */
	if (!size.ws_row || !size.ws_col)
		size = (struct winsize){ 0 }, (void)ioctl(0, TIOCGWINSZ, &size);
	if (size.ws_row && size.ws_col && ioctl(master, TIOCSWINSZ, &size) < 0)
		return fail_errno("terminal: set the size");
	/* The process must be able to open its own terminal by name. */
	if (fchown(c->tty, c->process->user.uid.v, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM)
		return fail_errno("terminal: change the owner");
	if (c->spec && c->ns.clone_flags & CLONE_NEWNS)
		TRY(bind_console(c, c->tty));
	return sync_say_fd(c->sync, SYNC_CONSOLE, master);
}

/* What is already on must not end us, nor ask an agent, for a call that its author did not think of. */
static bool may_wait(const struct child *c)
{
	static const int calls[] = { SYS_ioctl, SYS_rt_sigprocmask, SYS_rt_sigtimedwait };

	for (size_t i = 0; !c->process->no_new_privs && i < COUNT(calls); i++)
		if (!seccomp_spares(&c->seccomp, calls[i]))
			return false;
	return true;
}

/*
 * Podman's monitor hears of the terminal's size beside the start or the exec, not before it, and a program that looks
 * at once would find none. The kernel says with SIGWINCH that it has come; who sends none waits this long.
 */
void terminal_await_size(const struct child *c)
{
	const struct timespec most = { .tv_nsec = 20 * 1000 * 1000 };
	struct winsize size = { 0 };
	sigset_t winch;

	if (c->tty < 0 || !may_wait(c))
		return;
	sigemptyset(&winch);
	sigaddset(&winch, SIGWINCH);
	sigprocmask(SIG_BLOCK, &winch, NULL);
	if (ioctl(c->tty, TIOCGWINSZ, &size) == 0 && !size.ws_row && !size.ws_col)
		(void)sigtimedwait(&winch, NULL, &most);
	sigprocmask(SIG_UNBLOCK, &winch, NULL);
}

static bool is_null(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/* As CVE-2024-21626, but given: openat(0, "..") begins outside of the root. */
static int check_stream(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode) || undefended("streams"))
		return 0;
	return fail(EISDIR, "descriptor %d is a directory of the host's: the process could leave its root by it", fd);
}

/*
 * Through the host's /dev/null its owner and mode could be changed for the host; the container has one of its
 * own.
 */
int stage_streams(struct child *c)
{
	auto_close int root = -1;

	for (int fd = 0; fd <= 2 && !c->process->terminal; fd++) {
		TRY(check_stream(fd));
		if (!is_null(fd))
			continue;
		if (root < 0)
			root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		auto_close int own = path_open_strict(root, "dev/null", O_RDWR | O_NOCTTY | O_NONBLOCK);
		/* A root without one, or one that the device rules do not grant: then nobody can use it, either. */
		if (own >= 0 && is_null(own) && (fcntl(own, F_SETFL, 0) < 0 || dup2(own, fd) < 0))
			return fail_errno("/dev/null as descriptor %d", fd);
	}
	return 0;
}

int stage_session(struct child *c)
{
	if (!undefended("session") && setsid() < 0)
		return fail_errno("start a session");
	if (c->tty < 0)
		return 0;
	if (!c->no_ctty && ioctl(c->tty, TIOCSCTTY, 0) < 0)
		return fail_errno("terminal: make it the controlling one");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(c->tty, fd) < 0)
			return fail_errno("terminal: descriptor %d", fd);
	return 0;
}
