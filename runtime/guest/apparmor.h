/*
 * The AppArmor profile of a guest, where the host can have one: made and loaded at its start, removed at its end.
 */
#pragma once
#include "runtime/guest/guest.h"

/* Of --apparmor: what is asked for can be had now. ERR_UNSUPPORTED by name. */
int guest_apparmor_check(const char *word);
/* Which profile this start gets. "auto" on a host that can have none: none. */
int guest_apparmor_choose(struct guest *g, struct guest_plan *p);
/* After guest_effective(), whose capabilities it allows. Only a profile of our own is loaded. */
int guest_apparmor_load(const struct guest *g, const struct guest_plan *p);
/* When the guest is dead. 1: there was one of our own; 0: none. */
int guest_apparmor_drop(const struct guest_where *at, const char *name);
void guest_apparmor_name(const struct guest_where *at, const char *name, char out[96]);
int guest_apparmor_text(const char *name, const struct strv *bounding, struct buf *b);
