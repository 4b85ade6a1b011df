#include "cli/cmd.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"
#include "runtime/guest/console.h"
#include "runtime/guest/life.h"
#include "runtime/guest/set.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The life of a guest. */

int guest_check_when(bool only_now, bool only_next)
{
	return only_now && only_next ? fail_as(ERR_USAGE, "--now and --next exclude each other") : 0;
}

int guest_refuse_options(const struct not_for_guests *o, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (o[i].given)
			return fail_as(ERR_USAGE, "--%s is not for guests", o[i].option);
	return 0;
}

bool guest_asked_for(const struct guest_create_args *a)
{
	return a->image || a->rootfs || a->template;
}

bool guest_options_given(const struct guest_create_args *a)
{
	const struct strv *const lists[] = { &a->features, &a->binds, &a->net, &a->dns, &a->tags, &a->nics.ip, &a->nics.ip6,
					     &a->nics.ip_del, &a->nics.mac, &a->nics.rate };
	size_t n = 0;

	for (size_t i = 0; i < COUNT(lists); i++)
		n += lists[i]->n;
	return n || a->storage || a->userns || a->selinux || a->apparmor || a->hostname || a->cpus || a->memory.set ||
	       a->swap.set || a->pids.set;
}

void guest_put_addresses(struct jout *o, struct buf *line, const struct guest_where *at, const char *name)
{
	static struct net_port ports[NET_PORTS_MAX];
	size_t n = 0;
	char text[INET6_ADDRSTRLEN];

	if (net_leased(at->home, name, ports, &n) < 0)
		err_clear();
	if (o)
		jout_open(o, "addresses", '[');
	for (size_t i = 0; i < n; i++) {
		if (ports[i].ip.s_addr) {
			inet_ntop(AF_INET, &ports[i].ip, text, sizeof text);
			buf_printf(line, "%s%s", line->n ? ", " : "", text);
			if (o)
				jout_str(o, NULL, text);
		}
		if (!IN6_IS_ADDR_UNSPECIFIED(&ports[i].ip6)) {
			inet_ntop(AF_INET6, &ports[i].ip6, text, sizeof text);
			buf_printf(line, "%s%s", line->n ? ", " : "", text);
			if (o)
				jout_str(o, NULL, text);
		}
	}
	if (o)
		jout_close(o, ']');
}

int no_guest(struct cli *g, const char *name)
{
	struct guest_where at = guest_at(g);
	auto_close int made_meanwhile = guest_dir(&at, name);

	cli_speak(g, 0);
	return made_meanwhile < 0 ? made_meanwhile : fail_as(ERR_STATE, "guest \"%.64s\" was not there before", name);
}

int guest_voice(struct cli *g, const char *name, int r)
{
	struct guest_where at = guest_at(g);
	struct err_saved why;
	pid_t pid;

	if (r >= 0)
		return r;
	err_save(&why);
	bool is = guest_exists(&at, name), up = is && guest_check_up(&at, name, &pid) >= 0;
	if (is)
		cli_speak(g, 0);
	if (!is || up || (why.class != ERR_NOT_FOUND && r != -ENODATA))
		err_restore(&why);
	return r;
}

int guest_exec_status(void)
{
	return err_class() >= ERR_EXEC ? (int)err_class() : 125;
}

int guest_create_cmd(struct cli *g, const struct guest_create_args *a, const char *name, int argc,
		     char **command)
{
	struct guest_where at = guest_at(g);
	struct guest_create_req r = {
		.image = a->image, .rootfs = a->rootfs, .template = a->template, .storage = a->storage,
		.userns = a->userns, .selinux = a->selinux, .apparmor = a->apparmor, .hostname = a->hostname,
		.networks = a->net, .nics = a->nics, .dns = a->dns, .memory = a->memory, .swap = a->swap,
		.pids = { (uint64_t)a->pids.v, a->pids.set }, .cpus = a->cpus, .features = a->features, .binds = a->binds,
		.tags = a->tags,
		.command = { (const char **)command, (size_t)argc },
	};
	auto_buf struct buf b = { 0 }, addresses = { 0 };
	struct jout o;

	TRY(guest_create(&at, name, &r));
	if (g->json) {
		out_open(&o, &b);
		jout_str(&o, "name", name);
		jout_str(&o, "status", "created");
		guest_put_addresses(&o, &addresses, &at, name);
		return out_close(&o);
	}
	guest_put_addresses(NULL, &addresses, &at, name);
	printf("%s created: %s, %s. Next: vzrun start %s\n", name,
	       a->memory.set ? out_size(a->memory.v) : "no memory limit",
	       addresses.n ? buf_text(&addresses) : "no network", name);
	return 0;
}

int guest_start_cmd(struct cli *g, const struct guest_start_args *a, const char *name)
{
	struct guest_where at = guest_at(g);
	struct guest_started s;
	auto_buf struct buf b = { 0 };
	struct jout o;

	TRY(guest_start(&at, name, !a->no_wait, a->timeout.set ? a->timeout.v : 90000, &s));
	if (g->json) {
		out_open(&o, &b);
		jout_str(&o, "name", name);
		jout_str(&o, "status", "running");
		jout_i64(&o, "pid", s.pid);
		jout_bool(&o, "ready", s.ready);
		jout_u64(&o, "ms", s.ms);
		return out_close(&o);
	}
	printf("%s running: %s after %ju.%03ju s\n", name, s.ready ? "up" : "started", (uintmax_t)s.ms / 1000,
	       (uintmax_t)s.ms % 1000);
	return 0;
}

struct stop_args { struct opt_u64 timeout; bool kill; };
static const struct opt stop_opts[] = {
	ODURATION(struct stop_args, 't', "timeout", timeout,
		  "how long the guest may take (default: its stopTimeout, 60s), then SIGKILL"),
	OFLAG(struct stop_args, 'k', "kill", kill, "do not ask, kill"),
	{ 0 }
};

/* What was done to a guest, said. */
static int told(const struct cli *g, const char *name, const char *status, bool killed)
{
	auto_buf struct buf b = { 0 };
	struct jout o;

	if (!g->json) {
		printf("%s %s%s\n", name, status, killed ? " (killed)" : "");
		return 0;
	}
	out_open(&o, &b);
	jout_str(&o, "name", name);
	jout_str(&o, "status", status);
	if (killed)
		jout_bool(&o, "killed", true);
	return out_close(&o);
}

static int stop(struct cli *g, const struct stop_args *a, const char *name, bool *killed)
{
	struct guest_where at = guest_at(g);
	uint64_t at_once = 0;

	if (a->kill && a->timeout.set)
		return fail_as(ERR_USAGE, "--kill and --timeout exclude each other");
	return guest_stop(&at, name, a->kill ? &at_once : a->timeout.set ? &a->timeout.v : NULL, killed);
}

static int stop_run(struct cli *g, void *args, int argc, char **argv)
{
	bool killed = false;

	(void)argc;
	TRY(stop(g, args, argv[0], &killed));
	return told(g, argv[0], "stopped", killed);
}

static int restart_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_start_args s = { 0 };
	bool killed;

	(void)argc;
	if (stop(g, args, argv[0], &killed) < 0) {
		if (err_class() != ERR_STATE)
			return -EIO;
		err_clear();
	}
	return guest_start_cmd(g, &s, argv[0]);
}

struct destroy_args { bool force; };
static const struct opt destroy_opts[] = {
	OFLAG(struct destroy_args, 'f', "force", force, "kill it first if it runs"),
	{ 0 }
};

static int destroy_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);

	(void)argc;
	TRY(guest_destroy(&at, argv[0], ((struct destroy_args *)args)->force));
	return told(g, argv[0], "destroyed", false);
}

static int enter_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);
	struct strv command = { (const char **)argv + 1, (size_t)argc - 1 };
	int r;

	(void)args;
	r = guest_shell(&at, argv[0], &command, isatty(0));
	if (r < 0)
		g->failed = guest_exec_status();
	return r;
}

static int console_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);

	(void)args;
	(void)argc;
	if (isatty(0))
		fprintf(stderr, "Connected to the console of %s; Ctrl-] leaves it.\n", argv[0]);
	return guest_console(&at, argv[0]);
}

struct logs_args { struct opt_i64 lines; bool raw, follow; };
static const struct opt logs_opts[] = {
	OFLAG(struct logs_args, 'f', "follow", follow, "and what it says from then on, until the guest is down"),
	OINT(struct logs_args, 'n', "lines", "N", lines, 1, 1000000, "the last N lines only"),
	{ 0, "tail", "N", OPT_INT, OPT_AT(struct logs_args, lines, struct opt_i64), NULL, 1, 1000000 },
	OFLAG(struct logs_args, 0, "raw", raw, "on a terminal, too, every byte as the guest wrote it"),
	{ 0 }
};

static int put_raw(char *text)
{
	return out_text(text);
}

static int follow_is_for_one(const void *args)
{
	return ((const struct logs_args *)args)->follow ? fail_as(ERR_USAGE, "--follow is for one guest") : 0;
}

static int logs_run(struct cli *g, void *args, int argc, char **argv)
{
	const struct logs_args *a = args;
	guest_log_fn *put = out_on_terminal() && !a->raw ? out_plain : put_raw;
	struct guest_where at = guest_at(g);
	auto_buf struct buf b = { 0 };
	auto_close int end = -1;

	(void)argc;
	if (g->json && a->follow)
		return fail_as(ERR_USAGE, "--follow is not for --json");
	TRY(guest_log(&at, argv[0], (uint64_t)a->lines.v, &b, a->follow ? &end : NULL));
	if (!g->json) {
		TRY(b.n ? put(b.p) : 0);
		return a->follow ? guest_log_follow(&at, argv[0], &end, put) : 0;
	}
	auto_buf struct buf out = { 0 };
	struct jout o;
	out_utf8(b.p);
	out_open(&o, &out);
	jout_str(&o, "name", argv[0]);
	jout_open(&o, "lines", '[');
	/* A guest that said nothing has no text to cut. */
	for (char *rest = b.p, *l; (l = strsep(&rest, "\n"));) {
		size_t n = strlen(l);

		if (n && l[n - 1] == '\r')
			l[n - 1] = '\0';
		/* What follows the last newline is a line if there is something. */
		if (rest || n)
			jout_str(&o, NULL, l);
	}
	jout_close(&o, ']');
	return out_close(&o);
}

struct set_args { struct guest_set_req r; };

/* As create's; a number of processes is no size. */
static int number_of_pids(void *at, const char *value, struct arena *a)
{
	struct opt_i64 *out = at;

	(void)a;
	out->set = true;
	out->v = -1;
	if (str_eq(value, "-1") || str_eq(value, "max") || str_eq(value, "unlimited"))
		return 0;
	if (str_i64(value, 0, PIDS_MAX, &out->v) < 0)
		return fail(EINVAL, "\"%s\" is neither 1 to %d nor -1", value, PIDS_MAX);
	return 0;
}

static const struct opt set_opts[] = {
	OLIMIT(struct set_args, 0, "memory", r.memory, "memory limit"),
	OLIMIT(struct set_args, 0, "swap", r.swap, "swap limit, beside the memory (needs --memory)"),
	OSTR(struct set_args, 0, "cpus", "N|-1", r.cpus, "processors' worth of time: 2, 0.5; -1: no limit"),
	OFN(struct set_args, 0, "pids", "N|-1", r.pids, number_of_pids, "most processes and threads; -1: no limit"),
	OSTRV(struct set_args, 0, "ip", "ADDRESS|auto|none[,net=NAME]", r.nics.ip, "address of an interface"),
	OSTRV(struct set_args, 0, "ip6", "ADDRESS|auto|none[,net=NAME]", r.nics.ip6, "the same, IPv6 only"),
	OSTRV(struct set_args, 0, "ip-del", "ADDRESS", r.nics.ip_del, "take an address away"),
	OSTRV(struct set_args, 0, "mac", "ADDRESS[,net=NAME]", r.nics.mac, "MAC address of an interface"),
	OSTRV(struct set_args, 0, "rate", "IN[:OUT][:BURST][,net=NAME]", r.nics.rate,
	      "bits a second into the guest and out of it: 100M, 1G:10M, max"),
	OSTRV(struct set_args, 0, "dns", "ADDRESS|auto", r.dns, "DNS servers; repeatable"),
	OSTR(struct set_args, 0, "hostname", "NAME", r.hostname, "host name inside, from the next start"),
	OSTRV(struct set_args, 0, "tag-add", "TAG", r.tag_add, "a word to choose guests by; repeatable"),
	OSTRV(struct set_args, 0, "tag-del", "TAG", r.tag_del, "take a tag away; repeatable"),
	WHEN_OPTS(struct set_args, r),
	OFLAG(struct set_args, 0, "dry-run", r.dry_run, "check and show, change nothing"),
	{ 0 }
};

static int set_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);
	struct guest_set_req *r = &((struct set_args *)args)->r;
	auto_buf struct buf told = { 0 }, b = { 0 };
	struct jout o;

	(void)argc;
	TRY(guest_check_when(r->only_now, r->only_next));
	TRY(guest_set(&at, argv[0], r, &told));
	if (!g->json)
		return out_text(buf_text(&told));
	out_open(&o, &b);
	jout_str(&o, "name", argv[0]);
	jout_bool(&o, "saved", !r->only_now && !r->dry_run);
	jout_open(&o, "changed", '[');
	for (char *save = NULL, *l = strtok_r(told.p, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		jout_str(&o, NULL, l + strspn(l, " "));
	jout_close(&o, ']');
	return out_close(&o);
}

#define UP "starting running paused"
const struct cmd guest_cmds[] = {
	{ "stop", "[OPTION...] NAME...", "shut a guest down", 1, 1, stop_opts, sizeof(struct stop_args), stop_run,
	  CMD_EACH, .only = UP },
	{ "restart", "[OPTION...] NAME...", "stop and start a guest", 1, 1, stop_opts, sizeof(struct stop_args),
	  restart_run, CMD_EACH, .only = UP },
	{ "destroy", "[OPTION...] NAME...", "remove a guest with its disk and its addresses", 1, 1, destroy_opts,
	  sizeof(struct destroy_args), destroy_run, CMD_EACH | CMD_SURE },
	{ "enter", "NAME [COMMAND [ARG...]]", "a login shell, or a command, in a running guest", 1, -1,
	  .run = enter_run, .flags = CMD_PASS | CMD_ALONE },
	{ "console", "NAME", "attach to the console", 1, 1, .run = console_run, .flags = CMD_ALONE },
	{ "logs", "[OPTION...] NAME...", "what the console said", 1, 1, logs_opts, sizeof(struct logs_args), logs_run,
	  CMD_EACH | CMD_HEADED, .several = follow_is_for_one },
	{ "set", "[OPTION...] NAME...", "change limits of a guest, live and saved", 1, 1, set_opts,
	  sizeof(struct set_args), set_run, CMD_EACH | CMD_HEADED },
	{ 0 }
};
