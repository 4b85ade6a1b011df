/* What the resources ask of the host: controllers that must be there, v2 controllers to enable. */
#include "cgroups/internal.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>

static int lacks(const char *what, enum ctl c)
{
	const char *v1 = cg_ctl_name(c, false), *v2 = cg_ctl_name(c, true);
	int tree = cg_v2_hier(), r;

	TRY(cg_host_check());
	if (cg_host()->layout == CG_NONE)
		return fail_as(ERR_UNSUPPORTED, "%s: this host has no cgroups mounted below /sys/fs/cgroup",
			       what);
	if (cg_host()->layout == CG_V2 && v2)
		r = fail_as(ERR_UNSUPPORTED, "%s: the %s controller is not available in cgroup v2 at %s",
			    what, v2, cg_host()->h[tree].mount);
	else if (cg_host()->layout == CG_V2)
		r = fail_as(ERR_UNSUPPORTED, "%s: cgroup v2 has no %s controller", what, v1);
	else
		r = fail_as(ERR_UNSUPPORTED,
			    "%s: the %s controller is not available: no cgroup v1 mount has it%s", what, v1,
			    tree < 0 || !v2 ? "" : ", nor has the v2 tree");
	if (cg_host()->layout != CG_V2 || v2)
		err_try("grep %s /proc/cgroups; boot without cgroup_disable=%s", v1, v1);
	return r;
}

static int need_ctl(struct need *need, const char *what, enum ctl c)
{
	int i = cg_ctl_hier(c);

	if (i < 0)
		return lacks(what, c);
	need->hiers |= BIT(i);
	if (!need->why[i])
		need->why[i] = what;
	if (cg_host()->h[i].v2)
		need->v2_ctl |= BIT(c);
	if (!need->why_ctl[c])
		need->why_ctl[c] = what;
	return 0;
}

static int need_knob(struct need *need, const struct knob *k)
{
	int i = cg_ctl_hier(k->ctl);

	TRY(need_ctl(need, k->what, k->ctl));
	if ((cg_host()->h[i].v2 ? k->v2.name : k->v1.name) || (k->flags & OR_NEXT))
		return 0;
	/* A list of weights may name no leaf weight at all: only an element decides that. */
	if (k->kind == V_LIST)
		return 0;
	return fail_as(ERR_UNSUPPORTED, "%s: cgroup v2 has no such setting", k->what);
}

/* The controller of a key is the word before its first dot. "cgroup." keys need none. */
static int need_unified(struct need *need, const struct map *unified)
{
	int tree = cg_v2_hier();

	if (!unified->n)
		return 0;
	if (tree < 0)
		return fail_as(ERR_UNSUPPORTED, "unified: no cgroup v2 tree is mounted on this host");
	need->hiers |= BIT(tree);
	need->why[tree] = "unified";
	for (size_t i = 0; i < unified->n; i++) {
		const char *key = unified->v[i].key;
		char word[32];
		uint32_t mask;

		snprintf(word, sizeof word, "%.*s", (int)strcspn(key, "."), key);
		mask = cg_ctl_mask(word);
		for (size_t c = 0; c < CTL_N; c++)
			if (mask & BIT(c)) {
				if (cg_ctl_hier((enum ctl)c) != tree)
					return fail_as(
					    ERR_UNSUPPORTED,
					    "invalid configuration: unified.%s: the %s controller is not in the v2 tree at "
					    "%s", key,
					    word, cg_host()->h[tree].mount);
				TRY(need_ctl(need, "unified", (enum ctl)c));
			}
	}
	return 0;
}

static int need_devices(struct need *need)
{
	int i = cg_ctl_hier(CTL_DEVICES);

	/* v2 has no devices controller: a BPF program at the group does it. */
	if (i < 0)
		i = cg_v2_hier();
	if (i < 0)
		return cg_rootless() ? cg_host_check() : lacks("device rules", CTL_DEVICES);
	need->soft |= BIT(i);
	if (!need->why[i])
		need->why[i] = "device rules";
	return 0;
}

void cg_limits_text(const struct cg_resources *r, struct buf *out)
{
	const char *last = "";

	for (size_t i = 0; r && i < cg_knobs_n; i++) {
		/* Rows of one limit stand together; OPTIONAL ones follow from another limit. */
		if (!cg_knob_value(&cg_knobs[i], r) || cg_knobs[i].flags & OPTIONAL || str_eq(cg_knobs[i].what, last))
			continue;
		buf_printf(out, "%s%s", out->n ? ", " : "", cg_knobs[i].what);
		last = cg_knobs[i].what;
	}
	for (size_t i = 0; r && i < r->unified.n; i++)
		buf_printf(out, "%s%s", out->n ? ", " : "", r->unified.v[i].key);
}

int cg_need(const struct cg_resources *r, struct need *need)
{
	*need = (struct need){ 0 };
	if (cg_host()->layout == CG_V2)
		/* Not limits but counters: whoever reads the group's use reads these. */
		need->v2_want = BIT(CTL_CPU) | BIT(CTL_MEMORY) | BIT(CTL_PIDS) | BIT(CTL_IO);
	if (!r)
		return 0;
	/* What only follows from another limit is not what was asked for: it comes last, and is not named. */
	for (unsigned follows = 0; follows <= OPTIONAL; follows += OPTIONAL)
		for (size_t i = 0; i < cg_knobs_n; i++)
			if ((cg_knobs[i].flags & OPTIONAL) == follows && cg_knob_value(&cg_knobs[i], r))
				TRY(need_knob(need, &cg_knobs[i]));
	TRY(need_unified(need, &r->unified));
	return r->devices.n ? need_devices(need) : 0;
}

static int not_enabled(int code, enum ctl c, const char *dir, const char *what)
{
	const char *name = cg_ctl_name(c, true);
	int r;

	errno = code;
	r = fail_errno("%s: enable the %s controller in %s/cgroup.subtree_control", what, name, dir);
	fail_class(r, code == EACCES || code == EPERM ? ERR_PERMISSION : ERR_UNSUPPORTED);
	if (code == EBUSY)
		err_why(
		    "%s holds processes: only a group without any gives controllers to the groups below it",
		    dir);
	else if (code == ENOENT)
		err_why("the controller is not delegated to %s", dir);
	err_try("%s",
		code == EBUSY
		    ? "move the processes of that group to one below it, or give an absolute cgroups path"
		    : "enable it in the groups above; under systemd: Delegate=yes");
	return r;
}

/*
 * The kernel would let a group with processes have cpu and pids, and by that make it and
 * all below it threaded: worse than the refusal that memory gets.
 */
static bool holds_processes(const char *dir)
{
	char path[CG_FULL + 32], text[16];
	ssize_t n;

	snprintf(path, sizeof path, "%s/cgroup.procs", dir);
	n = file_peek(AT_FDCWD, path, text, sizeof text);
	return n > 0 || n == -EOPNOTSUPP;
}

static int enable_each(const char *dir, const char *file, uint32_t missing, const struct need *need)
{
	char word[32];

	for (size_t c = 0; c < CTL_N; c++) {
		if (!(missing & BIT(c)))
			continue;
		snprintf(word, sizeof word, "+%s", cg_ctl_name((enum ctl)c, true));
		int r = file_poke(AT_FDCWD, file, word);
		if (r < 0 && (need->v2_ctl & BIT(c)))
			return not_enabled(-r, (enum ctl)c, dir, need->why_ctl[c]);
	}
	return 0;
}

static int enable_in(const char *dir, bool root, uint32_t wanted, const struct need *need)
{
	char file[CG_FULL + 32], words[256] = "";
	uint32_t missing;
	size_t n = 0;

	snprintf(file, sizeof file, "%s/cgroup.subtree_control", dir);
	(void)file_peek(AT_FDCWD, file, words, sizeof words);
	missing = wanted & ~cg_ctl_mask(words);
	if (!missing)
		return 0;
	if (!root && holds_processes(dir)) {
		enum ctl c = (enum ctl)__builtin_ctz((missing & need->v2_ctl) | BIT(31));

		return c < CTL_N ? not_enabled(EBUSY, c, dir, need->why_ctl[c]) : 0;
	}
	for (size_t c = 0; c < CTL_N; c++)
		if (missing & BIT(c))
			n += (size_t)snprintf(words + n, sizeof words - n, "+%s ",
					      cg_ctl_name((enum ctl)c, true));
	return file_poke(AT_FDCWD, file, words) == 0 ? 0 : enable_each(dir, file, missing, need);
}

/* Top down, as a group can give only what it got. */
/* Apart from its caller, which on most hosts of both versions has nothing for it: paths are pages of a stack. */
static __attribute__((noinline)) int enable(const struct cg *cg, size_t v2, uint32_t wanted, const struct need *need)
{
	const char *mount = cg_host()->h[v2].mount;
	char dir[CG_FULL], path[CG_FULL], words[256] = "";

	(void)file_peek(AT_FDCWD, cg_file(cg, v2, "cgroup.controllers", path), words, sizeof words);
	if ((wanted & ~cg_ctl_mask(words)) == 0)
		return 0;
	cg_file(cg, v2, NULL, dir);
	for (char *p = dir + strlen(mount); (p = strchr(p, '/')); p++) {
		*p = '\0';
		int r = enable_in(dir, strlen(dir) == strlen(mount), wanted, need);
		*p = '/';
		TRY(r);
	}
	return 0;
}

int cg_enable(const struct cg *cg, size_t v2, const struct need *need)
{
	uint32_t wanted = need->v2_ctl;

	for (size_t c = 0; c < CTL_N; c++)
		if ((need->v2_want & BIT(c)) && cg_ctl_hier((enum ctl)c) == (int)v2)
			wanted |= BIT(c);
	return wanted ? enable(cg, v2, wanted, need) : 0;
}
