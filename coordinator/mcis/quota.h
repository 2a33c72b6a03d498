/*
 * quota.h - how many VMs, and for how much money an hour, a namespace or the
 * whole deployment may have. Kept in the store; checked before anything is
 * spent, never after: what is there stays.
 */
#ifndef MW_COORDINATOR_QUOTA_H
#define MW_COORDINATOR_QUOTA_H

#include "common/json.h"
#include "lifecycle/lifecycle.h"

struct coord;
struct quotas;

struct quota {
	int64_t max_vms, max_micros; /* -1: no limit */
	bool allow_unknown; /* a VM without a price counts as free */
};

/* Loads them. */
struct quotas *quotas_new(struct coord *c, struct mw_err *err) mw_must_check;
void quotas_free(struct quotas *q);
/* Queued for the store; both limits -1 forget it. */
void quotas_set(struct quotas *q, const char *ns, const struct quota *to);
/* The limits and what is used of them, as the API shows them. */
json_t *quotas_json(struct coord *c, const char *ns);

/*
 * May this plan be carried out? MW_LIMIT with numbers if not. m: what there is
 * of the MCIS, or NULL. A plan that adds nothing is always allowed.
 * allow_unknown: the caller accepts VMs without a price under a money limit.
 */
bool quotas_check(struct coord *c, const struct lc_wish *w,
    const struct lc_mcis *m, const struct lc_reply *r, bool allow_unknown,
    struct mw_err *err) mw_must_check;

#endif
