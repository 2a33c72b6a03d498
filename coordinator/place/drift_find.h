/*
 * drift_find.h - the smallest set of VMs to move so that a group meets its
 * placement's question again: one VM, else two; all others stay.
 *
 * A set that mends all broken pairs touches each of them. One VM: every place
 * of the snapshot is tried, checked by place_verify(). Two: the solver, with
 * all others pinned. Of moves of one size the one that leaves the most room
 * below the limits; of equals the better score of the question's objective.
 * Runs on any thread: the snapshot is immutable, it only asks stop().
 */
#ifndef MW_COORDINATOR_DRIFT_FIND_H
#define MW_COORDINATOR_DRIFT_FIND_H

#include "coordinator/place/drift_relied.h"
#include "coordinator/place/place_world.h"

#define DRIFT_MOVES 2

/* What is measured now between two VMs of the group. */
struct drift_seen {
	size_t a, b; /* indexes of vms */
	bool lost; /* no answer: satisfies no limit */
	uint32_t us;
};

struct drift_ask {
	json_t *body; /* the question, without "from" */
	const struct place_snapshot *snap;
	const struct drift_vm *vms;
	size_t nvms;
	const struct drift_seen *seen;
	size_t nseen;
	bool (*stop)(void *arg);
	void *stop_arg;
};

struct drift_move {
	size_t n; /* VMs to move; 0: reason says why */
	struct {
		size_t vm;
		char site[320], from_site[320];
		char connection[128], spec[128];
	} to[DRIFT_MOVES];
	bool has_worst, has_cost;
	int64_t worst_us, slack_us; /* after, of the pairs with a limit */
	int64_t cost, cost_change; /* micro-USD per hour */
	bool cut; /* stop() ended the search */
	const char *reason; /* static */
};

void drift_find(const struct drift_ask *ask, struct drift_move *out);

#endif
