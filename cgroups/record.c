/* "linux.resources": JSON members and our structs. */
#include "cgroups/cgroup.h"

static const struct field device_fields[] = {
	FR(struct cg_device_rule, "allow", K_OBOOL, allow),
	F(struct cg_device_rule, "type", K_STR, type),
	F(struct cg_device_rule, "major", K_I64, major),
	F(struct cg_device_rule, "minor", K_I64, minor),
	F(struct cg_device_rule, "access", K_STR, access),
	{ 0 }
};
static const struct record device_record = RECORD("device rule", struct cg_device_rule, device_fields);

static const struct field memory_fields[] = {
	F(struct cg_memory, "limit", K_I64, limit),
	F(struct cg_memory, "reservation", K_I64, reservation),
	F(struct cg_memory, "swap", K_I64, swap),
	F(struct cg_memory, "kernel", K_I64, kernel),
	F(struct cg_memory, "kernelTCP", K_I64, kernel_tcp),
	F(struct cg_memory, "swappiness", K_U64, swappiness),
	F(struct cg_memory, "disableOOMKiller", K_OBOOL, disable_oom_killer),
	F(struct cg_memory, "useHierarchy", K_OBOOL, use_hierarchy),
	F(struct cg_memory, "checkBeforeUpdate", K_OBOOL, check_before_update),
	{ 0 }
};
static const struct record memory_record = RECORD("memory", struct cg_memory, memory_fields);

static const struct field cpu_fields[] = {
	F(struct cg_cpu, "shares", K_U64, shares),
	F(struct cg_cpu, "quota", K_I64, quota),
	F(struct cg_cpu, "burst", K_U64, burst),
	F(struct cg_cpu, "period", K_U64, period),
	F(struct cg_cpu, "realtimeRuntime", K_I64, realtime_runtime),
	F(struct cg_cpu, "realtimePeriod", K_U64, realtime_period),
	F(struct cg_cpu, "cpus", K_STR, cpus),
	F(struct cg_cpu, "mems", K_STR, mems),
	F(struct cg_cpu, "idle", K_I64, idle),
	{ 0 }
};
static const struct record cpu_record = RECORD("cpu", struct cg_cpu, cpu_fields);

static const struct field pids_fields[] = {
	/* The schema still requires it; the specification's text, its types and runc since 1.4 do not. */
	F(struct cg_pids, "limit", K_I64, limit),
	{ 0 }
};
static const struct record pids_record = RECORD("pids", struct cg_pids, pids_fields);

static const struct field weight_device_fields[] = {
	FR(struct cg_weight_device, "major", K_I64, major),
	FR(struct cg_weight_device, "minor", K_I64, minor),
	F(struct cg_weight_device, "weight", K_U32, weight),
	F(struct cg_weight_device, "leafWeight", K_U32, leaf_weight),
	{ 0 }
};
static const struct record weight_device_record =
	RECORD("weight device", struct cg_weight_device, weight_device_fields);

static const struct field throttle_fields[] = {
	FR(struct cg_throttle, "major", K_I64, major),
	FR(struct cg_throttle, "minor", K_I64, minor),
	FR(struct cg_throttle, "rate", K_U64, rate),
	{ 0 }
};
static const struct record throttle_record = RECORD("throttle", struct cg_throttle, throttle_fields);

static const struct field blkio_fields[] = {
	F(struct cg_blkio, "weight", K_U32, weight),
	F(struct cg_blkio, "leafWeight", K_U32, leaf_weight),
	SUB(struct cg_blkio, "weightDevice", K_LIST, weight_device, &weight_device_record),
	SUB(struct cg_blkio, "throttleReadBpsDevice", K_LIST, read_bps, &throttle_record),
	SUB(struct cg_blkio, "throttleWriteBpsDevice", K_LIST, write_bps, &throttle_record),
	SUB(struct cg_blkio, "throttleReadIOPSDevice", K_LIST, read_iops, &throttle_record),
	SUB(struct cg_blkio, "throttleWriteIOPSDevice", K_LIST, write_iops, &throttle_record),
	{ 0 }
};
static const struct record blkio_record = RECORD("blockIO", struct cg_blkio, blkio_fields);

static const struct field hugepage_fields[] = {
	FR(struct cg_hugepage, "pageSize", K_STR, page_size),
	FR(struct cg_hugepage, "limit", K_U64, limit),
	{ 0 }
};
static const struct record hugepage_record = RECORD("huge page limit", struct cg_hugepage, hugepage_fields);

static const struct field netprio_fields[] = {
	FR(struct cg_netprio, "name", K_STR, name),
	FR(struct cg_netprio, "priority", K_U32, priority),
	{ 0 }
};
static const struct record netprio_record = RECORD("network priority", struct cg_netprio, netprio_fields);

static const struct field network_fields[] = {
	F(struct cg_network, "classID", K_U32, class_id),
	SUB(struct cg_network, "priorities", K_LIST, priorities, &netprio_record),
	{ 0 }
};
static const struct record network_record = RECORD("network", struct cg_network, network_fields);

static const struct field rdma_fields[] = {
	F(struct cg_rdma, "hcaHandles", K_U32, handles),
	F(struct cg_rdma, "hcaObjects", K_U32, objects),
	{ 0 }
};
static const struct record rdma_record = RECORD("rdma", struct cg_rdma, rdma_fields);

static const struct field resources_fields[] = {
	SUB(struct cg_resources, "devices", K_LIST, devices, &device_record),
	SUB(struct cg_resources, "memory", K_OPT, memory, &memory_record),
	SUB(struct cg_resources, "cpu", K_OPT, cpu, &cpu_record),
	SUB(struct cg_resources, "pids", K_OPT, pids, &pids_record),
	SUB(struct cg_resources, "blockIO", K_OPT, blkio, &blkio_record),
	SUB(struct cg_resources, "hugepageLimits", K_LIST, hugepages, &hugepage_record),
	SUB(struct cg_resources, "network", K_OPT, network, &network_record),
	SUB(struct cg_resources, "rdma", K_RECMAP, rdma, &rdma_record),
	F(struct cg_resources, "unified", K_MAP, unified),
	{ 0 }
};
const struct record cg_resources_record = RECORD("resources", struct cg_resources, resources_fields);
