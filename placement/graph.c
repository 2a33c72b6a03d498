/*
 * graph.c - which two elements may be in one group: pair limits, separations,
 * and caps of one per site, zone, region or csp. Rows of bits, made when first
 * asked for.
 */
#include "placement/internal.h"
#include "placement/world.h"

#include <string.h>

/* May e share the level with y? One of it at most, or a separation. */
static bool
exclude(const struct pl_model *m, uint32_t cls, uint32_t other,
    enum place_level l)
{
	return m->cap[l] < 2 || m->apart[cls][other] >= l;
}

/* Bits of the elements that are near enough. */
static void
near(const struct pl_model *m, uint32_t e, uint64_t *row, size_t words)
{
	const uint32_t *lim = m->lim[m->el[e].cls];
	const uint32_t *t = pl_times_row(m->times, m->esite[e]);

	for (size_t w = 0; w < words; w++) {
		size_t left = m->nel - 64 * w, n = left < 64 ? left : 64;
		const uint32_t *site = m->esite + 64 * w;
		const uint8_t *cls = m->ecls + 64 * w;
		uint64_t bits = 0;

		/* From the last to the first: a shift by one each. */
		if (m->ncls == 1)
			for (size_t i = n; i-- > 0;)
				bits = bits * 2 + (t[site[i]] <= lim[0]);
		else
			for (size_t i = n; i-- > 0;)
				bits = bits * 2 + (t[site[i]] <= lim[cls[i]]);
		row[w] = bits;
	}
}

/* Takes out those that share a level with e which they may not share. */
static void
untie(const struct pl_model *m, uint32_t e, uint64_t *row)
{
	const struct pl_element *x = &m->el[e];

	for (enum place_level l = PLACE_LEVEL_SITE; l <= m->tied; l++) {
		const uint32_t *at = m->at[l];

		for (uint32_t y = 0; y < m->nel; y++)
			if (at[m->el[y].site] == at[x->site] &&
			    exclude(m, x->cls, m->ecls[y], l))
				row[y >> 6] &= ~(UINT64_C(1) << (y & 63));
	}
}

const uint64_t *
pl_graph_row(struct pl_search *s, uint32_t e)
{
	const struct pl_model *m = s->m;
	uint64_t *row = s->adj + (size_t)e * s->words;

	/* Of one VM, nothing goes with anything. */
	if (s->adj_built[e] || m->k == 1)
		return row;
	near(m, e, row, (m->nel + 63) / 64);
	/* Of one class, a site is one element. */
	if (m->ncls > 1 || m->tied > PLACE_LEVEL_SITE)
		untie(m, e, row);
	row[e >> 6] &= ~(UINT64_C(1) << (e & 63));
	s->adj_built[e] = true;
	return row;
}
