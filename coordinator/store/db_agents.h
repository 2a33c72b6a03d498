/*
 * db_agents.h - SQL of the agent registry. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_AGENTS_H
#define MW_COORDINATOR_DB_AGENTS_H

#include "coordinator/store/store.h"

struct db_agent {
	int64_t slot, gen;
	const char *ns, *mcis, *vm, *hello;
	int64_t last_seen;
};

/* Inserts or replaces; first_seen of an old row stays. */
bool db_agent_put(struct db *db, const struct db_agent *a,
    struct mw_err *err) mw_must_check;
bool db_agent_delete(struct db *db, int64_t slot, int64_t gen,
    struct mw_err *err) mw_must_check;
/* Borrowed during the call. */
bool db_agent_each(struct db *db,
    void (*each)(void *arg, const struct db_agent *a), void *arg,
    struct mw_err *err) mw_must_check;

#endif
