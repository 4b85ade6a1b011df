#include "images/image.h"
#include "base/helper.h"
#include "base/proc.h"
#include "base/scope.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { ARGS_MAX = 64 };

struct made { const char *ref; };
struct error_words { struct opt_i64 code; const char *msg, *why, *try; };

static const struct field rootfs_fields[] = {
	FR(struct image_rootfs, "ref", K_STR, ref),
	FR(struct image_rootfs, "digest", K_STR, digest),
	FR(struct image_rootfs, "layers", K_STRV, layers),
	F(struct image_rootfs, "env", K_STRV, env),
	F(struct image_rootfs, "cmd", K_STRV, cmd),
	F(struct image_rootfs, "entrypoint", K_STRV, entrypoint),
	F(struct image_rootfs, "user", K_STR, user),
	F(struct image_rootfs, "workdir", K_STR, workdir),
	F(struct image_rootfs, "stop_signal", K_STR, stop_signal),
	{ 0 }
};
static const struct record rootfs_record = RECORD("image", struct image_rootfs, rootfs_fields);

static const struct field made_fields[] = { FR(struct made, "ref", K_STR, ref), { 0 } };
static const struct record made_record = RECORD("image", struct made, made_fields);

static const struct field error_fields[] = {
	FR(struct error_words, "code", K_I64, code),
	FR(struct error_words, "msg", K_STR, msg),
	F(struct error_words, "why", K_STR, why),
	F(struct error_words, "try", K_STR, try),
	{ 0 }
};
static const struct record error_record = RECORD("error", struct error_words, error_fields);

/* "-" is our standard input. A signal ends the helper; what it had begun then goes at once. */
static int run(const char *home, const char *const *argv, struct buf *out, int *status)
{
	const char *const sweep[] = { "vzrun-image", "--home", home, "sweep", NULL };
	char path[PATH_MAX];
	auto_free const char **env = helper_env();
	struct err_saved why;
	int r;

	TRY(helper_find("vzrun-image", path));
	if (!env)
		return fail(ENOMEM, "vzrun-image: out of memory");
	struct proc_req req = { .path = path, .argv = argv, .env = env, .out = out, .gives_way = true };
	for (const char *const *v = argv; *v; v++)
		req.our_in |= str_eq(*v, "-");
	r = proc_run(&req, status);
	if (r != -EINTR)
		return r;
	err_save(&why);
	(void)proc_run(&(struct proc_req){ .path = path, .argv = sweep, .env = env }, status);
	err_restore(&why);
	return r;
}

static int pass_on(struct json *tree, int status)
{
	auto_arena struct arena a = { 0 };
	struct error_words e;

	if (!json_get(tree, "error") || bind_decode(&a, &error_record, json_get(tree, "error"), &e) < 0)
		return fail_as(ERR_OTHER, "vzrun-image: exit status %d without a word", status);
	int r = fail_as(e.code.v >= ERR_OTHER && e.code.v <= ERR_PARTIAL ? (enum err_class)e.code.v
									 : ERR_OTHER,
			"%s", e.msg);
	if (e.why)
		err_why("%s", e.why);
	if (e.try)
		err_try("%s", e.try);
	return r;
}

/* The helper's answer, a JSON object; its failure becomes ours, line and class. */
static int ask(const char *home, const char *const *argv, struct json **tree)
{
	auto_buf struct buf out = { 0 };
	int status;

	TRY(run(home, argv, &out, &status));
	if (!out.n)
		return fail_as(ERR_OTHER, "vzrun-image: exit status %d without a word", status);
	TRY(json_parse("vzrun-image", out.p, out.n, tree));
	return status ? pass_on(*tree, status) : 0;
}

void image_rootfs_free(struct image_rootfs *r)
{
	json_free(&r->tree);
	arena_free(&r->arena);
}

int image_resolve(const char *home, const char *ref, struct image_rootfs *out)
{
	const char *argv[] = { "vzrun-image", "--json", "--home", home, "resolve", "--", ref, NULL };
	auto_json struct json *tree = NULL;
	auto_arena struct arena a = { 0 };

	memset(out, 0, sizeof *out);
	TRY(ask(home, argv, &tree));
	TRY_IN(bind_decode(&a, &rootfs_record, tree, out), "vzrun-image");
	out->tree = TAKE(tree);
	out->arena = a;
	a = (struct arena){ 0 };
	return 0;
}

static int ask_made(const char *home, const char *const *argv, struct buf *made_ref)
{
	auto_json struct json *tree = NULL;
	auto_arena struct arena a = { 0 };
	struct made m;

	TRY(ask(home, argv, &tree));
	TRY_IN(bind_decode(&a, &made_record, tree, &m), "vzrun-image");
	if (made_ref)
		buf_puts(made_ref, m.ref);
	return 0;
}

int image_import(const char *home, const char *source, const char *ref, struct buf *made_ref)
{
	const char *named[] = { "vzrun-image", "--json", "--home", home,   "import",
				"--ref",       ref,      "--",     source, NULL };
	const char *plain[] = { "vzrun-image", "--json", "--home", home, "import", "--", source, NULL };

	return ask_made(home, ref ? named : plain, made_ref);
}

int image_template(const char *home, const char *template, struct buf *made_ref)
{
	const char *argv[] = { "vzrun-image", "--json", "--home", home, "template", "--", template, NULL };

	return ask_made(home, argv, made_ref);
}

int image_unpack_copy(const char *home, const char *ref, const char *target)
{
	const char *argv[] = { "vzrun-image", "--json", "--home", home, "copy", "--", ref, target, NULL };
	auto_json struct json *tree = NULL;

	return ask(home, argv, &tree);
}

int image_command(const char *home, bool json, int argc, const char *const *argv)
{
	/* Its messages begin with the name that it is called by. */
	const char *v[ARGS_MAX + 8] = { "vzrun", "--home", home };
	size_t n = 3;
	sigset_t old;
	int status, r;

	if (argc > ARGS_MAX)
		return fail_as(ERR_USAGE, "image: more than %d words", ARGS_MAX);
	if (json)
		v[n++] = "--json";
	for (int i = 0; i < argc; i++)
		v[n++] = argv[i];
	proc_hold_signals(&old);
	r = run(home, v, NULL, &status);
	proc_let_signals(&old);
	TRY(r);
	return status;
}
