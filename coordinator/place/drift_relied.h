/*
 * drift_relied.h - what the groups of an answer rely on, kept beside it: the
 * limits by roles, and for each pair with a limit the time that met it.
 *
 * {"stat":"p95","op":"lt","limits":[{"a":"web","b":"db","us":40000}],
 *  "ranks":[[[0,1,3253,120,1763721600],..],..]}
 * A pair: indexes in the kept members, us, samples, seconds since 1970; what is
 * not known is null. At most RELIED_PAIRS_MAX pairs are kept, best ranks first.
 */
#ifndef MW_COORDINATOR_DRIFT_RELIED_H
#define MW_COORDINATOR_DRIFT_RELIED_H

#include "common/json.h"
#include "coordinator/store/db_drift.h"
#include "placement/placement.h"

#define RELIED_PAIRS_MAX 100000

struct drift_limits {
	bool p95, le;
	struct drift_role_limit {
		char a[64], b[64];
		int64_t us;
	} * v;
	size_t n;
};

/* One VM of a group, in the order of its placement's members. */
struct drift_vm {
	int64_t slot, gen;
	char role[64];
	char connection[128], spec[128];
};

/* at: wall time of the question. The caller frees. */
char *drift_relied_text(const struct place_answer *a,
    const struct place_query *q, const struct place_world *w, int64_t at);
/* The same without ranks, as it is kept with an MCIS. The caller frees. */
char *drift_limits_text(const json_t *relied);
/* Wrong or missing parts are left out: no limit, nothing to watch. */
void drift_limits_read(struct drift_limits *l, const json_t *j);
void drift_limits_free(struct drift_limits *l);
/* In us; 0: none. Either order. */
int64_t drift_limits_of(const struct drift_limits *l, const char *a,
    const char *b);
/* The pairs of that rank (from 1); new array, or NULL: none were kept. */
struct db_drift_pair *drift_relied_pairs(const json_t *relied, int64_t rank,
    const struct drift_vm *vms, size_t nvms, size_t *n);

/* The limit between two roles of a query in us; 0: none. */
int64_t drift_query_limit(const struct place_limits *l, uint32_t a, uint32_t b);

#endif
