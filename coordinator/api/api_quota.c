/*
 * api_quota.c - routes of quotas, of one namespace and of the deployment.
 */
#include "coordinator/api/api_mcis.h"

#include "common/pure/str.h"
#include "coordinator/mcis/quota.h"

#define VMS_MAX 10000000
#define USD_MAX 1e9

static void get(struct httpd_req *req, void *ctx);
static void put(struct httpd_req *req, void *ctx);

static const struct httpd_route routes[] = {
	{ "GET", "/v1/quota", get, ROLE_VIEWER },
	{ "PUT", "/v1/quota", put, ROLE_ADMIN },
	{ "GET", "/v1/ns/{ns}/quota", get, ROLE_VIEWER },
	{ "PUT", "/v1/ns/{ns}/quota", put, ROLE_ADMIN },
};
const struct api_routes api_quota_routes = { routes, ARRAY_LEN(routes) };

static bool
scope_of(struct coord *c, const struct httpd_req *req, const char **ns,
    struct mw_err *err)
{
	*ns = "";
	return !httpd_param(req, "ns") || mcis_ns(c, req, ns, err);
}

static void
get(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const char *ns;

	if (scope_of(c, req, &ns, &err))
		httpd_reply_json(req, 200, quotas_json(c, ns));
	else
		httpd_reply_err(req, &err);
}

/* null or absent: no limit. */
static bool
parse(json_t *body, struct quota *q, struct mw_err *err)
{
	static const char *const known[] = { "maxVms", "maxUsdPerHour",
		"allowUnknownPrices", NULL };
	double usd = -1;
	struct json_at at;

	*q = (struct quota){ -1, -1, false };
	if (!json_at_root(&at, body, err) || !json_no_others(&at, known, err) ||
	    !json_get_bool(&at, "allowUnknownPrices", true, false,
		&q->allow_unknown, err))
		return false;
	if (!json_is_null(json_object_get(body, "maxVms")) &&
	    !json_get_int(&at, "maxVms", true, -1, 0, VMS_MAX, &q->max_vms,
		err))
		return false;
	if (!json_is_null(json_object_get(body, "maxUsdPerHour")) &&
	    !json_get_num(&at, "maxUsdPerHour", true, -1, 0, USD_MAX, &usd,
		err))
		return false;
	if (usd >= 0)
		q->max_micros = (int64_t)(usd * 1e6 + 0.5);
	return true;
}

static void
put(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	struct quota q;
	const char *ns;
	json_t *body;

	if (!scope_of(c, req, &ns, &err) || !httpd_json(req, &body, &err) ||
	    !parse(body, &q, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	quotas_set(c->quotas, ns, &q);
	mcis_reply_durable(c, req, 200, quotas_json(c, ns));
}
