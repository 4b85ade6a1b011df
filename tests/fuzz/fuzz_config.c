/* A configuration from a stranger: parsed, checked, planned; as a bundle's and as a guest's. */
#include "runtime/child/mount.h"
#include "runtime/guest/guest.h"
#include "tests/fuzz/fuzz.h"

static void as_bundle(const char *text, size_t size)
{
	struct spec s;
	struct mnt_plan plan;

	if (spec_parse("config.json", text, size, &s) < 0)
		return;
	if (mnt_plan_spec(&s, 0, &plan) == 0)
		mnt_plan_free(&plan);
	spec_free(&s);
}

static void as_guest(const char *text, size_t size)
{
	struct guest g = { .name = "fuzz", .at = { "/nowhere", "/nowhere" }, .dir_fd = -1 };
	struct guest_plan p = { .base = 65536 };
	struct json *tree;

	if (json_parse("config.json", text, size, &tree) < 0 || spec_decode("config.json", tree, &g.spec) < 0)
		return;
	if (g.spec.vzrun && bind_decode(&g.spec.arena, &guest_conf_record, g.spec.vzrun, &g.conf) == 0 &&
	    net_check(&g.conf.networks) == 0)
		(void)guest_effective(&g, &p);
	spec_free(&g.spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size);

	as_bundle(text, size);
	as_guest(text, size);
	err_clear();
	return 0;
}
