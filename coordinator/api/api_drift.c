/*
 * api_drift.c - what became of the placement that an MCIS was made from.
 */
#include "coordinator/api/api.h"

#include "coordinator/coord.h"
#include "coordinator/place/drift.h"

static void
get_placement(struct httpd_req *req, void *ctx)
{
	const struct coord *c = ctx;
	const char *ns = httpd_param(req, "ns");
	const char *name = httpd_param(req, "mcis");
	const struct lc_mcis *m = lc_mcis_find(c->lc, ns, name);
	struct mw_err err = MW_ERR_INIT;
	json_t *j = m ? drift_json(c->drift, m) : NULL;

	if (j) {
		httpd_reply_json(req, 200, j);
		return;
	}
	if (!m) {
		err_set(&err, MW_NOT_FOUND, 0, "no MCIS %.64s in %.64s", name,
		    ns);
	} else {
		err_set(&err, MW_NOT_FOUND, 0,
		    "%s was not made from a placement", m->row.name);
		err_hint(&err,
		    "milkyway mcis create --from-placement ID --name NAME");
	}
	httpd_reply_err(req, &err);
}

static const struct httpd_route routes[] = {
	{ "GET", "/v1/ns/{ns}/mcis/{mcis}/placement", get_placement,
	    ROLE_VIEWER },
};
const struct api_routes api_drift_routes = { routes, ARRAY_LEN(routes) };
