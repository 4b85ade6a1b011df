/* The kernel's settings of a network namespace, kept and set again: what is below /proc/sys/net is the reader's. */
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/str.h"
#include "netns/net.h"
#include "netns/nl.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOP "/proc/sys/net"

static int keep_below(int dir, const char *below, struct buf *out);

/* NULL: there is none that could be read. A list of ports may be long. */
static char *read_value(int dir, const char *name)
{
	char *text = NULL;

	if (file_read(dir, name, &text, NULL) < 0) {
		err_clear();
		return NULL;
	}
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* What can be read and written. */
static int keep_one(int dir, const char *below, const char *name, struct buf *out)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof path, "%s%s%s", below, *below ? "/" : "", name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail_errno(TOP "/%s", path);
	if (S_ISDIR(st.st_mode)) {
		auto_close int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		return fd < 0 ? fail_errno(TOP "/%s", path) : keep_below(fd, path, out);
	}
	auto_free char *value = (st.st_mode & 0600) == 0600 ? read_value(dir, name) : NULL;
	if (value)
		buf_printf(out, "%s=%s\n", path, value);
	return 0;
}

/* What is written to some goes to others as well, whose own word has to come after it. */
static int by_effect(const struct dirent **a, const struct dirent **b)
{
	static const char *const first[] = { "all", "default", "disable_ipv6", "forwarding" };
	size_t x = 0, y = 0;

	while (x < COUNT(first) && !str_eq(first[x], (*a)->d_name))
		x++;
	while (y < COUNT(first) && !str_eq(first[y], (*b)->d_name))
		y++;
	return x != y ? (x > y) - (x < y) : strcmp((*a)->d_name, (*b)->d_name);
}

static int keep_below(int dir, const char *below, struct buf *out)
{
	struct dirent **list;
	int n = scandirat(dir, ".", &list, NULL, by_effect), r = 0;

	if (n < 0)
		return fail_errno("read " TOP "/%s", below);
	for (int i = 0; i < n; i++) {
		if (r >= 0 && list[i]->d_name[0] != '.')
			r = keep_one(dir, below, list[i]->d_name, out);
		free(list[i]);
	}
	free(list);
	return r;
}

static int keep(void *ctx)
{
	auto_close int top = open(TOP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return top < 0 ? fail_errno("open " TOP) : keep_below(top, "", ctx);
}

int net_sysctl_keep(int netns_fd, struct buf *out)
{
	TRY(net_ns_within(netns_fd, keep, out));
	return out->oom ? fail(ENOMEM, "out of memory") : 0;
}

struct settings { char *text; const char *those; };

/* A name may be gone with its link or its module, and a kernel may take less than another did: told, and no failure. */
static int set_again(void *ctx)
{
	auto_close int top = open(TOP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct settings *s = ctx;
	char *save = NULL;

	if (top < 0)
		return fail_errno("open " TOP);
	for (char *line = strtok_r(s->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, '=');
		int r;

		/* A link may have two dots in its name, but is not called so. */
		if (!value || strstr(line, "../") || line[0] == '/')
			return fail(EINVAL, "\"%.64s\" is no line of a setting", line);
		if (!str_starts(line, s->those))
			continue;
		*value++ = '\0';
		auto_free char *now = read_value(top, line);
		if (now && str_eq(now, value))
			continue;
		r = file_poke(top, line, value);
		if (r < 0)
			log_warn(TOP "/%s is not %s again: %s", line, value, strerrordesc_np(-r));
	}
	return 0;
}

int net_sysctl_set(int netns_fd, const char *text, const char *those)
{
	auto_free char *lines = strdup(text);

	if (!lines)
		return fail(ENOMEM, "out of memory");
	return net_ns_within(netns_fd, set_again, &(struct settings){ lines, those });
}
