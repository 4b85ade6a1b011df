#include "cli/cmd.h"
#include "base/file.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"
#include "runtime/container/container.h"
#include "runtime/guest/events.h"
#include "runtime/guest/life.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Looking at guests: ls, show, why, lint; and image, recover. */

struct listing { struct guest_where at; struct table *t; struct jout *o; bool quiet; };

static void addresses(const struct guest_where *at, const struct guest *g, struct buf *b)
{
	static struct net_port ports[NET_PORTS_MAX];
	size_t n = 0;
	char text[INET6_ADDRSTRLEN];

	if (net_leased(at->home, g->name, ports, &n) < 0)
		err_clear();
	for (size_t i = 0; i < n; i++)
		if (ports[i].ip.s_addr)
			buf_printf(b, "%s%s", b->n ? "," : "", inet_ntop(AF_INET, &ports[i].ip, text, sizeof text));
}

static uint64_t memory_of(const struct guest *g)
{
	const struct spec_linux *l = g->spec.linux_;
	const struct cg_memory *m = l && l->resources ? l->resources->memory : NULL;

	return m && m->limit.set && m->limit.v > 0 ? (uint64_t)m->limit.v : 0;
}

/* What cannot be counted is not shown, and hides nothing else. */
static void traffic(struct jout *o, const struct guest_where *at, const struct guest *g)
{
	static struct guest_traffic t;
	auto_close int netns = guest_netns(at, g->name);

	if (guest_traffic(at, g->name, g->dir_fd, &g->conf.networks, netns, &t) >= 0)
		stats_traffic_json(o, "traffic", &t);
	err_clear();
}

static void tell_label(struct jout *o, const struct guest *g)
{
	char label[256];

	label_read(g->dir_fd, label, sizeof label);
	jout_str(o, "selinuxLabel", *label ? label : NULL);
}

static int ls_json(struct listing *l, const char *name, struct guest *g, const char *status, pid_t pid)
{
	auto_buf struct buf ip = { 0 }, all = { 0 };

	jout_open(l->o, NULL, '{');
	jout_str(l->o, "name", name);
	jout_str(l->o, "status", status);
	if (pid)
		jout_i64(l->o, "pid", pid);
	if (g) {
		addresses(&l->at, g, &ip);
		jout_str(l->o, "image", g->conf.image);
		tell_label(l->o, g);
		guest_put_tags(l->o, "tags", &g->conf.tags);
		jout_u64(l->o, "memory", memory_of(g));
		jout_str(l->o, "ip", ip.n ? buf_text(&ip) : NULL);
		guest_put_addresses(l->o, &all, &l->at, name);
		traffic(l->o, &l->at, g);
	}
	jout_close(l->o, '}');
	return 0;
}

static int ls_one(void *p, const char *name)
{
	struct listing *l = p;
	auto_guest struct guest g = { .dir_fd = -1 };
	auto_buf struct buf ip = { 0 };
	pid_t pid;
	enum guest_status s = guest_status(&l->at, name, &pid);
	bool good = guest_open(&l->at, name, false, &g) >= 0;

	if (l->quiet && l->o) {
		jout_open(l->o, NULL, '{');
		jout_str(l->o, "name", name);
		jout_close(l->o, '}');
		return 0;
	}
	if (l->quiet) {
		table_cell(l->t, "%s", name);
		return 0;
	}
	const char *word = good ? guest_status_word(&l->at, name, s) : "broken";
	if (l->o)
		return ls_json(l, name, good ? &g : NULL, word, pid);
	if (good)
		addresses(&l->at, &g, &ip);
	table_cell(l->t, "%s", name);
	table_cell(l->t, "%s", word);
	table_cell(l->t, pid ? "%d" : "-", (int)pid);
	table_cell(l->t, "%s", good && memory_of(&g) ? out_size(memory_of(&g)) : "-");
	table_cell(l->t, "%s", ip.n ? buf_text(&ip) : "-");
	table_cell(l->t, "%s", good && g.conf.image ? g.conf.image : "-");
	err_clear();
	return 0;
}

static int ls_each(struct listing *l, int argc, char **argv)
{
	if (argc == 0)
		return guest_each(&l->at, ls_one, l);
	for (int i = 0; i < argc; i++) {
		auto_close int dir = guest_dir(&l->at, argv[i]);

		TRY(dir);
		TRY(ls_one(l, argv[i]));
	}
	return 0;
}

struct ls_args { bool quiet; };
static const struct opt ls_opts[] = {
	OFLAG(struct ls_args, 'q', "quiet", quiet, "names only"),
	{ 0 }
};

static int ls_run(struct cli *g, void *args, int argc, char **argv)
{
	static const char *const head[] = { "NAME", "STATUS", "PID", "MEMORY", "ADDRESS", "IMAGE", NULL };
	static const char *const name_only[] = { "NAME", NULL };
	bool quiet = ((struct ls_args *)args)->quiet;
	auto_table struct table t = { .head = quiet ? name_only : head, .no_head = quiet };
	struct listing l = { .at = guest_at(g), .quiet = quiet, .t = &t };
	auto_buf struct buf b = { 0 };
	struct jout o;

	if (!g->json) {
		TRY(ls_each(&l, argc, argv));
		return table_print(&t);
	}
	out_open(&o, &b);
	jout_open(&o, "guests", '[');
	l.o = &o;
	TRY(ls_each(&l, argc, argv));
	jout_close(&o, ']');
	return out_close(&o);
}

/* In the words and units of `set`; only those that there are, but for the memory. */
static void show_limits(const struct guest *g)
{
	const struct spec_linux *l = g->spec.linux_;
	const struct cg_resources *r = l ? l->resources : NULL;
	const struct cg_memory *m = r ? r->memory : NULL;
	const struct cg_cpu *c = r ? r->cpu : NULL;
	uint64_t memory = memory_of(g);

	printf("memory    %s\n", memory ? out_size(memory) : "no limit");
	if (memory && m->swap.set && m->swap.v >= m->limit.v)
		printf("swap      %s\n", out_size((uint64_t)m->swap.v - memory));
	if (c && c->quota.set && c->quota.v > 0)
		printf("cpus      %.4g\n",
		       (double)c->quota.v / (double)(c->period.set && c->period.v ? c->period.v : 100000));
	if (r && r->pids && r->pids->limit.set && r->pids->limit.v > 0)
		printf("pids      %jd\n", (intmax_t)r->pids->limit.v);
}

static int show_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);
	auto_guest struct guest guest;
	auto_buf struct buf b = { 0 }, ip = { 0 }, all = { 0 }, tags = { 0 };
	char label[256];
	struct jout o;
	pid_t pid;
	enum guest_status s;

	(void)args;
	(void)argc;
	TRY(guest_open(&at, argv[0], false, &guest));
	for (size_t i = 0; i < guest.conf.tags.n; i++)
		buf_printf(&tags, "%s%s", i ? ", " : "", guest.conf.tags.v[i]);
	s = guest_status(&at, argv[0], &pid);
	addresses(&at, &guest, &ip);
	if (g->json) {
		out_open(&o, &b);
		jout_str(&o, "name", argv[0]);
		jout_str(&o, "status", guest_status_word(&at, argv[0], s));
		if (pid)
			jout_i64(&o, "pid", pid);
		jout_str(&o, "ip", ip.n ? buf_text(&ip) : NULL);
		guest_put_addresses(&o, &all, &at, argv[0]);
		guest_put_tags(&o, "tags", &guest.conf.tags);
		tell_label(&o, &guest);
		traffic(&o, &at, &guest);
		jout_tree(&o, "config", guest.spec.tree);
		return out_close(&o);
	}
	printf("name      %s\nstatus    %s\n", argv[0], guest_status_word(&at, argv[0], s));
	if (pid)
		printf("pid       %d\n", (int)pid);
	label_read(guest.dir_fd, label, sizeof label);
	guest_put_addresses(NULL, &all, &at, argv[0]);
	printf("image     %s\nstorage   %s\nuserns    %s\nselinux   %s\napparmor  %s\n"
	       "tags      %s\naddress   %s\nhostname  %s\n",
	       guest.conf.image ? guest.conf.image : "-", guest.conf.storage ? guest.conf.storage : "overlay",
	       guest.conf.userns ? guest.conf.userns : "auto",
	       *label ? label : guest.conf.selinux ? guest.conf.selinux : "auto",
	       guest.conf.apparmor ? guest.conf.apparmor : "auto", tags.n ? buf_text(&tags) : "-",
	       all.n ? buf_text(&all) : "-", guest.spec.hostname ? guest.spec.hostname : "-");
	show_limits(&guest);
	printf("config    %s\n", guest_path(&guest.spec.arena, &at, argv[0], "config.json") ?: "config.json");
	return 0;
}

static int why_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);
	auto_buf struct buf text = { 0 }, b = { 0 };
	struct jout o;

	(void)args;
	(void)argc;
	if (!g->json) {
		TRY(guest_why(&at, argv[0], &text, NULL));
		return out_plain(text.p);
	}
	out_open(&o, &b);
	TRY(guest_why(&at, argv[0], &text, &o));
	return out_close(&o);
}

struct lint { struct jout *o; const char *file, *below; int n; };

static void found(void *p, const char *place)
{
	struct lint *l = p;

	l->n++;
	auto_buf struct buf b = { 0 };
	if (l->o) {
		buf_printf(&b, "%s%s", l->below, place);
		jout_str(l->o, NULL, buf_text(&b));
		return;
	}
	buf_printf(&b, "%s: %s%s: unknown, ignored", l->file, l->below, place);
	str_line(b.p);
	printf("%s\n", buf_text(&b));
}

/* The name of a guest is not that of its file. */
static int lint_file(const struct cli *g, const char *path, struct json **tree)
{
	struct guest_where at = guest_at(g);
	auto_arena struct arena a = { 0 };
	int r = guest_lint(path, tree);
	struct err_saved why;

	if (r != -ENOENT)
		return r;
	err_save(&why);
	bool guest = guest_exists(&at, path);
	err_restore(&why);
	if (guest)
		err_try("vzrun lint %s", guest_path(&a, &at, path, "config.json") ?: path);
	return r;
}

static int lint_run(struct cli *g, void *args, int argc, char **argv)
{
	struct lint l = { .file = argv[0], .below = "" };
	auto_buf struct buf b = { 0 };
	auto_json struct json *tree = NULL;
	struct jout o;

	(void)args;
	(void)argc;
	TRY(lint_file(g, argv[0], &tree));
	if (g->json) {
		out_open(&o, &b);
		jout_str(&o, "file", argv[0]);
		jout_open(&o, "unknown", '[');
		l.o = &o;
	}
	bind_unknown(&spec_record, tree, found, &l);
	l.below = "vzrun.";
	if (json_get(tree, "vzrun"))
		bind_unknown(&guest_conf_record, json_get(tree, "vzrun"), found, &l);
	if (g->json) {
		jout_close(&o, ']');
		TRY(out_close(&o));
	} else if (l.n == 0) {
		printf("%s: good\n", argv[0]);
	}
	return l.n ? ERR_OTHER : 0;
}

/* Half of one is enough. */
static int check_known(const struct cli *g, const char *name)
{
	struct guest_where at = guest_at(g);
	struct container_info i;
	bool known = guest_exists(&at, name);
	int r = known ? -ENODATA : container_info(g->root, name, &i);

	if (r >= 0)
		container_info_free(&i);
	else if (!known && err_class() == ERR_NOT_FOUND)
		return fail_as(ERR_NOT_FOUND, "there is neither a guest nor a container \"%s\"", name);
	err_clear();
	return 0;
}

static int recover_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);
	auto_buf struct buf b = { 0 };
	struct jout o;
	int n = 0, r;

	(void)args;
	/* What is nobody's, too. */
	if (g->all || argc == 0)
		TRY(n = guest_recover(&at, NULL));
	for (int i = 0; !g->all && i < argc; i++, n += r) {
		TRY(check_known(g, argv[i]));
		TRY(r = guest_recover(&at, argv[i]));
	}
	if (g->json) {
		out_open(&o, &b);
		jout_i64(&o, "recovered", n);
		return out_close(&o);
	}
	printf(n ? "recovered: %d\n" : "nothing to recover\n", n);
	return 0;
}

const struct cmd show_cmds[] = {
	{ "ls", "[OPTION...] [NAME...]", "list guests", 0, -1, ls_opts, sizeof(struct ls_args), ls_run, CMD_NAMES },
	{ "show", "NAME...", "what a guest is", 1, 1, .run = show_run, .flags = CMD_EACH },
	{ "stats", "[NAME...]", "what guests use: cpu, memory, processes, disk, network", 0, -1, .run = stats_run,
	  .flags = CMD_NAMES },
	{ "why", "NAME...", "why a guest is in the state it is in", 1, 1, .run = why_run, .flags = CMD_EACH },
	{ "lint", "FILE", "check a config.json and list what would be ignored (status 1: something)", 1, 1, .run = lint_run },
	{ "recover", "[NAME...]", "undo what killed commands left", 0, -1, .run = recover_run, .flags = CMD_NAMES },
	{ "image", NULL, "images, of which guests are made", .sub = store_cmds },
	{ 0 }
};
