/*
 * db_rttset.h - who took part in rounds, in the order of rows and columns: one
 * row of rtt_set, shared by all rounds with the same members. Called from
 * store jobs.
 */
#ifndef MW_COORDINATOR_DB_RTTSET_H
#define MW_COORDINATOR_DB_RTTSET_H

#include "common/pure/matrix.h"
#include "coordinator/store/store.h"

#define RTT_SET_MAX 1000 /* members */
/* The row of a source in a round or on a day (since 1970, UTC). */
#define RTT_ROW(slot, at) ((int64_t)(slot) << 32 | (int64_t)(at))

struct rtt_set {
	int64_t id;
	size_t n;
	char **vm;
	struct matrix_who *who;
};

/* The id of the set with these members, made if there is none. Members whose
 * slot is 0 are given one that no VM has. */
bool rtt_set_put(struct db *db, size_t n, char *const *vm,
    const struct matrix_who *who, int64_t *id,
    struct mw_err *err) mw_must_check;
/* NULL: damaged. The caller frees it with rtt_set_free(). */
struct rtt_set *rtt_set_get(struct db *db, int64_t id,
    struct mw_err *err) mw_must_check;
void rtt_set_free(struct rtt_set *s); /* NULL is fine */
/* Column of a slot (and generation; 0: any), or SIZE_MAX. */
size_t rtt_set_find(const struct rtt_set *s, int64_t slot, int64_t gen);
size_t rtt_set_named(const struct rtt_set *s, const char *vm);
/* A matrix with the names of the set and no values. */
struct matrix *rtt_set_matrix(const struct rtt_set *s);
/* The slot of member i as it is stored. */
int64_t rtt_set_slot(const struct matrix_who *who, size_t i);

#endif
