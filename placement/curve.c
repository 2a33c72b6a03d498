/*
 * curve.c - sweeps over the limit on pairs: the what-if curve, smallest limits
 * by size, what one move would bring, how near the answer is to changing.
 * Owns nothing between calls; solves with the library's own functions.
 */
#include "placement/curve.h"

#include "placement/explain.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_POINTS 200
#define ANY_KNOWN ((int64_t)PLACE_UNKNOWN - 1)

/* Does the swept limit, and no pair limit, hold between the roles? */
static bool
swept(const struct place_query *q, uint32_t a, uint32_t b)
{
	const struct place_limits *l = &q->limits;

	for (size_t i = 0; i < l->npairs; i++)
		if ((l->pairs[i].a == a && l->pairs[i].b == b) ||
		    (l->pairs[i].a == b && l->pairs[i].b == a))
			return false;
	return true;
}

/* The worst time under the swept limit; false: no such pair. */
static bool
worst_of(const struct place_ranked *r, const struct place_query *q,
    const struct place_world *w, uint32_t *out)
{
	bool any = false;

	*out = 0;
	for (size_t i = 0; i < r->nmembers; i++)
		for (size_t j = i + 1; j < r->nmembers; j++) {
			const struct place_member *a = &r->members[i];
			const struct place_member *b = &r->members[j];
			uint32_t d;

			if (!swept(q, a->role, b->role))
				continue;
			d = place_pair_rtt(q, w, a->site, b->site);
			any = true;
			if (d > *out)
				*out = d;
		}
	return any;
}

/* Equal parts are equally good, whatever the order of the terms. */
static bool
as_good(const struct place_ranked *a, const struct place_ranked *b, size_t n)
{
	return a->score == b->score &&
	    memcmp(a->parts, b->parts, n * sizeof *a->parts) == 0;
}

/* Limits that admit less than us. 0 is none, so nothing is below 1 us. */
static int64_t
limit_below(const struct place_query *q, uint32_t us)
{
	return q->limits.le ? (int64_t)us - 1 : (int64_t)us;
}

static struct place_answer *
best_below(const struct place_query *q, const struct place_world *w,
    int64_t limit, struct pl_ctl *ctl, struct mw_err *err)
{
	struct place_query one = *q;

	one.limits.max_rtt_us = limit;
	one.topk = 1;
	return pl_solve_plain(&one, w, ctl, err);
}

/* Copies a group and all it refers to into the arena. */
static void
keep(struct place_ranked *to, const struct place_ranked *from,
    const struct place_query *q, const struct place_world *w,
    struct arena *arena)
{
	const char *broken[1];

	memset(to, 0, sizeof *to);
	to->nmembers = from->nmembers;
	to->members =
	    arena_array(arena, from->nmembers + 1, sizeof *to->members);
	memcpy(to->members, from->members,
	    from->nmembers * sizeof *to->members);
	(void)place_verify(to, q, w, arena, broken, 0);
	if (to->worst.known)
		pl_rank_pair(&to->worst, q, w);
}

static bool
add_point(struct place_curve *c, const struct place_answer *a,
    const struct place_query *q, const struct place_world *w, int64_t limit,
    bool first)
{
	struct place_point *p = &c->points[c->n++];

	keep(&p->group, &a->ranked[0], q, w, c->arena);
	p->has_worst = worst_of(&p->group, q, w, &p->worst_us);
	p->up_to_us = first ? 0 : limit;
	p->proved = a->status == PLACE_OPTIMAL;
	return p->has_worst && p->worst_us > (q->limits.le ? 1U : 0U);
}

/* A point is on the front if the next closer one is not as good. */
static void
mark_front(struct place_curve *c, size_t nterms)
{
	for (size_t i = 0; i < c->n; i++)
		c->points[i].front = i + 1 == c->n ||
		    !as_good(&c->points[i].group, &c->points[i + 1].group,
			nterms);
}

/* The point of the front with the largest distance below the chord between
 * its ends: past it, each millisecond less costs more than on average. */
static void
find_knee(struct place_curve *c)
{
	const struct place_point *a = NULL, *b = NULL;
	pl_cost best = 0;

	c->knee = c->n;
	for (size_t i = 0; i < c->n; i++)
		if (c->points[i].front) {
			a = a == NULL ? &c->points[i] : a;
			b = &c->points[i];
		}
	for (size_t i = 0; i < c->n && a != b; i++) {
		const struct place_point *p = &c->points[i];
		pl_cost dx = (pl_cost)b->worst_us - a->worst_us;
		pl_cost dy = (pl_cost)b->group.score - a->group.score;
		pl_cost d = dy * ((pl_cost)p->worst_us - a->worst_us) -
		    dx * ((pl_cost)p->group.score - a->group.score);

		if (!p->front || p == a || p == b)
			continue;
		/* Below the chord: dx < 0, so d < 0. */
		if (-d > best) {
			best = -d;
			c->knee = i;
		}
	}
}

static bool
sweep_run(struct place_curve *c, const struct place_query *given,
    const struct place_world *w, const struct place_sweep *sweep, size_t max,
    struct pl_ctl *ctl, struct mw_err *err)
{
	int64_t limit = sweep->from_us > 0 ? sweep->from_us : ANY_KNOWN;
	struct place_query any = *given;
	const struct place_query *q = &any;
	bool more = true, first = true;

	/* What is kept is told against no limit of the query's. */
	any.limits.max_rtt_us = ANY_KNOWN;

	while (more && c->n < max && limit > sweep->to_us &&
	    ctl->cut == PLACE_NOT_CUT) {
		struct place_answer *a = best_below(q, w, limit, ctl, err);

		if (a == NULL)
			return false;
		if (a->status == PLACE_NO_DATA)
			c->no_data_reason =
			    arena_strdup(c->arena, a->no_data_reason);
		c->complete = a->status == PLACE_INFEASIBLE;
		more = a->nranked > 0 &&
		    add_point(c, a, q, w, limit, first && sweep->from_us == 0);
		if (a->nranked > 0 && !more)
			c->complete = true;
		if (more)
			limit = limit_below(q, c->points[c->n - 1].worst_us);
		first = false;
		place_answer_free(a);
	}
	return true;
}

struct place_curve *
place_curve_new(const struct place_query *q, const struct place_world *given,
    const struct place_sweep *sweep, uint64_t max_nodes,
    bool (*stop)(void *arg), void *stop_arg, struct mw_err *err)
{
	struct pl_ctl ctl = { .max_nodes = max_nodes,
		.stop = stop,
		.stop_arg = stop_arg };
	size_t max = sweep->max_points ? sweep->max_points : DEFAULT_POINTS;
	const struct place_world *w;
	struct place_curve *c;
	struct arena *arena;
	bool ok;

	if (q->mode != PLACE_PLACE) {
		err_set(err, MW_INVALID, 0, "a curve needs mode place");
		err_pointer(err, "/mode");
		return NULL;
	}
	if (!pl_query_check(q, given, err))
		return NULL;
	if (max > PLACE_MAX_POINTS)
		max = PLACE_MAX_POINTS;
	arena = arena_new();
	c = arena_alloc(arena, sizeof *c);
	c->arena = arena;
	c->points = arena_array(arena, max + 1, sizeof *c->points);
	w = pl_world_prepare(q, given, arena);
	ok = sweep_run(c, q, w, sweep, max, &ctl, err);
	pl_world_done(w, given);
	if (!ok) {
		place_curve_free(c);
		return NULL;
	}
	mark_front(c, q->nterms);
	find_knee(c);
	c->cut = ctl.cut;
	c->nodes = ctl.nodes;
	return c;
}

void
place_curve_free(struct place_curve *c)
{
	if (c != NULL)
		arena_free(c->arena);
}

/* The smallest limit of a query, whose own limit is the smallest there is. */
static void
size_one(struct place_size *s, const struct place_query *q,
    const struct place_world *w, struct pl_ctl *ctl)
{
	struct item it = { .kind = ITEM_RTT, .pointer = "" };
	struct arena *arena = arena_new();
	struct place_answer *a = arena_alloc(arena, sizeof *a);
	struct explain x = { .a = a, .q = q, .w = w, .ctl = ctl };
	struct probe *p;

	a->arena = arena;
	a->relax = arena_array(arena, 2, sizeof *a->relax);
	p = pl_probe_new(&x);
	if (pl_probe_run(&x, p, PROBE_ANY) == YES) {
		a->has_min_rtt = true;
		a->min_rtt_us = a->min_rtt_low_us = q->limits.le;
	} else {
		pl_relax(&x, &it);
	}
	pl_probe_free(p);
	s->possible = a->has_min_rtt;
	s->above_us = (uint32_t)a->min_rtt_us;
	s->low_us = (uint32_t)a->min_rtt_low_us;
	s->proved = a->has_min_rtt && s->low_us == s->above_us;
	arena_free(arena);
}

bool
place_sizes(const struct place_query *q, const struct place_world *given,
    uint32_t max, uint64_t max_nodes, bool (*stop)(void *arg), void *stop_arg,
    struct place_size *out, size_t *n, struct mw_err *err)
{
	struct pl_ctl ctl = { .max_nodes = max_nodes,
		.stop = stop,
		.stop_arg = stop_arg };
	struct place_query one = *q;
	const struct place_world *w;
	struct place_role role;
	struct arena *arena;

	*n = 0;
	if (q->mode != PLACE_PLACE || q->nroles != 1 || q->roles[0].npins > 0) {
		err_set(err, MW_INVALID, 0,
		    "sizes need mode place and one group without pins");
		return err_pointer(err, "/groups");
	}
	role = q->roles[0];
	role.count = 1;
	one.roles = &role;
	one.limits.max_rtt_us = 1;
	if (max > PLACE_MAX_VMS)
		max = PLACE_MAX_VMS;
	if (!pl_query_check(&one, given, err))
		return false;
	arena = arena_new();
	w = pl_world_prepare(&one, given, arena);
	for (uint32_t k = 1; k <= max && ctl.cut == PLACE_NOT_CUT; k++) {
		struct place_size *s = &out[*n];

		memset(s, 0, sizeof *s);
		s->count = role.count = k;
		size_one(s, &one, w, &ctl);
		/* Too few VMs for a minimum is no reason to end. */
		if (!s->possible && k >= q->limits.min_csps &&
		    k >= q->limits.min_regions)
			break;
		*n += s->possible;
	}
	pl_world_done(w, given);
	arena_free(arena);
	return true;
}

struct move_try {
	const struct place_ranked *from;
	const struct place_query *q;
	const struct place_world *w;
	struct arena *arena; /* scratch, of one VM */
	struct place_served *served;
};

static bool
move_better(const struct place_move *m, uint32_t worst,
    const struct place_ranked *r)
{
	if (!m->found)
		return true;
	if (worst != m->worst_us)
		return worst < m->worst_us;
	return r->score < m->group.score;
}

/* The group with one VM on another offer, if the query allows it. */
static void
try_move(const struct move_try *t, uint32_t offer, struct place_move *m)
{
	struct place_ranked r = { .nmembers = t->from->nmembers,
		.served = t->served };
	struct place_member members[PLACE_MAX_VMS];
	const char *broken[1];
	uint32_t worst;
	bool has;

	memcpy(members, t->from->members, r.nmembers * sizeof *members);
	members[m->member].offer = offer;
	members[m->member].site = t->w->offers[offer].site;
	r.members = members;
	if (place_verify(&r, t->q, t->w, t->arena, broken, 0) > 0)
		return;
	has = worst_of(&r, t->q, t->w, &worst);
	if (!move_better(m, worst, &r))
		return;
	m->found = true;
	m->has_worst = has;
	m->worst_us = worst;
	keep(&m->group, &r, t->q, t->w, t->arena);
}

void
place_moves(const struct place_ranked *r, const struct place_query *q,
    const struct place_world *given, struct arena *arena,
    struct place_move *out)
{
	const struct place_world *w = pl_world_prepare(q, given, arena);

	for (uint32_t i = 0; i < r->nmembers; i++) {
		struct move_try t = { r, q, w, arena_new(), NULL };
		const struct place_member *mb = &r->members[i];
		const struct place_filter *f = &q->roles[mb->role].filter;
		struct place_ranked best;

		t.served =
		    arena_array(t.arena, q->nusers + 1, sizeof *t.served);
		memset(&out[i], 0, sizeof out[i]);
		out[i].member = i;
		for (uint32_t o = 0; o < w->noffers; o++)
			if (w->offers[o].site != mb->site &&
			    pl_offer_refused(f, w, &w->offers[o]) ==
				PLACE_F_COUNT)
				try_move(&t, o, &out[i]);
		best = out[i].group;
		if (out[i].found)
			keep(&out[i].group, &best, q, w, arena);
		arena_free(t.arena);
	}
	pl_world_done(w, given);
}

bool
place_flip(const struct place_ranked *best, const struct place_query *q,
    const struct place_world *w, uint64_t max_nodes, bool (*stop)(void *arg),
    void *stop_arg, int64_t *flip_us)
{
	struct pl_ctl ctl = { .max_nodes = max_nodes,
		.stop = stop,
		.stop_arg = stop_arg };
	struct mw_err err = MW_ERR_INIT;
	int64_t limit = q->limits.max_rtt_us, high;
	uint32_t worst;

	if (limit <= 0 || !worst_of(best, q, w, &worst))
		return false;
	/* In one sum only what is really better can take its place. */
	ctl.has_below = !q->lexicographic;
	ctl.below = best->score;
	*flip_us = limit - worst;
	/* The closest of the better groups, by the sweep from above. What is
	 * farther than the slack does not matter. */
	high = limit + *flip_us < ANY_KNOWN ? limit + *flip_us : ANY_KNOWN;
	while (ctl.cut == PLACE_NOT_CUT) {
		struct place_answer *a = best_below(q, w, high, &ctl, &err);
		uint32_t other = 0;
		bool better = a != NULL && a->nranked > 0 &&
		    a->status == PLACE_OPTIMAL &&
		    !as_good(&a->ranked[0], best, q->nterms) &&
		    worst_of(&a->ranked[0], q, w, &other) &&
		    (q->limits.le ? other > limit : other >= limit);

		place_answer_free(a);
		if (!better)
			break;
		high = limit_below(q, other);
		if (other - limit < *flip_us)
			*flip_us = other - limit;
	}
	return ctl.cut == PLACE_NOT_CUT;
}
