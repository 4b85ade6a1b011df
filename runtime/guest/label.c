/* SELinux labels of guests. */
#include "runtime/guest/label.h"
#include "runtime/guest/claims.h"
#include "base/file.h"
#include "base/path.h"
#include "base/scope.h"
#include "selinux/lsm.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A pair of categories is a link CLAIMS/c1,c2 to the directory of the guest that has it, for the whole host
 * whatever VZRUN_HOME. Unlike a range of ids it is its from create to destroy, because files carry it: so it
 * outlives the machine.
 */
#define CLAIMS "/var/lib/vzrun-selinux"
#define PROCESS "system_u:system_r:vzrun_t:s0"
#define KEEPER "system_u:system_r:vzrun_keeper_t:s0"
#define FILES "system_u:object_r:vzrun_file_t"
#define GUESTS "system_u:object_r:vzrun_guests_t:s0"
#define STATE "system_u:object_r:vzrun_state_t:s0"
#define RECORDS "system_u:object_r:vzrun_record_t:s0"
#define LAYERS "system_u:object_r:vzrun_ro_file_t:s0"
#define MODULE VZRUN_PREFIX "/share/vzrun/packaging/selinux/vzrun.cil"
#define HELPERS VZRUN_PREFIX "/libexec/vzrun"
enum { CATEGORIES = 1024 };

int label_check(const char *word)
{
	if (str_eq(word, "auto") || str_eq(word, "none"))
		return 0;
	if (strlen(word) >= sizeof(struct guest_labels){ 0 }.process || !strchr(word, ':'))
		return fail_as(ERR_USAGE, "--selinux: \"%.80s\" is neither auto, none nor a label", word);
	return 0;
}

int label_claim(const char *path, const char *dir, const char *had, char pair[16])
{
	auto_close int claims = claims_open(path, true);
	uint64_t h = str_hash(dir, strlen(dir));
	int r = 0;

	TRY(claims);
	if (*had) {
		snprintf(pair, 16, "%s", had);
		r = claims_take(claims, pair, dir);
	}
	/* From a place of its own, so that many at once do not queue for the first. */
	for (uint64_t i = 0; r == 0 && i < CATEGORIES * CATEGORIES; i++) {
		unsigned slot = (unsigned)((h + i) % (CATEGORIES * CATEGORIES));
		unsigned a = slot / CATEGORIES, b = slot % CATEGORIES;

		if (a >= b)
			continue;
		snprintf(pair, 16, "c%u,c%u", a, b);
		r = claims_take(claims, pair, dir);
	}
	return r != 0 ? r : fail_as(ERR_RESOURCE, "all pairs of SELinux categories are in use");
}

/* "c1,c2" of our own labels; "" of another. */
static const char *pair_of(const char *label)
{
	const char *pair = label + strlen(PROCESS ":");
	unsigned a, b;
	int used = 0;

	if (!str_starts(label, PROCESS ":") || sscanf(pair, "c%4u,c%4u%n", &a, &b, &used) != 2 || pair[used])
		return "";
	return a < b && b < CATEGORIES ? pair : "";
}

/* What a guest of "auto" needs; an older module lacks the last. */
static const struct { const char *label, *what; } needed[] = {
	{ PROCESS, "vzrun_t, the type of guests" },
	{ FILES ":s0", "vzrun_file_t, the type of their files" },
	{ KEEPER, "vzrun_keeper_t, the type of their keepers" },
	{ RECORDS, "vzrun_record_t, the type of their records" },
};

static int check_policy(void)
{
	for (size_t i = 0; i < COUNT(needed); i++) {
		int r = lsm_check_label(needed[i].label);

		if (r >= 0)
			continue;
		if (err_class() != ERR_CONFIG)
			return r;
		fail_as(ERR_UNSUPPORTED, "SELinux is on, and its policy has no %s", needed[i].what);
		err_try("semodule -i " MODULE " && restorecon -R " HELPERS "   |   --selinux none");
		return -EOPNOTSUPP;
	}
	return 0;
}

int label_possible(const char *word)
{
	if (!lsm_selinux_on() || (word && str_eq(word, "none")))
		return 0;
	return !word || str_eq(word, "auto") ? check_policy() : lsm_check_label(word);
}

static int compose(const char *dir, const char *word, const char *had, struct guest_labels *out)
{
	const char *level;
	char pair[16];

	TRY(label_possible(word));
	if (str_eq(word, "auto")) {
		TRY(label_claim(CLAIMS, dir, pair_of(had), pair));
		snprintf(out->process, sizeof out->process, PROCESS ":%s", pair);
	} else {
		snprintf(out->process, sizeof out->process, "%s", word);
	}
	/* user:role:type:level, and a level may have colons of its own. */
	level = out->process;
	for (int i = 0; level && i < 3; i++)
		level = strchr(level, ':') ? strchr(level, ':') + 1 : NULL;
	snprintf(out->file, sizeof out->file, FILES "%s%s", level ? ":" : "", level ? level : "");
	return lsm_check_label(out->file);
}

void label_of_keeper(const char *process, char *out, size_t size)
{
	const char *pair = pair_of(process);

	snprintf(out, size, "%s%s", *pair ? KEEPER ":" : "", pair);
}

int label_keeper(const struct guest_labels *l)
{
	char label[sizeof l->process];

	label_of_keeper(l->process, label, sizeof label);
	if (!*label || !lsm_selinux_on())
		return 0;
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return fail_errno("open /proc");
	TRY_IN(lsm_enter(proc, label), "keeper");
	return 0;
}

void label_shared(char *out, size_t size)
{
	snprintf(out, size, FILES ":s0");
}

void label_read(int dir_fd, char *out, size_t size)
{
	if (file_peek(dir_fd, "label", out, size) < 0)
		*out = '\0';
}

/* Once: the record that it is done comes last. */
static int label_root(int dir_fd, const struct guest_labels *l)
{
	auto_close int root = path_open_strict(dir_fd, "rootfs", O_RDONLY | O_DIRECTORY);

	if (root >= 0)
		TRY_IN(lsm_relabel(root, l->file), "rootfs");
	else if (root != -ENOENT)
		return root;
	err_clear();
	return file_write_atomic(dir_fd, "label", l->process, strlen(l->process), 0600);
}

/* Each once. */
static int label_dir(int fd, const char *name, const char *label)
{
	auto_close int dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char has[256];

	if (dir < 0)
		return fail_errno("open %s", name);
	TRY(lsm_label_of(dir, has, sizeof has));
	return str_eq(has, label) ? 0 : lsm_label_at(dir, ".", label);
}

/*
 * A wall is a guest's own directory: what is in it may be of any level, because whoever has not both categories does
 * not come to it. Nor can a keeper put one of its own making beside it.
 */
static int label_records(int dir_fd, const struct guest_labels *l)
{
	const char *pair = pair_of(l->process);
	char label[256];

	if (!*pair)
		return 0;
	snprintf(label, sizeof label, RECORDS ":%s", pair);
	TRY(label_dir(dir_fd, "..", GUESTS));
	return label_dir(dir_fd, ".", label);
}

int label_state(const char *root, const struct guest_labels *l)
{
	if (!*pair_of(l->process) || !lsm_selinux_on())
		return 0;
	auto_close int dir = file_make_dirs(root, 0700);
	TRY(dir);
	return label_dir(dir, ".", STATE);
}

int label_get(int dir_fd, const char *dir, const char *word, struct guest_labels *out)
{
	char had[sizeof out->process];

	*out = (struct guest_labels){ 0 };
	word = word ? word : "auto";
	if (str_eq(word, "none") || !lsm_selinux_on())
		return 0;
	label_read(dir_fd, had, sizeof had);
	TRY_IN(compose(dir, word, had, out), "SELinux");
	TRY_IN(label_records(dir_fd, out), "SELinux: %s", dir);
	return str_eq(had, out->process) ? 0 : label_root(dir_fd, out);
}

/* Labels a layer of the store that has no label yet. Layers outside of the store are left to their owner. */
static int label_layer(const char *home, const char *path)
{
	auto_buf struct buf store = { 0 };
	char label[256];

	buf_printf(&store, "%s/images/", home);
	if (!str_starts(path, buf_text(&store)))
		return 0;
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_errno("layer %s", path);
	TRY(lsm_label_of(fd, label, sizeof label));
	return str_eq(label, LAYERS) ? 0 : lsm_relabel(fd, LAYERS);
}

int label_layers(const char *home, const struct strv *layers, const struct guest_labels *l)
{
	for (size_t i = 0; *l->process && i < layers->n; i++)
		TRY_IN(label_layer(home, layers->v[i]), "SELinux: layer %s", layers->v[i]);
	return 0;
}

int label_release(const char *dir)
{
	return claims_drop(CLAIMS, dir);
}

int label_sweep(void)
{
	return claims_drop(CLAIMS, NULL);
}
