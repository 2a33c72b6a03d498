/*
 * mcis_plan.h - what a plan means: how many VMs are made, kept, replaced and
 * removed, and what an hour costs before and after.
 */
#ifndef MW_COORDINATOR_MCIS_PLAN_H
#define MW_COORDINATOR_MCIS_PLAN_H

#include "common/json.h"
#include "lifecycle/lifecycle.h"

struct coord;

/* Micro-USD an hour; -1: unknown, *reason says why (static or borrowed until
 * the catalogue changes). */
int64_t mcis_price(struct coord *c, const char *connection, const char *spec,
    const char **reason);

/* What some VMs cost together: the sum of what is known. */
struct mcis_cost {
	int64_t vms, micros, unknown; /* unknown: VMs without a price */
	const char *reason; /* of the first unknown one */
};
void mcis_cost_add(struct mcis_cost *sum, int64_t micros, const char *reason);
/* True if this VM is wanted, or is there and may be billed. */
bool mcis_counts(const struct lc_slot *s);

/* Before, after it is done, and the most while it is being done: what is
 * removed counts until it is gone. m may be NULL. */
struct mcis_change {
	struct mcis_cost before, after, most;
};
void mcis_plan_change(struct coord *c, const struct lc_wish *w,
    const struct lc_mcis *m, const struct lc_reply *r, struct mcis_change *out);
/* Adds plan, summary, costs and planRevision to j. w NULL: a verb, no costs. */
void mcis_plan_put(struct coord *c, json_t *j, const struct lc_wish *w,
    const struct lc_mcis *m, const struct lc_reply *r);
/* costPerHourMicros, or null with costReason and what is known of it. */
void mcis_cost_put(json_t *j, const char *key, const struct mcis_cost *cost);

#endif
