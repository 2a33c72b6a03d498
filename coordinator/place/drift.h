/*
 * drift.h - MCIS that were made from a placement are watched: each pair that
 * has a limit, after each stored matrix round.
 *
 * When a pair drifts (drift_rule.h) the smallest move that mends it is sought
 * on the worker pool, one MCIS at a time, at most DRIFT_FIND_NS, and the event
 * placement.drift tells both. Nothing is ever moved: somebody has to ask.
 *
 * Durability: the record is submitted to the store before the answer of the
 * request waits for it, so an MCIS whose creation was acknowledged has it. A
 * death between the two leaves an MCIS that is not watched, and one that says
 * so. States, counts and what was told are committed; what changed and was not
 * told yet is told after a restart.
 */
#ifndef MW_COORDINATOR_DRIFT_H
#define MW_COORDINATOR_DRIFT_H

#include "coordinator/place/drift_relied.h"
#include "lifecycle/lifecycle.h"

struct coord;
struct drift;

#define DRIFT_EVENT "placement.drift"
#define DRIFT_FIND_NS (5 * INT64_C(1000000000))

struct drift *drift_new(struct coord *c, struct mw_err *err) mw_must_check;
/* Once all modules are there: judges what is new since the last run. */
void drift_resume(struct drift *d);
/* No search starts any more; to be called before the pool is freed. */
void drift_stop(struct drift *d);
void drift_free(struct drift *d); /* NULL is fine */

/* The MCIS was just made from that rank of pl-<placement>: its VMs, in the
 * order of the members. Borrowed. */
void drift_record(struct drift *d, const struct lc_mcis *m, int64_t placement,
    int64_t rank, const struct drift_vm *vms, size_t n);
/* A round of it was stored, snap.h has it. */
void drift_on_round(struct drift *d, const char *ns, const char *mcis);

/* What is known of it, as the API tells it (docs/api.md); NULL: it was not
 * made from a placement, or by one that kept no assumptions. */
json_t *drift_json(const struct drift *d, const struct lc_mcis *m);
/* Pairs of it that are over their limit or lost now; 0 if it is not watched. */
size_t drift_bad(const struct drift *d, const struct lc_mcis *m);

#endif
