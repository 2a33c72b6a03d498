/*
 * api.h - the route table. Every api_*.c exports its part as an array that
 * api.c joins; ctx of a handler is the struct coord,
 * httpd_user() the id of the caller's token (const char *). Roles: auth.h. The joined
 * table and docs/openapi.yaml name the same routes (a test compares them).
 */
#ifndef MW_COORDINATOR_API_H
#define MW_COORDINATOR_API_H

#include "common/httpd.h"
#include "coordinator/auth.h"
#include "coordinator/coord.h"

struct api_routes {
	const struct httpd_route *routes;
	size_t n;
};

/* One per file: { routes, ARRAY_LEN(routes) }. */
extern const struct api_routes api_sys_routes; /* health, version, doctor */
extern const struct api_routes api_conn_routes; /* connections */
extern const struct api_routes api_catalog_routes; /* regions, specs */
extern const struct api_routes api_health_routes; /* of connections */
extern const struct api_routes api_mcis_routes; /* ns, mcis, vms */
extern const struct api_routes api_act_routes; /* verbs, actions */
extern const struct api_routes api_history_routes; /* of an MCIS */
extern const struct api_routes api_quota_routes; /* limits of namespaces */
extern const struct api_routes api_exec_routes; /* commands, agents install */
extern const struct api_routes api_bench_routes; /* benchmarks, results, rtt */
extern const struct api_routes api_result_routes; /* one result, raw */
extern const struct api_routes api_mesh_routes; /* rounds of the matrix */
extern const struct api_routes api_matrix_routes; /* what they found */
extern const struct api_routes api_eval_routes; /* evaluations */
extern const struct api_routes api_bundle_routes; /* bundles */
extern const struct api_routes api_sched_routes; /* schedules */
extern const struct api_routes api_place_routes; /* placements */
extern const struct api_routes api_drift_routes; /* ... watched */
extern const struct api_routes api_agent_routes; /* GET /v1/agents */
extern const struct api_routes api_orphan_routes; /* nobody's VMs */
extern const struct api_routes api_backup_routes; /* backups */
extern const struct api_routes api_event_routes; /* events */
extern const struct api_routes api_metrics_routes; /* /metrics */
extern const struct api_routes api_host_routes; /* host metrics */

/* A connection as it is shown: without its credential. */
struct conn_row;
json_t *api_conn_json(const struct conn_row *r);

/* Joins the tables and starts listening. */
bool api_start(struct coord *c, struct mw_err *err) mw_must_check;
void api_stop(struct coord *c);
/* All routes; the caller frees the array. */
struct httpd_route *api_routes_join(size_t *n);
/* Prints "METHOD path role" lines: the contract, for tests. */
void api_print_routes(void);
/* Requests since the start: let in, and refused before a handler saw them. */
void api_stats(uint64_t *admitted, uint64_t *refused);

/* False (MW_FULL, 507): the disk has no room for new wishes. */
bool api_room(struct coord *c, struct mw_err *err) mw_must_check;

/* Query parameters: an integer in range, or the default if absent. */
bool api_query_int(const struct httpd_req *req, const char *name, int64_t def,
    int64_t min, int64_t max, int64_t *out, struct mw_err *err) mw_must_check;
/* An RFC 3339 time, or the default if absent. We print times cut to
 * milliseconds, so one that is given means the end of its millisecond. */
#define API_MS_LAST 999999
bool api_query_time(const struct httpd_req *req, const char *name, int64_t def,
    int64_t *wall_ns, struct mw_err *err) mw_must_check;
/* "1" or "true" is true, absent false, anything else an error. */
bool api_query_bool(const struct httpd_req *req, const char *name, bool *out,
    struct mw_err *err) mw_must_check;

#endif
