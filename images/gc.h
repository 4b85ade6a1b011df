/* What is still needed, and removing the rest. */
#pragma once
#include "images/store.h"

struct gc_result { uint64_t blobs, layers, bytes; };
/*
 * Kept: what references lead to, and the layers that HOME/guests/NAME/config.json names in vzrun.layers. A
 * guest whose configuration cannot be read stops it: its layers are not known. Takes the lock alone;
 * wait=false: -EAGAIN.
 */
int gc_run(const struct store *s, bool wait, struct gc_result *out);

/* Re-reads every blob of a reference, or of all (NULL). Calls bad for each that is wrong; returns how many.
 */
typedef void gc_bad(void *ctx, const char *ref, const char *text);
int gc_verify(const struct store *s, const struct ref *r, gc_bad *bad, void *ctx);
