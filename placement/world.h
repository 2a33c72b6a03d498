/*
 * world.h - what the library keeps of a world beside the world itself, for one
 * solve or, prepared (prepared.h), for many: the larger direction of each pair
 * of sites, sites in the order of their names, offers in columns.
 *
 * Each part belongs to arrays of the world that it was made from, and counts
 * only for a world that has these very arrays: a world with other times or
 * fewer offers may keep the rest.
 */
#ifndef MW_PLACEMENT_WORLD_H
#define MW_PLACEMENT_WORLD_H

#include "placement/prepared.h"

/* Rows that are made at once: a cache line of the matrix has 16 cells, and
 * half of what makes a row stands in a column. */
#define PL_TIMES_ROWS 16

/* The time of each pair of sites as place_pair_rtt() says it, row by row. Rows
 * are made when first asked for: one thread only, until all of them are. */
struct pl_times {
	size_t n;
	const uint32_t *rtt, *age; /* of the world; may be NULL */
	uint32_t max_age_s, intra_us;
	uint32_t **block;
};

struct pl_times *pl_times_new(const struct place_world *w, enum place_stat stat,
    uint32_t max_age_s);
void pl_times_free(struct pl_times *t);
void pl_times_make(struct pl_times *t, size_t block);

static inline const uint32_t *
pl_times_row(struct pl_times *t, uint32_t site)
{
	size_t b = site / PL_TIMES_ROWS;

	if (t->block[b] == NULL)
		pl_times_make(t, b);
	return t->block[b] + site % PL_TIMES_ROWS * t->n;
}

struct pl_names { /* of sites */
	uint32_t *by_id; /* sites in the order of their ids */
	/* Sites in the order of csp, region, zone, id; and the widest level
	 * (enum place_level) at which each differs from the one before. */
	uint32_t *by_place;
	uint8_t *differs;
};

struct pl_kind { /* of offers that differ in site, name and price only */
	int64_t vcpu, memory;
	uint32_t arch, connection;
};

struct pl_columns { /* of offers, grouped by site, else in their order */
	uint32_t *offer; /* of the world */
	uint32_t *first; /* per site, and one more */
	uint32_t *site;
	int64_t *vcpu, *memory, *price;
	uint32_t *spec, *connection, *arch; /* words; 0: not known */
	const char **word; /* sorted; from 1 */
	uint32_t nwords;
	uint16_t *kind;
	struct pl_kind *kinds;
	uint32_t nkinds; /* 0: too many to be of use */
	/* The offers of each site by price, those without last, then by their
	 * name; and by their name. */
	uint32_t *by_price, *by_spec;
};

struct place_prepared {
	struct place_world w; /* its prepared is this one */
	bool checked; /* pl_world_check() passed */
	struct pl_times *times[PLACE_STAT_COUNT];
	uint32_t oldest_s; /* of all cells whose age is known */
	struct pl_names names;
	struct pl_columns columns; /* offer NULL: none */
	struct arena *arena;
};

/* For one solve: what must be known anyway, the rest when it is needed. */
struct place_prepared *pl_prepare_once(const struct place_query *q,
    const struct place_world *w);
bool pl_world_check(const struct place_world *w,
    struct mw_err *err) mw_must_check;

/* The part if the world has it, else NULL. */
struct pl_times *pl_world_times(const struct place_query *q,
    const struct place_world *w);
const struct pl_names *pl_world_names(const struct place_world *w);
const struct pl_columns *pl_world_columns(const struct place_world *w);
/* The number of a word of the columns; 0: it has none. */
uint32_t pl_columns_word(const struct pl_columns *c, const char *text);

void pl_columns_make(struct pl_columns *c, const struct place_world *w,
    struct arena *arena);
void pl_kinds_make(struct pl_columns *c, const struct place_world *w,
    struct arena *arena);
void pl_names_make(struct pl_names *p, const struct place_world *w,
    struct arena *arena);

#endif
