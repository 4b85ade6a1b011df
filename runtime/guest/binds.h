/* The words of --bind: SRC:DST[:OPTION,...]. OPTION: one of a bind mount's (ro, nosuid, idmap, ...), z or Z. */
#pragma once
#include "base/bind.h"
#include "runtime/guest/label.h"

struct bind_word {
	const char *src, *dst;
	struct strv options;	/* those of the mount */
	char label;		/* 'z': the source is labelled for all guests, 'Z': for this one; 0: it is not touched */
};

/* ERR_USAGE. What out points to is in the arena. */
int bind_parse(struct arena *a, const char *text, struct bind_word *out);
/* An entry of config.json's "mounts". */
void bind_encode_mount(struct jout *o, const struct bind_word *b);
/* An O_PATH descriptor of the source, which the caller closes; ERR_NOT_FOUND when there is none. */
int bind_open_source(const struct bind_word *b);
/* The source is there; with z or Z it gets its label, where SELinux is on. */
int bind_label(const struct bind_word *b, const struct guest_labels *l);
