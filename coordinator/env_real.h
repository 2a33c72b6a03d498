/*
 * env_real.h - the lifecycle's world: drivers, store, SSH, loop, events.
 */
#ifndef MW_COORDINATOR_ENV_REAL_H
#define MW_COORDINATOR_ENV_REAL_H

#include "common/pure/err.h"

struct coord;
struct env_real;

/* Makes c->lc and loads its rows; needs c->store, c->loop and c->actions. */
struct env_real *env_real_new(struct coord *c,
    struct mw_err *err) mw_must_check;
/* The reconciler begins to act; needs conns, remote, ca, agents, events. Call
 * it before actions_ready(). */
void env_real_start(struct env_real *e);
/* The process ends: from here on nothing is sent, committed or believed. Call
 * it first of all. */
void env_real_stop(struct env_real *e);
/* Frees c->lc, too. Before it: remote_free(), conns_free(), store_close(). */
void env_real_free(struct env_real *e);

/* An agent said hello. */
void env_real_agent_up(struct env_real *e, int64_t slot, int64_t gen,
    const char *boot_id);
/* A connection was added, changed or verified. */
void env_real_connection(struct env_real *e, const char *connection);

#endif
