/*
 * What a container exposes, from the report that vzrun-probe writes inside (probe/probe.h). A row is a kind
 * of exposure with a weight; its count is the number of things found open, the score the weighted sum: fewer
 * is better. Facts of the report become findings where they are the host's own.
 */
#pragma once
#include "base/arena.h"
#include "base/bind.h"
#include "base/json.h"

struct exposure_row {
	const char *name;
	unsigned weight;
	unsigned usual;		/* what a default guest has at most; more is "exposed" */
	const char *what;	/* what is counted */
	const char *why;	/* why a guest has any; NULL: it has none */
};
enum { EXPOSURE_ROWS = 28 };
extern const struct exposure_row exposure_rows[EXPOSURE_ROWS];

struct exposure_item { unsigned row; const char *text; };
struct exposure {
	struct exposure_item *items;	/* in the order of the report */
	size_t n;
	unsigned count[EXPOSURE_ROWS], score;
};

/*
 * The facts of this host, by the names of the report, for comparison.
 */
int exposure_host(struct arena *a, struct map *facts);
/* The report is untrusted: known rows, a first and a last line. ERR_CONFIG says what is wrong. */
enum { EXPOSURE_MAX = 4 << 20 };
int exposure_read(struct arena *a, const char *report, const struct map *host, struct exposure *out);
/* "closed", "usual" or "exposed" */
const char *exposure_verdict(const struct exposure *e, unsigned row);

/* Runs the probe as root of a running container or guest: at most EXPOSURE_MAX bytes, at most two minutes. */
int exposure_inside(const char *root, const char *id, struct buf *report);
/* Adds the container's limit to the facts, as limit-memory. */
int exposure_limits(struct arena *a, const char *root, const char *id, struct map *facts);
