/* The archive reader and every decision about members, without a file system. */
#include "base/err.h"
#include "images/member.h"
#include "images/probe.h"
#include "tests/fuzz/fuzz.h"

static void check_path(const char *s)
{
	demand(s[0] && s[0] != '/' && strlen(s) < PATH_MAX);
	for (const char *p = s;; p++) {
		size_t n = strcspn(p, "/");

		demand(n > 0 && n <= 255 && !(n == 2 && p[0] == '.' && p[1] == '.'));
		demand(!(n == 1 && p[0] == '.') || strcmp(s, ".") == 0);
		p += n;
		if (!*p)
			return;
	}
}

static void one(struct tar *t, const struct tar_entry *e, const struct member_rules *rules)
{
	static struct member m;
	const char *name;
	const void *value, *p;
	size_t n;
	uint64_t at;

	if (member_decide(e, rules, &m) < 0) {
		demand(err_class() == ERR_IMAGE && *err_text());
		return;
	}
	if (m.what != MEMBER_SKIP) {
		check_path(m.path);
		demand(m.what == MEMBER_MAKE || strcmp(m.path, ".") != 0);
		if (e->type == TAR_HARDLINK && m.what == MEMBER_MAKE)
			check_path(m.link);
		demand(rules->devices || m.what != MEMBER_MAKE ||
		       (e->type != TAR_CHAR && e->type != TAR_BLOCK));
	}
	while (tar_xattr(t, &name, &value, &n))
		if (member_xattr(m.path, name, value, n) == 1)
			demand(strncmp(name, "trusted.", 8) != 0 && strncmp(name, "user.overlay.", 13) != 0);
	while (tar_data(t, &p, &n, &at) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct limits lim = { .bytes = 8 << 20,
				    .ratio = 1000,
				    .ratio_from = 1 << 20,
				    .entries = 1000,
				    .depth = 256,
				    .path = 4095,
				    .name = 255,
				    .link = 4095,
				    .xattrs = 64,
				    .xattr_bytes = 65536 };
	auto_tar struct tar *t = NULL;
	struct probe probe = { 0 };
	struct tar_entry e;
	char hex[HEX_SIZE];
	int r;

	if (size < 1)
		return 0;
	const struct member_rules rules = { &lim, data[0] & 1, data[0] & 2 };
	if (tar_open_memory(&t, data + 1, size - 1, &lim) < 0)
		return 0;
	for (int i = 0; i < 1000 && (r = tar_next(t, &e)) > 0; i++) {
		(void)probe_name(&probe, e.path);
		one(t, &e, &rules);
	}
	(void)probe_kind(&probe);
	if (tar_finish(t, hex) == 0)
		demand(strlen(hex) == 64);
	return 0;
}
