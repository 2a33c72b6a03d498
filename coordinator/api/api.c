/*
 * api.c - joins the route tables of the api_*.c files and starts the HTTP
 * server; everything but the open routes needs a token of the right role.
 */
#include "coordinator/api/api.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "common/pure/when.h"
#include "coordinator/api/api_jit.h"
#include "coordinator/doctor.h"

#include <stdio.h>
#include <string.h>

static const struct api_routes *const parts[] = {
	&api_sys_routes,
	&api_event_routes,
	&api_orphan_routes,
	&api_backup_routes,
	&api_catalog_routes,
	&api_conn_routes,
	&api_health_routes,
	&api_mcis_routes,
	&api_act_routes,
	&api_history_routes,
	&api_quota_routes,
	&api_exec_routes,
	&api_bench_routes,
	&api_result_routes,
	&api_mesh_routes,
	&api_matrix_routes,
	&api_sched_routes,
	&api_eval_routes,
	&api_bundle_routes,
	&api_place_routes,
	&api_drift_routes,
	&api_agent_routes,
	&api_metrics_routes,
	&api_host_routes,
};

/* The joined table and our names live as long as the server. */
static struct httpd_route *routes;
static const char *local[] = { "127.0.0.1", "localhost", NULL, NULL };

static uint64_t admitted_n, refused_n;

static bool admit(struct httpd_req *req, const struct httpd_route *route,
    void *ctx, struct mw_err *err);
static bool may_pass(struct httpd_req *req, const struct httpd_route *route,
    void *ctx, struct mw_err *err);

bool
api_start(struct coord *c, struct mw_err *err)
{
	size_t n;
	struct httpd_conf conf = {
		.address = c->conf.api_address,
		.port = (uint16_t)c->conf.api_port,
		.connections = (unsigned)c->conf.api_connections,
		.per_address = (unsigned)c->conf.api_per_address,
		.ctx = c,
		.admit = admit,
		/* Other names would let a web page of the operator's browser
		 * reach us by DNS rebinding. */
		.hosts = c->conf.api_behind_proxy ? NULL : local,
	};

	/* Tokens must not cross a network in the open. */
	if (!str_starts(c->conf.api_address, "127.") &&
	    !c->conf.api_behind_proxy) {
		err_set(err, MW_INVALID, 0,
		    "api.address %s is not local and the API is plain HTTP",
		    c->conf.api_address);
		return err_hint(err,
		    "put a TLS proxy before it and set api.behind_proxy=true");
	}
	local[2] = c->conf.api_address;
	routes = api_routes_join(&n);
	conf.routes = routes;
	conf.nroutes = n;
	c->httpd = httpd_new(c->loop, &conf, err);
	if (!c->httpd)
		return err_wrap(err, "API");
	log_info("api", NULL, "listening\taddress=%s port=%d",
	    c->conf.api_address, (int)httpd_port(c->httpd));
	return true;
}

void
api_stop(struct coord *c)
{
	jit_stop();
	if (c->httpd)
		httpd_free(c->httpd);
	c->httpd = NULL;
	free(routes);
	routes = NULL;
}

void
api_print_routes(void)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (size_t k = 0; k < parts[i]->n; k++) {
			const struct httpd_route *r = &parts[i]->routes[k];

			printf("%s %s %s\n", r->method, r->path,
			    auth_role_name((enum auth_role)r->role));
		}
}

void
api_stats(uint64_t *admitted, uint64_t *refused)
{
	*admitted = admitted_n;
	*refused = refused_n;
}

bool
api_query_int(const struct httpd_req *req, const char *name, int64_t def,
    int64_t min, int64_t max, int64_t *out, struct mw_err *err)
{
	const char *s = httpd_query(req, name);

	*out = def;
	if (!s || num_parse_i64(s, strlen(s), min, max, out))
		return true;
	return err_set(err, MW_INVALID, 0, "?%s= must be in %lld..%lld", name,
	    (long long)min, (long long)max);
}

bool
api_query_time(const struct httpd_req *req, const char *name, int64_t def,
    int64_t *wall_ns, struct mw_err *err)
{
	const char *text = httpd_query(req, name);

	*wall_ns = def;
	if (!text)
		return true;
	if (when_parse(text, wall_ns)) {
		*wall_ns += API_MS_LAST;
		return true;
	}
	err_set(err, MW_INVALID, 0, "%s is not a time", name);
	return err_hint(err, "%s=2026-11-21T10:00:00Z", name);
}

bool
api_query_bool(const struct httpd_req *req, const char *name, bool *out,
    struct mw_err *err)
{
	const char *s = httpd_query(req, name);

	*out = s && (strcmp(s, "1") == 0 || strcmp(s, "true") == 0);
	if (!s || *out || strcmp(s, "0") == 0 || strcmp(s, "false") == 0)
		return true;
	return err_set(err, MW_INVALID, 0, "?%s= must be 1 or 0", name);
}

struct httpd_route *
api_routes_join(size_t *n)
{
	struct httpd_route *all;
	size_t at = 0;

	*n = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		*n += parts[i]->n;
	all = xcalloc(*n, sizeof *all);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (size_t k = 0; k < parts[i]->n; k++)
			all[at++] = parts[i]->routes[k];
	return all;
}

static bool
admit(struct httpd_req *req, const struct httpd_route *route, void *ctx,
    struct mw_err *err)
{
	bool ok = may_pass(req, route, ctx, err);

	if (ok)
		admitted_n++;
	else
		refused_n++;
	return ok;
}

bool
api_room(struct coord *c, struct mw_err *err)
{
	if (doctor_disk_free(c) >= DOCTOR_DISK_MIN)
		return true;
	err_set(err, MW_FULL, 0, "less than %d MiB are free for the database",
	    (int)(DOCTOR_DISK_MIN >> 20));
	return err_hint(err,
	    "make room in %s; what runs goes on, and VMs can be ended",
	    c->conf.state_dir);
}

/* Ends what costs money or room: also on a full disk. Verbs that make
 * something ask api_room() themselves. */
static bool
frees(const char *method, const struct httpd_route *route)
{
	return strcmp(method, "DELETE") == 0 ||
	    strstr(route->path, "/actions") ||
	    str_eq(route->path, "/v1/orphans/decide");
}

static bool
may_pass(struct httpd_req *req, const struct httpd_route *route, void *ctx,
    struct mw_err *err)
{
	struct coord *c = ctx;
	const char *type = httpd_header(req, "Content-Type");
	const char *who;
	bool ok, reads = strcmp(httpd_method(req), "GET") == 0;

	ok = auth_check(c->auth, httpd_header(req, "Authorization"),
	    httpd_peer(req), (enum auth_role)route->role, &who, err);
	httpd_set_user(req, (void *)(uintptr_t)who);
	if (!ok)
		return false;
	/* A form of a foreign page cannot send this type. */
	if (!reads && type && !str_starts(type, "application/json")) {
		err_set(err, MW_INVALID, 0,
		    "the body must be application/json, not %.64s", type);
		return err_hint(err, "Content-Type: application/json");
	}
	if (!reads && store_backlog(c->store) > STORE_BACKLOG)
		return err_set(err, MW_LIMIT, 0,
		    "too much waits for the disk; try again");
	return reads || frees(httpd_method(req), route) || api_room(c, err);
}
