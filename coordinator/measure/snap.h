/*
 * snap.h - what is known of the latencies of each MCIS, in memory: the newest
 * round, and the newest rounds pooled (matrix_pool.h). Immutable, shared by
 * reference: a new round brings new matrices, who still reads the old ones
 * holds a reference. Names of matrices are vm ids.
 */
#ifndef MW_COORDINATOR_SNAP_H
#define MW_COORDINATOR_SNAP_H

#include "coordinator/store/db_mesh.h"

struct coord;
struct snap;

/* Loads what is known of all MCIS. */
struct snap *snap_new(struct coord *c, struct mw_err *err) mw_must_check;
void snap_free(struct snap *s); /* NULL is fine */
/* Fills in which machine a row of a round is. */
void snap_who(const struct coord *c, int64_t slot, int64_t gen,
    struct matrix_who *out);
/* What db_mesh_known() read in the job that stored a round, once that job is
 * committed. Takes the two matrices and leaves NULL. */
void snap_set(struct snap *s, struct db_known *k);
/* Borrowed (matrix_ref() to keep), or NULL: never measured. */
struct matrix *snap_pool(const struct snap *s, const char *ns,
    const char *mcis);
struct matrix *snap_newest(const struct snap *s, const char *ns,
    const char *mcis);

#endif
