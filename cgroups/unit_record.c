/* The request as JSON: written by vzrun, read by vzrun-systemd. */
#include "cgroups/unit.h"

const struct name unit_actions[] = {
	{ "start", UNIT_START }, { "set", UNIT_SET }, { "attach", UNIT_ATTACH }, { "stop", UNIT_STOP }, { 0 }
};

static const struct field unit_fields[] = {
	ENUMR(struct unit_req, "action", action, unit_actions),
	F(struct unit_req, "user", K_BOOL, user),
	F(struct unit_req, "v2", K_BOOL, v2),
	F(struct unit_req, "onlyOurs", K_BOOL, only_ours),
	FR(struct unit_req, "unit", K_STR, unit),
	F(struct unit_req, "slice", K_STR, slice),
	F(struct unit_req, "description", K_STR, description),
	F(struct unit_req, "sub", K_STR, sub),
	F(struct unit_req, "pid", K_I64, pid),
	SUB(struct unit_req, "resources", K_OPT, resources, &cg_resources_record),
	F(struct unit_req, "properties", K_MAP, properties),
	{ 0 }
};
const struct record unit_req_record = RECORD("request", struct unit_req, unit_fields);
