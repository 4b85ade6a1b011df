/*
 * What a container left on record, as anybody may have left it: state.json, the journal, the process section in it,
 * the filter, and the lists beside a checkpoint. What is taken is aimed at by kill and rmdir.
 */
#include "runtime/child/seccomp_store.h"
#include "runtime/container/checkpoint_io.h"
#include "runtime/container/state.h"
#include "tests/fuzz/fuzz.h"

/* The path, and a line HIERARCHY:PATH for each hierarchy where it is another. */
static bool goes_up(const char *path)
{
	for (const char *at = path, *end; at; at = *end ? strchr(end, ':') : NULL) {
		end = at + strcspn(at, "\n");
		for (const char *p = at; (p = strstr(p, "/..")) && p < end; p += 3)
			if (!p[3] || p[3] == '/' || p[3] == '\n')
				return true;
	}
	return false;
}

static void state(const uint8_t *data, size_t size)
{
	int dir = fuzz_dir();
	auto_state struct state s = { 0 }, again = { 0 };
	struct cg cg;

	fuzz_file("state.json", data, size);
	if (state_load(dir, "c1", &s) < 0) {
		demand(!s.id && !s.tree);
		return;
	}
	demand(str_eq(s.id, "c1") && s.pid.v > 0);
	state_group(&s, &cg);
	demand(!cg.path[0] || (cg.path[0] == '/' && cg.path[1] && !goes_up(cg.path)));
	demand(!strchr(cg.unit, '/'));
	/* What was read is written as it was read. */
	demand(state_save(dir, &s) == 0 && state_load(dir, "c1", &again) == 0);
	demand(again.pid.v == s.pid.v && again.start_time.v == s.start_time.v && str_eq(again.bundle, s.bundle));
}

static void journal(const uint8_t *data, size_t size)
{
	int dir = fuzz_dir();
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct spec_process p;
	struct journal j, again;
	int fd;

	fuzz_file("journal", data, size);
	demand(journal_read(dir, &j) == 0);
	demand(!j.cgroup[0] || j.cgroup_made || j.cgroup[0] == '/');
	demand(!strchr(j.rdt.group, '/') && !strchr(j.rdt.monitor, '/') && j.rdt.group[0] != '.');
	demand(!j.net_home[0] || j.net_home[0] == '/');
	(void)journal_load_process(dir, &a, &tree, &p);
	/* Gone on with: what was there stays, and the next line is one of its own. */
	fd = journal_reopen(dir);
	demand(fd >= 0 && journal_step(fd, 7) == 0 && close(fd) == 0);
	demand(journal_read(dir, &again) == 0 && again.steps == (j.steps | 1 << 7) && again.pid == j.pid);
}

static void filter(const uint8_t *data, size_t size)
{
	int dir = fuzz_dir();
	auto_seccomp struct seccomp_prog p = { 0 };

	fuzz_file("seccomp", data, size);
	if (seccomp_restore(dir, "seccomp", &p) == 0)
		demand(p.len > 0 && (const char *)p.insns + p.len * 8 <= (const char *)p.block + size);
}

static void list(const uint8_t *data, size_t size)
{
	int dir = fuzz_dir();
	struct image image = { .dir = dir, .work = -1, .path = "image" };
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct strv v;

	fuzz_file("external.json", data, size);
	if (image_list(&image, "external.json", &v, &a, &tree) < 0)
		return;
	for (size_t i = 0; i < v.n; i++)
		demand(v.v[i] != NULL);
}

static const struct fuzz_kind kinds[] = {
	{ 's', state }, { 'j', journal }, { 'f', filter }, { 'l', list },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_kinds(kinds, COUNT(kinds), data, size);
	return 0;
}
