#include "images/template.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "images/load.h"
#include "images/produce.h"
#include "images/progress.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static bool is_word(const char *s, size_t n)
{
	if (n == 0 || n > 32)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool plain = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');

		if (!plain && !(s[i] == '-' && i > 0 && i + 1 < n))
			return false;
	}
	return true;
}

int template_parse(const char *name, struct template *t)
{
	const char *suite = name + strlen("debian:"), *slash;

	memset(t, 0, sizeof *t);
	t->busybox = str_eq(name, "busybox");
	if (t->busybox)
		return 0;
	if (!str_starts(name, "debian:"))
		return fail_as(ERR_USAGE, "template \"%.80s\": neither debian:SUITE nor busybox", name);
	slash = strchrnul(suite, '/');
	if (!is_word(suite, (size_t)(slash - suite)))
		return fail_as(ERR_USAGE, "template \"%.80s\": \"%.*s\" is not a suite", name,
			       (int)(slash - suite), suite);
	if (*slash && !str_eq(slash, "/minbase") && !str_eq(slash, "/system"))
		return fail_as(ERR_USAGE, "template \"%.80s\": no such variant (minbase, system)", name);
	snprintf(t->suite, sizeof t->suite, "%.*s", (int)(slash - suite), suite);
	snprintf(t->variant, sizeof t->variant, "%s", str_eq(slash, "/minbase") ? "minbase" : "system");
	return 0;
}

static void ref_name(const struct template *t, char out[REF_MAX])
{
	if (t->busybox)
		snprintf(out, REF_MAX, TEMPLATES "busybox:latest");
	else
		snprintf(out, REF_MAX, TEMPLATES "debian:%s%s", t->suite,
			 str_eq(t->variant, "minbase") ? "-minbase" : "");
}

/* Is it there, whole? */
static bool in_store(struct import *im, const struct ref *r)
{
	auto_image struct image i = { 0 };

	if (store_ref_read(im->store, r, im->digest) < 0 || image_load(im->store, im->digest, &i) < 0 ||
	    image_ensure_layers(im->store, &i) < 0)
		return false;
	return true;
}

static int build(struct import *im, const struct template *t, const struct ref *r)
{
	auto_close int lock = store_lock(im->store, false, true);
	auto_stage struct stage g = { .dir = -1 };
	auto_producer struct producer p = { .fd = -1, .err = -1 };
	char dir[PATH_MAX], log[PATH_MAX];
	struct debian d = { .t = t, .dir = dir, .log = log };
	struct make_words words = { "vzrun template",
				    t->busybox || str_eq(t->variant, "system") ? "/sbin/init" : "/bin/bash",
				    t->busybox                     ? "SIGUSR2"
				    : str_eq(t->variant, "system") ? "SIGRTMIN+3"
								   : NULL };
	struct err_saved e;
	struct layer l;
	int made;

	TRY(lock);
	TRY(stage_open(&g, im->store));
	stage_path(&g, ".", dir);
	stage_path(&g, "log", log);
	progress_start(im->made);
	/* Its own processes and mounts: whatever becomes of us, nothing of the build stays behind. */
	TRY(produce_start(&p, t->busybox ? 0 : CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
			  t->busybox ? template_busybox : template_debian, &d));
	made = layer_from_stream(&g, p.fd, 0, im->made, false, &l);
	err_save(&e);
	TRY(produce_end(&p));
	err_restore(&e);
	TRY(made);
	progress_end();
	TRY(make_image(&g, &l, &words, im->digest));
	TRY(stage_commit(&g));
	return store_ref_write(im->store, r, im->digest);
}

int template_run(struct import *im, bool rebuild)
{
	struct template t;
	struct ref r;

	TRY(template_parse(im->source, &t));
	ref_name(&t, im->made);
	TRY(ref_parse(im->made, &r));
	if (!rebuild && in_store(im, &r))
		return 0;
	TRY(t.busybox ? template_busybox_check() : template_debian_check(&t));
	/* Forty creates at once: one builds, the others wait for it. */
	auto_close int one = file_lock(im->store->dir, "template-lock", true);
	TRY(one);
	if (!rebuild && in_store(im, &r))
		return 0;
	err_clear();
	TRY_IN(build(im, &t, &r), "template %s", im->source);
	return 0;
}
