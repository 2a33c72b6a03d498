/*
 * api_catalog.c - what the connections offer, over HTTP: regions and specs.
 */
#include "coordinator/api/api.h"

#include "common/pure/str.h"
#include "coordinator/cloud/conns.h"

#include <math.h>

static void get_regions(struct httpd_req *req, void *ctx);
static void get_specs(struct httpd_req *req, void *ctx);
static json_t *spec_json(const struct spec_row *s);

static const struct httpd_route routes[] = {
	{ "GET", "/v1/regions", get_regions, ROLE_VIEWER },
	{ "GET", "/v1/specs", get_specs, ROLE_VIEWER },
};
const struct api_routes api_catalog_routes = { routes, ARRAY_LEN(routes) };

/* Of the connections: a cloud has more, but we can use these. */
static void
get_regions(struct httpd_req *req, void *ctx)
{
	const struct coord *c = ctx;
	const char *csp = httpd_query(req, "csp");
	json_t *out = json_object(), *items = json_array();

	for (size_t i = 0; i < conns_count(c->conns); i++) {
		const struct conn_row *r = conns_at(c->conns, i);
		json_t *j;

		if (csp && !str_eq(csp, r->csp))
			continue;
		j = json_object();
		json_put_str(j, "id", r->region);
		json_put_str(j, "csp", r->csp);
		json_put_str(j, "connection", r->id);
		json_put_str(j, "display", r->display);
		json_put_num(j, "lat", r->has_location ? r->lat : NAN);
		json_put_num(j, "lon", r->has_location ? r->lon : NAN);
		json_array_append_new(items, j);
	}
	json_put(out, "items", items);
	httpd_reply_json(req, 200, out);
}

static void
get_specs(struct httpd_req *req, void *ctx)
{
	const struct coord *c = ctx;
	const char *csp = httpd_query(req, "csp");
	const char *region = httpd_query(req, "region");
	const char *conn = httpd_query(req, "connection");
	struct mw_err err = MW_ERR_INIT;
	int64_t limit, vcpu;
	json_t *out, *items;
	size_t n;

	if (!api_query_int(req, "limit", 1000, 1, 10000, &limit, &err) ||
	    !api_query_int(req, "minVcpu", 0, 0, 100000, &vcpu, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	out = json_object();
	items = json_array();
	n = conns_spec_count(c->conns);
	for (size_t i = 0; i < n; i++) {
		const struct spec_row *s = conns_spec_at(c->conns, i);

		if ((csp && !str_eq(csp, s->csp)) ||
		    (region && !str_eq(region, s->region)) ||
		    (conn && !str_eq(conn, s->connection)) || s->vcpu < vcpu)
			continue;
		if (json_array_size(items) == (size_t)limit)
			break;
		json_array_append_new(items, spec_json(s));
	}
	json_put(out, "items", items);
	httpd_reply_json(req, 200, out);
}

static json_t *
spec_json(const struct spec_row *s)
{
	json_t *j = json_object();

	json_put_str(j, "specId", s->spec_id);
	json_put_str(j, "connection", s->connection);
	json_put_str(j, "csp", s->csp);
	json_put_str(j, "region", s->region);
	json_put_str(j, "name", s->name);
	json_put_int(j, "vcpu", s->vcpu);
	json_put_int(j, "memoryMiB", s->memory_mib);
	json_put_str(j, "arch", s->arch);
	if (s->cost_per_hour_micros < 0)
		json_put(j, "costPerHourMicros", NULL);
	else
		json_put_int(j, "costPerHourMicros", s->cost_per_hour_micros);
	json_put_str(j, "currency", s->currency);
	json_put_str(j, "costReason", s->cost_reason);
	return j;
}
