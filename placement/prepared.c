/*
 * prepared.c - see prepared.h and world.h. What is prepared for one solve only
 * leaves out what costs more than it saves there: columns, and rows of times
 * that nobody asks for.
 */
#include "common/pure/alloc.h"
#include "placement/world.h"

#include <stdlib.h>
#include <string.h>

struct named {
	const char *name[PLACE_LEVEL_COUNT];
	uint32_t site;
};

static int
by_id(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->name[PLACE_LEVEL_SITE], y->name[PLACE_LEVEL_SITE]);
}

/* How far two sites are apart: the widest level at which they differ. */
static int
by_place(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	for (int l = PLACE_LEVEL_CSP; l > PLACE_LEVEL_NONE; l--) {
		int c = strcmp(x->name[l], y->name[l]);

		if (c != 0)
			return c < 0 ? -l : l;
	}
	return 0;
}

/* Zones that nobody knows count as one of their region: a cap must hold for
 * sure. */
void
pl_names_make(struct pl_names *p, const struct place_world *w,
    struct arena *arena)
{
	struct named *v = xcalloc(w->nsites + 1, sizeof *v);

	p->by_id = arena_array(arena, w->nsites + 1, sizeof *p->by_id);
	p->by_place = arena_array(arena, w->nsites + 1, sizeof *p->by_place);
	p->differs = arena_array(arena, w->nsites + 1, sizeof *p->differs);
	for (uint32_t i = 0; i < w->nsites; i++) {
		const struct place_site *s = &w->sites[i];

		v[i].name[PLACE_LEVEL_CSP] = s->csp;
		v[i].name[PLACE_LEVEL_REGION] = s->region;
		v[i].name[PLACE_LEVEL_ZONE] = s->zone != NULL ? s->zone : "";
		v[i].name[PLACE_LEVEL_SITE] = s->id;
		v[i].site = i;
	}
	qsort(v, w->nsites, sizeof *v, by_id);
	for (uint32_t i = 0; i < w->nsites; i++)
		p->by_id[i] = v[i].site;
	qsort(v, w->nsites, sizeof *v, by_place);
	for (uint32_t i = 0; i < w->nsites; i++) {
		int d = i == 0 ? PLACE_LEVEL_CSP : by_place(&v[i], &v[i - 1]);

		p->by_place[i] = v[i].site;
		p->differs[i] = (uint8_t)abs(d);
	}
	free(v);
}

static struct place_prepared *
prepared_new(const struct place_world *w)
{
	struct arena *arena = arena_new();
	struct place_prepared *p = arena_alloc(arena, sizeof *p);

	p->arena = arena;
	p->w = *w;
	p->w.prepared = p;
	pl_names_make(&p->names, w, arena);
	return p;
}

/* The oldest cell that has a time; what has no age is older than anything. */
static uint32_t
oldest(const struct place_world *w)
{
	uint32_t max = 0;

	for (size_t i = 0; w->rtt_age_s != NULL && i < w->nsites * w->nsites;
	     i++) {
		bool known = false;

		for (int s = 0; s < PLACE_STAT_COUNT; s++)
			known = known ||
			    (w->rtt_us[s] != NULL &&
				w->rtt_us[s][i] != PLACE_UNKNOWN);
		if (known && w->rtt_age_s[i] > max)
			max = w->rtt_age_s[i];
	}
	return max;
}

struct place_prepared *
place_prepare(const struct place_world *w, struct mw_err *err)
{
	struct place_prepared *p;

	if (!pl_world_check(w, err))
		return NULL;
	p = prepared_new(w);
	p->checked = true;
	p->oldest_s = oldest(w);
	for (enum place_stat s = 0; s < PLACE_STAT_COUNT; s++) {
		struct pl_times *t;

		/* One matrix may stand for every statistic. */
		if (s > 0 && w->rtt_us[s] == w->rtt_us[0]) {
			p->times[s] = p->times[0];
			continue;
		}
		t = p->times[s] = pl_times_new(w, s, 0);
		for (uint32_t a = 0; a < w->nsites; a += PL_TIMES_ROWS)
			(void)pl_times_row(t, a);
	}
	pl_columns_make(&p->columns, w, p->arena);
	return p;
}

struct place_prepared *
pl_prepare_once(const struct place_query *q, const struct place_world *w)
{
	struct place_prepared *p = prepared_new(w);

	p->times[q->limits.stat] =
	    pl_times_new(w, q->limits.stat, q->max_age_s);
	return p;
}

void
place_prepared_free(struct place_prepared *p)
{
	if (p == NULL)
		return;
	for (int s = 0; s < PLACE_STAT_COUNT; s++)
		if (s == 0 || p->times[s] != p->times[0])
			pl_times_free(p->times[s]);
	arena_free(p->arena);
}

const struct place_world *
place_prepared_world(const struct place_prepared *p)
{
	return &p->w;
}

size_t
place_prepared_bytes(const struct place_prepared *p)
{
	size_t n = p->w.nsites, sum = sizeof *p + 9 * n;

	for (int s = 0; s < PLACE_STAT_COUNT; s++)
		if (p->times[s] != NULL &&
		    (s == 0 || p->times[s] != p->times[0]))
			sum += n * n * sizeof(uint32_t);
	if (p->columns.offer != NULL)
		sum += p->w.noffers *
			(3 * sizeof(int64_t) + 7 * sizeof(uint32_t) +
			    sizeof(uint16_t)) +
		    p->columns.nkinds * sizeof(struct pl_kind) +
		    p->columns.nwords * sizeof(char *);
	return sum;
}

static const struct place_prepared *
of(const struct place_world *w)
{
	const struct place_prepared *p = w->prepared;

	return p != NULL && p->w.sites == w->sites && p->w.nsites == w->nsites
	    ? p
	    : NULL;
}

struct pl_times *
pl_world_times(const struct place_query *q, const struct place_world *w)
{
	const struct place_prepared *p = of(w);
	struct pl_times *t = p != NULL ? p->times[q->limits.stat] : NULL;
	uint32_t max = w->rtt_age_s != NULL ? q->max_age_s : 0;

	if (t == NULL || t->rtt != w->rtt_us[q->limits.stat] ||
	    t->intra_us != w->intra_site_us)
		return NULL;
	if (max > 0 && t->age != w->rtt_age_s)
		return NULL;
	/* All that is there may be young enough. */
	return max == t->max_age_s ||
		(t->max_age_s == 0 && p->checked && p->oldest_s <= max)
	    ? t
	    : NULL;
}

const struct pl_names *
pl_world_names(const struct place_world *w)
{
	const struct place_prepared *p = of(w);

	return p != NULL ? &p->names : NULL;
}

const struct pl_columns *
pl_world_columns(const struct place_world *w)
{
	const struct place_prepared *p = of(w);

	return p != NULL && p->columns.offer != NULL &&
		p->w.offers == w->offers && p->w.noffers == w->noffers
	    ? &p->columns
	    : NULL;
}
