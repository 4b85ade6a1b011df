/* A network's file as somebody edited it. What is taken is written again as what it was read. */
#include "netns/def.h"
#include "tests/fuzz/fuzz.h"

static void written_as_read(const struct net_def *d)
{
	auto_net_file struct net_file again = { 0 };
	auto_buf struct buf b = { 0 }, b2 = { 0 };
	struct jout o = { .b = &b }, o2 = { .b = &b2 };

	net_def_encode(d, &o, NULL);
	if (b.oom)
		return;
	if (net_def_parse("web", b.p, b.n, &again) < 0)
		abort();
	net_def_encode(&again.d, &o2, NULL);
	if (again.d.first != d->first || again.d.last != d->last || !str_eq(buf_text(&b), buf_text(&b2)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_net_file struct net_file f = { 0 };
	auto_free char *text = fuzz_text(data, size);

	if (net_def_parse("web", text, size, &f) == 0)
		written_as_read(&f.d);
	err_clear();
	return 0;
}
