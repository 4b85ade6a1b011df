/*
 * What SELinux denied to processes of one label, as far as the logs remember it: auditd's, or the kernel's
 * own where there is no auditd. Both need root; who may not read them learns of none.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct denial { char perms[64], program[20], object[256], class[32], target[256], record[1024]; };
/* A line of a log: is it a denial of that label's? */
bool denial_parse(const char *line, const char *label, struct denial *out);
/* The last ones, oldest first. */
size_t denials_of(const char *label, struct denial *out, size_t max);
