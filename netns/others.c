#include "netns/others.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/def.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define KEPT ".others"

struct reading {
	struct net_others *o;
	const struct net_other *kept;	/* of a name the last counts */
	size_t n_kept;
	struct net_places names;	/* of them */
	struct timespec now;
	const char *except;
	bool all;
	int dir;
};

static void reading_free(struct reading *r) { free(r->names.at); }

void net_others_free(struct net_others *o)
{
	free(o->v);
	free(o->bridges.at);
	buf_free(&o->news);
	*o = (struct net_others){ 0 };
}

void net_others_forget(int dirfd)
{
	(void)unlinkat(dirfd, KEPT, 0);
}

/* ---- places: a table that is at most half full of 1 + the number of a record ---------------------------- */

static uint32_t *place_of(const struct net_places *p, const struct net_other *v, size_t text_at, const char *text)
{
	for (size_t i = str_hash(text, strlen(text));; i++) {
		uint32_t *at = &p->at[i & p->mask];

		if (!*at || str_eq((const char *)&v[*at - 1] + text_at, text))
			return at;
	}
}

static int places_make(struct net_places *p, const struct net_other *v, size_t n, size_t text_at)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	p->at = calloc(size, sizeof *p->at);
	if (!p->at)
		return fail(ENOMEM, "networks: out of memory");
	p->mask = size - 1;
	for (size_t i = 0; i < n; i++)
		*place_of(p, v, text_at, (const char *)&v[i] + text_at) = (uint32_t)i + 1;
	return 0;
}

/* ---- what was read last ----------------------------------------------------------------------------- */

/*
 * Before the records, whose form is this program's. Of this boot: what a power cut left of the file is not believed,
 * and it is not worth a sync.
 */
struct head { char made_by[40], boot[40]; };

static struct head head_now(void)
{
	struct head h = { .made_by = "" };

	snprintf(h.made_by, sizeof h.made_by, "others 2 %zu " VZRUN_VERSION, sizeof(struct net_other));
	(void)file_peek(AT_FDCWD, "/proc/sys/kernel/random/boot_id", h.boot, sizeof h.boot);
	return h;
}

/* *text is the file's, and the records are in it. */
static void recall(struct reading *r, char **text)
{
	const struct head now = head_now();
	size_t len;

	r->o->whole = true;
	if (file_read(r->dir, KEPT, text, &len) < 0) {
		err_clear();
		return;
	}
	if (!now.boot[0] || len < sizeof now || memcmp(*text, &now, sizeof now) != 0)
		return;
	/* NOLINTNEXTLINE(bugprone-casting-through-void): of malloc, and the head's size is a multiple of eight */
	r->kept = (void *)(*text + sizeof now);
	r->n_kept = (len - sizeof now) / sizeof *r->kept;
	/* Else one was cut off: what is added would not stand where it belongs. */
	r->o->whole = (len - sizeof now) % sizeof *r->kept != 0;
}

/* What is new goes to the end: a file written anew for each network is a growing part of what making one takes. */
void net_others_keep(int dirfd, const struct net_others *o)
{
	const struct head h = head_now();
	auto_buf struct buf b = { 0 };

	if (!o->news.n)
		return;
	if (!o->whole && !o->news.oom) {
		auto_close int fd = openat(dirfd, KEPT, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0)
			(void)file_write_all(fd, o->news.p, o->news.n);
		return;
	}
	buf_add(&b, &h, sizeof h);
	buf_add(&b, o->v, o->n * sizeof *o->v);
	/* Without it all is read again next time. */
	if (b.oom || file_write_volatile(dirfd, KEPT, b.p, b.n, 0600) < 0)
		err_clear();
}

/*
 * A file's times go by the kernel's tick: one that was changed a moment ago may be changed again and keep them. What
 * it was is noted when it has been left alone for some ticks.
 */
enum { SETTLED_NS = 50000000 };

static bool settled(const struct stat *s, const struct timespec *now)
{
	int64_t age = (int64_t)(now->tv_sec - s->st_ctim.tv_sec) * 1000000000 + (now->tv_nsec - s->st_ctim.tv_nsec);

	return age > SETTLED_NS;
}

/* Nothing is noted of what could not be asked: it is equal to no file. */
static struct net_seen look(const struct reading *r, const char *name)
{
	struct stat s;
	char file[80];

	(void)stpcpy(stpcpy(file, name), ".json");
	if (fstatat(r->dir, file, &s, 0) < 0 || !settled(&s, &r->now))
		return (struct net_seen){ 0 };
	return (struct net_seen){ s.st_dev, s.st_ino, (uint64_t)s.st_size, (uint64_t)s.st_ctim.tv_sec,
				  (uint64_t)s.st_ctim.tv_nsec };
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static bool is_subnet(const struct net_subnet *s, int family)
{
	return !s->family || (s->family == family && s->prefix <= 8 * net_addr_size(family));
}

/* Whatever became of the file: nobody reads past a text's end or an address's. */
static bool is_sound(const struct net_other *v)
{
	return memchr(v->name, '\0', sizeof v->name) && memchr(v->bridge, '\0', sizeof v->bridge) &&
	       is_subnet(&v->v4, AF_INET) && is_subnet(&v->v6, AF_INET6);
}

static const struct net_other *recalled(const struct reading *r, const char *name)
{
	uint32_t at = *place_of(&r->names, r->kept, offsetof(struct net_other, name), name);

	return at && is_sound(&r->kept[at - 1]) ? &r->kept[at - 1] : NULL;
}

static void salvage_subnet(struct json *tree, const char *key, int family, struct net_subnet *out)
{
	const char *text = json_get_str(tree, key);
	struct net_subnet s;

	if (text && net_subnet_parse(text, family, &s) >= 0)
		*out = s;
}

/* Whatever it is when it is set right: nobody else is to be given what was its. */
static void salvage(const struct reading *r, const char *name, const struct net_other *was, struct net_other *out)
{
	auto_json struct json *tree = NULL;
	const char *bridge, *mode;
	char file[80];

	if (was)
		*out = *was;
	else
		memset(out, 0, sizeof *out);
	out->file = (struct net_seen){ 0 };
	snprintf(out->name, sizeof out->name, "%s", name);
	snprintf(file, sizeof file, "%s.json", name);
	if (json_load(r->dir, file, &tree) >= 0) {
		bridge = json_get_str(tree, "bridge");
		if (bridge && net_is_link_name(bridge))
			snprintf(out->bridge, sizeof out->bridge, "%s", bridge);
		mode = json_get_str(tree, "mode");
		for (const struct name *m = net_modes; mode && m->text; m++)
			out->mode = str_eq(m->text, mode) ? m->value : out->mode;
		salvage_subnet(tree, "subnet", AF_INET, &out->v4);
		salvage_subnet(tree, "subnet6", AF_INET6, &out->v6);
	}
	err_clear();
}

/* 1: it is in *out; 0: there is none, or none that counts. */
static int read_one(struct reading *r, const char *name, struct net_other *out)
{
	const struct net_seen file = look(r, name);
	const struct net_other *was = recalled(r, name);
	auto_net_file struct net_file f = { 0 };
	int got;

	if (was && file.ino && memcmp(&was->file, &file, sizeof file) == 0) {
		*out = *was;
		return 1;
	}
	got = net_def_load(r->dir, name, &f);
	if (got < 0) {
		bool damaged = err_class() == ERR_CONFIG || err_class() == ERR_UNSUPPORTED;

		/* -ENOENT: removed since it was listed. */
		if (r->all && got != -ENOENT && !damaged)
			return got;
		if (!r->all || got == -ENOENT) {
			r->o->left_out += got != -ENOENT;
			err_clear();
			return 0;
		}
		log_warn("network %s is damaged, what is left of it counts: %s", name, err_text());
		salvage(r, name, was, out);
		return 1;
	}
	memset(out, 0, sizeof *out);
	out->file = file;
	out->mode = f.d.mode;
	out->vlan = f.d.vlan;
	out->v4 = f.d.v4;
	out->v6 = f.d.v6;
	snprintf(out->name, sizeof out->name, "%s", f.d.name);
	snprintf(out->bridge, sizeof out->bridge, "%s", f.d.bridge);
	if (file.ino)
		buf_add(&r->o->news, out, sizeof *out);
	return 1;
}

static int take(void *ctx, const char *name)
{
	struct reading *r = ctx;
	struct net_others *o = r->o;
	int got;

	if (r->except && str_eq(name, r->except))
		return 0;
	if (o->n == o->room) {
		size_t room = 2 * o->room + r->n_kept + 16;
		struct net_other *v = reallocarray(o->v, room, sizeof *v);

		if (!v)
			return fail(ENOMEM, "networks: out of memory");
		o->v = v;
		o->room = room;
	}
	got = read_one(r, name, &o->v[o->n]);
	o->n += got > 0;
	return got < 0 ? got : 0;
}

int net_others_read(int dirfd, const char *except, bool all, struct net_others *o)
{
	SCOPED(reading_free) struct reading r = { .o = o, .except = except, .all = all, .dir = dirfd };
	auto_free char *text = NULL;

	if (o->read)
		return 0;
	(void)clock_gettime(CLOCK_REALTIME, &r.now);
	recall(&r, &text);
	TRY(places_make(&r.names, r.kept, r.n_kept, offsetof(struct net_other, name)));
	TRY(net_def_each_unsorted(dirfd, take, &r));
	TRY(places_make(&o->bridges, o->v, o->n, offsetof(struct net_other, bridge)));
	o->whole |= r.n_kept > 2 * o->n + 64;
	o->read = true;
	return 0;
}

bool net_others_made_bridge(const struct net_others *o, const char *link)
{
	uint32_t at = o->n ? *place_of(&o->bridges, o->v, offsetof(struct net_other, bridge), link) : 0;

	return at && o->v[at - 1].mode != NET_BRIDGE;
}
