/* All counters of a group as JSON in runc's shape: one row a member. */
#include "cgroups/internal.h"
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

enum op {
	OPEN, CLOSE,
	NUM,		/* 0 where it cannot be told */
	NUM_SET,	/* left out when it is 0, or when there is no limit */
	SIGNED,
	SET,		/* "0-1,4" as an array */
	SERIES,		/* every number of the file */
	COLUMN,		/* `scale` is the column of a table with a head */
	EACH,		/* every "key number" of the file, as an object */
	PSI,		/* pressure, from the v2 tree */
	IO,		/* per device, see io_names */
	PAGES,		/* per huge page size */
};
struct item { enum op op; const char *name; enum ctl ctl; struct cg_place v1, v2, v2_more; };

#define ENTRY(name, use, max, lim, fail, v2use, v2max, v2lim, v2fail, more, morelim)                \
	{ OPEN, name },                                                                             \
	{ NUM, "limit", CTL_MEMORY, { lim, "", 1 }, { v2lim, "", 1 }, { morelim, "", 1 } },         \
	{ NUM_SET, "usage", CTL_MEMORY, { use, "", 1 }, { v2use, "", 1 }, { more, "", 1 } },        \
	{ NUM_SET, "max", CTL_MEMORY, { max, "", 1 }, { v2max, "", 1 } },                           \
	{ NUM, "failcnt", CTL_MEMORY, { fail, "", 1 }, { v2fail, "max", 1 } },                      \
	{ CLOSE }
#define CPUSET(name, file) { NUM, name, CTL_CPUSET, { "cpuset." file, "", 1 } }

static const struct item items[] = {
	{ OPEN, "cpu" }, { OPEN, "usage" },
	{ NUM_SET, "total", CTL_CPUACCT, { "cpuacct.usage", "", 1 }, { "cpu.stat", "usage_usec", 1000 } },
	{ SERIES, "percpu", CTL_CPUACCT, { "cpuacct.usage_percpu", "", 1 } },
	{ COLUMN, "percpu_kernel", CTL_CPUACCT, { "cpuacct.usage_all", "", 2 } },
	{ COLUMN, "percpu_user", CTL_CPUACCT, { "cpuacct.usage_all", "", 1 } },
	{ NUM, "kernel", CTL_CPUACCT, { "cpuacct.usage_sys", "", 1 }, { "cpu.stat", "system_usec", 1000 } },
	{ NUM, "user", CTL_CPUACCT, { "cpuacct.usage_user", "", 1 }, { "cpu.stat", "user_usec", 1000 } },
	{ CLOSE }, { OPEN, "throttling" },
	{ NUM_SET, "periods", CTL_CPU, { "cpu.stat", "nr_periods", 1 }, { "cpu.stat", "nr_periods", 1 } },
	{ NUM_SET, "throttledPeriods", CTL_CPU,
	  { "cpu.stat", "nr_throttled", 1 }, { "cpu.stat", "nr_throttled", 1 } },
	{ NUM_SET, "throttledTime", CTL_CPU,
	  { "cpu.stat", "throttled_time", 1 }, { "cpu.stat", "throttled_usec", 1000 } },
	{ CLOSE }, { PSI, "psi", .v2 = { "cpu.pressure" } }, { CLOSE },

	{ OPEN, "cpuset" },
	{ SET, "cpus", CTL_CPUSET, { "cpuset.cpus", "", 1 }, { "cpuset.cpus.effective", "", 1 } },
	CPUSET("cpu_exclusive", "cpu_exclusive"),
	{ SET, "mems", CTL_CPUSET, { "cpuset.mems", "", 1 }, { "cpuset.mems.effective", "", 1 } },
	CPUSET("mem_hardwall", "mem_hardwall"), CPUSET("mem_exclusive", "mem_exclusive"),
	CPUSET("memory_migrate", "memory_migrate"), CPUSET("memory_spread_page", "memory_spread_page"),
	CPUSET("memory_spread_slab", "memory_spread_slab"), CPUSET("memory_pressure", "memory_pressure"),
	CPUSET("sched_load_balance", "sched_load_balance"),
	{ SIGNED, "sched_relax_domain_level", CTL_CPUSET, { "cpuset.sched_relax_domain_level", "", 1 } },
	{ CLOSE },

	{ OPEN, "memory" },
	{ NUM_SET, "cache", CTL_MEMORY, { "memory.stat", "cache", 1 }, { "memory.stat", "file", 1 } },
	ENTRY("usage", "memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.limit_in_bytes",
	      "memory.failcnt",
	      "memory.current", "memory.peak", "memory.max", "memory.events", NULL, NULL),
	ENTRY("swap", "memory.memsw.usage_in_bytes", "memory.memsw.max_usage_in_bytes",
	      "memory.memsw.limit_in_bytes",
	      "memory.memsw.failcnt", "memory.swap.current", NULL, "memory.swap.max", "memory.swap.events",
	      "memory.current", "memory.max"),
	ENTRY("kernel", "memory.kmem.usage_in_bytes", "memory.kmem.max_usage_in_bytes", "memory.kmem.limit_in_bytes",
	      "memory.kmem.failcnt", NULL, NULL, NULL, NULL, NULL, NULL),
	ENTRY("kernelTCP", "memory.kmem.tcp.usage_in_bytes", "memory.kmem.tcp.max_usage_in_bytes",
	      "memory.kmem.tcp.limit_in_bytes", "memory.kmem.tcp.failcnt", NULL, NULL, NULL, NULL, NULL, NULL),
	{ EACH, "raw", CTL_MEMORY, { "memory.stat" }, { "memory.stat" } },
	{ PSI, "psi", .v2 = { "memory.pressure" } }, { CLOSE },

	{ OPEN, "pids" },
	{ NUM_SET, "current", CTL_PIDS, { "pids.current", "", 1 }, { "pids.current", "", 1 } },
	{ NUM_SET, "limit", CTL_PIDS, { "pids.max", "", 1 }, { "pids.max", "", 1 } },
	{ CLOSE },

	{ OPEN, "blkio" }, { IO, NULL, CTL_IO }, { PSI, "psi", .v2 = { "io.pressure" } }, { CLOSE },
	{ OPEN, "hugetlb" }, { PAGES, NULL, CTL_HUGETLB }, { CLOSE },
};

/* "max" is the largest number, as runc has it. */
static uint64_t number(const char *s)
{
	return strncmp(s, "max", 3) == 0 ? UINT64_MAX : strtoull(s, NULL, 10);
}

static bool get(struct cg_reader *r, const struct item *t, uint64_t *out)
{
	const char *text = cg_read(r, t->ctl, t->v1.file, t->v2.file);
	const struct cg_place *p;

	*out = 0;
	if (!text)
		return false;
	p = cg_host()->h[r->hier].v2 ? &t->v2 : &t->v1;
	text = cg_text_of(text, p->key);
	if (!text)
		return false;
	*out = number(text);
	if (*out != UINT64_MAX)
		*out *= p->scale;
	/* v1 and OCI count memory and swap together. */
	if (p == &t->v2 && t->v2_more.file && (text = cg_read(r, t->ctl, NULL, t->v2_more.file))) {
		uint64_t more = number(text);

		*out = *out == UINT64_MAX || more == UINT64_MAX ? UINT64_MAX : *out + more;
	}
	return true;
}

static void put_number(struct jout *o, struct cg_reader *r, const struct item *t)
{
	uint64_t v;

	if (!get(r, t, &v) && t->op == NUM_SET)
		return;
	if (t->op == NUM || (v && !(v == UINT64_MAX && str_eq(t->name, "limit"))))
		jout_u64(o, t->name, v);
}

static void put_set(struct jout *o, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	jout_open(o, name, '[');
	for (char *end; *text >= '0' && *text <= '9'; text = end + (*end == ',')) {
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		for (; from <= to && to < 65536; from++)
			jout_u64(o, NULL, from);
	}
	jout_close(o, ']');
}

static void put_series(struct jout *o, const char *name, const char *text)
{
	if (!text)
		return;
	jout_open(o, name, '[');
	for (text += strspn(text, " "); *text >= '0' && *text <= '9'; text += strspn(text, " ")) {
		jout_u64(o, NULL, strtoull(text, NULL, 10));
		text += strspn(text, "0123456789");
	}
	jout_close(o, ']');
}

static const char *next_line(const char *p)
{
	p = strchrnul(p, '\n');
	return *p ? p + 1 : p;
}

static void put_column(struct jout *o, const char *name, const char *text, unsigned column)
{
	if (!text)
		return;
	jout_open(o, name, '[');
	for (text = next_line(text); *text; text = next_line(text)) {
		const char *p = text;

		for (unsigned i = 0; i < column && (p = strchr(p, ' ')); i++)
			p++;
		jout_u64(o, NULL, p ? strtoull(p, NULL, 10) : 0);
	}
	jout_close(o, ']');
}

static void put_each(struct jout *o, const char *name, const char *text)
{
	if (!text)
		return;
	jout_open(o, name, '{');
	for (; *text; text = next_line(text)) {
		char key[64];
		size_t n = strcspn(text, " \n");

		if (n >= sizeof key || text[n] != ' ')
			continue;
		memcpy(key, text, n);
		key[n] = '\0';
		jout_u64(o, key, strtoull(text + n + 1, NULL, 10));
	}
	jout_close(o, '}');
}

/* "avg10=0.25", "total=77"; a text may be cut anywhere. */
static void put_part(struct jout *o, const char *name, const char *line)
{
	const char *p = strstr(line, name);
	char value[48], *end = NULL;
	uint64_t whole, cents;

	p = p ? p + strcspn(p, "=") : "";
	whole = strtoull(p + (*p == '='), &end, 10);
	cents = *end == '.' ? strtoull(end + 1, NULL, 10) % 100 : 0;
	snprintf(value, sizeof value, *name == 'a' ? "%ju.%02ju" : "%ju", (uintmax_t)whole, (uintmax_t)cents);
	jout_raw(o, name, value);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", and a line for "full" */
static void put_pressure(struct jout *o, const char *name, const char *text)
{
	static const char *const lines[] = { "some", "full" };
	static const char *const parts[] = { "avg10", "avg60", "avg300", "total" };

	if (!text)
		return;
	jout_open(o, name, '{');
	for (size_t i = 0; i < COUNT(lines); i++) {
		const char *at = cg_text_of(text, lines[i]);

		if (!at)
			continue;
		jout_open(o, lines[i], '{');
		for (size_t k = 0; k < COUNT(parts); k++)
			put_part(o, parts[k], at);
		jout_close(o, '}');
	}
	jout_close(o, '}');
}

/* ---- block devices ---- */

/* v1 has a set of files for each scheduler; the first that has something to say is taken. */
static const struct io_name { const char *name, *v1[4], *v2_read, *v2_write; } io_names[] = {
	{ "ioServiceBytesRecursive",
	  { "blkio.bfq.io_service_bytes_recursive", "blkio.io_service_bytes_recursive",
	    "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes" },
	  " rbytes=", " wbytes=" },
	{ "ioServicedRecursive",
	  { "blkio.bfq.io_serviced_recursive", "blkio.io_serviced_recursive",
	    "blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced" }, " rios=", " wios=" },
	{ "ioQueueRecursive", { "blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive" } },
	{ "ioServiceTimeRecursive", { "blkio.bfq.io_service_time_recursive", "blkio.io_service_time_recursive" } },
	{ "ioWaitTimeRecursive", { "blkio.bfq.io_wait_time_recursive", "blkio.io_wait_time_recursive" } },
	{ "ioMergedRecursive", { "blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive" } },
	{ "ioTimeRecursive", { "blkio.bfq.time_recursive", "blkio.time_recursive" } },
	{ "sectorsRecursive", { "blkio.bfq.sectors_recursive", "blkio.sectors_recursive" } },
};

static void put_device(struct jout *o, const char *line, const char *op, size_t op_n, const char *value)
{
	char word[16];
	char *end;
	uint64_t major = strtoull(line, &end, 10), minor = strtoull(*end ? end + 1 : end, NULL, 10);
	uint64_t v = strtoull(value, NULL, 10);

	jout_open(o, NULL, '{');
	if (major)
		jout_u64(o, "major", major);
	if (minor)
		jout_u64(o, "minor", minor);
	snprintf(word, sizeof word, "%.*s", (int)op_n, op);
	if (op_n)
		jout_str(o, "op", word);
	if (v)
		jout_u64(o, "value", v);
	jout_close(o, '}');
}

/* "8:0 Read 4096" or "8:0 77"; a last line without a device is the sum. */
static void put_io_v1(struct jout *o, const char *text)
{
	for (; *text; text = next_line(text)) {
		size_t n = strcspn(text, " \n");
		const char *op = text + n + 1;
		size_t op_n;

		if (!memchr(text, ':', n) || text[n] != ' ')
			continue;
		op_n = *op >= '0' && *op <= '9' ? 0 : strcspn(op, " \n");
		put_device(o, text, op, op_n, op + op_n + (op_n && op[op_n] == ' '));
	}
}

static void put_io_v2(struct jout *o, const char *text, const struct io_name *n)
{
	for (; *text; text = next_line(text)) {
		const char *end = strchrnul(text, '\n'), *r = strstr(text, n->v2_read), *w = strstr(text, n->v2_write);

		if (r && r < end)
			put_device(o, text, "Read", 4, r + strlen(n->v2_read));
		if (w && w < end)
			put_device(o, text, "Write", 5, w + strlen(n->v2_write));
	}
}

static void put_io(struct jout *o, struct cg_reader *r)
{
	for (const struct io_name *n = io_names; n < io_names + COUNT(io_names); n++) {
		const char *text = NULL;

		for (size_t i = 0; i < COUNT(n->v1) && (!text || !strchr(text, ':')); i++)
			text = cg_read(r, CTL_IO, n->v1[i], n->v2_read ? "io.stat" : NULL);
		if (!text || !strchr(text, ':'))
			continue;
		/* A device that nothing was done with has a line without numbers. */
		if (cg_host()->h[r->hier].v2 && !strstr(text, n->v2_read))
			continue;
		jout_open(o, n->name, '[');
		if (cg_host()->h[r->hier].v2)
			put_io_v2(o, text, n);
		else
			put_io_v1(o, text);
		jout_close(o, ']');
	}
}

/* ---- huge pages ---- */

static void put_pages_of(struct jout *o, struct cg_reader *r, const char *size)
{
	char use[64], v2use[64], max[64], fail[64], events[64];
	struct item t = { NUM_SET, "usage", CTL_HUGETLB, { use, "", 1 }, { v2use, "", 1 } };

	snprintf(use, sizeof use, "hugetlb.%s.usage_in_bytes", size);
	snprintf(v2use, sizeof v2use, "hugetlb.%s.current", size);
	snprintf(max, sizeof max, "hugetlb.%s.max_usage_in_bytes", size);
	snprintf(fail, sizeof fail, "hugetlb.%s.failcnt", size);
	snprintf(events, sizeof events, "hugetlb.%s.events", size);
	if (!cg_read(r, t.ctl, use, v2use))
		return;
	jout_open(o, size, '{');
	put_number(o, r, &t);
	put_number(o, r, &(struct item){ NUM_SET, "max", CTL_HUGETLB, { max, "", 1 } });
	put_number(o, r, &(struct item){ NUM, "failcnt", CTL_HUGETLB, { fail, "", 1 }, { events, "max", 1 } });
	jout_close(o, '}');
	r->file = NULL;		/* its name was ours */
}

static void put_pages(struct jout *o, struct cg_reader *r)
{
	DIR *d = opendir("/sys/kernel/mm/hugepages");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		unsigned long kb;
		char size[32];

		if (sscanf(e->d_name, "hugepages-%lukB", &kb) != 1)
			continue;
		if (kb >= 1 << 20)
			snprintf(size, sizeof size, "%luGB", kb >> 20);
		else
			snprintf(size, sizeof size, "%lu%s", kb >= 1024 ? kb >> 10 : kb, kb >= 1024 ? "MB" : "KB");
		put_pages_of(o, r, size);
	}
	if (d)
		closedir(d);
}

static void put(struct jout *o, struct cg_reader *r, const struct item *t)
{
	const char *text = NULL;

	if (t->op == SET || t->op == SERIES || t->op == COLUMN || t->op == EACH || t->op == SIGNED)
		text = cg_read(r, t->ctl, t->v1.file, t->v2.file);
	switch (t->op) {
	case OPEN: jout_open(o, t->name, '{'); break;
	case CLOSE: jout_close(o, '}'); break;
	case NUM: case NUM_SET: put_number(o, r, t); break;
	case SIGNED: jout_i64(o, t->name, text ? strtoll(text, NULL, 10) : 0); break;
	case SET: put_set(o, t->name, text); break;
	case SERIES: put_series(o, t->name, text); break;
	case COLUMN: put_column(o, t->name, text, t->v1.scale); break;
	case EACH: put_each(o, t->name, text); break;
	case PSI: put_pressure(o, t->name, cg_read_at(r, cg_v2_hier(), t->v2.file)); break;
	case IO: put_io(o, r); break;
	case PAGES: put_pages(o, r); break;
	}
}

void cg_counters(const struct cg *cg, struct jout *o)
{
	struct cg_reader r = CG_READER(cg);

	for (const struct item *t = items; t < items + COUNT(items); t++)
		put(o, &r, t);
}
