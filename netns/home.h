/* The home that this process works for: net_teardown() gets only a guest's name. */
#pragma once
#include "netns/name.h"

/* What net_set_home(), net_claim() or net_release() named last; else VZRUN_HOME, else the default. */
void net_home_current(struct net_home *out);
