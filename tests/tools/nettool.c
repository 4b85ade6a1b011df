/*
 * nettool: the netns layer by hand, for tests and measurements.
 *
 *	claim HOME GUEST [NIC...]	leases and bring-up; prints the ports
 *	up HOME GUEST PID [NIC...]	claim, pairs into the namespace of PID, addresses and routes inside
 *	again HOME GUEST PID FILE [NIC...]	as a suspended guest comes back, with settings of its network
 *	lo				net_finish_inside() without ports, in this namespace
 *	teardown HOME GUEST | release HOME GUEST | remove HOME NETWORK | list HOME | resolv
 *	bench HOME N			medians of each part in microseconds, N guests one after the other
 *
 * NIC: key=value,... of network name ip ip6 mac
 */
#include "base/log.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"
#include "netns/loanaddr.h"
#include "netns/net.h"
#include "netns/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

static struct net_nic_conf conf[NET_PORTS_MAX + 4];
static struct net_port ports[NET_PORTS_MAX];

static int parse_nics(char **v, struct list *out)
{
	size_t n = 0;

	for (; n < COUNT(conf) && v[n]; n++) {
		for (char *save = NULL, *p = strtok_r(v[n], ",", &save); p; p = strtok_r(NULL, ",", &save)) {
			char *value = strchr(p, '=');

			if (!value)
				return fail_as(ERR_USAGE, "%s: expected key=value", p);
			*value++ = '\0';
			if (str_eq(p, "network"))
				conf[n].network = value;
			else if (str_eq(p, "name"))
				conf[n].name = value;
			else if (str_eq(p, "ip"))
				conf[n].ip = value;
			else if (str_eq(p, "ip6"))
				conf[n].ip6 = value;
			else if (str_eq(p, "mac"))
				conf[n].mac = value;
			else if (str_eq(p, "rate"))
				conf[n].rate = value;
			else
				return fail_as(ERR_USAGE, "%s: no such key", p);
		}
	}
	/* No word: one nic as it comes. */
	*out = (struct list){ conf, n ? n : 1 };
	return 0;
}

static void print_ports(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct net_port *p = &ports[i];
		char a[64], b[64];

		inet_ntop(AF_INET, &p->ip, a, sizeof a);
		inet_ntop(AF_INET6, &p->ip6, b, sizeof b);
		printf("%s %s %s %s %s/%u %s/%u %02x:%02x:%02x:%02x:%02x:%02x\n", p->network, p->bridge,
		       p->host_if, p->name, a, p->prefix, b, p->prefix6, p->mac[0], p->mac[1], p->mac[2],
		       p->mac[3], p->mac[4], p->mac[5]);
	}
}

static int cmd_claim(char **v)
{
	struct list nics;
	size_t n;

	TRY(parse_nics(v + 2, &nics));
	TRY(net_claim(v[0], v[1], &nics, ports, &n));
	print_ports(n);
	return 0;
}

/* In a child: a namespace is left by dying. */
static int finish_in(int ns, size_t n)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int r = setns(ns, CLONE_NEWNET) < 0 ? fail_errno("setns") : net_finish_inside(ports, n);

		if (r < 0)
			fprintf(stderr, "nettool: %s\n", err_text());
		_exit(r < 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		return fail(EIO, "inside: failed");
	return 0;
}

/* v: HOME GUEST PID; settings: of a guest that goes on, NULL: a start. */
static int bring_up(char **v, char **nic, const char *settings)
{
	char path[64];
	struct list nics;
	size_t n;

	snprintf(path, sizeof path, "/proc/%s/ns/net", v[2]);
	auto_close int ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return fail_errno("%s", path);
	TRY(parse_nics(nic, &nics));
	TRY(net_claim(v[0], v[1], &nics, ports, &n));
	if (settings) {
		TRY(net_attach_all(ports, n, ns, settings));
	} else {
		TRY(net_setup(ports, n, ns));
		TRY(finish_in(ns, n));
	}
	print_ports(n);
	return 0;
}

static int cmd_up(char **v) { return bring_up(v, v + 3, NULL); }

/* FILE has settings as net_sysctl_keep() writes them. */
static int cmd_again(char **v)
{
	auto_free char *settings = NULL;

	TRY(file_read(AT_FDCWD, v[3], &settings, NULL));
	return bring_up(v, v + 4, settings);
}

static int cmd_lo(char **v)
{
	(void)v;
	return net_finish_inside(NULL, 0);
}

static int cmd_teardown(char **v)
{
	net_set_home(v[0]);
	return net_teardown(v[1]);
}

static int cmd_release(char **v) { return net_release(v[0], v[1]); }
static int cmd_remove(char **v) { return network_remove(v[0], v[1]); }

static int show(void *ctx, const struct network_info *i)
{
	(void)ctx;
	printf("%s %s %s %s %s %zu\n", i->name, i->bridge, i->mode, i->subnet, i->subnet6, i->leases);
	return 0;
}

static int cmd_list(char **v) { return network_list(v[0], show, NULL); }

static int cmd_resolv(char **v)
{
	auto_buf struct buf b = { 0 };

	(void)v;
	TRY(net_resolv_conf(NULL, 0, &b));
	fputs(buf_text(&b), stdout);
	return 0;
}

/* ---- measurement ---------------------------------------------------------------------------------- */

enum { CLAIM_NEW, CLAIM_AGAIN, SETUP, FINISH, LO, GONE, RELEASE, PARTS };
static const char *const part_text[PARTS] = {
	"claim, new lease", "claim, lease there (check of the network)", "setup", "finish inside",
	"finish inside, lo only", "teardown of nothing", "release",
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int inside(int up, int down, bool lo)
{
	double t;
	char c;
	int r;

	if (unshare(CLONE_NEWNET) < 0)
		return 1;
	if (lo) {
		t = now();
		r = net_finish_inside(NULL, 0);
		t = now() - t;
		return r < 0 || write(up, &t, sizeof t) < 0;
	}
	if (write(up, "x", 1) < 0 || read(down, ports, sizeof ports[0]) != sizeof ports[0])
		return 1;
	t = now();
	r = net_finish_inside(ports, 1);
	t = now() - t;
	if (r < 0)
		fprintf(stderr, "nettool: %s\n", err_text());
	return r < 0 || write(up, &t, sizeof t) < 0 || read(down, &c, 1) < 0;
}

static int child(int p[2], int q[2], bool lo)
{
	if (pipe2(p, O_CLOEXEC) < 0 || pipe2(q, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		/* So that it sees the end of ours. */
		close(q[1]);
		_exit(inside(p[1], q[0], lo));
	}
	close(p[1]);
	close(q[0]);
	return pid;
}

static int round_of(const char *home, unsigned k, double *t[])
{
	struct list nics = { conf, 1 };
	char guest[32], path[64], c;
	int p[2], q[2];
	double at;
	size_t n;

	snprintf(guest, sizeof guest, "bench%u", k);
	pid_t pid = child(p, q, false);
	if (pid < 0 || read(p[0], &c, 1) != 1)
		return fail(EIO, "no child");
	at = now();
	TRY(net_claim(home, guest, &nics, ports, &n));
	t[CLAIM_NEW][k] = now() - at;
	at = now();
	TRY(net_claim(home, guest, &nics, ports, &n));
	t[CLAIM_AGAIN][k] = now() - at;
	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	auto_close int ns = open(path, O_RDONLY | O_CLOEXEC);
	at = now();
	TRY(net_setup(ports, n, ns));
	t[SETUP][k] = now() - at;
	if (write(q[1], ports, sizeof ports[0]) < 0 || read(p[0], &t[FINISH][k], sizeof at) != sizeof at)
		return fail(EIO, "inside: failed");
	close(q[1]);
	close(p[0]);
	drop_fd(&ns);
	waitpid(pid, NULL, 0);
	pid = child(p, q, true);
	if (read(p[0], &t[LO][k], sizeof at) != sizeof at)
		return fail(EIO, "inside: lo failed");
	close(q[1]);
	close(p[0]);
	waitpid(pid, NULL, 0);
	at = now();
	TRY(net_teardown("nobody"));
	t[GONE][k] = now() - at;
	if (!getenv("KEEP")) {
		at = now();
		TRY(net_release(home, guest));
		t[RELEASE][k] = now() - at;
	}
	return 0;
}

static int cmd_bench(char **v)
{
	double *t[PARTS];
	uint64_t n;

	if (str_u64(v[1], 100000, &n) < 0 || n == 0)
		return fail_as(ERR_USAGE, "%s: expected a number", v[1]);
	for (int i = 0; i < PARTS; i++)
		t[i] = calloc(n, sizeof(double));
	for (unsigned k = 0; k < n; k++)
		TRY(round_of(v[0], k, t));
	for (int i = 0; i < PARTS; i++) {
		qsort(t[i], n, sizeof(double), by_time);
		printf("%-45s min %.0f median %.0f p90 %.0f us\n", part_text[i], t[i][0], t[i][n / 2],
		       t[i][n * 9 / 10]);
		free(t[i]);
	}
	return 0;
}

/* LINK ADDRESS...: gives them back to a link that was lent, as they were noted */
static int cmd_giveback(char **v)
{
	struct net_loan l = { .device = v[0] };
	auto_nlq struct nlq q = { 0 };

	l.addresses.v = (const char **)v + 1;
	while (v[1 + l.addresses.n])
		l.addresses.n++;
	TRY(nlq_open(&q, NETLINK_ROUTE));
	return net_loan_give_addresses(&q, &l, (int)if_nametoindex(v[0]));
}

struct word { const char *name; int args; int (*run)(char **v); };
static const struct word cmds[] = {
	{ "claim", 2, cmd_claim }, { "up", 3, cmd_up }, { "again", 4, cmd_again },
	{ "lo", 0, cmd_lo }, { "teardown", 2, cmd_teardown }, { "release", 2, cmd_release },
	{ "remove", 2, cmd_remove }, { "list", 1, cmd_list },
	{ "giveback", 2, cmd_giveback },
	{ "resolv", 0, cmd_resolv }, { "bench", 2, cmd_bench },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < COUNT(cmds); i++) {
		if (!str_eq(argv[1], cmds[i].name) || argc - 2 < cmds[i].args)
			continue;
		if (cmds[i].run(argv + 2) == 0)
			return 0;
		fprintf(stderr, "nettool: %s\n", err_text());
		if (err_why_text()[0])
			fprintf(stderr, "  why    %s\n", err_why_text());
		return (int)err_class();
	}
	fprintf(stderr, "nettool: unknown word or too few arguments\n");
	return ERR_USAGE;
}
