#include "runtime/container/launch.h"
#include "base/log.h"
#include "base/scope.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>

static int open_netns(const struct launch *l)
{
	const struct ns_join *joined = ns_joined(&l->child->ns, CLONE_NEWNET);
	char path[48];
	int fd;

	if (joined)
		fd = fcntl(joined->fd, F_DUPFD_CLOEXEC, 3);
	else {
		snprintf(path, sizeof path, "/proc/%d/ns/net", (int)l->pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd < 0 ? fail_errno("open the container's network namespace") : fd;
}

int netdev_lend(struct launch *l)
{
	const struct list *devices = &l->child->spec->linux_->net_devices;

	if (devices->n == 0)
		return 0;
	l->moved = arena_alloc(&l->child->arena, devices->n, sizeof *l->moved);
	if (!l->moved)
		return fail(ENOMEM, "out of memory");
	TRY(l->netns = open_netns(l));
	LIST_EACH(struct net_device_conf, d, *devices) {
		TRY_IN(net_move_device(d->host, d->name, l->netns, &l->moved[l->n_moved]), "linux.netDevices.%s", d->host);
		l->n_moved++;
	}
	return 0;
}

/* The namespace outlives its processes as long as we hold it, and the devices in it as well. */
void netdev_take_back(struct launch *l)
{
	struct err_saved why;

	err_save(&why);
	while (l->n_moved > 0) {
		const struct net_moved *m = &l->moved[--l->n_moved];

		if (net_move_back(m, l->netns) < 0)
			log_warn("network device %s was not brought back: %s", m->was, err_text());
	}
	err_restore(&why);
}
