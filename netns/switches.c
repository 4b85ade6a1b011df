#include "netns/switches.h"
#include "base/file.h"

#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SYS "/proc/sys/net/"
#define RECORD_FILE ".forwarding"

static const struct field saved_fields[] = {
	FR(struct net_switch, "key", K_STR, key),
	FR(struct net_switch, "was", K_STR, was),
	FR(struct net_switch, "set", K_STR, set),
	F(struct net_switch, "link", K_STR, link),
	{ 0 }
};
static const struct record saved_record = RECORD("switch", struct net_switch, saved_fields);
static const struct field book_fields[] = {
	F(struct net_book_text, "ip_forward", K_STR, ip_forward),
	SUB(struct net_book_text, "saved", K_LIST, saved, &saved_record),
	{ 0 }
};
static const struct record book_record = RECORD("forwarding", struct net_book_text, book_fields);

void net_book_close(struct net_book *o)
{
	json_free(&o->tree);
	arena_free(&o->a);
}

/* "ipv4/conf/NAME/SWITCH": where the name is, and how long. 0: it is no link's. */
static size_t name_in(const char *key, const char **name)
{
	const char *at = strstr(key, "/conf/"), *end = at ? strchr(at + 6, '/') : NULL;

	*name = at ? at + 6 : key;
	return end && end - *name < IFNAMSIZ ? (size_t)(end - *name) : 0;
}

enum { LINK_TEXT = 24 };

/* Numbers begin anew with each boot. */
static void link_text(unsigned number, char out[LINK_TEXT])
{
	char boot[40] = "";

	(void)file_peek(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot, sizeof boot);
	snprintf(out, LINK_TEXT, "%u@%.8s", number, boot);
}

static int follow_link(struct net_book *o, struct net_switch *s)
{
	char text[LINK_TEXT], now[IFNAMSIZ];
	const char *name;
	size_t n = name_in(s->key, &name);
	unsigned number;

	if (!s->link || !n || sscanf(s->link, "%u@", &number) != 1)
		return 0;
	link_text(number, text);
	if (!str_eq(s->link, text) || !if_indextoname(number, now))
		return 0;
	s->key = arena_printf(&o->a, "%.*s%s%s", (int)(name - s->key), s->key, now, name + n);
	return s->key ? 0 : fail(ENOMEM, "out of memory");
}

int net_book_open(int dirfd, struct net_book *o)
{
	int r = json_load(dirfd, RECORD_FILE, &o->tree);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = bind_decode(&o->a, &book_record, o->tree, &o->b);
	TRY_IN(r, "networks/" RECORD_FILE);
	LIST_EACH(struct net_switch, s, o->b.saved)
		TRY_IN(follow_link(o, s), "networks/" RECORD_FILE);
	return 0;
}

int net_book_forget(int dirfd)
{
	return unlinkat(dirfd, RECORD_FILE, 0) < 0 && errno != ENOENT ? fail_errno("networks/" RECORD_FILE) : 0;
}

int net_book_store(int dirfd, const struct net_book *o)
{
	auto_buf struct buf b = { 0 };
	struct jout j = { .b = &b };

	if (!o->b.saved.n && !o->b.ip_forward)
		return net_book_forget(dirfd);
	bind_encode(&j, NULL, &book_record, &o->b);
	return file_write_atomic(dirfd, RECORD_FILE, b.p, b.n, 0600);
}

int net_switch_peek(const char *key, struct net_value *now)
{
	char path[160];
	ssize_t n;

	snprintf(path, sizeof path, SYS "%s", key);
	n = file_peek(AT_FDCWD, path, now->text, sizeof now->text);
	if (n >= 0 || n == -ENOENT)
		return n >= 0;
	errno = (int)-n;
	return fail_errno("read %s", path);
}

int net_switch_peek_other(const char *key, const char *wanted, struct net_value *now)
{
	int r = net_switch_peek(key, now);

	return r > 0 ? !str_eq(now->text, wanted) : r;
}

int net_switch_poke(const char *key, const char *value)
{
	char path[160];
	int r;

	snprintf(path, sizeof path, SYS "%s", key);
	r = file_poke(AT_FDCWD, path, value);
	if (r < 0) {
		errno = -r;
		return fail_errno("write %s to %s", value, path);
	}
	return 0;
}

struct net_switch *net_book_find(const struct net_book *o, const char *key)
{
	LIST_EACH(struct net_switch, s, o->b.saved)
		if (str_eq(s->key, key))
			return s;
	return NULL;
}

int net_book_note(struct net_book *o, const char *key, const char *was, const char *set)
{
	struct net_switch *v = arena_alloc(&o->a, o->b.saved.n + 1, sizeof *v), *last;
	char name[IFNAMSIZ], link[LINK_TEXT] = "";
	const char *at;
	size_t n = name_in(key, &at);
	unsigned number;

	if (!v)
		return fail(ENOMEM, "forwarding: out of memory");
	if (o->b.saved.n)
		memcpy(v, o->b.saved.v, o->b.saved.n * sizeof *v);
	o->b.saved.v = v;
	snprintf(name, sizeof name, "%.*s", (int)n, at);
	number = if_nametoindex(name);
	if (number)
		link_text(number, link);
	last = v + o->b.saved.n;
	*last = (struct net_switch){ arena_strdup(&o->a, key), arena_strdup(&o->a, was), arena_strdup(&o->a, set),
				     number ? arena_strdup(&o->a, link) : NULL };
	if (!last->key || !last->was || !last->set || (number && !last->link))
		return fail(ENOMEM, "forwarding: out of memory");
	o->b.saved.n++;
	o->dirty = true;
	return 0;
}

int net_book_hand_over(const struct net_book *from, struct net_book *to)
{
	struct net_value now;
	int there;

	LIST_EACH(const struct net_switch, s, from->b.saved) {
		if (strstr(s->key, "..") || net_book_find(to, s->key))
			continue;
		/* Of what went with our bridges there is nothing to put back. */
		TRY(there = net_switch_peek(s->key, &now));
		if (there && str_eq(now.text, s->set))
			TRY(net_book_note(to, s->key, s->was, s->set));
	}
	if (!to->b.ip_forward)
		to->b.ip_forward = from->b.ip_forward;
	return 0;
}
