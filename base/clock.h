/*
 * Time without libc's time zones: those read files, and what runs inside a container must read none (rule
 * R2).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Milliseconds of a clock that only goes forward. */
uint64_t clock_ms(void);
/*
 * Now, in UTC, as RFC 3339 has it: "2026-01-31T23:59:59Z", with nine decimals if asked for. At most 31 bytes.
 */
void clock_stamp(char *out, size_t size, int decimals);
/* The same of a second since 1970. */
void clock_stamp_of(int64_t seconds, char *out, size_t size);
