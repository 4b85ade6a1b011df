#include "runtime/child/child.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/scope.h"

#include <sys/syscall.h>
#include <unistd.h>

struct stage { const char *name; int (*run)(struct child *c); };

/* A new container: its namespaces were made by the clone. */
static const struct stage enter_stages[] = {
	{ "join the cgroup",           stage_cgroup },
	{ "CPU affinity",              stage_affinity },
	{ "join the user namespace",   stage_user_namespace },
	{ "make the time namespace",   stage_time },
	{ "wait for the id maps",      stage_mapped },
	{ "join namespaces",           stage_namespaces },
	{ "late namespaces",           stage_late_namespaces },
	{ "session keyring",           stage_keyring },
	{ "host name",                 stage_hostname },
};

/* Its root. Nothing of the image is executed or trusted; every path is resolved on a descriptor. */
static const struct stage root_stages[] = {
	{ "isolate the mounts",        stage_isolate },
	{ "root filesystem",           stage_root },
	{ "mounts",                    stage_mounts },
	{ "terminal",                  stage_terminal },
	{ "files",                     stage_files },
	{ "network",                   stage_network },
	{ "hooks of the runtime",      stage_runtime_hooks },
	{ "hooks of the container",    stage_container_hooks },
	{ "masked and read-only paths", stage_paths },
	{ "pivot",                     stage_pivot },
	{ "sysctl",                    stage_sysctl },
	{ "finish the root",           stage_finish_root },
};

/*
 * A process that joins a container: all namespaces in one setns, the clone into the pid namespace last (R2).
 */
static const struct stage join_stages[] = {
	{ "join the cgroup",           stage_cgroup },
	{ "CPU affinity",              stage_affinity },
	{ "resource limits",           stage_limits },
	{ "seccomp notification",      stage_notify },
	{ "join the container",        stage_join },
	{ "session keyring",           stage_keyring },
	{ "terminal",                  stage_terminal },
};

/* The order of what makes a process confined. Both ways go through it. */
static const struct stage process_stages[] = {
	{ "personality",               stage_personality },
	{ "memory policy",             stage_memory_policy },
	{ "label",                     stage_label },
	{ "environment",               stage_environment },
	{ "standard streams",          stage_streams },
	{ "working directory, before", stage_early_cwd },
	{ "bounding set",              stage_bounding },
	{ "user and groups",           stage_ids },
	{ "system-call filter",        stage_early_seccomp },
	{ "capabilities",              stage_capabilities },
	{ "working directory",         stage_cwd },
	{ "executable",                stage_executable },
	{ "no new privileges",         stage_no_new_privs },
	{ "audit",                     stage_audit },
};

static const struct stage final_stages[] = {
	{ "descriptors",               stage_descriptors },
	{ "enter the pid namespace",   stage_second_process },
	{ "session",                   stage_session },
	{ "ready",                     stage_ready },
	{ "wait for the start",        stage_park },
	{ "startContainer hooks",      stage_start_hooks },
	{ "system-call filter",        stage_seccomp },
	{ "exec",                      stage_exec },
};

static int run(struct child *c, const struct stage *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		log_debug("child: %s", s[i].name);
		TRY(fault_point(s[i].name));
		TRY(s[i].run(c));
	}
	return 0;
}

static int all(struct child *c)
{
	if (c->spec) {
		TRY(run(c, enter_stages, COUNT(enter_stages)));
		TRY(run(c, root_stages, COUNT(root_stages)));
		TRY(stage_limits(c));
	} else {
		TRY(run(c, join_stages, COUNT(join_stages)));
	}
	TRY(run(c, process_stages, COUNT(process_stages)));
	return run(c, final_stages, COUNT(final_stages));
}

_Noreturn void child_main(struct child *c)
{
	int r = all(c);

	sync_say_failed(c->sync, r);
	/* A filter that denies every call denies this one, too, and _exit() would ask for ever. */
	(void)syscall(SYS_exit_group, 1);
	__builtin_trap();
}
