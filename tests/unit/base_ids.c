#include "base/ids.h"
#include "base/file.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TEST(passwd_entries)
{
	char text[] = "\nroot:x:0:0:root:/root:/bin/sh\n:x:1:1::/:/bin/sh\nno:x:one:1::/:\nlast:x:4294967295:0::/:\n"
		      "short:x:7:8\nweb:x:33:34::/srv:/bin/false:more\n";
	char *p = text;
	struct passwd_entry e;

	CHECK(passwd_next(&p, &e) && strcmp(e.name, "root") == 0 && e.uid == 0 && strcmp(e.shell, "/bin/sh") == 0);
	CHECK(passwd_next(&p, &e) && strcmp(e.name, "short") == 0 && e.uid == 7 && e.gid == 8 && !*e.home && !*e.shell);
	CHECK(passwd_next(&p, &e) && strcmp(e.name, "web") == 0 && strcmp(e.home, "/srv") == 0 && e.gid == 34);
	CHECK(strcmp(e.shell, "/bin/false") == 0);
	CHECK(!passwd_next(&p, &e));
	CHECK(!passwd_next(&p, &e));
}

TEST(ids_outside)
{
	char path[] = "/tmp/vzrun-unit-map-XXXXXX";
	int fd = mkstemp(path);
	unsigned id = 1;

	CHECK(fd >= 0);
	CHECK(dprintf(fd, "%10u %10u %10u\n%10u %10u %10u\n", 0u, 1000u, 1u, 1u, 4294901760u, 65535u) > 0);
	CHECK(idmap_outside(AT_FDCWD, path, 0, &id) == 0 && id == 1000);
	CHECK(idmap_outside(AT_FDCWD, path, 65535, &id) == 0 && id == 4294967294u);
	CHECK(idmap_outside(AT_FDCWD, path, 65536, &id) == -ENODATA);
	unlink(path);
	close(fd);
	CHECK(idmap_outside(AT_FDCWD, path, 0, &id) == -ENOENT);
}

UNIT_MAIN(UNIT(passwd_entries), UNIT(ids_outside))
