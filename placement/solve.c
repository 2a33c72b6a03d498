/*
 * solve.c - place_solve(): check the query, search, verify, explain. Owns the
 * answer and decides its status.
 */
#include "placement/curve.h"
#include "placement/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WARNINGS 32
/* What the search for the flip distance may cost beside the solve. */
#define FLIP_NODES 1000
#define FLIP_FACTOR 4
#define DEFAULT_TOPK 5
#define DEFAULT_SETS 1000

static const char *const status_names[PLACE_STATUS_COUNT] = { "optimal",
	"feasible_gap", "infeasible", "undecided", "no_data" };
static const char *const filter_names[PLACE_F_COUNT] = { "csp", "region",
	"site", "specId", "connection", "arch", "vcpu", "memoryMiB",
	"costPerHourMicros", "score", "noPrice", "noScore" };
static const char *const term_names[PLACE_TERM_COUNT] = { "price",
	"performance", "pricePerformance", "userRtt", "pairRttMean" };

const char *
place_status_name(enum place_status s)
{
	return status_names[s];
}

const char *
place_cut_name(enum place_cut c)
{
	return c == PLACE_CUT_NODES ? "nodes"
	    : c == PLACE_CUT_STOP   ? "time"
				    : NULL;
}

const char *
place_filter_name(enum place_filter_kind f)
{
	return filter_names[f];
}

const char *
place_term_name(enum place_term_kind k)
{
	return term_names[k];
}

void
pl_warn(struct place_answer *a, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (a->nwarnings == MAX_WARNINGS)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	a->warnings[a->nwarnings++] = arena_strdup(a->arena, text);
}

static struct place_answer *
answer_new(const struct place_query *q)
{
	struct arena *arena = arena_new();
	struct place_answer *a = arena_alloc(arena, sizeof *a);

	a->arena = arena;
	a->removed = arena_array(arena, q->nroles, sizeof *a->removed);
	a->warnings = arena_array(arena, MAX_WARNINGS, sizeof *a->warnings);
	a->conflicts_minimal = true;
	a->data_age_s = PLACE_UNKNOWN;
	return a;
}

void
place_answer_free(struct place_answer *a)
{
	if (a != NULL)
		arena_free(a->arena);
}

static void
warn_removed(struct place_answer *a, const struct place_query *q)
{
	for (size_t i = 0; i < q->nroles; i++) {
		const struct place_removed *r = &a->removed[i];

		if (r->left > 0)
			continue;
		for (size_t f = PLACE_F_COUNT; f-- > 0;) {
			if (r->by[f] == 0)
				continue;
			pl_warn(a,
			    "group %s: no offer is left; the last "
			    "filter that removed any is %s (%llu)",
			    q->roles[i].name, filter_names[f],
			    (unsigned long long)r->by[f]);
			break;
		}
	}
}

static bool
no_data(struct place_answer *a, const char *reason)
{
	a->status = PLACE_NO_DATA;
	a->no_data_reason = reason;
	return false;
}

/* May the query be answered with what is known? */
static bool
data_suffices(struct place_answer *a, const struct place_query *q,
    const struct place_world *w, const struct pl_model *m)
{
	if (w->noffers == 0)
		return no_data(a, "the world has no offers");
	for (size_t i = 0; i < q->nroles; i++) {
		if (q->missing_price == PLACE_MISSING_ERROR &&
		    a->removed[i].by[PLACE_F_NO_PRICE] > 0)
			return no_data(a,
			    "an offer has no price "
			    "(missing.price)");
		if (q->missing_score == PLACE_MISSING_ERROR &&
		    a->removed[i].by[PLACE_F_NO_SCORE] > 0)
			return no_data(a,
			    "an offer has no score "
			    "(missing.performance)");
	}
	return m->no_data == NULL || no_data(a, m->no_data);
}

/* Fills rows from found groups; a row that verify() refuses is a bug. */
static bool
rows(struct place_answer *a, const struct pl_found *f, size_t n, size_t k,
    const struct place_query *q, const struct place_world *w,
    struct mw_err *err)
{
	a->ranked = arena_array(a->arena, n + 1, sizeof *a->ranked);
	for (size_t i = 0; i < n; i++) {
		struct place_ranked *r = &a->ranked[i];
		const char *broken[1];

		r->members = pl_members(f[i].units, k, q, w, a->arena);
		r->nmembers = k;
		if (place_verify(r, q, w, a->arena, broken, 1) > 0)
			return err_set(err, MW_INTERNAL, 0,
			    "the search found a group that breaks %s",
			    broken[0]);
		if (!q->lexicographic && (pl_cost)r->score != f[i].cost)
			return err_set(err, MW_INTERNAL, 0,
			    "the search and the check disagree on a score");
		a->nranked++;
	}
	return true;
}

static void
decorate(struct place_answer *a, const struct place_query *q,
    const struct place_world *w)
{
	for (size_t i = 0; i < a->nranked; i++) {
		struct place_ranked *r = &a->ranked[i];

		if (r->worst.known)
			pl_rank_pair(&r->worst, q, w);
		pl_rank_binding(r, q, w, a->arena);
		pl_rank_against(r, &a->ranked[0], a->arena);
		if (r->worst.known && r->worst.age_s != PLACE_UNKNOWN &&
		    (a->data_age_s == PLACE_UNKNOWN ||
			r->worst.age_s > a->data_age_s))
			a->data_age_s = r->worst.age_s;
	}
}

static void
status_of_search(struct place_answer *a, const struct pl_search *s,
    const struct pl_ctl *ctl, bool weighted)
{
	a->cut = ctl->cut;
	a->more_ties = s->more_ties;
	a->proved_ranks = s->ntop;
	if (s->aborted) {
		a->status = s->ntop > 0 ? PLACE_FEASIBLE_GAP : PLACE_UNDECIDED;
		a->proved_ranks = 0;
		while (a->proved_ranks < s->ntop &&
		    s->top[a->proved_ranks].cost <= s->open)
			a->proved_ranks++;
	} else {
		a->status = s->ntop > 0 ? PLACE_OPTIMAL : PLACE_INFEASIBLE;
	}
	if (weighted && s->ntop > 0) {
		pl_cost lb = s->top[0].cost;

		if (s->aborted && s->open < lb)
			lb = s->open;
		a->has_bound = lb > -PL_MAX_COST;
		a->lower_bound = a->has_bound ? (int64_t)lb : 0;
	}
}

/*
 * Lexicographic with tolerances: solves up to the next term that has one, and
 * holds what was reached as a limit for what follows. The last stage ranks by
 * the terms that are left, then by the earlier ones.
 */
static bool
next_stage(struct pl_stage *st, const struct place_query *q, uint32_t *from)
{
	uint32_t t = *from;

	while (t < q->nterms && q->terms[t].tolerance_pct == 0)
		t++;
	st->nterms = 0;
	if (!q->lexicographic || t + 1 >= q->nterms) {
		for (uint32_t i = *from; i < q->nterms; i++)
			st->order[st->nterms++] = i;
		for (uint32_t i = 0; i < *from; i++)
			st->order[st->nterms++] = i;
		return false;
	}
	for (uint32_t i = *from; i <= t; i++)
		st->order[st->nterms++] = i;
	return true;
}

static void
hold(struct pl_stage *st, const struct place_query *q,
    const struct place_ranked *r, uint32_t *from)
{
	for (size_t i = 0; i < st->nterms; i++) {
		uint32_t t = st->order[i];
		int64_t v = r->parts[t], abs = v < 0 ? -v : v;

		st->has_cap[t] = true;
		st->cap[t] = v + abs / 100 * q->terms[t].tolerance_pct +
		    abs % 100 * q->terms[t].tolerance_pct / 100;
		*from = t + 1;
	}
}

/* Terms that do not fit into one cost: what the leading ones reached holds
 * for the others, which come next. */
static void
hold_exactly(struct pl_stage *st, const struct place_ranked *r, uint32_t fit)
{
	for (uint32_t i = 0; i < fit; i++) {
		st->has_cap[st->order[i]] = true;
		st->cap[st->order[i]] = r->parts[st->order[i]];
	}
	st->nterms -= fit;
	memmove(st->order, st->order + fit, st->nterms * sizeof *st->order);
}

struct stages {
	struct pl_stage st;
	uint32_t from; /* first term that is not held */
	bool last; /* all that is left */
	bool split; /* by size, not by tolerance */
};

/* Solves one stage; *more: there is another one. */
static bool
one_stage(struct place_answer *a, struct stages *g, const struct place_query *q,
    const struct pl_model *m, struct pl_ctl *ctl, bool *more,
    struct mw_err *err)
{
	uint32_t fit = m->nfit, topk = q->topk > 0 ? q->topk : DEFAULT_TOPK;
	bool rest = !g->last || fit < g->st.nterms, ok;
	struct pl_search *s = pl_search_new(m, ctl, rest ? 1 : topk, false);

	g->split = g->split || fit < g->st.nterms;
	pl_search_run(s);
	status_of_search(a, s, ctl, !q->lexicographic);
	a->nranked = 0;
	ok = rows(a, s->top, s->ntop, m->k, q, m->w, err);
	*more = rest && ok && s->ntop > 0 && !s->aborted;
	pl_search_free(s);
	if (!*more)
		return ok;
	if (g->last) {
		hold_exactly(&g->st, &a->ranked[0], fit);
	} else {
		g->st.nterms = fit;
		hold(&g->st, q, &a->ranked[0], &g->from);
	}
	return true;
}

static bool
place(struct place_answer *a, const struct place_query *q,
    const struct place_world *w, struct pl_ctl *ctl, struct pl_small *small,
    struct mw_err *err)
{
	struct stages g = { .from = 0 };
	bool more = true, ok = true;

	while (more && ok) {
		struct pl_model *m;
		bool whole;

		if (!g.last)
			g.last = !next_stage(&g.st, q, &g.from);
		m = pl_model_new(q, w, &g.st, err);
		if (m == NULL)
			return false;
		memcpy(a->removed, m->removed, q->nroles * sizeof *a->removed);
		more = data_suffices(a, q, w, m);
		/* Only where one stage has all terms, and no caps of others. */
		whole = more && small != NULL && g.last && g.from == 0 &&
		    !g.split && m->nfit == g.st.nterms;
		if (more)
			ok = one_stage(a, &g, q, m, ctl, &more, err);
		if (whole && ok)
			pl_small_make(small, m,
			    a->nranked > 0 && !q->lexicographic
				? (pl_cost)a->ranked[0].score
				: PL_INF,
			    a->arena);
		pl_model_free(m);
	}
	if (g.split && a->nranked > 0)
		pl_warn(a,
		    "the terms are too far apart for one pass: all groups "
		    "shown are as good as the first in the leading terms");
	return ok;
}

static uint32_t
first_role(const struct pl_model *m, uint32_t site, uint32_t *offer)
{
	for (uint32_t r = 0; r < m->m; r++)
		for (size_t i = 0; i < m->m; i++) {
			const struct pl_cell *c = &m->cells[i * m->n + site];

			if (m->role[i] != r || c->n == 0)
				continue;
			*offer = m->options[c->first].offer;
			return r;
		}
	*offer = PLACE_NONE;
	return 0;
}

static void
set_rows(struct place_answer *a, const struct pl_model *m,
    const struct pl_found *f, size_t n, const struct place_query *q)
{
	struct pl_unit *u = xcalloc(m->n + 1, sizeof *u);

	a->ranked = arena_array(a->arena, n + 1, sizeof *a->ranked);
	for (size_t i = 0; i < n; i++) {
		struct place_ranked *r = &a->ranked[a->nranked++];
		const char *broken[1];

		for (size_t j = 0; j < f[i].nsites; j++) {
			u[j].site = m->site[f[i].sites[j]];
			u[j].role = first_role(m, f[i].sites[j], &u[j].offer);
		}
		r->members = pl_members(u, f[i].nsites, q, m->w, a->arena);
		r->nmembers = f[i].nsites;
		(void)place_verify(r, q, m->w, a->arena, broken, 0);
	}
	free(u);
}

/* One VM per site, counts ignored: pair limit, caps, minima, filters. */
static bool
groups(struct place_answer *a, const struct place_query *q,
    const struct place_world *w, struct pl_ctl *ctl, struct mw_err *err)
{
	struct place_role roles[PLACE_MAX_ROLES];
	struct place_query sets = *q;
	struct pl_stage st;
	struct pl_model *m;
	struct pl_found *f;
	size_t n;
	bool full, complete;

	if (q->limits.npairs > 0) {
		err_set(err, MW_INVALID, 0, "mode groups knows maxRttMs only");
		return err_pointer(err, "/constraints/pairLimits");
	}
	if (q->limits.nseparate > 0 || q->limits.nquotas > 0) {
		err_set(err, MW_INVALID, 0,
		    "mode groups knows no VMs to separate or to count");
		return err_pointer(err, "/constraints/%s",
		    q->limits.nquotas > 0 ? "quota" : "antiAffinity");
	}
	memcpy(roles, q->roles, q->nroles * sizeof *roles);
	for (size_t i = 0; i < q->nroles; i++) {
		roles[i].npins = 0;
		roles[i].weights = NULL;
		roles[i].count =
		    i > 0 ? 1 : PLACE_MAX_VMS + 1 - (uint32_t)q->nroles;
	}
	sets.roles = roles;
	sets.limits.max_per_site = 1;
	sets.limits.max_rtt_to_user_us = 0;
	sets.limits.has_budget = false;
	sets.nusers = sets.nterms = 0;
	sets.given = NULL;
	pl_stage_all(&st, &sets);
	m = pl_model_new(&sets, w, &st, err);
	if (m == NULL)
		return false;
	memcpy(a->removed, m->removed, q->nroles * sizeof *a->removed);
	complete = pl_groups(m, ctl,
	    q->max_sets > 0 ? q->max_sets : DEFAULT_SETS, &f, &n, &full);
	a->cut = ctl->cut;
	if (full)
		pl_warn(a, "only the first %zu of the sets are shown", n);
	sets.roles = q->roles;
	set_rows(a, m, f, n, &sets);
	a->proved_ranks = complete ? n : 0;
	a->status = complete ? n > 0 ? PLACE_OPTIMAL : PLACE_INFEASIBLE
	    : n > 0          ? PLACE_FEASIBLE_GAP
			     : PLACE_UNDECIDED;
	for (size_t i = 0; i < n; i++)
		free(f[i].sites);
	free(f);
	pl_model_free(m);
	return true;
}

static bool
check(struct place_answer *a, const struct place_query *q,
    const struct place_world *w, struct mw_err *err)
{
	struct pl_unit u[PLACE_MAX_VMS];
	struct place_ranked *r;

	for (size_t i = 0; i < q->ngiven; i++) {
		u[i].role = q->given[i].role;
		u[i].site = q->given[i].site;
		u[i].offer = PLACE_NONE;
		for (uint32_t o = 0; o < w->noffers; o++)
			if (w->offers[o].site == u[i].site &&
			    strcmp(w->offers[o].spec_id, q->given[i].spec_id) ==
				0)
				u[i].offer = o;
		if (u[i].offer == PLACE_NONE) {
			err_set(err, MW_INVALID, 0,
			    "the site does not offer %.80s",
			    q->given[i].spec_id);
			return err_pointer(err, "/members/%zu/specId", i);
		}
	}
	r = a->ranked = arena_array(a->arena, 1, sizeof *r);
	r->members = pl_members(u, q->ngiven, q, w, a->arena);
	r->nmembers = q->ngiven;
	a->nranked = 1;
	a->violations = arena_array(a->arena, 128, sizeof *a->violations);
	a->nviolations = place_verify(r, q, w, a->arena, a->violations, 128);
	if (a->nviolations > 128)
		a->nviolations = 128;
	a->status = a->nviolations == 0 ? PLACE_OPTIMAL : PLACE_INFEASIBLE;
	a->proved_ranks = 1;
	return true;
}

struct place_answer *
pl_solve_plain(const struct place_query *q, const struct place_world *w,
    struct pl_ctl *ctl, struct mw_err *err)
{
	struct place_answer *a = answer_new(q);

	if (place(a, q, w, ctl, NULL, err))
		return a;
	place_answer_free(a);
	return NULL;
}

static bool
same_places(const struct place_ranked *a, const struct place_ranked *b)
{
	for (size_t i = 0; i < a->nmembers; i++) {
		bool in_b = false, in_a = false;

		for (size_t j = 0; j < b->nmembers; j++) {
			in_b = in_b || a->members[i].site == b->members[j].site;
			in_a = in_a || b->members[i].site == a->members[j].site;
		}
		if (!in_a || !in_b)
			return false;
	}
	return true;
}

/* Appends groups that need estimated times, after all verified ones. They
 * prove nothing: without a verified one there is no data. */
static bool
append_unverified(struct place_answer *a, const struct place_query *q,
    const struct place_world *w, struct pl_ctl *ctl, struct mw_err *err)
{
	size_t topk = q->topk > 0 ? q->topk : DEFAULT_TOPK, n = a->nranked;
	struct place_ranked *all = arena_array(a->arena, topk + 1, sizeof *all);
	struct place_world est;
	struct place_answer *b;

	if (a->nranked >= topk || ctl->cut != PLACE_NOT_CUT ||
	    !pl_world_estimate(q, w, a->arena, &est))
		return true;
	b = pl_solve_plain(q, &est, ctl, err);
	if (b == NULL)
		return false;
	if (n > 0)
		memcpy(all, a->ranked, n * sizeof *all);
	for (size_t i = 0; i < b->nranked && a->nranked < topk; i++) {
		struct place_ranked *r = &all[a->nranked];
		const char *broken[1];
		bool old = false;

		for (size_t j = 0; j < n; j++)
			old = old || same_places(&all[j], &b->ranked[i]);
		if (old)
			continue;
		memset(r, 0, sizeof *r);
		r->nmembers = b->ranked[i].nmembers;
		r->members =
		    arena_array(a->arena, r->nmembers + 1, sizeof *r->members);
		memcpy(r->members, b->ranked[i].members,
		    r->nmembers * sizeof *r->members);
		(void)place_verify(r, q, &est, a->arena, broken, 0);
		r->unverified = true;
		a->nranked++;
	}
	a->ranked = all;
	if (n == 0 && a->nranked > 0) {
		a->status = PLACE_NO_DATA;
		a->no_data_reason = "only groups with estimated times meet the "
				    "query: measure the pairs in toMeasure";
	}
	place_answer_free(b);
	return true;
}

/* Which members were chosen with a guessed score. */
static void
mark_priors(struct place_answer *a, const struct place_query *q,
    const struct place_world *given)
{
	for (size_t i = 0; i < a->nranked; i++)
		for (size_t j = 0; j < a->ranked[i].nmembers; j++) {
			struct place_member *m = &a->ranked[i].members[j];
			const struct place_offer *o = m->offer == PLACE_NONE
			    ? NULL
			    : &given->offers[m->offer];

			for (size_t t = 0; o != NULL && t < q->nterms; t++)
				m->prior = m->prior ||
				    ((q->terms[t].kind == PLACE_PERFORMANCE ||
					 q->terms[t].kind ==
					     PLACE_PRICE_PERFORMANCE) &&
					(o->scores == NULL ||
					    o->scores[q->terms[t].metric] ==
						PLACE_NO_SCORE));
		}
}

static bool
by_mode(struct place_answer *a, const struct place_query *q,
    const struct place_world *w, struct pl_ctl *ctl, struct pl_small *small,
    struct mw_err *err)
{
	if (q->mode == PLACE_GROUPS)
		return groups(a, q, w, ctl, err);
	if (q->mode == PLACE_CHECK)
		return check(a, q, w, err);
	return place(a, q, w, ctl, small, err) &&
	    (q->missing_pair != PLACE_MISSING_ESTIMATE ||
		append_unverified(a, q, w, ctl, err));
}

static void
say(struct place_answer *a, const struct place_query *q)
{
	if (q->mode != PLACE_CHECK)
		warn_removed(a, q);
	if (q->mode == PLACE_PLACE && q->nterms == 0 && a->nranked > 1)
		pl_warn(a,
		    "no objective is given: the groups are in the "
		    "order of their sites");
}

struct place_answer *
place_solve(const struct place_query *q, const struct place_world *given,
    uint64_t max_nodes, bool (*stop)(void *arg), void *stop_arg,
    struct mw_err *err)
{
	struct pl_ctl ctl = { .max_nodes = max_nodes,
		.stop = stop,
		.stop_arg = stop_arg };
	struct pl_small small = { .map = NULL };
	const struct place_world *w;
	struct place_answer *a;

	if (!pl_query_check(q, given, err))
		return NULL;
	if (q->max_nodes > 0 &&
	    (ctl.max_nodes == 0 || q->max_nodes < ctl.max_nodes))
		ctl.max_nodes = q->max_nodes;
	a = answer_new(q);
	w = pl_world_prepare(q, given, a->arena);
	if (!by_mode(a, q, w, &ctl, &small, err)) {
		pl_world_done(w, given);
		place_answer_free(a);
		return NULL;
	}
	say(a, q);
	decorate(a, q, given);
	if (q->missing_score == PLACE_MISSING_PRIOR)
		mark_priors(a, q, given);
	if (q->mode == PLACE_PLACE && a->status == PLACE_OPTIMAL &&
	    ctl.cut == PLACE_NOT_CUT)
		a->has_flip = place_flip(&a->ranked[0], q,
		    small.map != NULL ? &small.w : w,
		    FLIP_NODES + FLIP_FACTOR * ctl.nodes, stop, stop_arg,
		    &a->flip_us);
	if (a->status == PLACE_INFEASIBLE &&
	    (q->mode == PLACE_PLACE ||
		(q->mode == PLACE_GROUPS && q->nroles == 1)))
		pl_explain(a, q, w, small.map != NULL ? &small : NULL, &ctl);
	pl_world_done(w, given);
	a->nodes = ctl.nodes;
	return a;
}
