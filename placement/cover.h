/*
 * cover.h - what cover.c, the bound, and cover_time.c, the search over times,
 * share.
 */
#ifndef MW_PLACEMENT_COVER_H
#define MW_PLACEMENT_COVER_H

#include "placement/search.h"

struct pl_keyed {
	int64_t worth;
	uint32_t e;
};

struct pl_cover {
	const struct pl_model *m;
	enum place_agg agg;
	bool hard; /* maxRttToUserMs, not the value, is the reason */
	bool plain; /* no other term counts */
	bool free; /* any candidate can stand for any other */
	size_t words; /* of users */
	uint64_t all, slack; /* weights: of all; that may stay unserved */
	uint32_t limit; /* of this run; PLACE_UNKNOWN: none */
	uint32_t at; /* what near[] is made for */
	pl_cost base; /* all other terms cost at least that */
	uint64_t floor; /* no group below the last rank has a smaller T */
	uint64_t *near; /* nel * words: users within at */
	uint64_t *open, *reach;
	int64_t *price, *now; /* (k + 1) * nusers, nusers */
	int32_t *miss; /* 1 - elements taken that are near */
	struct pl_keyed *key;
	int64_t *worth; /* per element */
	uint32_t *take; /* positions in key[] */
	size_t ntake;
	uint32_t *left[PLACE_LEVEL_COUNT];
	uint64_t *mask;
	bool *gone;
	size_t n; /* of key[] */
};

/* What the term costs if T is the worst time, or that of the percentile. */
pl_cost pl_cover_cost(const struct pl_cover *c, uint64_t t);
/* The largest T that a group below the last rank can have. */
uint32_t pl_cover_limit(const struct pl_search *s);

#endif
