/*
 * search.h - steps of the search over sets of elements, between search.c (depth
 * first, one set after the other) and best.c (best first).
 */
#ifndef MW_PLACEMENT_SEARCH_H
#define MW_PLACEMENT_SEARCH_H

#include "placement/internal.h"

/* Puts e among the chosen, or takes the last one back. */
void pl_choose(struct pl_search *s, uint32_t e);
void pl_unchoose(struct pl_search *s);
/* May e still join the chosen, which it is compatible with? */
bool pl_joinable(const struct pl_search *s, uint32_t e);
/* Candidates of list[from..n) that remain after the last choice. */
size_t pl_narrow(struct pl_search *s, uint32_t *out, const uint32_t *list,
    size_t from, size_t n);
/* Drops candidates that no group can have. */
size_t pl_propagate(struct pl_search *s, uint32_t *list, size_t n);
/* Do minima ask for pl_propagate() after each choice? */
bool pl_has_minima(const struct pl_search *s);
/* Is a group of this cost no better than the last rank? */
bool pl_over(struct pl_search *s, pl_cost lb);
/* The search is cut, and groups from this cost on were not looked at. */
void pl_leave_open(struct pl_search *s, pl_cost lb);
/* Cost of the chosen as a group, which is ranked; PL_INF: none, or not below
 * the last rank. lb: left open if it is cut. */
pl_cost pl_try_leaf(struct pl_search *s, pl_cost lb);
/* All groups that have the chosen and any of list, depth first. */
void pl_visit(struct pl_search *s, uint32_t *list, size_t n, pl_cost lb);

/* A candidate that the relaxation takes, which pl_bound() solved last. */
struct pl_pick {
	uint32_t e, col; /* its class */
	pl_cost without; /* at least so much dearer are groups that lack it */
};
size_t pl_bound_picks(const struct pl_search *s, const uint32_t *list,
    struct pl_pick *out);

/* Do the chosen and the classes of list, which pl_bound_ship() has made, have
 * room for all VMs under the cap of each csp? */
bool pl_csps_have_room(const struct pl_search *s, const uint32_t *list);

/* Best first: all groups of candidates of list. The objective must be a sum
 * over VMs. */
void pl_best_first(struct pl_search *s, const uint32_t *list, size_t n);

#endif
