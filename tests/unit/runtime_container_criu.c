/* The wire format that criu is spoken to in; the bytes are protocol buffers' own (developers' guide, "Encoding"). */
#include "runtime/container/criu.h"
#include "base/file.h"
#include "base/scope.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Two magic numbers; two messages, of which the second has 5 in field 2. */
#define MAGIC "MAGC" "INFO"
#define FIRST "\x06\0\0\0" "\x10\x03\x30\x01\x1a\0"

static void edited(const char *image, size_t n, const char *want, size_t want_n)
{
	struct criu_edit e = { .where = 2, .is = 5, .field = { 6, 7 }, .value = { 300, 9 } };
	char dir[] = "/tmp/unit-criu-XXXXXX";
	auto_close int fd = mkdtemp(dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	auto_free char *text = NULL;
	size_t got;

	CHECK(fd >= 0 && file_write_atomic(fd, "x.img", image, n, 0600) >= 0);
	if (want)
		CHECK(criu_image_edit(fd, "x.img", &e) >= 0);
	else
		CHECK_FAILS(criu_image_edit(fd, "x.img", &e), "x.img is no image file of criu's");
	CHECK(file_read(fd, "x.img", &text, &got) >= 0);
	CHECK(got == (want ? want_n : n) && memcmp(text, want ? want : image, got) == 0);
	CHECK(unlinkat(fd, "x.img", 0) == 0 && rmdir(dir) == 0);
}
#define EDITED(image, want) edited(image, sizeof(image) - 1, want, sizeof(want) - 1)
#define REFUSED(image) edited(image, sizeof(image) - 1, NULL, 0)

TEST(image_files)
{
	EDITED(MAGIC FIRST "\x06\0\0\0" "\x10\x05\x30\x01\x18\x02",
	       MAGIC FIRST "\x09\0\0\0" "\x10\x05\x18\x02\x30\xac\x02\x38\x09");
	EDITED(MAGIC FIRST, MAGIC FIRST);
	EDITED(MAGIC, MAGIC);
	REFUSED("MAG");
	REFUSED(MAGIC FIRST "\x06\0");
	REFUSED(MAGIC FIRST "\xff\xff\xff\xff" "\x10\x05");
	REFUSED(MAGIC "\x04\0\0\0" "\x10\x05\x1a\x09");
}

UNIT_MAIN(UNIT(numbers), UNIT(texts_and_messages), UNIT(image_files))
