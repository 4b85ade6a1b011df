/* Part of escape: the runtime's executable, as whoever is inside comes by it. Exit statuses. */
#pragma once

/* Opens /proc/PID/exe, says "open", and writes to it when standard input ends. */
int exe_overwrite(const char *pid);
/* Opens whatever comes along in /proc and is not the container's own, and writes to it; until /stop is there. */
int exe_hunt(void);
