#include "cli/opt.h"
#include "cli/out.h"
#include "runtime/container/container.h"

int version_run(struct cli *g, void *args, int argc, char **argv)
{
	auto_buf struct buf b = { 0 };
	struct jout o;

	(void)args, (void)argc, (void)argv;
	if (!g->json) {
		buf_printf(&b, "vzrun version %s\ncommit: %s\nspec: %s\nlibseccomp: %s\n", VZRUN_VERSION, VZRUN_COMMIT,
			   SPEC_VERSION, seccomp_lib_version());
		return b.oom ? fail(ENOMEM, "out of memory") : out_text(buf_text(&b));
	}
	out_open(&o, &b);
	jout_str(&o, "version", VZRUN_VERSION);
	jout_str(&o, "commit", VZRUN_COMMIT);
	jout_str(&o, "spec", SPEC_VERSION);
	jout_str(&o, "libseccomp", seccomp_lib_version());
	return out_close(&o);
}

int features_run(struct cli *g, void *args, int argc, char **argv)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b, .pretty = true };

	(void)g, (void)args, (void)argc, (void)argv;
	container_features(&o, VZRUN_VERSION, VZRUN_COMMIT);
	buf_puts(&b, "\n");
	return b.oom ? fail(ENOMEM, "out of memory") : out_text(buf_text(&b));
}
