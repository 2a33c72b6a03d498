/*
 * place_addr.h - users of a placement that are addresses: what VMs measured to
 * them (kind rtt), by site.
 */
#ifndef MW_COORDINATOR_PLACE_ADDR_H
#define MW_COORDINATOR_PLACE_ADDR_H

#include "coordinator/place/place_world.h"

struct place_addrs; /* addresses that a query names */

/* Of users[].ip; never NULL. Addresses beyond PLACE_MAX_USERS are left out. */
struct place_addrs *place_addrs_new(const json_t *query);
void place_addrs_free(struct place_addrs *a); /* NULL is fine */
/* On the store's thread: the newest time from each VM of the MCIS. */
bool place_addrs_load(struct place_addrs *a, struct db *db, const char *ns,
    const char *mcis, struct mw_err *err) mw_must_check;
/* Adds them to a world of the snapshot, in the arena; a site has the worst of
 * its VMs' times, as pairs have. Addresses that nobody measured are not
 * added. */
void place_addrs_join(const struct place_addrs *a,
    const struct place_snapshot *s, struct arena *arena, struct place_world *w);

#endif
