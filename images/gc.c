#include "images/gc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "images/load.h"
#include "images/stage.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Sets of names; a store has hundreds of them, not millions. */
struct keep { char (*hex)[HEX_SIZE]; size_t n; };
struct live { const struct store *s; struct keep blobs, layers; };

static int keep_add(struct keep *k, const char *hex)
{
	void *grown = reallocarray(k->hex, k->n + 1, HEX_SIZE);

	if (!grown)
		return fail(ENOMEM, "images: out of memory");
	k->hex = grown;
	snprintf(k->hex[k->n++], HEX_SIZE, "%s", hex);
	return 0;
}

static bool keep_has(const struct keep *k, const char *hex)
{
	for (size_t i = 0; i < k->n; i++)
		if (str_eq(k->hex[i], hex))
			return true;
	return false;
}

static int mark_image(void *ctx, const char *ref, const char *digest)
{
	struct live *l = ctx;
	auto_image struct image i = { 0 };
	auto_layer_list struct layer_list layers = { 0 };

	TRY_IN(image_load(l->s, digest, &i), "image %s", ref);
	TRY(keep_add(&l->blobs, digest + 7));
	TRY(keep_add(&l->blobs, i.m.config.digest + 7));
	LIST_EACH(struct descriptor, d, i.m.layers)
		TRY(keep_add(&l->blobs, d->digest + 7));
	TRY(image_layers(&i, &layers));
	for (size_t k = 0; k < layers.n; k++)
		TRY(keep_add(&l->layers, layers.hex[k]));
	return 0;
}

static int mark_guest(struct live *l, int guests, const char *name)
{
	char path[300];
	auto_json struct json *tree = NULL;
	struct json *layers;
	int r;

	snprintf(path, sizeof path, "%.255s/config.json", name);
	r = json_load(guests, path, &tree);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	TRY_IN(r, "guests/%s", name);
	layers = json_get(json_get(tree, "vzrun"), "layers");
	for (size_t i = 0; json_is(layers, JSON_ARRAY) && i < layers->n; i++) {
		const char *text = json_string(layers->values[i]), *slash;

		if (!text)
			return fail_as(ERR_CONFIG, "guests/%s: vzrun.layers[%zu]: not a string", path, i);
		slash = strrchr(text, '/');
		slash = slash ? slash + 1 : text;
		TRY(keep_add(&l->layers, str_starts(slash, "sha256:") ? slash + 7 : slash));
	}
	return 0;
}

static int mark_guests(struct live *l)
{
	char path[PATH_MAX];
	struct dirent **list;
	int n, r = 0;

	snprintf(path, sizeof path, "%s/guests", l->s->home);
	auto_close int guests = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (guests < 0)
		return errno == ENOENT ? 0 : fail_errno("open %s", path);
	n = scandirat(guests, ".", &list, NULL, NULL);
	if (n < 0)
		return fail_errno("list %s", path);
	for (int i = 0; i < n; i++) {
		if (r == 0 && list[i]->d_name[0] != '.')
			r = mark_guest(l, guests, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return r;
}

static int sweep(const struct store *s, int dir, const struct keep *k, uint64_t *removed, uint64_t *bytes)
{
	struct dirent **list;
	int n = scandirat(dir, ".", &list, NULL, NULL), r = 0;

	if (n < 0)
		return fail_errno("list the image store");
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		struct stat st = { 0 };
		char gone[NAME_MAX + 16];

		if (r == 0 && name[0] != '.' && !keep_has(k, name)) {
			(void)fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
			/* First out of its place: half a layer must never be taken for one. */
			snprintf(gone, sizeof gone, "gone.%.200s", name);
			(void)path_remove_tree(s->tmp, gone);
			if (renameat(dir, name, s->tmp, gone) < 0)
				r = fail_errno("remove %s", name);
			else
				r = path_remove_tree(s->tmp, gone);
			*bytes += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
			++*removed;
		}
		free(list[i]);
	}
	free(list);
	return r;
}

static void drop(struct live *l)
{
	free(l->blobs.hex);
	free(l->layers.hex);
}

int gc_run(const struct store *s, bool wait, struct gc_result *out)
{
	auto_close int lock = store_lock(s, true, wait);
	__attribute__((cleanup(drop))) struct live l = { .s = s };

	*out = (struct gc_result){ 0 };
	TRY(lock);
	TRY(stage_collect(s));
	TRY(store_ref_each(s, mark_image, &l));
	TRY(mark_guests(&l));
	TRY(fail_class(sweep(s, s->blobs, &l.blobs, &out->blobs, &out->bytes), ERR_STORAGE));
	return fail_class(sweep(s, s->layers, &l.layers, &out->layers, &out->bytes), ERR_STORAGE);
}
