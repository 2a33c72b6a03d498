/*
 * offers.c - what an offer is to a query: does a filter, a pin, a quota take
 * it, what is it worth under a term. And the way of all offers through
 * filter.c and options.c into a model.
 */
#include "placement/offers.h"

#include <stdlib.h>
#include <string.h>

enum place_filter_kind
pl_offer_refused(const struct place_filter *f, const struct place_world *w,
    const struct place_offer *o)
{
	enum place_filter_kind site = pl_site_refused(f, &w->sites[o->site]);
	const struct place_range *c = &f->cost_per_hour_micros;

	if (site != PLACE_F_COUNT)
		return site;
	if (pl_not_in(&f->spec_id, o->spec_id))
		return PLACE_F_SPEC;
	if (pl_not_in(&f->connection, o->connection))
		return PLACE_F_CONNECTION;
	if (pl_not_in(&f->arch, o->arch))
		return PLACE_F_ARCH;
	if (pl_outside(&f->vcpu, o->vcpu))
		return PLACE_F_VCPU;
	if (pl_outside(&f->memory_mib, o->memory_mib))
		return PLACE_F_MEMORY;
	if ((c->has_min || c->has_max) &&
	    (o->cost_per_hour_micros == PLACE_NO_PRICE ||
		pl_outside(c, o->cost_per_hour_micros)))
		return PLACE_F_COST;
	for (size_t i = 0; i < f->nscores; i++) {
		int64_t v = o->scores == NULL ? PLACE_NO_SCORE
					      : o->scores[f->scores[i].metric];

		if (v == PLACE_NO_SCORE || pl_outside(&f->scores[i].range, v))
			return PLACE_F_SCORE;
	}
	return PLACE_F_COUNT;
}

/* price * (1000 / score)^alpha, rounded up at each power. Scores are in
 * thousandths; one of 0 or less says nothing. */
static bool
price_performance(const struct place_term *t, const struct place_offer *o,
    int64_t *v)
{
	pl_cost num, up, down;
	int64_t score;

	*v = o->cost_per_hour_micros;
	if (*v == PLACE_NO_PRICE || o->scores == NULL ||
	    o->scores[t->metric] == PLACE_NO_SCORE || o->scores[t->metric] <= 0)
		return false;
	score = o->scores[t->metric];
	up = t->lower_is_better ? score : 1000000;
	down = t->lower_is_better ? 1000000 : score;
	num = *v;
	for (uint32_t i = 0; i < (t->alpha > 0 ? t->alpha : 1); i++) {
		num = (num * up + down - 1) / down;
		if (num > PL_TERM_MAX)
			num = PL_TERM_MAX;
	}
	*v = (int64_t)num;
	return true;
}

bool
pl_offer_term(const struct place_query *q, const struct place_world *w,
    const struct place_term *t, const struct place_offer *o, int64_t *v)
{
	(void)q;
	(void)w;
	*v = 0;
	if (t->kind == PLACE_PRICE) {
		*v = o->cost_per_hour_micros;
		return *v != PLACE_NO_PRICE;
	}
	if (t->kind == PLACE_PERFORMANCE) {
		if (o->scores == NULL || o->scores[t->metric] == PLACE_NO_SCORE)
			return false;
		*v = t->lower_is_better ? o->scores[t->metric]
					: -o->scores[t->metric];
	}
	if (t->kind == PLACE_PRICE_PERFORMANCE)
		return price_performance(t, o, v);
	return true;
}

static bool
same_or_any(const char *want, const char *have)
{
	return want == NULL || (have != NULL && strcmp(want, have) == 0);
}

bool
pl_quota_counts(const struct place_quota *u, const struct place_world *w,
    const struct place_offer *o)
{
	return same_or_any(u->connection, o->connection) &&
	    same_or_any(u->region, w->sites[o->site].region) &&
	    same_or_any(u->family, o->family);
}

bool
pl_pin_allows(const struct place_pin *p, const struct place_world *w,
    const struct place_offer *o)
{
	const struct place_site *s = &w->sites[o->site];
	const char *have = p->level == PLACE_LEVEL_SITE ? s->id
	    : p->level == PLACE_LEVEL_REGION            ? s->region
							: s->csp;

	return strcmp(p->name, have) == 0 &&
	    same_or_any(p->spec_id, o->spec_id);
}

int64_t
pl_build_weight(const struct place_query *q, uint32_t role, size_t term)
{
	const int64_t *own = q->roles[role].weights;

	return own != NULL ? own[term] : q->terms[term].weight;
}

bool
pl_build_counts(const struct place_query *q, uint32_t role, size_t term)
{
	return q->roles[role].weights == NULL ||
	    q->roles[role].weights[term] != 0;
}

bool
pl_build_every(const struct place_query *q, const struct place_term *t)
{
	return t->kind == PLACE_USER_RTT && q->assign_every;
}

bool
pl_build_value(const struct pl_build *b, uint32_t role, size_t term,
    const struct place_offer *o, int64_t *v)
{
	const struct place_query *q = b->m->q;
	const struct place_term *t = &q->terms[term];

	if (pl_build_every(q, t)) {
		*v = 0;
		if (q->served_by != 0 && !(q->served_by >> role & 1))
			return true;
		*v = b->every[o->site];
		return b->every[o->site] != PLACE_UNKNOWN;
	}
	return pl_offer_term(q, b->m->w, t, o, v);
}

/* The weighted mean time to all users, where every VM pays it. */
static void
every_sites(struct pl_build *b)
{
	const struct place_query *q = b->m->q;
	const struct place_world *w = b->m->w;
	uint64_t weights = 0;

	for (size_t u = 0; u < q->nusers; u++)
		weights += q->users[u].weight;
	for (uint32_t s = 0; s < w->nsites; s++) {
		uint64_t sum = 0;

		for (uint32_t u = 0; u < q->nusers; u++) {
			uint32_t d = pl_user_rtt(q, w, u, s);

			if (d == PLACE_UNKNOWN) {
				sum = UINT64_MAX;
				break;
			}
			sum += (uint64_t)d * q->users[u].weight;
		}
		b->every[s] = sum == UINT64_MAX ? PLACE_UNKNOWN
						: (uint32_t)(sum / weights);
	}
}

/* Sites with an offer for some role, in the order of their ids. */
static void
active_sites(struct pl_build *b)
{
	struct pl_model *m = b->m;
	const uint32_t *by_id = pl_model_names(m)->by_id;

	for (size_t i = 0; i < b->ntaken; i++)
		b->model_site[pl_build_site(b, b->taken[i].at)] = 0;
	m->site = arena_array(m->arena, m->w->nsites + 1, sizeof *m->site);
	for (uint32_t s = 0; s < m->w->nsites; s++) {
		if (b->model_site[by_id[s]] != 0)
			continue;
		b->model_site[by_id[s]] = (uint32_t)m->n;
		m->site[m->n++] = by_id[s];
	}
}

bool
pl_offers_build(struct pl_model *m, const struct pl_stage *st,
    struct mw_err *err)
{
	struct pl_build b = { .m = m,
		.st = st,
		.cols = pl_world_columns(m->w) };
	bool every = false, ok;

	b.every = xcalloc(m->w->nsites + 1, sizeof *b.every);
	b.model_site = xcalloc(m->w->nsites + 1, sizeof *b.model_site);
	memset(b.model_site, 0xff, m->w->nsites * sizeof *b.model_site);
	for (size_t t = 0; t < m->q->nterms; t++)
		every = every || pl_build_every(m->q, &m->q->terms[t]);
	if (every)
		every_sites(&b);
	pl_build_filter(&b);
	active_sites(&b);
	ok = pl_users_build(m, err) && pl_build_options(&b, err);
	free(b.taken);
	free(b.every);
	free(b.model_site);
	return ok;
}
