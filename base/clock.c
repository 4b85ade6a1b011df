#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Days since 1970 to a date of the Gregorian calendar; years begin in March, so that leap days come last. */
static void date_of(int64_t days, int *year, unsigned *month, unsigned *day)
{
	int64_t z = days + 719468, era = z / 146097;
	unsigned in_era = (unsigned)(z - era * 146097);
	unsigned y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	unsigned in_year = in_era - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;

	*day = in_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = (int)(y + era * 400) + (*month <= 2);
}

static void stamp(int64_t seconds, char *out, size_t size, const char *fraction)
{
	unsigned month, day, second = (unsigned)(seconds % 86400);
	int year;

	date_of(seconds / 86400, &year, &month, &day);
	snprintf(out, size, "%04d-%02u-%02uT%02u:%02u:%02u%sZ", year, month, day, second / 3600, second / 60 % 60,
		 second % 60, fraction);
}

void clock_stamp(char *out, size_t size, int decimals)
{
	char fraction[16] = "";
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (decimals)
		snprintf(fraction, sizeof fraction, ".%09ld", t.tv_nsec);
	stamp(t.tv_sec, out, size, fraction);
}

void clock_stamp_of(int64_t seconds, char *out, size_t size)
{
	stamp(seconds > 0 ? seconds : 0, out, size, "");
}
