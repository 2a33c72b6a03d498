/*
 * graph.c - which two elements may be in one group: pair limits, separations,
 * and caps of one per site, zone, region or csp. Rows of bits, made when first
 * asked for.
 */
#include "placement/internal.h"

bool
pl_compatible(const struct pl_model *m, uint32_t a, uint32_t b)
{
	const struct pl_element *x = &m->el[a], *y = &m->el[b];

	if (x->site == y->site && x->cls == y->cls)
		return false;
	for (enum place_level l = PLACE_LEVEL_SITE; l <= m->tied; l++)
		if (m->at[l][x->site] == m->at[l][y->site] &&
		    (m->cap[l] < 2 || m->apart[x->cls][y->cls] >= l))
			return false;
	return pl_model_rtt(m, x->site, y->site) <= m->lim[x->cls][y->cls];
}

const uint64_t *
pl_graph_row(struct pl_search *s, uint32_t e)
{
	uint64_t *row = s->adj + (size_t)e * s->words;

	if (s->adj_built[e])
		return row;
	for (uint32_t x = 0; x < s->m->nel; x++)
		if (x != e && pl_compatible(s->m, e, x))
			row[x >> 6] |= UINT64_C(1) << (x & 63);
	s->adj_built[e] = true;
	return row;
}
