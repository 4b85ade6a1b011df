#include "netns/home.h"
#include "netns/net.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static char home_now[PATH_MAX];

void net_set_home(const char *home)
{
	snprintf(home_now, sizeof home_now, "%s", home);
}

void net_home_current(struct net_home *out)
{
	const char *env = getenv("VZRUN_HOME");

	net_home_of(home_now[0] ? home_now : env && *env ? env : NET_HOME_DEFAULT, out);
}
