#include "images/gc.h"
#include "base/err.h"
#include "base/str.h"
#include "images/load.h"

struct checking { const struct store *s; gc_bad *bad; void *ctx; int n; };

static void found(struct checking *c, const char *ref)
{
	c->n++;
	c->bad(c->ctx, ref, err_text());
	err_clear();
}

static int check_blob(const struct store *s, const struct descriptor *d)
{
	auto_close int fd = store_blob_open(s, d->digest);
	char hex[HEX_SIZE];
	uint64_t size;

	TRY(fd);
	TRY_IN(digest_file(fd, hex, &size), "blob %s", d->digest);
	if (size != d->size.v)
		return fail_as(ERR_IMAGE, "blob %s: %ju bytes instead of %ju", d->digest, (uintmax_t)size,
			       (uintmax_t)d->size.v);
	if (!str_eq(hex, d->digest + 7))
		return fail_as(ERR_IMAGE, "blob %s: its content is sha256:%s", d->digest, hex);
	return 0;
}

static int check_image(void *ctx, const char *ref, const char *digest)
{
	struct checking *c = ctx;
	auto_image struct image i = { 0 };

	if (image_load(c->s, digest, &i) < 0) {
		found(c, ref);
		return 0;
	}
	LIST_EACH(struct descriptor, d, i.m.layers)
		if (check_blob(c->s, d) < 0)
			found(c, ref);
	for (size_t k = 0; k < i.c.rootfs.diff_ids.n; k++)
		if (!store_has_layer(c->s, i.c.rootfs.diff_ids.v[k] + 7)) {
			fail_as(ERR_IMAGE, "layer %s: not unpacked", i.c.rootfs.diff_ids.v[k]);
			found(c, ref);
		}
	return 0;
}

int gc_verify(const struct store *s, const struct ref *r, gc_bad *bad, void *ctx)
{
	struct checking c = { s, bad, ctx, 0 };
	char text[REF_MAX], digest[DIGEST_SIZE];

	if (r) {
		TRY(store_ref_read(s, r, digest));
		ref_text(r, text);
		TRY(check_image(&c, text, digest));
	} else {
		TRY(store_ref_each(s, check_image, &c));
	}
	return c.n;
}
