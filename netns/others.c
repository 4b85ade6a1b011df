#include "netns/others.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/def.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define KEPT ".others"

struct reading {
	struct net_others *o;
	const struct net_other *kept;	/* by name; what is left of them */
	size_t n_kept;
	const char *except;
	bool all;
	int dir;
};

void net_others_free(struct net_others *o)
{
	free(o->v);
	*o = (struct net_others){ 0 };
}

void net_others_forget(int dirfd)
{
	(void)unlinkat(dirfd, KEPT, 0);
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

	snprintf(h.made_by, sizeof h.made_by, "others 1 %zu " VZRUN_VERSION, sizeof(struct net_other));
	(void)file_peek(AT_FDCWD, "/proc/sys/kernel/random/boot_id", h.boot, sizeof h.boot);
	return h;
}

/* *text is the file's, and the records are in it. */
static void recall(struct reading *r, char **text)
{
	const struct head now = head_now();
	size_t len;

	if (file_read(r->dir, KEPT, text, &len) < 0) {
		err_clear();
		return;
	}
	if (!now.boot[0] || len < sizeof now || memcmp(*text, &now, sizeof now) != 0)
		return;
	/* NOLINTNEXTLINE(bugprone-casting-through-void): of malloc, and the head's size is a multiple of eight */
	r->kept = (void *)(*text + sizeof now);
	r->n_kept = (len - sizeof now) / sizeof *r->kept;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct net_other *)a)->name, ((const struct net_other *)b)->name);
}

void net_others_keep(int dirfd, const struct net_others *o)
{
	const struct head h = head_now();
	auto_buf struct buf b = { 0 };

	if (!o->news)
		return;
	buf_add(&b, &h, sizeof h);
	buf_add(&b, o->v, o->n * sizeof *o->v);
	if (!b.oom)
		qsort(b.p + sizeof h, o->n, sizeof *o->v, by_name);
	/* Without it all is read again next time. */
	if (b.oom || file_write_volatile(dirfd, KEPT, b.p, b.n, 0600) < 0)
		err_clear();
}

/*
 * A file's times go by the kernel's tick: one that was changed a moment ago may be changed again and keep them. What
 * it was is noted when it has been left alone for some ticks.
 */
enum { SETTLED_NS = 50000000 };

static bool settled(const struct stat *s)
{
	struct timespec now;
	int64_t age;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	age = (int64_t)(now.tv_sec - s->st_ctim.tv_sec) * 1000000000 + (now.tv_nsec - s->st_ctim.tv_nsec);
	return age > SETTLED_NS;
}

/* Nothing is noted of what could not be asked: it is equal to no file. */
static struct net_seen look(int dir, const char *name)
{
	struct stat s;
	char file[80];

	snprintf(file, sizeof file, "%.64s.json", name);
	if (fstatat(dir, file, &s, 0) < 0 || !settled(&s))
		return (struct net_seen){ 0 };
	return (struct net_seen){ s.st_dev, s.st_ino, (uint64_t)s.st_size, (uint64_t)s.st_ctim.tv_sec,
				  (uint64_t)s.st_ctim.tv_nsec };
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* Both are in the order of names. */
static const struct net_other *recalled(struct reading *r, const char *name)
{
	for (; r->n_kept && strcmp(r->kept->name, name) < 0; r->n_kept--)
		r->kept++;
	return r->n_kept && str_eq(r->kept->name, name) ? r->kept : NULL;
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
	const struct net_seen file = look(r->dir, name);
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
			err_clear();
			return 0;
		}
		log_warn("network %s is damaged, what is left of it counts: %s", name, err_text());
		salvage(r, name, was, out);
		return 1;
	}
	r->o->news |= file.ino != 0;
	memset(out, 0, sizeof *out);
	out->file = file;
	out->mode = f.d.mode;
	out->vlan = f.d.vlan;
	out->v4 = f.d.v4;
	out->v6 = f.d.v6;
	snprintf(out->name, sizeof out->name, "%s", f.d.name);
	snprintf(out->bridge, sizeof out->bridge, "%s", f.d.bridge);
	return 1;
}

static int take(void *ctx, const char *name)
{
	struct reading *r = ctx;
	struct net_others *o = r->o;
	int got;

	if (r->except && str_eq(name, r->except))
		return 0;
	/* Room is the next power of two above n: it is full exactly when n + 1 is one. */
	if ((o->n & (o->n + 1)) == 0) {
		struct net_other *v = reallocarray(o->v, 2 * (o->n + 1), sizeof *v);

		if (!v)
			return fail(ENOMEM, "networks: out of memory");
		o->v = v;
	}
	got = read_one(r, name, &o->v[o->n]);
	o->n += got > 0;
	return got < 0 ? got : 0;
}

static int by_bridge(const void *a, const void *b)
{
	return strcmp(((const struct net_other *)a)->bridge, ((const struct net_other *)b)->bridge);
}

int net_others_read(int dirfd, const char *except, bool all, struct net_others *o)
{
	struct reading r = { .o = o, .except = except, .all = all, .dir = dirfd };
	auto_free char *text = NULL;

	if (o->read)
		return 0;
	recall(&r, &text);
	TRY(net_def_each_name(dirfd, take, &r));
	if (o->n)
		qsort(o->v, o->n, sizeof *o->v, by_bridge);
	o->read = true;
	return 0;
}

bool net_others_made_bridge(const struct net_others *o, const char *link)
{
	const struct net_other *found;
	struct net_other key = { .mode = 0 };

	snprintf(key.bridge, sizeof key.bridge, "%s", link);
	found = o->n ? bsearch(&key, o->v, o->n, sizeof *o->v, by_bridge) : NULL;
	return found && found->mode != NET_BRIDGE;
}
