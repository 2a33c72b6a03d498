/*
 * api_health.c - one connection: what it is, whether it works now, how its
 * calls go.
 */
#include "coordinator/api/api.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns_check.h"

#include <math.h>
#include <string.h>

#define DETAIL_MAX 2000 /* bytes of what check says */

struct check_job {
	struct store_job job;
	struct coord *c;
	struct httpd_req *req;
	char id[ID_MAX + 1];
	char *reason; /* NULL: verified */
	json_t *out;
};

static void get_conn(struct httpd_req *req, void *ctx);
static void post_check(struct httpd_req *req, void *ctx);
static void get_health(struct httpd_req *req, void *ctx);
static void get_healths(struct httpd_req *req, void *ctx);

static const struct httpd_route routes[] = {
	{ "GET", "/v1/connections/{id}", get_conn, ROLE_ADMIN },
	{ "POST", "/v1/connections/{id}/check", post_check, ROLE_ADMIN },
	{ "GET", "/v1/connections/{id}/health", get_health, ROLE_VIEWER },
	{ "GET", "/v1/drivers/health", get_healths, ROLE_VIEWER },
};
const struct api_routes api_health_routes = { routes, ARRAY_LEN(routes) };

/* NULL after a 404. */
static struct conn *
the_conn(struct httpd_req *req, struct coord *c)
{
	const char *id = httpd_param(req, "id");
	struct conn *cn = conns_find(c->conns, id);
	struct mw_err err = MW_ERR_INIT;

	if (cn)
		return cn;
	err_set(&err, MW_NOT_FOUND, 0, "no connection %s", id);
	err_hint(&err, "milkyway connection list");
	httpd_reply_err(req, &err);
	return NULL;
}

/* The reference is shown, never what it stands for. */
static void
get_conn(struct httpd_req *req, void *ctx)
{
	struct conn *cn = the_conn(req, ctx);
	json_t *j;

	if (!cn)
		return;
	j = api_conn_json(&cn->row);
	json_put_str(j, "credential", cn->row.credential);
	json_put_int(j, "specs", (int64_t)cn->nspecs);
	json_put_int(j, "images", (int64_t)cn->nimages);
	httpd_reply_json(req, 200, j);
}

/* ---- does it work? ------------------------------------------------------- */

static json_t *
check_json(const struct conns_check *r)
{
	const struct csp_answer *a = r->answer;
	bool ok = r->err.code == MW_OK;
	struct str s = STR_INIT;
	json_t *j = json_object();

	json_put_str(j, "connection", r->connection);
	json_put_bool(j, "ok", ok);
	json_put_int(j, "tookMs", r->took_ns / NS_PER_MS);
	/* all that is missing, not only what an error has room for */
	if (a && a->message && a->reason == CSP_R_DENIED)
		str_add_escaped(&s, a->message, strlen(a->message), DETAIL_MAX);
	json_put_str(j, "detail",
	    ok          ? NULL
		: s.len ? str_cstr(&s)
			: r->err.msg);
	str_free(&s);
	json_put_str(j, "hint", ok || !r->err.hint[0] ? NULL : r->err.hint);
	json_put_str(j, "class", a ? csp_class_name(a->cls) : NULL);
	json_put_str(j, "reason", a && !ok ? csp_reason_name(a->reason) : NULL);
	json_put_str(j, "code", a ? a->code : NULL);
	json_put_str(j, "requestId", a ? a->request_id : NULL);
	json_put_str(j, "sshFrom", r->ssh_from[0] ? r->ssh_from : NULL);
	return j;
}

static bool
check_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct check_job *k = container_of(job, struct check_job, job);

	return db_conn_reason(db, k->id, k->reason, err);
}

static void
check_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct check_job *k = container_of(job, struct check_job, job);
	struct conn *cn = k->c->conns ? conns_find(k->c->conns, k->id) : NULL;

	if (ok && cn) {
		cn->row.verified = !k->reason;
		free(cn->row.verified_reason);
		cn->row.verified_reason = k->reason;
		k->reason = NULL;
	}
	if (ok) {
		httpd_reply_json(k->req, 200, k->out);
	} else {
		json_decref(k->out);
		httpd_reply_err(k->req, err);
	}
	free(k->reason);
	free(k);
}

static void
on_check(void *arg, const struct conns_check *r)
{
	struct check_job *k = arg;

	k->out = check_json(r);
	k->reason = r->err.code == MW_OK ? NULL : xstrdup(r->err.msg);
	log_info("conns", k->id, "checked\tok=%d took_ms=%lld", !k->reason,
	    (long long)(r->took_ns / NS_PER_MS));
	k->job.run = check_run;
	k->job.done = check_done;
	store_submit(k->c->store, &k->job);
}

static void
post_check(struct httpd_req *req, void *ctx)
{
	struct conn *cn = the_conn(req, ctx);
	struct check_job *k;

	if (!cn)
		return;
	k = xcalloc(1, sizeof *k);
	k->c = ctx;
	k->req = req;
	str_copy(k->id, sizeof k->id, cn->row.id);
	conns_check(k->c->conns, k->id, on_check, k);
}

/* ---- how do its calls go? ------------------------------------------------ */

static void
put_counts(json_t *j, const struct conn_stats *s)
{
	json_t *cls = json_object(), *why = json_object();

	for (int i = 0; i < CSP_CLASS_COUNT; i++)
		json_put_int(cls, csp_class_name((enum csp_class)i),
		    (int64_t)s->by_class[i]);
	for (int i = 1; i < CSP_REASON_COUNT; i++)
		if (s->by_reason[i])
			json_put_int(why, csp_reason_name((enum csp_reason)i),
			    (int64_t)s->by_reason[i]);
	json_put_int(j, "calls", (int64_t)s->calls);
	json_put_int(j, "open", (int64_t)s->open);
	json_put_int(j, "failed", (int64_t)(s->calls - s->by_class[CSP_OK]));
	json_put_int(j, "throttled", (int64_t)s->by_class[CSP_THROTTLED]);
	json_put(j, "byClass", cls);
	json_put(j, "byReason", why);
}

static void
put_time(json_t *j, const char *key, int64_t ns)
{
	json_put_num(j, key,
	    ns < 0 ? NAN
		   : (double)llround((double)ns / (double)NS_PER_MS * 10) / 10);
}

static json_t *
last_json(const struct conn_stats *s)
{
	json_t *j;

	if (!s->failed_at_ns)
		return NULL;
	j = json_object();
	json_put_time(j, "at", s->failed_at_ns);
	json_put_str(j, "op", csp_op_name(s->last.op));
	json_put_str(j, "class", csp_class_name(s->last.cls));
	json_put_str(j, "reason", csp_reason_name(s->last.reason));
	if (s->last.http_status)
		json_put_int(j, "httpStatus", s->last.http_status);
	json_put_str(j, "code", s->last.code[0] ? s->last.code : NULL);
	json_put_str(j, "message", s->last.message);
	json_put_str(j, "requestId",
	    s->last.request_id[0] ? s->last.request_id : NULL);
	return j;
}

static void
put_count(json_t *j, const char *key, bool known, size_t n)
{
	if (known)
		json_put_int(j, key, (int64_t)n);
	else
		json_put(j, key, NULL);
}

static json_t *
health_json(const struct conn *cn)
{
	const struct conn_stats *s = cn->stats;
	struct drv_load load = { 0 };
	json_t *j = json_object();
	bool knows = cn->dc && cn->drv->load;

	json_put_str(j, "connection", cn->row.id);
	json_put_str(j, "driver", cn->row.driver);
	json_put_bool(j, "verified", cn->row.verified);
	put_counts(j, s);
	put_time(j, "p50Ms", conn_stats_quantile(s, 0.5));
	put_time(j, "p95Ms", conn_stats_quantile(s, 0.95));
	put_time(j, "longestMs", s->calls ? s->longest_ns : -1);
	json_put_str(j, "timesReason", s->calls ? NULL : "noCalls");
	if (knows)
		cn->drv->load(cn->dc, &load);
	put_count(j, "queued", knows, load.queued);
	put_count(j, "inFlight", knows, load.in_flight);
	json_put_num(j, "ratePerS",
	    load.rate_per_s > 0 ? load.rate_per_s : NAN);
	json_put_str(j, "rateReason",
	    load.rate_per_s > 0 ? NULL
		: !cn->dc       ? "notOpened"
		: !knows        ? "noCloudCalls"
				: "noLimit");
	json_put_time(j, "lastOkAt", s->ok_at_ns);
	json_put(j, "lastFailure", last_json(s));
	return j;
}

static void
get_health(struct httpd_req *req, void *ctx)
{
	const struct conn *cn = the_conn(req, ctx);

	if (cn)
		httpd_reply_json(req, 200, health_json(cn));
}

static void
get_healths(struct httpd_req *req, void *ctx)
{
	const struct coord *c = ctx;
	const struct conns *cs = c->conns;
	json_t *out = json_object(), *items = json_array();

	for (size_t i = 0; i < cs->n; i++)
		json_array_append_new(items, health_json(cs->v[i]));
	json_put(out, "items", items);
	httpd_reply_json(req, 200, out);
}
