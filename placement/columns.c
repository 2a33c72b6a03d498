/*
 * columns.c - the offers of a world in columns, grouped by site: what a filter
 * reads of one offer lies beside what it reads of the next. Words are numbers.
 */
#include "common/pure/alloc.h"
#include "placement/world.h"

#include <stdlib.h>
#include <string.h>

static int
word_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

uint32_t
pl_columns_word(const struct pl_columns *c, const char *text)
{
	const char **at;

	if (text == NULL || c->nwords == 0)
		return 0;
	at = bsearch(&text, c->word + 1, c->nwords, sizeof *c->word, word_cmp);
	return at == NULL ? 0 : (uint32_t)(at - c->word);
}

/* All words, sorted, each once. Neighbours often share theirs. */
static void
words_make(struct pl_columns *c, const struct place_world *w,
    struct arena *arena)
{
	const char **v = xreallocarray(NULL, 3 * w->noffers + 1, sizeof *v);
	const char *last[3] = { NULL, NULL, NULL };
	size_t n = 0;

	for (size_t i = 0; i < w->noffers; i++) {
		const struct place_offer *o = &w->offers[i];
		const char *text[3] = { o->spec_id, o->connection, o->arch };

		for (int k = 0; k < 3; k++)
			if (text[k] != NULL &&
			    (last[k] == NULL || strcmp(last[k], text[k]) != 0))
				v[n++] = last[k] = text[k];
	}
	qsort(v, n, sizeof *v, word_cmp);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(v[i], v[c->nwords - 1]) != 0)
			v[c->nwords++] = v[i];
	c->word = arena_array(arena, c->nwords + 1, sizeof *c->word);
	if (c->nwords > 0)
		memcpy(c->word + 1, v, c->nwords * sizeof *v);
	free(v);
}

static void
group(struct pl_columns *c, const struct place_world *w, struct arena *arena)
{
	uint32_t *next = xcalloc(w->nsites + 1, sizeof *next);

	c->offer = arena_array(arena, w->noffers + 1, sizeof *c->offer);
	c->first = arena_array(arena, w->nsites + 2, sizeof *c->first);
	for (size_t i = 0; i < w->noffers; i++)
		c->first[w->offers[i].site + 1]++;
	for (size_t s = 0; s < w->nsites; s++) {
		c->first[s + 1] += c->first[s];
		next[s] = c->first[s];
	}
	for (uint32_t i = 0; i < w->noffers; i++)
		c->offer[next[w->offers[i].site]++] = i;
	free(next);
}

void
pl_columns_make(struct pl_columns *c, const struct place_world *w,
    struct arena *arena)
{
	size_t n = w->noffers + 1;

	group(c, w, arena);
	words_make(c, w, arena);
	c->site = arena_array(arena, n, sizeof *c->site);
	c->vcpu = arena_array(arena, n, sizeof *c->vcpu);
	c->memory = arena_array(arena, n, sizeof *c->memory);
	c->price = arena_array(arena, n, sizeof *c->price);
	c->spec = arena_array(arena, n, sizeof *c->spec);
	c->connection = arena_array(arena, n, sizeof *c->connection);
	c->arch = arena_array(arena, n, sizeof *c->arch);
	for (size_t i = 0; i < w->noffers; i++) {
		const struct place_offer *o = &w->offers[c->offer[i]];

		c->site[i] = o->site;
		c->vcpu[i] = o->vcpu;
		c->memory[i] = o->memory_mib;
		c->price[i] = o->cost_per_hour_micros;
		c->spec[i] = pl_columns_word(c, o->spec_id);
		c->connection[i] = pl_columns_word(c, o->connection);
		c->arch[i] = pl_columns_word(c, o->arch);
	}
	pl_kinds_make(c, w, arena);
}
