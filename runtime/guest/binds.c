/* What of the host is bound into a guest: --bind SRC:DST[:OPTION,...], mounts of its config.json from then on. */
#include "runtime/guest/binds.h"
#include "base/scope.h"
#include "selinux/lsm.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A label for one guest on these would lock the host out of its own. */
static const char *const never[] = {
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run", "/sbin",
	"/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log", "/var/tmp",
};

int bind_parse(const char *text, struct bind_word *out)
{
	const char *dst = strchr(text, ':'), *words;
	size_t n = dst ? (size_t)(dst - text) : 0, m = dst ? strcspn(dst + 1, ":") : 0;

	*out = (struct bind_word){ 0 };
	if (text[0] != '/' || !dst || dst[1] != '/' || n >= sizeof out->src || m >= sizeof out->dst)
		return fail_as(ERR_USAGE, "--bind: \"%.200s\" is not /SOURCE:/DESTINATION[:OPTION,...]", text);
	memcpy(out->src, text, n);
	memcpy(out->dst, dst + 1, m);
	words = dst + 1 + m;
	for (const char *w = *words ? words + 1 : ""; *w;) {
		size_t len = strcspn(w, ",");

		if (len == 1 && (*w == 'z' || *w == 'Z'))
			out->label = *w;
		else if (len > 0)
			buf_printf(&out->options, "%s%.*s", out->options.n ? "," : "", (int)len, w);
		w += len + (w[len] == ',');
	}
	return out->options.oom ? fail(ENOMEM, "out of memory") : 0;
}

void bind_encode_mount(struct jout *o, const struct bind_word *b)
{
	char *save = NULL;
	auto_free char *words = strdup(buf_text(&b->options));

	jout_open(o, NULL, '{');
	jout_str(o, "destination", b->dst);
	jout_str(o, "source", b->src);
	jout_str(o, "type", "bind");
	jout_open(o, "options", '[');
	jout_str(o, NULL, "rbind");
	for (char *w = words ? strtok_r(words, ",", &save) : NULL; w; w = strtok_r(NULL, ",", &save))
		jout_str(o, NULL, w);
	jout_close(o, ']');
	jout_close(o, '}');
}

int bind_label(const struct bind_word *b, const struct guest_labels *l)
{
	auto_free char *real = realpath(b->src, NULL);
	char all[sizeof l->file];
	struct stat st;

	if (!real)
		return fail_errno("--bind: %s", b->src);
	if (!b->label || !lsm_selinux_on())
		return 0;
	if (!*l->file)
		return fail_as(ERR_USAGE, "--bind: %s: \"%c\" needs a guest with a label (--selinux none was given)",
			       b->src, b->label);
	for (size_t i = 0; i < COUNT(never); i++)
		if (str_eq(real, never[i]))
			return fail_as(ERR_USAGE, "--bind: %s: \"%c\" would take the host's own label from it", b->src, b->label);
	/* Without categories: every guest's. */
	label_shared(all, sizeof all);
	auto_close int fd = open(real, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_errno("--bind: %s", b->src);
	TRY_IN(lsm_relabel(fd, b->label == 'Z' ? l->file : all), "--bind: %s", b->src);
	return 0;
}
