/*
 * Tags: words by which the administrator chooses several guests. They are vzrun.tags of config.json; a guest knows
 * nothing of its own.
 */
#pragma once
#include "base/bind.h"

int guest_check_tags(const struct strv *tags, const char *what);	/* ERR_USAGE: "--tag: ..." with what as the place */
bool guest_has_tag(const struct strv *tags, const char *tag);
void guest_put_tags(struct jout *o, const char *key, const struct strv *tags);
/* Of the guest's file, whose tags are has; a line of what they are then is added to told. ERR_NOT_FOUND: del. */
int guest_edit_tags(struct json **tree, const struct strv *has, const struct strv *add, const struct strv *del,
		    struct buf *told);
