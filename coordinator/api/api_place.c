/*
 * api_place.c - placements over HTTP: scores from the store, a snapshot on the
 * loop, the solver on the pool, the answer into the store, then the reply.
 *
 * At most PENDING_MAX questions are under way.
 *
 * What takes longer than place.hold_ms is answered with 202 and a number, under
 * which the answer is found later: the row is stored then, and filled at the
 * end. After a restart such a row says that its search ended.
 */
#include "coordinator/api/api_place_int.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "coordinator/api/api.h"
#include "coordinator/store/db_place.h"
#include "coordinator/place/drift_relied.h"
#include "coordinator/events.h"
#include "coordinator/place/place_addr.h"
#include "placement/io/place_io.h"

#include <string.h>

#define PENDING_MAX 1024
#define PENDING_BYTES_MAX ((size_t)64 << 20) /* of their questions */
#define MCIS_MAX 64
#define CURVE_MS 5000

#define ASK_GROUPS (-1)

/* One question on its way; each stage hands it to the next. */
struct ask {
	struct places *p;
	struct httpd_req *req; /* answered once, also if the client left; NULL:
				  it was told to come back */
	json_t *body;
	char *ns, *mcis[MCIS_MAX];
	size_t nmcis;
	bool by_spec;
	struct place_scores scores;
	int64_t results; /* number of the newest one */
	struct place_addrs *addrs;
	struct place_snapshot *snap;
	struct place_world world; /* of the snapshot, with the addresses */
	struct arena *arena; /* of the question */
	size_t bytes; /* of its text */
	int what; /* enum place_io_what, or ASK_GROUPS */
	json_t *answer;
	char *query, *text, *members, *relied;
	int64_t id, at, until_ns;
	struct store_job store, hold;
	struct worker_job work;
	struct loop_timer *timer;
	bool holding, ready; /* its row is being stored; it was solved then */
	struct mw_err err;
};

static bool ask_from(struct ask *a, struct mw_err *err);
static bool ask_sides(struct ask *a, struct mw_err *err);
static void from_of(const struct ask *a, struct place_from *out);
static void hold_on(void *arg);
static bool hold_run(struct db *db, struct store_job *job, struct mw_err *err);
static void hold_done(struct store_job *job, bool ok, const struct mw_err *err);
static void over(struct ask *a);
static void finish(struct ask *a);
static void save(struct ask *a);
static void ask_end(struct ask *a, bool ok, const struct mw_err *err);
static void ask_free(struct ask *a);
static bool scores_run(struct db *db, struct store_job *job,
    struct mw_err *err);
static void scores_done(struct store_job *job, bool ok,
    const struct mw_err *err);
static void solve_run(struct worker_job *job);
static void solve_done(struct worker_job *job);
static bool save_run(struct db *db, struct store_job *job, struct mw_err *err);
static void save_done(struct store_job *job, bool ok, const struct mw_err *err);
static char *members_text(const struct place_answer *a,
    const struct place_query *q, const struct place_snapshot *s);

/* POST /v1/placements ------------------------------------------------------ */

static void
ask_new(struct httpd_req *req, struct coord *c, int what)
{
	struct ask *a = xcalloc(1, sizeof *a);
	struct place_from from;
	json_t *body;

	a->what = what;
	a->p = c->places;
	a->req = req;
	a->p->pending++;
	if (!httpd_json(req, &body, &a->err)) {
		ask_end(a, false, &a->err);
		return;
	}
	a->query = json_text(body, false);
	a->bytes = strlen(a->query);
	a->p->bytes += a->bytes;
	if (a->p->pending > PENDING_MAX || a->p->bytes > PENDING_BYTES_MAX) {
		err_set(&a->err, MW_LIMIT, 0, "%d placements are under way",
		    PENDING_MAX);
		ask_end(a, false, &a->err);
		return;
	}
	a->body = json_deep_copy(body);
	if (!ask_from(a, &a->err) || !ask_sides(a, &a->err)) {
		ask_end(a, false, &a->err);
		return;
	}
	a->at = clock_wall_ns();
	if (what == ASK_GROUPS) {
		a->timer = loop_timer_new(c->loop, hold_on, a);
		if (c->conf.place_hold_ms)
			loop_timer_set(a->timer,
			    c->conf.place_hold_ms * NS_PER_MS);
		else
			hold_on(a);
	}
	a->addrs = place_addrs_new(a->body);
	a->arena = arena_new();
	from_of(a, &from);
	a->snap = place_cache_get(a->p->cache, c, &from, -1);
	a->store = (struct store_job){ .run = scores_run, .done = scores_done };
	store_submit(c->store, &a->store);
}

static void
post(struct httpd_req *req, void *ctx)
{
	ask_new(req, ctx, ASK_GROUPS);
}

static void
post_whatif(struct httpd_req *req, void *ctx)
{
	ask_new(req, ctx, PLACE_IO_WHATIF);
}

static void
post_pareto(struct httpd_req *req, void *ctx)
{
	ask_new(req, ctx, PLACE_IO_PARETO);
}

static void
post_sizes(struct httpd_req *req, void *ctx)
{
	ask_new(req, ctx, PLACE_IO_SIZES);
}

static void
post_moves(struct httpd_req *req, void *ctx)
{
	ask_new(req, ctx, PLACE_IO_MOVES);
}

static void
post_compare(struct httpd_req *req, void *ctx)
{
	ask_new(req, ctx, PLACE_IO_COMPARE);
}

/* A stored group as members that name connection and spec. */
static json_t *
stored_side(struct places *p, const struct json_at *at, struct mw_err *err)
{
	static const char *const known[] = { "placementId", "rank", NULL };
	struct places_member *m;
	const char *name;
	json_t *list;
	int64_t rank;
	size_t n;

	if (!json_no_others(at, known, err) ||
	    !json_get_str(at, "placementId", true, 31, &name, err) ||
	    !json_get_int(at, "rank", true, 1, 1, 1000, &rank, err) ||
	    !places_members(p, name, rank, &m, &n, err))
		return NULL;
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();

		json_put_str(o, "group", m[i].group);
		json_put_str(o, "connection", m[i].connection);
		json_put_str(o, "spec", m[i].spec);
		json_array_append_new(list, o);
	}
	free(m);
	return list;
}

/* In a comparison {"placementId","rank"} stands for its members; the groups
 * of the question are then those that the members name. */
static bool
ask_sides(struct ask *a, struct mw_err *err)
{
	static const char *const sides[] = { "a", "b" };
	struct json_at root, both, at;

	if (a->what != PLACE_IO_COMPARE)
		return true;
	if (!json_at_root(&root, a->body, err) ||
	    !json_at_key(&both, &root, "compare", true, err))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
		json_t *list;

		if (!json_is_object(json_object_get(both.obj, sides[i])))
			continue;
		if (!json_at_key(&at, &both, sides[i], true, err) ||
		    (list = stored_side(a->p, &at, err)) == NULL)
			return false;
		json_object_set_new(both.obj, sides[i], list);
	}
	return true;
}

/* Takes "from" out of the body: the rest is the query. */
static bool
ask_from(struct ask *a, struct mw_err *err)
{
	static const char *const known[] = { "ns", "mcis", "siteBy", NULL };
	const char *ns, *by;
	struct json_at root, from;
	json_t *list, *name;
	size_t i;

	if (!json_at_root(&root, a->body, err) ||
	    !json_at_key(&from, &root, "from", true, err) ||
	    !json_no_others(&from, known, err) ||
	    !json_get_id(&from, "ns", false, &ns, err) ||
	    !json_get_array(&from, "mcis", true, 1, MCIS_MAX, &list, err) ||
	    !json_get_str(&from, "siteBy", false, 16, &by, err))
		return false;
	if (by && !str_eq(by, "region") && !str_eq(by, "regionSpec")) {
		err_set(err, MW_INVALID, 0, "siteBy is region or regionSpec");
		return err_pointer(err, "/from/siteBy");
	}
	a->by_spec = !by || str_eq(by, "regionSpec");
	a->ns = xstrdup(ns ? ns : "default");
	json_array_foreach(list, i, name)
	{
		if (!json_is_string(name)) {
			err_set(err, MW_INVALID, 0, "must be a name");
			return err_pointer(err, "/from/mcis/%zu", i);
		}
		a->mcis[a->nmcis++] = xstrdup(json_string_value(name));
	}
	json_object_del(a->body, "from");
	return true;
}

static void
from_of(const struct ask *a, struct place_from *out)
{
	*out = (struct place_from){ .ns = a->ns,
		.mcis = (const char *const *)a->mcis,
		.nmcis = a->nmcis,
		.by_spec = a->by_spec };
}

static bool
scores_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct ask *a = container_of(job, struct ask, store);

	for (size_t i = 0; i < a->nmcis; i++)
		if (!place_addrs_load(a->addrs, db, a->ns, a->mcis[i], err))
			return false;
	a->results = place_cache_results(db, err);
	if (a->results < 0)
		return false;
	/* A snapshot of now has them, unless results came since. */
	return (a->snap && a->snap->results == a->results) ||
	    place_scores_read(db, a->at, &a->scores, err);
}

/* The snapshot of now: one that another question made, or a new one. */
static bool
snapshot(struct ask *a)
{
	struct places *p = a->p;
	struct place_from from;
	int64_t began;

	/* It was of now when it was asked for, and no scores were read. */
	if (a->snap && a->snap->results == a->results)
		return true;
	from_of(a, &from);
	place_snapshot_free(a->snap);
	a->snap = place_cache_get(p->cache, p->c, &from, a->results);
	if (a->snap)
		return true;
	began = clock_mono_ns();
	a->snap = place_snapshot_new(p->c, &from, &a->scores, &a->err);
	if (!a->snap)
		return false;
	a->snap->scores = a->scores;
	a->snap->results = a->results;
	memset(&a->scores, 0, sizeof a->scores);
	place_cache_put(p->cache, p->c, &from, a->snap,
	    clock_mono_ns() - began);
	return true;
}

static void
scores_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct ask *a = container_of(job, struct ask, store);

	if (!ok)
		a->err = *err;
	ok = ok && snapshot(a);
	a->work = (struct worker_job){ .run = solve_run, .done = solve_done };
	if (!ok || !worker_submit(a->p->c->pool, &a->work, &a->err))
		over(a);
}

/* Members by connection and spec become members by site and specId. */
static void
resolve_side(json_t *list, const struct place_snapshot *s)
{
	json_t *m;
	size_t i;

	json_array_foreach(list, i, m)
	{
		const char *conn =
		    json_string_value(json_object_get(m, "connection"));
		const char *spec =
		    json_string_value(json_object_get(m, "spec"));

		for (size_t o = 0; conn && spec && o < s->world.noffers; o++) {
			const struct place_offer *f = &s->world.offers[o];

			if (!str_eq(s->offer_connection[o], conn) ||
			    !str_eq(s->offer_spec[o], spec))
				continue;
			json_put_str(m, "site", s->world.sites[f->site].id);
			json_put_str(m, "specId", f->spec_id);
			json_object_del(m, "connection");
			json_object_del(m, "spec");
			break;
		}
	}
}

static bool
past(void *arg)
{
	return clock_mono_ns() > *(int64_t *)arg;
}

/* A curve solves many times: without a deadline of its own it has more. */
static void
curve_run(struct ask *a, const struct json_at *at)
{
	json_t *both = json_object_get(a->body, "compare");
	int64_t ms;

	if (!json_get_int(at, "deadlineMs", true, CURVE_MS, 1, 60000, &ms,
		&a->err))
		return;
	resolve_side(json_object_get(both, "a"), a->snap);
	resolve_side(json_object_get(both, "b"), a->snap);
	a->until_ns = clock_mono_ns() + ms * NS_PER_MS;
	a->answer = place_io_curve((enum place_io_what)a->what, at, &a->world,
	    a->arena, past, &a->until_ns, &a->err);
}

/* On a pool thread: touches only the question. */
static void
solve_run(struct worker_job *job)
{
	struct ask *a = container_of(job, struct ask, work);
	const struct place_world *prepared, *w = &a->world;
	struct place_answer *answer = NULL;
	struct place_query q;
	struct json_at at;

	prepared = place_snapshot_world(a->snap, &a->err);
	if (!prepared || !json_at_root(&at, a->body, &a->err))
		return;
	a->world = *prepared;
	place_addrs_join(a->addrs, a->snap, a->arena, &a->world);
	if (a->what != ASK_GROUPS) {
		curve_run(a, &at);
		return;
	}
	if (!place_io_query(&at, w, a->arena, &q, &a->err))
		return;
	a->until_ns =
	    clock_mono_ns() + (q.deadline_ms ? q.deadline_ms : 200) * NS_PER_MS;
	answer = place_solve(&q, w, q.max_nodes, past, &a->until_ns, &a->err);
	if (!answer)
		return;
	a->answer = place_io_answer(answer, &q, w);
	a->members = members_text(answer, &q, a->snap);
	a->relied = drift_relied_text(answer, &q, w, a->at);
	place_answer_free(answer);
}

/* What to create for each ranked group. */
static char *
members_text(const struct place_answer *a, const struct place_query *q,
    const struct place_snapshot *s)
{
	json_t *all = json_array(), *list, *m;
	char *text;

	for (size_t r = 0; r < a->nranked; r++) {
		list = json_array();
		for (size_t i = 0; i < a->ranked[r].nmembers; i++) {
			const struct place_member *x = &a->ranked[r].members[i];

			if (x->offer == PLACE_NONE)
				continue;
			m = json_object();
			json_put_str(m, "group", q->roles[x->role].name);
			json_put_str(m, "connection",
			    s->offer_connection[x->offer]);
			json_put_str(m, "spec", s->offer_spec[x->offer]);
			json_array_append_new(list, m);
		}
		json_array_append_new(all, list);
	}
	text = json_text(all, false);
	json_decref(all);
	return text;
}

static void
solve_done(struct worker_job *job)
{
	over(container_of(job, struct ask, work));
}

/* It takes long: stores that it is asked, so that it has a number. */
static void
hold_on(void *arg)
{
	struct ask *a = arg;

	if (a->ready)
		return;
	a->holding = true;
	a->hold = (struct store_job){ .run = hold_run, .done = hold_done };
	store_submit(a->p->c->store, &a->hold);
}

static bool
hold_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct ask *a = container_of(job, struct ask, hold);

	return db_place_begin(db, a->at, a->query, &a->id, err);
}

/* On failure nothing is lost: the client waits on. */
static void
hold_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct ask *a = container_of(job, struct ask, hold);
	char where[64];
	json_t *body;

	(void)err;
	a->holding = false;
	if (ok) {
		snprintf(where, sizeof where, "/v1/placements/pl-%lld",
		    (long long)a->id);
		body = json_object();
		json_put_str(body, "placementId", strrchr(where, '/') + 1);
		json_put_str(body, "status", "running");
		json_put_time(body, "createdAt", a->at);
		httpd_reply_header(a->req, "Location", where);
		httpd_reply_json(a->req, 202, body);
		a->req = NULL;
	} else {
		a->id = 0;
	}
	if (a->ready)
		finish(a);
}

/* Nobody waits for an error any more: it becomes the stored answer. */
static json_t *
failure(const struct mw_err *err)
{
	json_t *j = json_object(), *e = json_object();

	json_put_str(j, "status", "failed");
	json_put_str(e, "code", err_code_name(err->code));
	json_put_str(e, "message", err->msg);
	json_put_str(e, "pointer", err->pointer[0] ? err->pointer : NULL);
	json_put(j, "error", e);
	json_put(j, "ranking", json_array());
	return j;
}

/* It is solved, or failed; but first its number must be known. */
static void
over(struct ask *a)
{
	a->ready = true;
	if (a->timer)
		loop_timer_clear(a->timer);
	if (!a->holding)
		finish(a);
}

static void
finish(struct ask *a)
{
	if (!a->answer && a->id) {
		a->answer = failure(&a->err);
		a->text = json_text(a->answer, false);
		a->members = xstrdup("[]");
		save(a);
		return;
	}
	if (!a->answer) {
		ask_end(a, false, &a->err);
		return;
	}
	a->at = clock_wall_ns();
	json_put_time(a->answer, "createdAt", a->at);
	json_put_time(a->answer, "measuredAt", a->snap->measured_at);
	if (a->what != ASK_GROUPS) { /* nobody creates from it */
		ask_end(a, true, NULL);
		return;
	}
	json_put(a->answer, "scores",
	    place_scores_json(&a->snap->scores, a->answer));
	a->text = json_text(a->answer, false);
	save(a);
}

static void
save(struct ask *a)
{
	a->store = (struct store_job){ .run = save_run, .done = save_done };
	store_submit(a->p->c->store, &a->store);
}

static bool
save_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct ask *a = container_of(job, struct ask, store);
	struct db_place row = { .id = a->id,
		.at = a->at,
		.query = a->query,
		.answer = a->text,
		.members = a->members,
		.relied = a->relied,
		.status =
		    json_string_value(json_object_get(a->answer, "status")) };

	return db_place_put(db, &row, &a->id, err);
}

static void
save_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct ask *a = container_of(job, struct ask, store);
	char name[32];

	if (ok) {
		snprintf(name, sizeof name, "pl-%lld", (long long)a->id);
		json_put_str(a->answer, "placementId", name);
		places_keep(a->p, a->id, a->members);
		events_emit(a->p->c->events,
		    &(struct event){ .type = "placement.done",
			.ns = a->ns,
			.to = json_string_value(
			    json_object_get(a->answer, "status")),
			.reason = name });
	}
	ask_end(a, ok, err);
}

static void
ask_end(struct ask *a, bool ok, const struct mw_err *err)
{
	if (a->req && ok)
		httpd_reply_json(a->req, 200, json_incref(a->answer));
	else if (a->req)
		httpd_reply_err(a->req, err);
	a->p->pending--;
	a->p->bytes -= a->bytes;
	ask_free(a);
}

static void
ask_free(struct ask *a)
{
	for (size_t i = 0; i < a->nmcis; i++)
		free(a->mcis[i]);
	loop_timer_free(a->timer);
	place_scores_free(&a->scores);
	place_addrs_free(a->addrs);
	place_snapshot_free(a->snap);
	arena_free(a->arena);
	json_decref(a->answer);
	json_decref(a->body);
	free(a->ns);
	free(a->query);
	free(a->text);
	free(a->members);
	free(a->relied);
	free(a);
}

static const struct httpd_route routes[] = {
	{ "POST", "/v1/placements", post, ROLE_BENCH },
	{ "POST", "/v1/placements/whatif", post_whatif, ROLE_BENCH },
	{ "POST", "/v1/placements/pareto", post_pareto, ROLE_BENCH },
	{ "POST", "/v1/placements/sizes", post_sizes, ROLE_BENCH },
	{ "POST", "/v1/placements/moves", post_moves, ROLE_BENCH },
	{ "POST", "/v1/placements/compare", post_compare, ROLE_BENCH },
	{ "GET", "/v1/placements", api_place_list, ROLE_VIEWER },
	{ "GET", "/v1/placements/{id}", api_place_one, ROLE_VIEWER },
};

const struct api_routes api_place_routes = { routes, ARRAY_LEN(routes) };
