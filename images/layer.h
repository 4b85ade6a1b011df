/* Getting blobs and layers into a stage. */
#pragma once
#include "images/stage.h"

struct layer { char hex[HEX_SIZE], diff[HEX_SIZE]; uint64_t size; const char *media_type; };

/* A root filesystem's tar as it comes; stored compressed. total 0: not known. */
int layer_from_stream(struct stage *g, int fd, uint64_t total, const char *what, bool devices,
		      struct layer *out);
/*
 * A blob that must have this digest and size, checked while it is copied. as: its name in the stage.
 */
int layer_take_blob(struct stage *g, int fd, const char *digest, uint64_t size, char as[32]);
/* LAYER_OURS: compressed by us, so how far it expands says nothing against it. */
enum { LAYER_DEVICES = 1, LAYER_OURS = 2 };
/* Unpacks unless the layer is known; diff: what it must be (sha256:...), NULL: anything, then in *got. */
int layer_unpack(struct stage *g, int blob, const char *what, const char *diff, int flags,
		 char got[HEX_SIZE]);
