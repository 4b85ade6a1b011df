#pragma once
#include "base/str.h"

/* Copies what is of use to a guest; the number of name servers. */
size_t net_resolv_filter(const char *resolv_conf, struct buf *out);
