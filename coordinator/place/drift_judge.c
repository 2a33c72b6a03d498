/*
 * drift_judge.c - one round about one MCIS: its pairs as they are now, a step
 * of each, what changed into the store, and the event.
 */
#include "coordinator/place/drift_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/store/db_events.h"
#include "coordinator/events.h"
#include "coordinator/measure/snap.h"

#include <string.h>

/* What is written in one transaction. */
struct save {
	struct store_job job;
	struct drift *d;
	struct db_drift row;
	char *move;
	struct db_drift_pair *put, *gone;
	size_t nput, ngone;
	struct db_event *event; /* or NULL */
};

static struct save *
save_new(struct drift *d, const struct drift_group *g)
{
	struct save *s = xcalloc(1, sizeof *s);

	s->d = d;
	s->row = g->row;
	s->put = xcalloc(g->n + 1, sizeof *s->put);
	s->gone = xcalloc(g->n + 1, sizeof *s->gone);
	return s;
}

static bool
save_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct save *s = container_of(job, struct save, job);
	bool ok = db_drift_update(db, &s->row, err);

	for (size_t i = 0; ok && i < s->ngone; i++)
		ok = db_drift_pair_delete(db, s->row.mcis, &s->gone[i], err);
	for (size_t i = 0; ok && i < s->nput; i++)
		ok = db_drift_pair_put(db, s->row.mcis, &s->put[i], err);
	return ok && (!s->event || db_event_put(db, s->event, err));
}

static void
save_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct save *s = container_of(job, struct save, job);

	if (!ok)
		log_warn("drift", NULL, "not stored\treason=\"%s\"", err->msg);
	if (s->event && ok)
		events_publish(s->d->c->events, s->event);
	else
		free(s->event);
	free(s->move);
	free(s->put);
	free(s->gone);
	free(s);
}

static void
save_submit(struct save *s, const struct drift_group *g)
{
	s->row = g->row;
	s->move = g->move ? json_text(g->move, false) : NULL;
	s->row.move = s->move;
	s->job = (struct store_job){ .run = save_run, .done = save_done };
	store_submit(s->d->c->store, &s->job);
}

/* Its pairs as they are now ------------------------------------------------ */

static const struct db_drift_pair *
pair_of(const struct drift_group *g, int64_t a, int64_t b)
{
	size_t lo = 0, hi = g->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct db_drift_pair *p = &g->pairs[mid];

		if (p->slot[0] == a && p->slot[1] == b)
			return p;
		if (p->slot[0] < a || (p->slot[0] == a && p->slot[1] < b))
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static int
by_slot(const void *a, const void *b)
{
	const struct lc_slot *const *x = a, *const *y = b;

	return (*x)->row.slot_id < (*y)->row.slot_id ? -1
	    : (*x)->row.slot_id > (*y)->row.slot_id  ? 1
						     : 0;
}

/* A new machine begins anew; what it is to be told stays. */
static void
renew(struct db_drift_pair *p, const struct lc_slot *a, const struct lc_slot *b,
    int64_t now)
{
	int64_t gen[2] = { a->row.gen, b->row.gen };
	bool other = false;

	for (int i = 0; i < 2; i++) {
		other |= p->gen[i] && p->gen[i] != gen[i];
		p->gen[i] = gen[i];
	}
	if (!other)
		return;
	memset(&p->count, 0, sizeof p->count);
	p->relied_us = p->relied_n = p->relied_at = -1;
	p->since = now;
}

/* Pairs of VMs that came are new ones, those of VMs that went are gone. */
static void
refresh(struct drift_group *g, const struct lc_mcis *m, struct save *s,
    int64_t now)
{
	const struct lc_slot **v = xcalloc(m->nslots + 1, sizeof *v);
	struct drift_group old = *g;
	size_t k = 0;

	for (const struct lc_slot *x = m->slots; x; x = x->next)
		if (!x->row.drop && drift_role(g, x->row.group))
			v[k++] = x;
	qsort(v, k, sizeof *v, by_slot);
	g->pairs = xcalloc(k * k / 2 + 1, sizeof *g->pairs);
	g->n = 0;
	for (size_t i = 0; i < k; i++)
		for (size_t j = i + 1; j < k; j++) {
			const struct db_drift_pair *was =
			    pair_of(&old, v[i]->row.slot_id, v[j]->row.slot_id);
			struct db_drift_pair *p = &g->pairs[g->n];

			if (drift_pair_limit(g, v[i], v[j]) <= 0)
				continue;
			g->n++;
			*p = was ? *was
				 : (struct db_drift_pair){
					   .slot = { v[i]->row.slot_id,
					       v[j]->row.slot_id },
					   .relied_us = -1,
					   .relied_n = -1,
					   .relied_at = -1,
					   .since = now
				   };
			renew(p, v[i], v[j], now);
		}
	for (size_t i = 0; i < old.n; i++)
		if (!pair_of(g, old.pairs[i].slot[0], old.pairs[i].slot[1]))
			s->gone[s->ngone++] = old.pairs[i];
	free(old.pairs);
	free(v);
}

/* One round ---------------------------------------------------------------- */

static bool
same(const struct drift_count *a, const struct drift_count *b)
{
	return a->state == b->state && a->over == b->over &&
	    a->below == b->below && a->met == b->met &&
	    a->missed == b->missed && a->age == b->age && a->stale == b->stale;
}

/* A pair whose change an event is owed for. */
static bool
owed(const struct db_drift_pair *p)
{
	return p->told != p->count.state &&
	    (drift_bad_state(p->told) || drift_bad_state(p->count.state));
}

/* True if it is to be written. */
static bool
step(const struct drift_group *g, struct db_drift_pair *p, int64_t limit_us,
    const struct matrix *newest, const struct matrix *pool)
{
	const struct drift_limit limit = { limit_us, g->limits.le };
	const struct drift_count was = p->count;
	struct drift_value v, old;
	struct drift_round r;

	drift_look(newest, p, g->limits.p95, &v);
	drift_look(pool, p, g->limits.p95, &old);
	r = (struct drift_round){ .word = v.word,
		.us = v.us,
		.pooled = old.word == DRIFT_VALUE,
		.pool_us = old.us,
		.pool_n = old.n,
		.pool_rounds = old.rounds };
	if (drift_step(&p->count, &limit, &r))
		p->since = newest->at_wall_ns;
	if (!owed(p))
		p->told = p->count.state;
	return !same(&was, &p->count);
}

static void
fold(struct drift_group *g, int64_t at)
{
	enum drift_state s = DRIFT_OK;

	for (size_t i = 0; i < g->n; i++)
		s = drift_worst(s, g->pairs[i].count.state);
	if (s != g->row.state)
		g->row.since = at;
	g->row.state = s;
	if (!drift_bad_state(s) && !drift_bad_state(g->row.told))
		g->row.told = s;
	if (s != DRIFT_DRIFTED) {
		json_decref(g->move);
		g->move = NULL;
	}
}

bool
drift_untold(const struct drift_group *g)
{
	bool any =
	    drift_bad_state(g->row.told) != drift_bad_state(g->row.state);

	for (size_t i = 0; i < g->n; i++)
		any |= owed(&g->pairs[i]);
	return any;
}

void
drift_judge(struct drift *d, struct drift_group *g)
{
	const struct lc_mcis *m = drift_mcis(d, g->row.mcis);
	const struct matrix *x =
	    m ? snap_newest(d->c->snap, m->row.ns, m->row.name) : NULL;
	const struct matrix *pool =
	    x ? snap_pool(d->c->snap, m->row.ns, m->row.name) : NULL;
	struct drift_group old = *g;
	struct save *s;

	/* What is pooled already is no round of its own. */
	if (!x || x->rounds || x->at_wall_ns <= g->row.judged)
		return;
	old.pairs = xcalloc(g->n + 1, sizeof *old.pairs);
	if (g->n)
		memcpy(old.pairs, g->pairs, g->n * sizeof *old.pairs);
	s = save_new(d, g);
	refresh(g, m, s, x->at_wall_ns);
	free(s->put);
	s->put = xcalloc(g->n + 1, sizeof *s->put);
	for (size_t i = 0; i < g->n; i++) {
		struct db_drift_pair *p = &g->pairs[i];
		const struct lc_slot *a = lc_slot_find(d->c->lc, p->slot[0]);
		const struct lc_slot *b = lc_slot_find(d->c->lc, p->slot[1]);
		bool changed = step(g, p, drift_pair_limit(g, a, b), x, pool);
		const struct db_drift_pair *o =
		    pair_of(&old, p->slot[0], p->slot[1]);

		if (changed || !o || o->gen[0] != p->gen[0] ||
		    o->gen[1] != p->gen[1])
			s->put[s->nput++] = *p;
	}
	free(old.pairs);
	g->row.judged = x->at_wall_ns;
	fold(g, x->at_wall_ns);
	save_submit(s, g);
	g->want = drift_untold(g);
}

/* The event ---------------------------------------------------------------- */

static json_t *
detail(const struct drift *d, const struct drift_group *g)
{
	json_t *o = json_object(), *list = json_array();
	char name[32];

	snprintf(name, sizeof name, "pl-%lld", (long long)g->row.placement);
	json_put_str(o, "placementId", name);
	json_put_int(o, "rank", g->row.rank);
	for (size_t i = 0; i < g->n; i++)
		if (owed(&g->pairs[i]))
			json_array_append_new(list,
			    drift_pair_json(d, g, &g->pairs[i]));
	json_put(o, "pairs", list);
	json_put(o, "move", json_incref(json_object_get(g->move, "move")));
	json_put(o, "moveReason",
	    json_incref(json_object_get(g->move, "moveReason")));
	return o;
}

/* "web-1 db-1: 61.2 of 40 ms", of the pair that is most over. */
static void
say(const struct drift *d, const struct drift_group *g, char *out, size_t size)
{
	const struct lc_mcis *m = drift_mcis(d, g->row.mcis);
	const struct matrix *x =
	    m ? snap_newest(d->c->snap, m->row.ns, m->row.name) : NULL;
	double most = -1;

	str_copy(out, size, "all pairs meet their limits again");
	for (size_t i = 0; i < g->n; i++) {
		const struct db_drift_pair *p = &g->pairs[i];
		const struct lc_slot *a = lc_slot_find(d->c->lc, p->slot[0]);
		const struct lc_slot *b = lc_slot_find(d->c->lc, p->slot[1]);
		int64_t limit = a && b ? drift_pair_limit(g, a, b) : 0;
		struct drift_value v;
		double over;

		if (!drift_bad_state(p->count.state) || limit <= 0)
			continue;
		drift_look(x, p, g->limits.p95, &v);
		over =
		    v.word == DRIFT_VALUE ? (double)v.us / (double)limit : 1e9;
		if (over <= most)
			continue;
		most = over;
		if (p->count.state == DRIFT_LOST)
			snprintf(out, size, "%s %s: no answer", a->vm_id,
			    b->vm_id);
		else
			snprintf(out, size, "%s %s: %.3f ms, limit %.3f ms",
			    a->vm_id, b->vm_id, (double)v.us / 1000,
			    (double)limit / 1000);
	}
}

void
drift_tell(struct drift *d, struct drift_group *g)
{
	const struct lc_mcis *m = drift_mcis(d, g->row.mcis);
	struct save *s;
	json_t *what;
	char reason[256];

	g->want = false;
	if (!m || !drift_untold(g))
		return;
	what = detail(d, g);
	say(d, g, reason, sizeof reason);
	s = save_new(d, g);
	s->event = events_make(d->c->events,
	    &(struct event){ .type = DRIFT_EVENT,
		.ns = m->row.ns,
		.mcis = m->row.name,
		.from = drift_state_name(g->row.told),
		.to = drift_state_name(g->row.state),
		.reason = reason,
		.detail = what });
	json_decref(what);
	for (size_t i = 0; i < g->n; i++) {
		struct db_drift_pair *p = &g->pairs[i];

		if (p->told == p->count.state)
			continue;
		p->told = p->count.state;
		s->put[s->nput++] = *p;
	}
	g->row.told = g->row.state;
	g->row.event = (int64_t)s->event->seq;
	save_submit(s, g);
}
