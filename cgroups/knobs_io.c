/* How limits of block devices are said: a line a device. */
#include "cgroups/knobs.h"

int cg_dev_weight(const struct at *at, const void *value, char *out, size_t size)
{
	const struct cg_weight_device *d = value;

	(void)at;
	if (!d->weight.v)
		return KNOB_SKIP;
	return cg_say(out, size, "%jd:%jd %u", (intmax_t)d->major.v, (intmax_t)d->minor.v, d->weight.v);
}

int cg_dev_leaf_weight(const struct at *at, const void *value, char *out, size_t size)
{
	const struct cg_weight_device *d = value;

	(void)at;
	if (!d->leaf_weight.v)
		return KNOB_SKIP;
	return cg_say(out, size, "%jd:%jd %u", (intmax_t)d->major.v, (intmax_t)d->minor.v, d->leaf_weight.v);
}

uint32_t cg_io_weight(uint32_t w)
{
	return w <= 10 ? 1 : 1 + (w - 10) * 9999 / 990;
}

int cg_say_io_weight(const struct at *at, const void *value, char *out, size_t size)
{
	(void)at;
	return cg_say(out, size, "default %u", cg_io_weight(((const struct opt_u32 *)value)->v));
}

int cg_dev_io_weight(const struct at *at, const void *value, char *out, size_t size)
{
	const struct cg_weight_device *d = value;

	(void)at;
	if (!d->weight.v)
		return KNOB_SKIP;
	return cg_say(out, size, "%jd:%jd %u", (intmax_t)d->major.v, (intmax_t)d->minor.v,
		   cg_io_weight(d->weight.v));
}

int cg_io_rate(const struct at *at, const void *value, char *out, size_t size)
{
	const struct cg_throttle *t = value;

	(void)at;
	return cg_say(out, size, "%jd:%jd %ju", (intmax_t)t->major.v, (intmax_t)t->minor.v,
		   (uintmax_t)t->rate.v);
}

static int io_max(const struct cg_throttle *t, const char *key, char *out, size_t size)
{
	int n = snprintf(out, size, "%jd:%jd %s=", (intmax_t)t->major.v, (intmax_t)t->minor.v, key);

	if (!t->rate.v)
		return cg_say(out + n, size - (size_t)n, "max");
	return cg_say(out + n, size - (size_t)n, "%ju", (uintmax_t)t->rate.v);
}

#define IO_MAX(key)                                                                            \
	int cg_io_##key(const struct at *at, const void *value, char *out, size_t size)        \
	{                                                                                      \
		(void)at;                                                                      \
		return io_max(value, #key, out, size);                                         \
	}
IO_MAX(rbps)
IO_MAX(wbps)
IO_MAX(riops)
IO_MAX(wiops)
