/*
 * snap.h - what is known of the latencies of each MCIS, in memory: immutable
 * matrices, shared by reference. A new round takes the place of the old one;
 * who still reads the old one holds a reference.
 */
#ifndef MW_COORDINATOR_SNAP_H
#define MW_COORDINATOR_SNAP_H

#include "common/pure/matrix.h"
#include "coordinator/store.h"

struct coord;
struct snap;

/* Loads the newest rounds. */
struct snap *snap_new(struct coord *c, struct mw_err *err) mw_must_check;
void snap_free(struct snap *s); /* NULL is fine */
/* A round that was committed. */
void snap_add(struct snap *s, const char *ns, const char *mcis,
    struct matrix *take_m);
/* The newest round, borrowed (matrix_ref() to keep), or NULL. names are vm
 * ids. */
struct matrix *snap_latest(const struct snap *s, const char *ns,
    const char *mcis);

#endif
