/*
 * db_mesh.h - SQL of matrix rounds and of days they are folded to. Called from
 * store jobs. Names of matrices are vm ids.
 */
#ifndef MW_COORDINATOR_DB_MESH_H
#define MW_COORDINATOR_DB_MESH_H

#include "common/pure/matrix.h"
#include "common/pure/matrix_cell.h"
#include "coordinator/store/db_rttset.h"

struct str;

/* A large matrix pools fewer rounds: at most so many cells are read. */
#define DB_MESH_POOL_CELLS 3000000

struct db_round {
	int64_t id, t0, t1, k, window_ms;
	const char *ns, *mcis;
	const struct matrix *m; /* names are vm ids, who is filled in */
};

bool db_round_next(struct db *db, int64_t *id,
    struct mw_err *err) mw_must_check;
bool db_round_put(struct db *db, const struct db_round *r,
    struct mw_err *err) mw_must_check;
/*
 * What was known at a time (INT64_MAX: now): the newest rounds that had ended
 * by then, at most 24 within 24 h, pooled (matrix_pool.h); where they are
 * folded already, the day before. *newest: the newest round alone, or NULL.
 * *pool = NULL: nothing was known yet; *first is when the first thing was (0:
 * never). Rounds that ended before since are another MCIS's of that name.
 */
struct db_known {
	const char *ns, *mcis;
	int64_t at, since;
	struct matrix *pool, *newest;
	int64_t day; /* 0: of rounds; else the day (since 1970) of the fold */
	int64_t first;
};
bool db_mesh_known(struct db *db, struct db_known *k,
    struct mw_err *err) mw_must_check;
/* One round. MW_NOT_FOUND: none, or folded already. */
bool db_round_get(struct db *db, const char *ns, const char *mcis, int64_t id,
    struct matrix **m, struct mw_err *err) mw_must_check;
/* One cell of each round with t1 in since..until, oldest first, and before
 * them one of each folded day; at most limit newest. */
struct db_pair {
	const char *ns, *mcis, *src, *dst;
	int64_t since, until, limit;
	void *arg;
	void (*round)(void *arg, int64_t id, const struct matrix_cell *c);
	void (*day)(void *arg, int64_t day, const struct matrix_day *d);
};
bool db_pair_each(struct db *db, const struct db_pair *q,
    struct mw_err *err) mw_must_check;

#endif
