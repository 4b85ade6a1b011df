/*
 * References: NAME[:TAG][@sha256:HEX]. A name is components of lower-case letters and
 * digits with single separators between, joined by '/'; the first of several may be a
 * host with a port. No tag means "latest". Nothing of this grammar can be "." or "..",
 * and a reference becomes a file name only through ref_file().
 */
#pragma once
#include "images/digest.h"

enum { REF_MAX = 240 };
struct ref { char name[REF_MAX], tag[129], digest[DIGEST_SIZE]; };	/* digest "" when absent */

int ref_parse(const char *text, struct ref *out);		/* ERR_USAGE */
void ref_text(const struct ref *r, char out[REF_MAX]);		/* NAME:TAG */
void ref_file(const char *text, char out[256]);			/* '/' as %2F */
int ref_unfile(const char *file, char out[REF_MAX]);		/* -EINVAL: no file of ours */
/* The nearest reference to any file or directory name: "My Root.tar.gz" is "my-root". */
void ref_from_path(const char *path, char out[REF_MAX]);
