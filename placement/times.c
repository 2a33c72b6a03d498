/*
 * times.c - the larger known direction of each pair of sites, in rows that can
 * be read one after the other. A row needs a row and a column of the matrix;
 * sixteen are made at once, so that each line of a column is read once.
 */
#include "common/pure/alloc.h"
#include "placement/world.h"

#include <stdlib.h>

static size_t
blocks(const struct pl_times *t)
{
	return t->n / PL_TIMES_ROWS + 1;
}

struct pl_times *
pl_times_new(const struct place_world *w, enum place_stat stat,
    uint32_t max_age_s)
{
	struct pl_times *t = xcalloc(1, sizeof *t);

	t->n = w->nsites;
	t->rtt = w->rtt_us[stat];
	t->age = w->rtt_age_s;
	t->max_age_s = w->rtt_age_s != NULL ? max_age_s : 0;
	t->intra_us = w->intra_site_us;
	t->block = xcalloc(blocks(t), sizeof(uint32_t *));
	return t;
}

void
pl_times_free(struct pl_times *t)
{
	if (t == NULL)
		return;
	for (size_t b = 0; b < blocks(t); b++)
		free(t->block[b]);
	free(t->block);
	free(t);
}

/* Unknown is the largest number: one more makes it the smallest. */
static uint32_t
larger(uint32_t a, uint32_t b)
{
	a++;
	b++;
	return (a > b ? a : b) - 1;
}

static uint32_t
cell(const struct pl_times *t, size_t at)
{
	bool old = t->max_age_s > 0 && t->age[at] > t->max_age_s;

	return old ? PLACE_UNKNOWN : t->rtt[at];
}

static void
fresh(const struct pl_times *t, uint32_t *out, size_t from, size_t rows)
{
	size_t n = t->n;

	for (size_t a = 0; a < n; a++)
		for (size_t r = 0; r < rows; r++)
			out[r * n + a] = larger(t->rtt[(from + r) * n + a],
			    t->rtt[a * n + from + r]);
}

static void
aged(const struct pl_times *t, uint32_t *out, size_t from, size_t rows)
{
	size_t n = t->n;

	for (size_t a = 0; a < n; a++)
		for (size_t r = 0; r < rows; r++)
			out[r * n + a] = larger(cell(t, (from + r) * n + a),
			    cell(t, a * n + from + r));
}

void
pl_times_make(struct pl_times *t, size_t block)
{
	size_t n = t->n, from = block * PL_TIMES_ROWS;
	size_t rows = n - from < PL_TIMES_ROWS ? n - from : PL_TIMES_ROWS;
	uint32_t *out = xreallocarray(NULL, rows * n + 1, sizeof *out);

	if (t->rtt == NULL)
		for (size_t i = 0; i < rows * n; i++)
			out[i] = PLACE_UNKNOWN;
	else if (t->max_age_s > 0)
		aged(t, out, from, rows);
	else
		fresh(t, out, from, rows);
	for (size_t r = 0; r < rows; r++) {
		uint32_t *same = &out[r * n + from + r];

		if (*same == PLACE_UNKNOWN)
			*same = t->intra_us;
	}
	t->block[block] = out;
}
