#include "runtime/container/state.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define PROCESS "process "

/* One write(2) a line, to a file opened with O_APPEND; where the disk takes a part only, the next says why. */
static int line(int fd, const char *text)
{
	return file_write_all(fd, text, strlen(text)) < 0 ? fail_errno("write the journal") : 0;
}

static int open_at(int dir_fd, int flags)
{
	int fd = openat(dir_fd, "journal", flags | O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? fail_errno("open the journal") : fd;
}

int journal_begin(int dir_fd)
{
	return open_at(dir_fd, O_EXCL);
}

int journal_reopen(int dir_fd)
{
	auto_free char *text = NULL;
	auto_close int fd = open_at(dir_fd, 0);
	const char *last;
	size_t n, whole;

	TRY(fd);
	TRY(file_read(dir_fd, "journal", &text, &n));
	/* No line that we wrote has a NUL, and whoever reads ends there. */
	last = memrchr(text, '\n', strlen(text));
	whole = last ? (size_t)(last + 1 - text) : 0;
	if (whole < n && ftruncate(fd, (off_t)whole) < 0)
		return fail_errno("cut the journal");
	return take_fd(&fd);
}

int journal_step(int fd, size_t i)
{
	char text[32];

	snprintf(text, sizeof text, "step %zu\n", i);
	return line(fd, text);
}

int journal_pid(int fd, pid_t pid, uint64_t start_time)
{
	char text[64];

	snprintf(text, sizeof text, "pid %d %ju\n", (int)pid, (uintmax_t)start_time);
	return line(fd, text);
}

int journal_cgroup(int fd, const char *path)
{
	char text[CG_PATH_MAX + 16];

	snprintf(text, sizeof text, "cgroup %s\n", path);
	return line(fd, text);
}

int journal_unit(int fd, const char *unit)
{
	char text[CG_UNIT_MAX + 16];

	snprintf(text, sizeof text, "unit %s\n", unit);
	return line(fd, text);
}

/* A stored path has a line for each hierarchy that differs; a journal's record is one line. */
static void swap_char(char *s, char from, char to)
{
	for (; (s = strchr(s, from)); s++)
		*s = to;
}

int journal_cgroup_made(int fd, const struct cg *cg)
{
	char text[CG_PATH_MAX + 2 * CG_NAMES_MAX + 16], path[CG_PATH_MAX], hiers[CG_NAMES_MAX], made[CG_NAMES_MAX];

	memcpy(path, cg->path, sizeof path);
	swap_char(path, '\n', '\v');
	cg_names(cg->hiers, hiers);
	cg_names(cg->made, made);
	snprintf(text, sizeof text, "made %s %s %s\n", hiers, made, path);
	return line(fd, text);
}

int journal_rdt(int fd, const struct rdt *r)
{
	char text[2 * RDT_NAME_MAX + 32];

	snprintf(text, sizeof text, "resctrl %d /%s /%s\n", r->own, r->group, r->monitor);
	return line(fd, text);
}

static void read_rdt(const char *l, struct rdt *r)
{
	struct rdt got = { 0 };
	int own;

	_Static_assert(RDT_NAME_MAX == 255, "the widths below");
	if (sscanf(l, "resctrl %d /%255[^ /] /%255[^ /]", &own, got.group, got.monitor) < 2 &&
	    sscanf(l, "resctrl %d / /%255[^ /]", &own, got.monitor) < 2)
		return;
	if (got.group[0] == '.' || got.monitor[0] == '.')
		return;
	got.own = own == 1 && *got.group;
	*r = got;
}

int journal_network(int fd, const char *owner, const char *home)
{
	char text[NET_OWNER_MAX + PATH_MAX + 16];

	if (strchr(home, '\n'))
		return fail(EINVAL, "VZRUN_HOME: has a newline in it");
	snprintf(text, sizeof text, "network %s %s\n", owner, home);
	return line(fd, text);
}

static void read_network(const char *l, struct journal *j)
{
	int at = 0;

	_Static_assert(NET_OWNER_MAX == 104, "the width below");
	if (sscanf(l, "network %103s %n", j->net_owner, &at) != 1 || l[at] != '/')
		j->net_owner[0] = '\0';
	else
		snprintf(j->net_home, sizeof j->net_home, "%s", l + at);
}

int journal_process(int fd, const struct spec_process *p)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	buf_puts(&b, PROCESS);
	bind_encode(&o, NULL, &spec_process_record, p);
	buf_puts(&b, "\n");
	if (b.oom)
		return fail(ENOMEM, "write the journal: out of memory");
	/* `delete` has to read the whole journal, at most FILE_READ_MAX; a MiB is left for the other lines. */
	if (b.n > FILE_READ_MAX - (1 << 20))
		return fail(E2BIG, "config.json: process: too large, it takes %zu bytes", b.n);
	return line(fd, buf_text(&b));
}

int journal_load_process(int dir_fd, struct arena *a, struct json **tree, struct spec_process *out)
{
	auto_free char *text = NULL;
	char *at, *end;

	TRY(file_read(dir_fd, "journal", &text, NULL));
	/* The only line that holds what others wrote, and no newline stands in JSON that we write. */
	at = strstr(text, "\n" PROCESS);
	end = at ? strchr(at + 1, '\n') : NULL;
	if (!end)
		return fail(EINVAL, "the journal has no process");
	at += sizeof PROCESS;
	*end = '\0';
	TRY(json_parse("journal", at, (size_t)(end - at), tree));
	return bind_decode(a, &spec_process_record, *tree, out);
}

/* If this host has none of the named hierarchies the group counts as not made yet: its path is looked for instead. */
static void read_made(const char *l, struct journal *j)
{
	char hiers[CG_NAMES_MAX], made[CG_NAMES_MAX];
	int at = 0;

	_Static_assert(CG_NAMES_MAX == 1024, "the widths below");
	if (sscanf(l, "made %1023s %1023s %n", hiers, made, &at) != 2 || l[at] != '/')
		return;
	j->hiers = cg_named(hiers);
	j->made = cg_named(made) & j->hiers;
	j->cgroup_made = j->hiers != 0;
	snprintf(j->cgroup, sizeof j->cgroup, "%s", l + at);
	swap_char(j->cgroup, '\v', '\n');
}

static void read_line(const char *l, struct journal *j)
{
	unsigned step;
	unsigned long long start;
	int pid;

	if (sscanf(l, "step %u", &step) == 1 && step < 64)
		j->steps |= UINT64_C(1) << step;
	else if (sscanf(l, "pid %d %llu", &pid, &start) == 2)
		j->pid = pid, j->start_time = start;
	else if (str_starts(l, "made "))
		read_made(l, j);
	else if (str_starts(l, "unit "))
		snprintf(j->unit, sizeof j->unit, "%s", l + 5);
	else if (str_starts(l, "resctrl "))
		read_rdt(l, &j->rdt);
	else if (str_starts(l, "network "))
		read_network(l, j);
	else if (str_starts(l, "cgroup /"))
		snprintf(j->cgroup, sizeof j->cgroup, "%s", l + 7);
}

int journal_read(int dir_fd, struct journal *out)
{
	auto_free char *text = NULL;
	char *save = NULL;
	int r = file_read(dir_fd, "journal", &text, NULL);

	*out = (struct journal){ 0 };
	if (r == -ENOENT)
		return 0;
	TRY(r);
	/* A cut last line is ignored: the write was killed, and what a line announces is done after the write only. */
	char *end = strrchr(text, '\n');
	if (end)
		end[1] = '\0';
	else
		text[0] = '\0';
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		read_line(l, out);
	return 0;
}

void journal_group(const struct journal *j, const struct state *s, struct cg *cg)
{
	memcpy(cg->path, j->cgroup, sizeof cg->path);
	cg->hiers = j->hiers;
	cg->made = j->made;
	if (s->cgroup.path && !str_eq(s->cgroup.path, j->cgroup))
		log_warn("state of %s: its records name two cgroups; %s is taken", s->id, j->cgroup);
}
