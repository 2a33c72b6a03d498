/*
 * api_sys.c - health, version, the contract itself, doctor, events.
 */
#include "coordinator/api/api.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/link/agents.h"
#include "coordinator/cloud/conns_check.h"
#include "coordinator/doctor.h"
#include "coordinator/events.h"
#include "coordinator/link/link.h"
#include "coordinator/remote/remote.h"
#include "lifecycle/lifecycle.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "docs/openapi.yaml.h"
#pragma GCC diagnostic pop

#define SILENT_NAMED 3 /* connections, in one sentence */

/* What only the clouds and the database know, for the doctor. */
struct doctor_job {
	struct store_job job;
	struct coord *c;
	struct httpd_req *req;
	size_t n;
	struct str orphans;
	size_t asked, silent; /* connections */
	struct str why;
};

static void get_healthz(struct httpd_req *req, void *ctx);
static void get_readyz(struct httpd_req *req, void *ctx);
static void get_version(struct httpd_req *req, void *ctx);
static void get_openapi(struct httpd_req *req, void *ctx);
static void get_doctor(struct httpd_req *req, void *ctx);
static void doctor_heard(void *arg, const struct conns_check *r);
static void doctor_next(struct doctor_job *j);
static bool doctor_ask(struct db *db, struct store_job *job,
    struct mw_err *err);
static void doctor_done(struct store_job *job, bool ok,
    const struct mw_err *err);

static const struct httpd_route sys_routes[] = {
	{ "GET", "/healthz", get_healthz, ROLE_OPEN },
	{ "GET", "/readyz", get_readyz, ROLE_OPEN },
	{ "GET", "/v1/version", get_version, ROLE_VIEWER },
	{ "GET", "/v1/openapi.yaml", get_openapi, ROLE_VIEWER },
	{ "GET", "/v1/doctor", get_doctor, ROLE_VIEWER },
};
const struct api_routes api_sys_routes = { sys_routes, ARRAY_LEN(sys_routes) };

static const struct httpd_route event_routes[] = {
	{ "GET", "/v1/events", events_get, ROLE_VIEWER },
};
const struct api_routes api_event_routes = { event_routes,
	ARRAY_LEN(event_routes) };

/* We answer, so the loop turns. */
static void
get_healthz(struct httpd_req *req, void *ctx)
{
	(void)ctx;
	httpd_reply(req, 200, "text/plain", "ok\n", 3);
}

static void
get_readyz(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	bool ready = store_backlog(c->store) < STORE_BACKLOG &&
	    doctor_disk_free(c) >= DOCTOR_DISK_MIN;
	json_t *j = json_object();

	json_put_bool(j, "ready", ready);
	json_put_str(j, "readyReason",
	    ready ? NULL : "the disk is full or too slow");
	httpd_reply_json(req, ready ? 200 : 503, j);
}

static void
get_version(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	json_t *j = json_object();

	json_put_str(j, "name", "milkywayd");
	json_put_str(j, "version", MW_VERSION);
	json_put_str(j, "deployment", c->deployment);
	json_put_str(j, "startId", c->start_id);
	json_put_str(j, "sqlite", sqlite3_libversion());
	httpd_reply_json(req, 200, j);
}

static void
get_openapi(struct httpd_req *req, void *ctx)
{
	(void)ctx;
	httpd_reply(req, 200, "application/yaml", openapi_yaml,
	    sizeof openapi_yaml - 1);
}

static void
get_doctor(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct doctor_job *j = xcalloc(1, sizeof *j);

	j->c = c;
	j->req = req;
	j->job.run = doctor_ask;
	j->job.done = doctor_done;
	j->asked = conns_count(c->conns) + 1;
	for (size_t i = 0; i < conns_count(c->conns); i++)
		conns_check(c->conns, conns_at(c->conns, i)->id, doctor_heard,
		    j);
	doctor_next(j);
}

static void
doctor_heard(void *arg, const struct conns_check *r)
{
	struct doctor_job *j = arg;

	if (r->err.code != MW_OK && j->silent++ < SILENT_NAMED)
		str_addf(&j->why, "%s%s: %s", j->why.len ? "; " : "",
		    r->connection, r->err.msg);
	doctor_next(j);
}

static void
doctor_next(struct doctor_job *j)
{
	if (--j->asked == 0)
		store_submit(j->c->store, &j->job);
}

static bool
doctor_ask(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct doctor_job *j = container_of(job, struct doctor_job, job);
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT conn, csp_id FROM orphan WHERE decision = 'quarantine' "
	    "LIMIT 100");

	while (db_row(db, st, err)) {
		str_addf(&j->orphans, "%s%s/%s", j->n++ ? ", " : "",
		    db_text(st, 0), db_text(st, 1));
	}
	return err->code == MW_OK;
}

static void
doctor_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct doctor_job *j = container_of(job, struct doctor_job, job);

	struct mw_err ends = MW_ERR_INIT;

	if (ok && !j->c->conns) { /* the coordinator ends */
		ok = err_set(&ends, MW_CANCELED, 0, "stopping");
		err = &ends;
	}
	if (ok)
		httpd_reply_json(j->req, 200,
		    doctor_run(j->c, j->n, str_cstr(&j->orphans), j->silent,
			str_cstr(&j->why)));
	else
		httpd_reply_err(j->req, err);
	str_free(&j->orphans);
	str_free(&j->why);
	free(j);
}
