/*
 * env_int.h - inside of the lifecycle's world: env_real.c and env_call.c.
 */
#ifndef MW_COORDINATOR_ENV_INT_H
#define MW_COORDINATOR_ENV_INT_H

#include "coordinator/coord.h"
#include "coordinator/env_real.h"
#include "lifecycle/lifecycle.h"

struct install;

struct env_real {
	struct coord *c;
	struct loop_timer *timer;
	struct install *installs;
	bool stopped;
};

/* env_call.c */
void env_csp(void *ctx, struct csp_req *take_req);
void env_install(void *ctx, const struct lc_install *req);
/* A generation's row is on its way to the store. */
void env_inst_changed(struct env_real *e, const struct lc_inst_row *in);
void env_row_durable(struct env_real *e, const struct lc_row *row);
void env_stop_calls(struct env_real *e);
void env_free_calls(struct env_real *e);

#endif
