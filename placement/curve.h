/*
 * curve.h - how the best group changes with the limit on its worst pair.
 *
 * The what-if curve: for every limit on the round-trip time of pairs, the best
 * group below it. It changes at finitely many limits, the worst pairs of the
 * groups on it, and those are found exactly: solve without a limit, then with
 * "below the worst pair of what was found", and so on. The points whose score
 * is worse than the one before are the Pareto front of score and worst pair.
 *
 * Same promises, units and ownership as placement.h.
 */
#ifndef MW_PLACEMENT_CURVE_H
#define MW_PLACEMENT_CURVE_H

#include "placement/placement.h"

#define PLACE_MAX_POINTS 1000

struct place_point {
	struct place_ranked group;
	bool has_worst; /* false: no two VMs under the limit that is swept */
	uint32_t worst_us; /* the answer for limits above it (le: from it) */
	int64_t up_to_us; /* ... and up to this one (le: below it); 0: all */
	bool proved; /* nothing is better below up_to_us */
	bool front; /* on the Pareto front: nothing is as good and closer */
};

struct place_curve {
	struct place_point *points; /* loosest limit first */
	size_t n;
	bool complete; /* no group at all has a smaller worst pair */
	size_t knee; /* point farthest from the chord of the front; or n */
	enum place_cut cut;
	uint64_t nodes;
	const char *no_data_reason; /* or NULL */
	struct arena *arena; /* owns all of it */
};

struct place_sweep {
	int64_t from_us; /* loosest limit; 0: any known time */
	int64_t to_us; /* no point is sought below; 0: down to the end */
	size_t max_points; /* 0: 200 */
};

/* Sweeps constraints.maxRttMs; the query's own value does not matter. Mode
 * place only. n is 0 if no group meets the rest of the query. */
struct place_curve *place_curve_new(const struct place_query *q,
    const struct place_world *w, const struct place_sweep *sweep,
    uint64_t max_nodes, bool (*stop)(void *arg), void *stop_arg,
    struct mw_err *err) mw_must_check;
void place_curve_free(struct place_curve *c); /* NULL is fine */

/* Smallest limit for each size of the query's only group, 1 to max VMs. */
struct place_size {
	uint32_t count;
	bool possible, proved;
	uint32_t above_us; /* limits above it (le: from it) have a group */
	uint32_t
	    low_us; /* none at or below; less than above_us if not proved */
};

/* Fills out[0..max-1] and *n, which ends with the largest possible size. */
bool place_sizes(const struct place_query *q, const struct place_world *w,
    uint32_t max, uint64_t max_nodes, bool (*stop)(void *arg), void *stop_arg,
    struct place_size *out, size_t *n, struct mw_err *err) mw_must_check;

/* One VM moved elsewhere, all others kept. */
struct place_move {
	uint32_t member; /* of the group */
	bool found; /* false: no other place meets the query */
	struct place_ranked group; /* with the VM moved; best by worst pair */
	bool has_worst;
	uint32_t worst_us;
};

/* For each VM of the group the move that brings the worst pair down most (of
 * equals the best by score, then site id). out has r->nmembers elements; what
 * they refer to lives in arena. */
void place_moves(const struct place_ranked *r, const struct place_query *q,
    const struct place_world *w, struct arena *arena, struct place_move *out);

/*
 * How far data must move until the first rank changes: the smaller of its own
 * slack and of what the limit lacks to admit a better group. False: no limit,
 * nothing better at any limit and no pair, or the search was cut.
 */
bool place_flip(const struct place_ranked *best, const struct place_query *q,
    const struct place_world *w, uint64_t max_nodes, bool (*stop)(void *arg),
    void *stop_arg, int64_t *flip_us) mw_must_check;

#endif
