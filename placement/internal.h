/*
 * internal.h - what the files of the placement library share: the query
 * brought into a normal form (struct pl_model) and the search over it.
 *
 * Normal form. A pin makes a role of its own, with the pinned count. Roles
 * whose rows of pair limits and separations are equal, and which both serve
 * users or both do not, form a class. An element is a (class, site); a group
 * is a set of elements in which every two are compatible (a clique), with at
 * least one VM on each. So all pair limits live in the graph of elements, and
 * what is left for a chosen set is an assignment of roles to elements.
 *
 * Sites are numbered in the order of their ids, elements in the order of their
 * cost: the order of the input never matters.
 */
#ifndef MW_PLACEMENT_INTERNAL_H
#define MW_PLACEMENT_INTERNAL_H

#include "common/pure/alloc.h"
#include "placement/placement.h"

__extension__ typedef __int128 pl_cost;

#define PL_MAX_COST ((pl_cost)1 << 104) /* no group costs as much */
#define PL_BIG ((pl_cost)1 << 112) /* reward of a mandatory column */
#define PL_FULL ((pl_cost)1 << 116) /* price of room that is not there */
#define PL_INF ((pl_cost)1 << 124)
#define PL_TERM_MAX (INT64_C(1) << 50) /* no value of a term is larger */
#define PL_MAX_ELEMENTS 16384
#define PL_MAX_ROLES (PLACE_MAX_ROLES + PLACE_MAX_PINS)
#define PL_MAX_SIDES (1 + PLACE_MAX_TERMS + 2 * PLACE_MAX_QUOTAS)
#define PL_NO_LIMIT UINT32_MAX /* of struct pl_model.lim: even unknown */

/* Node budget and stop(), shared by all searches of one place_solve(). */
struct pl_ctl {
	uint64_t nodes, max_nodes; /* max 0: none */
	uint64_t probe_end; /* 0: none; a probe ends there, not the solve */
	bool (*stop)(void *arg);
	void *stop_arg;
	enum place_cut cut;
	bool probe_cut;
	/* Only a group that costs less than below counts, and one will do. */
	bool has_below;
	pl_cost below;
};

/* Counts a node; true: give up now. */
bool pl_tick(struct pl_ctl *ctl);

struct pl_option { /* one offer for one role in one site */
	pl_cost cost;
	int64_t *side; /* one per side limit */
	uint32_t offer;
};

struct pl_cell { /* options of (role, site), cheapest first */
	uint32_t first, n;
};

/* What a side limit adds up. */
enum pl_side_what {
	PL_SIDE_PRICE,
	PL_SIDE_TERM, /* index: term, of an earlier stage */
	PL_SIDE_VMS, /* index: quota */
	PL_SIDE_VCPUS
};

struct pl_side {
	enum pl_side_what what;
	uint32_t index;
	int64_t cap;
};

struct pl_element {
	uint32_t site, cls;
	uint32_t cap; /* VMs it may take, >= 1 */
	pl_cost key;
};

/* Which terms count, in which order, and caps from earlier stages. */
struct pl_stage {
	uint32_t order[PLACE_MAX_TERMS];
	uint32_t nterms;
	bool has_cap[PLACE_MAX_TERMS];
	int64_t cap[PLACE_MAX_TERMS]; /* of the smaller-is-better value */
};

struct pl_model {
	struct arena *arena;
	const struct place_query *q;
	const struct place_world *w;
	const uint32_t *rtt; /* of the statistic; NULL: nothing known */

	size_t n; /* sites with an offer for some role */
	uint32_t *site; /* world index, in id order */
	/* Sites, zones, regions, csps of the sites as small numbers. */
	uint32_t *at[PLACE_LEVEL_COUNT], ngroups[PLACE_LEVEL_COUNT];
	uint32_t cap[PLACE_LEVEL_COUNT]; /* VMs in one of them, 1..k */
	uint32_t min[PLACE_LEVEL_COUNT]; /* distinct ones; region, csp */

	size_t m, k; /* roles, VMs */
	uint32_t role[PL_MAX_ROLES]; /* query index, in name order */
	const struct place_pin *pin[PL_MAX_ROLES]; /* NULL: the rest of it */
	uint32_t count[PL_MAX_ROLES];
	uint32_t cls[PL_MAX_ROLES], ncls;
	uint32_t lim[PL_MAX_ROLES][PL_MAX_ROLES]; /* per class */
	enum place_level apart[PL_MAX_ROLES][PL_MAX_ROLES]; /* same */
	enum place_level tied; /* widest where one site can exclude another */
	bool serves[PL_MAX_ROLES], talk[PL_MAX_ROLES][PL_MAX_ROLES];

	struct pl_cell *cells; /* m * n */
	struct pl_option *options;
	size_t noptions;
	struct place_removed removed[PLACE_MAX_ROLES]; /* in query order */

	uint32_t nside;
	struct pl_side side[PL_MAX_SIDES];

	/* Users that the nearest VM serves. */
	size_t nusers;
	uint32_t *user_rtt; /* nusers * n */
	uint64_t user_weight_sum;
	uint32_t user_limit_us; /* PLACE_UNKNOWN: none */
	int user_term, pair_term; /* or -1 */
	int64_t user_cap_us, pair_cap_us; /* -1: none */
	const char *no_data; /* reason, or NULL */

	pl_cost coef[PLACE_MAX_TERMS]; /* of the smaller-is-better value */
	int64_t shift[PLACE_MAX_TERMS]; /* per VM */
	uint32_t nfit; /* leading terms of the stage that the cost holds */
	uint64_t npairs; /* talking pairs of VMs */

	const struct pl_names *names; /* of the world's sites */
	struct pl_times *times; /* of its pairs of sites */
	bool own_times;
	struct pl_element *el;
	size_t nel;
	uint32_t *esite; /* world site and class of each element */
	uint8_t *ecls;
	pl_cost *ecost; /* m * nel; PL_INF: the role cannot be there */
	pl_cost *eside; /* nside * m * nel */
};

bool pl_query_check(const struct place_query *q, const struct place_world *w,
    struct mw_err *err) mw_must_check;
/* The widest level that VMs of two roles of the query may not share. */
enum place_level pl_query_apart(const struct place_query *q, uint32_t a,
    uint32_t b);
/* Does the quota count this offer? */
bool pl_quota_counts(const struct place_quota *u, const struct place_world *w,
    const struct place_offer *o);
bool pl_pin_allows(const struct place_pin *p, const struct place_world *w,
    const struct place_offer *o);
/* The limit between two roles of the query: 0 none. *talk: pairs count. */
int64_t pl_query_limit(const struct place_query *q, uint32_t a, uint32_t b,
    bool *talk);

/* NULL with err: overflow of weights, too many elements. */
struct pl_model *pl_model_new(const struct place_query *q,
    const struct place_world *w, const struct pl_stage *st,
    struct mw_err *err) mw_must_check;
void pl_model_free(struct pl_model *m);
const struct pl_names *pl_model_names(struct pl_model *m);
/* Time between model sites a and b. */
uint32_t pl_model_rtt(const struct pl_model *m, uint32_t a, uint32_t b);
/*
 * The world with only those offers that the model has options of: what else
 * there is cannot be in a best group, nor matter for whether there is one,
 * as long as filters, terms and pins stay what they are. map: its offers in
 * the model's world. Both live in the arena.
 */
struct pl_small {
	struct place_world w;
	uint32_t *map;
};
/* below: of those, only what a group that costs less may have; or PL_INF. */
void pl_small_make(struct pl_small *s, const struct pl_model *m, pl_cost below,
    struct arena *arena);
/* What the VMs of role i cost at least, wherever they are, and the dearest of
 * them. PL_INF: there is no room for them. */
pl_cost pl_role_least(const struct pl_model *m, size_t i, pl_cost *last);
/* All terms in the query's order, no caps. */
void pl_stage_all(struct pl_stage *st, const struct place_query *q);

bool pl_offers_build(struct pl_model *m, const struct pl_stage *st,
    struct mw_err *err) mw_must_check;
/* The first filter that refuses the offer, or PLACE_F_COUNT. */
enum place_filter_kind pl_offer_refused(const struct place_filter *f,
    const struct place_world *w, const struct place_offer *o);
/* Per-VM value of a term, smaller is better; false: unknown. */
bool pl_offer_term(const struct place_query *q, const struct place_world *w,
    const struct place_term *t, const struct place_offer *o, int64_t *v);
bool pl_users_build(struct pl_model *m, struct mw_err *err) mw_must_check;
/* Time between user u and a site of the world, measured or, where the query
 * allows it, estimated. */
uint32_t pl_user_rtt(const struct place_query *q, const struct place_world *w,
    uint32_t u, uint32_t site);
/* Users in the order of their times, and the weight up to each. */
uint64_t pl_users_percentile(const struct place_query *q, const uint32_t *d,
    size_t n, uint32_t pct);

/* A member before it is explained. */
struct pl_unit {
	uint32_t role, site, offer; /* role and site of the query and world */
	uint32_t row; /* role of the model, while it searches */
};

struct pl_found { /* one group */
	pl_cost cost;
	uint32_t nsites;
	uint32_t *sites; /* model sites, ascending */
	struct pl_unit *units; /* k */
};

struct pl_search {
	const struct pl_model *m;
	struct pl_ctl *ctl;
	bool feasibility; /* stop at the first group; costs do not matter */
	size_t words;
	uint64_t *adj, *in; /* in: the list that is looked through */
	bool *adj_built;

	uint32_t chosen[PLACE_MAX_VMS];
	size_t nchosen;
	uint32_t *used[PLACE_LEVEL_COUNT]; /* chosen elements there */
	uint32_t distinct[PLACE_LEVEL_COUNT]; /* with a chosen one */

	struct pl_found *top;
	size_t ntop, topk;
	pl_cost thr; /* cost of the last rank once topk are known */
	bool more_ties;
	pl_cost open; /* smallest bound left unexplored by a cut */
	bool aborted, done;
	struct pl_bound *bound, *ship; /* of candidates; of leaves */
	struct pl_leaf *leaf;
	struct pl_median *median; /* or NULL */
	struct pl_cover *cover; /* or NULL */
	bool one; /* stop at the first group */
	bool sparse; /* some elements exclude others */
	enum place_level levels[PLACE_LEVEL_COUNT]; /* that limit anything */
	size_t nlevels;
	uint32_t *user_now;
	uint32_t *mark[PLACE_LEVEL_COUNT]; /* region, csp */
	uint32_t mark_no;
};

struct pl_search *pl_search_new(const struct pl_model *m, struct pl_ctl *ctl,
    size_t topk, bool feasibility);
void pl_search_free(struct pl_search *s);
/* Fills top; s->aborted if cut. */
void pl_search_run(struct pl_search *s);

/* Bit row of the elements compatible with e. */
const uint64_t *pl_graph_row(struct pl_search *s, uint32_t e);
/* Goes on with another model, which has fewer of the elements. Nothing may be
 * chosen, and nothing but sums over VMs be asked for. */
void pl_search_use(struct pl_search *s, const struct pl_model *m);
/* Leaves out what no group below the last rank has; may find groups. The list
 * may then be of a model of what is left. */
size_t pl_prune(struct pl_search *s, uint32_t *list, size_t n);
static inline bool
pl_bit(const uint64_t *row, uint32_t i)
{
	return (row[i >> 6] >> (i & 63)) & 1;
}

/* Lower bound of any group with the chosen elements and some of list. */
struct pl_bound {
	const struct pl_model *m;
	size_t maxcols, ncols;
	pl_cost *cost; /* m->m * maxcols */
	uint32_t *cap, *used; /* per column */
	uint32_t *col_of; /* per list position */
	uint32_t *member, *first; /* list positions by class; per column */
	uint32_t unit_role[PLACE_MAX_VMS], unit_col[PLACE_MAX_VMS];
	size_t nunits;
	uint64_t *mask, *open; /* per element */
	uint32_t *place; /* of an element in the list */
	bool *taken;
	/* Where a role may go at once; what [the other role] pays to push
	 * out one of its units. */
	pl_cost end[PL_MAX_ROLES], arc[PL_MAX_ROLES][PL_MAX_ROLES];
	pl_cost dist[PL_MAX_ROLES];
	uint32_t next[PL_MAX_ROLES];
	uint32_t end_col[PL_MAX_ROLES], arc_unit[PL_MAX_ROLES][PL_MAX_ROLES];
	pl_cost dual[PL_MAX_ROLES];
	pl_cost value, extra; /* that pl_bound() found last; pairs in it */
	bool priced; /* its prices are those of median.c */
	pl_cost *room; /* per column: what its room is worth */
	uint32_t *left[PLACE_LEVEL_COUNT];
};

struct pl_bound *pl_bound_new(const struct pl_model *m, size_t candidates);
void pl_bound_free(struct pl_bound *b);
/* PL_INF: no group. Duals are kept for pl_bound_forced(). Candidates that no
 * group below the last rank has may leave the list. */
pl_cost pl_bound(struct pl_search *s, uint32_t *list, size_t *n);
/* The same if e = list[i] must be used. */
pl_cost pl_bound_forced(const struct pl_search *s, uint32_t e, size_t i);
/* Parts of both, at other costs of elements. */
pl_cost pl_bound_ship(struct pl_search *s, const uint32_t *list, size_t n,
    const pl_cost *ecost, pl_cost scale);
pl_cost pl_bound_dearer(const struct pl_search *s, const pl_cost *ecost,
    uint32_t e, size_t i);

/* Ships the roles' units to the columns; PL_INF: impossible. */
pl_cost pl_ship(struct pl_bound *b, size_t mandatory);
void pl_columns_chosen(const struct pl_search *s, struct pl_bound *b,
    const pl_cost *ecost);

/* Bound by prices of users; NULL: no such term. It orders the list. */
struct pl_median;
struct pl_median *pl_median_new(const struct pl_model *m);
void pl_median_free(struct pl_median *d);
pl_cost pl_median_bound(struct pl_search *s, uint32_t *list, size_t *n);
pl_cost pl_median_forced(const struct pl_search *s, uint32_t e, size_t i);
/* Bound by what of the users can be covered within a time, cover.c; NULL:
 * nothing asks for it. False: no group below the last rank. */
struct pl_cover;
struct pl_cover *pl_cover_new(const struct pl_model *m, bool feasibility);
void pl_cover_free(struct pl_cover *c);
bool pl_cover_bound(struct pl_search *s, uint32_t *list, size_t *n);
/* What the users' term costs at least in any group below the last rank. */
pl_cost pl_cover_floor(const struct pl_search *s);
/* Does nothing else cost anything? */
bool pl_cover_plain(const struct pl_search *s);
/* All groups with the chosen and any of list, by what covers a user that few
 * can; false: another order is better. */
bool pl_cover_visit(struct pl_search *s, const uint32_t *list, size_t n,
    pl_cost lb);
/* The search for a term of cover.c, instead of one visit. */
void pl_cover_run(struct pl_search *s, const uint32_t *list, size_t n);
bool pl_cover_value(const struct pl_search *s); /* is there such a term? */
/* What a group costs at least if an element of a set is replaced by e: out[] is
 * by the position of what goes. The mean over users must be a term. */
struct pl_swap;
struct pl_swap *pl_swap_new(const struct pl_model *m);
void pl_swap_free(struct pl_swap *w);
void pl_swap_set(struct pl_swap *w, const uint32_t *set, size_t k);
void pl_swap_costs(struct pl_swap *w, size_t k, uint32_t e, pl_cost *out);
/* With nothing chosen: an early group of what fits, in the list's order, and
 * better ones near it. */
void pl_search_try(struct pl_search *s, const uint32_t *list, size_t n);

/* Exact assignment for the chosen elements. */
struct pl_leaf;
struct pl_leaf *pl_leaf_new(const struct pl_model *m);
void pl_leaf_free(struct pl_leaf *l);
/* Cheapest way to fill the chosen elements below the limit thr; PL_INF: none.
 * Units are valid until the next call. */
pl_cost pl_leaf_solve(struct pl_search *s, pl_cost thr,
    const struct pl_unit **units);

/* Cost of serving the users from the chosen elements; PL_INF: not allowed. */
pl_cost pl_users_cost(struct pl_search *s);
/* Lower bound of it if up to t of list may be added. */
pl_cost pl_users_bound(struct pl_search *s, const uint32_t *list, size_t n,
    size_t t);
pl_cost pl_pairs_cost(struct pl_search *s);
pl_cost pl_pairs_bound(struct pl_search *s, const uint32_t *list, size_t n,
    size_t t);

/* All maximal site sets; true: complete. */
bool pl_groups(const struct pl_model *m, struct pl_ctl *ctl, size_t max,
    struct pl_found **out, size_t *nout, bool *cut_by_max);

/* The world as the query wants it read: suspect times, missing scores; with
 * what is worth to know for all searches of one solve (world.h). A copy in the
 * arena, or the same pointer if there is nothing to do. */
const struct place_world *pl_world_prepare(const struct place_query *q,
    const struct place_world *w, struct arena *arena);
/* Before the arena is freed; given: the world that w was made from. */
void pl_world_done(const struct place_world *w,
    const struct place_world *given);
/* A copy with estimates of unknown pairs; false: there are none. */
bool pl_world_estimate(const struct place_query *q, const struct place_world *w,
    struct arena *arena, struct place_world *out);
/* Solves mode place and says what was found; no explanation. */
struct place_answer *pl_solve_plain(const struct place_query *q,
    const struct place_world *w, struct pl_ctl *ctl,
    struct mw_err *err) mw_must_check;

/* Flags of a pair that can be told from it alone: not PLACE_Q_REPEATED, nor
 * PLACE_Q_DETOUR. */
unsigned pl_pair_flags(const struct place_query *q, const struct place_world *w,
    uint32_t a, uint32_t b);
/* n, age and flags of a pair whose sites are set. */
void pl_rank_pair(struct place_pair *p, const struct place_query *q,
    const struct place_world *w);
void pl_rank_against(struct place_ranked *r, const struct place_ranked *best,
    struct arena *arena);
void pl_rank_binding(struct place_ranked *r, const struct place_query *q,
    const struct place_world *w, struct arena *arena);
struct place_member *pl_members(const struct pl_unit *units, size_t k,
    const struct place_query *q, const struct place_world *w,
    struct arena *arena);

/* Conflicts, relaxations, smallest limit of an infeasible query. */
/* small: NULL, or of the query's model. */
void pl_explain(struct place_answer *a, const struct place_query *q,
    const struct place_world *w, const struct pl_small *small,
    struct pl_ctl *ctl);
void pl_warn(struct place_answer *a, const char *fmt, ...) mw_printf(2, 3);

#endif
