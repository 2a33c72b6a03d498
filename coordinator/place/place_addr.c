/*
 * place_addr.c - times to the addresses of users. Owns what it loaded; the
 * world gets copies in its own arena.
 */
#include "coordinator/place/place_addr.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <math.h>
#include <string.h>

struct seen { /* one VM's newest time to one address */
	char connection[128], spec[128];
	size_t ip;
	uint32_t us;
};

struct place_addrs {
	char **ips;
	size_t n, cap;
	struct seen *v;
	size_t nseen, seen_cap;
};

struct place_addrs *
place_addrs_new(const json_t *query)
{
	struct place_addrs *a = xcalloc(1, sizeof *a);
	json_t *u;
	size_t i;

	json_array_foreach(json_object_get(query, "users"), i, u)
	{
		const char *ip = json_string_value(json_object_get(u, "ip"));

		if (!ip || a->n == PLACE_MAX_USERS)
			continue;
		VEC_GROW(a->ips, a->n, a->cap);
		a->ips[a->n++] = xstrdup(ip);
	}
	return a;
}

void
place_addrs_free(struct place_addrs *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++)
		free(a->ips[i]);
	free(a->ips);
	free(a->v);
	free(a);
}

bool
place_addrs_load(struct place_addrs *a, struct db *db, const char *ns,
    const char *mcis, struct mw_err *err)
{
	for (size_t i = 0; i < a->n; i++) {
		/* max(id) makes the other columns those of the newest row. */
		sqlite3_stmt *st = db_stmt(db,
		    "SELECT conn, spec, value, max(id) FROM result "
		    "WHERE ns = ?1 AND mcis = ?2 AND kind = ?3 AND "
		    "value IS NOT NULL AND json_extract(json, '$.target') = ?4 "
		    "GROUP BY slot, gen");

		db_bind(st, "ssis", ns, mcis, (int64_t)KIND_RTT, a->ips[i]);
		while (db_row(db, st, err)) {
			struct seen *s;

			VEC_GROW(a->v, a->nseen, a->seen_cap);
			s = &a->v[a->nseen++];
			str_copy(s->connection, sizeof s->connection,
			    db_text(st, 0));
			str_copy(s->spec, sizeof s->spec, db_text(st, 1));
			s->ip = i;
			s->us =
			    (uint32_t)ceil(sqlite3_column_double(st, 2) * 1000);
		}
		if (err->code != MW_OK)
			return false;
	}
	return true;
}

/* The site where that VM is: that of the offer it was made from. */
static uint32_t
site_of(const struct place_snapshot *s, const struct seen *v)
{
	for (size_t o = 0; o < s->world.noffers; o++)
		if (str_eq(s->offer_connection[o], v->connection) &&
		    str_eq(s->offer_spec[o], v->spec))
			return s->world.offers[o].site;
	return PLACE_NONE;
}

void
place_addrs_join(const struct place_addrs *a, const struct place_snapshot *s,
    struct arena *arena, struct place_world *w)
{
	struct place_addr *out = arena_array(arena, a->n + 1, sizeof *out);

	for (size_t i = 0; i < a->n; i++) {
		uint32_t *row = arena_array(arena, w->nsites + 1, sizeof *row);
		bool any = false;

		for (size_t x = 0; x < w->nsites; x++)
			row[x] = PLACE_UNKNOWN;
		for (size_t k = 0; k < a->nseen; k++) {
			uint32_t site = site_of(s, &a->v[k]);

			if (a->v[k].ip != i || site == PLACE_NONE)
				continue;
			if (row[site] == PLACE_UNKNOWN ||
			    a->v[k].us > row[site])
				row[site] = a->v[k].us;
			any = true;
		}
		if (!any)
			continue;
		out[w->naddrs].ip = arena_strdup(arena, a->ips[i]);
		out[w->naddrs++].rtt_us = row;
	}
	w->addrs = out;
}
