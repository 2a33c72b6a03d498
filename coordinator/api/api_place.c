/*
 * api_place.c - placements over HTTP: scores from the store, a snapshot on the
 * loop, the solver on the pool, the answer into the store, then the reply.
 *
 * The members of the newest answers stay in memory, so that a group can be
 * created from one at once. At most PENDING_MAX questions are under way.
 */
#include "coordinator/api/api_place.h"

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

#define PENDING_MAX 64
#define MCIS_MAX 64
#define KEEP_MEMBERS 200
#define LIST_MAX 200
#define CURVE_MS 5000

#define ASK_GROUPS (-1)

struct kept { /* members of one stored answer */
	int64_t id;
	char *members;
	struct kept *next;
};

struct places {
	struct coord *c;
	size_t pending;
	struct kept *kept; /* newest first */
};

/* One question on its way; each stage hands it to the next. */
struct ask {
	struct places *p;
	struct httpd_req *req; /* answered once, also if the client left */
	json_t *body;
	char *ns, *mcis[MCIS_MAX];
	size_t nmcis;
	bool by_spec;
	struct place_scores scores;
	struct place_addrs *addrs;
	struct place_snapshot *snap;
	int what; /* enum place_io_what, or ASK_GROUPS */
	json_t *answer;
	char *query, *text, *members, *relied;
	int64_t id, at, until_ns;
	struct store_job store;
	struct worker_job work;
	struct mw_err err;
};

static bool ask_from(struct ask *a, struct mw_err *err);
static bool ask_sides(struct ask *a, struct mw_err *err);
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
static void keep(struct places *p, int64_t id, const char *members);
static char *members_text(const struct place_answer *a,
    const struct place_query *q, const struct place_snapshot *s);
static bool load(struct db *db, void *arg, struct mw_err *err);

struct places *
places_new(struct coord *c, struct mw_err *err)
{
	struct places *p = xcalloc(1, sizeof *p);

	p->c = c;
	if (!store_run_now(c->store, load, p, err)) {
		places_free(p);
		return NULL;
	}
	return p;
}

void
places_free(struct places *p)
{
	struct kept *k;

	if (!p)
		return;
	while ((k = p->kept) != NULL) {
		p->kept = k->next;
		free(k->members);
		free(k);
	}
	free(p);
}

bool
places_id(const char *name, int64_t *id, struct mw_err *err)
{
	if (name && str_starts(name, "pl-") &&
	    num_parse_i64(name + 3, strlen(name + 3), 1, INT64_MAX, id))
		return true;
	return err_set(err, MW_INVALID, 0, "not a placement: %s",
	    name ? name : "");
}

static bool
member_get(struct places_member *out, json_t *m, struct mw_err *err)
{
	struct json_at at;
	const char *group, *conn, *spec;

	if (!json_at_root(&at, m, err) ||
	    !json_get_str(&at, "group", true, 63, &group, err) ||
	    !json_get_str(&at, "connection", true, 127, &conn, err) ||
	    !json_get_str(&at, "spec", true, 127, &spec, err))
		return false;
	str_copy(out->group, sizeof out->group, group);
	str_copy(out->connection, sizeof out->connection, conn);
	str_copy(out->spec, sizeof out->spec, spec);
	return true;
}

bool
places_members(struct places *p, const char *name, int64_t rank,
    struct places_member **out, size_t *n, struct mw_err *err)
{
	struct kept *k = p->kept;
	json_t *all, *list;
	bool ok = true;
	int64_t id;

	if (!places_id(name, &id, err))
		return false;
	while (k && k->id != id)
		k = k->next;
	if (!k) {
		err_set(err, MW_NOT_FOUND, 0, "no placement %s", name);
		return err_hint(err, "GET /v1/placements lists them");
	}
	all = json_parse(k->members, strlen(k->members), SIZE_MAX, err);
	if (!all)
		return false;
	list = rank < 1 ? NULL : json_array_get(all, (size_t)rank - 1);
	if (!list) {
		ok = json_array_size(all)
		    ? err_set(err, MW_NOT_FOUND, 0, "%s ranks %zu groups", name,
			  json_array_size(all))
		    : err_set(err, MW_CONFLICT, 0,
			  "%s found no group that meets its limits", name);
		goto out;
	}
	*n = json_array_size(list);
	*out = xcalloc(*n + 1, sizeof **out);
	for (size_t i = 0; ok && i < *n; i++)
		ok = member_get(&(*out)[i], json_array_get(list, i), err);
	if (!ok)
		free(*out);
out:
	json_decref(all);
	return ok;
}

/* POST /v1/placements ------------------------------------------------------ */

static void
ask_new(struct httpd_req *req, struct coord *c, int what)
{
	struct ask *a = xcalloc(1, sizeof *a);
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
	a->body = json_deep_copy(body);
	if (a->p->pending > PENDING_MAX) {
		err_set(&a->err, MW_LIMIT, 0, "%d placements are under way",
		    PENDING_MAX);
		ask_end(a, false, &a->err);
		return;
	}
	if (!ask_from(a, &a->err) || !ask_sides(a, &a->err)) {
		ask_end(a, false, &a->err);
		return;
	}
	a->at = clock_wall_ns();
	a->addrs = place_addrs_new(a->body);
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

static bool
scores_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct ask *a = container_of(job, struct ask, store);

	for (size_t i = 0; i < a->nmcis; i++)
		if (!place_addrs_load(a->addrs, db, a->ns, a->mcis[i], err))
			return false;
	return place_scores_read(db, a->at, &a->scores, err);
}

static void
scores_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct ask *a = container_of(job, struct ask, store);
	struct place_from from = { .ns = a->ns,
		.mcis = (const char *const *)a->mcis,
		.nmcis = a->nmcis,
		.by_spec = a->by_spec };

	if (ok) {
		a->snap =
		    place_snapshot_new(a->p->c, &from, &a->scores, &a->err);
		ok = a->snap != NULL;
	} else {
		a->err = *err;
	}
	if (ok)
		place_addrs_join(a->addrs, a->snap);
	a->work = (struct worker_job){ .run = solve_run, .done = solve_done };
	if (!ok || !worker_submit(a->p->c->pool, &a->work, &a->err))
		ask_end(a, false, &a->err);
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
	a->answer = place_io_curve((enum place_io_what)a->what, at,
	    &a->snap->world, a->snap->arena, past, &a->until_ns, &a->err);
}

/* On a pool thread: touches only the question. */
static void
solve_run(struct worker_job *job)
{
	struct ask *a = container_of(job, struct ask, work);
	const struct place_world *w = &a->snap->world;
	struct place_answer *answer = NULL;
	struct place_query q;
	struct json_at at;

	if (!json_at_root(&at, a->body, &a->err))
		return;
	if (a->what != ASK_GROUPS) {
		curve_run(a, &at);
		return;
	}
	if (!place_io_query(&at, w, a->snap->arena, &q, &a->err))
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
	struct ask *a = container_of(job, struct ask, work);

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
	json_put(a->answer, "scores", place_scores_json(&a->scores, a->answer));
	a->text = json_text(a->answer, false);
	a->store = (struct store_job){ .run = save_run, .done = save_done };
	store_submit(a->p->c->store, &a->store);
}

static bool
save_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct ask *a = container_of(job, struct ask, store);
	struct db_place row = { .at = a->at,
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
		keep(a->p, a->id, a->members);
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
	if (ok)
		httpd_reply_json(a->req, 200, json_incref(a->answer));
	else
		httpd_reply_err(a->req, err);
	a->p->pending--;
	ask_free(a);
}

static void
ask_free(struct ask *a)
{
	for (size_t i = 0; i < a->nmcis; i++)
		free(a->mcis[i]);
	place_scores_free(&a->scores);
	place_addrs_free(a->addrs);
	place_snapshot_free(a->snap);
	json_decref(a->answer);
	json_decref(a->body);
	free(a->ns);
	free(a->query);
	free(a->text);
	free(a->members);
	free(a->relied);
	free(a);
}

static void
keep(struct places *p, int64_t id, const char *members)
{
	struct kept *k = xcalloc(1, sizeof *k), **end;
	size_t n = 0;

	k->id = id;
	k->members = xstrdup(members);
	k->next = p->kept;
	p->kept = k;
	for (end = &p->kept; *end && n < KEEP_MEMBERS; end = &(*end)->next)
		n++;
	if (*end) {
		free((*end)->members);
		free(*end);
		*end = NULL;
	}
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, members FROM (SELECT id, members FROM placement "
	    "ORDER BY id DESC LIMIT ?) ORDER BY id");

	db_bind(st, "i", (int64_t)KEEP_MEMBERS);
	while (db_row(db, st, err))
		keep(arg, sqlite3_column_int64(st, 0), db_text(st, 1));
	return err->code == MW_OK;
}

/* GET ---------------------------------------------------------------------- */

struct look {
	struct httpd_req *req;
	int64_t id; /* 0: all */
	struct str text, members;
	struct store_job store;
};

static bool
look_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct look *l = container_of(job, struct look, store);

	if (l->id)
		return db_place_get(db, l->id, &l->text, &l->members, err);
	return db_place_list(db, LIST_MAX, &l->text, err);
}

static void
look_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct look *l = container_of(job, struct look, store);
	struct mw_err bad = MW_ERR_INIT;
	struct str body = STR_INIT;
	json_t *j;
	char name[32];

	if (!ok) {
		httpd_reply_err(l->req, err);
	} else if (!l->id) {
		str_addf(&body, "{\"items\":[%s]}", str_cstr(&l->text));
		httpd_reply(l->req, 200, "application/json", body.p, body.len);
	} else if ((j = json_parse(l->text.p, l->text.len, SIZE_MAX, &bad))) {
		snprintf(name, sizeof name, "pl-%lld", (long long)l->id);
		json_put_str(j, "placementId", name);
		httpd_reply_json(l->req, 200, j);
	} else {
		httpd_reply_err(l->req, &bad);
	}
	str_free(&body);
	str_free(&l->text);
	str_free(&l->members);
	free(l);
}

static void
look(struct httpd_req *req, struct coord *c, int64_t id)
{
	struct look *l = xcalloc(1, sizeof *l);

	l->req = req;
	l->id = id;
	l->store = (struct store_job){ .run = look_run, .done = look_done };
	store_submit(c->store, &l->store);
}

static void
get_list(struct httpd_req *req, void *ctx)
{
	look(req, ctx, 0);
}

static void
get_one(struct httpd_req *req, void *ctx)
{
	struct mw_err err = MW_ERR_INIT;
	int64_t id;

	if (places_id(httpd_param(req, "id"), &id, &err))
		look(req, ctx, id);
	else
		httpd_reply_err(req, &err);
}

static const struct httpd_route routes[] = {
	{ "POST", "/v1/placements", post, ROLE_BENCH },
	{ "POST", "/v1/placements/whatif", post_whatif, ROLE_BENCH },
	{ "POST", "/v1/placements/pareto", post_pareto, ROLE_BENCH },
	{ "POST", "/v1/placements/sizes", post_sizes, ROLE_BENCH },
	{ "POST", "/v1/placements/moves", post_moves, ROLE_BENCH },
	{ "POST", "/v1/placements/compare", post_compare, ROLE_BENCH },
	{ "GET", "/v1/placements", get_list, ROLE_VIEWER },
	{ "GET", "/v1/placements/{id}", get_one, ROLE_VIEWER },
};

const struct api_routes api_place_routes = { routes, ARRAY_LEN(routes) };
