/* Inside vzrun-net. */
#pragma once
#include "base/str.h"

struct fw_req;
/* Checks every name and address by its grammar, then writes the nft commands for the request. */
int fw_compose(const struct fw_req *req, struct buf *out);
/* One transaction. */
int fw_run(const char *table, const char *text);
