/*
 * ctl.h - the control API of the twin (docs/twin-api.md): HTTP on a unix
 * socket over the clouds, the emulated network and the lab.
 *
 * Cloud calls pass, in this order: the fault draw, the rate limit, the call
 * itself, the cloud's answering time. The lab answers at once.
 */
#ifndef MW_TWIN_CTL_H
#define MW_TWIN_CTL_H

#include "twin/cloud.h"
#include "twin/wan.h"

struct ctl;

struct ctl_conf {
	struct loop *loop;
	const struct world *world;
	struct wan *wan;
	struct vm_set *vms;
	struct clouds *clouds;
	struct faults *faults;
	const char *socket_path, *state_dir;
	void (*shutdown)(void *arg); /* POST /v1/shutdown */
	void *arg;
};

struct ctl *ctl_new(const struct ctl_conf *conf,
    struct mw_err *err) mw_must_check;
void ctl_free(struct ctl *c); /* open requests are cut */

#endif
