/*
 * mesh_plan.h - who probes whom in a matrix round, and what it costs. Pure.
 *
 * Up to MESH_PLAN_FULL_MAX (matrix.full_max) members everybody probes everybody; above
 * MESH_PLAN_BOTH_MAX the two ends of a pair take turns by sweep (half). With
 * more members there are two levels: one representative of each zone (csp,
 * region, zone), another one in each round, and all pairs of these; and inside
 * each zone everyone probes the next MESH_PLAN_RING members. A pair without
 * samples of its own inherits those of a pair of its zones.
 *
 * Cost: a probe and its answer are 100 bytes each on the wire (IPv4, UDP,
 * frame of agent/probe/echo.h).
 */
#ifndef MW_COORDINATOR_MESH_PLAN_H
#define MW_COORDINATOR_MESH_PLAN_H

#include "common/pure/err.h"
#include "common/pure/matrix.h"
#include "common/pure/mw.h"

#define MESH_PLAN_BOTH_MAX 100
#define MESH_PLAN_FULL_MAX 300
#define MESH_PLAN_RING 2
#define MESH_PLAN_PROBE_BYTES 200

/* Where a member is; the texts are borrowed and may be "". */
struct mesh_plan_place {
	const char *csp, *region, *zone;
};

struct mesh_plan {
	size_t n;
	bool levels, half;
	/* Numbers 0..nzones-1 and 0..nregions-1 of each member. */
	uint32_t *zone, *region;
	size_t nzones, nregions;
	uint32_t *rep; /* of each zone; only with levels */
	/* Only with levels: i probes target[first[i] .. first[i + 1] - 1],
	 * ascending. */
	uint32_t *target;
	size_t *first; /* n + 1 */
	size_t most; /* targets of the member with the most of them */
	int64_t pairs; /* directed, that are probed */
};

/* full_max: more members are probed in levels (MESH_PLAN_FULL_MAX). round is
 * any number that grows by one from round to round. */
void mesh_plan_make(struct mesh_plan *p, const struct mesh_plan_place *places,
    size_t n, size_t full_max, uint64_t round);
void mesh_plan_free(struct mesh_plan *p);

/* Bytes on the wire of a round with k sweeps, both ways, all members. */
int64_t mesh_plan_bytes(const struct mesh_plan *p, int64_t k);
/* The largest k up to the wanted one that costs at most max_bytes; 0: none. */
int64_t mesh_plan_fit(const struct mesh_plan *p, int64_t k, int64_t max_bytes);

/*
 * Fills the cells of m that are NEVER with those of another pair between the
 * same zones, else the same regions, flagged MATRIX_F_INHERITED and with no
 * samples (n 0). Of several the median by p50. Returns how many were filled.
 * p is of the same members in the same order.
 */
size_t mesh_plan_inherit(struct matrix *m, const struct mesh_plan *p);

#endif
