/*
 * offers.h - between offers.c, filter.c and options.c: one model's offers on
 * their way to options.
 */
#ifndef MW_PLACEMENT_OFFERS_H
#define MW_PLACEMENT_OFFERS_H

#include "placement/internal.h"
#include "placement/world.h"

#include <string.h>

struct pl_taken { /* an offer that passes and may be chosen */
	uint32_t at; /* its position */
	uint32_t mask; /* roles, in model order */
};

struct pl_build {
	struct pl_model *m;
	const struct pl_stage *st;
	/* Offers are looked at in their own order, or in that of the columns.
	 * A position is a place in this order. */
	const struct pl_columns *cols;
	struct pl_taken *taken; /* by role, then by position */
	size_t ntaken, maxtaken;
	uint32_t *every; /* per world site: what each VM pays for users */
	uint32_t *model_site; /* per world site */
	int64_t lo[PLACE_MAX_TERMS], hi[PLACE_MAX_TERMS];
	bool any[PLACE_MAX_TERMS]; /* lo and hi are known */
};

static inline const struct place_offer *
pl_build_offer(const struct pl_build *b, size_t at)
{
	return &b->m->w->offers[b->cols != NULL ? b->cols->offer[at] : at];
}

static inline uint32_t
pl_build_site(const struct pl_build *b, size_t at)
{
	return b->cols != NULL ? b->cols->site[at] : b->m->w->offers[at].site;
}

static inline int64_t
pl_build_price(const struct pl_build *b, size_t at)
{
	return b->cols != NULL ? b->cols->price[at]
			       : b->m->w->offers[at].cost_per_hour_micros;
}

/* What a term of the objective weighs for a role of the query. */
int64_t pl_build_weight(const struct place_query *q, uint32_t role,
    size_t term);
/* A role with weights of its own needs no data of terms it does not pay. */
bool pl_build_counts(const struct place_query *q, uint32_t role, size_t term);
/* Does each VM pay its time to all users? */
bool pl_build_every(const struct place_query *q, const struct place_term *t);
/* Per-VM value of a term for a role of the query; false: unknown. */
bool pl_build_value(const struct pl_build *b, uint32_t role, size_t term,
    const struct place_offer *o, int64_t *v) mw_must_check;
/* Fills taken, what each role loses, and the range of each term. */
void pl_build_filter(struct pl_build *b);
/* The same for one role where one offer of each site is enough; else false. */
bool pl_kinds_filter(struct pl_build *b, uint32_t role) mw_must_check;
void pl_build_take(struct pl_build *b, uint32_t role, size_t at);
/* Prices from lo to hi pass for a role that pays nothing else by offer. */
void pl_build_widen(struct pl_build *b, uint32_t role, int64_t lo, int64_t hi);
/* Weights of the terms, side limits, and the options of each cell. */
bool pl_build_options(struct pl_build *b, struct mw_err *err) mw_must_check;

static inline bool
pl_outside(const struct place_range *r, int64_t v)
{
	return (r->has_min && v < r->min) || (r->has_max && v > r->max);
}

static inline bool
pl_not_in(const struct place_strings *s, const char *v)
{
	if (s->n == 0)
		return false;
	for (size_t i = 0; v != NULL && i < s->n; i++)
		if (strcmp(s->v[i], v) == 0)
			return false;
	return true;
}

/* The first filter that refuses all of a site, or PLACE_F_COUNT. */
static inline enum place_filter_kind
pl_site_refused(const struct place_filter *f, const struct place_site *s)
{
	if (pl_not_in(&f->csp, s->csp))
		return PLACE_F_CSP;
	if (pl_not_in(&f->region, s->region))
		return PLACE_F_REGION;
	return pl_not_in(&f->site, s->id) ? PLACE_F_SITE : PLACE_F_COUNT;
}

#endif
