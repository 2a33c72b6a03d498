/*
 * conns_import.h - bringing a connection and its catalogue in: open, verify,
 * ask for region, specs and images, store all in one transaction, only then
 * show it. An import that fails changes nothing but the reason.
 */
#ifndef MW_COORDINATOR_CONNS_IMPORT_H
#define MW_COORDINATOR_CONNS_IMPORT_H

#include "coordinator/cloud/conns_int.h"

/*
 * Imports row (copied). done(arg, err) once, on the loop, after the commit;
 * err->code is MW_OK if it worked. With known != NULL the region was listed by
 * the endpoint a moment ago: it is not verified again. renewed: its secret is
 * another one, so the driver in use is closed (open calls end as canceled).
 */
void conns_import(struct conns *cs, const struct conn_row *row,
    const struct csp_region *known, bool renewed,
    void (*done)(void *arg, const struct mw_err *err), void *arg);

/* What an endpoint offers: each(arg, region) for every region, borrowed, then
 * done(arg, err). */
void conns_regions(struct conns *cs, const char *driver, const char *endpoint,
    const char *credential, const char *ca_file,
    void (*each)(void *arg, const struct csp_region *region),
    void (*done)(void *arg, const struct mw_err *err), void *arg);

/* The error that an answer means for a person. */
void conns_answer_err(const struct csp_answer *a, struct mw_err *err);

#endif
