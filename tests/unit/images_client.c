#include "base/helper.h"
/* The client against a helper that is a script. */
#include "base/scope.h"
#include "images/image.h"
#include "tests/unit/unit.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

TEST(helper_is_missing)
{
	struct buf made = { 0 };

	setenv("VZRUN_LIBEXEC", "/nonexistent", 1);
	helper_set_dir("/nonexistent");
	if (access("/usr/local/libexec/vzrun/vzrun-image", X_OK) == 0)
		return;
	CHECK_FAILS(image_template("/tmp", "busybox", &made),
		    "vzrun-image: not found in /nonexistent");
	CHECK(err_class() == ERR_UNSUPPORTED);
	buf_free(&made);
}

TEST(its_error_is_ours)
{
	char dir[] = "/tmp/vzrun-unit-XXXXXX", script[PATH_MAX];
	struct image_rootfs r;
	FILE *f;

	CHECK(mkdtemp(dir) != NULL);
	snprintf(script, sizeof script, "%s/vzrun-image", dir);
	f = fopen(script, "we");
	CHECK(f != NULL);
	if (!f)
		return;
	fputs("#!/bin/sh\n"
	      "case \"$6\" in\n"
	      "good:1) echo "
	      "'{\"ref\":\"good:1\",\"digest\":\"sha256:00\",\"layers\":[\"/a\",\"/"
	      "b\"],\"env\":[\"A=B\"]}';;\n"
	      "mute:1) exit 7;;\n"
	      "*) echo '{\"error\":{\"code\":3,\"msg\":\"image x:1: not in the "
	      "store\",\"why\":null,\"try\":\"pull it\"}}'; exit 3;;\n"
	      "esac\n",
	      f);
	fclose(f);
	CHECK(chmod(script, 0755) == 0);
	setenv("VZRUN_LIBEXEC", dir, 1);
	CHECK_FAILS(image_resolve("/home", "x:1", &r), "image x:1: not in the store");
	CHECK(err_class() == ERR_NOT_FOUND);
	CHECK_STR(err_try_text(), "pull it");
	CHECK_FAILS(image_resolve("/home", "mute:1", &r), "vzrun-image: exit status 7 without a word");
	CHECK(image_resolve("/home", "good:1", &r) == 0);
	CHECK(r.layers.n == 2);
	CHECK_STR(r.layers.v[1], "/b");
	CHECK(r.user == NULL);
	image_rootfs_free(&r);
	unlink(script);
	rmdir(dir);
}

UNIT_MAIN(UNIT(helper_is_missing), UNIT(its_error_is_ours))
