#include "runtime/guest/stats.h"
#include "base/scope.h"
#include "base/sys.h"

int guest_cg(const struct guest_where *at, const char *name, struct cg *out)
{
	return container_group(at->root, name, out);
}

static int not_running(const char *name)
{
	return fail_as(ERR_STATE, "guest \"%s\" is not running", name);
}

int guest_netns(const struct guest_where *at, const char *name)
{
	pid_t pid;
	auto_close int init = guest_init(at, name, &pid);
	auto_close int fd = -1;
	int dead;

	if (init < 0)
		return init == -ESRCH || init == -ENODATA || err_class() == ERR_NOT_FOUND ? not_running(name) : init;
	fd = sys_open_ns(pid, "net");
	if (fd < 0)
		return errno == ENOENT ? not_running(name) : fail_errno("open the network namespace of guest \"%s\"", name);
	/* The number was this process's when it was opened if the process lives afterwards. */
	dead = sys_pidfd_wait(init, 0);
	if (dead < 0)
		return fail_errno("look whether process %d lives", (int)pid);
	return dead ? not_running(name) : take_fd(&fd);
}

int guest_stats(const struct guest_where *at, const char *name, struct guest_stats *out)
{
	static struct cg cg;
	auto_guest struct guest g = { .dir_fd = -1 };

	*out = (struct guest_stats){ .status = GUEST_STOPPED };
	TRY(guest_open(at, name, false, &g));
	out->status = guest_status(at, name, &out->pid);
	auto_close int netns = guest_netns(at, name);
	if (out->status != GUEST_STOPPED && guest_cg(at, name, &cg) >= 0)
		out->counted = cg_stats(&cg, &out->cg) >= 0;
	err_clear();
	return guest_traffic(at, name, g.dir_fd, &g.conf.networks, netns, &out->net);
}
