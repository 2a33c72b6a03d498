/*
 * simcloud_int.h - what the files of the simulated cloud share. It is the
 * twin's clouds (twin/cloud*.c, ctl_call.c, ctl_cloud.c, ctl_lab.c) over
 * machines that exist in name only.
 */
#ifndef MW_TESTS_SIMCLOUD_INT_H
#define MW_TESTS_SIMCLOUD_INT_H

#include "common/loop.h"
#include "common/pure/str.h"
#include "twin/ctl_int.h"

struct sim_options {
	const char *socket; /* required */
	const char *world; /* a file, or NULL: made from the next four */
	const char *clouds; /* "aws:T:2,azure:N:1" = id, class, regions */
	int64_t regions; /* instead of clouds: so many over four clouds */
	int64_t boot_ms; /* create, start, stop, reboot, terminate */
	int64_t late_s, list_s; /* bounds that the clouds declare */
	int64_t quota, rate, page; /* per cloud; 0: none, none, 500 */
	int64_t seed;
	const char *log; /* append-only, one JSON object per call; NULL: none */
	bool log_reads;
	bool with_parent; /* end with the process that started us */
};

/* simcloud_world.c: the text of a world file. False: err says why not. */
bool sim_world_text(const struct sim_options *o, struct str *out,
    struct mw_err *err) mw_must_check;

/* simcloud_vm.c: the machines of vm.h. */
struct vm_set *sim_machines_new(struct loop *l);
void sim_machines_free(struct vm_set *s); /* after clouds_free() */

/* simcloud_oracle.c: what no correct coordinator lets happen. */
struct sim_oracle;
struct sim_oracle *sim_oracle_new(struct clouds *cs);
void sim_oracle_free(struct sim_oracle *o);
/* Looks at the living VMs: two of one slot are written down, once. */
void sim_oracle_look(struct sim_oracle *o);
json_t *sim_oracle_json(const struct sim_oracle *o);

#endif
