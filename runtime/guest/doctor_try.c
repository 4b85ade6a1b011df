/* What only use tells: each runs in a child of its own, whatever it makes ends with that. */
#include "runtime/guest/doctor.h"
#include "base/file.h"
#include "base/sys.h"
#include "netns/nl.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/mount.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

int doctor_try(int (*fn)(const void *arg), const void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(arg));
	if (pid < 0)
		return errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* An ordinary user gets the rights to ask in a namespace of his own. */
static int alone(int namespace)
{
	return unshare(geteuid() == 0 ? namespace : namespace | CLONE_NEWUSER);
}

int try_userns(const void *arg)
{
	(void)arg;
	return unshare(CLONE_NEWUSER) < 0 ? errno : 0;
}

/* The ids of a tree, shifted by the user namespace of a process that is there for nothing else. */
int try_idmap(const void *dir)
{
	struct mount_attr shift = { .attr_set = MOUNT_ATTR_IDMAP };
	char path[40];
	int ns = -1, tree = -1;
	pid_t pid = sys_clone(CLONE_NEWUSER, SIGCHLD, -1, NULL);

	if (pid == 0) {
		pause();
		_exit(0);
	}
	if (pid < 0)
		return errno;
	errno = 0;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "/proc/%d/%s_map", (int)pid, i ? "uid" : "gid");
		(void)file_poke(AT_FDCWD, path, "0 1000000 65536");
	}
	ns = sys_open_ns(pid, "user");
	tree = open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	shift.userns_fd = (uint64_t)ns;
	int r = ns < 0 || tree < 0 ? -1 : mount_setattr(tree, "", AT_EMPTY_PATH, &shift, sizeof shift);
	int code = r < 0 ? errno : 0;

	kill(pid, SIGKILL);
	return code;
}

/* It loads the module, where there is one. */
int try_fs(const void *type)
{
	return alone(CLONE_NEWNS) < 0 || fsopen(type, FSOPEN_CLOEXEC) < 0 ? errno : 0;
}

/* In a network namespace that ends with the process. */
int try_link(const void *kind)
{
	struct ifinfomsg i = { 0 };
	auto_nlq struct nlq q = { 0 };
	struct nlattr *info;
	int r;

	if (alone(CLONE_NEWNET) < 0)
		return errno;
	r = nlq_open(&q, NETLINK_ROUTE);
	if (r < 0)
		return -r;
	nlq_add(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof i);
	nlq_put_str(&q, IFLA_IFNAME, "vzd0");
	info = nlq_nest(&q, IFLA_LINKINFO);
	nlq_put_str(&q, IFLA_INFO_KIND, kind);
	if (str_eq(kind, "vxlan")) {
		struct nlattr *data = nlq_nest(&q, IFLA_INFO_DATA);

		nlq_put_u32(&q, IFLA_VXLAN_ID, 1);
		nlq_end(&q, data);
	}
	nlq_end(&q, info);
	return -nlq_talk(&q, NULL, NULL);
}

/* The generation of the rules, which every kernel with nftables tells. */
int try_nftables(const void *arg)
{
	struct nfgenmsg h = { 0 };
	auto_nlq struct nlq q = { 0 };
	int r;

	(void)arg;
	if (alone(CLONE_NEWNET) < 0)
		return errno;
	r = nlq_open(&q, NETLINK_NETFILTER);
	if (r < 0)
		return -r;
	nlq_add(&q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0, &h, sizeof h);
	return -nlq_talk(&q, NULL, NULL);
}
