/*
 * mesh_budget.h - what matrix rounds sent today: bytes of each MCIS and UTC
 * day. Kept in memory; after a restart read again from the stored rounds.
 */
#ifndef MW_COORDINATOR_MESH_BUDGET_H
#define MW_COORDINATOR_MESH_BUDGET_H

#include "coordinator/store/store.h"

struct mesh_budget;

struct mesh_budget *mesh_budget_new(struct store *store,
    struct mw_err *err) mw_must_check;
void mesh_budget_free(struct mesh_budget *b); /* NULL is fine */
void mesh_budget_add(struct mesh_budget *b, const char *ns, const char *mcis,
    int64_t bytes, int64_t wall_ns);
/* Bytes of the UTC day that wall_ns lies in. */
int64_t mesh_budget_spent(const struct mesh_budget *b, const char *ns,
    const char *mcis, int64_t wall_ns);
/* How many rounds were added since the start; never goes back. */
uint64_t mesh_budget_rounds(const struct mesh_budget *b, const char *ns,
    const char *mcis);

#endif
