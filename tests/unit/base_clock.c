#include "base/clock.h"
#include "tests/unit/unit.h"

#include <time.h>

/* Not time(): its clock is coarse and may still be in the second before. */
static void libc_says(char *out, size_t size)
{
	struct timespec t;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &t);
	strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t.tv_sec, &tm));
}

TEST(a_stamp_is_what_libc_says)
{
	char got[40], before[40], after[40];

	libc_says(before, sizeof before);
	clock_stamp(got, sizeof got, 0);
	libc_says(after, sizeof after);
	CHECK(strcmp(before, got) <= 0 && strcmp(got, after) <= 0);
	clock_stamp(got, sizeof got, 9);
	CHECK(strlen(got) == 30 && got[19] == '.' && got[29] == 'Z');
}

TEST(forward_only)
{
	uint64_t a = clock_ms(), b = clock_ms();

	CHECK(a > 0 && b >= a);
}

UNIT_MAIN(UNIT(a_stamp_is_what_libc_says), UNIT(forward_only))
