#include "base/clock.h"
#include "tests/unit/unit.h"

#include <time.h>

TEST(a_stamp_is_what_libc_says)
{
	char got[40], before[40], after[40];
	time_t t = time(NULL);
	struct tm tm;

	strftime(before, sizeof before, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	clock_stamp(got, sizeof got, 0);
	t = time(NULL);
	strftime(after, sizeof after, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
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
