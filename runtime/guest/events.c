#include "runtime/guest/guest.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 256 << 10 };

static const struct field event_fields[] = {
	FR(struct guest_event, "time",   K_STR, time),
	FR(struct guest_event, "event",  K_STR, event),
	F(struct guest_event,  "detail", K_STR, detail),
	F(struct guest_event,  "victim", K_STR, victim),
	F(struct guest_event,  "code",   K_I64, code),
	F(struct guest_event,  "signal", K_I64, signal),
	F(struct guest_event,  "pid",    K_I64, pid),
	{ 0 }
};
const struct record guest_event_record = RECORD("event", struct guest_event, event_fields);

/* The older half goes to events.1, which is replaced: the journal never fills the disk. */
static void rotate(int dir_fd, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size > EVENTS_MAX)
		(void)renameat(dir_fd, "events", dir_fd, "events.1");
}

int event_add(int dir_fd, const struct guest_event *e)
{
	struct guest_event with = *e;
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	char stamp[32];
	time_t t = time(NULL);
	struct tm tm;

	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	with.time = stamp;
	bind_encode(&o, NULL, &guest_event_record, &with);
	buf_puts(&b, "\n");
	auto_close int fd = openat(dir_fd, "events", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || b.oom || write(fd, b.p, b.n) != (ssize_t)b.n)
		return fail_errno("write the guest's events");
	rotate(dir_fd, fd);
	return 0;
}

struct history { struct guest_event e[64]; size_t n; struct arena a; yajl_val tree[64]; };

static void remember(struct history *h, char *line)
{
	struct guest_event e;
	yajl_val tree = NULL;

	if (json_parse("events", line, strlen(line), &tree) < 0 ||
	    bind_decode(&h->a, &guest_event_record, tree, &e) < 0) {
		json_free(&tree);
		err_clear();
		return;
	}
	if (h->n == COUNT(h->e)) {
		json_free(&h->tree[0]);
		memmove(h->e, h->e + 1, sizeof h->e - sizeof h->e[0]);
		memmove(h->tree, h->tree + 1, sizeof h->tree - sizeof h->tree[0]);
		h->n--;
	}
	h->e[h->n] = e;
	h->tree[h->n++] = tree;
}

static int read_history(int dir_fd, struct history *h)
{
	auto_free char *text = NULL;
	char *save = NULL;
	int r = file_read(dir_fd, "events", &text, NULL);

	if (r == -ENOENT) {
		err_clear();
		return 0;
	}
	TRY(r);
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		remember(h, l);
	return 0;
}

static const struct guest_event *last(const struct history *h, const char *event)
{
	for (size_t i = h->n; i-- > 0;)
		if (str_eq(h->e[i].event, event))
			return &h->e[i];
	return NULL;
}

static void tell(struct buf *out, const struct guest_event *e)
{
	buf_printf(out, "  %s  %s", e->time, e->event);
	if (e->detail)
		buf_printf(out, ": %s", e->detail);
	if (e->victim)
		buf_printf(out, " (%s)", e->victim);
	buf_puts(out, "\n");
}

static const char *end_in_words(const struct guest_event *end, const struct guest_event *oom)
{
	if (!end)
		return "it was never started";
	if (oom && end->detail && strstr(end->detail, "out of memory"))
		return end->detail;
	return end->detail ? end->detail : "it ended";
}

int guest_why(const struct guest_where *at, const char *name, struct buf *out, struct jout *json)
{
	static struct history h;
	auto_guest struct guest g;
	pid_t pid = 0;
	enum guest_status s;
	const struct guest_event *end;

	TRY(guest_open(at, name, false, &g));
	TRY(read_history(g.dir_fd, &h));
	s = guest_status(at, name, &pid);
	end = last(&h, "ended");
	if (s == GUEST_STOPPED)
		buf_printf(out, "%s is stopped: %s\n", name, end_in_words(end, last(&h, "oom-kill")));
	else
		buf_printf(out, "%s is %s, pid %d\n", name, guest_status_name(s), (int)pid);
	for (size_t i = h.n > 8 ? h.n - 8 : 0; i < h.n; i++)
		tell(out, &h.e[i]);
	if (json) {
		jout_str(json, "name", name);
		jout_str(json, "status", guest_status_name(s));
		jout_str(json, "why", s == GUEST_STOPPED ? end_in_words(end, last(&h, "oom-kill")) : "it is running");
		jout_open(json, "events", '[');
		for (size_t i = 0; i < h.n; i++)
			bind_encode(json, NULL, &guest_event_record, &h.e[i]);
		jout_close(json, ']');
	}
	for (size_t i = 0; i < h.n; i++)
		json_free(&h.tree[i]);
	arena_free(&h.a);
	h = (struct history){ 0 };
	return 0;
}
