#include "runtime/guest/create.h"
#include "runtime/guest/binds.h"
#include "runtime/guest/nic.h"
#include "runtime/guest/set.h"

#include <string.h>

static void put_strings(struct jout *o, const struct strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		jout_str(o, NULL, s->v[i]);
}

static void put_list(struct jout *o, const char *key, const struct strv *s)
{
	if (s->n == 0)
		return;
	jout_open(o, key, '[');
	put_strings(o, s);
	jout_close(o, ']');
}

static void put_process(const struct new_guest *g, struct jout *o)
{
	const struct image_rootfs *i = g->image;

	jout_open(o, "process", '{');
	jout_open(o, "args", '[');
	if (g->req->command.n > 0)
		put_strings(o, &g->req->command);
	else if (i->entrypoint.n + i->cmd.n > 0) {
		put_strings(o, &i->entrypoint);
		put_strings(o, &i->cmd);
	} else
		jout_str(o, NULL, "/sbin/init");
	jout_close(o, ']');
	jout_str(o, "cwd", i->workdir && i->workdir[0] == '/' ? i->workdir : "/");
	put_list(o, "env", &i->env);
	jout_close(o, '}');
}

static void put_binds(const struct new_guest *g, struct jout *o)
{
	if (g->req->binds.n == 0)
		return;
	jout_open(o, "mounts", '[');
	for (size_t i = 0; i < g->req->binds.n; i++)
		bind_encode_mount(o, &g->binds[i]);
	jout_close(o, ']');
}

static int put_resources(const struct new_guest *g, struct jout *o)
{
	const struct guest_create_req *r = g->req;
	uint64_t quota;

	jout_open(o, "linux", '{');
	jout_open(o, "resources", '{');
	if (r->memory.set) {
		jout_open(o, "memory", '{');
		jout_u64(o, "limit", r->memory.v);
		/* OCI counts memory and swap together. */
		if (r->swap.set)
			jout_u64(o, "swap", r->memory.v + r->swap.v);
		jout_close(o, '}');
	}
	if (r->cpus) {
		TRY(guest_cpu_quota(r->cpus, &quota));
		jout_open(o, "cpu", '{');
		jout_u64(o, "quota", quota);
		jout_u64(o, "period", 100000);
		jout_close(o, '}');
	}
	jout_open(o, "pids", '{');
	jout_u64(o, "limit", r->pids.set ? r->pids.v : 4096);
	jout_close(o, '}');
	jout_close(o, '}');
	jout_close(o, '}');
	return 0;
}

/* By their names in the store, which guest_conf_load() finds again wherever the home is. */
static void put_layers(struct jout *o, const struct strv *paths)
{
	for (size_t i = 0; i < paths->n; i++) {
		const char *slash = strrchr(paths->v[i], '/');

		jout_str(o, NULL, slash ? slash + 1 : paths->v[i]);
	}
}

static void put_vzrun(const struct new_guest *g, struct jout *o)
{
	const struct guest_create_req *r = g->req;

	jout_open(o, "vzrun", '{');
	jout_str(o, "image", g->ref);
	jout_str(o, "storage", g->own_copy ? "dir" : "overlay");
	if (!g->own_copy) {
		jout_open(o, "layers", '[');
		put_layers(o, &g->image->layers);
		jout_close(o, ']');
	}
	jout_str(o, "userns", r->userns ? r->userns : "auto");
	jout_str(o, "selinux", r->selinux ? r->selinux : "auto");
	jout_str(o, "apparmor", r->apparmor ? r->apparmor : "auto");
	nic_encode(o, "networks", g->nics);
	put_list(o, "dns", &r->dns);
	put_list(o, "features", &r->features);
	put_list(o, "tags", &r->tags);
	if (g->image->stop_signal && *g->image->stop_signal)
		jout_str(o, "stopSignal", g->image->stop_signal);
	jout_close(o, '}');
}

int create_config(const struct new_guest *g, struct buf *out)
{
	struct jout o = { .b = out, .pretty = true };

	jout_open(&o, NULL, '{');
	jout_str(&o, "ociVersion", SPEC_VERSION);
	jout_str(&o, "hostname", g->req->hostname ? g->req->hostname : g->name);
	jout_open(&o, "root", '{');
	jout_str(&o, "path", "rootfs");
	jout_close(&o, '}');
	put_process(g, &o);
	put_binds(g, &o);
	TRY(put_resources(g, &o));
	put_vzrun(g, &o);
	jout_close(&o, '}');
	buf_puts(out, "\n");
	return out->oom ? fail(ENOMEM, "write config.json: out of memory") : 0;
}
