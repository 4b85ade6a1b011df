#include "base/helper.h"
#include "cli/opt.h"
#include "cli/out.h"
#include "runtime/container/self.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A file opened as descriptor 2 would be written into by the next message. What is written to a standard output that
 * is none still fails.
 */
static int standard_fds(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR) != fd)
			return fail_errno("open /dev/null in place of descriptor %d", fd);
	return 0;
}

int main(int argc, char **argv)
{
	static struct cli g;
	int r;

	if (argc < 1)
		return 1;
	r = standard_fds();
	if (r >= 0)
		r = self_protect(argv);
	/* Nobody has read yet whose command it is: an engine knows no other status. */
	g.failed = r < 0;
	if (r >= 0) {
		/* Only now: self_protect() executes us once more, and the caller's umask would be lost. */
		g.umask = umask(0077);
		/* Where who called us ignores it the kernel reaps: how a hook, a helper or the container ended would be lost. */
		signal(SIGCHLD, SIG_DFL);
		helper_set_dir(self_dir());
		r = cli_run(&g, cli_groups, argc, argv);
	}
	if (r >= 0 && out_flush() < 0)
		r = -EIO;
	return r < 0 ? out_error(&g, r) : r;
}
