/*
 * swap.c - what the users' mean becomes if one chosen element is replaced by
 * another, for all that may go at once: Whitaker's fast interchange (INFOR
 * 1983; see Resende and Werneck, EJOR 2007). A user whose nearest goes has its
 * second nearest, or the one that comes.
 */
#include "placement/internal.h"

#include <stdlib.h>
#include <string.h>

#define FAR (1u << 30) /* us; more is added up as that */

struct pl_swap {
	const struct pl_model *m;
	uint32_t *first, *second; /* per user: times to the nearest two */
	uint32_t *at; /* position of the nearest in the set */
	int64_t *more; /* per position: what its users lose if it goes */
	pl_cost base; /* the VMs cost at least that */
};

struct pl_swap *
pl_swap_new(const struct pl_model *m)
{
	struct pl_swap *w = xcalloc(1, sizeof *w);

	w->m = m;
	w->first = xcalloc(3 * m->nusers + 1, sizeof *w->first);
	w->second = w->first + m->nusers;
	w->at = w->second + m->nusers;
	w->more = xcalloc(PLACE_MAX_VMS, sizeof *w->more);
	for (size_t i = 0; i < m->m; i++) {
		pl_cost least = PL_INF;

		for (size_t e = 0; e < m->nel; e++)
			if (m->ecost[i * m->nel + e] < least)
				least = m->ecost[i * m->nel + e];
		w->base += least >= PL_INF ? 0 : least * m->count[i];
	}
	return w;
}

void
pl_swap_free(struct pl_swap *w)
{
	if (w == NULL)
		return;
	free(w->first);
	free(w->more);
	free(w);
}

void
pl_swap_set(struct pl_swap *w, const uint32_t *set, size_t k)
{
	const struct pl_model *m = w->m;

	for (size_t u = 0; u < m->nusers; u++) {
		const uint32_t *row = m->user_rtt + u * m->n;

		w->first[u] = w->second[u] = FAR;
		w->at[u] = 0;
		for (size_t c = 0; c < k; c++) {
			uint32_t t = row[m->el[set[c]].site];

			if (!m->serves[m->el[set[c]].cls] || t >= w->second[u])
				continue;
			if (t >= w->first[u]) {
				w->second[u] = t;
				continue;
			}
			w->second[u] = w->first[u];
			w->first[u] = t;
			w->at[u] = (uint32_t)c;
		}
	}
}

void
pl_swap_costs(struct pl_swap *w, size_t k, uint32_t e, pl_cost *out)
{
	const struct pl_model *m = w->m;
	const uint32_t *row = m->user_rtt + m->el[e].site;
	bool serves = m->serves[m->el[e].cls];
	int64_t sum = 0;

	memset(w->more, 0, k * sizeof *w->more);
	for (size_t u = 0; u < m->nusers; u++, row += m->n) {
		uint32_t t = serves && *row < FAR ? *row : FAR, keep, go;
		int64_t weight = m->q->users[u].weight;

		keep = t < w->first[u] ? t : w->first[u];
		go = t < w->second[u] ? t : w->second[u];
		sum += weight * keep;
		w->more[w->at[u]] += weight * ((int64_t)go - keep);
	}
	for (size_t c = 0; c < k; c++)
		out[c] = w->base +
		    m->coef[m->user_term] *
			((pl_cost)(sum + w->more[c]) /
			    (pl_cost)m->user_weight_sum);
}
