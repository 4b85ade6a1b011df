/* An image of the store: its manifest and configuration, checked against their digests. */
#pragma once
#include "images/manifest.h"
#include "images/store.h"

struct image {
	char digest[DIGEST_SIZE];
	struct doc manifest_doc, config_doc;
	struct manifest m;
	struct image_config c;
};
int image_load(const struct store *s, const char *digest, struct image *out);
void image_drop(struct image *i);
#define auto_image __attribute__((cleanup(image_drop)))
uint64_t image_size(const struct image *i);	/* of its compressed layers */

/*
 * The layers as overlayfs takes them: hexadecimal names, lowest first, none twice. Of a layer
 * that occurs twice only the upper one counts, as that one covers all of the lower one.
 */
struct layer_list { char (*hex)[HEX_SIZE]; size_t n; };
int image_layers(const struct image *i, struct layer_list *out);
void layer_list_free(struct layer_list *l);
#define auto_layer_list __attribute__((cleanup(layer_list_free)))
/* Unpacks again what is missing in layers/ from its blob. */
int image_ensure_layers(const struct store *s, const struct image *i);
