/*
 * explain.h - between explain.c (what conflicts) and relax.c (what would do).
 */
#ifndef MW_PLACEMENT_EXPLAIN_H
#define MW_PLACEMENT_EXPLAIN_H

#include "placement/internal.h"

enum item_kind { /* in the order in which they are tried to be dropped */
	ITEM_FILTER,
	ITEM_TERM,
	ITEM_PIN,
	ITEM_QUOTA,
	ITEM_APART,
	ITEM_SITE,
	ITEM_ZONE,
	ITEM_REGION,
	ITEM_CSP,
	ITEM_BUDGET,
	ITEM_PAIR,
	ITEM_USER,
	ITEM_RTT,
	ITEM_MIN_REGIONS,
	ITEM_MIN_CSPS,
	ITEM_COUNT, /* of a role: relaxed, never dropped */
	ITEM_KINDS
};

struct item { /* one thing that the query asks for */
	enum item_kind kind;
	size_t index; /* role, pair limit, term, quota, separation */
	size_t sub; /* pin of the role */
	enum place_filter_kind filter;
	const char *pointer;
};

struct probe { /* a query that may be changed */
	struct place_query q;
	struct place_role roles[PLACE_MAX_ROLES];
	struct place_term terms[PLACE_MAX_TERMS];
	struct place_pin pins[PLACE_MAX_PINS];
	struct place_quota quotas[PLACE_MAX_QUOTAS];
	struct place_separate separate[PLACE_MAX_SEPARATE];
	int64_t weights[PLACE_MAX_ROLES][PLACE_MAX_TERMS];
	struct place_pair_limit *pairs;
	const struct pl_small *small; /* offers that will do; NULL: all */
};

enum verdict {
	NO,
	YES,
	UNSURE /* cut */
};

struct explain {
	struct place_answer *a;
	const struct place_query *q;
	const struct place_world *w;
	const struct pl_small *small; /* of the query; or NULL */
	struct pl_small bare; /* of what is left of it among conflicts */
	struct pl_small last; /* of the last probe of all offers that said NO */
	struct pl_ctl *ctl;
	struct pl_unit found[PLACE_MAX_VMS]; /* of the last YES */
	size_t nfound;
	bool within_known; /* with a longer maxRttMs there is a group */
};

struct probe *pl_probe_new(const struct explain *x);
void pl_probe_free(struct probe *p);
/* Is there a group? x->found is any, the best by the objective, or the best by
 * one term of it (by >= 0). */
enum {
	PROBE_BEST = -1,
	PROBE_ANY = -2
};
enum verdict pl_probe_run(struct explain *x, const struct probe *p, int by);
void pl_item_drop(struct probe *p, const struct item *it);
/* Adds to the answer the nearest change of this item alone that works. */
void pl_relax(struct explain *x, const struct item *it);

#endif
