/*
 * vzrun-systemd's own: a request of unit.h becomes properties of a unit (no library needed), these go over
 * the bus.
 */
#pragma once
#include "cgroups/unit.h"

/* One property: its name, the type of its value as D-Bus writes it, and the value in the member that fits. */
struct prop_device { const char *path, *access; };
struct prop {
	const char *name;
	const char *type;	/* b y n q i u x t d s, as, ay, au, a(ss) */
	uint64_t u;		/* b y q u t */
	int64_t i;		/* n i x */
	double d;
	const char *s;
	struct strv words;	/* as */
	const uint8_t *bytes;	/* ay */
	size_t n_bytes;
	const uint32_t *pids;	/* au */
	size_t n_pids;
	const struct prop_device *devices;	/* a(ss) */
	size_t n_devices;
};
struct props { struct arena *a; struct prop *v; size_t n; bool oom; };

void prop_add(struct props *p, const struct prop *one);
void prop_u64(struct props *p, const char *name, uint64_t v);
void prop_bool(struct props *p, const char *name, bool v);
void prop_str(struct props *p, const char *name, const char *s);

/*
 * systemd_props.c: everything that a request says. version: systemd's, which decides what it has a word
 * for.
 */
int props_of_request(struct props *p, const struct unit_req *q, unsigned version);
/* systemd_limits.c */
int props_of_resources(struct props *p, const struct cg_resources *r, bool v2, unsigned version);
/* systemd_devices.c */
int props_of_devices(struct props *p, const struct list *rules);
/* systemd_value.c: NAME of org.systemd.property.NAME and GVariant's text of its value. */
int prop_of_annotation(struct props *p, const char *name, const char *text);

/*
 * systemd_address.c: is the socket at path one of the addresses, as D-Bus writes them
 * (TRANSPORT:KEY=VALUE[,...][;...])?
 */
bool unit_bus_is_among(const char *addresses, const char *path);

/* systemd_bus.c */
struct sd_bus;
int unit_bus_open(bool user, struct sd_bus **out);
void unit_bus_close(struct sd_bus **bus);
/* The first word, which has two seconds; what is asked after it is given a busy systemd's time. */
int unit_bus_version(struct sd_bus *bus, unsigned *version);
/* Start, stop: return when the job is done. */
int unit_bus_start(struct sd_bus *bus, const struct unit_req *q, const struct props *p);
int unit_bus_stop(struct sd_bus *bus, const struct unit_req *q);
int unit_bus_set(struct sd_bus *bus, const struct unit_req *q, const struct props *p);
int unit_bus_attach(struct sd_bus *bus, const struct unit_req *q);
/* The control group of a unit, malloc'ed. */
int unit_bus_group(struct sd_bus *bus, const struct unit_req *q, char **path);
