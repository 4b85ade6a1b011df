#include "runtime/guest/keeper.h"
#include "base/dgram.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/sys.h"
#include "netns/ports.h"
#include "runtime/guest/apparmor.h"
#include "runtime/guest/events.h"
#include "runtime/guest/files.h"
#include "runtime/guest/idrange.h"
#include "runtime/guest/nic.h"
#include "selinux/lsm.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The processes of a checkpoint have these. */
static int claim_ids_again(struct keeper *k, bool hosts)
{
	uint32_t base = k->restore->note.base.v;

	if (hosts != (base == 0))
		return fail_as(ERR_CONFIG, "config.json: vzrun.userns: is not what it was when the guest was checkpointed");
	k->plan.base = base;
	return hosts ? 0 : idrange_claim_at(base, k->restore->opts.image_path, k->plan.slot_fd);
}

static int claim_ids(struct keeper *k)
{
	const char *u = k->g->conf.userns ? k->g->conf.userns : "auto";
	auto_buf struct buf holder = { 0 };
	uint64_t base;

	k->plan.slot_fd[0] = k->plan.slot_fd[1] = -1;
	k->plan.base = 0;
	if (k->restore)
		return claim_ids_again(k, str_eq(u, "host"));
	if (str_eq(u, "host"))
		return 0;
	if (str_u64(u, UINT32_MAX - 65536, &base) == 0) {
		k->plan.base = (uint32_t)base;
		return idrange_claim_at(k->plan.base, NULL, k->plan.slot_fd);
	}
	buf_printf(&holder, "%s/%s", k->g->at.home, k->g->name);
	int fd = idrange_claim(buf_text(&holder), &k->plan.base);
	TRY(fd);
	k->plan.slot_fd[0] = fd;
	return 0;
}

static int claim_addresses(struct keeper *k)
{
	static const struct net_nic_conf one = { .network = "default" };
	struct list l = k->g->conf.networks;

	k->plan.n_ports = NET_PORTS_MAX;
	if (!l.v)
		l = (struct list){ (void *)(uintptr_t)&one, 1 };
	int r = net_claim(k->g->at.home, k->g->name, &l, k->plan.ports, &k->plan.n_ports);
	if (r < 0 && err_class() == ERR_NOT_FOUND)
		return fail_as(ERR_CONFIG, "config.json: vzrun.networks: %s", strdupa(err_text()));
	TRY(r);
	return links_begin(k->g->dir_fd, &l, k->plan.ports);
}

static int plan_root(struct keeper *k)
{
	struct arena *a = &k->plan.arena;
	bool dir = k->g->conf.storage && str_eq(k->g->conf.storage, "dir");
	const char **one;

	k->plan.root = (struct container_root){ .idmap = k->plan.base != 0 };
	if (!dir) {
		k->plan.root.layers = k->g->conf.layers;
		k->plan.root.upper_dir = guest_path(a, &k->g->at, k->g->name, "disk");
		return k->plan.root.upper_dir ? 0 : fail(ENOMEM, "out of memory");
	}
	one = arena_alloc(a, 2, sizeof *one);
	if (!one)
		return fail(ENOMEM, "out of memory");
	one[0] = guest_path(a, &k->g->at, k->g->name, "rootfs");
	k->plan.root.layers = (struct strv){ one, 1 };
	return 0;
}

static bool is_systemd(pid_t pid)
{
	char path[32], exe[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof exe - 1);
	exe[n > 0 ? n : 0] = '\0';
	return str_ends(exe, "/systemd");
}

static int open_netns(struct keeper *k)
{
	k->netns = sys_open_ns(k->pid, "net");
	return k->netns < 0 ? fail_errno("open the guest's network namespace") : 0;
}

/* The guest may write to it as to a socket of its own, and under SELinux no other guest may. */
static int notify_socket(struct keeper *k)
{
	auto_close int proc = *k->labels.process ? open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	drop_fd(&k->notify);
	if (proc >= 0)
		TRY(lsm_label_sockets(proc, k->labels.process));
	TRY(k->notify = dgram_listen(k->host_dir, "notify", SOCK_DGRAM));
	if (proc >= 0)
		TRY(lsm_label_sockets(proc, NULL));
	/* Written by the guest's init, which is nobody on the host. */
	return fchmodat(k->host_dir, "notify", 0666, 0) < 0 ? fail_errno("open the notify socket for the guest") : 0;
}

/* A guest boots when it does, not when the host did: systemd's journal is told apart by this. */
static int write_boot_id(int dir, const char *was)
{
	unsigned char id[16];
	char text[40];
	size_t n = 0;

	if (getrandom(id, sizeof id, 0) != sizeof id)
		return fail_errno("make a boot id");
	id[6] = (unsigned char)((id[6] & 0x0f) | 0x40);		/* random: version 4, RFC 9562 */
	id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
	if (was)
		n = (size_t)snprintf(text, sizeof text - 1, "%s", was);
	for (size_t i = 0; !was && i < sizeof id; i++)
		n += (size_t)sprintf(text + n, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
	text[n++] = '\n';
	auto_close int fd = openat(dir, "boot_id", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0 || fchmod(fd, 0444) < 0 || file_write_all(fd, text, n) < 0)
		return fail_errno("write the guest's boot id");
	return 0;
}

/*
 * A file system of its own, in no mount namespace, with the guest's boot id and the socket where its
 * init tells that it is up: the guest sees a tmpfs, and not where on the host it lives.
 */
static int make_host_dir(struct keeper *k)
{
	auto_close int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", "host", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "4k", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "3", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) < 0 ||
	    (*k->labels.file && fsconfig(fs, FSCONFIG_SET_STRING, "context", k->labels.file, 0) < 0) ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_errno("make the file system of " GUEST_HOST_DIR);
	drop_fd(&k->host_dir);
	k->host_dir = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (k->host_dir < 0)
		return fail_errno("mount the file system of " GUEST_HOST_DIR);
	TRY(write_boot_id(k->host_dir, k->restore ? k->restore->note.boot_id : NULL));
	return notify_socket(k);
}

/* Before the init runs: the links are up, and no connection can come in too early. */
static int publish_ports(struct keeper *k)
{
	return net_publish_up(k->g->at.home, k->g->name, &k->g->conf.ports, &k->g->conf.firewall);
}

/* All that may fail is done before the processes go on: until then the disk matches the checkpoint. */
static int before_resuming(void *ctx)
{
	struct keeper *k = ctx;

	TRY(publish_ports(k));
	return checkpoint_spend(k->g);
}

static int make_container(struct keeper *k)
{
	struct container_req req = {
		.root = k->g->at.root, .id = k->g->name, .spec = &k->g->spec, .overlay = &k->plan.root,
		.ports = k->plan.ports, .n_ports = k->plan.n_ports, .files = k->plan.files, .n_files = k->plan.n_files,
		.delegate = true, .keep_tty = true, .host_dir = k->host_dir,
	};

	req.bundle = guest_path(&k->plan.arena, &k->g->at, k->g->name, NULL);
	if (!req.bundle)
		return fail(ENOMEM, "out of memory");
	if (k->restore) {
		k->restore->opts.commit = before_resuming;
		k->restore->opts.ctx = k;
		req.restore = &k->restore->opts;
	}
	TRY(container_create(&req, true, &k->c));
	drop_fd(&k->host_dir);
	k->pid = k->c.pid;
	k->tty = take_fd(&k->c.tty);
	k->cg = k->c.cg;
	TRY(open_netns(k));
	for (size_t i = 0; i < COUNT(k->plan.slot_fd); i++)
		if (k->plan.slot_fd[i] >= 0)
			TRY(idrange_bind(k->plan.slot_fd[i], k->pid));
	return 0;
}

static int publish(struct keeper *k)
{
	return k->restore ? 0 : publish_ports(k);
}

static int open_console(struct keeper *k)
{
	k->log = openat(k->g->dir_fd, "console.log", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	k->log_size = k->log < 0 ? 0 : (size_t)lseek(k->log, 0, SEEK_END);
	if (fcntl(k->tty, F_SETFL, O_NONBLOCK) < 0)
		return fail_errno("open the console");
	/*
	 * An init opens and closes its console for every line. Were the last slave ever closed, the
	 * master would report a hang-up without end; so one stays open with us.
	 */
	k->tty_slave = ioctl(k->tty, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return k->tty_slave < 0 ? fail_errno("open the console's slave") : 0;
}

static int open_oom(struct keeper *k)
{
	k->kmsg = oom_open_log(k);
	k->oom = cg_oom_fd(&k->cg);
	if (k->oom < 0)
		err_clear();
	return 0;
}

static int release(struct keeper *k)
{
	TRY(container_go(&k->c));
	k->pidfd = take_fd(&k->c.pidfd);
	container_release(&k->c);
	return 0;
}

static int choose_profile(struct keeper *k)
{
	TRY_IN(guest_apparmor_choose(k->g, &k->plan), "config.json");
	return 0;
}

static int load_profile(struct keeper *k)
{
	return guest_apparmor_load(k->g, &k->plan);
}

static int plan_files(struct keeper *k)
{
	k->plan.labels = &k->labels;
	TRY(guest_files(k->g, &k->plan));
	TRY_IN(fail_class(guest_effective(k->g, &k->plan), ERR_CONFIG), "config.json");
	return 0;
}

static int choose_cgroups(struct keeper *k)
{
	return guest_cgroup_type(&k->plan.root, &k->plan.cgroup_type);
}

static const struct { const char *name; int (*run)(struct keeper *k); } boot[] = {
	{ "range of user ids", claim_ids },
	{ "addresses", claim_addresses },
	{ "root filesystem", plan_root },
	{ "version of cgroups", choose_cgroups },
	{ "profile", choose_profile },
	{ "configuration", plan_files },
	{ "directory of the host's", make_host_dir },
	{ "load the profile", load_profile },
	{ "container", make_container },
	{ "ports", publish },
	{ "console", open_console },
	{ "memory events", open_oom },
	{ "init", release },
};

int keeper_boot(struct keeper *k)
{
	k->victim_pid = 0;
	k->notified = 0;
	k->oom_kills = k->oom_named = 0;
	k->oom_pending = false;
	k->tty_failures = 0;
	k->c = (struct container)CONTAINER_INIT;
	for (size_t i = 0; i < COUNT(boot); i++) {
		TRY(fault_point(boot[i].name));
		TRY(boot[i].run(k));
	}
	keeper_warn(k);
	(void)event_add(k->g->dir_fd, &(struct guest_event){
		.event = "started", .pid = { k->pid, true }, .detail = k->restore ? "from its checkpoint" : NULL });
	return 0;
}

void keeper_up(struct keeper *k, bool restored)
{
	keeper_tell(k, KEEPER_STARTED, k->pid);
	if (restored || !is_systemd(k->pid)) {
		drop_fd(&k->notify);
		k->ready = true;
		keeper_tell(k, KEEPER_READY, 0);
	}
}

void keeper_unboot(struct keeper *k)
{
	container_release(&k->c);
	drop_fd(&k->pidfd);
	drop_fd(&k->tty);
	drop_fd(&k->tty_slave);
	drop_fd(&k->oom);
	drop_fd(&k->kmsg);
	drop_fd(&k->log);
	drop_fd(&k->host_dir);
	drop_fd(&k->notify);
}

void keeper_release_ids(struct keeper *k)
{
	if (k->plan.base && checkpoint_hold(k->g, k->plan.base) < 0)
		(void)event_add(k->g->dir_fd, &(struct guest_event){ .event = "cleanup-failed", .detail = err_text() });
	for (size_t i = 0; i < COUNT(k->plan.slot_fd); i++)
		idrange_release(k->plan.slot_fd[i], k->plan.base - k->plan.base % 65536 + (uint32_t)i * 65536);
	arena_free(&k->plan.arena);
	k->plan = (struct guest_plan){ .slot_fd = { -1, -1 } };
	k->pid = 0;
}
