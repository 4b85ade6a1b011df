#include "images/manifest.h"
#include "base/scope.h"

#include <string.h>

enum { LAYERS_MAX = 256 };

static const struct field platform_fields[] = {
	F(struct platform, "architecture", K_STR, architecture),
	F(struct platform, "os", K_STR, os),
	F(struct platform, "variant", K_STR, variant),
	{ 0 }
};
static const struct record platform_record = RECORD("platform", struct platform, platform_fields);

static const struct field descriptor_fields[] = {
	F(struct descriptor, "mediaType", K_STR, media_type),
	FR(struct descriptor, "digest", K_STR, digest),
	FR(struct descriptor, "size", K_U64, size),
	SUB(struct descriptor, "platform", K_OPT, platform, &platform_record),
	F(struct descriptor, "annotations", K_MAP, annotations),
	{ 0 }
};
static const struct record descriptor_record = RECORD("descriptor", struct descriptor, descriptor_fields);

static const struct field index_fields[] = {
	FR(struct index, "schemaVersion", K_U32, schema),
	F(struct index, "mediaType", K_STR, media_type),
	SUB(struct index, "manifests", K_LIST, manifests, &descriptor_record),
	{ 0 }
};
static const struct record index_record = RECORD("index", struct index, index_fields);

static const struct field manifest_fields[] = {
	FR(struct manifest, "schemaVersion", K_U32, schema),
	F(struct manifest, "mediaType", K_STR, media_type),
	{ "config", K_OBJ, REQUIRED, offsetof(struct manifest, config), &descriptor_record },
	SUB(struct manifest, "layers", K_LIST, layers, &descriptor_record),
	F(struct manifest, "annotations", K_MAP, annotations),
	{ 0 }
};
static const struct record manifest_record = RECORD("manifest", struct manifest, manifest_fields);

static const struct field run_fields[] = {
	F(struct run_config, "User", K_STR, user),
	F(struct run_config, "WorkingDir", K_STR, workdir),
	F(struct run_config, "StopSignal", K_STR, stop_signal),
	F(struct run_config, "Env", K_STRV, env),
	F(struct run_config, "Cmd", K_STRV, cmd),
	F(struct run_config, "Entrypoint", K_STRV, entrypoint),
	{ 0 }
};
static const struct record run_record = RECORD("config", struct run_config, run_fields);

static const struct field rootfs_fields[] = {
	FR(struct image_config, "type", K_STR, rootfs.type),
	FR(struct image_config, "diff_ids", K_STRV, rootfs.diff_ids),
	{ 0 }
};
static const struct record rootfs_record = RECORD("rootfs", struct image_config, rootfs_fields);

static const struct field config_fields[] = {
	F(struct image_config, "architecture", K_STR, architecture),
	F(struct image_config, "os", K_STR, os),
	F(struct image_config, "variant", K_STR, variant),
	F(struct image_config, "created", K_STR, created),
	SUB(struct image_config, "config", K_OPT, config, &run_record),
	{ "rootfs", K_OBJ, REQUIRED, 0, &rootfs_record },
	{ 0 }
};
static const struct record config_record = RECORD("image configuration", struct image_config, config_fields);

static const struct field saved_fields[] = {
	FR(struct saved, "Config", K_STR, config),
	F(struct saved, "RepoTags", K_STRV, tags),
	FR(struct saved, "Layers", K_STRV, layers),
	{ 0 }
};
static const struct record saved_record = RECORD("manifest.json", struct saved, saved_fields);

static bool in_list(const char *const *list, const char *s)
{
	for (; *list; list++)
		if (strcmp(*list, s) == 0)
			return true;
	return false;
}

static const char *const index_types[] = {
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	NULL,
};
static const char *const manifest_types[] = {
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json",
	NULL,
};
static const char *const config_types[] = {
	"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json", NULL,
};
static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", NULL,
};

void doc_free(struct doc *d)
{
	json_free(&d->tree);
	arena_free(&d->arena);
}

static int parse(struct doc *d, const struct record *rec, const char *name, const char *text, size_t len,
		 void *out)
{
	TRY(fail_class(json_parse(name, text, len, &d->tree), ERR_IMAGE));
	TRY_IN(fail_class(bind_decode(&d->arena, rec, d->tree, out), ERR_IMAGE), "%s", name);
	return 0;
}

static int check_schema(const char *name, const struct opt_u32 *schema)
{
	if (schema->v != 2)
		return fail_as(ERR_IMAGE, "%s: schemaVersion %u is not supported", name, schema->v);
	return 0;
}

int index_parse(struct doc *d, const char *name, const char *text, size_t len, struct index *out)
{
	char hex[HEX_SIZE];

	TRY(parse(d, &index_record, name, text, len, out));
	TRY(check_schema(name, &out->schema));
	if (out->media_type && !media_is_index(out->media_type))
		return fail_as(ERR_IMAGE, "%s: media type \"%.100s\" is not an index", name, out->media_type);
	LIST_EACH(struct descriptor, e, out->manifests)
		TRY_IN(digest_hex(e->digest, hex), "%s: manifests[%zu]", name,
		       (size_t)(e - (struct descriptor *)out->manifests.v));
	return 0;
}

int manifest_parse(struct doc *d, const char *name, const char *text, size_t len, struct manifest *out)
{
	TRY(parse(d, &manifest_record, name, text, len, out));
	TRY(check_schema(name, &out->schema));
	if (out->media_type && !in_list(manifest_types, out->media_type))
		return fail_as(ERR_IMAGE, "%s: media type \"%.100s\" is not an image manifest", name,
			       out->media_type);
	if (out->config.media_type && !in_list(config_types, out->config.media_type))
		return fail_as(ERR_IMAGE, "%s: no container image: its configuration is \"%.100s\"", name,
			       out->config.media_type);
	return 0;
}

int config_parse(struct doc *d, const char *name, const char *text, size_t len, struct image_config *out)
{
	TRY(parse(d, &config_record, name, text, len, out));
	if (strcmp(out->rootfs.type, "layers") != 0)
		return fail_as(ERR_IMAGE, "%s: rootfs.type \"%.40s\" is not \"layers\"", name,
			       out->rootfs.type);
	struct platform p = { out->architecture, out->os, out->variant };
	if (platform_rank(&p) < 0)
		return fail_as(ERR_IMAGE, "%s: made for %.20s/%.20s, this host is linux/%s", name,
			       out->os ? out->os : "?", out->architecture ? out->architecture : "?",
			       platform_arch());
	return 0;
}

int saved_parse(struct doc *d, const char *name, const char *text, size_t len, struct list *out)
{
	struct saved *v;

	TRY(fail_class(json_parse(name, text, len, &d->tree), ERR_IMAGE));
	if (!json_is(d->tree, JSON_ARRAY) || d->tree->n == 0)
		return fail_as(ERR_IMAGE, "%s: not a list of images", name);
	out->n = d->tree->n;
	out->v = v = arena_alloc(&d->arena, out->n, sizeof *v);
	if (!v)
		return fail(ENOMEM, "%s: out of memory", name);
	for (size_t i = 0; i < out->n; i++)
		TRY_IN(fail_class(bind_decode(&d->arena, &saved_record, d->tree->values[i], &v[i]),
				  ERR_IMAGE),
		       "%s[%zu]", name, i);
	return 0;
}

bool media_is_index(const char *media_type)
{
	return media_type && in_list(index_types, media_type);
}

int image_check(const char *name, const struct manifest *m, const struct image_config *c)
{
	char hex[HEX_SIZE];
	size_t i = 0;

	if (m->layers.n == 0 || m->layers.n > LAYERS_MAX)
		return fail_as(ERR_IMAGE, "%s: %zu layers (1 to %d are possible)", name, m->layers.n,
			       LAYERS_MAX);
	if (m->layers.n != c->rootfs.diff_ids.n)
		return fail_as(ERR_IMAGE, "%s: %zu layers, but %zu diff_ids in its configuration", name,
			       m->layers.n, c->rootfs.diff_ids.n);
	LIST_EACH(struct descriptor, l, m->layers) {
		TRY_IN(digest_hex(l->digest, hex), "%s: layers[%zu]", name, i);
		TRY_IN(digest_hex(c->rootfs.diff_ids.v[i], hex), "%s: diff_ids[%zu]", name, i);
		if (l->media_type && !in_list(layer_types, l->media_type))
			return fail_as(ERR_IMAGE,
				       "%s: layers[%zu]: media type \"%.100s\" is not a file system layer",
				       name, i, l->media_type);
		i++;
	}
	return 0;
}
