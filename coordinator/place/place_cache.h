/*
 * place_cache.h - the newest snapshots, for as long as the world stays as it
 * is: questions that come in a burst share one world, made and prepared once.
 *
 * A snapshot is that of now while the same MCIS have the same VMs and the same
 * pooled matrices, the catalogue is the same, no result came since, and it is
 * young: ages of times and the windows of scores move with the clock. It may
 * be a second old, or, if it took long to make, fifty times as long as that.
 */
#ifndef MW_COORDINATOR_PLACE_CACHE_H
#define MW_COORDINATOR_PLACE_CACHE_H

#include "coordinator/place/place_world.h"
#include "coordinator/store/store.h"

struct place_cache;

struct place_cache *place_cache_new(void);
void place_cache_free(struct place_cache *k); /* NULL is fine */
/* All on the loop. Referenced, or NULL: there is none of now. results: number
 * of the newest result, from place_cache_results(); -1: not known yet. */
struct place_snapshot *place_cache_get(struct place_cache *k, struct coord *c,
    const struct place_from *from, int64_t results);
/* Keeps a reference; its results are set. took_ns: what it cost to make. */
void place_cache_put(struct place_cache *k, struct coord *c,
    const struct place_from *from, struct place_snapshot *s, int64_t took_ns);
/* In a store job: the number of the newest result; -1 with err. */
int64_t place_cache_results(struct db *db, struct mw_err *err);

#endif
