#include "base/str.h"
#include "tests/unit/unit.h"

TEST(numbers)
{
	uint64_t u;
	int64_t i;
	unsigned o;

	CHECK(str_u64("0", 10, &u) == 0 && u == 0);
	CHECK(str_u64("18446744073709551615", UINT64_MAX, &u) == 0 && u == UINT64_MAX);
	CHECK(str_u64("18446744073709551616", UINT64_MAX, &u) == -ERANGE);
	CHECK(str_u64("4294967296", UINT32_MAX, &u) == -ERANGE);
	CHECK(str_u64("", 10, &u) == -EINVAL && str_u64(" 1", 10, &u) == -EINVAL && str_u64("+1", 10, &u) == -EINVAL);
	CHECK(str_u64("-1", 10, &u) == -EINVAL && str_u64("1x", 10, &u) == -EINVAL && str_u64("0x1", 99, &u) == -EINVAL);
	CHECK(str_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i) == 0 && i == INT64_MIN);
	CHECK(str_i64("9223372036854775808", INT64_MIN, INT64_MAX, &i) == -ERANGE);
	CHECK(str_i64("-5", 0, 10, &i) == -ERANGE && str_i64("--5", -9, 9, &i) == -EINVAL);
	CHECK(str_octal("0755", 07777, &o) == 0 && o == 0755);
	CHECK(str_octal("8", 07777, &o) == -EINVAL && str_octal("77777", 07777, &o) == -ERANGE);
}

TEST(sizes)
{
	static const struct { const char *text; int r; uint64_t v; } rows[] = {
		{ "512", 0, 512 }, { "512K", 0, 512 << 10 }, { "1M", 0, 1 << 20 }, { "1.5G", 0, 1610612736 },
		{ "1m", 0, 1 << 20 }, { "1mb", 0, 1 << 20 }, { "7b", 0, 7 }, { "1mib", 0, 1 << 20 }, { "1i", -EINVAL, 0 },
		{ "2GiB", 0, UINT64_C(2) << 30 }, { "3KB", 0, 3072 }, { "16P", 0, UINT64_C(16) << 50 },
		{ "", -EINVAL, 0 }, { "M", -EINVAL, 0 }, { "1.5", -EINVAL, 0 }, { "-1M", -EINVAL, 0 }, { "1MM", -EINVAL, 0 },
		{ "1 M", -EINVAL, 0 }, { "1.M", -EINVAL, 0 }, { "99999999999P", -ERANGE, 0 },
	};
	uint64_t v;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int r = str_size(rows[i].text, &v);

		CHECK(r == rows[i].r && (r < 0 || v == rows[i].v));
	}
}

TEST(durations)
{
	uint64_t ms;

	CHECK(str_duration("10s", &ms) == 0 && ms == 10000);
	CHECK(str_duration("250ms", &ms) == 0 && ms == 250);
	CHECK(str_duration("5m", &ms) == 0 && ms == 300000);
	CHECK(str_duration("7", &ms) == 0 && ms == 7000);
	CHECK(str_duration("s", &ms) < 0 && str_duration("-1s", &ms) < 0 && str_duration("1w", &ms) < 0);
	CHECK(str_duration("99999999999999999999s", &ms) < 0);
}

TEST(names)
{
	static const char *const good[] = { "web", "web-1", "a", "1", "web.example.org" };
	static const char *const bad[] = { "", "-web", "web-", "Web", "web_1", "a..b", ".", "..", "a/b", "we b", "wéb" };
	static const char *const ids[] = { "a", "A_b+c.d-e", "-x", "+", "0123456789abcdef" };
	static const char *const no_ids[] = { "", ".", "..", ".x", "a/b", "a b", "a\n", "ä" };
	char longer[1100];

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		CHECK(str_is_name(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK(!str_is_name(bad[i]));
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
		CHECK(str_is_id(ids[i]));
	for (size_t i = 0; i < sizeof no_ids / sizeof no_ids[0]; i++)
		CHECK(!str_is_id(no_ids[i]));
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	CHECK(!str_is_id(longer) && !str_is_name(longer));
}

TEST(escape)
{
	char out[16];

	str_json_escape(out, sizeof out, "a\"b\\c\n");
	CHECK_STR(out, "a\\\"b\\\\c\\n");
	/* Cut between characters, never inside an escape. */
	str_json_escape(out, 5, "ab\x01");
	CHECK_STR(out, "ab");
	str_json_escape(out, 5, "ab\u20ac");
	CHECK_STR(out, "ab");
	str_json_escape(out, 6, "ab\u20ac");
	CHECK_STR(out, "ab\u20ac");
	/* A guest may name its things by any bytes: half of a character, a pair's half, overlong, beyond the last. */
	str_json_escape(out, sizeof out, "\xc2\x9b\xc2\xa0\x7f");
	CHECK_STR(out, "\\u009b\xc2\xa0\\u007f");
	str_json_escape(out, sizeof out, "\xffz\xe2\x82");
	CHECK_STR(out, "?z??");
	str_json_escape(out, sizeof out, "\xed\xa0\x80 \xc0\xaf \xf4\x90");
	CHECK_STR(out, "??? ?? ??");
}

TEST(plain)
{
	char s[] = "a\t\033[31m\x7f\n\x9b\xc2\x9bz\xe2\x82\xac";

	str_plain(s);
	CHECK_STR(s, "a\t?[31m?\n???z\u20ac");
}

TEST(unescape)
{
	char out[16], own[] = "/a\\040b\\134";

	str_unescape(own, sizeof own, own, strlen(own));
	CHECK_STR(own, "/a b\\");
	str_unescape(out, sizeof out, "\\12 \\999\\777\\04", 15);
	CHECK_STR(out, "\\12 \\999\\777\\04");
	str_unescape(out, 3, "\\040\\011\\012", 12);
	CHECK_STR(out, " \t");
}

TEST(buffers)
{
	struct buf b = { 0 };

	CHECK_STR(buf_text(&b), "");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i % 10);
	CHECK(b.n == 2000 && strlen(buf_text(&b)) == 2000 && !b.oom);
	buf_free(&b);
	CHECK(b.p == NULL && b.n == 0);
}

TEST(lists)
{
	uint64_t b[2] = { 1, 1 };

	CHECK(str_list("", 127, b) == 0 && b[0] == 0 && b[1] == 0);
	CHECK(str_list("0-3,7", 127, b) == 0 && b[0] == 0x8f && b[1] == 0);
	CHECK(str_list("5", 127, b) == 0 && b[0] == 0x20);
	CHECK(str_list("63-64,127", 127, b) == 0 && b[0] == UINT64_C(1) << 63 && b[1] == (UINT64_C(1) << 63 | 1));
	CHECK(str_list("0-127", 127, b) == 0 && b[0] == UINT64_MAX && b[1] == UINT64_MAX);
	CHECK(str_list("128", 127, b) == -ERANGE);
	CHECK(str_list("3-1", 127, b) == -EINVAL);
	for (const char **s = (const char *[]){ ",", "1,", ",1", "1,,2", "-", "1-", "-1", "a", " 1", "1-2-3", "0x1", NULL };
	     *s; s++)
		CHECK(str_list(*s, 127, b) == -EINVAL);
}

TEST(errors)
{
	struct err_saved s;

	CHECK(fail(ENOENT, "no %s", "x") == -ENOENT);
	CHECK(fail_in(-ENOENT, "open") == -ENOENT);
	CHECK_STR(err_text(), "open: no x");
	CHECK(err_class() == ERR_OTHER);
	fail_class(-ENOENT, ERR_NOT_FOUND);
	fail_class(-ENOENT, ERR_USAGE);
	CHECK(err_class() == ERR_NOT_FOUND);
	err_save(&s);
	CHECK(fail_as(ERR_EXISTS, "%s", err_text()) == -EEXIST);
	CHECK_STR(err_text(), "open: no x");
	CHECK(err_class() == ERR_EXISTS);
	err_restore(&s);
	CHECK(err_class() == ERR_NOT_FOUND);
	errno = EACCES;
	CHECK(fail_errno("open %s", "x") == -EACCES && err_class() == ERR_PERMISSION);
	fail(EINVAL, "[3]: bad");
	fail_in(-EINVAL, "mounts");
	CHECK_STR(err_text(), "mounts[3]: bad");
	errno = ENOSPC;
	fail_errno("write");
	CHECK_STR(err_text(), "write: No space left on device");
}

UNIT_MAIN(UNIT(numbers), UNIT(sizes), UNIT(durations), UNIT(names), UNIT(escape), UNIT(plain), UNIT(unescape),
	  UNIT(buffers), UNIT(lists), UNIT(errors))
