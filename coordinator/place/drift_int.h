/*
 * drift_int.h - what drift*.c share.
 */
#ifndef MW_COORDINATOR_DRIFT_INT_H
#define MW_COORDINATOR_DRIFT_INT_H

#include "common/pure/matrix.h"
#include "coordinator/coord.h"
#include "coordinator/place/drift.h"

struct drift_group {
	struct db_drift row; /* its texts are NULL, but for move */
	struct drift_limits limits;
	json_t *query;
	json_t *move; /* {"move","moveReason","at"}, or NULL */
	struct db_drift_pair *pairs; /* by slots */
	size_t n;
	bool want; /* a search is to be made, then the event */
	struct drift_group *next;
};

struct drift {
	struct coord *c;
	struct drift_group *groups;
	bool busy, stopped; /* a search is under way; none may start */
};

/* What one matrix says of a pair. */
struct drift_value {
	enum drift_word word;
	uint32_t us, n, rounds; /* with a value */
	int64_t at;
};

static inline bool
drift_bad_state(enum drift_state s)
{
	return s == DRIFT_DRIFTED || s == DRIFT_LOST;
}

struct lc_mcis *drift_mcis(const struct drift *d, int64_t id);
struct drift_group *drift_find_group(const struct drift *d, int64_t mcis);
/* The role of a VM of that group name: groups are named role or role-xN.
 * Borrowed, or NULL: it is not of the placement. */
const char *drift_role(const struct drift_group *g, const char *group);
int64_t drift_pair_limit(const struct drift_group *g, const struct lc_slot *a,
    const struct lc_slot *b);
/* Known values that were inherited say nothing. x may be NULL. */
void drift_look(const struct matrix *x, const struct db_drift_pair *p, bool p95,
    struct drift_value *out);

/* drift_judge.c */
void drift_judge(struct drift *d, struct drift_group *g);
bool drift_untold(const struct drift_group *g);
/* One event of all that changed since the last one. */
void drift_tell(struct drift *d, struct drift_group *g);

/* drift_search.c: begins the next search that is wanted, if none runs. */
void drift_search(struct drift *d);

/* drift_json.c */
json_t *drift_pair_json(const struct drift *d, const struct drift_group *g,
    const struct db_drift_pair *p);

#endif
