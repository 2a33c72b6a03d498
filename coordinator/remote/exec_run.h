/*
 * exec_run.h - one command on the VMs of an MCIS, and the newest of such runs.
 * A run lives in memory only: after a restart of the coordinator its output is
 * gone (its action is not).
 */
#ifndef MW_COORDINATOR_EXEC_RUN_H
#define MW_COORDINATOR_EXEC_RUN_H

#include "common/json.h"
#include "coordinator/actions.h"

#define EXEC_RUNS_KEEP 50
#define EXEC_BYTES_KEEP (256u << 20) /* of output, in all runs that are over */
/* Output that one run keeps, over all VMs and both streams. */
#define EXEC_RUN_BYTES ((size_t)64 * 1024 * 1024)

struct coord;
struct exec_run;

struct exec_ask {
	const char *ns, *mcis;
	const char *command; /* template, or NULL: */
	json_t *argv; /* array of strings */
	json_t *selector; /* {"label":"value"}, or NULL: all VMs */
	int64_t timeout_ms;
};

/* Starts it; id: of the action and of the command. */
bool exec_run_start(struct coord *c, const struct exec_ask *ask,
    char id[ACTION_ID_LEN], struct mw_err *err) mw_must_check;
/* NULL: no such command, or too old. New reference. */
json_t *exec_run_json(struct coord *c, const char *ns, const char *mcis,
    const char *id);

#endif
