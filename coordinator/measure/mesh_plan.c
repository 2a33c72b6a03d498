/*
 * mesh_plan.c - levels and budgets of matrix rounds. Pure: no I/O, no clock.
 * Called by mesh.c and by whoever fills a matrix for its readers.
 */
#include "coordinator/measure/mesh_plan.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <assert.h>
#include <string.h>

static bool
same_region(const struct mesh_plan_place *a, const struct mesh_plan_place *b)
{
	return str_eq(a->csp, b->csp) && str_eq(a->region, b->region);
}

static bool
same_zone(const struct mesh_plan_place *a, const struct mesh_plan_place *b)
{
	return same_region(a, b) && str_eq(a->zone, b->zone);
}

/* Numbers the classes of equal places in the order of their first member. */
static size_t
number(const struct mesh_plan_place *places, size_t n, uint32_t *of,
    bool (*same)(const struct mesh_plan_place *a,
	const struct mesh_plan_place *b))
{
	size_t *first = xcalloc(n + 1, sizeof *first), count = 0;

	for (size_t i = 0; i < n; i++) {
		size_t c = 0;

		while (c < count && !same(&places[first[c]], &places[i]))
			c++;
		if (c == count)
			first[count++] = i;
		of[i] = (uint32_t)c;
	}
	free(first);
	return count;
}

/* Zone z sends its member number round mod size: all of them in turn. */
static void
choose_reps(struct mesh_plan *p, uint64_t round)
{
	uint64_t *size = xcalloc(p->nzones + 1, sizeof *size);
	uint64_t *at = xcalloc(p->nzones + 1, sizeof *at);

	for (size_t i = 0; i < p->n; i++)
		size[p->zone[i]]++;
	for (size_t i = 0; i < p->n; i++) {
		uint32_t z = p->zone[i];

		if (at[z]++ == round % size[z])
			p->rep[z] = (uint32_t)i;
	}
	free(size);
	free(at);
}

static void
mark_ring(const struct mesh_plan *p, size_t i, bool *on)
{
	size_t found = 0;

	for (size_t k = 1; k < p->n && found < MESH_PLAN_RING; k++) {
		size_t j = (i + k) % p->n;

		if (p->zone[j] != p->zone[i])
			continue;
		on[j] = true;
		found++;
	}
}

static void
choose_targets(struct mesh_plan *p)
{
	size_t cap = p->n * MESH_PLAN_RING + p->nzones * p->nzones, at = 0;
	bool *on = xcalloc(p->n + 1, sizeof *on);

	p->target = xcalloc(cap + 1, sizeof *p->target);
	p->first = xcalloc(p->n + 1, sizeof *p->first);
	for (size_t i = 0; i < p->n; i++) {
		memset(on, 0, p->n);
		mark_ring(p, i, on);
		if (p->rep[p->zone[i]] == i)
			for (size_t z = 0; z < p->nzones; z++)
				on[p->rep[z]] = true;
		on[i] = false;
		for (size_t j = 0; j < p->n; j++)
			if (on[j])
				p->target[at++] = (uint32_t)j;
		assert(at <= cap);
		p->first[i + 1] = at;
		if (at - p->first[i] > p->most)
			p->most = at - p->first[i];
	}
	p->pairs = (int64_t)at;
	free(on);
}

void
mesh_plan_make(struct mesh_plan *p, const struct mesh_plan_place *places,
    size_t n, size_t full_max, uint64_t round)
{
	memset(p, 0, sizeof *p);
	p->n = n;
	p->zone = xcalloc(n + 1, sizeof *p->zone);
	p->region = xcalloc(n + 1, sizeof *p->region);
	p->nzones = number(places, n, p->zone, same_zone);
	p->nregions = number(places, n, p->region, same_region);
	p->levels = n > full_max;
	p->half = !p->levels && n > MESH_PLAN_BOTH_MAX;
	if (p->levels) {
		p->rep = xcalloc(p->nzones, sizeof *p->rep);
		choose_reps(p, round);
		choose_targets(p);
	} else {
		p->pairs = (int64_t)n * ((int64_t)n - 1);
		p->most = n > 0 ? n - 1 : 0;
	}
}

void
mesh_plan_free(struct mesh_plan *p)
{
	free(p->zone);
	free(p->region);
	free(p->rep);
	free(p->target);
	free(p->first);
	memset(p, 0, sizeof *p);
}

int64_t
mesh_plan_bytes(const struct mesh_plan *p, int64_t k)
{
	int64_t all = p->pairs * k * MESH_PLAN_PROBE_BYTES;

	return p->half ? all / 2 : all;
}

int64_t
mesh_plan_fit(const struct mesh_plan *p, int64_t k, int64_t max_bytes)
{
	int64_t one = mesh_plan_bytes(p, 2);

	if (one > 0 && k > max_bytes * 2 / one)
		k = max_bytes * 2 / one;
	return k > 0 ? k : 0;
}

/* A known cell from a member of one class to one of another. */
struct donor {
	uint32_t from, to; /* classes */
	const struct matrix_cell *cell;
};

static int
cmp_donor(const void *a, const void *b)
{
	const struct donor *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return (x->cell->p50_us > y->cell->p50_us) -
	    (x->cell->p50_us < y->cell->p50_us);
}

/* best[from * n + to]: the middle one of the known cells of each pair of
 * classes, or NULL. */
static const struct matrix_cell **
middle_cells(const struct matrix *m, const uint32_t *class, size_t n)
{
	const struct matrix_cell **best = xcalloc(n * n + 1, sizeof *best);
	struct donor *all = NULL;
	size_t count = 0, cap = 0;

	for (size_t i = 0; i < m->n; i++)
		for (size_t j = 0; j < m->n; j++) {
			const struct matrix_cell *c = matrix_at(m, i, j);

			if (i == j || c->why != MATRIX_KNOWN ||
			    c->flags & MATRIX_F_INHERITED)
				continue;
			VEC_GROW(all, count, cap);
			all[count++] = (struct donor){ class[i], class[j], c };
		}
	if (count > 0)
		qsort(all, count, sizeof *all, cmp_donor);
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i; end < count && all[end].from == all[i].from &&
		     all[end].to == all[i].to;)
			end++;
		best[all[i].from * n + all[i].to] = all[i + (end - i) / 2].cell;
	}
	free(all);
	return best;
}

size_t
mesh_plan_inherit(struct matrix *m, const struct mesh_plan *p)
{
	const struct matrix_cell **zones, **regions, *from;
	size_t filled = 0;

	assert(m->n == p->n);
	zones = middle_cells(m, p->zone, p->nzones);
	regions = middle_cells(m, p->region, p->nregions);
	for (size_t i = 0; i < m->n; i++)
		for (size_t j = 0; j < m->n; j++) {
			struct matrix_cell *c = matrix_at(m, i, j);

			if (i == j || c->why != MATRIX_NEVER)
				continue;
			from = zones[p->zone[i] * p->nzones + p->zone[j]];
			if (from == NULL)
				from = regions[p->region[i] * p->nregions +
				    p->region[j]];
			if (from == NULL)
				continue;
			*c = *from;
			c->flags |= MATRIX_F_INHERITED;
			c->n = c->lost = 0;
			filled++;
		}
	free(zones);
	free(regions);
	return filled;
}
