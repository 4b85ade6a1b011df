/*
 * A private directory HOME/images/tmp/PID.START.N for work in progress. It goes when it
 * is closed; when its owner was killed, the next command that opens a stage removes it.
 */
#pragma once
#include "images/store.h"

struct staged { bool layer; char name[32], hex[HEX_SIZE]; };
struct stage {
	const struct store *store;
	int dir;
	char name[64];
	unsigned made;
	struct staged *v;
	size_t n;
};

int stage_open(struct stage *g, const struct store *s);
void stage_close(struct stage *g);
#define auto_stage __attribute__((cleanup(stage_close)))
/* Removes what dead owners left. */
int stage_collect(const struct store *s);

/* A fresh name inside the stage: "blob-3". */
void stage_name(struct stage *g, const char *what, char out[32]);
void stage_path(const struct stage *g, const char *name, char out[PATH_MAX]);
/*
 * What is complete and checked waits here; nothing enters the store before stage_commit(), so
 * an image that turns out bad leaves nothing. What the store has already stays as it is.
 */
int stage_add_blob(struct stage *g, const char *name, const char *hex);
int stage_add_layer(struct stage *g, const char *name, const char *hex);
int stage_commit(struct stage *g);
bool stage_has_layer(const struct stage *g, const char *hex);	/* here or in the store */
/* Text becomes a blob (manifest, configuration). */
int stage_put_text(struct stage *g, const char *text, size_t len, char hex[HEX_SIZE]);
