#include "cli/cmd.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"

#include <stdio.h>
#include <string.h>

/* What guests use, and have used: cpu, memory, processes, disk, network. */

static void put_counts(struct jout *o, const struct net_counts *c)
{
	jout_open(o, "in", '{');
	jout_u64(o, "bytes", c->in_bytes);
	jout_u64(o, "packets", c->in_packets);
	jout_close(o, '}');
	jout_open(o, "out", '{');
	jout_u64(o, "bytes", c->out_bytes);
	jout_u64(o, "packets", c->out_packets);
	jout_close(o, '}');
}

void stats_traffic_json(struct jout *o, const char *key, const struct guest_traffic *t)
{
	jout_open(o, key, '{');
	put_counts(o, &t->sum);
	jout_open(o, "interfaces", '[');
	for (size_t i = 0; i < t->n; i++) {
		jout_open(o, NULL, '{');
		jout_str(o, "interface", t->nic[i].name);
		if (t->nic[i].gone)
			jout_bool(o, "gone", true);
		else
			jout_str(o, "on", t->nic[i].network);
		put_counts(o, &t->nic[i].counts);
		jout_close(o, '}');
	}
	jout_close(o, ']');
	jout_close(o, '}');
}

static void put_limit(struct jout *o, uint64_t limit)
{
	if (limit != UINT64_MAX)
		jout_u64(o, "limit", limit);
	else
		jout_raw(o, "limit", "null");
}

static void put_group(struct jout *o, const struct cg_stats *s)
{
	jout_open(o, "cpu", '{');
	jout_u64(o, "totalNs", s->cpu_total_ns);
	jout_u64(o, "userNs", s->cpu_user_ns);
	jout_u64(o, "kernelNs", s->cpu_kernel_ns);
	jout_u64(o, "throttledNs", s->cpu_throttled_ns);
	jout_close(o, '}');
	jout_open(o, "memory", '{');
	jout_u64(o, "usage", s->mem_usage);
	jout_u64(o, "maxUsage", s->mem_max_usage);
	put_limit(o, s->mem_limit);
	jout_u64(o, "cache", s->mem_cache);
	jout_u64(o, "oomKills", s->oom_kills);
	jout_close(o, '}');
	jout_open(o, "pids", '{');
	jout_u64(o, "current", s->pids_current);
	put_limit(o, s->pids_limit);
	jout_close(o, '}');
	jout_open(o, "io", '{');
	jout_u64(o, "readBytes", s->io_read_bytes);
	jout_u64(o, "writeBytes", s->io_write_bytes);
	jout_close(o, '}');
}

struct listing { struct guest_where at; struct table *t; struct jout *o; bool all; };

static void one_json(struct jout *o, const struct guest_where *at, const char *name, const struct guest_stats *s)
{
	jout_open(o, NULL, '{');
	jout_str(o, "name", name);
	jout_str(o, "status", guest_status_word(at, name, s->status));
	if (s->counted)
		put_group(o, &s->cg);
	stats_traffic_json(o, "network", &s->net);
	jout_close(o, '}');
}

static int one(void *ctx, const char *name)
{
	static struct guest_stats s;
	struct listing *l = ctx;
	int r = guest_stats(&l->at, name, &s);

	/* Among many, one that is broken or just going hides no other. */
	if (r < 0 && l->all) {
		err_clear();
		return 0;
	}
	TRY(r);
	if (l->o) {
		one_json(l->o, &l->at, name, &s);
		return 0;
	}
	table_cell(l->t, "%s", name);
	table_cell(l->t, "%s", guest_status_word(&l->at, name, s.status));
	table_cell(l->t, s.counted ? "%ju.%02ju" : "-", (uintmax_t)(s.cg.cpu_total_ns / 1000000000),
		   (uintmax_t)(s.cg.cpu_total_ns / 10000000 % 100));
	table_cell(l->t, "%s", s.counted ? out_size(s.cg.mem_usage) : "-");
	table_cell(l->t, s.counted ? "%ju" : "-", (uintmax_t)s.cg.pids_current);
	table_cell(l->t, "%s", s.counted ? out_size(s.cg.io_read_bytes) : "-");
	table_cell(l->t, "%s", s.counted ? out_size(s.cg.io_write_bytes) : "-");
	table_cell(l->t, "%s", out_size(s.net.sum.in_bytes));
	table_cell(l->t, "%s", out_size(s.net.sum.out_bytes));
	return 0;
}

static int each(struct listing *l, int argc, char **argv)
{
	l->all = argc == 0;
	if (l->all)
		return guest_each(&l->at, one, l);
	for (int i = 0; i < argc; i++)
		TRY(one(l, argv[i]));
	return 0;
}

int stats_run(struct cli *g, void *args, int argc, char **argv)
{
	static const char *const head[] = { "NAME", "STATUS", "CPU-SECONDS", "MEMORY", "PIDS", "READ", "WRITTEN",
					    "NET-IN", "NET-OUT", NULL };
	auto_table struct table t = { .head = head, .right = 0x1fc };
	struct listing l = { .at = guest_at(g), .t = &t };
	auto_buf struct buf b = { 0 };
	struct jout o;

	(void)args;
	if (!g->json) {
		TRY(each(&l, argc, argv));
		return table_print(&t);
	}
	out_open(&o, &b);
	jout_open(&o, "guests", '[');
	l.o = &o;
	TRY(each(&l, argc, argv));
	jout_close(&o, ']');
	return out_close(&o);
}
