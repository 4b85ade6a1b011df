/* The pairs of categories: a directory of links, for label.c and its test. */
#pragma once
#include "runtime/guest/guest.h"

/*
 * Claims a pair in the directory of claims for the guest at dir (absolute) and writes its name. had: what it
 * had before, which it keeps if it can, or "". ERR_RESOURCE: there is none left.
 */
int label_claim(const char *claims, const char *dir, const char *had, char pair[16]);
