/* What of the host is bound into a guest: --bind SRC:DST[:OPTION,...], mounts of its config.json from then on. */
#include "runtime/guest/binds.h"
#include "base/path.h"
#include "base/scope.h"
#include "runtime/child/mount.h"
#include "runtime/container/container.h"
#include "selinux/lsm.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* Directories of the host that z and Z must not relabel: its own programs would lose access. */
static const char *const never[] = {
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run", "/sbin",
	"/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log", "/var/tmp",
};

/* Made anew at each start, with the console and the socket of readiness in it, or the root of all that. */
static const char *const own[] = { "/", "/dev", "/dev/console", "/dev/pts", "/run", GUEST_HOST_DIR };

static void parse_options(char *words, struct bind_word *out)
{
	char *save = NULL;

	for (char *w = strtok_r(words, ",", &save); w; w = strtok_r(NULL, ",", &save))
		if (str_eq(w, "z") || str_eq(w, "Z"))
			out->label = *w;
		else
			out->options.v[out->options.n++] = w;
}

/* Where it leads today: from then on no link on the way is followed (src-nolinks). */
static const char *real_path(struct arena *a, const char *path)
{
	auto_free char *real = path ? realpath(path, NULL) : NULL;

	return real ? arena_strdup(a, real) : path;
}

static bool is_own(const char *dst)
{
	for (size_t i = 0; i < COUNT(own); i++)
		if (str_eq(own[i], dst))
			return true;
	return false;
}

/* Below /proc, where only files may be covered. */
static bool is_file_of_proc(const char *dst)
{
	return mnt_is_below(dst, "/proc") && !str_eq(dst, "/proc");
}

static int check_place(struct arena *a, const struct bind_word *b)
{
	const char *dst = mnt_clean(a, b->dst);
	struct statfs fs;
	struct stat st;
	int r = dst ? mnt_check_place(dst, "bind") : fail(ENOMEM, "out of memory");

	if (r == 0 && is_own(dst))
		r = fail(EINVAL, "a guest has one of its own");
	else if (r == 0 && str_eq(dst, "/proc") && statfs(b->src, &fs) == 0 && fs.f_type != PROC_SUPER_MAGIC)
		r = fail(EPERM, "only a procfs may be bound on /proc");
	else if (r == 0 && is_file_of_proc(dst) && stat(b->src, &st) == 0 && S_ISDIR(st.st_mode))
		r = fail(ENOTDIR, "directory %s cannot cover a file", b->src);
	return r < 0 ? fail_class(fail_in(r, "--bind: %s", b->dst), ERR_USAGE) : 0;
}

int bind_parse(struct arena *a, const char *text, struct bind_word *out)
{
	const char *dst = strchr(text, ':');
	size_t n = dst ? (size_t)(dst - text) : 0, m = dst ? strcspn(dst + 1, ":") : 0;
	struct mnt_options o;
	char *words;

	*out = (struct bind_word){ 0 };
	if (text[0] != '/' || !dst || dst[1] != '/' || n >= PATH_MAX || m >= PATH_MAX)
		return fail_as(ERR_USAGE, "--bind: \"%.200s\" is not /SOURCE:/DESTINATION[:OPTION,...]", text);
	dst++;
	out->src = real_path(a, arena_printf(a, "%.*s", (int)n, text));
	out->dst = arena_printf(a, "%.*s", (int)m, dst);
	words = arena_strdup(a, dst[m] ? dst + m + 1 : "");
	/* No option is shorter than a letter and its comma; the last is NULL. */
	out->options.v = words ? arena_alloc(a, (strlen(words) + 1) / 2 + 1, sizeof *out->options.v) : NULL;
	if (!out->src || !out->dst || !out->options.v)
		return fail(ENOMEM, "out of memory");
	parse_options(words, out);
	/* What a start would refuse. */
	TRY(check_place(a, out));
	TRY_IN(fail_class(mnt_parse_options(a, &out->options, &o), ERR_USAGE), "--bind");
	return o.foreign ? fail_as(ERR_USAGE, "--bind: \"%.200s\": unknown option \"%s\"", text, o.foreign) : 0;
}

void bind_encode_mount(struct jout *o, const struct bind_word *b)
{
	jout_open(o, NULL, '{');
	jout_str(o, "destination", b->dst);
	jout_str(o, "source", b->src);
	jout_str(o, "type", "bind");
	jout_open(o, "options", '[');
	jout_str(o, NULL, "rbind");
	for (size_t i = 0; i < b->options.n; i++)
		jout_str(o, NULL, b->options.v[i]);
	jout_close(o, ']');
	jout_close(o, '}');
}

/* By what it is: a link or another mount gives it another name. */
static bool is_hosts(const struct stat *st)
{
	for (size_t i = 0; i < COUNT(never); i++) {
		struct stat its;

		if (stat(never[i], &its) == 0 && its.st_dev == st->st_dev && its.st_ino == st->st_ino)
			return true;
	}
	return false;
}

int bind_open_source(const struct bind_word *b)
{
	auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = root < 0 ? -errno : path_open_strict(root, b->src[1] ? b->src + 1 : ".", O_PATH);

	if (fd < 0)
		return fail_class(fail(-fd, "--bind: %s: %s", b->src, strerrordesc_np(-fd)),
				  fd == -ENOENT ? ERR_NOT_FOUND : ERR_OTHER);
	return fd;
}

int bind_label(const struct bind_word *b, const struct guest_labels *l)
{
	auto_close int fd = bind_open_source(b);
	char all[sizeof l->file];
	struct stat st;

	TRY(fd);
	if (!b->label || !lsm_selinux_on())
		return 0;
	if (!*l->file)
		return fail_as(ERR_USAGE, "--bind: %s: \"%c\" needs a guest with a label (--selinux none was given)",
			       b->src, b->label);
	/* Without categories: every guest's. */
	label_shared(all, sizeof all);
	if (fstat(fd, &st) < 0)
		return fail_errno("--bind: %s", b->src);
	if (is_hosts(&st))
		return fail_as(ERR_USAGE, "--bind: %s: \"%c\" would take the host's own label from it", b->src, b->label);
	TRY_IN(lsm_relabel(fd, b->label == 'Z' ? l->file : all), "--bind: %s", b->src);
	return 0;
}
