/*
 * api_host.c - host metrics over HTTP: points of a time, or the newest minute
 * of each VM. Answers are bounded, and written by the store's thread.
 */
#include "coordinator/api/api.h"

#include "common/clock.h"
#include "common/hostjson.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/pure/when.h"
#include "coordinator/link/agents.h"
#include "coordinator/store/db_host.h"
#include "coordinator/measure/host.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define POINTS_MAX 10000 /* of one answer */
#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS (60 * MINUTE_NS)

struct points_job {
	struct store_job job;
	struct httpd_req *req;
	bool hours;
	int64_t from, to; /* minutes or hours since 1970, both included */
	struct one {
		int64_t slot;
		char vm[LC_VM_ID_LEN];
	} * vms;
	size_t nvms;
	json_t *items, *points; /* points: of the VM that is being read */
	char *text;
};

static void get_metrics(struct httpd_req *req, void *ctx);
static bool points_run(struct db *db, struct store_job *job,
    struct mw_err *err);
static void points_done(struct store_job *job, bool ok,
    const struct mw_err *err);

static const struct httpd_route routes[] = {
	{ "GET", "/v1/ns/{ns}/mcis/{mcis}/metrics", get_metrics, ROLE_VIEWER },
};
const struct api_routes api_host_routes = { routes, ARRAY_LEN(routes) };

/* ---- the newest ---------------------------------------------------------- */

static void
put_age(json_t *j, const struct host_rec *r)
{
	int64_t end = (r->at + 1) * MINUTE_NS;
	int64_t age = (clock_wall_ns() - end) / NS_PER_S;

	json_put_time(j, "at", r->at * MINUTE_NS);
	json_put_int(j, "ageS", age > 0 ? age : 0);
}

static json_t *
latest_of(const struct coord *c, const struct lc_slot *s)
{
	const struct host_rec *r = host_latest(c->host, s->row.slot_id);
	const struct agent *a =
	    agents_get(c->agents, s->row.slot_id, s->inst.gen);
	enum agent_state state = a ? a->state : AGENT_NEVER;
	json_t *j = json_object(), *p = NULL;

	json_put_str(j, "vmId", s->vm_id);
	json_put_str(j, "status", lc_status_name(s->status));
	json_put_str(j, "agent", agent_state_name(state));
	json_put_bool(j, "busy", state == AGENT_UP && a->busy);
	if (r) {
		p = json_object();
		put_age(p, r);
		hostjson_put(p, r);
	}
	json_put(j, "latest", p);
	json_put_str(j, "latestReason",
	    r                          ? NULL
		: state == AGENT_NEVER ? "its agent was never heard"
				       : "no whole minute was reported yet");
	return j;
}

static void
reply_latest(const struct coord *c, struct httpd_req *req,
    const struct lc_mcis *m, const char *vm)
{
	json_t *out = json_object(), *items = json_array();

	for (const struct lc_slot *s = m->slots; s; s = s->next)
		if (!vm || str_eq(vm, s->vm_id))
			json_array_append_new(items, latest_of(c, s));
	json_put(out, "items", items);
	httpd_reply_json(req, 200, out);
}

/* ---- points of a time ---------------------------------------------------- */

static bool
query_time(const struct httpd_req *req, const char *name, int64_t def,
    int64_t *out, struct mw_err *err)
{
	const char *s = httpd_query(req, name);

	*out = def;
	if (!s || when_parse(s, out))
		return true;
	err_set(err, MW_INVALID, 0, "?%s= is not a time", name);
	return err_hint(err, "RFC 3339, e.g. %s=2026-01-05T03:00:00Z", name);
}

static bool
query_step(const struct httpd_req *req, bool *hours, struct mw_err *err)
{
	const char *s = httpd_query(req, "step");

	*hours = str_eq(s, "hour");
	return !s || *hours || str_eq(s, "minute") ||
	    err_set(err, MW_INVALID, 0, "?step= is minute or hour");
}

/* False: err says why. */
static bool
points_time(const struct httpd_req *req, struct points_job *j,
    struct mw_err *err)
{
	int64_t now = clock_wall_ns(), since, until, step, n;

	if (!query_step(req, &j->hours, err) ||
	    !query_time(req, "until", now, &until, err) ||
	    !query_time(req, "since", until - (j->hours ? 168 : 1) * HOUR_NS,
		&since, err))
		return false;
	if (since > until || since < 0)
		return err_set(err, MW_INVALID, 0, "since is after until");
	step = j->hours ? HOUR_NS : MINUTE_NS;
	j->from = since / step;
	j->to = until / step;
	n = j->to - j->from + 1;
	if (n <= POINTS_MAX / (int64_t)(j->nvms ? j->nvms : 1))
		return true;
	err_set(err, MW_LIMIT, 0, "%lld points of %zu VMs are more than %d",
	    (long long)n, j->nvms, POINTS_MAX);
	return err_hint(err, "name one VM (vm=), a shorter time, or step=hour");
}

static void
points_free(struct points_job *j)
{
	json_decref(j->items);
	free(j->text);
	free(j->vms);
	free(j);
}

static void
get_metrics(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *ns = httpd_param(req, "ns"), *vm = httpd_query(req, "vm");
	const char *name = httpd_param(req, "mcis");
	const struct lc_mcis *m = lc_mcis_find(c->lc, ns, name);
	struct mw_err err = MW_ERR_INIT;
	struct points_job *j;
	bool latest;

	if (!m) {
		err_set(&err, MW_NOT_FOUND, 0, "no MCIS %.64s in %.64s", name,
		    ns);
		err_hint(&err, "milkyway mcis list");
	} else if (vm && !lc_vm_find(m, vm)) {
		err_set(&err, MW_NOT_FOUND, 0, "no VM %.64s in %.64s", vm,
		    name);
		err_hint(&err, "milkyway mcis show %.64s", name);
	}
	if (err.code != MW_OK ||
	    !api_query_bool(req, "latest", &latest, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	if (latest) {
		reply_latest(c, req, m, vm);
		return;
	}
	j = xcalloc(1, sizeof *j);
	j->req = req;
	j->vms = xcalloc(m->nslots + 1, sizeof *j->vms);
	for (const struct lc_slot *s = m->slots; s; s = s->next) {
		if (vm && !str_eq(vm, s->vm_id))
			continue;
		j->vms[j->nvms].slot = s->row.slot_id;
		str_copy(j->vms[j->nvms++].vm, LC_VM_ID_LEN, s->vm_id);
	}
	if (!points_time(req, j, &err)) {
		httpd_reply_err(req, &err);
		points_free(j);
		return;
	}
	j->job.run = points_run;
	j->job.done = points_done;
	store_submit(c->store, &j->job);
}

static void
add_point(void *arg, const struct host_rec *r)
{
	struct points_job *j = arg;
	json_t *p = json_object();

	json_put_time(p, "at", r->at * (j->hours ? HOUR_NS : MINUTE_NS));
	hostjson_put(p, r);
	json_array_append_new(j->points, p);
}

static bool
points_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct points_job *j = container_of(job, struct points_job, job);
	int64_t step = j->hours ? HOUR_NS : MINUTE_NS;
	json_t *out = json_object();

	j->items = json_array();
	json_put_str(out, "step", j->hours ? "hour" : "minute");
	json_put_time(out, "since", j->from * step);
	json_put_time(out, "until", (j->to + 1) * step);
	for (size_t i = 0; i < j->nvms; i++) {
		json_t *vm = json_object();

		j->points = json_array();
		json_put_str(vm, "vmId", j->vms[i].vm);
		json_put(vm, "points", j->points);
		json_array_append_new(j->items, vm);
		if (!db_host_each(db, j->hours, j->vms[i].slot, j->from, j->to,
			add_point, j, err)) {
			json_decref(out);
			return false;
		}
	}
	json_put(out, "items", json_incref(j->items));
	j->text = json_text(out, true);
	json_decref(out);
	return true;
}

static void
points_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct points_job *j = container_of(job, struct points_job, job);

	if (ok)
		httpd_reply(j->req, 200, "application/json", j->text,
		    strlen(j->text));
	else
		httpd_reply_err(j->req, err);
	points_free(j);
}
