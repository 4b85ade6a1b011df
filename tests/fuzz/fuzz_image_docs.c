/* Index, manifest, configuration, docker's manifest.json: what is accepted has checked digests only. */
#include "images/manifest.h"
#include "tests/fuzz/fuzz.h"

static void try_index(const char *text, size_t n)
{
	auto_doc struct doc d = { 0 };
	struct index ix;
	char hex[HEX_SIZE];

	if (index_parse(&d, "index.json", text, n, &ix) < 0)
		return;
	LIST_EACH(struct descriptor, e, ix.manifests) {
		if (digest_hex(e->digest, hex) < 0)
			abort();
		(void)platform_rank(e->platform);
		(void)map_get(&e->annotations, "org.opencontainers.image.ref.name");
	}
}

static void try_saved(const char *text, size_t n)
{
	auto_doc struct doc d = { 0 };
	struct list rows;

	if (saved_parse(&d, "manifest.json", text, n, &rows) < 0)
		return;
	LIST_EACH(struct saved, s, rows)
		for (size_t i = 0; i < s->layers.n; i++)
			if (!s->layers.v[i])
				abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_doc struct doc md = { 0 }, cd = { 0 };
	/* The manifest, a NUL, its configuration. */
	auto_free char *text = fuzz_text(data, size);
	size_t first = strlen(text);
	struct manifest m;
	struct image_config c;

	try_index(text, size);
	try_saved(text, size);
	if (manifest_parse(&md, "manifest", text, first, &m) == 0 && first < size &&
	    config_parse(&cd, "configuration", text + first + 1, size - first - 1, &c) == 0 &&
	    image_check("manifest", &m, &c) == 0 && (m.layers.n != c.rootfs.diff_ids.n || !m.layers.n))
		abort();
	err_clear();
	return 0;
}
