/* Images made on this host: a distribution by its own installer, or the host's busybox. Built once. */
#pragma once
#include "images/import.h"

struct template { char suite[40], variant[40]; bool busybox; };
/*
 * "debian:SUITE[/VARIANT]" or "busybox"; ERR_USAGE. The suite ends up on a command line: letters, digits,
 * single '-'.
 */
int template_parse(const char *name, struct template *out);
/* im->made and im->digest; rebuild: even when it is in the store. */
int template_run(struct import *im, bool rebuild);

/* The builders write a tar of the root filesystem. */
int template_busybox(void *ctx, int out);
struct debian { const struct template *t; const char *dir, *log; };
int template_debian(void *ctx, int out);
int template_debian_check(const struct template *t);
int template_busybox_check(void);
/* Those of the host's apt sources that have this suite, as files for mmdebstrap. */
struct sources { char path[8][512]; size_t n; };
int template_sources(const char *etc_apt, const char *suite, struct sources *out);
bool template_names_suite(const char *text, bool deb822, const char *suite);
