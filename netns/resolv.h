#pragma once
#include "base/str.h"

/* Copies what is of use to a guest; the number of name servers. */
size_t net_resolv_filter(const char *resolv_conf, struct buf *out);
/* The host's options, and the network's name before what the host searches. */
void net_resolv_segment(const char *resolv_conf, const char *network, struct buf *out);
