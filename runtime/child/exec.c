#include "runtime/child/child.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/path.h"
#include "base/scope.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int classify(int r)
{
	return fail_class(r, r == -ENOENT ? ERR_NO_PROGRAM : ERR_EXEC);
}

/* Engines sort errors by these words; they are runc's. */
int exe_refuse(int code, const char *name, const char *what)
{
	return classify(fail(code, "exec: \"%s\": %s", name, what));
}

static int check(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
		return 0;
	/* The process's filter may know nothing of faccessat2(2): then execve(2) has the last word. */
	if ((errno == EPERM || errno == ENOSYS) && st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH))
		return 0;
	return errno == EPERM ? -EACCES : -errno;
}

static int find_in_path(struct arena *a, const char *name, const char *path_env, const char **out)
{
	bool denied = false;
	int unknown = 0;

	for (const char *p = path_env; p; p = *p ? p + 1 : NULL) {
		size_t n = strcspn(p, ":");
		const char *full = arena_printf(a, "%.*s%s%s", (int)n, p, n ? "/" : "./", name);
		int r;

		if (!full)
			return fail(ENOMEM, "out of memory");
		r = check(full);
		if (r == 0) {
			*out = full;
			return 0;
		}
		denied |= r == -EACCES;
		if (r != -EACCES && r != -ENOENT && r != -ENOTDIR && r != -EISDIR)
			unknown = -r;
		p += n;
		if (!*p)
			break;
	}
	return denied ? exe_refuse(EACCES, name, "permission denied")
		      : unknown ? exe_refuse(unknown, name, strerrordesc_np(unknown))
		      : exe_refuse(ENOENT, name, "executable file not found in $PATH");
}

int exe_find(struct arena *a, const char *name, const char *path_env, const char **out)
{
	int r;

	if (!strchr(name, '/'))
		return find_in_path(a, name, path_env ? path_env : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
							      "/sbin:/bin", out);
	*out = name;
	r = check(name);
	if (r == 0)
		return 0;
	if (r == -ENOENT || r == -ENOTDIR)
		return classify(fail(-r, "exec: \"%s\": stat %s: %s", name, name,
				     r == -ENOENT ? "no such file or directory" : "not a directory"));
	if (r != -EACCES && r != -EISDIR)
		return exe_refuse(-r, name, strerrordesc_np(-r));
	return exe_refuse(EACCES, name, r == -EISDIR ? "is a directory: permission denied" : "permission denied");
}

static int explain_script(const char *path, const char *head)
{
	char interpreter[256];

	if (sscanf(head, "#! %255[^ \t\n]", interpreter) != 1)
		return exe_refuse(ENOEXEC, path, "its first line names no interpreter");
	return classify(fail(ENOENT, "exec %s: no such file or directory: its interpreter is %s", path, interpreter));
}

/* The program interpreter (loader) of an ELF file, or "". */
static void elf_loader(int fd, char *out, size_t size)
{
	Elf64_Ehdr e;
	Elf64_Phdr p;

	*out = '\0';
	if (pread(fd, &e, sizeof e, 0) != sizeof e || e.e_ident[EI_CLASS] != ELFCLASS64)
		return;
	for (int i = 0; i < e.e_phnum && i < 64; i++) {
		if (pread(fd, &p, sizeof p, (off_t)(e.e_phoff + (uint64_t)i * sizeof p)) != sizeof p)
			return;
		if (p.p_type == PT_INTERP && p.p_filesz < size) {
			ssize_t n = pread(fd, out, p.p_filesz, (off_t)p.p_offset);

			out[n > 0 ? n : 0] = '\0';
			return;
		}
	}
}

int exe_explain(const char *path, int code)
{
	char head[256] = { 0 }, loader[256];
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head - 1, 0);

	if (n > 2 && head[0] == '#' && head[1] == '!' && code == ENOENT)
		return explain_script(path, head);
	if (n > (ssize_t)sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0 && code == ENOENT) {
		elf_loader(fd, loader, sizeof loader);
		if (*loader)
			return classify(fail(ENOENT, "exec %s: no such file or directory: its ELF loader is %s",
					     path, loader));
	}
	if (code == ENOEXEC && n > SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
		return exe_refuse(code, path, "exec format error: made for another architecture");
	if (code == ENOEXEC)
		return exe_refuse(code, path, "exec format error: neither a program nor a script");
	return exe_refuse(code, path, code == EACCES ? "permission denied" : strerrordesc_np(code));
}

const char *home_of(struct arena *a, int root_fd, uid_t uid)
{
	auto_free char *text = NULL;
	struct passwd_entry e;

	if (path_read(root_fd, "/etc/passwd", 1 << 20, &text, NULL) < 0)
		return "/";
	for (char *rest = text; passwd_next(&rest, &e);)
		if (e.uid == uid && *e.home)
			return arena_strdup(a, e.home);
	return "/";
}
