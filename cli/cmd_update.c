#include "cli/cmd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "runtime/container/container.h"

#include <fcntl.h>
#include <unistd.h>

/* The sections lie in the arguments, so that an option writes into its place. */
struct update_args {
	const char *file, *l3, *mem_bw, *kernel, *kernel_tcp;
	struct cg_memory memory;
	struct cg_cpu cpu;
	struct cg_pids pids;
	struct opt_i64 weight;
};

#define A struct update_args
static const struct opt update_opts[] = {
	OSTR_OCI(A, 'r', "resources", "FILE|-", file, "take the resources from a JSON file, or from standard input"),
	OINT(A, 0, "blkio-weight", "N", weight, 0, 1000, "weight of block I/O, 10 to 1000"),
	OU64(A, 0, "cpu-period", "USEC", cpu.period, "period of the CPU quota"),
	OINT(A, 0, "cpu-quota", "USEC", cpu.quota, INT64_MIN, INT64_MAX, "CPU time in a period; -1: no limit"),
	OU64(A, 0, "cpu-burst", "USEC", cpu.burst, "unused CPU time that may be saved up"),
	OU64(A, 0, "cpu-rt-period", "USEC", cpu.realtime_period, "period of the real-time CPU quota"),
	OINT(A, 0, "cpu-rt-runtime", "USEC", cpu.realtime_runtime, -1, INT64_MAX, "real-time CPU time in a period"),
	OU64(A, 0, "cpu-share", "N", cpu.shares, "CPU weight against other containers (default: 1024)"),
	OINT(A, 0, "cpu-idle", "0|1", cpu.idle, 0, 1, "1: only CPU time that nobody else wants"),
	OSTR_OCI(A, 0, "cpuset-cpus", "LIST", cpu.cpus, "CPUs to use, such as 0-3,7"),
	OSTR_OCI(A, 0, "cpuset-mems", "LIST", cpu.mems, "memory nodes to use"),
	{ 0, "kernel-memory", "SIZE", OPT_STR, OPT_AT(A, kernel, const char *), NULL },
	{ 0, "kernel-memory-tcp", "SIZE", OPT_STR, OPT_AT(A, kernel_tcp, const char *), NULL },
	OLIMIT(A, 0, "memory", memory.limit, "memory limit"),
	OLIMIT(A, 0, "memory-reservation", memory.reservation, "memory that is left alone while the host has some"),
	OLIMIT(A, 0, "memory-swap", memory.swap, "limit of memory and swap together"),
	OINT(A, 0, "pids-limit", "N", pids.limit, INT64_MIN, INT64_MAX, "number of processes; -1: no limit"),
	OSTR_OCI(A, 0, "l3-cache-schema", "SCHEMA", l3, "Intel RDT: shares of the level 3 cache"),
	OSTR_OCI(A, 0, "mem-bw-schema", "SCHEMA", mem_bw, "Intel RDT: shares of memory bandwidth"),
	{ 0 }
};
#undef A

static bool says_limits(const struct update_args *a)
{
	const struct cg_memory *m = &a->memory;
	const struct cg_cpu *c = &a->cpu;

	return a->weight.set || a->pids.limit.set || m->limit.set || m->reservation.set || m->swap.set || c->cpus ||
	       c->mems || c->shares.set || c->burst.set || c->period.set || c->realtime_period.set || c->quota.set ||
	       c->realtime_runtime.set || c->idle.set;
}

static int load(const char *file, struct arena *a, struct json **tree, struct cg_resources *out)
{
	auto_free char *text = NULL;
	const char *name = str_eq(file, "-") ? "standard input" : file;
	size_t n;

	if (str_eq(file, "-"))
		TRY(file_read_fd(STDIN_FILENO, name, 1 << 20, &text, &n));
	else
		TRY(file_read_named(AT_FDCWD, file, &text, &n));
	TRY_IN(fail_class(json_parse(name, text, n, tree), ERR_CONFIG), "resources");
	TRY_IN(fail_class(bind_decode(a, &cg_resources_record, *tree, out), ERR_CONFIG), "%s: resources", name);
	return 0;
}

static int update_run(struct cli *g, void *args, int argc, char **argv)
{
	struct update_args *a = args;
	auto_arena struct arena arena = { 0 };
	auto_json struct json *tree = NULL;
	struct cg_blkio blkio = { .weight = { (uint32_t)a->weight.v, a->weight.set } };
	struct cg_resources r = { .memory = &a->memory, .cpu = &a->cpu, .blkio = &blkio,
				  .pids = a->pids.limit.set ? &a->pids : NULL };

	(void)argc;
	if (a->kernel || a->kernel_tcp)
		log_warn("Setting --kernel-memory%s is ignored and will be removed", a->kernel ? "" : "-tcp");
	if (a->file && says_limits(a))
		log_warn("update: --resources is given, other limits are ignored");
	if (a->file)
		TRY(load(a->file, &arena, &tree, &r));
	return container_update(g->root, argv[0], &r, &(struct rdt_conf){ .l3 = a->l3, .mb = a->mem_bw });
}

const struct cmd update_cmds[] = {
	{ "update", "[OPTION...] ID", "change the limits of a container", 1, 1, update_opts,
	  sizeof(struct update_args), update_run, CMD_OCI,
	  .about = "Sizes are bytes, or 512M, 1.5G. What is not named stays as it is, and when the kernel refuses "
		   "one limit all are put back. With --resources the other limits are ignored, as runc does; the file "
		   "is the resources object of the OCI configuration." },
	{ 0 }
};
