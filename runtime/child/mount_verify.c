/* The finished root against the plan, by the kernel's own table of mounts (rule R11). */
#include "runtime/child/mount.h"
#include "base/file.h"
#include "base/path.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct row { int id; const char *point; size_t len; bool ro; };
struct table { struct row *row; size_t n; };

/* For what most containers have. */
static struct row few[64];

/* What stands behind the next space of a line. */
static const char *next_word(const char *p)
{
	while (*p && *p != ' ' && *p != '\n')
		p++;
	return *p == ' ' ? p + 1 : p;
}

/* "36 35 98:0 / /proc/sys ro,nosuid - proc proc rw": false for what is none. sscanf(3) took half of the check. */
static bool parse_row(const char *line, const char *end, struct row *out)
{
	const char *point = next_word(next_word(next_word(next_word(line)))), *options = next_word(point);

	if (options + 2 > end)
		return false;
	*out = (struct row){ atoi(line), point, (size_t)(options - point - 1), strncmp(options, "ro", 2) == 0 };
	return true;
}

static int parse(const char *text, struct table *t)
{
	size_t lines = 0;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	t->row = lines < COUNT(few) ? few : calloc(lines + 1, sizeof *t->row);
	if (!t->row)
		return fail(ENOMEM, "confinement: out of memory");
	for (const char *p = text, *end; (end = strchr(p, '\n')); p = end + 1)
		t->n += parse_row(p, end, &t->row[t->n]);
	return 0;
}

/* By its mount: whatever links lead to it, and whichever of several at one place is on top. */
static const struct row *look_up(const struct mnt_ctx *c, const struct table *t, const char *dst)
{
	auto_close int fd = path_open(c->root_fd, dst, O_PATH);
	struct statx st;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0 ||
	    !(st.stx_mask & STATX_MNT_ID) || !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return NULL;
	for (size_t i = 0; i < t->n; i++)
		if ((uint64_t)t->row[i].id == st.stx_mnt_id)
			return &t->row[i];
	return NULL;
}

/* What is mounted at dst, by its name where one mount alone has it. */
static const struct row *find(const struct mnt_ctx *c, const struct table *t, const char *dst)
{
	const struct row *only = NULL;
	size_t len = strlen(dst);

	for (size_t i = 0; i < t->n; i++) {
		if (t->row[i].len != len || memcmp(t->row[i].point, dst, len) != 0)
			continue;
		if (only)
			return look_up(c, t, dst);
		only = &t->row[i];
	}
	return only ? only : look_up(c, t, dst);
}

static bool mounts(const struct mnt_op *op)
{
	return op->verb == MNT_FS || op->verb == MNT_BIND || op->verb == MNT_CGROUP;
}

/* Must dst be read-only once this row is done? A delegated group is written to, whatever its row says. */
static bool wants_ro(const struct mnt_op *op)
{
	if (op->verb == MNT_RO || op->verb == MNT_MASK)
		return true;
	return (mounts(op) || op->verb == MNT_REMOUNT) && !(op->flags & MNT_DELEGATED) &&
	       (op->attr_set | op->rec_set) & MOUNT_ATTR_RDONLY;
}

/* A later row that has the last word on what is at dst, or covers it. */
static bool overruled(const struct mnt_plan *p, const struct mnt_op *op)
{
	for (const struct mnt_op *next = op + 1; next < p->op + p->n; next++) {
		bool same = str_eq(next->dst, op->dst), below = !same && mnt_is_below(op->dst, next->dst);

		if ((same && next->verb == MNT_REMOUNT) || ((same || below) && mounts(next)) ||
		    (below && next->verb == MNT_MASK))
			return true;
	}
	return false;
}

int mnt_verify(const struct mnt_ctx *c, const struct mnt_plan *p, const char *mountinfo, bool root_readonly)
{
	static char small[64 << 10];
	auto_free char *big = NULL;
	auto_free void *rows = NULL;
	struct table t = { 0 };
	const char *text = NULL;

	TRY_IN(file_read_small(c->host_proc, mountinfo, 0, (struct file_small){ small, sizeof small }, &big, &text, NULL),
	       "confinement");
	TRY(parse(text, &t));
	rows = t.row != few ? t.row : NULL;
	for (const struct mnt_op *op = p->op; op < p->op + p->n; op++) {
		const struct row *row;

		if (!wants_ro(op) || op->flags & MNT_ABSENT || overruled(p, op))
			continue;
		row = find(c, &t, op->dst);
		if (!row)
			return fail(EPERM, "confinement: nothing is mounted on %s, against the plan", op->dst);
		if (!row->ro)
			return fail(EPERM, "confinement: %s is not read-only, against the plan", op->dst);
	}
	const struct row *root = root_readonly ? find(c, &t, "/") : NULL;
	return root_readonly && !(root && root->ro) ? fail(EPERM, "confinement: the root is not read-only, against the plan")
						    : 0;
}
