/*
 * conns_use.h - connections whose clouds hold something of ours: what may
 * become of them. Their VMs, networks, groups and keys are known by the
 * connection's name alone, so who gives that name to another cloud, region or
 * account loses them.
 */
#ifndef MW_COORDINATOR_CONNS_USE_H
#define MW_COORDINATOR_CONNS_USE_H

#include "coordinator/cloud/conns_int.h"

/* False (MW_CONFLICT): VMs or what was made for them need it, or somebody adds
 * it just now. */
bool conns_idle(const struct conns *cs, const char *id,
    struct mw_err *err) mw_must_check;
/* Can a driver be opened that way? Asks no cloud. */
bool conns_opens(struct conns *cs, const struct conn_row *row,
    struct mw_err *err) mw_must_check;
/* May row take the place of the one of its id? False (MW_CONFLICT): that one is
 * in use, and the new one is another driver, cloud or region. *prove: it is
 * reached in another way, so conns_prove() must come before. */
bool conns_may_become(const struct conns *cs, const struct conn_row *row,
    bool *prove, struct mw_err *err) mw_must_check;
/* A connection in use that a secret sealed under that name opens, or NULL. */
const struct conn_row *conns_sealed_use(const struct conns *cs,
    const char *name);
/* Asks the cloud of own->cn (open) for one of the VMs, networks, groups or keys
 * that the connection id is known to hold. done(arg, err) once, from the
 * driver's answer: MW_OK if it showed one, MW_CONFLICT if none. */
void conns_prove(struct conn_own *own, const char *id,
    void (*done)(void *arg, const struct mw_err *err), void *arg);

#endif
