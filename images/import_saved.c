#include "images/import.h"
#include "base/err.h"
#include "base/path.h"
#include "base/str.h"
#include "images/manifest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_MAX = 8 << 20 };

/*
 * Docker's own archive has no digests of its layers: the image's documents are made anew around its
 * configuration.
 */

static int pick(const struct list *rows, const char *ref, const struct saved **out)
{
	struct ref a, b;

	*out = rows->v;
	if (rows->n == 1)
		return 0;
	if (ref && ref_parse(ref, &b) == 0)
		LIST_EACH(struct saved, s, *rows)
			for (size_t i = 0; i < s->tags.n; i++)
				if (ref_parse(s->tags.v[i], &a) == 0 && str_eq(a.name, b.name) &&
				    str_eq(a.tag, b.tag)) {
					*out = s;
					return 0;
				}
	int r = fail_as(ERR_IMAGE, "holds %zu images", rows->n);
	err_try("--ref with the name of one of them%s%.100s", (*out)->tags.n ? ", such as " : "",
		(*out)->tags.n ? (*out)->tags.v[0] : "");
	return r;
}

static int take_layer(struct import *im, struct stage *g, int dir, const char *path, const char *diff,
		      struct make_blob *out)
{
	struct layer l;
	struct stat st;
	/* Old versions save a layer that occurs twice as a link to the first. */
	auto_close int fd = path_open(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	TRY(fail_class(fd, ERR_IMAGE));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fail_as(ERR_IMAGE, "%s: not a file", path);
	TRY(layer_from_stream(g, fd, (uint64_t)st.st_size, path, im->devices, &l));
	if (!str_eq(l.diff, diff + 7))
		return fail_as(ERR_IMAGE, "%s: unpacks to sha256:%s, its image says %s", path, l.diff, diff);
	*out = (struct make_blob){ .media_type = l.media_type, .size = l.size };
	memcpy(out->hex, l.hex, HEX_SIZE);
	return 0;
}

static int take_image(struct import *im, struct stage *g, int dir, const struct saved *s)
{
	struct make_blob config = { .media_type = "application/vnd.oci.image.config.v1+json" };
	auto_free struct make_blob *layers = calloc(s->layers.n + 1, sizeof *layers);
	auto_doc struct doc d = { 0 };
	auto_free char *text = NULL;
	struct image_config c;
	char hex[HEX_SIZE];
	size_t n;

	if (!layers)
		return fail(ENOMEM, "%s: out of memory", im->source);
	TRY(fail_class(path_read(dir, s->config, TEXT_MAX, &text, &n), ERR_IMAGE));
	TRY(config_parse(&d, s->config, text, n, &c));
	if (s->layers.n == 0 || s->layers.n != c.rootfs.diff_ids.n)
		return fail_as(ERR_IMAGE, "%s: %zu layers, but %zu diff_ids in its configuration", s->config,
			       s->layers.n, c.rootfs.diff_ids.n);
	for (size_t i = 0; i < s->layers.n; i++) {
		TRY_IN(digest_hex(c.rootfs.diff_ids.v[i], hex), "%s: diff_ids[%zu]", s->config, i);
		TRY(take_layer(im, g, dir, s->layers.v[i], c.rootfs.diff_ids.v[i], &layers[i]));
	}
	TRY(stage_put_text(g, text, n, config.hex));
	config.size = n;
	return make_manifest(g, &config, layers, s->layers.n, im->digest);
}

int import_saved(struct import *im, struct stage *g, int dir)
{
	auto_doc struct doc d = { 0 };
	auto_free char *text = NULL;
	const struct saved *s;
	struct list rows;
	size_t n;

	TRY_IN(fail_class(path_read(dir, "manifest.json", TEXT_MAX, &text, &n), ERR_IMAGE), "%s", im->source);
	TRY_IN(saved_parse(&d, "manifest.json", text, n, &rows), "%s", im->source);
	TRY_IN(pick(&rows, im->ref, &s), "%s", im->source);
	TRY_IN(take_image(im, g, dir, s), "%s", im->source);
	if (s->tags.n && strlen(s->tags.v[0]) < sizeof im->made)
		strcpy(im->made, s->tags.v[0]);
	return 0;
}
