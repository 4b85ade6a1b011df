/* "import web.tar: 120 of 300 MiB (40%)" on stderr, when that is a terminal. */
#pragma once
#include <stdint.h>

void progress_start(const char *what);
void progress(uint64_t done, uint64_t total);	/* total 0: not known */
void progress_end(void);
