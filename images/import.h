/* Bringing a source into the store; what it is is told from its content. */
#pragma once
#include "images/make.h"
#include "images/ref.h"

struct import {
	const struct store *store;
	const char *source;	/* for messages and names */
	const char *ref;	/* NULL: from the source */
	bool devices;
	char made[REF_MAX], digest[DIGEST_SIZE];
};
int import_run(struct import *im);
/* Names that template_run() gives; nobody else's without --ref. */
#define TEMPLATES "template/"

/*
 * The kinds; each leaves everything in the stage, the digest in im, and a name in im->made when the source
 * has one.
 */
int import_layout(struct import *im, struct stage *g, int dir);
int import_saved(struct import *im, struct stage *g, int dir);
/* Copies the store-less blob with this digest out of blobs/sha256 of a layout. */
int import_blob(struct stage *g, int dir, const char *digest, uint64_t size, char as[32]);
