/*
 * db_sched.h - SQL of schedules. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_SCHED_H
#define MW_COORDINATOR_DB_SCHED_H

#include "coordinator/measure/sched_rule.h"
#include "coordinator/store/store.h"

struct db_sched {
	const char *ns, *mcis, *id, *json;
	struct sched_state state;
	bool enabled;
	const char *action, *run, *outcome, *reason; /* "": none */
};

bool db_sched_put(struct db *db, const struct db_sched *s,
    struct mw_err *err) mw_must_check;
bool db_sched_delete(struct db *db, const char *ns, const char *mcis,
    const char *id, struct mw_err *err) mw_must_check;
bool db_sched_each(struct db *db,
    void (*each)(void *arg, const struct db_sched *s), void *arg,
    struct mw_err *err) mw_must_check;
/* The newest MCIS that was offered schedules; -1: none was ever looked at. */
bool db_sched_seen(struct db *db, int64_t *mcis_id,
    struct mw_err *err) mw_must_check;
bool db_sched_seen_put(struct db *db, int64_t mcis_id,
    struct mw_err *err) mw_must_check;

#endif
