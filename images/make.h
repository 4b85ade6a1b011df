/* An image of one layer, with the documents that a root filesystem alone does not have. */
#pragma once
#include "images/layer.h"

struct make_words { const char *created_by, *cmd, *stop_signal; };
/* Configuration and manifest go into the stage; digest: the manifest's. */
int make_image(struct stage *g, const struct layer *l, const struct make_words *w, char digest[DIGEST_SIZE]);

/* A manifest for a configuration that exists and layers of these digests. */
struct make_blob { const char *media_type; char hex[HEX_SIZE]; uint64_t size; };
int make_manifest(struct stage *g, const struct make_blob *config, const struct make_blob *layers, size_t n,
		  char digest[DIGEST_SIZE]);
