/*
 * The further names of a link that is lent (ip-link(8), altname). By names that somebody has here a guest could keep
 * the link, which cannot come where they are taken; and by one that somebody is to have keep him from it.
 */
#pragma once
#include "base/bind.h"
#include "netns/nl.h"

/* All of them, in `a`. device: for messages. */
int net_altnames_note(struct nlq *q, int index, const char *device, struct arena *a, struct strv *out);
/* Takes off those that were not noted. add: also gives back those that the guest took off, as far as they are free. */
int net_altnames_mend(struct nlq *q, int index, const char *device, const struct strv *noted, bool add);
