#include "images/cmds.h"
#include "base/err.h"
#include "base/str.h"
#include "images/copy.h"
#include "images/gc.h"
#include "images/import.h"
#include "images/stage.h"
#include "images/template.h"

#include <string.h>

/* The store must be whole and stay so while it is read. */
static int load(struct cmd_args *a, const char *text, struct image *i)
{
	char digest[DIGEST_SIZE];
	struct ref r;

	TRY(ref_parse(text, &r));
	TRY(store_ref_read(&a->store, &r, digest));
	TRY_IN(image_load(&a->store, digest, i), "image %s", text);
	return 0;
}

/* What an image says of itself makes no line of its own. */
static void say_line(struct cmd_args *a, const char *fmt, ...) PRINTF(2, 3);
static void say_line(struct cmd_args *a, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	str_line(line);
	buf_printf(&a->out, "%s\n", line);
}

static int list_one(void *ctx, const char *ref, const char *digest)
{
	struct cmd_args *a = ctx;
	auto_image struct image i = { 0 };
	bool good = image_load(&a->store, digest, &i) == 0;
	char size[32];

	if (a->json) {
		jout_open(&a->j, NULL, '{');
		jout_str(&a->j, "ref", ref);
		jout_str(&a->j, "digest", digest);
		jout_u64(&a->j, "size", good ? image_size(&i) : 0);
		jout_str(&a->j, "created", good ? i.c.created : NULL);
		if (!good)
			jout_str(&a->j, "problem", err_text());
		jout_close(&a->j, '}');
		return 0;
	}
	snprintf(size, sizeof size, "%.1fM", (double)(good ? image_size(&i) : 0) / (1 << 20));
	say_line(a, "%-36s %-19.19s %10s  %s", ref, digest, good ? size : "-",
		 good ? (i.c.created ? i.c.created : "-") : err_text());
	return 0;
}

static int cmd_ls(struct cmd_args *a)
{
	if (a->json)
		jout_open(&a->j, "images", '[');
	else
		buf_printf(&a->out, "%-36s %-19s %10s  %s\n", "REF", "DIGEST", "SIZE", "CREATED");
	TRY(store_ref_each(&a->store, list_one, a));
	if (a->json)
		jout_close(&a->j, ']');
	err_clear();
	return 0;
}

static int say_made(struct cmd_args *a, const char *ref, const char *digest)
{
	if (a->json) {
		jout_str(&a->j, "ref", ref);
		jout_str(&a->j, "digest", digest);
	} else {
		buf_printf(&a->out, "%s %s\n", ref, digest);
	}
	return 0;
}

static int cmd_import(struct cmd_args *a)
{
	struct import im = { .store = &a->store, .source = a->v[0], .ref = a->ref, .devices = a->devices };

	TRY(import_run(&im));
	return say_made(a, im.made, im.digest);
}

static int cmd_template(struct cmd_args *a)
{
	struct import im = { .store = &a->store, .source = a->v[0] };

	TRY(template_run(&im, a->rebuild));
	return say_made(a, im.made, im.digest);
}

static void words(struct jout *j, const char *key, const struct strv *s)
{
	jout_open(j, key, '[');
	for (size_t i = 0; i < s->n; i++)
		jout_str(j, NULL, s->v[i]);
	jout_close(j, ']');
}

static void resolved(struct cmd_args *a, const char *ref, const struct image *i, const struct layer_list *l)
{
	static const struct run_config none;
	const struct run_config *c = i->c.config ? i->c.config : &none;
	struct jout *j = &a->j;
	char path[PATH_MAX];

	jout_str(j, "ref", ref);
	jout_str(j, "digest", i->digest);
	jout_open(j, "layers", '[');
	for (size_t k = 0; k < l->n; k++) {
		store_layer_path(&a->store, l->hex[k], path);
		jout_str(j, NULL, path);
	}
	jout_close(j, ']');
	words(j, "env", &c->env);
	words(j, "cmd", &c->cmd);
	words(j, "entrypoint", &c->entrypoint);
	jout_str(j, "user", c->user);
	jout_str(j, "workdir", c->workdir);
	jout_str(j, "stop_signal", c->stop_signal);
}

static int cmd_resolve(struct cmd_args *a)
{
	auto_image struct image i = { 0 };
	auto_layer_list struct layer_list l = { 0 };
	char text[REF_MAX], path[PATH_MAX];
	struct ref r;

	TRY(load(a, a->v[0], &i));
	TRY_IN(image_ensure_layers(&a->store, &i), "image %s", a->v[0]);
	TRY(image_layers(&i, &l));
	TRY(ref_parse(a->v[0], &r));
	ref_text(&r, text);
	if (a->json) {
		resolved(a, text, &i, &l);
		return 0;
	}
	buf_printf(&a->out, "%s %s\n", text, i.digest);
	for (size_t k = 0; k < l.n; k++) {
		store_layer_path(&a->store, l.hex[k], path);
		buf_printf(&a->out, "%s\n", path);
	}
	return 0;
}

static void say_freed(struct cmd_args *a, const struct gc_result *g)
{
	if (a->json) {
		jout_u64(&a->j, "blobs", g->blobs);
		jout_u64(&a->j, "layers", g->layers);
		jout_u64(&a->j, "bytes", g->bytes);
	} else {
		buf_printf(&a->out, "removed %ju blobs (%.1fM) and %ju layers\n", (uintmax_t)g->blobs,
			   (double)g->bytes / (1 << 20), (uintmax_t)g->layers);
	}
}

static int cmd_rm(struct cmd_args *a)
{
	struct gc_result g;
	struct ref r;
	char digest[DIGEST_SIZE];

	/* All of them or none. */
	for (int i = 0; i < a->n; i++) {
		TRY(ref_parse(a->v[i], &r));
		TRY(store_ref_read(&a->store, &r, digest));
	}
	for (int i = 0; i < a->n; i++) {
		TRY(ref_parse(a->v[i], &r));
		TRY(store_ref_remove(&a->store, &r));
	}
	if (gc_run(&a->store, false, &g) < 0)
		buf_printf(&a->warn, "removed from the list; the space is freed by prune: %s\n", err_text());
	else
		say_freed(a, &g);
	err_clear();
	return 0;
}

static int cmd_tag(struct cmd_args *a)
{
	auto_close int lock = store_lock(&a->store, false, true);
	auto_image struct image i = { 0 };
	char text[REF_MAX];
	struct ref r;

	TRY(lock);
	TRY(load(a, a->v[0], &i));
	TRY(ref_parse(a->v[1], &r));
	if (r.digest[0])
		return fail_as(ERR_USAGE, "reference \"%s\": a name to store under has no digest", a->v[1]);
	TRY(store_ref_write(&a->store, &r, i.digest));
	ref_text(&r, text);
	return say_made(a, text, i.digest);
}

static int cmd_prune(struct cmd_args *a)
{
	struct gc_result g;

	TRY_IN(gc_run(&a->store, true, &g), "prune");
	say_freed(a, &g);
	return 0;
}

/* Who has the store alone does it himself. */
static int cmd_sweep(struct cmd_args *a)
{
	auto_close int lock = store_lock(&a->store, false, false);

	return lock < 0 ? 0 : stage_collect(&a->store);
}

static void say_bad(void *ctx, const char *ref, const char *text)
{
	struct cmd_args *a = ctx;

	if (!a->json) {
		say_line(a, "%s: %s", ref, text);
		return;
	}
	jout_open(&a->j, NULL, '{');
	jout_str(&a->j, "ref", ref);
	jout_str(&a->j, "problem", text);
	jout_close(&a->j, '}');
}

static int cmd_verify(struct cmd_args *a)
{
	struct ref r;
	int n;

	if (a->n)
		TRY(ref_parse(a->v[0], &r));
	if (a->json)
		jout_open(&a->j, "problems", '[');
	n = gc_verify(&a->store, a->n ? &r : NULL, say_bad, a);
	TRY(n);
	if (a->json)
		jout_close(&a->j, ']');
	else if (n == 0)
		buf_puts(&a->out, "all is as its digests say\n");
	return n > 0;
}

static int cmd_copy(struct cmd_args *a)
{
	auto_image struct image i = { 0 };

	TRY(load(a, a->v[0], &i));
	TRY_IN(image_ensure_layers(&a->store, &i), "image %s", a->v[0]);
	TRY(copy_image(&a->store, &i, a->v[1]));
	if (a->json)
		jout_str(&a->j, "target", a->v[1]);
	return 0;
}

const struct image_cmd image_cmds[] = {
	{ "ls", "", "list the images of the store", 0, 0, cmd_ls },
	{ "import", "[--ref REF] [--allow-devices] SOURCE", "a directory, tar, OCI layout or docker archive",
	  1, 1, cmd_import },
	{ "template", "[--rebuild] NAME", "debian:SUITE[/minbase] or busybox, built once", 1, 1,
	  cmd_template },
	{ "resolve", "REF", "the layers and configuration of an image", 1, 1, cmd_resolve },
	{ "rm", "REF...", "remove references and what only they need", 1, -1, cmd_rm },
	{ "tag", "REF NEW", "give an image a further reference", 2, 2, cmd_tag },
	{ "prune", "", "remove what no reference and no guest needs", 0, 0, cmd_prune },
	{ "sweep", "", "remove what commands that were killed left", 0, 0, cmd_sweep },
	{ "verify", "[REF]", "read all blobs again and check their digests", 0, 1, cmd_verify },
	{ "copy", "REF TARGET", "unpack into an empty directory", 2, 2, cmd_copy },
	{ 0 }
};
