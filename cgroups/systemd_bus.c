/* The one file that includes libsystemd: vzrun-systemd's talk with a service manager. */
#include "cgroups/systemd.h"
#include "base/clock.h"
#include "base/ids.h"

#include <fcntl.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER SYSTEMD ".Manager"

/*
 * The bus and systemd's first word have two seconds. Who has said it is there, and is given more: it may be busy
 * (a reload, a machine under load), and a job waits for processes to die.
 */
enum { WORD_MS = 2000, JOB_MS = 30000, RETRIES = 5 };
#define PRIVATE "systemd/private"

/* ---- connecting ---- */

static int no_bus(int code, const char *where)
{
	int r = fail_as(code == ETIMEDOUT ? ERR_TIMEOUT : ERR_UNSUPPORTED, "no bus at %s: %s", where,
			code == ETIMEDOUT ? "no answer within 2 s" : strerrordesc_np(code));

	err_try("--cgroup-manager cgroupfs");
	return r;
}

/* The library's own limit for the first talk is 90 s; so it is waited for here. */
static int until_ready(sd_bus *b)
{
	uint64_t end = clock_ms() + WORD_MS, now;

	while (sd_bus_is_ready(b) == 0) {
		int r = sd_bus_process(b, NULL);

		if (r < 0)
			return r;
		if (r > 0)
			continue;
		now = clock_ms();
		if (now >= end)
			return -ETIMEDOUT;
		r = sd_bus_wait(b, (end - now) * 1000);
		if (r < 0 && r != -EINTR)
			return r;
	}
	return sd_bus_is_ready(b) > 0 ? 0 : -ECONNRESET;
}

/* r: what opening it gave. */
static int settle(int r, sd_bus **out)
{
	r = r < 0 ? r : until_ready(*out);
	if (r < 0)
		*out = sd_bus_close_unref(*out);
	return r;
}

/* The manager's own socket below the directory, where no message bus runs, or one that is only being started. */
static int try_private(const char *run, sd_bus **out)
{
	char address[512];
	int r;

	/* What an address would take for its own. */
	if (strpbrk(run, ",;%") || (size_t)snprintf(address, sizeof address, "unix:path=%s/" PRIVATE, run) >= sizeof address)
		return -EINVAL;
	r = sd_bus_new(out);
	r = r < 0 ? r : sd_bus_set_address(*out, address);
	return settle(r < 0 ? r : sd_bus_start(*out), out);
}

static int open_system(sd_bus **out)
{
	const char *given = getenv("DBUS_SYSTEM_BUS_ADDRESS");
	int r = settle(sd_bus_open_system(out), out);

	if (r >= 0)
		return 0;
	if (given && *given)
		return no_bus(-r, given);
	if (try_private("/run", out) >= 0)
		return 0;
	return no_bus(-r, r == -ETIMEDOUT ? "/run/dbus/system_bus_socket"
					  : "/run/dbus/system_bus_socket nor /run/" PRIVATE);
}

/* Who is root of a user namespace is somebody else on the bus. */
static unsigned host_uid(void)
{
	unsigned self = geteuid(), outside;

	return idmap_outside(AT_FDCWD, "/proc/self/uid_map", self, &outside) == 0 ? outside : self;
}

static int open_user(sd_bus **out)
{
	const char *run = getenv("XDG_RUNTIME_DIR"), *bus = getenv("DBUS_SESSION_BUS_ADDRESS");
	char dir[64], own[512], where[512];
	int r;

	if (!run || *run != '/') {
		snprintf(dir, sizeof dir, "/run/user/%u", host_uid());
		setenv("XDG_RUNTIME_DIR", dir, 1);
		run = dir;
	}
	snprintf(own, sizeof own, "%s/bus", run);
	snprintf(where, sizeof where, "%s", bus && *bus ? bus : own);
	r = settle(sd_bus_open_user(out), out);
	if (r >= 0)
		return 0;
	/* A session is told the address of the manager's own bus, too; any other is what it says. */
	if ((!bus || !*bus || unit_bus_is_among(bus, own)) && try_private(run, out) >= 0)
		return 0;
	r = no_bus(-r, where);
	err_try("a user manager (loginctl enable-linger) and dbus-user-session, or --cgroup-manager cgroupfs");
	return r;
}

int unit_bus_open(bool user, sd_bus **out)
{
	TRY(user ? open_user(out) : open_system(out));
	(void)sd_bus_set_method_call_timeout(*out, WORD_MS * UINT64_C(1000));
	return 0;
}

void unit_bus_close(sd_bus **bus)
{
	*bus = sd_bus_close_unref(*bus);
}

/* ---- calls ---- */

static int refused(sd_bus *b, int r, const char *what, const char *unit, const sd_bus_error *e)
{
	const char *says = e->message ? e->message : strerrordesc_np(-r);
	enum err_class class = ERR_OTHER;
	uint64_t us = 0;

	if (r == -ETIMEDOUT || sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY)) {
		(void)sd_bus_get_method_call_timeout(b, &us);
		return fail_as(ERR_TIMEOUT, "%s %s: systemd did not answer within %d s", what, unit, (int)(us / 1000000));
	}
	if (sd_bus_error_has_name(e, SD_BUS_ERROR_ACCESS_DENIED) ||
	    sd_bus_error_has_name(e, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
		class = ERR_PERMISSION;
	if (sd_bus_error_has_name(e, SYSTEMD ".UnitExists"))
		class = ERR_EXISTS;
	return fail_class(fail(r < 0 ? -r : EIO, "%s %s: %s", what, unit, says), class);
}

static int append_value(sd_bus_message *m, const struct prop *p)
{
	int r = 0;

	switch (p->type[0]) {
	case 'b': return sd_bus_message_append(m, "b", (int)p->u);
	case 'y': return sd_bus_message_append(m, "y", (int)p->u);
	case 'q': return sd_bus_message_append(m, "q", (int)p->u);
	case 'u': return sd_bus_message_append(m, "u", (uint32_t)p->u);
	case 't': return sd_bus_message_append(m, "t", p->u);
	case 'n': return sd_bus_message_append(m, "n", (int)p->i);
	case 'i': return sd_bus_message_append(m, "i", (int32_t)p->i);
	case 'x': return sd_bus_message_append(m, "x", p->i);
	case 'd': return sd_bus_message_append(m, "d", p->d);
	case 's': return sd_bus_message_append(m, "s", p->s);
	}
	if (str_eq(p->type, "ay"))
		return sd_bus_message_append_array(m, 'y', p->bytes, p->n_bytes);
	if (str_eq(p->type, "au"))
		return sd_bus_message_append_array(m, 'u', p->pids, p->n_pids * sizeof *p->pids);
	r = sd_bus_message_open_container(m, 'a', p->type + 1);
	for (size_t i = 0; r >= 0 && i < p->words.n; i++)
		r = sd_bus_message_append(m, "s", p->words.v[i]);
	for (size_t i = 0; r >= 0 && i < p->n_devices; i++)
		r = sd_bus_message_append(m, "(ss)", p->devices[i].path, p->devices[i].access);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_props(sd_bus_message *m, const struct props *p)
{
	int r = sd_bus_message_open_container(m, 'a', "(sv)");

	for (size_t i = 0; r >= 0 && i < p->n; i++) {
		r = sd_bus_message_open_container(m, 'r', "sv");
		r = r < 0 ? r : sd_bus_message_append(m, "s", p->v[i].name);
		r = r < 0 ? r : sd_bus_message_open_container(m, 'v', p->v[i].type);
		r = r < 0 ? r : append_value(m, &p->v[i]);
		r = r < 0 ? r : sd_bus_message_close_container(m);
		r = r < 0 ? r : sd_bus_message_close_container(m);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

/* ---- jobs ---- */

struct job { char path[256]; bool done; char result[32]; };

static int job_removed(sd_bus_message *m, void *data, sd_bus_error *e)
{
	struct job *j = data;
	const char *path, *unit, *result;
	uint32_t id;

	(void)e;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 && str_eq(path, j->path)) {
		j->done = true;
		snprintf(j->result, sizeof j->result, "%s", result);
	}
	return 0;
}

static int wait_job(sd_bus *b, struct job *j, const char *what, const char *unit)
{
	uint64_t end = clock_ms() + JOB_MS, now;
	int r;

	while (!j->done) {
		r = sd_bus_process(b, NULL);
		if (r > 0)
			continue;
		now = clock_ms();
		if (r >= 0 && now < end)
			r = sd_bus_wait(b, (end - now) * 1000);
		else if (r >= 0)
			return fail_as(ERR_TIMEOUT, "%s %s: the job is not done after %d s", what, unit, JOB_MS / 1000);
		if (r < 0 && r != -EINTR)
			return fail(-r, "%s %s: lost the bus: %s", what, unit, strerrordesc_np(-r));
	}
	if (!str_eq(j->result, "done"))
		return fail(EIO, "%s %s: the job's result is \"%s\"", what, unit, j->result);
	return 0;
}

static int expect_job(sd_bus *b, struct job *j, const char *what, const char *unit)
{
	int r = sd_bus_match_signal(b, NULL, SYSTEMD, OBJECT, MANAGER, "JobRemoved", job_removed, j);

	return r < 0 ? refused(b, r, what, unit, &SD_BUS_ERROR_NULL) : 0;
}

static int job_of(sd_bus_message *reply, struct job *j)
{
	const char *path;
	int r = sd_bus_message_read(reply, "o", &path);

	if (r < 0)
		return fail(-r, "systemd's answer names no job");
	snprintf(j->path, sizeof j->path, "%s", path);
	return 0;
}

static void forget_failure(sd_bus *b, const char *unit)
{
	(void)sd_bus_call_method(b, SYSTEMD, OBJECT, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit);
}

static int call_start(sd_bus *b, const struct unit_req *q, const struct props *p, sd_bus_message **reply)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(b, &m, SYSTEMD, OBJECT, MANAGER, "StartTransientUnit");

	r = r < 0 ? r : sd_bus_message_append(m, "ss", q->unit, "fail");
	r = r < 0 ? r : append_props(m, p);
	r = r < 0 ? r : sd_bus_message_append(m, "a(sa(sv))", 0);
	r = r < 0 ? r : sd_bus_call(b, m, 0, &e, reply);
	return r < 0 ? refused(b, r, "start unit", q->unit, &e) : 0;
}

int unit_bus_start(sd_bus *b, const struct unit_req *q, const struct props *p)
{
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
	struct job j = { 0 };
	int r;

	TRY(expect_job(b, &j, "start unit", q->unit));
	/* One of the name that has ended or failed is unloaded by the way; each call lets systemd come to it. */
	for (int i = 0;; i++) {
		r = call_start(b, q, p, &reply);
		if (r >= 0 || err_class() != ERR_EXISTS || i == RETRIES)
			break;
		forget_failure(b, q->unit);
	}
	TRY(r);
	TRY(job_of(reply, &j));
	return wait_job(b, &j, "start unit", q->unit);
}

static bool is_ours(sd_bus *b, const struct unit_req *q, const char *path)
{
	auto_free char *text = NULL;

	return sd_bus_get_property_string(b, SYSTEMD, path, SYSTEMD ".Unit", "Description", NULL, &text) >= 0 &&
	       str_eq(text, q->description ? q->description : "");
}

int unit_bus_stop(sd_bus *b, const struct unit_req *q)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
	auto_free char *path = NULL;
	struct job j = { 0 };
	int r;

	if (sd_bus_path_encode(OBJECT "/unit", q->unit, &path) < 0)
		return fail(ENOMEM, "out of memory");
	if (q->only_ours && !is_ours(b, q, path))
		return 0;
	TRY(expect_job(b, &j, "stop unit", q->unit));
	r = sd_bus_call_method(b, SYSTEMD, OBJECT, MANAGER, "StopUnit", &e, &reply, "ss", q->unit, "replace");
	if (sd_bus_error_has_name(&e, SYSTEMD ".NoSuchUnit"))
		return 0;
	if (r < 0)
		return refused(b, r, "stop unit", q->unit, &e);
	TRY(job_of(reply, &j));
	TRY(wait_job(b, &j, "stop unit", q->unit));
	forget_failure(b, q->unit);
	return 0;
}

int unit_bus_set(sd_bus *b, const struct unit_req *q, const struct props *p)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(b, &m, SYSTEMD, OBJECT, MANAGER, "SetUnitProperties");

	if (p->n == 0)
		return 0;
	r = r < 0 ? r : sd_bus_message_append(m, "sb", q->unit, 1);
	r = r < 0 ? r : append_props(m, p);
	r = r < 0 ? r : sd_bus_call(b, m, 0, &e, NULL);
	return r < 0 ? refused(b, r, "set properties of", q->unit, &e) : 0;
}

int unit_bus_attach(sd_bus *b, const struct unit_req *q)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	char path[4096] = "";
	int r;

	if (q->sub && *q->sub)
		snprintf(path, sizeof path, "/%s", q->sub);
	r = sd_bus_call_method(b, SYSTEMD, OBJECT, MANAGER, "AttachProcessesToUnit", &e, NULL, "ssau", q->unit, path,
				   1, (uint32_t)q->pid.v);

	return r < 0 ? refused(b, r, "move a process into unit", q->unit, &e) : 0;
}

/* ---- what it says ---- */

int unit_bus_version(sd_bus *b, unsigned *version)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	auto_free char *text = NULL;
	int r = sd_bus_get_property_string(b, SYSTEMD, OBJECT, MANAGER, "Version", &e, &text);

	if (r < 0)
		return refused(b, r, "version of", "systemd", &e);
	(void)sd_bus_set_method_call_timeout(b, JOB_MS * UINT64_C(1000));
	*version = (unsigned)strtoul(text + strcspn(text, "0123456789"), NULL, 10);
	return 0;
}

int unit_bus_group(sd_bus *b, const struct unit_req *q, char **out)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	const char *face = unit_is_slice(q->unit) ? SYSTEMD ".Slice" : SYSTEMD ".Scope";
	auto_free char *path = NULL;
	int r;

	if (sd_bus_path_encode(OBJECT "/unit", q->unit, &path) < 0)
		return fail(ENOMEM, "out of memory");
	r = sd_bus_get_property_string(b, SYSTEMD, path, face, "ControlGroup", &e, out);
	return r < 0 ? refused(b, r, "control group of", q->unit, &e) : 0;
}
