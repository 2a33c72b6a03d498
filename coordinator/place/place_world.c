/*
 * place_world.c - builds the solver's world from matrices, results and the
 * catalogue. Runs on the loop, so it copies: the snapshot is then immutable
 * and may be read by any thread. What solving prepares of it is made by a pool
 * thread, once.
 */
#include "coordinator/place/place_world.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/measure/snap.h"
#include "lifecycle/lifecycle.h"

#include <math.h>
#include <string.h>

#define SITE_NONE SIZE_MAX

struct build {
	struct coord *c;
	const struct place_from *from;
	struct place_snapshot *s;
	struct place_site *sites;
	const char **site_conn, **site_spec; /* spec NULL: any */
	size_t n, cap;
	uint32_t *p50, *p95, *samples, *rounds, *age;
	double *lat, *lon; /* of the sites */
};

static bool add_sites(struct build *b, struct mw_err *err);
static size_t site_of(struct build *b, const char *conn, const char *spec,
    bool add);
static void add_cells(struct build *b, size_t k);
static void cell_merge(struct build *b, size_t at, const struct matrix_cell *c);
static void add_offers(struct build *b, const struct place_scores *scores);

struct place_snapshot *
place_snapshot_new(struct coord *c, const struct place_from *from,
    const struct place_scores *scores, struct mw_err *err)
{
	struct place_snapshot *s = xcalloc(1, sizeof *s);
	struct build b = { .c = c, .from = from, .s = s };
	size_t cells;

	s->arena = arena_new();
	s->refs = 1;
	pthread_mutex_init(&s->lock, NULL);
	if (!add_sites(&b, err))
		goto fail;
	cells = b.n * b.n;
	b.p50 = arena_array(s->arena, cells, sizeof *b.p50);
	b.p95 = arena_array(s->arena, cells, sizeof *b.p95);
	b.samples = arena_array(s->arena, cells, sizeof *b.samples);
	b.rounds = arena_array(s->arena, cells, sizeof *b.rounds);
	b.age = arena_array(s->arena, cells, sizeof *b.age);
	for (size_t i = 0; i < cells; i++)
		b.p50[i] = b.p95[i] = b.samples[i] = b.rounds[i] = b.age[i] =
		    PLACE_UNKNOWN;
	for (size_t i = 0; i < from->nmcis; i++)
		add_cells(&b, i);
	if (!s->rounds) {
		err_set(err, MW_NOT_FOUND, 0,
		    "no latency matrix of these groups was measured yet");
		err_hint(err, "milkyway matrix %s --run", from->mcis[0]);
		goto fail;
	}
	s->world.sites = b.sites;
	s->world.nsites = b.n;
	s->world.rtt_us[PLACE_P50] = b.p50;
	s->world.rtt_us[PLACE_P95] = b.p95;
	s->world.rtt_n = b.samples;
	s->world.rtt_rounds = b.rounds;
	s->world.rtt_age_s = b.age;
	s->world.lat = b.lat;
	s->world.lon = b.lon;
	s->world.intra_site_us = PLACE_UNKNOWN;
	add_offers(&b, scores);
	free(b.site_conn);
	free(b.site_spec);
	return s;
fail:
	free(b.site_conn);
	free(b.site_spec);
	place_snapshot_free(s);
	return NULL;
}

void
place_snapshot_free(struct place_snapshot *s)
{
	if (!s || --s->refs)
		return;
	place_prepared_free(s->prepared);
	place_scores_free(&s->scores);
	pthread_mutex_destroy(&s->lock);
	arena_free(s->arena);
	free(s);
}

struct place_snapshot *
place_snapshot_ref(struct place_snapshot *s)
{
	s->refs++;
	return s;
}

const struct place_world *
place_snapshot_world(struct place_snapshot *s, struct mw_err *err)
{
	const struct place_world *w;

	pthread_mutex_lock(&s->lock);
	if (!s->prepared)
		s->prepared = place_prepare(&s->world, err);
	w = s->prepared ? place_prepared_world(s->prepared) : NULL;
	pthread_mutex_unlock(&s->lock);
	return w;
}

static const char *
ns_of(const struct place_from *f, size_t i)
{
	return f->nss ? f->nss[i] : f->ns;
}

/* Sites of all VMs that are named; with whole regions as sites, also the
 * regions that were never measured: a query without a limit may use them. */
static bool
add_sites(struct build *b, struct mw_err *err)
{
	size_t max = conns_count(b->c->conns);

	for (size_t i = 0; i < b->from->nmcis; i++) {
		const char *ns = ns_of(b->from, i);
		struct lc_mcis *m =
		    lc_mcis_find(b->c->lc, ns, b->from->mcis[i]);

		if (!m)
			return err_set(err, MW_NOT_FOUND, 0,
			    "no MCIS %s in namespace %s", b->from->mcis[i], ns);
		max += m->nslots;
	}
	b->cap = max;
	b->sites = arena_array(b->s->arena, max, sizeof *b->sites);
	b->lat = arena_array(b->s->arena, max, sizeof *b->lat);
	b->lon = arena_array(b->s->arena, max, sizeof *b->lon);
	b->site_conn = xcalloc(max + 1, sizeof *b->site_conn);
	b->site_spec = xcalloc(max + 1, sizeof *b->site_spec);
	for (size_t i = 0; i < b->from->nmcis; i++) {
		struct lc_mcis *m =
		    lc_mcis_find(b->c->lc, ns_of(b->from, i), b->from->mcis[i]);

		for (struct lc_slot *v = m->slots; v; v = v->next)
			site_of(b, v->row.spec.connection, v->row.spec.spec,
			    true);
	}
	for (size_t i = 0; !b->from->by_spec && i < conns_count(b->c->conns);
	     i++)
		site_of(b, conns_at(b->c->conns, i)->id, NULL, true);
	if (b->n > PLACE_MAX_SITES)
		return err_set(err, MW_LIMIT, 0, "%zu sites; at most %d", b->n,
		    PLACE_MAX_SITES);
	return true;
}

/* Index of the site of a (connection, spec), added if asked; SITE_NONE if the
 * connection is gone. */
static size_t
site_of(struct build *b, const char *conn, const char *spec, bool add)
{
	const struct conn_row *row = conns_get(b->c->conns, conn);
	struct arena *a = b->s->arena;
	struct place_site *s;

	if (!b->from->by_spec)
		spec = NULL;
	for (size_t i = 0; i < b->n; i++)
		if (str_eq(b->site_conn[i], conn) &&
		    str_eq(b->site_spec[i], spec))
			return i;
	if (!add || !row || b->n == b->cap)
		return SITE_NONE;
	s = &b->sites[b->n];
	s->csp = arena_strdup(a, row->csp);
	s->region = arena_printf(a, "%s-%s", row->csp, row->region);
	s->id = spec ? arena_printf(a, "%s-%s", s->region, spec) : s->region;
	b->lat[b->n] = row->has_location ? row->lat : NAN;
	b->lon[b->n] = row->has_location ? row->lon : NAN;
	b->site_conn[b->n] = arena_strdup(a, conn);
	b->site_spec[b->n] = arena_strdup(a, spec);
	return b->n++;
}

static void
add_cells(struct build *b, size_t k)
{
	const char *ns = ns_of(b->from, k), *mcis = b->from->mcis[k];
	struct lc_mcis *m = lc_mcis_find(b->c->lc, ns, mcis);
	struct matrix *x = snap_pool(b->c->snap, ns, mcis);
	size_t *site;

	if (!m || !x)
		return;
	site = xcalloc(x->n + 1, sizeof *site);
	for (size_t i = 0; i < x->n; i++) {
		struct lc_slot *v = lc_vm_find(m, x->names[i]);

		/* a name that came back is another machine */
		if (v && x->who[i].slot && x->who[i].slot != v->row.slot_id)
			v = NULL;
		site[i] = v ? site_of(b, v->row.spec.connection,
				  v->row.spec.spec, false)
			    : SITE_NONE;
	}
	for (size_t i = 0; i < x->n; i++)
		for (size_t j = 0; j < x->n; j++)
			if (i != j && site[i] != SITE_NONE &&
			    site[j] != SITE_NONE)
				cell_merge(b, site[i] * b->n + site[j],
				    matrix_at(x, i, j));
	free(site);
	b->s->rounds++;
	if (!b->s->measured_at || x->at_wall_ns < b->s->measured_at)
		b->s->measured_at = x->at_wall_ns;
}

/* Keeps the worst value, the fewest samples, the oldest age. */
static void
cell_merge(struct build *b, size_t at, const struct matrix_cell *c)
{
	int64_t age_s = (clock_wall_ns() - c->at_wall_ns) / NS_PER_S;
	uint32_t age = age_s < 0 ? 0 : (uint32_t)age_s;

	/* What it inherited may rank for a reader, never satisfy a limit. */
	if (c->why != MATRIX_KNOWN || c->flags & MATRIX_F_INHERITED)
		return;
	if (b->p50[at] == PLACE_UNKNOWN || c->p50_us > b->p50[at])
		b->p50[at] = c->p50_us;
	if (b->p95[at] == PLACE_UNKNOWN || c->p95_us > b->p95[at])
		b->p95[at] = c->p95_us;
	if (b->samples[at] == PLACE_UNKNOWN || c->n < b->samples[at])
		b->samples[at] = c->n;
	if (b->rounds[at] == PLACE_UNKNOWN || c->rounds < b->rounds[at])
		b->rounds[at] = c->rounds;
	if (b->age[at] == PLACE_UNKNOWN || age > b->age[at])
		b->age[at] = age;
}

static void
add_offers(struct build *b, const struct place_scores *scores)
{
	struct conns *cs = b->c->conns;
	struct arena *a = b->s->arena;
	struct place_world *w = &b->s->world;
	const char **metrics = arena_array(a, PLACE_METRICS, sizeof *metrics);
	struct place_offer *offers =
	    arena_array(a, conns_spec_count(cs) + 1, sizeof *offers);

	b->s->offer_connection = arena_array(a, conns_spec_count(cs) + 1,
	    sizeof *b->s->offer_connection);
	b->s->offer_spec =
	    arena_array(a, conns_spec_count(cs) + 1, sizeof *b->s->offer_spec);
	for (int k = 0; k < PLACE_METRICS; k++)
		metrics[k] = place_metric_name(k);
	for (size_t i = 0; i < conns_spec_count(cs); i++) {
		const struct spec_row *p = conns_spec_at(cs, i);
		size_t site = site_of(b, p->connection, p->name, false);
		struct place_offer *o = &offers[w->noffers];
		int64_t *score;

		if (site == SITE_NONE)
			continue;
		score = arena_array(a, PLACE_METRICS, sizeof *score);
		for (int k = 0; k < PLACE_METRICS; k++) {
			const struct place_score *e =
			    place_scores_find(scores, p->spec_id, k);

			score[k] = e ? e->milli : PLACE_NO_SCORE;
		}
		o->site = (uint32_t)site;
		o->spec_id = arena_strdup(a, p->spec_id);
		o->connection = arena_strdup(a, p->connection);
		o->arch = arena_strdup(a, p->arch);
		o->vcpu = p->vcpu;
		o->memory_mib = p->memory_mib;
		o->cost_per_hour_micros = p->cost_per_hour_micros < 0
		    ? PLACE_NO_PRICE
		    : p->cost_per_hour_micros;
		o->cost_reason = arena_strdup(a, p->cost_reason);
		o->scores = score;
		b->s->offer_connection[w->noffers] =
		    arena_strdup(a, p->connection);
		b->s->offer_spec[w->noffers] = arena_strdup(a, p->name);
		w->noffers++;
	}
	w->offers = offers;
	w->metrics = metrics;
	w->nmetrics = PLACE_METRICS;
}
