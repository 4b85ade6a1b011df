#include "runtime/container/launch.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/log.h"
#include "selinux/lsm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What an id of the container is on the host. */
static int host_id(const struct launch *l, uint32_t inside, uid_t *out)
{
	char path[40];

	*out = inside;
	if (!l->child->own_userns)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/uid_map", (int)l->pid);
	return idmap_outside(AT_FDCWD, path, inside, out);
}

/*
 * Who logs to /dev/stdout opens the engine's pipe again, by /proc/self/fd, and needs a right to it. Pipes
 * only: a file's owner is nothing that a redirection should change.
 */
void streams_give(const struct launch *l, uint32_t uid)
{
	uid_t owner = (uid_t)-1;
	struct stat st;

	for (int fd = 0; fd <= 2; fd++) {
		if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
			continue;
		if (owner == (uid_t)-1 && host_id(l, uid, &owner) < 0)
			return;
		if (st.st_uid != owner && fchown(fd, owner, (gid_t)-1) < 0)
			log_debug("descriptor %d: change the owner to %u: %s", fd, owner, strerrordesc_np(errno));
	}
}

void streams_label(const char *process)
{
	char label[512];
	int r;

	for (int fd = 0; fd <= 2; fd++) {
		r = lsm_hand_over(fd, process, label, sizeof label);
		if (r == 0)
			log_warn("SELinux keeps the process from its %s, which is \"%s\": use a pipe (vzrun ... | cat)",
				 fd == 0 ? "standard input" : fd == 1 ? "standard output" : "standard error", label);
		else if (r < 0)
			log_debug("descriptor %d: %s", fd, err_text());
	}
	err_clear();
}
