/*
 * mcis_view.h - GET of one MCIS: ?view=counts, ?view=status, or whole. What is
 * long is written VM by VM while the client reads, so that ten thousand VMs
 * cost neither memory nor a turn of the loop.
 */
#ifndef MW_COORDINATOR_MCIS_VIEW_H
#define MW_COORDINATOR_MCIS_VIEW_H

#include "common/httpd.h"
#include "lifecycle/lifecycle.h"

struct coord;

/* Answers req, also when ?view= is none that we know. */
void mcis_view(struct coord *c, struct httpd_req *req, const struct lc_mcis *m,
    bool tumblebug);

#endif
