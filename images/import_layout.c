#include "images/import.h"
#include "base/err.h"
#include "base/path.h"
#include "base/str.h"
#include "images/manifest.h"

#include <fcntl.h>
#include <string.h>

enum { TEXT_MAX = 8 << 20, NEST_MAX = 4 };

static const char *const name_keys[] = { "io.containerd.image.name", "org.opencontainers.image.ref.name" };

struct choice { const struct descriptor *best; int rank; const char *name; size_t names; };

static int open_blob(int dir, const char *digest)
{
	char hex[HEX_SIZE], path[96];
	int fd;

	TRY(digest_hex(digest, hex));
	snprintf(path, sizeof path, "blobs/sha256/%s", hex);
	fd = path_open(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	return fd == -ENOENT ? fail_as(ERR_IMAGE, "blob %s: missing", digest) : fd;
}

int import_blob(struct stage *g, int dir, const char *digest, uint64_t size, char as[32])
{
	auto_close int fd = open_blob(dir, digest);

	TRY(fd);
	return layer_take_blob(g, fd, digest, size, as);
}

static int read_text(struct stage *g, int dir, const struct descriptor *d, char **text, size_t *len)
{
	char name[32];

	if (d->size.v > TEXT_MAX)
		return fail_as(ERR_IMAGE, "blob %s: too large for a document", d->digest);
	TRY(import_blob(g, dir, d->digest, d->size.v, name));
	return path_read(g->dir, name, TEXT_MAX, text, len);
}

static const char *name_of_descriptor(const struct descriptor *d)
{
	for (size_t i = 0; i < COUNT(name_keys); i++) {
		const char *s = map_get(&d->annotations, name_keys[i]);

		if (s && *s)
			return s;
	}
	return NULL;
}

/* Annotations hold a whole reference or only a tag. */
static bool is_wanted(const char *name, const char *ref)
{
	struct ref a, b;

	if (!ref || ref_parse(ref, &b) < 0)
		return false;
	if (ref_parse(name, &a) == 0 && str_eq(a.name, b.name) && str_eq(a.tag, b.tag))
		return true;
	return str_eq(name, b.tag);
}

/* The best for this host among those with the wanted name, or among all when there is only one name. */
static int choose(const struct index *ix, const char *ref, struct choice *c)
{
	bool wanted = false;

	*c = (struct choice){ .rank = -1 };
	LIST_EACH(struct descriptor, d, ix->manifests) {
		const char *name = name_of_descriptor(d);

		wanted |= name && is_wanted(name, ref);
	}
	LIST_EACH(struct descriptor, d, ix->manifests) {
		const char *name = name_of_descriptor(d);
		int rank = platform_rank(d->platform);

		if (wanted && !(name && is_wanted(name, ref)))
			continue;
		if (name && (!c->name || !str_eq(c->name, name)))
			c->names++;
		if (name && !c->name)
			c->name = name;
		if (rank > c->rank) {
			c->rank = rank;
			c->best = d;
			c->name = name ? name : c->name;
		}
	}
	err_clear();
	if (c->names > 1) {
		int r = fail_as(ERR_IMAGE, "holds %zu images", c->names);

		err_try("--ref with the name of one of them, such as %.100s", c->name);
		return r;
	}
	return c->best ? 0 : fail_as(ERR_IMAGE, "no image for linux/%s", platform_arch());
}

static int take_layers(struct import *im, struct stage *g, int dir, const struct manifest *m,
		       const struct image_config *c)
{
	size_t i = 0;

	LIST_EACH(struct descriptor, l, m->layers) {
		char name[32], got[HEX_SIZE];

		TRY(import_blob(g, dir, l->digest, l->size.v, name));
		auto_close int blob = openat(g->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (blob < 0)
			return fail_errno("blob %s", l->digest);
		TRY_IN(layer_unpack(g, blob, "layer", c->rootfs.diff_ids.v[i],
				    im->devices ? LAYER_DEVICES : 0, got), "layers[%zu]", i);
		i++;
	}
	return 0;
}

static int take_manifest(struct import *im, struct stage *g, int dir, const struct descriptor *d)
{
	auto_free char *text = NULL, *config = NULL;
	auto_doc struct doc md = { 0 }, cd = { 0 };
	struct manifest m;
	struct image_config c;
	size_t n;

	TRY(read_text(g, dir, d, &text, &n));
	TRY(manifest_parse(&md, "manifest", text, n, &m));
	TRY(read_text(g, dir, &m.config, &config, &n));
	TRY(config_parse(&cd, "configuration", config, n, &c));
	TRY(image_check("manifest", &m, &c));
	TRY(take_layers(im, g, dir, &m, &c));
	snprintf(im->digest, sizeof im->digest, "%s", d->digest);
	return 0;
}

static int take_index(struct import *im, struct stage *g, int dir, const char *text, size_t n, int depth)
{
	auto_doc struct doc d = { 0 };
	auto_free char *below = NULL;
	struct index ix;
	struct choice c;

	if (depth > NEST_MAX)
		return fail_as(ERR_IMAGE, "index: nested deeper than %d", NEST_MAX);
	TRY(index_parse(&d, depth ? "index" : "index.json", text, n, &ix));
	TRY(choose(&ix, im->ref, &c));
	if (c.name && !im->made[0] && strlen(c.name) < sizeof im->made)
		strcpy(im->made, c.name);
	if (!media_is_index(c.best->media_type))
		return take_manifest(im, g, dir, c.best);
	TRY(read_text(g, dir, c.best, &below, &n));
	return take_index(im, g, dir, below, n, depth + 1);
}

/* A tag alone gets the name of the source before it. */
static void complete_name(struct import *im)
{
	char tag[REF_MAX], base[REF_MAX];
	struct ref r;

	if (!im->made[0] || strchr(im->made, '/') || strchr(im->made, ':'))
		return;
	memcpy(tag, im->made, sizeof tag);
	ref_from_path(im->source, base);
	*strrchr(base, ':') = '\0';
	snprintf(im->made, sizeof im->made, "%.100s:%.130s", base, tag);
	if (ref_parse(im->made, &r) < 0)
		im->made[0] = '\0';
}

int import_layout(struct import *im, struct stage *g, int dir)
{
	auto_free char *layout = NULL, *text = NULL;
	auto_json struct json *tree = NULL;
	const char *version;
	size_t n;

	TRY_IN(fail_class(path_read(dir, "oci-layout", 4096, &layout, &n), ERR_IMAGE), "%s", im->source);
	TRY_IN(fail_class(json_parse("oci-layout", layout, n, &tree), ERR_IMAGE), "%s", im->source);
	version = json_get_str(tree, "imageLayoutVersion");
	if (!version || !str_starts(version, "1."))
		return fail_as(ERR_IMAGE, "%s: oci-layout: version %.20s is not supported", im->source,
			       version ? version : "(none)");
	TRY_IN(fail_class(path_read(dir, "index.json", TEXT_MAX, &text, &n), ERR_IMAGE), "%s", im->source);
	TRY_IN(take_index(im, g, dir, text, n, 0), "%s", im->source);
	complete_name(im);
	return 0;
}
