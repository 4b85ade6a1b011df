/*
 * Getting into a guest: a shell, its console, and what the console said.
 */
#pragma once
#include "runtime/guest/guest.h"

/* A user of a running guest, by its own /etc/passwd, as "UID:GID". ERR_NOT_FOUND. */
int guest_user(const struct guest_where *at, const char *name, const char *user, char out[24]);
/* A login shell, or args, with the guest's own environment. status as of `exec`. */
int guest_shell(const struct guest_where *at, const char *name, const struct strv *args, bool tty);
/* Attaches stdin/stdout to the console until Ctrl-] or its end. */
int guest_console(const struct guest_where *at, const char *name);

/* The last lines of what the console said; 0: all. *end, if asked for: where it goes on, the caller's, or -1. */
int guest_log(const struct guest_where *at, const char *name, uint64_t lines, struct buf *out, int *end);
/* From there on, as it comes, until the guest is down. put may change the text. */
typedef int guest_log_fn(char *text);
int guest_log_follow(const struct guest_where *at, const char *name, int *end, guest_log_fn *put);
