/*
 * place_world.h - a snapshot of what was measured, in the form the solver
 * reads: sites, offers with prices and scores, round-trip times.
 *
 * A site is a region, or a (region, spec) where one wants each spec's own row.
 * Its value to another site is the worst over their VMs' pairs in the pooled
 * rounds (snap.h) of each MCIS that is named: a limit holds for every VM one may get.
 */
#ifndef MW_COORDINATOR_PLACE_WORLD_H
#define MW_COORDINATOR_PLACE_WORLD_H

#include "coordinator/coord.h"
#include "coordinator/place/place_scores.h"
#include "placement/placement.h"
#include "placement/prepared.h"

#include <pthread.h>

struct place_snapshot {
	struct place_world world;
	struct arena *arena; /* owns the world */
	size_t refs; /* counted on the loop only */
	int64_t results; /* number of the newest result when it was made */
	struct place_scores scores; /* that it was made with, if it owns them */
	/* Of the world, once somebody asked for it. */
	pthread_mutex_t lock;
	struct place_prepared *prepared;
	int64_t measured_at; /* oldest round used; 0: none */
	size_t rounds;
	/* connection and spec name of each offer, for creating it later */
	const char **offer_connection, **offer_spec;
};

struct place_from {
	const char *ns;
	const char *const *mcis;
	const char *const *nss; /* of each; NULL: all in ns */
	size_t nmcis;
	bool by_spec; /* a site is a (region, spec) */
};

/* On the loop. MW_NOT_FOUND: no such MCIS, or none was ever measured. */
struct place_snapshot *place_snapshot_new(struct coord *c,
    const struct place_from *from, const struct place_scores *scores,
    struct mw_err *err) mw_must_check;
struct place_snapshot *place_snapshot_ref(struct place_snapshot *s);
/* On the loop. Gives a reference back; NULL is fine. */
void place_snapshot_free(struct place_snapshot *s);
/* On any thread: the world to ask, prepared by who asks first. */
const struct place_world *place_snapshot_world(struct place_snapshot *s,
    struct mw_err *err) mw_must_check;

#endif
