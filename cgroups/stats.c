/* Counters: one row per number, with where v1 and v2 keep it. */
#include "cgroups/internal.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>

struct row { enum ctl ctl; size_t offset; struct cg_place v1, v2; };

#define S(m) offsetof(struct cg_stats, m)
#define BLKIO_BYTES "blkio.throttle.io_service_bytes_recursive"

/* Rows of one file stand together: it is read once. */
static const struct row rows[] = {
	{ CTL_CPUACCT, S(cpu_total_ns), { "cpuacct.usage", "", 1 }, { "cpu.stat", "usage_usec", 1000 } },
	{ CTL_CPUACCT, S(cpu_user_ns), { "cpuacct.usage_user", "", 1 }, { "cpu.stat", "user_usec", 1000 } },
	{ CTL_CPUACCT, S(cpu_kernel_ns),
	  { "cpuacct.usage_sys", "", 1 }, { "cpu.stat", "system_usec", 1000 } },
	{ CTL_CPU, S(cpu_periods), { "cpu.stat", "nr_periods", 1 }, { "cpu.stat", "nr_periods", 1 } },
	{ CTL_CPU, S(cpu_throttled), { "cpu.stat", "nr_throttled", 1 }, { "cpu.stat", "nr_throttled", 1 } },
	{ CTL_CPU, S(cpu_throttled_ns),
	  { "cpu.stat", "throttled_time", 1 }, { "cpu.stat", "throttled_usec", 1000 } },
	{ CTL_MEMORY, S(mem_usage), { "memory.usage_in_bytes", "", 1 }, { "memory.current", "", 1 } },
	{ CTL_MEMORY, S(mem_max_usage), { "memory.max_usage_in_bytes", "", 1 }, { "memory.peak", "", 1 } },
	{ CTL_MEMORY, S(mem_limit), { "memory.limit_in_bytes", "", 1 }, { "memory.max", "", 1 } },
	{ CTL_MEMORY, S(mem_failcnt), { "memory.failcnt", "", 1 }, { "memory.events", "max", 1 } },
	{ CTL_MEMORY, S(oom_kills),
	  { "memory.oom_control", "oom_kill", 1 }, { "memory.events", "oom_kill", 1 } },
	{ CTL_MEMORY, S(mem_cache), { "memory.stat", "total_cache", 1 }, { "memory.stat", "file", 1 } },
	{ CTL_MEMORY, S(mem_rss), { "memory.stat", "total_rss", 1 }, { "memory.stat", "anon", 1 } },
	{ CTL_MEMORY, S(swap_usage), { "memory.stat", "total_swap", 1 }, { "memory.swap.current", "", 1 } },
	{ CTL_MEMORY, S(swap_limit), { "memory.memsw.limit_in_bytes", "", 1 }, { "memory.swap.max", "", 1 } },
	{ CTL_PIDS, S(pids_current), { "pids.current", "", 1 }, { "pids.current", "", 1 } },
	{ CTL_PIDS, S(pids_limit), { "pids.max", "", 1 }, { "pids.max", "", 1 } },
	{ CTL_IO, S(io_read_bytes), { BLKIO_BYTES, "*Read ", 1 }, { "io.stat", "*rbytes=", 1 } },
	{ CTL_IO, S(io_write_bytes), { BLKIO_BYTES, "*Write ", 1 }, { "io.stat", "*wbytes=", 1 } },
};

/* No limit on v1 is the largest multiple of the page size, which is 64 KiB at most. */
static uint64_t number(const char *s)
{
	uint64_t v;

	if (strncmp(s, "max", 3) == 0)
		return UINT64_MAX;
	v = strtoull(s, NULL, 10);
	return v >= UINT64_C(0x7fffffffffff0000) ? UINT64_MAX : v;
}

static uint64_t sum_of(const char *text, const char *key)
{
	uint64_t sum = 0;

	for (const char *p = text; (p = strstr(p, key)); p += strlen(key))
		sum += strtoull(p + strlen(key), NULL, 10);
	return sum;
}

const char *cg_text_of(const char *text, const char *key)
{
	size_t n = strlen(key);

	if (!n)
		return text;
	for (const char *p = text; *p;) {
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return p + n + 1;
		p = strchrnul(p, '\n');
		p += *p == '\n';
	}
	return NULL;
}

static uint64_t value_of(const char *text, const char *key)
{
	const char *at = *key == '*' ? NULL : cg_text_of(text, key);

	return *key == '*' ? sum_of(text, key + 1) : at ? number(at) : 0;
}

/*
 * cpu.stat of v2 counts use without the controller, too: a group that is in no cpuacct hierarchy is read
 * there.
 */
static int hier_of(const struct cg *cg, enum ctl ctl)
{
	int i = cg_ctl_hier(ctl), tree = cg_v2_hier();

	if (i >= 0 && (cg->hiers & BIT(i)))
		return i;
	return ctl == CTL_CPUACCT && tree >= 0 && (cg->hiers & BIT(tree)) ? tree : -1;
}

const char *cg_read(struct cg_reader *r, enum ctl ctl, const char *v1, const char *v2)
{
	int i = hier_of(r->cg, ctl);
	const char *file = i < 0 ? NULL : cg_host()->h[i].v2 ? v2 : v1;

	return file ? cg_read_at(r, i, file) : NULL;
}

const char *cg_read_at(struct cg_reader *r, int i, const char *file)
{
	char path[CG_FULL];

	if (i < 0 || !(r->cg->hiers & BIT(i)))
		return NULL;
	if (i != r->hier || !r->file || !str_eq(r->file, file)) {
		cg_file(r->cg, (size_t)i, file, path);
		r->have = file_peek(AT_FDCWD, path, r->text, sizeof r->text) > 0;
		r->file = file;
		r->hier = i;
	}
	return r->have ? r->text : NULL;
}

static void read_row(struct cg_reader *reader, const struct row *r, struct cg_stats *out)
{
	const char *text = cg_read(reader, r->ctl, r->v1.file, r->v2.file);

	if (text) {
		const struct cg_place *p = cg_host()->h[reader->hier].v2 ? &r->v2 : &r->v1;
		uint64_t v = value_of(text, p->key);

		*(uint64_t *)((char *)out + r->offset) = v == UINT64_MAX ? v : v * p->scale;
	}
}

int cg_stats(const struct cg *cg, struct cg_stats *out)
{
	struct cg_reader reader = CG_READER(cg);

	*out = (struct cg_stats){ 0 };
	out->mem_limit = out->swap_limit = out->pids_limit = UINT64_MAX;
	for (const struct row *r = rows; r < rows + COUNT(rows); r++)
		read_row(&reader, r, out);
	return 0;
}

uint64_t cg_oom_kills(const struct cg *cg)
{
	struct cg_reader reader = CG_READER(cg);
	struct cg_stats s = { 0 };

	for (const struct row *r = rows; r < rows + COUNT(rows); r++)
		if (r->offset == S(oom_kills))
			read_row(&reader, r, &s);
	return s.oom_kills;
}

static int oom_v1(const struct cg *cg, size_t i)
{
	char path[CG_FULL], text[32];
	auto_close int control = open(cg_file(cg, i, "memory.oom_control", path), O_RDONLY | O_CLOEXEC);

	if (control < 0)
		return fail_errno("out-of-memory events: open %s", path);
	auto_close int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return fail_errno("out-of-memory events: eventfd");
	snprintf(text, sizeof text, "%d %d", event, control);
	int r = file_poke(AT_FDCWD, cg_file(cg, i, "cgroup.event_control", path), text);
	if (r < 0)
		return fail(-r, "out-of-memory events: write to %s: %s", path, strerrordesc_np(-r));
	return take_fd(&event);
}

int cg_oom_fd(const struct cg *cg)
{
	int i = cg_ctl_hier(CTL_MEMORY);
	char path[CG_FULL], text[512];

	if (i < 0 || !(cg->hiers & BIT(i)))
		return fail_as(ERR_UNSUPPORTED,
			       "out-of-memory events: the group %.*s has no memory controller",
			       (int)strcspn(cg->path, "\n"), cg->path);
	if (!cg_host()->h[i].v2)
		return oom_v1(cg, (size_t)i);
	auto_close int fd = open(cg_file(cg, (size_t)i, "memory.events", path), O_RDONLY | O_CLOEXEC);
	/* The first read arms the event. */
	if (fd < 0 || pread(fd, text, sizeof text, 0) < 0)
		return fail_errno("out-of-memory events: %s", path);
	return take_fd(&fd);
}
