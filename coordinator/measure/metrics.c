/*
 * metrics.c - see metrics.h. Owns a cache of the newest benchmark results,
 * which only the database knows; it is read at most once a minute.
 */
#include "coordinator/measure/metrics.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/worker.h"
#include "coordinator/actions.h"
#include "coordinator/link/agents.h"
#include "coordinator/api/api.h"
#include "coordinator/cloud/conns_int.h"
#include "coordinator/store/db_host.h"
#include "coordinator/events.h"
#include "coordinator/measure/host.h"
#include "coordinator/link/link.h"
#include "coordinator/measure/metrics_text.h"
#include "coordinator/remote/remote.h"
#include "coordinator/measure/sched.h"
#include "coordinator/measure/snap.h"
#include "lifecycle/lifecycle.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define VALUES_EVERY_NS (60 * NS_PER_S)
#define WAITING_MAX 16 /* scrapes at a time */

struct values {
	struct metrics_value v[METRICS_VALUES_MAX];
	size_t n;
	unsigned refs; /* the cache and pages that are being written */
};

struct metrics {
	struct coord *c;
	int64_t started_ns; /* wall clock */
	struct values *values; /* or NULL */
	int64_t values_at_ns; /* monotonic */
	size_t waiting;
};

/* One scrape. */
struct scrape {
	struct metrics *m;
	struct httpd_req *req;
	bool pairs;
	struct values *fresh; /* while the store reads them */
	struct values *values;
	struct metrics_page page;
	struct str text;
	struct store_job ask;
	struct worker_job work;
};

static void get_metrics(struct httpd_req *req, void *ctx);
static bool ask_run(struct db *db, struct store_job *job, struct mw_err *err);
static void ask_done(struct store_job *job, bool ok, const struct mw_err *err);
static void gather(struct scrape *s);
static void work_run(struct worker_job *job);
static void work_done(struct worker_job *job);

static const struct httpd_route routes[] = {
	{ "GET", "/metrics", get_metrics, ROLE_VIEWER },
};
const struct api_routes api_metrics_routes = { routes, ARRAY_LEN(routes) };

struct metrics *
metrics_new(struct coord *c)
{
	struct metrics *m = xcalloc(1, sizeof *m);

	m->c = c;
	m->started_ns = clock_wall_ns();
	m->values_at_ns = INT64_MIN;
	return m;
}

static void
values_unref(struct values *v)
{
	if (v && --v->refs == 0)
		free(v);
}

void
metrics_free(struct metrics *m)
{
	if (!m)
		return;
	values_unref(m->values);
	free(m);
}

static void
scrape_free(struct scrape *s)
{
	struct metrics_page *g = &s->page;

	for (size_t i = 0; i < g->nmcis; i++)
		matrix_unref(g->mcis[i].matrix);
	free(g->mcis);
	free(g->vms);
	free(g->schedules);
	free(g->conns);
	values_unref(s->values);
	free(s->fresh);
	str_free(&s->text);
	s->m->waiting--;
	free(s);
}

static void
fail(struct scrape *s, const struct mw_err *err)
{
	httpd_reply_err(s->req, err);
	scrape_free(s);
}

static void
get_metrics(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct metrics *m = c->metrics;
	struct mw_err err = MW_ERR_INIT;
	struct scrape *s;
	bool pairs;

	if (!api_query_bool(req, "pairs", &pairs, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	if (m->waiting >= WAITING_MAX) {
		err_set(&err, MW_LIMIT, 0, "too many scrapes at a time");
		httpd_reply_err(req, &err);
		return;
	}
	s = xcalloc(1, sizeof *s);
	s->m = m;
	s->req = req;
	s->pairs = pairs || c->conf.metrics_pairs;
	m->waiting++;
	if (m->values && clock_mono_ns() - m->values_at_ns < VALUES_EVERY_NS) {
		gather(s);
		return;
	}
	s->fresh = xcalloc(1, sizeof *s->fresh);
	s->ask.run = ask_run;
	s->ask.done = ask_done;
	store_submit(c->store, &s->ask);
}

/* The index alone finds the newest ones; only their rows are read. */
static bool
ask_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct scrape *s = container_of(job, struct scrape, ask);
	struct values *v = s->fresh;
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT conn, spec, variant, kind, value, at FROM result "
	    "WHERE id IN (SELECT max(id) FROM result "
	    "WHERE conn IS NOT NULL AND spec IS NOT NULL "
	    "GROUP BY conn, spec, kind LIMIT ?)");

	db_bind(st, "i", (int64_t)METRICS_VALUES_MAX);
	while (v->n < METRICS_VALUES_MAX && db_row(db, st, err)) {
		struct metrics_value *x = &v->v[v->n];
		int kind = sqlite3_column_int(st, 3);

		if (sqlite3_column_type(st, 4) == SQLITE_NULL || kind < 0 ||
		    kind >= KIND_COUNT)
			continue; /* it failed: there is no newest value */
		str_copy(x->connection, sizeof x->connection, db_text(st, 0));
		str_copy(x->spec, sizeof x->spec, db_text(st, 1));
		str_copy(x->variant, sizeof x->variant, db_text(st, 2));
		x->kind = (enum kind)kind;
		x->value = sqlite3_column_double(st, 4);
		x->at_ns = sqlite3_column_int64(st, 5);
		v->n++;
	}
	return err->code == MW_OK;
}

static void
ask_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct scrape *s = container_of(job, struct scrape, ask);
	struct mw_err stop = MW_ERR_INIT;
	struct metrics *m = s->m;

	if (ok && !m->c->httpd) {
		ok = err_set(&stop, MW_CANCELED, 0, "the coordinator stops");
		err = &stop;
	}
	if (!ok) {
		fail(s, err);
		return;
	}
	values_unref(m->values);
	m->values = s->fresh;
	m->values->refs = 1;
	m->values_at_ns = clock_mono_ns();
	s->fresh = NULL;
	gather(s);
}

/* ---- the copy ------------------------------------------------------------ */

static void
plain_as(struct metrics_page *g, const char *name, const char *type,
    const char *help, const char *label, const char *state, double value)
{
	assert(g->nplain < METRICS_PLAIN_MAX);
	g->plain[g->nplain++] =
	    (struct metrics_plain){ name, type, help, label, state, value };
}

static void
counter(struct metrics_page *g, const char *name, const char *help,
    uint64_t value)
{
	plain_as(g, name, "counter", help, NULL, NULL, (double)value);
}

static void
gauge(struct metrics_page *g, const char *name, const char *help, double value)
{
	plain_as(g, name, "gauge", help, NULL, NULL, value);
}

static void
gather_process(struct scrape *s, struct metrics_page *g)
{
	struct coord *c = s->m->c;
	uint64_t commits, admitted, refused;
	int64_t worst;

	plain_as(g, "milkyway_build_info", "gauge",
	    "Version of the coordinator; always 1.", "version", MW_VERSION, 1);
	gauge(g, "milkyway_start_timestamp_seconds",
	    "When the coordinator was started.",
	    (double)s->m->started_ns / 1e9);
	store_stats(c->store, &commits, &worst);
	counter(g, "milkyway_store_commits_total", "Group commits.", commits);
	gauge(g, "milkyway_store_commit_worst_seconds",
	    "Longest group commit since the start.", (double)worst / 1e9);
	gauge(g, "milkyway_store_backlog",
	    "Jobs that wait for the disk or run.",
	    (double)store_backlog(c->store));
	gauge(g, "milkyway_loop_lag_seconds",
	    "Longest turn of the loop since the last scrape.",
	    (double)loop_lag_ns(c->loop) / 1e9);
	api_stats(&admitted, &refused);
	plain_as(g, "milkyway_http_requests_total", "counter",
	    "Requests by what became of them.", "outcome", "admitted",
	    (double)admitted);
	plain_as(g, NULL, NULL, NULL, "outcome", "refused", (double)refused);
	counter(g, "milkyway_events_total",
	    "Number of the newest event, over all starts.",
	    events_last(c->events));
	gauge(g, "milkyway_event_readers", "Open event streams.",
	    (double)events_readers(c->events));
}

static void
gather_link(struct scrape *s, struct metrics_page *g)
{
	struct coord *c = s->m->c;
	struct link_stats l;
	struct host_stats h;

	link_stats(c->link, &l);
	host_stats(c->host, &h);
	memcpy(g->results, l.results, sizeof g->results);
	gauge(g, "milkyway_link_open", "Open agent links.", (double)l.open);
	counter(g, "milkyway_link_accepted_total", "Connections of agents.",
	    l.accepted);
	counter(g, "milkyway_link_refused_total",
	    "Connections of agents that were refused.", l.refused);
	counter(g, "milkyway_link_frames_total", "Frames from agents.",
	    l.frames);
	counter(g, "milkyway_link_broken_total",
	    "Links closed for what the agent sent.", l.broken);
	counter(g, "milkyway_link_results_dropped_total",
	    "Results that were not asked for or not valid.", l.dropped);
	counter(g, "milkyway_host_records_total",
	    "Records of host metrics that were stored.", h.minutes);
	counter(g, "milkyway_host_records_dropped_total",
	    "Records of host metrics of an unlikely time, or too many.",
	    h.dropped);
}

static void
gather_counts(struct scrape *s, struct metrics_page *g)
{
	static const char *const states[] = { [ACTION_PENDING] = "pending",
		[ACTION_RUNNING] = "running",
		[ACTION_DONE] = "done",
		[ACTION_FAILED] = "failed",
		[ACTION_CANCELED] = "canceled" };
	const char *name = "milkyway_actions";
	struct coord *c = s->m->c;
	size_t up = 0, ssh, ssh_waiting, actions[ACTION_CANCELED + 1];

	for (size_t i = 0; i < agents_count(c->agents); i++)
		up += agents_at(c->agents, i)->state == AGENT_UP;
	plain_as(g, "milkyway_agents", "gauge", "Agents by state.", "state",
	    "up", (double)up);
	plain_as(g, NULL, NULL, NULL, "state", "silent",
	    (double)(agents_count(c->agents) - up));
	actions_count(c->actions, actions);
	for (size_t i = 0; i < ARRAY_LEN(states); i++, name = NULL)
		plain_as(g, name, "gauge",
		    "The newest actions (at most 2000) by state.", "state",
		    states[i], (double)actions[i]);
	remote_stats(c->remote, &ssh, &ssh_waiting);
	gauge(g, "milkyway_ssh_open", "SSH connections.", (double)ssh);
	gauge(g, "milkyway_ssh_waiting", "SSH jobs that wait for their turn.",
	    (double)ssh_waiting);
	gauge(g, "milkyway_connections", "Cloud connections.",
	    (double)conns_count(c->conns));
}

static void
copy_vm(struct coord *c, const struct lc_slot *s, struct metrics_vm *v)
{
	const struct agent *a =
	    agents_get(c->agents, s->row.slot_id, s->inst.gen);
	const struct host_rec *r = host_latest(c->host, s->row.slot_id);

	memset(v, 0, sizeof *v);
	str_copy(v->ns, sizeof v->ns, s->mcis->row.ns);
	str_copy(v->mcis, sizeof v->mcis, s->mcis->row.name);
	str_copy(v->vm, sizeof v->vm, s->vm_id);
	str_copy(v->connection, sizeof v->connection, s->row.spec.connection);
	str_copy(v->spec, sizeof v->spec, s->row.spec.spec);
	v->status = s->status;
	v->agent = a && a->state != AGENT_NEVER;
	v->agent_up = a && a->state == AGENT_UP;
	v->seen_ns = a ? a->last_seen_wall_ns : 0;
	if (r) {
		v->has_host = true;
		v->host = *r;
	}
}

static void
gather_vms(struct scrape *s, struct metrics_page *g)
{
	struct coord *c = s->m->c;
	size_t limit = (size_t)c->conf.metrics_per_vm, total = 0, mcis = 0;

	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next) {
		total += m->nslots;
		mcis++;
	}
	gauge(g, "milkyway_vms", "VMs in all MCIS.", (double)total);
	g->vms = xcalloc((total < limit ? total : limit) + 1, sizeof *g->vms);
	g->mcis =
	    xcalloc((mcis < METRICS_MCIS_MAX ? mcis : METRICS_MCIS_MAX) + 1,
		sizeof *g->mcis);
	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next) {
		struct metrics_mcis none,
		    *x = g->nmcis < METRICS_MCIS_MAX ? &g->mcis[g->nmcis++]
						     : &none;

		memset(x, 0, sizeof *x);
		str_copy(x->ns, sizeof x->ns, m->row.ns);
		str_copy(x->mcis, sizeof x->mcis, m->row.name);
		for (const struct lc_slot *l = m->slots; l; l = l->next) {
			x->vms[l->status]++;
			if (g->nvms < limit)
				copy_vm(c, l, &g->vms[g->nvms++]);
			else
				g->vms_left++;
		}
		if (x == &none)
			g->mcis_left++;
		else if ((x->matrix = snap_pool(c->snap, x->ns, x->mcis)) ||
		    (x->matrix = snap_newest(c->snap, x->ns, x->mcis)))
			matrix_ref(x->matrix);
	}
}

static void
gather_schedules(struct scrape *s, struct metrics_page *g)
{
	struct coord *c = s->m->c;
	size_t n = 0;

	for (const struct sched_item *i = sched_first(c->sched); i; i = i->next)
		n++;
	g->schedules_left =
	    n > METRICS_SCHEDULES_MAX ? n - METRICS_SCHEDULES_MAX : 0;
	n -= g->schedules_left;
	g->schedules = xcalloc(n + 1, sizeof *g->schedules);
	for (const struct sched_item *i = sched_first(c->sched);
	     i && g->nschedules < n; i = i->next) {
		struct metrics_schedule *x = &g->schedules[g->nschedules++];

		str_copy(x->ns, sizeof x->ns, i->ns);
		str_copy(x->mcis, sizeof x->mcis, i->mcis);
		str_copy(x->id, sizeof x->id, i->rule.id);
		x->next_ns = i->state.due > 0 ? i->state.at : 0;
		x->late = sched_late(i, g->now_ns);
	}
}

static double
seconds_or_nan(int64_t ns)
{
	return ns < 0 ? NAN : (double)ns / 1e9;
}

static void
gather_conns(struct scrape *s, struct metrics_page *g)
{
	const struct conns *cs = s->m->c->conns;
	size_t n = cs->n < METRICS_CONNS_MAX ? cs->n : METRICS_CONNS_MAX;

	g->conns_left = cs->n - n;
	g->conns = xcalloc(n + 1, sizeof *g->conns);
	for (; g->nconns < n; g->nconns++) {
		const struct conn *cn = cs->v[g->nconns];
		struct metrics_conn *x = &g->conns[g->nconns];
		struct drv_load load = { 0 };

		str_copy(x->connection, sizeof x->connection, cn->row.id);
		str_copy(x->driver, sizeof x->driver, cn->row.driver);
		memcpy(x->by_class, cn->stats->by_class, sizeof x->by_class);
		x->open = cn->stats->open;
		x->p50_s = seconds_or_nan(conn_stats_quantile(cn->stats, 0.5));
		x->p95_s = seconds_or_nan(conn_stats_quantile(cn->stats, 0.95));
		x->queued = NAN;
		x->verified = cn->row.verified;
		if (!cn->dc || !cn->drv->load)
			continue;
		cn->drv->load(cn->dc, &load);
		x->queued = (double)load.queued;
	}
}

static void
gather(struct scrape *s)
{
	struct metrics_page *g = &s->page;
	struct metrics *m = s->m;
	struct mw_err err = MW_ERR_INIT;

	g->now_ns = clock_wall_ns();
	g->pairs = s->pairs;
	gather_process(s, g);
	gather_link(s, g);
	gather_counts(s, g);
	gather_vms(s, g);
	gather_schedules(s, g);
	gather_conns(s, g);
	s->values = m->values;
	s->values->refs++;
	g->values = s->values->v;
	g->nvalues = s->values->n;
	s->work = (struct worker_job){ .run = work_run, .done = work_done };
	if (!worker_submit(m->c->pool, &s->work, &err))
		fail(s, &err);
}

static void
work_run(struct worker_job *job)
{
	struct scrape *s = container_of(job, struct scrape, work);

	metrics_text(&s->page, &s->text);
}

static void
work_done(struct worker_job *job)
{
	struct scrape *s = container_of(job, struct scrape, work);

	httpd_reply(s->req, 200, PROM_TYPE, str_cstr(&s->text), s->text.len);
	scrape_free(s);
}
