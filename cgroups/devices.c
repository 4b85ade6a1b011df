/*
 * Device rules in their order, the last that matches deciding, what none matches refused.
 * v1's kernel lists know only a default and exceptions from it, so the rules are folded
 * into that form first; v2 gets them as they are, in a program (devices_bpf.c).
 */
#include "cgroups/internal.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"

#include <fcntl.h>
#include <string.h>

int cg_dev_of(const struct cg_device_rule *rule, struct dev *out)
{
	static const struct { char c; unsigned bit; } letters[] = {
		{ 'r', ACC_READ }, { 'w', ACC_WRITE }, { 'm', ACC_MKNOD },
	};

	*out = (struct dev){ .allow = rule->allow.v, .lax = rule->lax, .type = 'a', .major = -1, .minor = -1 };
	if (rule->type && *rule->type)
		/* "u" is what mknod(1) calls an unbuffered character device. */
		out->type = *rule->type == 'u' ? 'c' : *rule->type;
	if (rule->major.set)
		out->major = rule->major.v;
	if (rule->minor.set)
		out->minor = rule->minor.v;
	/* What a rule does not name is all of it, as with type and numbers. */
	for (size_t i = 0; i < COUNT(letters); i++)
		if (!rule->access || !*rule->access || strchr(rule->access, letters[i].c))
			out->acc |= letters[i].bit;
	return out->acc ? 0 : fail(EINVAL, "access: none of r, w, m");
}

static bool wider(const struct dev *a, const struct dev *b)
{
	return a->type == b->type && (a->major < 0 || a->major == b->major) &&
	       (a->minor < 0 || a->minor == b->minor);
}

static bool meets(const struct dev *a, const struct dev *b)
{
	return a->type == b->type && (a->major < 0 || b->major < 0 || a->major == b->major) &&
	       (a->minor < 0 || b->minor < 0 || a->minor == b->minor);
}

/* The kernel asks for one exception that covers the whole access: those of one device are one. */
static int except(struct dev_list *l, const struct dev *d)
{
	for (size_t i = 0; i < l->n; i++)
		/* Not with one that may be left out: what is asked for by name is not more than was named. */
		if (l->v[i].lax == d->lax && wider(&l->v[i], d) && wider(d, &l->v[i])) {
			l->v[i].acc |= d->acc;
			return 0;
		}
	if (l->n == l->room) {
		size_t room = l->room * 2;
		struct dev *grown = mem_grow(l->v, l->few, sizeof l->few, room * sizeof *grown);

		if (!grown)
			return fail(ENOMEM, "device rules: out of memory");
		l->v = grown;
		l->room = room;
	}
	l->v[l->n++] = *d;
	return 0;
}

static char *put_number(char *p, int64_t v)
{
	char digits[24];
	size_t n = 0;

	if (v < 0) {
		*p++ = '*';
		return p;
	}
	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		/* cppcheck-suppress uninitvar ; as many as were written */
		*p++ = digits[--n];
	return p;
}

/* By hand: a dozen of them are written at each start. */
static const char *dev_text(const struct dev *d, char out[64])
{
	static const char letters[] = "rwm";
	static const unsigned bits[] = { ACC_READ, ACC_WRITE, ACC_MKNOD };
	char *p = out;

	*p++ = d->type;
	*p++ = ' ';
	p = put_number(p, d->major);
	*p++ = ':';
	p = put_number(p, d->minor);
	*p++ = ' ';
	for (size_t i = 0; i < COUNT(bits); i++)
		if (d->acc & bits[i])
			*p++ = letters[i];
	*p = '\0';
	return out;
}

/* Back to the default: exceptions that d covers shrink; one that is wider cannot be said in v1. */
static int unexcept(struct dev_list *l, const struct dev *d)
{
	char a[64], b[64];
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct dev *e = &l->v[i];

		if (wider(d, e))
			e->acc &= ~d->acc;
		else if (meets(d, e) && (d->acc & e->acc))
			return fail_as(ERR_UNSUPPORTED,
				       "cgroup v1 cannot take \"%s\" out of the wider rule \"%s\"",
				       dev_text(d, a), dev_text(e, b));
		if (e->acc)
			l->v[kept++] = *e;
	}
	l->n = kept;
	return 0;
}

static int fold(struct dev_list *l, const struct dev *d)
{
	return d->allow == l->allow ? unexcept(l, d) : except(l, d);
}

static int fold_any(struct dev_list *l, const struct dev *d)
{
	struct dev one = *d;

	if (d->type != 'a')
		return fold(l, d);
	if (d->major < 0 && d->minor < 0 && d->acc == ACC_ALL) {
		l->allow = d->allow;
		l->n = 0;
		return 0;
	}
	/* To the kernel "a" is everything, whatever stands behind it. */
	one.type = 'b';
	TRY(fold(l, &one));
	one.type = 'c';
	return fold(l, &one);
}

/*
 * Who opens a device to read and write asks for one exception that has both: where one reads and another writes, there
 * is one for what they share.
 */
static int share(struct dev_list *l, struct dev a, struct dev b)
{
	enum { BOTH = ACC_READ | ACC_WRITE };
	struct dev both = { .allow = a.allow, .lax = a.lax || b.lax, .type = a.type, .acc = BOTH,
			    .major = a.major < 0 ? b.major : a.major, .minor = a.minor < 0 ? b.minor : a.minor };

	if (!meets(&a, &b) || ((a.acc | b.acc) & BOTH) != BOTH || (a.acc & BOTH) == BOTH || (b.acc & BOTH) == BOTH)
		return 0;
	return except(l, &both);
}

static int share_all(struct dev_list *l)
{
	for (size_t i = 1; i < l->n && !l->allow; i++)
		for (size_t j = 0; j < i; j++)
			TRY(share(l, l->v[i], l->v[j]));
	return 0;
}

int cg_dev_compile(const struct list *rules, struct dev_list *out)
{
	const struct cg_device_rule *first = rules->v;

	out->v = out->few;
	out->n = 0;
	out->room = COUNT(out->few);
	out->allow = false;
	LIST_EACH(struct cg_device_rule, rule, *rules) {
		struct dev d;
		int r = cg_dev_of(rule, &d);

		r = r < 0 ? r : fold_any(out, &d);
		if (r < 0) {
			cg_dev_free(out);
			return fail_in(r, "devices[%zu]", (size_t)(rule - first));
		}
	}
	int r = share_all(out);
	if (r < 0)
		cg_dev_free(out);
	return r;
}

void cg_dev_free(struct dev_list *l)
{
	if (l->v != l->few)
		free(l->v);
	l->v = l->few;
	l->n = 0;
}

/* ---- v1 ---- */

static int poke(int fd, const char *file, const char *text)
{
	int r;

	if (TEMP_FAILURE_RETRY(write(fd, text, strlen(text))) >= 0)
		return 0;
	r = fail_errno("device rules: write \"%s\" to %s", text, file);
	if (r == -EPERM)
		err_why("the groups above allow no more than that themselves, or we lack CAP_SYS_ADMIN");
	if (r == -EINVAL && str_eq(text, "a"))
		r = fail(EINVAL, "device rules: cgroup v1 does not change the default of a group with others below it (%s)", file);
	return fail_class(r, r == -EPERM ? ERR_PERMISSION : ERR_OTHER);
}

static int allow_one(int fd, const struct dev *d)
{
	char text[64];
	int r = poke(fd, "devices.allow", dev_text(d, text));

	if (r != -EPERM || !d->lax)
		return r;
	err_clear();
	return 0;
}

static bool listed(const char *list, const char *line)
{
	return cg_word_in(list, line, strlen(line), '\n');
}

/*
 * On a live group that refuses by default only the difference is written: between "deny
 * all" and the rules that allow again its processes would meet errors.
 */
static int write_difference(int allow, int deny, const char *now, const struct dev_list *want)
{
	char wanted[64], line[64];

	for (size_t i = 0; i < want->n; i++)
		if (!listed(now, dev_text(&want->v[i], wanted)))
			TRY(allow_one(allow, &want->v[i]));
	for (const char *p = now, *end; *p; p = *end ? end + 1 : end) {
		bool keep = false;
		char type;
		char access[8] = "", major[16] = "", minor[16] = "";

		end = strchrnul(p, '\n');
		snprintf(line, sizeof line, "%.*s", (int)(end - p), p);
		if (sscanf(line, "%c %15[^:]:%15s %7s", &type, major, minor, access) != 4)
			continue;
		for (size_t i = 0; i < want->n && !keep; i++) {
			size_t head = strcspn(dev_text(&want->v[i], wanted) + 2, " ") + 2;

			if (strncmp(line, wanted, head + 1) != 0)
				continue;
			keep = true;
			/* The same device: take away only the letters too many. */
			for (const char *a = access; *a; a++)
				if (!strchr(wanted + head + 1, *a)) {
					snprintf(line + head + 1, sizeof line - head - 1, "%c", *a);
					TRY(poke(deny, "devices.deny", line));
				}
		}
		if (!keep)
			TRY(poke(deny, "devices.deny", line));
	}
	return 0;
}

static int open_list(const struct cg *cg, size_t i, const char *name)
{
	char path[CG_FULL];
	int fd = open(cg_file(cg, i, name, path), O_WRONLY | O_CLOEXEC);

	return fd < 0 ? fail_errno("device rules: open %s", path) : fd;
}

/* A new group, as a rule: it has the default of those above and no exceptions. */
static int allows_all(const char *path)
{
	char list[64];
	ssize_t n = file_peek(AT_FDCWD, path, list, sizeof list);

	if (n < 0)
		return fail((int)-n, "device rules: read %s: %s", path, strerrordesc_np((int)-n));
	return n > 0 && listed(list, "a *:* rwm");
}

static int apply_v1(const struct cg *cg, size_t i, const struct dev_list *want)
{
	auto_close int allow = open_list(cg, i, "devices.allow");
	auto_close int deny = allow < 0 ? allow : open_list(cg, i, "devices.deny");
	auto_free char *now = NULL;
	char path[CG_FULL], text[64];

	TRY(deny);
	int all = want->allow ? 1 : allows_all(cg_file(cg, i, "devices.list", path));
	TRY(all);
	if (!all) {
		TRY(file_read(AT_FDCWD, path, &now, NULL));
		return write_difference(allow, deny, now, want);
	}
	TRY(poke(want->allow ? allow : deny, want->allow ? "devices.allow" : "devices.deny", "a"));
	for (size_t k = 0; k < want->n; k++)
		TRY(want->allow ? poke(deny, "devices.deny", dev_text(&want->v[k], text))
				: allow_one(allow, &want->v[k]));
	return 0;
}

/* A user namespace keeps its members from device nodes by itself. */
static int unless_rootless(int r)
{
	if ((r != -EPERM && r != -EACCES) || !cg_rootless())
		return r;
	log_debug("device rules not applied: %s", err_text());
	err_clear();
	return 0;
}

int cg_devices_apply(const struct cg *cg, const struct list *rules)
{
	int i = cg_ctl_hier(CTL_DEVICES), tree = cg_v2_hier(), r;
	char dir[CG_FULL];
	struct dev_list want;

	if (i >= 0 && (cg->hiers & BIT(i))) {
		TRY(cg_dev_compile(rules, &want));
		r = apply_v1(cg, (size_t)i, &want);
		cg_dev_free(&want);
		return unless_rootless(r);
	}
	if (i < 0 && tree >= 0 && (cg->hiers & BIT(tree)))
		return unless_rootless(cg_bpf_attach(cg_file(cg, (size_t)tree, NULL, dir), rules));
	if (cg_rootless())
		return 0;
	return fail_as(ERR_UNSUPPORTED, "device rules: the group %.*s does not exist in the %s hierarchy",
		       (int)strcspn(cg->path, "\n"), cg->path, i >= 0 ? "devices" : "v2");
}
