/* How a process gets into the group: see cgroup.h for why the child does it itself. */
#include "cgroups/internal.h"
#include "base/fault.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* runc's words, which others look for. The process is not there yet, or is the one that says it. */
#define ADDING "error adding pid of the new process to cgroups: "

static int not_open(const char *path, const char *sub)
{
	int r = fail_errno(ADDING "open %s", path);

	if (r == -ENOENT && sub)
		err_try("make the group %s first, or leave --cgroup out", sub);
	return fail_class(r, r == -ENOENT ? ERR_NOT_FOUND : ERR_OTHER);
}

/* The controllers before the colon of a word; 0 when there are none: it is for every hierarchy. */
static size_t controllers_of(const char *word)
{
	const char *colon = strchr(word, ':');

	return colon ? (size_t)(colon - word) : 0;
}

/* "cpu,cpuacct" against a hierarchy's "cpu,cpuacct" or "name=systemd" or "unified". */
static bool names_hier(const char *word, size_t n, const struct cg_hier *h)
{
	for (size_t at = 0, len; at < n; at += len + 1) {
		len = strcspn(word + at, ",:");
		if (cg_word_in(h->name, word + at, len, ',') ||
		    (str_starts(h->name, "name=") && strlen(h->name + 5) == len &&
		     strncmp(h->name + 5, word + at, len) == 0))
			return true;
	}
	return false;
}

struct sub { const char *path; bool exact; };	/* exact: it must be in this hierarchy */

static struct sub sub_for(const struct strv *words, const struct cg_hier *h)
{
	for (size_t i = 0; words && i < words->n; i++) {
		const char *word = words->v[i];
		size_t n = controllers_of(word);

		if (n == 0 || names_hier(word, n, h))
			return (struct sub){ word + n + (n > 0), n > 0 };
	}
	return (struct sub){ NULL };
}

static int bad_word(const char *word, const char *why)
{
	return fail_as(ERR_USAGE, "invalid --cgroup argument: %s%s", word, why);
}

/* What runc takes: one path, or CONTROLLER[,...]:PATH for hierarchies of which each is named once. */
static int check_words(const struct cg *cg, const struct strv *words)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *word = words->v[i], *path = word + controllers_of(word);
		uint32_t mask = 0, before = 0;

		if (*path == ':')
			path++;
		if (strchr(path, ':') || *word == ':')
			return bad_word(word, "");
		if (path == word && words->n > 1)
			return bad_word(word, " (missing <controller>: prefix)");
		path += *path == '/';
		if (*path)
			TRY_IN(cg_check_path(path), "bad sub cgroup path: %s is not a sub cgroup path", path);
		EACH_HIER(k, cg->hiers) {
			const struct cg_hier *h = &cg_host()->h[k];

			mask |= names_hier(word, controllers_of(word), h) ? BIT(k) : 0;
			for (size_t j = 0; j < i; j++)
				before |= names_hier(words->v[j], controllers_of(words->v[j]), h) ? BIT(k) : 0;
		}
		if (path != word && controllers_of(word) && !mask)
			return bad_word(word, ": unknown controller or none of the container's");
		if (mask & before)
			return bad_word(word, ": a controller is specified multiple times");
	}
	return 0;
}

/* 1: what was asked for is not there, the container's own group was taken. */
static int open_one(const struct cg *cg, size_t i, const struct sub *s, struct cg_join *j)
{
	const struct cg_hier *h = &cg_host()->h[i];
	const char *sub = s->path ? s->path + (*s->path == '/') : NULL;
	char path[CG_FULL], below[CG_PATH_MAX + 8];
	bool instead = false;
	int fd;

	if (sub && !*sub)
		sub = NULL;
	if (sub)
		snprintf(below, sizeof below, "%s%s", sub, h->v2 ? "" : "/tasks");
	cg_file(cg, i, sub ? below : h->v2 ? NULL : "tasks", path);
	fd = open(path, (h->v2 ? O_PATH | O_DIRECTORY : O_WRONLY) | O_CLOEXEC);
	/* A group below need not exist in every hierarchy: guests make theirs where they may. */
	if (fd < 0 && errno == ENOENT && sub && !s->exact) {
		fd = open(cg_file(cg, i, h->v2 ? NULL : "tasks", path),
			  (h->v2 ? O_PATH | O_DIRECTORY : O_WRONLY) | O_CLOEXEC);
		instead = true;
	}
	if (fd < 0)
		return not_open(path, sub);
	if (h->v2) {
		j->v2_dir = fd;
	} else {
		j->hier[j->n] = (uint8_t)i;
		j->tasks[j->n++] = fd;
	}
	TRY(fault_point("cgroup join descriptor"));
	return instead;
}

/*
 * Out of our hands: the way leads through groups of others, or the anchor takes the one place that there
 * is.
 */
static bool must_be_moved(const struct cg *cg)
{
	char path[CG_FULL], max[16];
	int i = cg_ctl_hier(CTL_PIDS);

	if (!cg->unit[0])
		return false;
	/* Only a clone into the group is counted; who is moved there, as on v1, may exceed the limit. */
	return cg_rootless() || (cg->anchor > 0 && i >= 0 && (cg->hiers & BIT(i)) && cg_host()->h[i].v2 &&
				 file_peek(AT_FDCWD, cg_file(cg, (size_t)i, "pids.max", path), max, sizeof max) > 0 &&
				 str_eq(max, "1"));
}

/* Length of the path of the deepest group that has both below it. */
static size_t common_part(const char *a, const char *b, size_t b_len)
{
	size_t last = 0, i = 0;

	for (; i < b_len && a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			last = i;
	if ((!a[i] || a[i] == '/') && (i == b_len || b[i] == '/'))
		last = i;
	return last;
}

bool cg_join_denied(const struct cg *cg, char *which, size_t size)
{
	int tree = cg_v2_hier();
	const struct cg_hier *h;
	const char *path;
	size_t len;

	if (!cg_rootless() || cg->unit[0] || tree < 0 || !(cg->hiers & BIT(tree)))
		return false;
	h = &cg_host()->h[tree];
	path = cg_path_in(cg->path, h->name, &len);
	snprintf(which, size, "%s%.*s/cgroup.procs", h->mount, (int)common_part(h->own, path, len), path);
	return eaccess(which, W_OK) < 0 && (errno == EACCES || errno == EPERM);
}

static int open_all(const struct cg *cg, const struct strv *words, struct cg_join *j)
{
	size_t found = 0, missing = 0;

	EACH_HIER(i, cg->hiers) {
		struct sub s = sub_for(words, &cg_host()->h[i]);
		int r = open_one(cg, i, &s, j);

		TRY(r);
		missing += r == 1;
		found += r == 0 && s.path;
	}
	return missing && !found
		? fail_as(ERR_NOT_FOUND, ADDING "no such file or directory: the container has no group %s below its "
			  "own", words->v[0])
		: 0;
}

int cg_join_open(const struct cg *cg, const struct strv *sub, struct cg_join *j)
{
	int tree = cg_v2_hier(), r;

	*j = (struct cg_join)CG_JOIN_NONE;
	j->cg = cg;
	TRY(cg_found(cg));
	if (sub)
		TRY(check_words(cg, sub));
	if (must_be_moved(cg)) {
		j->by_systemd = cg;
		j->sub = tree < 0 ? NULL : sub_for(sub, &cg_host()->h[tree]).path;
		if (j->sub && *j->sub == '/')
			j->sub++;
		if (j->sub && !*j->sub)
			j->sub = NULL;
		return 0;
	}
	r = open_all(cg, sub, j);
	if (r < 0) {
		cg_join_close(j);
		j->cg = NULL;
	}
	return r;
}

int cg_join_busy(const struct cg_join *j)
{
	char path[CG_FULL] = "cgroup.procs";
	int tree = cg_v2_hier(), r;

	if (j->cg && tree >= 0)
		cg_file(j->cg, (size_t)tree, "cgroup.procs", path);
	r = fail(EBUSY, ADDING "write %s: device or resource busy", path);
	err_why("the cgroup has controllers enabled for groups below it");
	return r;
}

static int join_failed(const char *hier)
{
	int r = fail_errno(ADDING "write to tasks of the %s hierarchy", hier);

	if (r == -ENOSPC)
		err_why("the group has no CPUs or no memory nodes: cpuset.cpus and cpuset.mems");
	if (r == -EINVAL)
		err_why("a real-time process, and the group has no cpu.rt_runtime_us");
	return r;
}

int cg_join_self(struct cg_join *j)
{
	int r = 0;

	if (undefended("cgroup"))
		cg_join_close(j);
	/* "0" is the writer: no pid is looked up and no grace period waited for. */
	for (size_t i = 0; i < j->n && r == 0; i++)
		if (TEMP_FAILURE_RETRY(write(j->tasks[i], "0", 1)) != 1)
			r = join_failed(cg_host()->h[j->hier[i]].name);
	cg_join_close(j);
	return r;
}

void cg_join_close(struct cg_join *j)
{
	if (j->v2_dir >= 0)
		close(j->v2_dir);
	j->v2_dir = -1;
	while (j->n)
		close(j->tasks[--j->n]);
}

/* Where a process is, of what /proc/PID/cgroup says; NULL: the hierarchy is not listed. */
static const char *path_in(const char *text, const struct cg_hier *h, size_t *len)
{
	const char *name = h->v2 ? "" : h->name;
	size_t n = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		const char *at = strchr(line, ':');

		if (at && strncmp(at + 1, name, n) == 0 && at[n + 1] == ':') {
			*len = strcspn(at + n + 2, "\n");
			return at + n + 2;
		}
	}
	return NULL;
}

/* The group's path is below what is mounted, which may be a part of the hierarchy; one below the group is as good. */
static bool lies_in(const char *path, size_t n, const char *group, size_t len)
{
	for (size_t at = 0; at + len <= n; at++)
		if (memcmp(path + at, group, len) == 0 && (at + len == n || path[at + len] == '/'))
			return true;
	return false;
}

int cg_verify(const struct cg_join *j, int procfd)
{
	char text[8192];
	ssize_t n;

	if (!j->cg)
		return 0;
	n = file_peek(procfd, "self/cgroup", text, sizeof text);
	if (n < 0)
		return fail((int)-n, "confinement: read /proc/self/cgroup: %s", strerrordesc_np((int)-n));
	EACH_HIER(i, j->cg->hiers) {
		const struct cg_hier *h = &cg_host()->h[i];
		size_t len, is_len = 0;
		const char *group = cg_path_in(j->cg->path, h->name, &len), *is = path_in(text, h, &is_len);

		if (!is || !lies_in(is, is_len, group, len))
			return fail(EPERM, "confinement: the process is in group %.*s of the %s hierarchy, not in %.*s",
				    (int)is_len, is ? is : "", h->name, (int)len, group);
	}
	return 0;
}
