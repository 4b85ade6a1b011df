/* The wire format that criu is spoken to in; the bytes are protocol buffers' own (developers' guide, "Encoding"). */
#include "runtime/container/criu.h"
#include "unit.h"

#include <string.h>

static bool is(const struct buf *b, const char *want, size_t n)
{
	return b->n == n && memcmp(b->p, want, n) == 0;
}
#define IS(b, want) is(&(b), want, sizeof(want) - 1)

TEST(numbers)
{
	auto_buf struct buf b = { 0 };
	auto_buf struct buf flags = { 0 };

	criu_num(&b, 1, 150);
	CHECK(IS(b, "\x08\x96\x01"));
	criu_num(&b, 50, 1);
	CHECK(IS(b, "\x08\x96\x01\x90\x03\x01"));
	criu_flag(&flags, 3, false);
	CHECK(flags.n == 0);
	criu_flag(&flags, 3, true);
	criu_num(&flags, 2, UINT64_MAX);
	CHECK(IS(flags, "\x18\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
}

TEST(texts_and_messages)
{
	auto_buf struct buf b = { 0 };
	auto_buf struct buf pair = { 0 };
	auto_buf struct buf outer = { 0 };

	criu_text(&b, 2, NULL);
	CHECK(b.n == 0);
	criu_text(&b, 2, "testing");
	CHECK(IS(b, "\x12\x07testing"));
	criu_msg(&outer, 3, &b);
	CHECK(IS(outer, "\x1a\x09\x12\x07testing"));
	criu_pair(&pair, 23, "a", "bc");
	CHECK(IS(pair, "\xba\x01\x07\x0a\x01" "a" "\x12\x02" "bc"));
	buf_free(&pair);
	pair = (struct buf){ 0 };
	criu_pair_num(&pair, 27, "k", 4);
	CHECK(IS(pair, "\xda\x01\x05\x0a\x01k\x10\x04"));
}

UNIT_MAIN(UNIT(numbers), UNIT(texts_and_messages))
