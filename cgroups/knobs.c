/*
 * One row per limit: where it is written on v1 and on v2, and how the number is said there.
 * The order is the order of writing; what the kernel refuses at first (a limit above the
 * current memory+swap, a burst above the current quota) is written again after the others.
 */
#include "cgroups/knobs.h"

#include <string.h>

struct num cg_knob_num(enum value_kind kind, const void *value)
{
	const struct opt_i64 *i = value;
	const struct opt_u64 *u = value;
	const struct opt_u32 *w = value;
	const struct opt_bool *b = value;

	switch (kind) {
	case V_I64:
		return (struct num){ i->set, i->set && i->v < 0, i->v < 0 ? 0 : (uint64_t)i->v };
	case V_U64:
		return (struct num){ u->set, false, u->v };
	case V_U32:
		return (struct num){ w->set, false, w->v };
	case V_BOOL:
		return (struct num){ b->set && b->v, false, 1 };
	default:
		return (struct num){ 0 };
	}
}

int cg_say(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, size, fmt, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= size ? fail(EINVAL, "the value is too long") : 0;
}

#define NUM_CONV(name, kind, minus)                                                            \
	static int name(const struct at *at, const void *value, char *out, size_t size)        \
	{                                                                                      \
		struct num n = cg_knob_num(kind, value);                                       \
                                                                                               \
		(void)at;                                                                      \
		return n.none ? cg_say(out, size, minus) : cg_say(out, size, "%ju", (uintmax_t)n.v);  \
	}
NUM_CONV(i64, V_I64, "-1")
NUM_CONV(i64_max, V_I64, "max")
NUM_CONV(u64, V_U64, "0")
NUM_CONV(u32, V_U32, "0")
NUM_CONV(flag, V_BOOL, "0")

static int text(const struct at *at, const void *value, char *out, size_t size)
{
	(void)at;
	return cg_say(out, size, "%s", *(const char *const *)value);
}

static int always(const struct at *at, const void *value, char *out, size_t size)
{
	(void)at, (void)value, (void)out, (void)size;
	return KNOB_SKIP;
}

static int hugepages(const struct at *at, const void *value, char *out, size_t size)
{
	(void)at;
	return cg_say(out, size, "%ju", (uintmax_t)((const struct cg_hugepage *)value)->limit.v);
}

static int priority(const struct at *at, const void *value, char *out, size_t size)
{
	const struct cg_netprio *p = value;

	(void)at;
	return cg_say(out, size, "%s %u", p->name, p->priority.v);
}

static int rdma(const struct at *at, const void *value, char *out, size_t size)
{
	const struct cg_rdma *d = value;
	int n = snprintf(out, size, "%s", d->key);

	(void)at;
	if (d->handles.set && n > 0 && (size_t)n < size)
		n += snprintf(out + n, size - (size_t)n, " hca_handle=%u", d->handles.v);
	if (d->objects.set && n > 0 && (size_t)n < size)
		n += snprintf(out + n, size - (size_t)n, " hca_object=%u", d->objects.v);
	return n < 0 || (size_t)n >= size ? fail(EINVAL, "the device name is too long") : 0;
}

#define KIND(T, m)                                                                             \
	_Generic(((T *)0)->m, struct opt_i64: V_I64, struct opt_u64: V_U64, struct opt_u32: V_U32, \
		 struct opt_bool: V_BOOL, const char *: V_STR, struct list: V_LIST)
#define SCALAR(s, m) \
	(int)offsetof(struct cg_resources, s), offsetof(struct cg_##s, m), 0, KIND(struct cg_##s, m)
#define LIST(s, m, E) \
	(int)offsetof(struct cg_resources, s), offsetof(struct cg_##s, m), sizeof(struct E), V_LIST
#define TOP(m, E) -1, offsetof(struct cg_resources, m), sizeof(struct E), V_LIST
#define NO { NULL, NULL }

const struct knob cg_knobs[] = {
	{ "CPU shares", CTL_CPU, ZERO_UNSET, SCALAR(cpu, shares),
	  { "cpu.shares", u64 }, { "cpu.weight", cg_cpu_weight } },
	{ "CPU idle class", CTL_CPU, 0, SCALAR(cpu, idle), { "cpu.idle", i64 }, { "cpu.idle", i64 } },
	{ "CPU period", CTL_CPU, ZERO_UNSET, SCALAR(cpu, period),
	  { "cpu.cfs_period_us", u64 }, { "cpu.max", cg_cpu_period_v2 } },
	{ "CPU quota", CTL_CPU, ZERO_UNSET, SCALAR(cpu, quota),
	  { "cpu.cfs_quota_us", i64 }, { "cpu.max", cg_cpu_quota_v2 } },
	{ "CPU burst", CTL_CPU, 0, SCALAR(cpu, burst),
	  { "cpu.cfs_burst_us", u64 }, { "cpu.max.burst", u64 } },
	{ "real-time period", CTL_CPU, ZERO_UNSET, SCALAR(cpu, realtime_period),
	  { "cpu.rt_period_us", u64 }, NO },
	{ "real-time runtime", CTL_CPU, ZERO_UNSET, SCALAR(cpu, realtime_runtime),
	  { "cpu.rt_runtime_us", i64 }, NO },
	{ "CPU set", CTL_CPUSET, 0, SCALAR(cpu, cpus), { "cpuset.cpus", text }, { "cpuset.cpus", text } },
	{ "memory nodes", CTL_CPUSET, 0, SCALAR(cpu, mems),
	  { "cpuset.mems", text }, { "cpuset.mems", text } },
	/* v2 counts nothing but whole subtrees. */
	{ "hierarchical accounting", CTL_MEMORY, OPTIONAL, SCALAR(memory, use_hierarchy),
	  { "memory.use_hierarchy", flag }, { "memory.current", always } },
	{ "memory and swap limit", CTL_MEMORY, ZERO_UNSET | OPTIONAL, SCALAR(memory, limit),
	  { "memory.memsw.limit_in_bytes", cg_swap_free }, { "memory.swap.max", cg_swap_kept } },
	{ "memory limit", CTL_MEMORY, ZERO_UNSET | CHECK_USE, SCALAR(memory, limit),
	  { "memory.limit_in_bytes", i64 }, { "memory.max", i64_max } },
	{ "memory and swap limit", CTL_MEMORY, ZERO_UNSET | NONE_OK, SCALAR(memory, swap),
	  { "memory.memsw.limit_in_bytes", i64 }, { "memory.swap.max", cg_swap_v2 } },
	{ "memory reservation", CTL_MEMORY, ZERO_UNSET, SCALAR(memory, reservation),
	  { "memory.soft_limit_in_bytes", i64 }, { "memory.low", i64_max } },
	{ "kernel TCP memory limit", CTL_MEMORY, ZERO_UNSET, SCALAR(memory, kernel_tcp),
	  { "memory.kmem.tcp.limit_in_bytes", i64 }, NO },
	{ "swappiness", CTL_MEMORY, 0, SCALAR(memory, swappiness), { "memory.swappiness", u64 }, NO },
	{ "disabled OOM killer", CTL_MEMORY, 0, SCALAR(memory, disable_oom_killer),
	  { "memory.oom_control", flag }, NO },
	{ "process limit", CTL_PIDS, 0, SCALAR(pids, limit), { "pids.max", i64_max }, { "pids.max", i64_max } },
	{ "block I/O weight", CTL_IO, ZERO_UNSET | OR_NEXT, SCALAR(blkio, weight),
	  { "blkio.weight", u32 }, { "io.bfq.weight", u32 } },
	{ "block I/O weight", CTL_IO, ZERO_UNSET, SCALAR(blkio, weight),
	  { "blkio.bfq.weight", u32 }, { "io.weight", cg_say_io_weight } },
	{ "block I/O leaf weight", CTL_IO, ZERO_UNSET, SCALAR(blkio, leaf_weight),
	  { "blkio.leaf_weight", u32 }, NO },
	{ "block I/O weight", CTL_IO, OR_NEXT, LIST(blkio, weight_device, cg_weight_device),
	  { "blkio.weight_device", cg_dev_weight }, { "io.bfq.weight", cg_dev_weight } },
	{ "block I/O weight", CTL_IO, 0, LIST(blkio, weight_device, cg_weight_device),
	  { "blkio.bfq.weight_device", cg_dev_weight }, { "io.weight", cg_dev_io_weight } },
	{ "block I/O leaf weight", CTL_IO, 0, LIST(blkio, weight_device, cg_weight_device),
	  { "blkio.leaf_weight_device", cg_dev_leaf_weight }, NO },
	{ "read rate", CTL_IO, 0, LIST(blkio, read_bps, cg_throttle),
	  { "blkio.throttle.read_bps_device", cg_io_rate }, { "io.max", cg_io_rbps } },
	{ "write rate", CTL_IO, 0, LIST(blkio, write_bps, cg_throttle),
	  { "blkio.throttle.write_bps_device", cg_io_rate }, { "io.max", cg_io_wbps } },
	{ "reads per second", CTL_IO, 0, LIST(blkio, read_iops, cg_throttle),
	  { "blkio.throttle.read_iops_device", cg_io_rate }, { "io.max", cg_io_riops } },
	{ "writes per second", CTL_IO, 0, LIST(blkio, write_iops, cg_throttle),
	  { "blkio.throttle.write_iops_device", cg_io_rate }, { "io.max", cg_io_wiops } },
	{ "huge page limit", CTL_HUGETLB, 0, TOP(hugepages, cg_hugepage),
	  { "hugetlb.*.limit_in_bytes", hugepages }, { "hugetlb.*.max", hugepages } },
	{ "huge page reservation limit", CTL_HUGETLB, OPTIONAL, TOP(hugepages, cg_hugepage),
	  { "hugetlb.*.rsvd.limit_in_bytes", hugepages }, { "hugetlb.*.rsvd.max", hugepages } },
	{ "network class", CTL_NET_CLS, ZERO_UNSET, SCALAR(network, class_id),
	  { "net_cls.classid", u32 }, NO },
	{ "network priority", CTL_NET_PRIO, 0, LIST(network, priorities, cg_netprio),
	  { "net_prio.ifpriomap", priority }, NO },
	{ "RDMA limit", CTL_RDMA, 0, TOP(rdma, cg_rdma), { "rdma.max", rdma }, { "rdma.max", rdma } },
};
const size_t cg_knobs_n = COUNT(cg_knobs);

const void *cg_knob_value(const struct knob *k, const struct cg_resources *r)
{
	const char *section = (const char *)r;
	const void *value;
	struct num n;

	if (k->section >= 0)
		section = *(const char *const *)(section + k->section);
	if (!section)
		return NULL;
	value = section + k->offset;
	if (k->kind == V_LIST)
		return ((const struct list *)value)->n ? value : NULL;
	if (k->kind == V_STR)
		return *(const char *const *)value && **(const char *const *)value ? value : NULL;
	n = cg_knob_num(k->kind, value);
	return n.set && (n.none || n.v || !(k->flags & ZERO_UNSET)) ? value : NULL;
}

void cg_knob_file(const struct knob_file *f, const void *value, char *out, size_t size)
{
	const char *star = strchr(f->name, '*');

	if (!star)
		snprintf(out, size, "%s", f->name);
	else
		snprintf(out, size, "%.*s%s%s", (int)(star - f->name), f->name,
			 ((const struct cg_hugepage *)value)->page_size, star + 1);
}
