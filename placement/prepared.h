/*
 * prepared.h - a world made ready for many queries.
 *
 * place_solve() reads the names, the offers and both directions of the matrix
 * of its world each time. Who asks more than once prepares the world, and asks
 * place_prepared_world() instead:
 *
 *	struct place_prepared *p = place_prepare(&world, &err);
 *	a = place_solve(&query, place_prepared_world(p), 0, NULL, NULL, &err);
 *
 * The answer is the same, byte by byte. Everything that takes a world takes
 * this one: place_solve(), curve.h, place_verify().
 *
 * Threads: immutable after place_prepare(), without locks: any number of
 * threads may ask one at a time each. Nothing of it is written by a query.
 *
 * Ownership: the world is borrowed, with all that it points to, and must not
 * change; it outlives the prepared one, which outlives the answers' use of
 * the world. A changed world (a price, a time, an offer) is prepared anew.
 *
 * Memory: 4 bytes per pair of sites and statistic, and 60 per offer.
 */
#ifndef MW_PLACEMENT_PREPARED_H
#define MW_PLACEMENT_PREPARED_H

#include "placement/placement.h"

struct place_prepared;

/* NULL: the world is wrong (MW_INVALID with err->pointer, MW_LIMIT). */
struct place_prepared *place_prepare(const struct place_world *w,
    struct mw_err *err) mw_must_check;
void place_prepared_free(struct place_prepared *p); /* NULL is fine */
const struct place_world *place_prepared_world(const struct place_prepared *p);
size_t place_prepared_bytes(const struct place_prepared *p);

#endif
