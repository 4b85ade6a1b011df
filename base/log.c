#include "base/log.h"
#include "base/clock.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct { int fd, diverted; bool json; enum log_level least; } sink = {
	.fd = -1, .diverted = -1, .least = LOG_INFO,
};

static const char *const level_name[] = { "debug", "info", "warning", "error" };

enum log_level log_level_of(const char *name)
{
	enum log_level l = LOG_DEBUG;

	while (name && l < LOG_ERROR && !str_eq(name, level_name[l]))
		l++;
	return name ? l : LOG_INFO;
}

int log_open(const char *path, bool json, enum log_level least)
{
	sink.json = json;
	sink.least = least;
	if (!path)
		return 0;
	sink.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return sink.fd < 0 ? fail_errno("open log %s", path) : 0;
}

bool log_debug_on(void)
{
	return sink.least == LOG_DEBUG;
}

int log_fd(void)
{
	return sink.fd;
}

void log_divert(int fd)
{
	sink.diverted = fd;
}

int log_diverted(void)
{
	return sink.diverted;
}

static void to_file(enum log_level level, const char *msg)
{
	char escaped[2100], line[2300], stamp[40];
	int n;

	clock_stamp(stamp, sizeof stamp, 0);
	str_json_escape(escaped, sizeof escaped, msg);
	if (sink.json)
		n = snprintf(line, sizeof line, "{\"level\":\"%s\",\"msg\":\"%s\",\"time\":\"%s\"}\n",
			     level_name[level], escaped, stamp);
	else
		n = snprintf(line, sizeof line, "time=\"%s\" level=%s msg=\"%s\"\n", stamp, level_name[level],
			     escaped);
	if (n > 0 && write(sink.fd, line, (size_t)n) < 0)
		return;		/* a full log must not stop a container */
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char msg[1024];
	va_list ap;
	int n;

	if (level < sink.least)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	if (level == LOG_WARN && sink.diverted >= 0) {
		(void)send(sink.diverted, msg, strlen(msg), MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	}
	/* An engine's standard error is the container's: what has a file goes nowhere else. */
	if (sink.fd >= 0)
		to_file(level, msg);
	/* The caller prints errors itself, once. */
	if (sink.fd >= 0 || level == LOG_ERROR)
		return;
	char line[1100];
	str_plain(msg);
	n = snprintf(line, sizeof line, "vzrun: %s: %s\n", level_name[level], msg);
	if (n > 0 && write(STDERR_FILENO, line, strnlen(line, sizeof line)) < 0)
		return;
}
