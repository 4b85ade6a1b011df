/* Ranges, contradictions and grammar of "linux.resources", before anything is touched. */
#include "cgroups/internal.h"
#include "base/log.h"

#include <string.h>

static int bad(const char *fmt, ...) PRINTF(1, 2);
static int bad(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return fail_as(ERR_CONFIG, "%s", text);
}

const char *cg_clean_path(const char *path, char out[CG_PATH_MAX])
{
	size_t n = 0;

	for (const char *p = path; *p && n < CG_PATH_MAX - 1; p++)
		if (*p != '/' || !n || out[n - 1] != '/')
			out[n++] = *p;
	while (n > 1 && out[n - 1] == '/')
		n--;
	out[n] = '\0';
	return out;
}

int cg_check_path(const char *path)
{
	const char *p = path;

	if (!*path || str_eq(path, "/"))
		return bad("cgroups path \"%s\": names no group", path);
	if (strlen(path) > CG_PATH_MAX / 2)
		return bad("cgroups path %.64s...: longer than %d bytes", path, CG_PATH_MAX / 2);
	for (const char *c = path; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return bad("cgroups path: control character at byte %zu", (size_t)(c - path));
	for (p += *p == '/';; p++) {
		size_t n = strcspn(p, "/");

		if (n == 0)
			return bad("cgroups path %s: empty component", path);
		if ((n == 1 && *p == '.') || (n == 2 && memcmp(p, "..", 2) == 0))
			return bad("cgroups path %s: component \"%.*s\"", path, (int)n, p);
		if (n > 255)
			return bad("cgroups path %.64s...: component longer than 255 bytes", path);
		p += n;
		if (!*p)
			return 0;
	}
}

/* ---- ranges: one row each ---- */

struct range {
	const char *place;
	int section;
	size_t offset;
	enum value_kind kind;
	int64_t min, max;
	bool zero;
};

#define R(s, m, json, min, max, zero)                                               \
	{                                                                           \
		json, offsetof(struct cg_resources, s), offsetof(struct cg_##s, m), \
		    _Generic(((struct cg_##s *)0)->m, struct opt_i64                \
			     : V_I64, struct opt_u64                                \
			     : V_U64, struct opt_u32                                \
			     : V_U32),                                              \
		    min, max, zero                                                  \
	}

/* zero: 0 stands for "not given" and is always right. A min of INT64_MIN: whatever is negative is no limit. */
static const struct range ranges[] = {
	R(memory, limit, "memory.limit", -1, INT64_MAX, true),
	R(memory, reservation, "memory.reservation", -1, INT64_MAX, true),
	R(memory, swap, "memory.swap", -1, INT64_MAX, true),
	R(memory, kernel_tcp, "memory.kernelTCP", -1, INT64_MAX, true),
	R(memory, swappiness, "memory.swappiness", 0, 100, true),
	R(cpu, shares, "cpu.shares", 2, 262144, true),
	R(cpu, quota, "cpu.quota", 1000, INT64_MAX, true),
	R(cpu, period, "cpu.period", 1000, 1000000, true),
	R(cpu, realtime_runtime, "cpu.realtimeRuntime", -1, INT64_MAX, true),
	R(cpu, idle, "cpu.idle", 0, 1, true),
	R(pids, limit, "pids.limit", INT64_MIN, INT64_MAX, true),
	R(blkio, weight, "blockIO.weight", 10, 1000, true),
	R(blkio, leaf_weight, "blockIO.leafWeight", 10, 1000, true),
};

static int check_range(const struct range *g, const struct cg_resources *r)
{
	const char *section = *(const char *const *)((const char *)r + g->section);
	struct num n = section ? cg_knob_num(g->kind, section + g->offset) : (struct num){ 0 };
	const struct opt_i64 *wide = section ? (const void *)(section + g->offset) : NULL;
	/* The one range with a gap: negative, or from 1000 up. */
	int64_t min = str_eq(g->place, "cpu.quota") ? INT64_MIN : g->min;

	if (!n.set || (g->zero && !n.none && n.v == 0))
		return 0;
	if (n.none)
		return min < 0 && wide->v >= min ? 0 :
			bad("%s: %jd is not in the range %jd to %jd", g->place, (intmax_t)wide->v, (intmax_t)min,
			    (intmax_t)g->max);
	if (g->min > 0 && n.v < (uint64_t)g->min)
		return bad("%s: %ju is below %jd", g->place, (uintmax_t)n.v, (intmax_t)g->min);
	return n.v > (uint64_t)g->max
		   ? bad("%s: %ju is above %jd", g->place, (uintmax_t)n.v, (intmax_t)g->max)
		   : 0;
}

/* ---- contradictions ---- */

static int check_memory(const struct cg_memory *m)
{
	if (m->swap.v > 0 && m->limit.v > 0 && m->swap.v < m->limit.v)
		return bad(
		    "memory.swap: %jd is less than memory.limit %jd: it counts memory and swap together",
		    (intmax_t)m->swap.v, (intmax_t)m->limit.v);
	if (m->swap.v > 0 && m->limit.v < 0)
		return bad("memory.swap: %jd, but memory.limit is unlimited: memory and swap together cannot "
			   "be less",
			   (intmax_t)m->swap.v);
	return 0;
}

static int check_set(const char *place, const char *s)
{
	uint64_t bits[CG_SET_WORDS];
	int r = s ? str_list(s, CG_SET_MAX, bits) : 0;

	if (r == -ERANGE)
		return bad("%s: \"%s\" goes beyond the host's highest", place, s);
	return r < 0 ? bad("%s: \"%s\" is no list such as 0-3,7", place, s) : 0;
}

static int check_cpu(const struct cg_cpu *c)
{
	uint64_t period = c->period.v ? c->period.v : 100000;

	if (c->burst.v && c->quota.v > 0 && c->burst.v > (uint64_t)c->quota.v)
		return bad("cpu.burst: %ju is above cpu.quota %jd", (uintmax_t)c->burst.v,
			   (intmax_t)c->quota.v);
	if (c->realtime_runtime.v > 0 && c->realtime_period.v &&
	    (uint64_t)c->realtime_runtime.v > c->realtime_period.v)
		return bad("cpu.realtimeRuntime: %jd is above cpu.realtimePeriod %ju",
			   (intmax_t)c->realtime_runtime.v, (uintmax_t)c->realtime_period.v);
	if (c->quota.v > 0 && (uint64_t)c->quota.v / period > 65536)
		return bad("cpu.quota: %jd is above 65536 times the period %ju", (intmax_t)c->quota.v,
			   (uintmax_t)period);
	TRY(check_set("cpu.cpus", c->cpus));
	return check_set("cpu.mems", c->mems);
}

static int check_number(const char *place, size_t i, const char *what, const struct opt_i64 *v, int64_t min)
{
	return v->set && (v->v < min || v->v > UINT32_MAX) ?
		bad("%s[%zu].%s: %jd is no device number", place, i, what, (intmax_t)v->v) : 0;
}

static int check_throttles(const char *place, const struct list *l)
{
	size_t i = 0;

	LIST_EACH(struct cg_throttle, t, *l) {
		TRY(check_number(place, i, "major", &t->major, 0));
		TRY(check_number(place, i++, "minor", &t->minor, 0));
	}
	return 0;
}

static int check_weight(size_t i, const char *what, uint32_t v)
{
	return v && (v < 10 || v > 1000) ?
		bad("blockIO.weightDevice[%zu].%s: %u is not in the range 10 to 1000", i, what, v) : 0;
}

static int check_blkio(const struct cg_blkio *b)
{
	size_t i = 0;

	LIST_EACH(struct cg_weight_device, d, b->weight_device) {
		TRY(check_number("blockIO.weightDevice", i, "major", &d->major, 0));
		TRY(check_number("blockIO.weightDevice", i, "minor", &d->minor, 0));
		TRY(check_weight(i, "weight", d->weight.v));
		TRY(check_weight(i, "leafWeight", d->leaf_weight.v));
		i++;
	}
	TRY(check_throttles("blockIO.throttleReadBpsDevice", &b->read_bps));
	TRY(check_throttles("blockIO.throttleWriteBpsDevice", &b->write_bps));
	TRY(check_throttles("blockIO.throttleReadIOPSDevice", &b->read_iops));
	return check_throttles("blockIO.throttleWriteIOPSDevice", &b->write_iops);
}

static int check_devices(const struct list *l)
{
	size_t i = 0;

	LIST_EACH(struct cg_device_rule, d, *l) {
		if (d->type && *d->type && (!strchr("abcu", *d->type) || d->type[1]))
			return bad("devices[%zu].type: \"%s\" is none of a, b, c", i, d->type);
		const char *access = d->access && *d->access ? d->access : "rwm";
		if (!strpbrk(access, "rwm"))
			return bad("devices[%zu].access: \"%s\" has none of r, w, m", i, access);
		if (strspn(access, "rwm") != strlen(access))
			log_warn("linux.resources: devices[%zu].access: \"%s\" has letters other than r, w, m: left out",
				 i, access);
		TRY(check_number("devices", i, "major", &d->major, -1));
		TRY(check_number("devices", i++, "minor", &d->minor, -1));
	}
	return 0;
}

/* "2MB", "1GB": part of a file's name */
static bool is_page_size(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n && n < 10 && *s != '0' && s[n] && strchr("KMG", s[n]) && str_eq(s + n + 1, "B");
}

static int check_hugepages(const struct list *l)
{
	const struct cg_hugepage *v = l->v;

	for (size_t i = 0; i < l->n; i++) {
		if (!is_page_size(v[i].page_size))
			return bad("hugepageLimits[%zu].pageSize: \"%s\" is no size such as 2MB or 1GB", i,
				   v[i].page_size);
		for (size_t k = 0; k < i; k++)
			if (str_eq(v[k].page_size, v[i].page_size))
				return bad("hugepageLimits[%zu].pageSize: %s given twice", i, v[i].page_size);
	}
	return 0;
}

static bool is_word(const char *s)
{
	if (!s || !*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f || *s == '/')
			return false;
	return true;
}

static int check_names(const struct cg_resources *r)
{
	size_t i = 0;

	if (r->network)
		LIST_EACH(struct cg_netprio, p, r->network->priorities) {
			if (!is_word(p->name) || strlen(p->name) > 15)
				return bad("network.priorities[%zu].name: \"%s\" is no interface name", i,
					   p->name);
			i++;
		}
	LIST_EACH(struct cg_rdma, d, r->rdma)
		if (!is_word(d->key))
			return bad("rdma: \"%s\" is no device name", d->key);
	return 0;
}

/* "controller.name" in lower case: what moves or kills processes is no limit. */
static int check_unified(const struct map *m)
{
	static const char *const actions[] = { "cgroup.procs", "cgroup.threads", "cgroup.kill",
					       "cgroup.freeze", "cgroup.type" };

	for (size_t i = 0; i < m->n; i++) {
		const char *key = m->v[i].key;
		size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_.-ABCDEFGHIJKLMNOPQRSTUVWXYZ");

		if (!*key || key[n] || *key == '.' || !strchr(key, '.') || strstr(key, "..") || n > 63)
			return bad("unified: \"%s\" is no name of a cgroup file", key);
		for (size_t k = 0; k < COUNT(actions); k++)
			if (str_eq(key, actions[k]))
				return bad("unified: %s is no limit", key);
	}
	return 0;
}

int cg_check(const struct cg_resources *r)
{
	for (size_t i = 0; i < COUNT(ranges); i++)
		TRY(check_range(&ranges[i], r));
	if (r->memory)
		TRY(check_memory(r->memory));
	if (r->cpu)
		TRY(check_cpu(r->cpu));
	if (r->blkio)
		TRY(check_blkio(r->blkio));
	TRY(check_hugepages(&r->hugepages));
	TRY(check_names(r));
	TRY(check_unified(&r->unified));
	return check_devices(&r->devices);
}
