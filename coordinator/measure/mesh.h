/*
 * mesh.h - rounds of the latency matrix.
 *
 * A round: arm every member, go after all are armed or 5 s, one row from each
 * agent, one transaction, then snap.h has the new matrix. A round waits for an
 * exclusive benchmark of its MCIS and the other way round. Missing rows say
 * why: agentSilent or notArmed.
 */
#ifndef MW_COORDINATOR_MESH_H
#define MW_COORDINATOR_MESH_H

#include "common/pure/matrix.h"
#include "common/proto.h"
#include "coordinator/store/store.h"

struct coord;
struct mesh;

struct mesh *mesh_new(struct coord *c, struct mw_err *err) mw_must_check;
void mesh_free(struct mesh *m);
#define MESH_FAST_K 3
#define MESH_K_MAX 32 /* probes a pair and round */
#define MESH_FAST_WINDOW_MS 1500

/* Queues one round, asked for by a user; action receives the id of its action
 * resource. MW_LIMIT: over rtt.max_bytes_per_round. */
bool mesh_start(struct mesh *m, const char *ns, const char *mcis, int64_t k,
    int64_t window_ms, char action[24], struct mw_err *err) mw_must_check;
/* The same for a schedule: k is reduced until the round fits its byte budget;
 * MW_LIMIT: none does, or mesh_over_budget(). */
bool mesh_start_scheduled(struct mesh *m, const char *ns, const char *mcis,
    int64_t k, int64_t window_ms, char action[24],
    struct mw_err *err) mw_must_check;
/* The rounds of this UTC day sent rtt.max_bytes_per_day already: a scheduled
 * one is skipped, reason "byteBudget". */
bool mesh_over_budget(const struct mesh *m, const char *ns, const char *mcis);
/* A round of that MCIS is under way. */
bool mesh_busy(const struct mesh *m, const char *ns, const char *mcis);
/* A benchmark of that MCIS ended: a waiting round may go. */
void mesh_kick(struct mesh *m);

/* From the link. */
void mesh_on_armed(struct mesh *m, int64_t slot, int64_t gen, const char *round,
    int64_t port, const char *code, const char *message);
/* Takes row->cells. done(arg, ok): committed or not wanted any more. */
void mesh_on_row(struct mesh *m, int64_t slot, int64_t gen,
    struct proto_row *take_row, void (*done)(void *arg, bool ok), void *arg);

#endif
