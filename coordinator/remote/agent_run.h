/*
 * agent_run.h - install, upgrade or uninstall the agent on all VMs of an MCIS,
 * as one action. Installing is the lifecycle's work, which this only asks for
 * and watches; uninstalling is done here.
 */
#ifndef MW_COORDINATOR_AGENT_RUN_H
#define MW_COORDINATOR_AGENT_RUN_H

#include "coordinator/actions.h"

struct coord;

/* verb: "install", "upgrade", "uninstall". tools: also the programs that
 * benchmarks need; with "uninstall" those that were added by it. */
bool agent_run_start(struct coord *c, const char *ns, const char *mcis,
    const char *verb, bool tools, char id[ACTION_ID_LEN],
    struct mw_err *err) mw_must_check;

#endif
