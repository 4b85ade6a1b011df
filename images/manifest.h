/* The documents of an image: index, manifest, configuration; read, chosen from, made. ERR_IMAGE. */
#pragma once
#include "base/bind.h"
#include "images/digest.h"

struct platform { const char *architecture, *os, *variant; };
struct descriptor {
	const char *media_type, *digest;
	struct opt_u64 size;
	struct platform *platform;
	struct map annotations;
};
struct index { struct opt_u32 schema; const char *media_type; struct list manifests; };
struct manifest {
	struct opt_u32 schema;
	const char *media_type;
	struct descriptor config;
	struct list layers;
	struct map annotations;
};
struct run_config { const char *user, *workdir, *stop_signal; struct strv env, cmd, entrypoint; };
struct image_config {
	const char *architecture, *os, *variant, *created;
	struct run_config *config;
	struct { const char *type; struct strv diff_ids; } rootfs;
};
struct saved { const char *config; struct strv tags, layers; };	/* a row of docker's manifest.json */

/* A parsed document: what the structs point into. */
struct doc { struct json *tree; struct arena arena; };
void doc_free(struct doc *d);
#define auto_doc __attribute__((cleanup(doc_free)))

int index_parse(struct doc *d, const char *name, const char *text, size_t len, struct index *out);
int manifest_parse(struct doc *d, const char *name, const char *text, size_t len, struct manifest *out);
int config_parse(struct doc *d, const char *name, const char *text, size_t len, struct image_config *out);
int saved_parse(struct doc *d, const char *name, const char *text, size_t len, struct list *out);

bool media_is_index(const char *media_type);
/* One diff_id for each layer, and every digest well-formed. */
int image_check(const char *name, const struct manifest *m, const struct image_config *c);

/* Higher is better, -1: does not run here. NULL runs anywhere. */
int platform_rank(const struct platform *p);
const char *platform_arch(void);	/* this host's, in the words of images */
