/* Reading the messages of CRIU, in an answer and in an image file. Writing them: criu.h. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct criu_reader { const unsigned char *p, *end; };
/* n: the number; in: the bytes. */
struct criu_item { unsigned field; uint64_t n; struct criu_reader in; };

/* The next field; false at the end, and at what is no message. */
bool criu_next(struct criu_reader *r, struct criu_item *out);
