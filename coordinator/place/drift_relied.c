/*
 * drift_relied.c - the assumptions of an answer as JSON, and back.
 */
#include "coordinator/place/drift_relied.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

int64_t
drift_query_limit(const struct place_limits *l, uint32_t a, uint32_t b)
{
	for (size_t i = 0; i < l->npairs; i++) {
		const struct place_pair_limit *p = &l->pairs[i];

		if ((p->a == a && p->b == b) || (p->a == b && p->b == a))
			return p->max_rtt_us;
	}
	return l->max_rtt_us;
}

static json_t *
limits_json(const struct place_query *q)
{
	json_t *list = json_array();

	for (uint32_t a = 0; a < q->nroles; a++)
		for (uint32_t b = a; b < q->nroles; b++) {
			int64_t us = drift_query_limit(&q->limits, a, b);
			json_t *o;

			if (us <= 0 || (a == b && q->roles[a].count < 2))
				continue;
			o = json_object();
			json_put_str(o, "a", q->roles[a].name);
			json_put_str(o, "b", q->roles[b].name);
			json_put_int(o, "us", us);
			json_array_append_new(list, o);
		}
	return list;
}

static json_t *
or_null(bool known, int64_t v)
{
	return known ? json_integer(v) : json_null();
}

/* A cell of the direction that is known; of both the fewest, the oldest. */
static uint32_t
worst_of(const uint32_t *v, size_t there, size_t back, bool most)
{
	if (!v)
		return PLACE_UNKNOWN;
	if (v[there] == PLACE_UNKNOWN || v[back] == PLACE_UNKNOWN)
		return v[there] == PLACE_UNKNOWN ? v[back] : v[there];
	return (v[there] > v[back]) == most ? v[there] : v[back];
}

static json_t *
pair_json(size_t i, size_t j, const struct place_query *q,
    const struct place_world *w, uint32_t a, uint32_t b, int64_t at)
{
	size_t there = (size_t)a * w->nsites + b;
	size_t back = (size_t)b * w->nsites + a;
	uint32_t us = place_pair_rtt(q, w, a, b);
	uint32_t n = worst_of(w->rtt_n, there, back, false);
	uint32_t age = worst_of(w->rtt_age_s, there, back, true);
	json_t *p = json_array();

	json_array_append_new(p, json_integer((json_int_t)i));
	json_array_append_new(p, json_integer((json_int_t)j));
	json_array_append_new(p, or_null(us != PLACE_UNKNOWN, us));
	json_array_append_new(p, or_null(n != PLACE_UNKNOWN, n));
	json_array_append_new(p,
	    or_null(age != PLACE_UNKNOWN, at / NS_PER_S - age));
	return p;
}

/* Members without an offer are not kept, nor counted here. */
static json_t *
rank_json(const struct place_ranked *r, const struct place_query *q,
    const struct place_world *w, int64_t at)
{
	json_t *list = json_array();
	size_t i = 0, j;

	for (size_t x = 0; x < r->nmembers; x++) {
		const struct place_member *a = &r->members[x];

		if (a->offer == PLACE_NONE)
			continue;
		j = i + 1;
		for (size_t y = x + 1; y < r->nmembers; y++) {
			const struct place_member *b = &r->members[y];

			if (b->offer == PLACE_NONE)
				continue;
			if (drift_query_limit(&q->limits, a->role, b->role) > 0)
				json_array_append_new(list,
				    pair_json(i, j, q, w, a->site, b->site,
					at));
			j++;
		}
		i++;
	}
	return list;
}

char *
drift_relied_text(const struct place_answer *a, const struct place_query *q,
    const struct place_world *w, int64_t at)
{
	json_t *o = json_object(), *ranks = json_array();
	size_t n = 0;
	char *text;

	json_put_str(o, "stat", q->limits.stat == PLACE_P95 ? "p95" : "p50");
	json_put_str(o, "op", q->limits.le ? "le" : "lt");
	json_put(o, "limits", limits_json(q));
	for (size_t r = 0; r < a->nranked; r++) {
		size_t k = a->ranked[r].nmembers;

		n += k * k / 2;
		json_array_append_new(ranks,
		    n > RELIED_PAIRS_MAX ? json_null()
					 : rank_json(&a->ranked[r], q, w, at));
	}
	json_put(o, "ranks", ranks);
	text = json_text(o, false);
	json_decref(o);
	return text;
}

char *
drift_limits_text(const json_t *relied)
{
	json_t *o = json_copy((json_t *)(uintptr_t)relied);
	char *text;

	json_object_del(o, "ranks");
	text = json_text(o, false);
	json_decref(o);
	return text;
}

static const char *
word(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

void
drift_limits_read(struct drift_limits *l, const json_t *j)
{
	json_t *list = json_object_get(j, "limits"), *o;
	size_t i;

	memset(l, 0, sizeof *l);
	l->p95 = !str_eq(word(j, "stat"), "p50");
	l->le = str_eq(word(j, "op"), "le");
	l->v = xcalloc(json_array_size(list) + 1, sizeof *l->v);
	json_array_foreach(list, i, o)
	{
		struct drift_role_limit *r = &l->v[l->n];

		str_copy(r->a, sizeof r->a, word(o, "a"));
		str_copy(r->b, sizeof r->b, word(o, "b"));
		r->us = json_integer_value(json_object_get(o, "us"));
		l->n += r->us > 0;
	}
}

void
drift_limits_free(struct drift_limits *l)
{
	free(l->v);
	l->v = NULL;
	l->n = 0;
}

int64_t
drift_limits_of(const struct drift_limits *l, const char *a, const char *b)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct drift_role_limit *r = &l->v[i];

		if ((str_eq(r->a, a) && str_eq(r->b, b)) ||
		    (str_eq(r->a, b) && str_eq(r->b, a)))
			return r->us;
	}
	return 0;
}

static int64_t
number(const json_t *list, size_t i)
{
	const json_t *v = json_array_get(list, i);

	return json_is_integer(v) ? json_integer_value(v) : -1;
}

struct db_drift_pair *
drift_relied_pairs(const json_t *relied, int64_t rank,
    const struct drift_vm *vms, size_t nvms, size_t *n)
{
	json_t *list = rank < 1
	    ? NULL
	    : json_array_get(json_object_get(relied, "ranks"),
		  (size_t)rank - 1);
	struct db_drift_pair *out;
	json_t *p;
	size_t k;

	*n = 0;
	if (!json_is_array(list))
		return NULL;
	out = xcalloc(json_array_size(list) + 1, sizeof *out);
	json_array_foreach(list, k, p)
	{
		int64_t i = number(p, 0), j = number(p, 1), at = number(p, 4);
		struct db_drift_pair *x = &out[*n];
		bool turn;

		if (i < 0 || j < 0 || i == j || (size_t)i >= nvms ||
		    (size_t)j >= nvms)
			continue;
		turn = vms[i].slot > vms[j].slot;
		x->slot[turn] = vms[i].slot;
		x->slot[!turn] = vms[j].slot;
		x->gen[turn] = vms[i].gen;
		x->gen[!turn] = vms[j].gen;
		x->relied_us = number(p, 2);
		x->relied_n = number(p, 3);
		x->relied_at = at < 0 ? -1 : at * NS_PER_S;
		*n += 1;
	}
	return out;
}
