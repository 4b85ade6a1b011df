/* How limits of processor time are said. */
#include "cgroups/knobs.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>

static double log2_of(uint64_t x)
{
	int whole = 63 - __builtin_clzll(x);
	double m = (double)x / (double)(UINT64_C(1) << whole), log = whole;

	/* Squaring m doubles its logarithm: one binary digit a round. */
	for (double digit = 0.5; digit > 1e-13; digit /= 2) {
		m *= m;
		if (m >= 2) {
			m /= 2;
			log += digit;
		}
	}
	return log;
}

static double exp10_of(double x)
{
	double y = x * 2.302585092994045684 / 1024, term = 1, sum = 1;

	for (int i = 1; i < 12; i++)
		sum += term *= y / i;
	for (int i = 0; i < 10; i++)
		sum *= sum;
	return sum;
}

/*
 * The curve through (2, 1), (1024, 100) and (262144, 10000) that runc and crun use since
 * 2025: the default stays the default. libm is not worth its link for one number.
 */
uint64_t cg_weight_of_shares(uint64_t shares)
{
	double l, w;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2_of(shares);
	w = exp10_of((l * l + 125 * l) / 612 - 7.0 / 34);
	return (uint64_t)(w - 1e-7) + 1;
}

int cg_cpu_weight(const struct at *at, const void *value, char *out, size_t size)
{
	(void)at;
	return cg_say(out, size, "%ju", (uintmax_t)cg_weight_of_shares(((const struct opt_u64 *)value)->v));
}

int cg_cpu_quota_v2(const struct at *at, const void *value, char *out, size_t size)
{
	const struct opt_i64 *quota = value;
	const struct opt_u64 *period = &at->r->cpu->period;
	char word[24] = "max";

	if (quota->v > 0)
		snprintf(word, sizeof word, "%jd", (intmax_t)quota->v);
	/* The kernel keeps a period that is not named. */
	return period->v ? cg_say(out, size, "%s %ju", word, (uintmax_t)period->v) : cg_say(out, size, "%s", word);
}

int cg_cpu_period_v2(const struct at *at, const void *value, char *out, size_t size)
{
	char path[CG_FULL], now[64];

	if (at->r->cpu->quota.v)
		return KNOB_SKIP;
	/* The quota stands before the period in the one file: say it again. */
	snprintf(path, sizeof path, "%s/cpu.max", at->dir);
	if (file_peek(AT_FDCWD, path, now, sizeof now) <= 0)
		strcpy(now, "max");
	now[strcspn(now, " ")] = '\0';
	return cg_say(out, size, "%s %ju", now, (uintmax_t)((const struct opt_u64 *)value)->v);
}

void cg_cpu_as_is(const char *dir, bool v2, struct cg_cpu *c)
{
	const char *file = v2 ? "cpu.max" : c->quota.v ? "cpu.cfs_period_us" : "cpu.cfs_quota_us";
	char path[CG_FULL], text[64], *value = text;

	if (!c->quota.v == !c->period.v)
		return;
	snprintf(path, sizeof path, "%s/%s", dir, file);
	if (file_peek(AT_FDCWD, path, text, sizeof text) <= 0)
		return;
	/* cpu.max has both, the quota first. */
	if (v2 && c->quota.v)
		value += strcspn(value, " "), value += *value == ' ';
	value[strcspn(value, " ")] = '\0';
	if (c->quota.v)
		c->period.set = str_u64(value, UINT32_MAX, &c->period.v) == 0;
	else if (str_i64(value, -1, INT64_MAX, &c->quota.v) == 0)
		c->quota.set = true;
	else
		c->quota = (struct opt_i64){ -1, true };
}
