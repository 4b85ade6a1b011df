#include "images/template.h"
#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"
#include "images/pack.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const struct { const char *path; mode_t mode; const char *text; } tree[] = {
	{ ".", S_IFDIR | 0755, NULL },
	{ "bin", S_IFDIR | 0755, NULL },
	{ "dev", S_IFDIR | 0755, NULL },
	{ "etc", S_IFDIR | 0755, NULL },
	{ "etc/init.d", S_IFDIR | 0755, NULL },
	{ "home", S_IFDIR | 0755, NULL },
	{ "mnt", S_IFDIR | 0755, NULL },
	{ "proc", S_IFDIR | 0555, NULL },
	{ "root", S_IFDIR | 0700, NULL },
	{ "run", S_IFDIR | 0755, NULL },
	{ "sbin", S_IFDIR | 0755, NULL },
	{ "sys", S_IFDIR | 0555, NULL },
	{ "tmp", S_IFDIR | 01777, NULL },
	{ "usr", S_IFDIR | 0755, NULL },
	{ "usr/bin", S_IFDIR | 0755, NULL },
	{ "usr/sbin", S_IFDIR | 0755, NULL },
	{ "var", S_IFDIR | 0755, NULL },
	{ "var/log", S_IFDIR | 0755, NULL },
	{ "var/run", S_IFLNK | 0777, "/run" },
	{ "var/tmp", S_IFDIR | 01777, NULL },
	{ "etc/passwd", S_IFREG | 0644,
	  "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n" },
	{ "etc/group", S_IFREG | 0644, "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n" },
	{ "etc/shadow", S_IFREG | 0600, "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n" },
	{ "etc/hosts", S_IFREG | 0644, "127.0.0.1\tlocalhost\n::1\tlocalhost\n" },
	{ "etc/profile", S_IFREG | 0644,
	  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	  "export PATH\nPS1='\\u@\\h:\\w\\$ '\n" },
	/* The runtime has mounted everything and set the host name. */
	{ "etc/init.d/rcS", S_IFREG | 0755, "#!/bin/sh\n[ -x /etc/rc.local ] && /etc/rc.local\nexit 0\n" },
	{ "etc/inittab", S_IFREG | 0644,
	  "::sysinit:/etc/init.d/rcS\nconsole::respawn:-/bin/sh\n"
	  "::ctrlaltdel:/sbin/reboot\n::shutdown:/bin/sync\n::restart:/sbin/init\n" },
};

static const char *const candidates[] = { "/bin/busybox", "/usr/bin/busybox", "/usr/lib/busybox/busybox" };

static const char *find(void)
{
	const char *env = getenv("VZRUN_BUSYBOX");

	for (size_t i = 0; !env && i < COUNT(candidates); i++)
		if (access(candidates[i], X_OK) == 0)
			return candidates[i];
	return env && access(env, X_OK) == 0 ? env : NULL;
}

/* A program that asks for a loader would need the host's libraries. */
static int check_static(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr h;

	if (fd < 0 || pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h ||
	    memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
		return fail_as(ERR_UNSUPPORTED, "%s: not an ELF program", path);
	if (h.e_ident[EI_CLASS] != ELFCLASS64)
		return 0;
	for (unsigned i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr p;

		if (pread(fd, &p, sizeof p, (off_t)(h.e_phoff + i * sizeof p)) != (ssize_t)sizeof p)
			return fail_as(ERR_UNSUPPORTED, "%s: damaged", path);
		if (p.p_type != PT_INTERP)
			continue;
		int r = fail_as(ERR_UNSUPPORTED, "%s is dynamically linked; the template needs a static one",
				path);
		err_try("apt-get install busybox-static");
		return r;
	}
	return 0;
}

int template_busybox_check(void)
{
	const char *path = find();

	if (path)
		return check_static(path);
	int r = fail_as(ERR_UNSUPPORTED, "template busybox: no busybox on this host");
	err_try("apt-get install busybox-static");
	return r;
}

static int add_applets(struct pack *p, const char *busybox)
{
	const char *argv[] = { "busybox", "--list-full", NULL };
	auto_buf struct buf out = { 0 };
	struct proc_req req = { .path = busybox, .argv = argv, .out = &out, .timeout_ms = 10000 };
	char *save = NULL;
	int status;

	TRY(proc_run(&req, &status));
	if (status != 0 || !out.n)
		return fail_as(ERR_UNSUPPORTED, "%s --list-full: exit status %d", busybox, status);
	buf_add(&out, "", 1);
	for (char *line = strtok_r(out.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		/* Only names below the directories that the tree has. */
		if (strstr(line, "..") || str_eq(line, "bin/busybox") ||
		    !(str_starts(line, "bin/") || str_starts(line, "sbin/") || str_starts(line, "usr/bin/") ||
		      str_starts(line, "usr/sbin/")))
			continue;
		TRY(pack_text(p, line, S_IFLNK | 0777, "/bin/busybox", 0));
	}
	return 0;
}

int template_busybox(void *ctx, int out)
{
	const char *busybox = find();
	auto_pack struct pack *p = NULL;

	(void)ctx;
	if (!busybox)
		return fail_as(ERR_UNSUPPORTED, "no busybox on this host");
	auto_close int fd = open(busybox, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno("open %s", busybox);
	TRY(pack_open(&p, out));
	for (size_t i = 0; i < COUNT(tree); i++)
		TRY(pack_text(p, tree[i].path, tree[i].mode, tree[i].text,
			      tree[i].text ? strlen(tree[i].text) : 0));
	TRY(pack_file(p, "bin/busybox", S_IFREG | 0755, fd));
	TRY(add_applets(p, busybox));
	return pack_end(p);
}
