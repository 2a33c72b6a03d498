/*
 * db_history.h - what happened to the VMs of an MCIS, from the events and the
 * actions they belong to.
 */
#ifndef MW_COORDINATOR_DB_HISTORY_H
#define MW_COORDINATOR_DB_HISTORY_H

#include "common/json.h"
#include "coordinator/store/store.h"

struct db_history {
	const char *ns, *mcis;
	const char *vm; /* NULL: all */
	int64_t after; /* only newer events */
	int64_t limit; /* the newest ones */
};

/* Appends objects as docs/api.md shows them to items, oldest first. */
bool db_history_list(struct db *db, const struct db_history *f, json_t *items,
    struct mw_err *err) mw_must_check;

#endif
