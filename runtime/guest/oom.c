#include "runtime/guest/keeper.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* From its end: what the kernel says from now on. Without the right to read it victims have no names. */
int oom_open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		(void)lseek(fd, 0, SEEK_END);
	return fd;
}

/* "oom-kill:constraint=...,task_memcg=/vzrun-web/x,task=stress,pid=123,uid=0": ours when it is our group. */
static bool is_ours(const struct keeper *k, const char *line)
{
	char want[CG_PATH_MAX + 16];
	const char *at = strstr(line, "task_memcg=");
	size_t n;

	snprintf(want, sizeof want, "%.*s", (int)strcspn(k->cg.path, "\n"), k->cg.path);
	n = strlen(want);
	if (!at || !str_starts(line + strcspn(line, ";") + 1, "oom-kill:"))
		return false;
	at += 11;
	/* The kernel's path is the hierarchy's own: ours is its end when we are not at the root. */
	for (const char *p = at; (p = strstr(p, want)); p++)
		if (p < at + strcspn(at, ",") && (p[n] == '/' || p[n] == ','))
			return true;
	return false;
}

static void name_victim(struct keeper *k, const char *line)
{
	const char *task = strstr(line, ",task="), *pid;

	if (!task)
		return;
	task += 6;
	pid = strstr(task, ",pid=");
	if (!pid)
		return;
	snprintf(k->victim, sizeof k->victim, "%.*s", (int)(pid - task), task);
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
		if (is_ours(k, line))
			name_victim(k, line);
	}
}

/*
 * The event comes before the kill, the kernel's line with the victim's name before the counter. So what the
 * counter has and the log has not will have no name: a line was overwritten, or we may not read them.
 */
void oom_look(struct keeper *k, bool last)
{
	struct cg_stats s;
	uint64_t fired, before = k->oom_named;
	char text[256];

	/* v2: the file is read from its start to arm it again; v1: the counter of an eventfd. */
	if (k->oom >= 0 && pread(k->oom, text, sizeof text, 0) < 0)
		(void)!read(k->oom, &fired, sizeof fired);
	if (cg_stats(&k->cg, &s) < 0)
		err_clear();
	else
		k->oom_kills = s.oom_kills;
	read_log(k);
	k->oom_pending = !last && k->oom_named == before;
	for (; k->oom_named < k->oom_kills; k->oom_named++)
		(void)event_add(k->g->dir_fd, &(struct guest_event){
			.event = "oom-kill", .detail = "out of memory: the guest's limit was reached" });
}
