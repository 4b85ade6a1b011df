#include "images/load.h"
#include "base/err.h"
#include "base/str.h"
#include "images/layer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int image_load(const struct store *s, const char *digest, struct image *out)
{
	auto_free char *manifest = NULL, *config = NULL;
	size_t n;

	memset(out, 0, sizeof *out);
	snprintf(out->digest, sizeof out->digest, "%s", digest);
	TRY(store_blob_text(s, digest, &manifest, &n));
	TRY(manifest_parse(&out->manifest_doc, "manifest", manifest, n, &out->m));
	TRY(store_blob_text(s, out->m.config.digest, &config, &n));
	TRY(config_parse(&out->config_doc, "configuration", config, n, &out->c));
	return image_check("manifest", &out->m, &out->c);
}

void image_drop(struct image *i)
{
	doc_free(&i->manifest_doc);
	doc_free(&i->config_doc);
}

uint64_t image_size(const struct image *i)
{
	uint64_t sum = 0;

	LIST_EACH(struct descriptor, l, i->m.layers)
		sum += l->size.v;
	return sum;
}

int image_layers(const struct image *i, struct layer_list *out)
{
	const struct strv *ids = &i->c.rootfs.diff_ids;

	out->n = 0;
	out->hex = calloc(ids->n, sizeof *out->hex);
	if (!out->hex)
		return fail(ENOMEM, "images: out of memory");
	for (size_t k = 0; k < ids->n; k++) {
		bool again = false;

		for (size_t l = k + 1; l < ids->n; l++)
			again |= str_eq(ids->v[k], ids->v[l]);
		if (!again)
			TRY(digest_hex(ids->v[k], out->hex[out->n++]));
	}
	return 0;
}

void layer_list_free(struct layer_list *l)
{
	free(l->hex);
	l->hex = NULL;
}

static int unpack_again(struct stage *g, const struct descriptor *d, const char *diff)
{
	char got[HEX_SIZE], name[32];
	auto_close int stored = store_blob_open(g->store, d->digest);
	int r;

	TRY_IN(stored, "layer %s is not unpacked", diff);
	/*
	 * What it may cost was looked at when it came in. A private copy, as the blob is checked before it is
	 * parsed and nothing may change in between.
	 */
	TRY(layer_take_blob(g, stored, d->digest, d->size.v, name));
	auto_close int blob = openat(g->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	r = blob < 0 ? fail_errno("blob %s", d->digest)
		     : layer_unpack(g, blob, d->digest, diff, LAYER_OURS, got);
	return r;
}

int image_ensure_layers(const struct store *s, const struct image *i)
{
	const struct descriptor *d = i->m.layers.v;
	size_t missing = 0;
	char hex[HEX_SIZE];

	for (size_t k = 0; k < i->m.layers.n; k++) {
		TRY(digest_hex(i->c.rootfs.diff_ids.v[k], hex));
		missing += !store_has_layer(s, hex);
	}
	if (!missing)
		return 0;
	auto_close int lock = store_lock(s, false, true);
	auto_stage struct stage g = { .dir = -1 };
	TRY(lock);
	TRY(stage_open(&g, s));
	for (size_t k = 0; k < i->m.layers.n; k++) {
		TRY(digest_hex(i->c.rootfs.diff_ids.v[k], hex));
		if (!stage_has_layer(&g, hex))
			TRY(unpack_again(&g, &d[k], i->c.rootfs.diff_ids.v[k]));
	}
	return stage_commit(&g);
}
