/* Inside vzrun-net. */
#pragma once
#include "base/str.h"

struct fw_req;
/* Checks every name and address by its grammar, then writes the nft commands for the request. */
int fw_compose(const struct fw_req *req, struct buf *out);
/* One line of the request, decoded and written by the types of its set. Errors name the part of the line. */
int fw_element(const char *table, const char *line, struct buf *out);
/* One transaction. */
int fw_run(const char *table, const char *text);
struct fw_guard;
/* The chains of one guest's firewall. */
int fw_guard_compose(const char *table, const struct fw_guard *g, struct buf *out);
/* What `command` (list ...) answers, as JSON or as text with the handles of rules. */
int fw_list(const char *command, bool json, struct buf *out);
/* netns/firewall_judge.c; the answer goes to stdout. */
int fw_judge_run(const char *in, size_t n);
/* netns/firewall_rule.c; the answer goes to stdout. */
int fw_rule_run(const char *in, size_t n);
