/*
 * csps.c - is there room for all VMs if at most so many may be in one csp? By
 * classes and by csps alone there may be enough, and still not by both.
 */
#include "placement/search.h"

#define MAX_CSPS 64 /* bits of a set; beyond, the answer is yes */

struct seats {
	uint64_t may[PLACE_MAX_VMS]; /* csps that a VM may be in */
	uint32_t at[PLACE_MAX_VMS], n;
	uint32_t used[MAX_CSPS], cap;
};

/* Finds VM v a csp, moving others to make room (Kuhn 1955). */
static bool
seat(struct seats *t, uint32_t v, uint64_t *tried)
{
	for (uint64_t x = t->may[v]; x != 0; x &= x - 1) {
		uint32_t c = (uint32_t)__builtin_ctzll(x);

		if (t->used[c] == t->cap)
			continue;
		t->used[c]++;
		t->at[v] = c;
		return true;
	}
	while ((t->may[v] & ~*tried) != 0) {
		uint32_t c = (uint32_t)__builtin_ctzll(t->may[v] & ~*tried);

		*tried |= UINT64_C(1) << c;
		for (uint32_t u = 0; u < t->n; u++)
			if (t->at[u] == c && seat(t, u, tried)) {
				t->at[v] = c;
				return true;
			}
	}
	return false;
}

/* As many of the VMs of one element or class as there is room for. */
static void
seat_all(struct seats *t, uint64_t may, uint32_t vms, size_t k)
{
	bool room = true;

	for (; vms > 0 && t->n < k && room; vms--) {
		uint64_t tried = 0;

		t->may[t->n] = may;
		room = seat(t, t->n, &tried);
		t->n += room;
	}
}

static uint64_t
csp_of(const struct pl_model *m, uint32_t e)
{
	return UINT64_C(1) << m->at[PLACE_LEVEL_CSP][m->el[e].site];
}

bool
pl_csps_have_room(const struct pl_search *s, const uint32_t *list)
{
	const struct pl_model *m = s->m;
	const struct pl_bound *b = s->bound;
	struct seats t = { .cap = m->cap[PLACE_LEVEL_CSP] };

	if (t.cap >= m->k || m->ngroups[PLACE_LEVEL_CSP] > MAX_CSPS)
		return true;
	for (size_t c = 0; c < s->nchosen; c++)
		seat_all(&t, csp_of(m, s->chosen[c]), m->el[s->chosen[c]].cap,
		    m->k);
	for (size_t c = 2 * s->nchosen; c < b->ncols && t.n < m->k; c++) {
		uint64_t may = 0;

		for (uint32_t x = b->first[c]; x < b->first[c + 1]; x++)
			may |= csp_of(m, list[b->member[x]]);
		seat_all(&t, may, b->cap[c], m->k);
	}
	return t.n == m->k;
}
