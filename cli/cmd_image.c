#include "cli/cmd.h"
#include "images/image.h"

/* The store of images. What its commands do is vzrun-image's: here are the words, for parser, help and completion. */

enum { WORDS_MAX = 58 };

struct image_args { const char *ref; bool devices, rebuild; };
#define A struct image_args
static const struct opt import_opts[] = {
	OSTR(A, 0, "ref", "REF", ref, "what to call it (default: after the source, or what an archive says)"),
	OFLAG(A, 0, "allow-devices", devices, "take device nodes, too"),
	{ 0 }
};
static const struct opt template_opts[] = {
	OFLAG(A, 0, "rebuild", rebuild, "make it anew, with what the distribution has today"),
	{ 0 }
};
#undef A

static int image_run(struct cli *g, void *args, int argc, char **argv)
{
	const struct image_args *a = args;
	const char *v[WORDS_MAX + 6] = { g->cmd->name };
	int n = 1;

	if (argc > WORDS_MAX)
		return fail_as(ERR_USAGE, "image %s: more than %d words", g->cmd->name, WORDS_MAX);
	if (a->ref) {
		v[n++] = "--ref";
		v[n++] = a->ref;
	}
	if (a->devices)
		v[n++] = "--allow-devices";
	if (a->rebuild)
		v[n++] = "--rebuild";
	v[n++] = "--";
	for (int i = 0; i < argc; i++)
		v[n++] = argv[i];
	return image_command(g->home, g->json, n, v);
}

#define RUN .size = sizeof(struct image_args), .run = image_run
const struct cmd store_cmds[] = {
	{ "ls", "", "list the images of the store", 0, 0, RUN },
	{ "import", "[OPTION...] SOURCE", "take in a directory, a tar, an OCI layout or archive, or a docker archive", 1, 1,
	  import_opts, RUN, .about =
	  "A tar may be compressed (gz, xz, zst), \"-\" is the standard input. What it is called is printed, and is what "
	  "create --image takes." },
	{ "template", "[OPTION...] NAME", "make the image of a template, once", 1, 1, template_opts, RUN, .about =
	  "debian:SUITE or debian:SUITE/minbase, by mmdebstrap with the host's own apt sources; or busybox, of the host's "
	  "own program. create --template does it by itself." },
	{ "tag", "REF NEW", "give an image a further name", 2, 2, RUN },
	{ "rm", "REF...", "remove names, and what only they need", 1, -1, RUN },
	{ "prune", "", "remove what no name and no guest needs", 0, 0, RUN },
	{ "verify", "[REF]", "read the images again and compare them with their digests", 0, 1, RUN, .about =
	  "That is what came in; of the layers, unpacked from it, only whether they are there. The exit status is 13 when "
	  "something differs." },
	{ 0 }
};
