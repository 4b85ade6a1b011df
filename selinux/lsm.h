/*
 * Labels: SELinux process and mount labels, AppArmor profiles. Which LSM is active is read
 * once, from the host's /sys: ask (lsm_selinux_on(), lsm_apparmor_on()) before the clone,
 * because a child in a guest's mount namespace would believe the guest's /sys. NULL and ""
 * ask for nothing. A label asked for on a host where its LSM is off is a no-op that is said
 * (log_warn), as engines expect; an invalid one is refused.
 *
 * Writes go through the runtime's own procfs descriptor (rule R4), never through a path that
 * a container can mount over; so the few bytes are written here and not by libselinux.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

bool lsm_selinux_on(void);
bool lsm_apparmor_on(void);
/* -EINVAL: empty, of a page or more, or with control characters, quotes or backslashes. */
int lsm_check_grammar(const char *what, const char *label);
/* Checks a context with the kernel's policy (/sys/fs/selinux/context). -EINVAL names the label. */
int lsm_check_label(const char *label);
/*
 * In the runtime, before the clone: labels are what they should be, and it is said once when they are without
 * effect. Of the child's own asking after this nothing depends on what the guest shows as /sys.
 */
int lsm_check_exec(const char *selinux_label, const char *apparmor_profile);
/* The label/profile takes effect at the next execve of the calling process. procfd: a trusted procfs root. */
int lsm_prepare_exec(int procfd, const char *selinux_label, const char *apparmor_profile);
/*
 * Read back: what takes effect at the next execve is what lsm_prepare_exec() was given, or as lsm_check_exec() found
 * that the kernel spells it. -EPERM tells both. Nothing is read where nothing was asked for.
 */
int lsm_verify_exec(int procfd, const char *selinux_label, const char *apparmor_profile);
/*
 * The calling process has the label from now on, by no exec: it is to have one thread. What it has open it may use
 * as far as the policy lets the new label. A no-op where SELinux is off.
 */
int lsm_enter(int procfd, const char *selinux_label);
/* The label of new keyrings. */
int lsm_label_keyring(int procfd, const char *selinux_label);
/*
 * "context=\"LABEL\"" for mount data, or "" when SELinux is off or label is NULL. kind: another of mount(8)'s four
 * options in the place of context, or NULL. -EINVAL: it is none; -ENAMETOOLONG.
 */
int lsm_mount_option(const char *kind, const char *label, char *out, size_t size);
/*
 * The sockets that the calling thread makes next have the label of a process. NULL: as the policy says again.
 */
int lsm_label_sockets(int procfd, const char *selinux_label);

/* ---- policy.c ---------------------------------------------------------------------------------- */
/* 1: the loaded policy lets subject do it, 0: it does not. Where SELinux is on only. */
int lsm_allows(const char *subject, const char *object, const char *class, const char *perm);
/* Files below are labelled where SELinux is on, else it is a no-op. name: one component, not followed. */
int lsm_label_at(int dir, const char *name, const char *label);
/* What fd is of and all below it that is not another mount, each name on the descriptor of its directory. */
int lsm_relabel(int fd, const char *label);	/* its own label last: it has it when all of it has */
int lsm_label_of(int fd, char *out, size_t size);	/* "": SELinux is off */
/*
 * Makes sure that a process of this label can use what it inherits: a pipe that the policy keeps from it
 * becomes one of its own. 0: it may not use it (the kernel will put /dev/null in its place); label: its own.
 */
int lsm_hand_over(int fd, const char *process, char *label, size_t size);

/*
 * AppArmor profiles of our own (apparmor.c). Whether they can be loaded at all: AppArmor is on, its policy is ours to
 * change, and apparmor_parser is installed.
 */
bool lsm_profiles(void);
/* text: the whole profile, by that name; replaces one that is there. */
int lsm_profile_load(const char *name, const char *text);
/* 1: it is gone; 0: there was none. Whom it confined nothing confines any more: the dead only. */
int lsm_profile_drop(const char *name);
/* Somebody else's profile: loaded, and AppArmor is on; else ERR_UNSUPPORTED by name. */
int lsm_profile_check(const char *name);
