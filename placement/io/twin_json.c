/*
 * twin_json.c - a world file of the twin (docs/world-format.md) as placement
 * sees it: sites, offers, directed times. What only the emulation needs is
 * skipped here; the twin itself checks it.
 */
#include "placement/io/io.h"

#include "common/pure/geo.h"
#include "common/pure/num.h"

#include <math.h>
#include <string.h>

#define MAX_CLOUDS 100
#define MAX_REGIONS 1000
#define MAX_SPECS 1000

struct region {
	const char *id, *key; /* key: "{cloud}-{region}" */
	bool has_location;
	double lat, lon;
};

struct spec {
	const char *id, *arch, *cost_reason;
	int64_t vcpu, memory_mib, cost;
	const int64_t *scores;
	json_t *regions; /* NULL: all */
};

struct cloud {
	const char *id, *csp;
	struct region *regions;
	size_t nregions;
	struct spec *specs;
	size_t nspecs;
};

struct twin {
	struct arena *arena;
	struct place_world *w;
	struct cloud *clouds;
	size_t nclouds;
	struct place_site *sites;
	double *lat, *lon;
	const struct cloud **site_cloud;
	const struct region **site_region;
	const char **site_spec; /* NULL: all */
};

static bool
parse_regions(struct twin *t, struct cloud *c, const struct json_at *at,
    struct mw_err *err)
{
	json_t *list;

	if (!json_get_array(at, "regions", true, 1, MAX_REGIONS, &list, err))
		return false;
	c->nregions = json_array_size(list);
	c->regions = arena_array(t->arena, c->nregions, sizeof *c->regions);
	for (size_t i = 0; i < c->nregions; i++) {
		struct region *r = &c->regions[i];
		struct json_at e;

		if (!json_at_index(&e, at, "regions", i, err) ||
		    !io_text(&e, t->arena, "id", true, &r->id, err) ||
		    !json_get_num(&e, "lat", true, 0, -90, 90, &r->lat, err) ||
		    !json_get_num(&e, "lon", true, 0, -180, 180, &r->lon, err))
			return false;
		r->has_location = json_is_number(json_object_get(e.obj, "lat"));
		r->key = arena_printf(t->arena, "%s-%s", c->id, r->id);
	}
	return true;
}

static bool
parse_specs(struct twin *t, struct cloud *c, const struct json_at *at,
    struct mw_err *err)
{
	json_t *list;

	if (!json_get_array(at, "specs", true, 1, MAX_SPECS, &list, err))
		return false;
	c->nspecs = json_array_size(list);
	c->specs = arena_array(t->arena, c->nspecs, sizeof *c->specs);
	for (size_t i = 0; i < c->nspecs; i++) {
		struct spec *s = &c->specs[i];
		int64_t *scores =
		    arena_array(t->arena, PLACE_MAX_METRICS, sizeof *scores);
		struct json_at e;

		if (!json_at_index(&e, at, "specs", i, err) ||
		    !io_text(&e, t->arena, "id", true, &s->id, err) ||
		    !io_text(&e, t->arena, "arch", false, &s->arch, err) ||
		    !io_text(&e, t->arena, "costReason", false, &s->cost_reason,
			err) ||
		    !json_get_int(&e, "vcpu", true, 1, 1, 100000, &s->vcpu,
			err) ||
		    !json_get_int(&e, "memoryMiB", true, 0, 0, INT32_MAX,
			&s->memory_mib, err) ||
		    !json_get_int(&e, "costPerHourMicros", true, PLACE_NO_PRICE,
			0, INT64_C(1000000000000), &s->cost, err) ||
		    !json_get_array(&e, "regions", false, 0, MAX_REGIONS,
			&s->regions, err) ||
		    !io_scores(&e, t->arena, t->w, scores, err))
			return false;
		s->scores = scores;
	}
	return true;
}

static bool
parse_clouds(struct twin *t, const struct json_at *root, struct mw_err *err)
{
	json_t *list;

	if (!json_get_array(root, "clouds", true, 1, MAX_CLOUDS, &list, err))
		return false;
	t->nclouds = json_array_size(list);
	t->clouds = arena_array(t->arena, t->nclouds, sizeof *t->clouds);
	for (size_t i = 0; i < t->nclouds; i++) {
		struct cloud *c = &t->clouds[i];
		struct json_at at;

		if (!json_at_index(&at, root, "clouds", i, err) ||
		    !io_text(&at, t->arena, "id", true, &c->id, err) ||
		    !io_text(&at, t->arena, "csp", true, &c->csp, err) ||
		    !parse_regions(t, c, &at, err) ||
		    !parse_specs(t, c, &at, err))
			return false;
	}
	return true;
}

static void
site_add(struct twin *t, const char *id, const struct cloud *c,
    const struct region *r, const char *spec)
{
	size_t i = t->w->nsites++;

	t->sites[i].id = id;
	t->sites[i].csp = c->csp;
	t->sites[i].region = r->key;
	t->lat[i] = r->has_location ? r->lat : NAN;
	t->lon[i] = r->has_location ? r->lon : NAN;
	t->site_cloud[i] = c;
	t->site_region[i] = r;
	t->site_spec[i] = spec;
}

static bool
parse_site(struct twin *t, const struct json_at *at, struct mw_err *err)
{
	static const char *const known[] = { "site", "cloud", "csp", "region",
		"spec", NULL };
	const char *id, *cloud, *csp, *region, *spec;

	if (!json_no_others(at, known, err) ||
	    !io_text(at, t->arena, "site", true, &id, err) ||
	    !io_text(at, t->arena, "cloud", false, &cloud, err) ||
	    !io_text(at, t->arena, "csp", false, &csp, err) ||
	    !io_text(at, t->arena, "region", true, &region, err) ||
	    !io_text(at, t->arena, "spec", false, &spec, err))
		return false;
	for (size_t c = 0; c < t->nclouds; c++) {
		const struct cloud *k = &t->clouds[c];

		if (cloud != NULL ? strcmp(k->id, cloud) != 0
				  : csp == NULL || strcmp(k->csp, csp) != 0)
			continue;
		for (size_t r = 0; r < k->nregions; r++) {
			if (strcmp(k->regions[r].id, region) != 0)
				continue;
			site_add(t, id, k, &k->regions[r], spec);
			return true;
		}
	}
	return io_wrong(err, at, "region", "not a region of a cloud here");
}

static bool
parse_sites(struct twin *t, const struct json_at *root, struct mw_err *err)
{
	size_t n = 0;
	json_t *list;

	if (!json_get_array(root, "sites", false, 1, PLACE_MAX_SITES, &list,
		err))
		return false;
	for (size_t c = 0; c < t->nclouds; c++)
		n += t->clouds[c].nregions;
	if (list != NULL)
		n = json_array_size(list);
	if (n > PLACE_MAX_SITES)
		return err_set(err, MW_LIMIT, 0, "%zu sites, the limit is %d",
		    n, PLACE_MAX_SITES);
	t->sites = arena_array(t->arena, n, sizeof *t->sites);
	t->lat = arena_array(t->arena, n, sizeof *t->lat);
	t->lon = arena_array(t->arena, n, sizeof *t->lon);
	t->w->lat = t->lat;
	t->w->lon = t->lon;
	t->site_cloud = arena_array(t->arena, n, sizeof *t->site_cloud);
	t->site_region = arena_array(t->arena, n, sizeof *t->site_region);
	t->site_spec = arena_array(t->arena, n, sizeof *t->site_spec);
	t->w->sites = t->sites;
	for (size_t i = 0; list != NULL && i < n; i++) {
		struct json_at at;

		if (!json_at_index(&at, root, "sites", i, err) ||
		    !parse_site(t, &at, err))
			return false;
	}
	for (size_t c = 0; list == NULL && c < t->nclouds; c++)
		for (size_t r = 0; r < t->clouds[c].nregions; r++) {
			const struct region *g = &t->clouds[c].regions[r];

			site_add(t, g->key, &t->clouds[c], g, NULL);
		}
	return true;
}

static bool
offered(const struct twin *t, size_t site, const struct spec *s)
{
	if (t->site_spec[site] != NULL &&
	    strcmp(t->site_spec[site], s->id) != 0)
		return false;
	if (s->regions == NULL)
		return true;
	for (size_t i = 0; i < json_array_size(s->regions); i++) {
		const char *r =
		    json_string_value(json_array_get(s->regions, i));

		if (r != NULL && strcmp(r, t->site_region[site]->id) == 0)
			return true;
	}
	return false;
}

static bool
make_offers(struct twin *t, struct mw_err *err)
{
	struct place_world *w = t->w;
	struct place_offer *offers;
	size_t max = 0;

	for (size_t i = 0; i < w->nsites; i++)
		max += t->site_cloud[i]->nspecs;
	if (max > PLACE_MAX_OFFERS)
		return err_set(err, MW_LIMIT, 0, "%zu offers, the limit is %d",
		    max, PLACE_MAX_OFFERS);
	offers = arena_array(t->arena, max + 1, sizeof *offers);
	for (uint32_t i = 0; i < w->nsites; i++)
		for (size_t x = 0; x < t->site_cloud[i]->nspecs; x++) {
			const struct spec *s = &t->site_cloud[i]->specs[x];
			struct place_offer *o;

			if (!offered(t, i, s))
				continue;
			o = &offers[w->noffers++];
			o->site = i;
			o->spec_id = arena_printf(t->arena, "%s+%s+%s",
			    t->site_cloud[i]->csp, t->site_region[i]->id,
			    s->id);
			o->arch = s->arch;
			o->vcpu = s->vcpu;
			o->memory_mib = s->memory_mib;
			o->cost_per_hour_micros = s->cost;
			o->cost_reason = s->cost_reason;
			o->scores = s->scores;
		}
	w->offers = offers;
	return true;
}

/* The times that the twin gives a world without measured ones. */
static bool
from_distance(struct twin *t, const struct json_at *root,
    const struct json_at *model, struct mw_err *err)
{
	static const char *const known[] = { "kind", "seed", NULL };
	struct place_world *w = t->w;
	struct geo_site *g;
	uint32_t *rtt;
	const char *kind;
	int64_t seed;

	if (!json_get_int(root, "seed", true, 0, 0, INT64_MAX, &seed, err) ||
	    !json_no_others(model, known, err) ||
	    !json_get_int(model, "seed", true, seed, 0, INT64_MAX, &seed,
		err) ||
	    !json_get_str(model, "kind", true, 16, &kind, err))
		return false;
	if (strcmp(kind, "distance") != 0)
		return io_wrong(err, model, "kind",
		    "the only model is distance");
	g = arena_array(t->arena, w->nsites, sizeof *g);
	rtt = arena_array(t->arena, w->nsites * w->nsites, sizeof *rtt);
	for (size_t i = 0; i < w->nsites; i++) {
		g[i].name = w->sites[i].id;
		g[i].region = arena_printf(t->arena, "%s/%s",
		    t->site_cloud[i]->id, t->site_region[i]->id);
		g[i].lat = t->site_region[i]->lat;
		g[i].lon = t->site_region[i]->lon;
	}
	for (size_t i = 0; i < w->nsites; i++)
		for (size_t j = i; j < w->nsites; j++) {
			uint32_t us = geo_rtt_us((uint64_t)seed, &g[i], &g[j]);

			rtt[i * w->nsites + j] = us;
			rtt[j * w->nsites + i] = us;
		}
	w->rtt_us[PLACE_P50] = rtt;
	return true;
}

bool
io_twin_world(const struct json_at *at, struct arena *arena,
    struct place_world *w, struct mw_err *err)
{
	struct twin t = { .arena = arena, .w = w };
	struct json_at model;
	double intra;
	int64_t us;

	if (!parse_clouds(&t, at, err) || !parse_sites(&t, at, err) ||
	    !make_offers(&t, err) ||
	    !json_at_key(&model, at, "rttModel", false, err) ||
	    !json_get_num(at, "intraSiteRttMs", true, -1, 0, IO_RTT_MAX_MS,
		&intra, err))
		return false;
	if (model.obj != NULL
		? !from_distance(&t, at, &model, err)
		: !io_matrix(at, arena, "rttMs", w->nsites, w->nsites, true,
		      &w->rtt_us[PLACE_P50], err))
		return false;
	/* One number per pair: it stands for every statistic. */
	w->rtt_us[PLACE_P95] = w->rtt_us[PLACE_P50];
	if (intra >= 0 && num_ms_to_us(intra, true, &us))
		w->intra_site_us = (uint32_t)us;
	return true;
}
