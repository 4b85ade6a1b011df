/* Totals of a guest's traffic: what links that are gone have counted is in a file, the rest the kernel knows. */
#include "runtime/guest/nic.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "runtime/guest/stats.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static const char file[] = "traffic.json";
static const char removed_name[] = "removed";	/* no link of a guest's is called so: it has no index */

enum { VERSION = 1, ENTRIES_MAX = 2 * NET_PORTS_MAX };

struct entry { const char *name; struct opt_u64 in_bytes, in_packets, out_bytes, out_packets; };
static const struct field entry_fields[] = {
	FR(struct entry, "name", K_STR, name),
	F(struct entry, "inBytes", K_U64, in_bytes),
	F(struct entry, "inPackets", K_U64, in_packets),
	F(struct entry, "outBytes", K_U64, out_bytes),
	F(struct entry, "outPackets", K_U64, out_packets),
	{ 0 }
};
static const struct record entry_record = RECORD("traffic of a link", struct entry, entry_fields);

struct totals { struct opt_u32 version; struct list nics; };
static const struct field totals_fields[] = {
	FR(struct totals, "version", K_U32, version),
	SUB(struct totals, "nics", K_LIST, nics, &entry_record),
	{ 0 }
};
static const struct record totals_record = RECORD("traffic", struct totals, totals_fields);

static void add(struct net_counts *to, const struct net_counts *more)
{
	to->in_bytes += more->in_bytes;
	to->in_packets += more->in_packets;
	to->out_bytes += more->out_bytes;
	to->out_packets += more->out_packets;
}

static struct guest_nic_traffic *entry_of(struct guest_traffic *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(t->nic[i].name, name))
			return &t->nic[i];
	/* Links renamed by hand again and again could fill the table: the last place is for the sum of removed ones. */
	if (t->n >= COUNT(t->nic) - 1 && !str_eq(name, removed_name))
		return entry_of(t, removed_name);
	t->nic[t->n] = (struct guest_nic_traffic){ .gone = true };
	snprintf(t->nic[t->n].name, sizeof t->nic[t->n].name, "%s", name);
	return &t->nic[t->n++];
}

/* The file is written in place: the lock keeps a reader from half of it. */
static int read_file(int dir_fd, struct json **tree)
{
	auto_close int fd = openat(dir_fd, file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	auto_free char *text = NULL;
	size_t len;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : fail_errno("%s", file);
	(void)TEMP_FAILURE_RETRY(flock(fd, LOCK_SH));
	TRY(file_read_fd(fd, file, FILE_READ_MAX, &text, &len));
	return json_parse(file, text, len, tree);
}

static int load(int dir_fd, struct guest_traffic *t)
{
	auto_json struct json *tree = NULL;
	auto_arena struct arena a = { 0 };
	struct totals v;
	int r = read_file(dir_fd, &tree);

	t->n = 0;
	if (r == -ENOENT) {
		err_clear();
		return 0;
	}
	TRY(r);
	TRY_IN(bind_decode(&a, &totals_record, tree, &v), "%s", file);
	if (v.version.v > VERSION)
		return fail_as(ERR_UNSUPPORTED, "%s: version: %u is newer than this vzrun (%d)", file, v.version.v, VERSION);
	LIST_EACH(const struct entry, e, v.nics) {
		struct net_counts c = { e->in_bytes.v, e->in_packets.v, e->out_bytes.v, e->out_packets.v };

		add(&entry_of(t, e->name)->counts, &c);
	}
	return 0;
}

/*
 * Every stop writes it. A new file for an old one is an inode made and one removed, which on ext4 takes longer than all
 * else that a stop does for a network (0.2 to 0.6 ms). So a short text is filled up with blanks to a sector, and put
 * over one of that size: in one call, which no kill cuts, and a sector, which no power cut does. -1: another file is
 * needed.
 */
enum { SECTOR = 512 };

static int overwrite(int dir_fd, const struct buf *b)
{
	auto_close int fd = openat(dir_fd, file, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || (size_t)st.st_size != b->n ||
	    TEMP_FAILURE_RETRY(flock(fd, LOCK_EX)) < 0)
		return -1;
	return pwrite(fd, b->p, b->n, 0) == (ssize_t)b->n ? 0 : -1;
}

static int store(int dir_fd, const struct guest_traffic *t)
{
	struct entry v[COUNT(t->nic)];
	struct totals all = { { VERSION, true }, { v, t->n } };
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	for (size_t i = 0; i < t->n; i++) {
		const struct net_counts *c = &t->nic[i].counts;

		v[i] = (struct entry){ t->nic[i].name, { c->in_bytes, true }, { c->in_packets, true },
				       { c->out_bytes, true }, { c->out_packets, true } };
	}
	bind_encode(&o, NULL, &totals_record, &all);
	buf_puts(&b, "\n");
	if (b.n <= SECTOR && !b.oom) {
		buf_printf(&b, "%*s", (int)(SECTOR - b.n), "");
		if (!b.oom && overwrite(dir_fd, &b) == 0)
			return 0;
	}
	/* Without a sync, which a stop would wait for: after a power cut it is the old file or the new one. */
	return b.oom ? fail(ENOMEM, "out of memory") : file_write_volatile(dir_fd, file, b.p, b.n, 0600);
}

int traffic_keep(int dir_fd, const struct net_port *ports, size_t n, int netns, bool removed)
{
	struct guest_traffic t;
	bool counted = false;

	if (n == 0)
		return 0;
	/* What cannot be read any more is counted anew, and said. */
	if (load(dir_fd, &t) < 0) {
		log_warn("%s: traffic is counted from zero", err_text());
		err_clear();
		t.n = 0;
	}
	for (size_t i = 0; i < n; i++) {
		struct net_counts c;
		int r = net_count(&ports[i], netns, &c);

		if (r == 0)
			add(&entry_of(&t, ports[i].name)->counts, &c);
		else if (r != -ENODEV)
			err_clear();
		if (removed) {
			struct guest_nic_traffic *e = entry_of(&t, ports[i].name);
			struct net_counts sum = e->counts;

			*e = t.nic[--t.n];
			add(&entry_of(&t, removed_name)->counts, &sum);
		}
		counted |= r == 0 || removed;
	}
	return counted ? store(dir_fd, &t) : 0;
}

int guest_traffic(const struct guest_where *at, const char *name, int dir_fd, const struct list *conf, int netns,
		  struct guest_traffic *out)
{
	struct net_port ports[NET_PORTS_MAX];
	size_t n;

	*out = (struct guest_traffic){ 0 };
	TRY(load(dir_fd, out));
	TRY(nic_ports(at, name, dir_fd, netns >= 0 ? NULL : conf, ports, &n));
	for (size_t i = 0; i < n; i++) {
		struct guest_nic_traffic *e = entry_of(out, ports[i].name);
		struct net_counts c;

		e->gone = false;
		snprintf(e->network, sizeof e->network, "%s",
			 ports[i].kind > NET_KIND_NETWORK ? name_of(net_kinds, ports[i].kind) : ports[i].network);
		if (netns >= 0 && net_count(&ports[i], netns, &c) == 0)
			add(&e->counts, &c);
		else
			err_clear();
	}
	for (size_t i = 0; i < out->n; i++)
		add(&out->sum, &out->nic[i].counts);
	return 0;
}
