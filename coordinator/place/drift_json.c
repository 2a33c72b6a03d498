/*
 * drift_json.c - what is known of a placement that is watched, for the API and
 * the event.
 */
#include "coordinator/place/drift_int.h"

#include "common/clock.h"
#include "common/pure/str.h"
#include "coordinator/measure/snap.h"

static void
put_ms(json_t *o, const char *key, bool known, int64_t us)
{
	json_put(o, key, known ? json_real((double)us / 1000) : json_null());
}

static void
put_relied(json_t *o, const struct db_drift_pair *p)
{
	json_t *r = json_object();

	put_ms(r, "valueMs", p->relied_us >= 0, p->relied_us);
	json_put(r, "n", p->relied_n < 0 ? NULL : json_integer(p->relied_n));
	json_put_time(r, "measuredAt", p->relied_at < 0 ? 0 : p->relied_at);
	json_put(o, "relied", p->relied_us < 0 ? json_null() : json_incref(r));
	json_decref(r);
}

static void
put_age(json_t *o, const struct drift_value *v)
{
	int64_t age = (clock_wall_ns() - v->at) / NS_PER_S;

	if (v->word == DRIFT_VALUE)
		json_put_int(o, "ageS", age > 0 ? age : 0);
	else
		json_put(o, "ageS", NULL);
}

static void
put_reason(json_t *o, const struct drift_value *v, enum drift_state s)
{
	json_put_str(o, "reason",
	    v->word == DRIFT_NO_ANSWER    ? "noAnswer"
		: v->word == DRIFT_SILENT ? "notMeasured"
		: s == DRIFT_PENDING      ? "tooFewRounds"
					  : NULL);
}

json_t *
drift_pair_json(const struct drift *d, const struct drift_group *g,
    const struct db_drift_pair *p)
{
	const struct lc_mcis *m = drift_mcis(d, g->row.mcis);
	const struct lc_slot *a = lc_slot_find(d->c->lc, p->slot[0]);
	const struct lc_slot *b = lc_slot_find(d->c->lc, p->slot[1]);
	int64_t limit = a && b ? drift_pair_limit(g, a, b) : 0;
	struct drift_value v = { .word = DRIFT_SILENT };
	struct drift_value pool = { .word = DRIFT_SILENT };
	bool known, pooled;
	json_t *o = json_object();

	if (m) {
		drift_look(snap_newest(d->c->snap, m->row.ns, m->row.name), p,
		    g->limits.p95, &v);
		drift_look(snap_pool(d->c->snap, m->row.ns, m->row.name), p,
		    g->limits.p95, &pool);
	}
	known = v.word == DRIFT_VALUE;
	pooled = pool.word == DRIFT_VALUE;
	json_put_str(o, "a", a ? a->vm_id : NULL);
	json_put_str(o, "b", b ? b->vm_id : NULL);
	put_ms(o, "limitMs", true, limit);
	put_ms(o, "valueMs", known, v.us);
	put_ms(o, "pooledMs", pooled, pool.us);
	put_ms(o, "slackMs", known, limit - (int64_t)v.us);
	json_put(o, "n", pooled ? json_integer(pool.n) : json_null());
	put_age(o, &v);
	json_put_str(o, "state", drift_state_name(p->count.state));
	json_put_time(o, "relevantSince", p->since);
	put_reason(o, &v, p->count.state);
	put_relied(o, p);
	return o;
}

json_t *
drift_json(const struct drift *d, const struct lc_mcis *m)
{
	const struct drift_group *g = drift_find_group(d, m->row.mcis_id);
	json_t *o, *list, *move;
	char name[32];

	if (!g)
		return NULL;
	o = json_object();
	list = json_array();
	move = json_object_get(g->move, "move");
	snprintf(name, sizeof name, "pl-%lld", (long long)g->row.placement);
	json_put_str(o, "placementId", name);
	json_put_int(o, "rank", g->row.rank);
	json_put_time(o, "appliedAt", g->row.at);
	json_put_str(o, "state", drift_state_name(g->row.state));
	json_put_time(o, "since", g->row.since);
	json_put_time(o, "judgedAt", g->row.judged);
	json_put_str(o, "rttStat", g->limits.p95 ? "p95" : "p50");
	json_put_str(o, "rttOp", g->limits.le ? "le" : "lt");
	json_put(o, "eventSeq",
	    g->row.event ? json_integer(g->row.event) : json_null());
	for (size_t i = 0; i < g->n; i++)
		json_array_append_new(list,
		    drift_pair_json(d, g, &g->pairs[i]));
	json_put(o, "pairs", list);
	json_put(o, "move", json_incref(move));
	if (g->want)
		json_put_str(o, "moveReason", "a move is being sought");
	else
		json_put(o, "moveReason",
		    json_incref(json_object_get(g->move, "moveReason")));
	return o;
}
