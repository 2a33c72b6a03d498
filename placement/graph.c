/*
 * graph.c - which two elements may be in one group: pair limits, and caps of
 * one per site, region or csp. Rows of bits, made when first asked for.
 */
#include "placement/internal.h"

bool
pl_compatible(const struct pl_model *m, uint32_t a, uint32_t b)
{
	const struct pl_element *x = &m->el[a], *y = &m->el[b];

	if (m->cap_csp < 2 && m->csp[x->site] == m->csp[y->site])
		return false;
	if (m->cap_region < 2 && m->region[x->site] == m->region[y->site])
		return false;
	if (x->site == y->site && (m->cap_site < 2 || x->cls == y->cls))
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
