/* A guest's AppArmor profile: what a whole distribution under its own init needs, less what reaches the host. */
#include "runtime/guest/apparmor.h"
#include "base/scope.h"
#include "runtime/guest/profile.h"
#include "selinux/lsm.h"

#include <ctype.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

/* Processes of the guest see each other and nobody else's; the host sees them all. */
static const char allowed[] =
	"	file,\n"
	"	network,\n"
	"	capability,\n"
	"	signal (send, receive) peer=@{profile_name},\n"
	"	signal (receive) peer=unconfined,\n"
	"	ptrace (trace, read, tracedby, readby) peer=@{profile_name},\n"
	"	ptrace (tracedby, readby) peer=unconfined,\n"
	"	mount,\n"
	"	umount,\n"
	"	pivot_root,\n";

/*
 * Nobody in a guest reads or writes these, whatever is unmounted from before them. audit: what a rule denies is on
 * record only where it says so (`why` reads it).
 */
static const char denied[] =
	"	audit deny /dev/{mem,kmem,port} rwl,\n"
	"	audit deny /proc/{kcore,kmem} rwl,\n"
	"	audit deny /sys/kernel/{debug,tracing,security}/{,**} rwl,\n"
	"	audit deny /sys/fs/{bpf,pstore}/{,**} rwl,\n"
	"	audit deny /sys/firmware/efi/efivars/{,**} rwl,\n";

/* What may be written below a directory: by its beginning. */
static const char *const proc_words[] = {
	"0", "1", "2", "3", "4", "5", "6", "7", "8", "9",
	"sys/fs/mqueue/", "sys/kernel/domainname", "sys/kernel/hostname", "sys/kernel/msg", "sys/kernel/ns_last_pid",
	"sys/kernel/sem", "sys/kernel/shm", "sys/net/", "sys/user/",
};
static const char *const sys_words[] = { "devices/virtual/net/", "fs/cgroup/" };
/* What an init or a service mounts. Not cgroup (v1): its release_agent runs on the host. */
static const char *const mount_words[] = {
	"autofs", "cgroup2", "devpts", "fuse", "mqueue", "overlay", "proc", "ramfs", "sysfs", "tmpfs",
};

/* Is word i the first that begins with these n characters? */
static bool first_with(const char *const *words, size_t i, size_t n)
{
	for (size_t j = 0; j < i; j++)
		if (strncmp(words[j], words[i], n) == 0)
			return false;
	return true;
}

/*
 * No rule of AppArmor's makes an exception to a denial, and rules that allow some mounts only are taken by its parser
 * for more (CVE-2016-1585). So "all but these" is spelled as what parts from them at each character: [^0-9s]**,
 * s{,[^y]**}, sy{,[^s]**}, and so on.
 */
static void deny_all_but(struct buf *b, const char *rule, const char *const *words, size_t n, const char *rest,
			 const char *end)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t at = 0; words[i][at]; at++) {
			if (!first_with(words, i, at))
				continue;
			buf_printf(b, "	audit deny %s%.*s%s[^", rule, (int)at, words[i], at ? "{," : "");
			for (size_t j = i; j < n; j++)
				if (strncmp(words[j], words[i], at) == 0 && first_with(words, j, at + 1))
					buf_add(b, words[j] + at, 1);
			buf_printf(b, "]%s%s%s,\n", rest, at ? "}" : "", end);
		}
	}
}

/* What the bounding set lacks, of the names that every parser knows. */
static void deny_capabilities(struct buf *b, const struct strv *bounding)
{
	uint64_t has = caps_parse(bounding);
	char word[32];

	for (unsigned cap = 0; cap <= CAP_AUDIT_READ; cap++) {
		const char *name = caps_name(cap);

		if (!name || has >> cap & 1)
			continue;
		snprintf(word, sizeof word, "%s", name + strlen("CAP_"));
		for (char *p = word; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		buf_printf(b, "	audit deny capability %s,\n", word);
	}
}

int guest_apparmor_text(const char *name, const struct strv *bounding, struct buf *b)
{
	/* Paths that a process was handed from outside have no name below its root. */
	buf_printf(b, "profile %s flags=(attach_disconnected, mediate_deleted) {\n%s%s", name, allowed, denied);
	deny_all_but(b, "/proc/", proc_words, COUNT(proc_words), "**", " wl");
	deny_all_but(b, "/sys/", sys_words, COUNT(sys_words), "**", " wl");
	deny_all_but(b, "mount fstype=", mount_words, COUNT(mount_words), "*", "");
	deny_capabilities(b, bounding);
	buf_puts(b, "}\n");
	return b->oom ? fail(ENOMEM, "out of memory") : 0;
}

/* The same guest under another --root is another container, which may run while this one does not. */
void guest_apparmor_name(const struct guest_where *at, const char *name, char out[96])
{
	auto_buf struct buf where = { 0 };

	/* The whole name counts: what is shown of it is cut. */
	buf_printf(&where, "%s:%s:%s", at->home, at->root, name);
	snprintf(out, 96, "vzrun-%.60s-%016llx", name, (unsigned long long)str_hash(where.p, where.n));
}

int guest_apparmor_check(const char *word)
{
	if (!word || str_eq(word, "auto") || str_eq(word, "none"))
		return 0;
	TRY_IN(lsm_profile_check(word), "--apparmor");
	return 0;
}

int guest_apparmor_choose(struct guest *g, struct guest_plan *p)
{
	const char *word = g->conf.apparmor ? g->conf.apparmor : "auto";
	const struct spec_process *process = g->spec.process;
	char name[96];

	p->apparmor = NULL;
	p->own_profile = false;
	if (str_eq(word, "none"))
		return 0;
	if (!str_eq(word, "auto")) {
		TRY_IN(lsm_profile_check(word), "vzrun.apparmor");
		p->apparmor = word;
		return 0;
	}
	if ((process && process->apparmor) || !lsm_profiles())
		return 0;
	guest_apparmor_name(&g->at, g->name, name);
	p->own_profile = true;
	p->apparmor = arena_strdup(&p->arena, name);
	return p->apparmor ? 0 : fail(ENOMEM, "out of memory");
}

int guest_apparmor_load(const struct guest *g, const struct guest_plan *p)
{
	auto_arena struct arena a = { 0 };
	auto_buf struct buf text = { 0 };

	if (!p->own_profile)
		return 0;
	TRY(guest_apparmor_text(p->apparmor, &g->spec.process->caps->bounding, &text));
	int r = lsm_profile_load(p->apparmor, buf_text(&text));
	if (r < 0)
		err_try("\"apparmor\": \"none\" in the vzrun object of %s",
			guest_path(&a, &g->at, g->name, "config.json") ?: "config.json");
	return r;
}

int guest_apparmor_drop(const struct guest_where *at, const char *name)
{
	char profile[96];

	guest_apparmor_name(at, name, profile);
	return lsm_profile_drop(profile);
}
