/*
 * doctor.h - can this machine run a twin, and how well? Each check has a level
 * and, if it is not ok, the way out.
 */
#ifndef MW_TWIN_DOCTOR_H
#define MW_TWIN_DOCTOR_H

#include "common/json.h"
#include "twin/wan.h"

#define DOCTOR_MAX 32

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_LIMITED, /* works, but not everything */
	DOCTOR_FAIL
};

struct doctor_item {
	const char *check;
	enum doctor_level level;
	char text[240], fix[240];
};

struct doctor {
	struct doctor_item v[DOCTOR_MAX];
	size_t n;
};

struct doctor_conf {
	const char *state_dir;
	unsigned vms; /* how many the user wants */
	bool running; /* asked by a twin that runs: its devices are no clash */
	const struct wan_quality *quality; /* NULL: not running */
};

void doctor_run(const struct doctor_conf *conf, struct doctor *out);
enum doctor_level doctor_worst(const struct doctor *d);
const char *doctor_level_name(enum doctor_level level); /* "limited" */
json_t *doctor_json(const struct doctor *d); /* array; new reference */

#endif
