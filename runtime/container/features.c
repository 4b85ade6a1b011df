/*
 * What this runtime knows, as the runtime specification's features document: every list is a table that
 * works.
 */
#include "runtime/container/container.h"
#include "base/helper.h"
#include "base/scope.h"
#include "cgroups/unit.h"
#include "runtime/container/checkpoint.h"
#include "runtime/container/launch.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void put_names(struct jout *o, const char *key, const struct name *names)
{
	jout_open(o, key, '[');
	for (; names->text; names++)
		jout_str(o, NULL, names->text);
	jout_close(o, ']');
}

static void put_word(void *ctx, const char *word)
{
	jout_str(ctx, NULL, word);
}

static void note_idmap(void *ctx, const char *word)
{
	*(bool *)ctx |= str_eq(word, "idmap");
}

static void put_enabled(struct jout *o, const char *key, bool v)
{
	jout_open(o, key, '{');
	jout_bool(o, "enabled", v);
	jout_close(o, '}');
}

static void put_hooks(struct jout *o)
{
	jout_open(o, "hooks", '[');
	for (size_t i = 0; i < HOOK_KINDS; i++)
		jout_str(o, NULL, hook_names[i]);
	jout_close(o, ']');
}

static void put_capabilities(struct jout *o)
{
	uint64_t known = caps_known();

	jout_open(o, "capabilities", '[');
	for (unsigned i = 0; i < 64; i++)
		if ((known >> i & 1) && caps_name(i))
			jout_str(o, NULL, caps_name(i));
	jout_close(o, ']');
}

/* The kernel looks at the flags before it looks at the program. */
static bool takes_flag(int flag)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, NULL) < 0 && errno == EFAULT;
}

static void put_seccomp(struct jout *o)
{
	jout_open(o, "seccomp", '{');
	jout_bool(o, "enabled", true);
	put_names(o, "actions", spec_seccomp_actions);
	put_names(o, "operators", spec_seccomp_ops);
	put_names(o, "archs", spec_seccomp_archs);
	put_names(o, "knownFlags", spec_seccomp_flags);
	jout_open(o, "supportedFlags", '[');
	for (const struct name *n = spec_seccomp_flags; n->text; n++) {
		/* Waiting killably is a property of the listener. */
		unsigned with = str_ends(n->text, "WAIT_KILLABLE_RECV") ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;

		if (takes_flag(n->value | (int)with))
			jout_str(o, NULL, n->text);
	}
	jout_close(o, ']');
	jout_close(o, '}');
}

static void put_cgroup(struct jout *o)
{
	char path[PATH_MAX];
	bool systemd = helper_find("vzrun-systemd", path) == 0;

	/* Whether it is installed, not whether systemd runs here, as the specification has it. */
	err_clear();
	jout_open(o, "cgroup", '{');
	jout_bool(o, "v1", true);
	jout_bool(o, "v2", true);
	jout_bool(o, "systemd", systemd);
	jout_bool(o, "systemdUser", systemd);
	jout_bool(o, "rdma", true);
	jout_close(o, '}');
}

static void put_rdt(struct jout *o)
{
	jout_open(o, "intelRdt", '{');
	jout_bool(o, "enabled", true);
	jout_bool(o, "schemata", true);
	jout_bool(o, "monitoring", true);
	jout_close(o, '}');
}

static void put_linux(struct jout *o)
{
	bool idmap = false;

	mnt_list_options(note_idmap, &idmap);
	jout_open(o, "linux", '{');
	put_names(o, "namespaces", spec_ns_names);
	put_capabilities(o);
	put_cgroup(o);
	put_seccomp(o);
	put_enabled(o, "apparmor", true);
	put_enabled(o, "selinux", true);
	put_rdt(o);
	jout_open(o, "memoryPolicy", '{');
	put_names(o, "modes", spec_memory_modes);
	put_names(o, "flags", spec_memory_flags);
	jout_close(o, '}');
	jout_open(o, "mountExtensions", '{');
	put_enabled(o, "idmap", idmap);
	jout_close(o, '}');
	put_enabled(o, "netDevices", true);
	jout_close(o, '}');
}

/* What an annotation of a configuration can make this runtime do; whoever lets users set them shall know. */
static void put_annotations(struct jout *o)
{
	jout_open(o, "potentiallyUnsafeConfigAnnotations", '[');
	jout_str(o, NULL, UNIT_ANNOTATION);
	jout_str(o, NULL, CHECKPOINT_ANNOTATION);
	jout_str(o, NULL, GROUPS_ANNOTATION);
	jout_str(o, NULL, CONTEXT_ANNOTATION);
	jout_close(o, ']');
}

void container_features(struct jout *o, const char *version, const char *commit)
{
	jout_open(o, NULL, '{');
	jout_str(o, "ociVersionMin", "1.0.0");
	jout_str(o, "ociVersionMax", SPEC_VERSION);
	put_hooks(o);
	jout_open(o, "mountOptions", '[');
	mnt_list_options(put_word, o);
	jout_close(o, ']');
	put_linux(o);
	jout_open(o, "annotations", '{');
	jout_str(o, "io.github.seccomp.libseccomp.version", seccomp_lib_version());
	/* The name under which engines look for it, whatever the runtime. */
	jout_str(o, "org.opencontainers.runc.checkpoint.enabled", "true");
	jout_str(o, "org.vzrun.version", version);
	jout_str(o, "org.vzrun.commit", commit);
	jout_close(o, '}');
	put_annotations(o);
	jout_close(o, '}');
}
