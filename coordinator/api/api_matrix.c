/*
 * api_matrix.c - what is known of latencies, over HTTP: now (from memory), in
 * one round or at a time (from the store), of one pair. A large matrix takes
 * longer to write down than a turn of the loop may: a pool thread does it.
 */
#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "common/pure/when.h"
#include "coordinator/api/api.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/store/db_mesh.h"
#include "coordinator/measure/mesh_json.h"
#include "coordinator/measure/snap.h"
#include "lifecycle/lifecycle.h"

#include <math.h>
#include <string.h>

#define WEEK_NS (7 * 24 * 3600 * NS_PER_S)
#define HISTORY_LIMIT 1000
#define HISTORY_MAX 10000

/* One request for a matrix on its way. */
struct look {
	struct coord *c;
	struct httpd_req *req;
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	int64_t round; /* that was asked for; 0: what is known */
	struct db_known known; /* its at and since are the question */
	struct matrix *m;
	struct mesh_view view;
	double *lat, *lon;
	char *text;
	struct store_job store;
	struct worker_job work;
};

static bool look_ask(struct look *l, struct mw_err *err);
static void look_show(struct look *l, struct matrix *take_m, bool pooled);
static void look_fail(struct look *l, const struct mw_err *err);
static bool read_run(struct db *db, struct store_job *job, struct mw_err *err);
static void read_done(struct store_job *job, bool ok, const struct mw_err *err);
static void text_run(struct worker_job *job);
static void text_done(struct worker_job *job);

static const struct lc_mcis *
mcis_of(struct coord *c, const struct httpd_req *req, struct mw_err *err)
{
	const char *ns = httpd_param(req, "ns"),
		   *mcis = httpd_param(req, "mcis");
	const struct lc_mcis *g = lc_mcis_find(c->lc, ns, mcis);

	if (!g)
		err_set(err, MW_NOT_FOUND, 0, "no MCIS %s in %s", mcis, ns);
	return g;
}

static bool
not_measured(const char *mcis, struct mw_err *err)
{
	err_set(err, MW_NOT_FOUND, 0,
	    "the latencies of %s were not measured yet", mcis);
	return err_hint(err, "milkyway matrix %s --run", mcis);
}

static void
get(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const struct lc_mcis *g = mcis_of(c, req, &err);
	struct look *l;

	if (!g) {
		httpd_reply_err(req, &err);
		return;
	}
	l = xcalloc(1, sizeof *l);
	l->c = c;
	l->req = req;
	str_copy(l->ns, sizeof l->ns, g->row.ns);
	str_copy(l->mcis, sizeof l->mcis, g->row.name);
	l->known.ns = l->ns;
	l->known.mcis = l->mcis;
	l->known.since = g->row.created_at;
	l->view.now = clock_wall_ns();
	if (!look_ask(l, &err))
		look_fail(l, &err);
}

/* From memory, or from the store. */
static bool
look_ask(struct look *l, struct mw_err *err)
{
	const char *round = httpd_query(l->req, "round");
	struct matrix *m;

	if (!api_query_time(l->req, "at", INT64_MAX, &l->known.at, err))
		return false;
	if (round && l->known.at != INT64_MAX)
		return err_set(err, MW_INVALID, 0,
		    "either a round or a time, not both");
	if (round && !str_eq(round, "newest") &&
	    (!str_starts(round, "m-") ||
		!num_parse_i64(round + 2, strlen(round + 2), 1, INT32_MAX,
		    &l->round))) {
		err_set(err, MW_INVALID, 0, "round is newest, or an id");
		return err_hint(err, "round=m-12");
	}
	if (l->round || l->known.at != INT64_MAX) {
		l->store =
		    (struct store_job){ .run = read_run, .done = read_done };
		store_submit(l->c->store, &l->store);
		return true;
	}
	m = round ? snap_newest(l->c->snap, l->ns, l->mcis)
		  : snap_pool(l->c->snap, l->ns, l->mcis);
	if (!m)
		return not_measured(l->mcis, err);
	look_show(l, matrix_ref(m), !round);
	return true;
}

static bool
read_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct look *l = container_of(job, struct look, store);

	if (l->round)
		return db_round_get(db, l->ns, l->mcis, l->round, &l->m, err);
	return db_mesh_known(db, &l->known, err);
}

static void
read_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct look *l = container_of(job, struct look, store);
	struct db_known *k = &l->known;
	char at[WHEN_LEN], first[WHEN_LEN];
	struct mw_err none = MW_ERR_INIT;

	if (!ok) {
		look_fail(l, err);
	} else if (l->round) {
		look_show(l, l->m, false);
	} else if (k->pool) {
		struct matrix *m = k->pool;

		k->pool = NULL;
		l->view.now = k->at;
		l->view.day = k->day;
		look_show(l, m, true);
	} else if (!k->first) {
		not_measured(l->mcis, &none);
		look_fail(l, &none);
	} else {
		when_format(k->at, at);
		when_format(k->first, first);
		err_set(&none, MW_NOT_FOUND, 0,
		    "nothing was known of the latencies of %s at %s; the "
		    "first that is kept is of %s",
		    l->mcis, at, first);
		err_hint(&none, "milkyway matrix %s --at %s", l->mcis, first);
		look_fail(l, &none);
	}
}

/* Who the rows are. A VM that was removed since keeps its name and site. */
static json_t *
vms_json(struct look *l, const struct matrix *m)
{
	const struct lc_mcis *g = lc_mcis_find(l->c->lc, l->ns, l->mcis);
	json_t *all = json_array();
	char text[512];

	for (size_t i = 0; i < m->n; i++) {
		const struct lc_slot *s = g ? lc_vm_find(g, m->names[i]) : NULL;
		const struct conn_row *row =
		    s && (!m->who[i].slot || m->who[i].slot == s->row.slot_id)
		    ? conns_get(l->c->conns, s->row.spec.connection)
		    : NULL;
		json_t *vm = json_object();

		l->lat[i] = l->lon[i] = NAN;
		json_put_str(vm, "vmId", m->names[i]);
		if (row) {
			snprintf(text, sizeof text, "%s-%s-%s", row->csp,
			    row->region, s->row.spec.spec);
			json_put_str(vm, "site", text);
			snprintf(text, sizeof text, "%s+%s+%s", row->csp,
			    row->region, s->row.spec.spec);
			json_put_str(vm, "specId", text);
			json_put_str(vm, "csp", row->csp);
			json_put_str(vm, "region", row->region);
			if (row->has_location) {
				l->lat[i] = row->lat;
				l->lon[i] = row->lon;
			}
		} else if (m->who[i].site) {
			json_put_str(vm, "site", m->who[i].site);
		}
		json_array_append_new(all, vm);
	}
	return all;
}

static void
look_show(struct look *l, struct matrix *take_m, bool pooled)
{
	struct mw_err err = MW_ERR_INIT;

	l->m = take_m;
	l->lat = xcalloc(take_m->n + 1, sizeof *l->lat);
	l->lon = xcalloc(take_m->n + 1, sizeof *l->lon);
	l->view.m = take_m;
	l->view.pooled = pooled;
	l->view.vms = vms_json(l, take_m);
	l->view.lat = l->lat;
	l->view.lon = l->lon;
	l->work = (struct worker_job){ .run = text_run, .done = text_done };
	if (!worker_submit(l->c->pool, &l->work, &err))
		look_fail(l, &err);
}

static void
look_free(struct look *l)
{
	matrix_unref(l->m);
	matrix_unref(l->known.pool);
	matrix_unref(l->known.newest);
	json_decref(l->view.vms);
	free(l->lat);
	free(l->lon);
	free(l->text);
	free(l);
}

static void
look_fail(struct look *l, const struct mw_err *err)
{
	httpd_reply_err(l->req, err);
	look_free(l);
}

static void
text_run(struct worker_job *job)
{
	struct look *l = container_of(job, struct look, work);

	l->text = mesh_json(&l->view);
}

static void
text_done(struct worker_job *job)
{
	struct look *l = container_of(job, struct look, work);

	httpd_reply(l->req, 200, "application/json", l->text, strlen(l->text));
	look_free(l);
}

/* One pair ----------------------------------------------------------------- */

struct pair_look {
	struct httpd_req *req;
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	char *src, *dst;
	struct db_pair q;
	struct str rounds, days;
	struct store_job job;
};

static void
add_round(void *arg, int64_t id, const struct matrix_cell *c)
{
	struct pair_look *p = arg;
	char at[WHEN_LEN];

	when_format(c->at_wall_ns, at);
	str_addf(&p->rounds, "%s{\"roundId\":\"m-%lld\",\"measuredAt\":\"%s\",",
	    p->rounds.len ? "," : "", (long long)id, at);
	mesh_json_cell(&p->rounds, c, c->at_wall_ns, 0);
	str_addc(&p->rounds, '}');
}

static void
add_day(void *arg, int64_t day, const struct matrix_day *d)
{
	struct pair_look *p = arg;

	if (p->days.len)
		str_addc(&p->days, ',');
	mesh_json_day(&p->days, day, d);
}

static bool
pair_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct pair_look *p = container_of(job, struct pair_look, job);

	return db_pair_each(db, &p->q, err);
}

static void
pair_free(struct pair_look *p)
{
	free(p->src);
	free(p->dst);
	str_free(&p->rounds);
	str_free(&p->days);
	free(p);
}

static void
pair_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct pair_look *p = container_of(job, struct pair_look, job);
	struct mw_err none = MW_ERR_INIT;
	struct str body = STR_INIT;
	json_t *head;
	char *text;

	if (ok && !p->rounds.len && !p->days.len) {
		ok = err_set(&none, MW_NOT_FOUND, 0,
		    "%s to %s was not measured in that time", p->src, p->dst);
		err = &none;
	}
	if (!ok) {
		httpd_reply_err(p->req, err);
		pair_free(p);
		return;
	}
	head = json_object();
	json_put_str(head, "srcVmId", p->src);
	json_put_str(head, "dstVmId", p->dst);
	json_put_time(head, "since", p->q.since);
	json_put_time(head, "until", p->q.until);
	text = json_text(head, false);
	json_decref(head);
	text[strlen(text) - 1] = '\0'; /* without the last brace */
	str_addf(&body, "%s,\"days\":[%s],\"items\":[%s]}\n", text,
	    str_cstr(&p->days), str_cstr(&p->rounds));
	free(text);
	httpd_reply(p->req, 200, "application/json", body.p, body.len);
	str_free(&body);
	pair_free(p);
}

static bool
pair_ask(struct pair_look *p, const struct lc_mcis *g, struct mw_err *err)
{
	const char *src = httpd_query(p->req, "src"),
		   *dst = httpd_query(p->req, "dst");
	struct db_pair *q = &p->q;

	if (!src || !dst || str_eq(src, dst)) {
		err_set(err, MW_INVALID, 0,
		    "src and dst name two different VMs");
		return err_hint(err, "history?src=vm-1&dst=vm-2");
	}
	if (!api_query_time(p->req, "until", clock_wall_ns(), &q->until, err) ||
	    !api_query_time(p->req, "since", q->until - WEEK_NS + API_MS_LAST,
		&q->since, err) ||
	    !api_query_int(p->req, "limit", HISTORY_LIMIT, 1, HISTORY_MAX,
		&q->limit, err))
		return false;
	q->since -= API_MS_LAST;
	if (q->since < g->row.created_at)
		q->since = g->row.created_at;
	str_copy(p->ns, sizeof p->ns, g->row.ns);
	str_copy(p->mcis, sizeof p->mcis, g->row.name);
	q->src = p->src = xstrdup(src);
	q->dst = p->dst = xstrdup(dst);
	q->ns = p->ns;
	q->mcis = p->mcis;
	q->arg = p;
	q->round = add_round;
	q->day = add_day;
	return true;
}

static void
history(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const struct lc_mcis *g = mcis_of(c, req, &err);
	struct pair_look *p = xcalloc(1, sizeof *p);

	p->req = req;
	if (!g || !pair_ask(p, g, &err)) {
		httpd_reply_err(req, &err);
		pair_free(p);
		return;
	}
	p->job = (struct store_job){ .run = pair_run, .done = pair_done };
	store_submit(c->store, &p->job);
}

static const struct httpd_route routes[] = {
	{ "GET", "/v1/ns/{ns}/mcis/{mcis}/matrix", get, ROLE_VIEWER },
	{ "GET", "/v1/ns/{ns}/mcis/{mcis}/matrix/history", history,
	    ROLE_VIEWER },
};

const struct api_routes api_matrix_routes = { routes, ARRAY_LEN(routes) };
