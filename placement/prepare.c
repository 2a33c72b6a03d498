/*
 * prepare.c - the world as a query wants it read: suspect times left out or
 * taken from the other direction, missing scores guessed, missing times
 * estimated. Works on copies; what is not touched is shared with the world.
 */
#include "placement/internal.h"
#include "placement/world.h"

#include "common/pure/gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SUSPECT \
	(PLACE_Q_ASYMMETRIC | PLACE_Q_REPEATED | PLACE_Q_FASTER_THAN_LIGHT)
#define FLOOR_US 3000 /* as in common/pure/gate.c */
#define PRIOR_PCT 80 /* of the mean: nobody is chosen for want of numbers */

static uint32_t *
copy_times(const struct place_query *q, const struct place_world *w,
    struct arena *arena)
{
	size_t cells = w->nsites * w->nsites;
	uint32_t *m = arena_array(arena, cells + 1, sizeof *m);

	memcpy(m, w->rtt_us[q->limits.stat], cells * sizeof *m);
	return m;
}

struct valued {
	uint32_t us, at;
};

static int
valued_cmp(const void *a, const void *b)
{
	const struct valued *x = a, *y = b;

	return x->us < y->us ? -1 : x->us > y->us;
}

/* Marks the cells of a row or column whose value stands there three times. */
static void
mark_line(bool *out, struct valued *v, size_t n)
{
	qsort(v, n, sizeof *v, valued_cmp);
	for (size_t i = 0, to; i < n; i = to) {
		for (to = i; to < n && v[to].us == v[i].us;)
			to++;
		for (size_t x = i; x < to && to - i > 2; x++)
			out[v[x].at] = true;
	}
}

/* Per cell: is its own value one that stands many times in a line? */
static bool *
repeated_make(const uint32_t *us, uint32_t n)
{
	bool *out = xcalloc((size_t)n * n + 1, sizeof *out);
	struct valued *v = xcalloc((size_t)n + 1, sizeof *v);

	for (uint32_t line = 0; line < 2 * n; line++) {
		uint32_t a = line / 2, kept = 0;

		for (uint32_t x = 0; x < n; x++) {
			uint32_t at = line % 2 ? a * n + x : x * n + a;

			if (x != a && us[at] != PLACE_UNKNOWN)
				v[kept++] = (struct valued){ us[at], at };
		}
		mark_line(out, v, kept);
	}
	free(v);
	return out;
}

/* One hop the same way is much nearer: it is this direction that is wrong. */
static bool
is_detour(const struct place_world *w, const uint32_t *us, uint32_t a,
    uint32_t b)
{
	uint64_t d = us[(size_t)a * w->nsites + b];

	for (uint32_t x = 0; d != PLACE_UNKNOWN && x < w->nsites; x++) {
		uint64_t p = us[(size_t)a * w->nsites + x];
		uint64_t r = us[(size_t)x * w->nsites + b];

		if (x != a && x != b && p != PLACE_UNKNOWN &&
		    r != PLACE_UNKNOWN && (p + r) * 5 <= d * 4 &&
		    p + r + FLOOR_US < d)
			return true;
	}
	return false;
}

/* A value of some ms, many times, and not the outcome of several rounds. */
static bool
is_copied(const struct place_world *w, const uint32_t *us, const bool *repeated,
    size_t at)
{
	return repeated[at] && us[at] > FLOOR_US && w->rtt_rounds == NULL;
}

static void
mend_pair(const struct place_query *q, const struct place_world *w,
    uint32_t *out, const bool *repeated, uint32_t a, uint32_t b)
{
	const uint32_t *us = w->rtt_us[q->limits.stat];
	size_t ab = (size_t)a * w->nsites + b, ba = (size_t)b * w->nsites + a;
	bool bad[2];

	if (!(pl_pair_flags(q, w, a, b) & SUSPECT) &&
	    !is_copied(w, us, repeated, ab) && !is_copied(w, us, repeated, ba))
		return;
	if (q->suspect == PLACE_SUSPECT_TRANSPOSE) {
		bad[0] = repeated[ab] || is_detour(w, us, a, b);
		bad[1] = repeated[ba] || is_detour(w, us, b, a);
		if (bad[0] != bad[1]) {
			out[ab] = out[ba] = us[bad[0] ? ba : ab];
			return;
		}
	}
	out[ab] = out[ba] = PLACE_UNKNOWN;
}

static void
mend_times(const struct place_query *q, struct place_world *w,
    struct arena *arena)
{
	uint32_t *out = copy_times(q, w, arena), n = (uint32_t)w->nsites;
	bool *repeated = repeated_make(w->rtt_us[q->limits.stat], n);

	for (uint32_t a = 0; a < n; a++)
		for (uint32_t b = a + 1; b < n; b++)
			mend_pair(q, w, out, repeated, a, b);
	free(repeated);
	w->rtt_us[q->limits.stat] = out;
}

bool
pl_world_estimate(const struct place_query *q, const struct place_world *w,
    struct arena *arena, struct place_world *out)
{
	uint32_t *m;
	bool any = false;

	*out = *w;
	if (w->rtt_us[q->limits.stat] == NULL || w->lat == NULL ||
	    w->lon == NULL)
		return false;
	m = copy_times(q, w, arena);
	for (uint32_t a = 0; a < w->nsites; a++)
		for (uint32_t b = 0; b < w->nsites; b++) {
			if (a == b ||
			    place_pair_rtt(q, w, a, b) != PLACE_UNKNOWN ||
			    isnan(w->lat[a]) || isnan(w->lon[a]) ||
			    isnan(w->lat[b]) || isnan(w->lon[b]))
				continue;
			m[(size_t)a * w->nsites + b] =
			    place_estimate_us(w->lat[a], w->lon[a], w->lat[b],
				w->lon[b]);
			any = true;
		}
	out->rtt_us[q->limits.stat] = m;
	out->rtt_age_s = NULL; /* an estimate is as old as one likes */
	return any;
}

/* The mean score per vCPU of the offers that have one, in thousandths. */
static bool
mean_per_vcpu(const struct place_world *w, uint32_t metric, int64_t *out)
{
	pl_cost sum = 0, vcpus = 0;

	for (size_t i = 0; i < w->noffers; i++) {
		const struct place_offer *o = &w->offers[i];

		if (o->scores == NULL || o->vcpu <= 0 ||
		    o->scores[metric] == PLACE_NO_SCORE)
			continue;
		sum += o->scores[metric];
		vcpus += o->vcpu;
	}
	*out = vcpus > 0 ? (int64_t)(sum / vcpus) : 0;
	return vcpus > 0;
}

/* Gives the offers without a score of that metric one. */
static void
guess(struct place_world *w, struct place_offer *offers,
    const struct place_term *t, struct arena *arena)
{
	int64_t mean;

	if (!mean_per_vcpu(w, t->metric, &mean))
		return;
	for (size_t i = 0; i < w->noffers; i++) {
		struct place_offer *o = &offers[i];
		int64_t *s;

		if ((o->scores != NULL &&
			o->scores[t->metric] != PLACE_NO_SCORE) ||
		    o->vcpu <= 0)
			continue;
		s = arena_array(arena, w->nmetrics, sizeof *s);
		for (size_t m = 0; m < w->nmetrics; m++)
			s[m] =
			    o->scores != NULL ? o->scores[m] : PLACE_NO_SCORE;
		s[t->metric] = mean * o->vcpu / 100 *
		    (t->lower_is_better ? 200 - PRIOR_PCT : PRIOR_PCT);
		o->scores = s;
	}
}

static void
guess_scores(const struct place_query *q, struct place_world *w,
    struct arena *arena)
{
	struct place_offer *offers =
	    arena_array(arena, w->noffers + 1, sizeof *offers);

	memcpy(offers, w->offers, w->noffers * sizeof *offers);
	for (size_t t = 0; t < q->nterms; t++)
		if (q->terms[t].kind == PLACE_PERFORMANCE ||
		    q->terms[t].kind == PLACE_PRICE_PERFORMANCE)
			guess(w, offers, &q->terms[t], arena);
	w->offers = offers;
}

const struct place_world *
pl_world_prepare(const struct place_query *q, const struct place_world *w,
    struct arena *arena)
{
	bool mend = q->suspect != PLACE_SUSPECT_FLAG &&
	    w->rtt_us[q->limits.stat] != NULL;
	bool prior = q->missing_score == PLACE_MISSING_PRIOR && w->noffers > 0;
	struct place_world *out;

	if (!mend && !prior && pl_world_names(w) != NULL &&
	    pl_world_times(q, w) != NULL)
		return w;
	out = arena_alloc(arena, sizeof *out);
	*out = *w;
	if (mend)
		mend_times(q, out, arena);
	if (prior)
		guess_scores(q, out, arena);
	if (pl_world_names(out) == NULL || pl_world_times(q, out) == NULL)
		out->prepared = pl_prepare_once(q, out);
	return out;
}

void
pl_world_done(const struct place_world *w, const struct place_world *given)
{
	if (w->prepared != given->prepared)
		place_prepared_free(
		    (struct place_prepared *)(uintptr_t)w->prepared);
}
