/*
 * Where warnings and debug lines go. Without log_open() warnings go to stderr as "vzrun: warning: ..." and
 * debug lines nowhere; with a file they go to it alone. A log file is appended to, one write() a line, in
 * runc's text or JSON shape.
 */
#pragma once
#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* By its name; LOG_INFO without one. */
enum log_level log_level_of(const char *name);
/* Expected errors: those of open(2) on path. NULL path: stderr only. What is below `least` is not written. */
int log_open(const char *path, bool json, enum log_level least);
void log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
bool log_debug_on(void);
int log_fd(void);	/* of the log file; -1 without one */
/*
 * From now on a warning, here and in the children, is a message on this socket (SOCK_SEQPACKET) and goes nowhere else:
 * who reads it decides who hears it. One that does not read loses warnings, and holds nobody up.
 */
void log_divert(int fd);
int log_diverted(void);	/* that socket; -1: none */

#define log_debug(...) do { if (log_debug_on()) log_at(LOG_DEBUG, __VA_ARGS__); } while (0)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
