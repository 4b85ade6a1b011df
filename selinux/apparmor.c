#include "selinux/lsm.h"
#include "base/err.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/scope.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLICY "/sys/kernel/security/apparmor"

enum { PARSER_MS = 30000 };

/* What could not be looked at may be there: using it says what is wrong. */
static bool may_be(const char *path, int how)
{
	return access(path, how) == 0 ||
	       (errno != ENOENT && errno != ENOTDIR && errno != EACCES && errno != EPERM && errno != EROFS);
}

/* Where distributions have it; PATH of a service often lacks sbin. */
static const char *find_parser(void)
{
	static const char *const places[] = { "/usr/sbin/apparmor_parser", "/sbin/apparmor_parser" };

	for (size_t i = 0; i < COUNT(places); i++)
		if (may_be(places[i], X_OK))
			return places[i];
	return NULL;
}

bool lsm_profiles(void)
{
	/* A container of the host's is told that it is on, and has no policy to change. */
	return lsm_apparmor_on() && may_be(POLICY "/.remove", W_OK) && find_parser();
}

int lsm_profile_check(const char *name)
{
	auto_free char *all = NULL;
	size_t n = strlen(name);
	int r;

	TRY(lsm_check_grammar("AppArmor profile", name));
	if (!lsm_apparmor_on())
		return fail_as(ERR_UNSUPPORTED, "AppArmor profile \"%s\": AppArmor is off on this host", name);
	r = file_read(AT_FDCWD, POLICY "/profiles", &all, NULL);
	if (r < 0)
		return fail_class(fail_in(r, "AppArmor profile \"%s\"", name), ERR_UNSUPPORTED);
	/* A line each: its name, which may have blanks, and its mode: "web (enforce)". */
	for (const char *line = all; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, name, n) == 0 && str_starts(line + n, " (") &&
		    strcspn(line + n + 2, ")\n") + n + 3 == strcspn(line, "\n"))
			return 0;
	r = fail_as(ERR_UNSUPPORTED, "AppArmor profile \"%s\" is not loaded", name);
	err_try("apparmor_parser --replace FILE");
	return r;
}

int lsm_profile_load(const char *name, const char *text)
{
	static const char *const argv[] = { "apparmor_parser", "--replace", "--skip-cache", "--quiet", NULL };
	auto_buf struct buf err = { 0 };
	struct proc_req req = { .path = find_parser(), .argv = argv, .cwd = "/", .in = text, .in_n = strlen(text),
				.err = &err, .timeout_ms = PARSER_MS };
	int status;

	if (!req.path)
		return fail_as(ERR_UNSUPPORTED, "AppArmor profile %s: there is no apparmor_parser", name);
	TRY_IN(proc_run(&req, &status), "AppArmor profile %s", name);
	if (status == 0)
		return 0;
	return fail_as(ERR_OTHER, "AppArmor profile %s: apparmor_parser failed with status %d: %.*s", name, status,
		       (int)strcspn(buf_text(&err), "\n"), buf_text(&err));
}

int lsm_profile_drop(const char *name)
{
	int r = lsm_apparmor_on() ? file_poke(AT_FDCWD, POLICY "/.remove", name) : -ENOENT;

	if (r >= 0)
		return 1;
	return r == -ENOENT ? 0 : fail(-r, "remove AppArmor profile %s: %s", name, strerrordesc_np(-r));
}
