#include "runtime/guest/events.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/scope.h"
#include "runtime/guest/apparmor.h"
#include "runtime/guest/keeper_wire.h"
#include "selinux/denials.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

	clock_stamp(stamp, sizeof stamp, 0);
	with.time = stamp;
	bind_encode(&o, NULL, &guest_event_record, &with);
	buf_puts(&b, "\n");
	auto_close int fd = openat(dir_fd, "events", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (b.oom)
		return fail(ENOMEM, "write the guest's events: out of memory");
	if (fd < 0 || file_write_all(fd, b.p, b.n) < 0)
		return fail_errno("write the guest's events");
	rotate(dir_fd, fd);
	return 0;
}

struct history { struct guest_event e[64]; size_t n; struct arena a; struct json *tree[64]; };

static void remember(struct history *h, char *line)
{
	struct guest_event e;
	struct json *tree = NULL;

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

static int read_file(int dir_fd, const char *name, struct history *h)
{
	auto_free char *text = NULL;
	char *save = NULL;
	int r = file_read(dir_fd, name, &text, NULL);

	if (r == -ENOENT) {
		err_clear();
		return 0;
	}
	TRY(r);
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		remember(h, l);
	return 0;
}

static int read_history(int dir_fd, struct history *h)
{
	TRY(read_file(dir_fd, "events.1", h));
	return read_file(dir_fd, "events", h);
}

static void tell(struct buf *out, const struct guest_event *e)
{
	buf_printf(out, "  %s  %s", e->time, e->event);
	if (e->detail)
		buf_printf(out, ": %s", e->detail);
	if (e->victim && str_eq(e->event, "oom-kill"))
		buf_printf(out, "; the kernel killed \"%s\"", e->victim);
	buf_puts(out, "\n");
}

/* The last of a life: what decides about the state it is in. */
static const struct guest_event *decisive(const struct history *h)
{
	static const char *const words[] = { "started", "ended", "failed" };

	for (size_t i = h->n; i-- > 0;)
		for (size_t k = 0; k < COUNT(words); k++)
			if (str_eq(h->e[i].event, words[k]))
				return &h->e[i];
	return NULL;
}

static void why_down(const struct guest_event *e, struct buf *b)
{
	if (!e)
		buf_puts(b, "it was never started");
	else if (str_eq(e->event, "failed"))
		buf_printf(b, "it could not start: %s", e->detail ? e->detail : "?");
	else if (str_eq(e->event, "started"))
		buf_printf(b, "nobody saw how it ended after its start at %s: its keeper was killed, or the host "
			   "went down", e->time);
	else
		buf_printf(b, "%s (%s)", e->detail ? e->detail : "it ended", e->time);
}

static void why_up(const struct history *h, const struct guest_event *e, bool keeper, struct buf *b)
{
	const char *victim = NULL;
	unsigned kills = 0;

	buf_puts(b, "it was started");
	if (e && str_eq(e->event, "started")) {
		buf_printf(b, " at %s", e->time);
		for (; e < h->e + h->n; e++)
			if (str_eq(e->event, "oom-kill")) {
				kills++;
				victim = e->victim ? e->victim : victim;
			}
	}
	if (kills)
		buf_printf(b, "; out of memory %u time%s since, the kernel killed \"%s\"", kills, kills > 1 ? "s" : "",
			   victim ? victim : "?");
	if (!keeper)
		buf_puts(b, "; its keeper was killed: no console, no log; stop and exec work");
}

static void free_history(struct history *h)
{
	for (size_t i = 0; i < h->n; i++)
		json_free(&h->tree[i]);
	arena_free(&h->a);
	*h = (struct history){ 0 };
}

enum { DENIALS_MAX = 8 };

static void tell_denial(struct buf *out, const struct denial *d)
{
	if (*d->operation)
		buf_printf(out, "  %s kept \"%s\" from %s%s%s%s of \"%s\"", d->by, d->program, d->operation,
			   *d->perms ? " (" : "", d->perms, *d->perms ? ")" : "", d->object);
	else
		buf_printf(out, "  %s kept \"%s\" from %s of the %s \"%s\", which is %s", d->by, d->program, d->perms,
			   d->class, d->object, d->target);
	buf_printf(out, "\n    %s\n", d->record);
}

/* The name of the profile that it has, or would have; "": none. */
static void profile_of(const struct guest_where *at, const char *name, char *out, size_t size)
{
	auto_guest struct guest g;
	char own[96];

	guest_apparmor_name(at, name, own);
	snprintf(out, size, "%s", own);
	if (guest_open(at, name, false, &g) < 0)
		err_clear();
	else if (g.conf.apparmor && !str_eq(g.conf.apparmor, "auto"))
		snprintf(out, size, "%s", str_eq(g.conf.apparmor, "none") ? "" : g.conf.apparmor);
}

/* What a guest's programs, or its keeper, fail on under a security module is often said in the host's logs only. */
static void why_denied(const struct guest_where *at, const char *name, int dir_fd, const char *since, struct buf *out,
		       struct jout *json)
{
	static struct denial d[DENIALS_MAX];
	auto_arena struct arena a = { 0 };
	const char *config = guest_path(&a, at, name, "config.json") ?: "config.json";
	char label[256], keeper[256], profile[256];
	size_t n;

	label_read(dir_fd, label, sizeof label);
	label_of_keeper(label, keeper, sizeof keeper);
	profile_of(at, name, profile, sizeof profile);
	n = denials_of(&(struct denied_to){ label, profile, since, keeper }, d, DENIALS_MAX);
	if (json)
		jout_open(json, "denials", '[');
	for (size_t i = 0; i < n; i++) {
		tell_denial(out, &d[i]);
		if (json)
			jout_str(json, NULL, d[i].record);
	}
	if (json)
		jout_close(json, ']');
	if (n && *d[n - 1].operation)
		buf_printf(out, "  try   a profile that allows it, or none: \"apparmor\": \"PROFILE\" or \"none\" in the "
			   "vzrun object of %s\n", config);
	else if (n)
		buf_printf(out, "  try   create --bind SRC:DST:z for a volume, or no label: \"selinux\": \"none\" in the "
			   "vzrun object of %s\n", config);
}

int guest_why(const struct guest_where *at, const char *name, struct buf *out, struct jout *json)
{
	static struct history h;
	auto_close int dir = guest_dir(at, name);
	auto_buf struct buf why = { 0 };
	enum guest_status s;
	pid_t pid = 0;
	int r;

	TRY(dir);
	s = guest_status(at, name, &pid);
	r = read_history(dir, &h);
	if (r < 0) {
		free_history(&h);
		return r;
	}
	if (s == GUEST_STOPPED)
		why_down(decisive(&h), &why);
	else
		why_up(&h, decisive(&h), keeper_lives(at, name), &why);
	buf_printf(out, "%s is %s: %s\n", name, guest_status_word(at, name, s), buf_text(&why));
	for (size_t i = h.n > 8 ? h.n - 8 : 0; i < h.n; i++)
		tell(out, &h.e[i]);
	if (json) {
		jout_str(json, "name", name);
		jout_str(json, "status", guest_status_word(at, name, s));
		jout_str(json, "why", buf_text(&why));
		jout_open(json, "events", '[');
		for (size_t i = 0; i < h.n; i++)
			bind_encode(json, NULL, &guest_event_record, &h.e[i]);
		jout_close(json, ']');
	}
	why_denied(at, name, dir, h.n ? h.e[0].time : "", out, json);
	free_history(&h);
	return 0;
}
