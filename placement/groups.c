/*
 * groups.c - all maximal sets of sites whose pairs are compatible (Bron and
 * Kerbosch, with a pivot where no cap above one is set: such caps would let a
 * set be maximal although the pivot could still join by its pairs alone).
 */
#include "placement/internal.h"

#include <stdlib.h>
#include <string.h>

struct groups {
	struct pl_search *s; /* for the graph */
	const struct pl_model *m;
	struct pl_ctl *ctl;
	uint32_t *set; /* elements */
	size_t n;
	uint32_t *used[PLACE_LEVEL_COUNT]; /* region, csp, zone */
	bool pivot, full, aborted;
	struct pl_found *out;
	size_t nout, cap, max;
};

static int
site_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
emit(struct groups *g)
{
	const struct pl_model *m = g->m;
	struct pl_found *f;

	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++) {
		uint32_t n = 0;

		for (size_t i = 0; i < m->ngroups[l]; i++)
			n += g->used[l][i] > 0;
		if (n < m->min[l])
			return;
	}
	if (g->nout == g->max) {
		g->full = true;
		return;
	}
	VEC_GROW(g->out, g->nout, g->cap);
	f = &g->out[g->nout++];
	memset(f, 0, sizeof *f);
	f->nsites = (uint32_t)g->n;
	f->sites = xcalloc(g->n, sizeof *f->sites);
	for (size_t i = 0; i < g->n; i++)
		f->sites[i] = m->el[g->set[i]].site;
	qsort(f->sites, g->n, sizeof *f->sites, site_cmp);
}

static bool
room(const struct groups *g, uint32_t e)
{
	const struct pl_model *m = g->m;
	uint32_t site = m->el[e].site;

	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		if (g->used[l][m->at[l][site]] >= m->cap[l])
			return false;
	return true;
}

static void
count(struct groups *g, uint32_t e, uint32_t by)
{
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		g->used[l][g->m->at[l][g->m->el[e].site]] += by;
}

static size_t
joinable(struct groups *g, uint32_t *out, const uint32_t *in, size_t n,
    uint32_t e)
{
	const uint64_t *row = pl_graph_row(g->s, e);
	size_t d = 0;

	for (size_t i = 0; i < n; i++)
		if (pl_bit(row, in[i]) && room(g, in[i]))
			out[d++] = in[i];
	return d;
}

/* The vertex with the most neighbours among the candidates. */
static const uint64_t *
pivot(struct groups *g, const uint32_t *p, size_t np, const uint32_t *x,
    size_t nx)
{
	const uint64_t *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < np + nx; i++) {
		const uint64_t *row =
		    pl_graph_row(g->s, i < np ? p[i] : x[i - np]);
		size_t c = 0;

		for (size_t j = 0; j < np; j++)
			c += pl_bit(row, p[j]);
		if (best == NULL || c > most) {
			best = row;
			most = c;
		}
	}
	return best;
}

static void
enumerate(struct groups *g, uint32_t *p, size_t np, uint32_t *x, size_t nx)
{
	const uint64_t *skip;
	uint32_t *sub;
	size_t from = np;

	if (np == 0 && nx == 0 && g->n > 0)
		emit(g);
	if (np == 0 || g->full || g->aborted)
		return;
	if (pl_tick(g->ctl)) {
		g->aborted = true;
		return;
	}
	skip = g->pivot ? pivot(g, p, np, x, nx) : NULL;
	sub = xcalloc(2 * np + nx + 1, sizeof *sub);
	/* Tried ones move to x: keep p's tail as the still open part. */
	for (size_t i = 0; i < from && !g->full && !g->aborted;) {
		uint32_t e = p[i];
		size_t d, dx;

		if (skip != NULL && pl_bit(skip, e)) {
			i++;
			continue;
		}
		g->set[g->n++] = e;
		count(g, e, 1);
		d = joinable(g, sub, p, from, e);
		dx = joinable(g, sub + d, p + from, np - from, e);
		dx += joinable(g, sub + d + dx, x, nx, e);
		enumerate(g, sub, d, sub + d, dx);
		g->n--;
		count(g, e, (uint32_t)-1);
		/* The tried one goes behind the open ones. */
		memmove(p + i, p + i + 1, (np - i - 1) * sizeof *p);
		p[np - 1] = e;
		from--;
	}
	free(sub);
}

static int
larger_first(const void *a, const void *b)
{
	const struct pl_found *x = a, *y = b;

	if (x->nsites != y->nsites)
		return x->nsites > y->nsites ? -1 : 1;
	for (uint32_t i = 0; i < x->nsites; i++)
		if (x->sites[i] != y->sites[i])
			return x->sites[i] < y->sites[i] ? -1 : 1;
	return 0;
}

bool
pl_groups(const struct pl_model *m, struct pl_ctl *ctl, size_t max,
    struct pl_found **out, size_t *nout, bool *cut_by_max)
{
	struct groups g = { .m = m, .ctl = ctl, .max = max };
	uint32_t *p = xcalloc(m->nel + 1, sizeof *p);

	g.s = pl_search_new(m, ctl, 1, true);
	g.set = xcalloc(m->nel + 1, sizeof *g.set);
	g.pivot = true;
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++) {
		g.used[l] = xcalloc(m->ngroups[l] + 1, sizeof *g.used[l]);
		if (m->cap[l] >= 2 && m->cap[l] < m->k)
			g.pivot = false;
	}
	for (uint32_t e = 0; e < m->nel; e++)
		p[e] = e;
	enumerate(&g, p, m->nel, NULL, 0);
	if (g.nout > 0)
		qsort(g.out, g.nout, sizeof *g.out, larger_first);
	*out = g.out;
	*nout = g.nout;
	*cut_by_max = g.full;
	pl_search_free(g.s);
	free(g.set);
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		free(g.used[l]);
	free(p);
	return !g.aborted && !g.full;
}
