#include "base/scope.h"
#include "cli/out.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>

static const char *const head[] = { "ID", "SIZE", "STATE", NULL };

TEST(table)
{
	struct table t = { .head = head, .right = 1 << 1 };
	auto_buf struct buf b = { 0 };

	table_cell(&t, "%s", "grün");
	table_cell(&t, "%d", 7);
	table_cell(&t, "run\302\23331m\033\n");
	table_cell(&t, "b");
	table_cell(&t, "%d", 123456);
	table_cell(&t, "%s", "");
	table_render(&t, &b);
	CHECK_STR(buf_text(&b), "ID      SIZE  STATE\n"
				"grün       7  run??31m??\n"
				"b     123456  \n");
	buf_free(&b);
	t.no_head = true;
	t.right = 0;
	table_render(&t, &b);
	CHECK_STR(buf_text(&b), "grün  7       run??31m??\nb     123456  \n");
	table_free(&t);
}

TEST(as_runc)
{
	static const char *const runc[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER", NULL };
	struct table t = { .head = runc, .gap = 3, .min = 12 };
	auto_buf struct buf b = { 0 };

	table_render(&t, &b);
	CHECK_STR(buf_text(&b), "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
}

TEST(sizes)
{
	static const struct { uint64_t bytes; const char *want; } rows[] = {
		{ 0, "0" }, { 1023, "1023" }, { 1024, "1K" }, { 1536, "1.5K" }, { 1048575, "1M" },
		{ 1048576, "1M" },
		{ UINT64_C(1610612736), "1.5G" }, { UINT64_C(1) << 40, "1T" }, { UINT64_MAX, "16E" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_STR(out_size(rows[i].bytes), rows[i].want);
}

/* What fd gets while out_error() runs. */
static int shown(int fd, const struct cli *g, int r, char *out, size_t size)
{
	char path[] = "/tmp/vzrun-unit-XXXXXX";
	int file = mkstemp(path), saved, status;
	ssize_t n;

	unlink(path);
	fflush(stdout);
	saved = dup(fd);
	dup2(file, fd);
	status = out_error(g, r);
	fflush(stdout);
	dup2(saved, fd);
	n = pread(file, out, size - 1, 0);
	out[n > 0 ? n : 0] = '\0';
	close(saved);
	close(file);
	return status;
}

static int explained(void)
{
	int r = fail_as(ERR_RESOURCE, "guest \"web1\" not started:\033 limit");

	err_why("guarantees: 14.6G of 16G\nand more");
	err_try("vzrun start web1 --overcommit");
	return r;
}

TEST(errors)
{
	struct cli g = { 0 };
	char out[512];

	CHECK(shown(STDERR_FILENO, &g, explained(), out, sizeof out) == 9);
	CHECK_STR(out, "vzrun: guest \"web1\" not started:? limit\n"
		       "  why    guarantees: 14.6G of 16G\n         and more\n"
		       "  try    vzrun start web1 --overcommit\n");
	cli_speak(&g, CMD_OCI);
	CHECK(shown(STDERR_FILENO, &g, explained(), out, sizeof out) == 1);
	CHECK_STR(out, "vzrun: guest \"web1\" not started:? limit\n");
	cli_speak(&g, CMD_EXEC);
	CHECK(shown(STDERR_FILENO, &g, explained(), out, sizeof out) == 255);
	cli_speak(&g, 0);
	g.json = true;
	CHECK(shown(STDOUT_FILENO, &g, explained(), out, sizeof out) == 9);
	CHECK_STR(out, "{\"schema\":\"vzrun/1\",\"error\":{\"code\":9,"
		       "\"msg\":\"guest \\\"web1\\\" not started:\\u001b limit\","
		       "\"why\":\"guarantees: 14.6G of 16G\\nand more\","
		       "\"try\":\"vzrun start web1 --overcommit\","
		       "\"errno\":\"ENOMEM\"}}\n");
	g.json = false;
	err_clear();
	CHECK(shown(STDERR_FILENO, &g, -ENOENT, out, sizeof out) == 1);
	CHECK_STR(out, "vzrun: No such file or directory\n");
}

UNIT_MAIN(UNIT(table), UNIT(as_runc), UNIT(sizes), UNIT(errors))
