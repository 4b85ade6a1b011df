/*
 * vzrun-systemd unit: reads a request on stdin (cgroups/unit.h), has it done by systemd, prints the control
 * group of what was started. One line on stderr and the error's class as exit code when it cannot; "try: "
 * in a second line. vzrun-systemd properties: prints what would be asked for, without any bus.
 */
#include "cgroups/systemd.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/json.h"
#include "base/scope.h"

#include <string.h>

enum { VERSION_OF_DRY_RUN = 252 };

static int limits_or_start(struct sd_bus *bus, unsigned version, const struct unit_req *q, struct arena *a)
{
	struct props p = { .a = a };
	auto_free char *group = NULL;

	TRY(props_of_request(&p, q, version));
	if (q->action == UNIT_SET)
		return unit_bus_set(bus, q, &p);
	TRY(unit_bus_start(bus, q, &p));
	TRY(unit_bus_group(bus, q, &group));
	return printf("%s\n", group) < 0 || fflush(stdout) != 0 ? fail_errno("stdout") : 0;
}

static int perform(const struct unit_req *q, struct arena *a)
{
	SCOPED(unit_bus_close) struct sd_bus *bus = NULL;
	unsigned version;

	TRY(unit_bus_open(q->user, &bus));
	TRY(unit_bus_version(bus, &version));
	switch (q->action) {
	case UNIT_STOP: return unit_bus_stop(bus, q);
	case UNIT_ATTACH: return unit_bus_attach(bus, q);
	default: return limits_or_start(bus, version, q, a);
	}
}

static void show_value(struct jout *o, const struct prop *p)
{
	switch (p->type[0]) {
	case 'b': jout_bool(o, "value", p->u); return;
	case 'n': case 'i': case 'x': jout_i64(o, "value", p->i); return;
	case 's': jout_str(o, "value", p->s); return;
	case 'y': case 'q': case 'u': case 't': jout_u64(o, "value", p->u); return;
	case 'd': jout_u64(o, "value", (uint64_t)p->d); return;
	}
	jout_open(o, "value", '[');
	for (size_t i = 0; i < p->words.n; i++)
		jout_str(o, NULL, p->words.v[i]);
	for (size_t i = 0; i < p->n_bytes; i++)
		jout_u64(o, NULL, p->bytes[i]);
	for (size_t i = 0; i < p->n_pids; i++)
		jout_u64(o, NULL, p->pids[i]);
	for (size_t i = 0; i < p->n_devices; i++) {
		jout_str(o, NULL, p->devices[i].path);
		jout_str(o, NULL, p->devices[i].access);
	}
	jout_close(o, ']');
}

static int show(const struct unit_req *q, struct arena *a)
{
	struct props p = { .a = a };

	TRY(props_of_request(&p, q, VERSION_OF_DRY_RUN));
	for (size_t i = 0; i < p.n; i++) {
		auto_buf struct buf b = { 0 };
		struct jout o = { .b = &b };

		jout_open(&o, NULL, '{');
		jout_str(&o, "name", p.v[i].name);
		jout_str(&o, "type", p.v[i].type);
		show_value(&o, &p.v[i]);
		jout_close(&o, '}');
		printf("%s\n", buf_text(&b));
	}
	return fflush(stdout) == 0 ? 0 : fail_errno("stdout");
}

static int run(bool dry)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	auto_free char *in = NULL;
	struct unit_req q;
	size_t n;

	TRY(file_read_fd(0, "stdin", 16 << 20, &in, &n));
	TRY(json_parse("stdin", in, n, &tree));
	TRY_IN(bind_decode(&a, &unit_req_record, tree, &q), "stdin");
	return dry ? show(&q, &a) : perform(&q, &a);
}

int main(int argc, char **argv)
{
	bool dry = argc == 2 && str_eq(argv[1], "properties");

	helper_follow();
	if (argc != 2 || (!dry && !str_eq(argv[1], "unit"))) {
		fprintf(stderr, "usage: vzrun-systemd unit|properties < REQUEST (run by vzrun)\n");
		return ERR_USAGE;
	}
	if (run(dry) == 0)
		return 0;
	fprintf(stderr, "vzrun-systemd: %s\n", err_text());
	if (*err_try_text())
		fprintf(stderr, "try: %s\n", err_try_text());
	return (int)err_class();
}
