/*
 * db_mesh.h - SQL of matrix rounds. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_MESH_H
#define MW_COORDINATOR_DB_MESH_H

#include "common/pure/matrix.h"
#include "coordinator/store.h"

#define DB_MESH_KEEP 200 /* rounds of an MCIS */

struct db_round {
	int64_t id, t0, t1, k, window_ms;
	const char *ns, *mcis;
	const struct matrix *m; /* names are vm ids */
};

bool db_round_next(struct db *db, int64_t *id,
    struct mw_err *err) mw_must_check;
/* Stores it and drops what is older than the newest DB_MESH_KEEP. */
bool db_round_put(struct db *db, const struct db_round *r,
    struct mw_err *err) mw_must_check;
/* The newest round of each MCIS; takes the matrix. */
bool db_round_each_newest(struct db *db,
    void (*each)(void *arg, const char *ns, const char *mcis,
	struct matrix *take_m),
    void *arg, struct mw_err *err) mw_must_check;

#endif
