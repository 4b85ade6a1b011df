/*
 * The store: HOME/images/{blobs/sha256/HEX, layers/HEX, refs/NAME, tmp}, 0700. Blobs and
 * layers are written in tmp and renamed when complete, so what has its name is whole.
 *
 * Locks: whoever adds holds `lock` shared from its first look to its last rename, whoever
 * collects garbage holds it alone. Readers take none.
 */
#pragma once
#include "base/scope.h"
#include "images/digest.h"
#include "images/ref.h"
#include <limits.h>
#include <stdbool.h>

struct store {
	char home[PATH_MAX - 256], path[PATH_MAX - 128];	/* HOME and HOME/images */
	int dir, blobs, layers, refs, tmp;
};

int store_open(struct store *s, const char *home);
void store_close(struct store *s);
#define auto_store __attribute__((cleanup(store_close)))
/* A descriptor that holds the lock. wait=false: -EAGAIN when somebody has it. */
int store_lock(const struct store *s, bool alone, bool wait);

bool store_has_blob(const struct store *s, const char *hex);
bool store_has_layer(const struct store *s, const char *hex);
void store_layer_path(const struct store *s, const char *hex, char out[PATH_MAX]);
/* ERR_IMAGE when it is missing. */
int store_blob_open(const struct store *s, const char *digest);
/* A manifest or configuration, its digest checked. ERR_IMAGE. */
int store_blob_text(const struct store *s, const char *digest, char **text, size_t *len);

/* The digest of the reference's manifest. ERR_NOT_FOUND. With r->digest: must be the same. */
int store_ref_read(const struct store *s, const struct ref *r, char digest[DIGEST_SIZE]);
int store_ref_write(const struct store *s, const struct ref *r, const char *digest);
int store_ref_remove(const struct store *s, const struct ref *r);
/* Calls fn for every reference, in order of name. */
typedef int store_ref_fn(void *ctx, const char *ref, const char *digest);
int store_ref_each(const struct store *s, store_ref_fn *fn, void *ctx);
