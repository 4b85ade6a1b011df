#include "runtime/guest/keeper.h"
#include "base/file.h"
#include "base/scope.h"
#include "runtime/guest/events.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Whether group names in the kernel's log are those seen here: in a cgroup namespace, as when the host is itself a
 * container, paths are relative to a root that is not known.
 */
static bool names_whole(const char *group, pid_t pid)
{
	char path[32], text[4096], want[CG_PATH_MAX + 2];
	ssize_t n = readlink("/proc/self/ns/cgroup", text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	/* The first one's number is fixed in the kernel. */
	if (!str_eq(text, "cgroup:[4026531835]"))
		return false;
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	snprintf(want, sizeof want, ":%s", group);
	return file_peek(AT_FDCWD, path, text, sizeof text) > 0 && strstr(text, want);
}

/* From its end: what the kernel says from now on. Without the right to read it victims have no names. */
int oom_open_log(struct keeper *k)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		(void)lseek(fd, 0, SEEK_END);
	snprintf(k->oom_group, sizeof k->oom_group, "%.*s", (int)strcspn(k->cg.path, "\n"), k->cg.path);
	k->oom_whole = names_whole(k->oom_group, k->pid);
	return fd;
}

/* The path at p is the group's, or below it. */
static bool is_in(const char *p, const char *group, bool whole)
{
	size_t n = strlen(group), len = strcspn(p, ",");

	if (whole)
		return strncmp(p, group, n) == 0 && (p[n] == '/' || p[n] == ',');
	for (const char *at = p; (at = strstr(at, group)) && at < p + len; at++)
		if (at[n] == '/' || at[n] == ',')
			return true;
	return false;
}

#define TASK ",task_memcg="

/* Behind the path at p, when that is one above the group. */
static const char *behind_ancestor(const char *p, const char *group, bool whole)
{
	if (!whole)
		return strstr(p, TASK);
	for (size_t n = 1; n < strlen(group); n++)
		if ((n == 1 || group[n] == '/') && strncmp(p, group, n) == 0 && str_starts(p + n, TASK))
			return p + n;
	return NULL;
}

/*
 * "oom-kill:constraint=...,cpuset=C,...,oom_memcg=/vzrun-web,task_memcg=/vzrun-web/x,task=stress,pid=1,uid=0",
 * or "global_oom" for the first path. A guest gives groups below its own any names, with commas, and with what looks
 * like another's path: each path is taken only where nobody but the host can have written what is before it. C is one
 * name, without a slash.
 */
bool oom_is_ours(const char *group, bool whole, const char *line)
{
	static const char global[] = ",global_oom" TASK "/", limit[] = ",oom_memcg=/";
	const char *text = line + strcspn(line, ";"), *any, *own;

	if (!str_starts(text, ";oom-kill:"))
		return false;
	any = strstr(text, global);
	own = strstr(text, limit);
	if (any && (!own || any < own))
		return is_in(any + sizeof global - 2, group, whole);
	if (!own)
		return false;
	own += sizeof limit - 2;
	if (is_in(own, group, whole))
		return true;
	own = behind_ancestor(own, group, whole);
	return own && is_in(own + sizeof TASK - 1, group, whole);
}

static char *last(char *text, const char *what)
{
	char *found = NULL;

	for (char *p = text; (p = strstr(p, what)); p++)
		found = p;
	return found;
}

/* The end is the kernel's, whatever the task and its group are called. */
static void name_victim(struct keeper *k, char *line)
{
	char *pid, *task;

	line[strcspn(line, "\n")] = '\0';
	pid = last(line, ",pid=");
	if (!pid)
		return;
	*pid = '\0';
	task = last(line, ",task=");
	if (!task)
		return;
	snprintf(k->victim, sizeof k->victim, "%s", task + 6);
	k->victim_pid = atoi(pid + 5);
	k->oom_named++;
	(void)event_add(k->g->dir_fd, &(struct guest_event){
		.event = "oom-kill", .victim = k->victim, .pid = { k->victim_pid, true },
		.detail = "out of memory: the guest's limit was reached" });
}

static void read_log(struct keeper *k)
{
	char line[2048];
	ssize_t n;

	/* EPIPE: records were overwritten before we read them; the next read goes on after the gap. */
	while (k->kmsg >= 0 && ((n = read(k->kmsg, line, sizeof line - 1)) > 0 || (n < 0 && errno == EPIPE))) {
		if (n < 0)
			continue;
		line[n] = '\0';
		if (oom_is_ours(k->oom_group, k->oom_whole, line))
			name_victim(k, line);
	}
}

/*
 * The event comes before the kill, the kernel's line with the victim's name before the counter. So what the
 * counter has and the log has not will have no name: a line was overwritten, or we may not read them.
 */
void oom_look(struct keeper *k, bool last)
{
	uint64_t fired, before = k->oom_named;
	char text[256];

	/* v2: the file is read from its start to arm it again; v1: the counter of an eventfd. */
	if (k->oom >= 0 && pread(k->oom, text, sizeof text, 0) < 0)
		(void)!read(k->oom, &fired, sizeof fired);
	k->oom_kills = cg_oom_kills(&k->cg);
	read_log(k);
	k->oom_pending = !last && k->oom_named == before;
	for (; k->oom_named < k->oom_kills; k->oom_named++)
		(void)event_add(k->g->dir_fd, &(struct guest_event){
			.event = "oom-kill", .detail = "out of memory: the guest's limit was reached" });
}
