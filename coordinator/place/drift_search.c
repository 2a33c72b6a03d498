/*
 * drift_search.c - looks for a move: scores from the store, a snapshot on the
 * loop, drift_find() on the pool, then the event. One at a time.
 */
#include "coordinator/place/drift_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/place/drift_find.h"
#include "coordinator/measure/snap.h"

#define FROM_MAX 65 /* measurements of its question's MCIS, and its own */

struct search {
	struct drift *d;
	int64_t mcis;
	char ns[LC_ID_LEN], name[LC_ID_LEN];
	struct place_scores scores;
	struct place_snapshot *snap;
	struct drift_vm *vms;
	char (*names)[LC_VM_ID_LEN]; /* of vms */
	struct drift_seen *seen;
	struct drift_ask ask;
	struct drift_move move;
	int64_t at, until_ns;
	struct store_job store;
	struct worker_job work;
	struct mw_err err;
};

static bool scores_run(struct db *db, struct store_job *job,
    struct mw_err *err);
static void scores_done(struct store_job *job, bool ok,
    const struct mw_err *err);
static bool prepare(struct search *s, const struct drift_group *g,
    const struct lc_mcis *m);
static void find_run(struct worker_job *job);
static void find_done(struct worker_job *job);
static void search_end(struct search *s);
static json_t *move_json(const struct search *s);

void
drift_search(struct drift *d)
{
	for (struct drift_group *g = d->groups; g; g = g->next) {
		const struct lc_mcis *m = drift_mcis(d, g->row.mcis);
		struct search *s;

		if (!g->want || !m)
			continue;
		if (g->row.state != DRIFT_DRIFTED) { /* nothing to mend */
			drift_tell(d, g);
			continue;
		}
		if (d->busy || d->stopped)
			continue;
		d->busy = true;
		s = xcalloc(1, sizeof *s);
		s->d = d;
		s->mcis = g->row.mcis;
		str_copy(s->ns, sizeof s->ns, m->row.ns);
		str_copy(s->name, sizeof s->name, m->row.name);
		s->at = clock_wall_ns();
		s->store = (struct store_job){ .run = scores_run,
			.done = scores_done };
		store_submit(d->c->store, &s->store);
	}
}

static bool
scores_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct search *s = container_of(job, struct search, store);

	return place_scores_read(db, s->at, &s->scores, err);
}

static void
scores_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct search *s = container_of(job, struct search, store);
	struct drift_group *g = drift_find_group(s->d, s->mcis);
	const struct lc_mcis *m = drift_mcis(s->d, s->mcis);

	if (!ok)
		s->err = *err;
	else if (!g || !m || s->d->stopped)
		err_set(&s->err, MW_CANCELED, 0, "the search was stopped");
	else if (prepare(s, g, m)) {
		s->until_ns = clock_mono_ns() + DRIFT_FIND_NS;
		s->work =
		    (struct worker_job){ .run = find_run, .done = find_done };
		if (worker_submit(s->d->c->pool, &s->work, &s->err))
			return;
	}
	search_end(s);
}

/* The MCIS of the question that still are, and its own. */
static struct place_snapshot *
snapshot(struct search *s, const struct drift_group *g)
{
	const json_t *from = json_object_get(g->query, "from"), *v;
	const char *ns = json_string_value(json_object_get(from, "ns"));
	const char *by = json_string_value(json_object_get(from, "siteBy"));
	const char *names[FROM_MAX], *spaces[FROM_MAX];
	struct place_from pf = { .ns = s->ns,
		.mcis = names,
		.nss = spaces,
		.by_spec = !by || str_eq(by, "regionSpec") };
	size_t i;

	ns = ns ? ns : "default";
	names[pf.nmcis] = s->name;
	spaces[pf.nmcis++] = s->ns;
	json_array_foreach(json_object_get(from, "mcis"), i, v)
	{
		const char *name = json_string_value(v);

		if (!name || pf.nmcis == FROM_MAX ||
		    (str_eq(name, s->name) && str_eq(ns, s->ns)) ||
		    !lc_mcis_find(s->d->c->lc, ns, name))
			continue;
		names[pf.nmcis] = name;
		spaces[pf.nmcis++] = ns;
	}
	return place_snapshot_new(s->d->c, &pf, &s->scores, &s->err);
}

static size_t
index_of(const struct search *s, size_t n, int64_t slot)
{
	size_t i = 0;

	while (i < n && s->vms[i].slot != slot)
		i++;
	return i;
}

/* The newest round counts, except for one bad round of a pair that is ok. */
static void
see(struct search *s, const struct drift_group *g)
{
	const struct matrix *x = snap_newest(s->d->c->snap, s->ns, s->name);

	s->seen = xcalloc(g->n + 1, sizeof *s->seen);
	for (size_t i = 0; i < g->n; i++) {
		const struct db_drift_pair *p = &g->pairs[i];
		size_t a = index_of(s, s->ask.nvms, p->slot[0]);
		size_t b = index_of(s, s->ask.nvms, p->slot[1]);
		struct drift_limit limit = { 0, g->limits.le };
		struct drift_seen *out = &s->seen[s->ask.nseen];
		struct drift_value v;

		if (a == s->ask.nvms || b == s->ask.nvms)
			continue;
		limit.us =
		    drift_limits_of(&g->limits, s->vms[a].role, s->vms[b].role);
		drift_look(x, p, g->limits.p95, &v);
		*out = (struct drift_seen){ a, b, p->count.state == DRIFT_LOST,
			v.us };
		if (p->count.state == DRIFT_DRIFTED &&
		    (v.word != DRIFT_VALUE || !drift_over(&limit, v.us)))
			out->us = (uint32_t)limit.us + limit.le;
		else if (p->count.state == DRIFT_OK &&
		    (v.word != DRIFT_VALUE || drift_over(&limit, v.us)))
			continue;
		else if (p->count.state == DRIFT_PENDING)
			continue;
		s->ask.nseen++;
	}
	s->ask.seen = s->seen;
}

/* On the loop: copies all that the search needs. */
static bool
prepare(struct search *s, const struct drift_group *g, const struct lc_mcis *m)
{
	json_t *body;

	s->snap = snapshot(s, g);
	if (!s->snap)
		return false;
	s->vms = xcalloc(m->nslots + 1, sizeof *s->vms);
	s->names = xcalloc(m->nslots + 1, sizeof *s->names);
	for (const struct lc_slot *v = m->slots; v; v = v->next) {
		const char *role = drift_role(g, v->row.group);
		struct drift_vm *o = &s->vms[s->ask.nvms];

		if (!role || v->row.drop)
			continue;
		o->slot = v->row.slot_id;
		o->gen = v->row.gen;
		str_copy(o->role, sizeof o->role, role);
		str_copy(o->connection, sizeof o->connection,
		    v->row.spec.connection);
		str_copy(o->spec, sizeof o->spec, v->row.spec.spec);
		str_copy(s->names[s->ask.nvms++], LC_VM_ID_LEN, v->vm_id);
	}
	see(s, g);
	body = json_deep_copy(g->query);
	json_object_del(body, "from");
	s->ask.body = body;
	s->ask.snap = s->snap;
	s->ask.vms = s->vms;
	return true;
}

static bool
past(void *arg)
{
	return clock_mono_ns() > *(int64_t *)arg;
}

/* On a pool thread: touches only the search. */
static void
find_run(struct worker_job *job)
{
	struct search *s = container_of(job, struct search, work);

	s->ask.stop = past;
	s->ask.stop_arg = &s->until_ns;
	drift_find(&s->ask, &s->move);
}

static void
find_done(struct worker_job *job)
{
	struct search *s = container_of(job, struct search, work);

	if (!s->move.n && !s->move.reason)
		err_set(&s->err, MW_CANCELED, 0, "the search was stopped");
	search_end(s);
}

/* The event goes out with a move, or with why there is none; one that was
 * stopped is told after the next start. */
static void
search_end(struct search *s)
{
	struct drift *d = s->d;
	struct drift_group *g = drift_find_group(d, s->mcis);

	if (g && !d->stopped && g->row.state == DRIFT_DRIFTED) {
		json_decref(g->move);
		g->move = move_json(s);
	}
	if (g && !d->stopped)
		drift_tell(d, g);
	place_scores_free(&s->scores);
	place_snapshot_free(s->snap);
	json_decref(s->ask.body);
	free(s->vms);
	free(s->names);
	free(s->seen);
	free(s);
	d->busy = false;
	drift_search(d);
}

static json_t *
place_json(const char *site, const char *connection, const char *spec)
{
	json_t *o = json_object();

	json_put_str(o, "site", site);
	json_put_str(o, "connection", connection);
	json_put_str(o, "spec", spec);
	return o;
}

static json_t *
commands(const struct search *s)
{
	json_t *list = json_array();

	json_array_append_new(list,
	    json_sprintf("milkyway drift %s --file > %s.json", s->name,
		s->name));
	json_array_append_new(list,
	    json_sprintf("milkyway mcis create -f %s.json --allow-remove "
			 "--allow-replace",
		s->name));
	return list;
}

static json_t *
one_json(const struct search *s)
{
	const struct drift_move *m = &s->move;
	json_t *o = json_object(), *list = json_array();

	for (size_t i = 0; i < m->n; i++) {
		const struct drift_vm *v = &s->vms[m->to[i].vm];
		json_t *e = json_object();

		json_put_str(e, "vmId", s->names[m->to[i].vm]);
		json_put_str(e, "role", v->role);
		json_put(e, "from",
		    place_json(m->to[i].from_site, v->connection, v->spec));
		json_put(e, "to",
		    place_json(m->to[i].site, m->to[i].connection,
			m->to[i].spec));
		json_array_append_new(list, e);
	}
	json_put(o, "vms", list);
	json_put(o, "worstRttMs",
	    m->has_worst ? json_real((double)m->worst_us / 1000) : NULL);
	json_put(o, "slackMs",
	    m->has_worst ? json_real((double)m->slack_us / 1000) : NULL);
	json_put(o, "costPerHourMicros",
	    m->has_cost ? json_integer(m->cost) : NULL);
	json_put(o, "costChangePerHourMicros",
	    m->has_cost ? json_integer(m->cost_change) : NULL);
	json_put_bool(o, "searchCut", m->cut);
	json_put(o, "commands", commands(s));
	return o;
}

static json_t *
move_json(const struct search *s)
{
	json_t *o = json_object();

	json_put(o, "move", s->move.n ? one_json(s) : NULL);
	json_put_str(o, "moveReason",
	    s->move.n            ? NULL
		: s->move.reason ? s->move.reason
				 : s->err.msg);
	json_put_time(o, "at", s->at);
	return o;
}
