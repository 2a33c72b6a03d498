/*
 * api_sys.c - health, version, the contract itself, metrics, doctor, events.
 */
#include "coordinator/api.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/agents.h"
#include "coordinator/conns.h"
#include "coordinator/doctor.h"
#include "coordinator/events.h"
#include "coordinator/link.h"
#include "coordinator/remote.h"
#include "lifecycle/lifecycle.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "docs/openapi.yaml.h"
#pragma GCC diagnostic pop

/* What only the database knows, for the doctor. */
struct doctor_job {
	struct store_job job;
	struct coord *c;
	struct httpd_req *req;
	size_t n;
	struct str orphans;
};

static void get_healthz(struct httpd_req *req, void *ctx);
static void get_readyz(struct httpd_req *req, void *ctx);
static void get_version(struct httpd_req *req, void *ctx);
static void get_openapi(struct httpd_req *req, void *ctx);
static void get_metrics(struct httpd_req *req, void *ctx);
static void get_doctor(struct httpd_req *req, void *ctx);
static bool doctor_ask(struct db *db, struct store_job *job,
    struct mw_err *err);
static void doctor_done(struct store_job *job, bool ok,
    const struct mw_err *err);
static void metric(struct str *s, const char *name, const char *type,
    const char *help, const char *labels, double value);

static const struct httpd_route sys_routes[] = {
	{ "GET", "/healthz", get_healthz, ROLE_OPEN },
	{ "GET", "/readyz", get_readyz, ROLE_OPEN },
	{ "GET", "/v1/version", get_version, ROLE_VIEWER },
	{ "GET", "/v1/openapi.yaml", get_openapi, ROLE_VIEWER },
	{ "GET", "/metrics", get_metrics, ROLE_VIEWER },
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
	store_submit(c->store, &j->job);
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

	if (ok)
		httpd_reply_json(j->req, 200,
		    doctor_run(j->c, j->n, str_cstr(&j->orphans)));
	else
		httpd_reply_err(j->req, err);
	str_free(&j->orphans);
	free(j);
}

static void
get_metrics(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct str s = STR_INIT;
	struct link_stats link;
	uint64_t commits;
	int64_t worst;
	size_t up = 0, vms = 0, ssh, ssh_waiting;

	store_stats(c->store, &commits, &worst);
	link_stats(c->link, &link);
	for (size_t i = 0; i < agents_count(c->agents); i++)
		up += agents_at(c->agents, i)->state == AGENT_UP;
	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next)
		vms += m->nslots;
	metric(&s, "store_commits_total", "counter", "group commits", NULL,
	    (double)commits);
	metric(&s, "store_commit_worst_seconds", "gauge",
	    "longest group commit since start", NULL, (double)worst / 1e9);
	metric(&s, "store_backlog", "gauge", "jobs that wait for the disk",
	    NULL, (double)store_backlog(c->store));
	metric(&s, "loop_lag_seconds", "gauge",
	    "longest turn of the loop since the last scrape", NULL,
	    (double)loop_lag_ns(c->loop) / 1e9);
	metric(&s, "agents", "gauge", "agents by state", "state=\"up\"",
	    (double)up);
	metric(&s, "agents", NULL, NULL, "state=\"silent\"",
	    (double)(agents_count(c->agents) - up));
	metric(&s, "link_open", "gauge", "open agent links", NULL,
	    (double)link.open);
	metric(&s, "link_accepted_total", "counter", "connections of agents",
	    NULL, (double)link.accepted);
	metric(&s, "link_refused_total", "counter",
	    "connections that were refused", NULL, (double)link.refused);
	metric(&s, "link_frames_total", "counter", "frames from agents", NULL,
	    (double)link.frames);
	metric(&s, "link_broken_total", "counter",
	    "links closed for what the agent sent", NULL, (double)link.broken);
	metric(&s, "link_results_dropped_total", "counter",
	    "results that were not asked for or not valid", NULL,
	    (double)link.dropped);
	metric(&s, "events_total", "counter", "number of the newest event",
	    NULL, (double)events_last(c->events));
	metric(&s, "event_readers", "gauge", "open event streams", NULL,
	    (double)events_readers(c->events));
	remote_stats(c->remote, &ssh, &ssh_waiting);
	metric(&s, "ssh_open", "gauge", "SSH connections", NULL, (double)ssh);
	metric(&s, "ssh_waiting", "gauge", "SSH jobs that wait for their turn",
	    NULL, (double)ssh_waiting);
	metric(&s, "connections", "gauge", "cloud connections", NULL,
	    (double)conns_count(c->conns));
	metric(&s, "vms", "gauge", "VMs in all MCIS", NULL, (double)vms);
	httpd_reply(req, 200, "text/plain; version=0.0.4", s.p, s.len);
	str_free(&s);
}

/* type NULL: one more value of the metric before. */
static void
metric(struct str *s, const char *name, const char *type, const char *help,
    const char *labels, double value)
{
	if (type)
		str_addf(s, "# HELP milkyway_%s %s\n# TYPE milkyway_%s %s\n",
		    name, help, name, type);
	str_addf(s, "milkyway_%s%s%s%s %.12g\n", name, labels ? "{" : "",
	    labels ? labels : "", labels ? "}" : "", value);
}
