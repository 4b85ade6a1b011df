#include "runtime/container/criu_wire.h"
#include "base/file.h"
#include "base/scope.h"
#include "runtime/container/criu.h"

#include <string.h>

enum { NUMBER = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* ---- the wire format: a tag (field and kind), then a number or a length with bytes -------------- */

static void varint(struct buf *b, uint64_t v)
{
	unsigned char c;

	for (; v > 0x7f; v >>= 7) {
		c = (unsigned char)(v | 0x80);
		buf_add(b, &c, 1);
	}
	c = (unsigned char)v;
	buf_add(b, &c, 1);
}

static void bytes(struct buf *b, unsigned field, const void *p, size_t n)
{
	varint(b, (uint64_t)field << 3 | BYTES);
	varint(b, n);
	buf_add(b, p, n);
}

void criu_num(struct buf *b, unsigned field, uint64_t v)
{
	varint(b, (uint64_t)field << 3 | NUMBER);
	varint(b, v);
}

void criu_flag(struct buf *b, unsigned field, bool v)
{
	if (v)
		criu_num(b, field, 1);
}

void criu_text(struct buf *b, unsigned field, const char *s)
{
	if (s)
		bytes(b, field, s, strlen(s));
}

void criu_msg(struct buf *b, unsigned field, const struct buf *inner)
{
	bytes(b, field, buf_text(inner), inner->n);
	b->oom |= inner->oom;
}

void criu_pair(struct buf *b, unsigned field, const char *first, const char *second)
{
	auto_buf struct buf inner = { 0 };

	criu_text(&inner, 1, first);
	criu_text(&inner, 2, second);
	criu_msg(b, field, &inner);
}

void criu_pair_num(struct buf *b, unsigned field, const char *first, uint64_t second)
{
	auto_buf struct buf inner = { 0 };

	criu_text(&inner, 1, first);
	criu_num(&inner, 2, second);
	criu_msg(b, field, &inner);
}

static bool read_varint(struct criu_reader *r, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; r->p < r->end && shift < 64; shift += 7) {
		*v |= (uint64_t)(*r->p & 0x7f) << shift;
		if (!(*r->p++ & 0x80))
			return true;
	}
	return false;
}

bool criu_next(struct criu_reader *r, struct criu_item *out)
{
	uint64_t tag, n;

	if (!read_varint(r, &tag))
		return false;
	*out = (struct criu_item){ .field = (unsigned)(tag >> 3) };
	if ((tag & 7) == NUMBER)
		return read_varint(r, &out->n);
	if ((tag & 7) == FIXED64 || (tag & 7) == FIXED32)
		n = (tag & 7) == FIXED64 ? 8 : 4;
	else if ((tag & 7) != BYTES || !read_varint(r, &n))
		return false;
	if (n > (uint64_t)(r->end - r->p))
		return false;
	out->in = (struct criu_reader){ r->p, r->p + n };
	r->p += n;
	return true;
}

/* ---- image files: two magic numbers, then messages, each behind its length (criu.org/Images) --------- */

static bool matches(struct criu_reader r, const struct criu_edit *e)
{
	struct criu_item i;

	while (criu_next(&r, &i))
		if (i.field == e->where)
			return i.n == e->is;
	return false;
}

/* false: it is no message. */
static bool edit(struct buf *out, struct criu_reader r, const struct criu_edit *e)
{
	auto_buf struct buf b = { 0 };
	uint32_t n;

	for (const unsigned char *p = r.p; r.p < r.end; p = r.p) {
		struct criu_item i;

		if (!criu_next(&r, &i))
			return false;
		if (i.field != e->field[0] && i.field != e->field[1])
			buf_add(&b, p, (size_t)(r.p - p));
	}
	criu_num(&b, e->field[0], e->value[0]);
	criu_num(&b, e->field[1], e->value[1]);
	n = (uint32_t)b.n;
	buf_add(out, &n, sizeof n);
	buf_add(out, buf_text(&b), b.n);
	out->oom |= b.oom;
	return true;
}

int criu_image_edit(int dirfd, const char *name, const struct criu_edit *e)
{
	enum { MAGIC = 8 };
	auto_free char *text = NULL;
	auto_buf struct buf out = { 0 };
	size_t n, at = MAGIC;

	TRY(file_read(dirfd, name, &text, &n));
	buf_add(&out, text, n < MAGIC ? n : MAGIC);
	while (at < n) {
		struct criu_reader r;
		uint32_t size;

		if (n - at < sizeof size)
			break;
		memcpy(&size, text + at, sizeof size);
		if (size > n - at - sizeof size)
			break;
		r.p = (const unsigned char *)text + at + sizeof size;
		r.end = r.p + size;
		if (!matches(r, e))
			buf_add(&out, text + at, sizeof size + size);
		else if (!edit(&out, r, e))
			break;
		at += sizeof size + size;
	}
	if (at != n)
		return fail_as(ERR_CHECKPOINT, "%s is no image file of criu's", name);
	if (out.oom)
		return fail(ENOMEM, "out of memory");
	return file_write_atomic(dirfd, name, out.p, out.n, 0600);
}
