/* System calls of a traced process, for tests/tools/inject.c. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Good until the next: openat, or ? for a number that has none. */
const char *call_name(uint64_t nr);
/* No for those that never return an error, or never return: to fail them is to test what is no kernel. */
bool call_can_fail(uint64_t nr);
/* The call that a process is in, or none. */
const char *call_of(pid_t pid);

/*
 * Of a process that is stopped as it enters a call: the call is not made. When it leaves it: what it returns,
 * -errno. Both return less than 0 when the process is no more.
 */
int call_replace(pid_t pid);
int call_result(pid_t pid, int value);
