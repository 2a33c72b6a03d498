/*
 * db_place.h - SQL of stored placements. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_PLACE_H
#define MW_COORDINATOR_DB_PLACE_H

#include "common/pure/str.h"
#include "coordinator/store/store.h"

struct db_place {
	int64_t id, at;
	const char *status, *query, *answer, *members; /* JSON texts */
	const char *relied; /* the same, drift_relied.h; NULL: none */
};

/* Stores that it is searched for, under a new number. */
bool db_place_begin(struct db *db, int64_t at, const char *query, int64_t *id,
    struct mw_err *err) mw_must_check;
/* After a start: what was searched for then is not any more. */
bool db_place_left(struct db *db, struct mw_err *err) mw_must_check;
/* Stores it under its number, or a new one if that is 0. */
bool db_place_put(struct db *db, const struct db_place *p, int64_t *id,
    struct mw_err *err) mw_must_check;
/* Answer and members; false with MW_NOT_FOUND if there is none. */
bool db_place_get(struct db *db, int64_t id, struct str *answer,
    struct str *members, struct mw_err *err) mw_must_check;
/* {"placementId","status","createdAt"} joined by commas, newest first. */
bool db_place_list(struct db *db, int64_t limit, struct str *items,
    struct mw_err *err) mw_must_check;

#endif
