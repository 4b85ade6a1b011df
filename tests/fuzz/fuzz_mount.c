/* Options of a mount, a word a line, with ids of the container to map them to; then the whole plan. */
#include "runtime/child/mount.h"
#include "tests/fuzz/fuzz.h"

enum { WORDS_MAX = 64 };

static void options(const struct strv *words)
{
	auto_arena struct arena a = { 0 };
	struct mnt_options o;

	if (mnt_parse_options(&a, words, &o) < 0)
		return;
	/* What one word sets no other clears: the kernel refuses both. But of the modes of atime, which are a field. */
	demand(!(o.attr_set & o.attr_clr & ~(uint64_t)MOUNT_ATTR__ATIME));
	demand(!(o.rec_set & o.rec_clr & ~(uint64_t)MOUNT_ATTR__ATIME));
	demand(!o.foreign || o.data);
}

static void plan(const char *type, const char *src, const char *dst, const struct strv *words)
{
	struct spec_idmap own[] = { { { 0, true }, { 100000, true }, { 65536, true } } };
	struct spec_linux l = { .uid_maps = { own, 1 }, .gid_maps = { own, 1 } };
	struct spec_mount m = { .dst = dst, .src = src, .type = type, .options = *words };
	struct spec s = { .root_path = "rootfs", .mounts = { &m, 1 }, .linux_ = &l };
	auto_buf struct buf text = { 0 };
	struct mnt_plan p;

	if (mnt_plan_spec(&s, MNT_PLAN_USERNS, &p) < 0)
		return;
	demand(p.hooks_at <= p.n);
	for (size_t i = 0; i < p.n; i++)
		LIST_EACH(struct spec_idmap, map, p.op[i].uid_maps)
			demand(map->size.v > 0 && (uint64_t)map->host.v + map->size.v <= UINT64_C(1) << 32);
	mnt_plan_print(&text, &p);
	mnt_plan_free(&p);
}

/* Type, source, destination, options. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size);
	const char *v[WORDS_MAX + 1] = { NULL };
	char *rest = text;
	size_t n = 0;

	while (n < WORDS_MAX && (v[n] = fuzz_line(&rest)))
		n++;
	if (n > 3) {
		struct strv words = { v + 3, n - 3 };

		options(&words);
		plan(*v[0] ? v[0] : NULL, *v[1] ? v[1] : NULL, v[2], &words);
	}
	err_clear();
	return 0;
}
