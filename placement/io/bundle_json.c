/*
 * bundle_json.c - a bundle (docs/bundles.md) as a world: what was measured, as
 * it was known at the bundle's end. The same rules as the coordinator's own
 * world: a site is a spec in a region, the worst of its cells stands for a
 * pair of sites, scores are the evaluations.
 *
 * Only specs of VMs that are in the bundle are offered; the catalogue is not.
 */
#include "placement/io/io.h"

#include "common/pure/matrix.h"
#include "common/pure/num.h"

#include <math.h>
#include <string.h>

/* Tables of all pairs are made before there is a cell of them. */
#define SITES_MAX 1000
#define TEXT(j, key) json_string_value(json_object_get(j, key))

struct bundle_world {
	struct arena *arena;
	struct place_world *w;
	struct place_site *sites;
	struct place_offer *offers;
	json_t *index; /* site -> its number */
	json_t *who; /* vmId -> the number of its site */
	json_t *scores; /* specId -> {metric: value} */
	double *lat, *lon; /* of the sites */
	uint32_t *p50, *p95, *n, *rounds, *age;
};

static bool add_vms(struct bundle_world *b, const struct json_at *at,
    struct mw_err *err);
static bool add_vm(struct bundle_world *b, const struct json_at *vm,
    struct mw_err *err);
static bool add_offer(struct bundle_world *b, const struct json_at *vm,
    struct mw_err *err);
static void read_scores(struct bundle_world *b, const json_t *bundle);
static bool add_matrix(struct bundle_world *b, const json_t *m,
    struct mw_err *err);
static void merge(struct bundle_world *b, size_t at, const json_t *cell);

bool
io_bundle_world(const struct json_at *at, struct arena *arena,
    struct place_world *w, struct mw_err *err)
{
	struct bundle_world b = { .arena = arena, .w = w };
	bool ok;

	b.index = json_object();
	b.who = json_object();
	b.scores = json_object();
	read_scores(&b, at->obj);
	ok = add_vms(&b, at, err) &&
	    add_matrix(&b, json_object_get(at->obj, "matrix"), err);
	json_decref(b.index);
	json_decref(b.who);
	json_decref(b.scores);
	return ok;
}

static bool
add_vms(struct bundle_world *b, const struct json_at *at, struct mw_err *err)
{
	json_t *list;
	size_t max;

	if (!json_get_array(at, "vms", true, 1, 100000, &list, err))
		return false;
	max = json_array_size(list);
	if (max > SITES_MAX)
		max = SITES_MAX;
	b->sites = arena_array(b->arena, max, sizeof *b->sites);
	b->offers = arena_array(b->arena, max, sizeof *b->offers);
	b->lat = arena_array(b->arena, max, sizeof *b->lat);
	b->lon = arena_array(b->arena, max, sizeof *b->lon);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct json_at vm;

		if (!json_at_index(&vm, at, "vms", i, err) ||
		    !add_vm(b, &vm, err))
			return false;
	}
	b->w->sites = b->sites;
	b->w->offers = b->offers;
	b->w->lat = b->lat;
	b->w->lon = b->lon;
	if (b->w->nsites > 0)
		return true;
	err_set(err, MW_INVALID, 0, "no VM of the bundle has a known cloud");
	return err_pointer(err, "/vms");
}

/* A VM whose connection was deleted has no place: it is left out. */
static bool
add_vm(struct bundle_world *b, const struct json_at *vm, struct mw_err *err)
{
	const char *id, *csp, *region, *spec;
	struct place_world *w = b->w;
	struct place_site *s;
	json_t *known;
	char *site;

	if (!io_text(vm, b->arena, "vmId", true, &id, err) ||
	    !io_text(vm, b->arena, "csp", false, &csp, err) ||
	    !io_text(vm, b->arena, "region", false, &region, err) ||
	    !io_text(vm, b->arena, "spec", false, &spec, err))
		return false;
	if (!csp || !region || !spec)
		return true;
	site = arena_printf(b->arena, "%s-%s-%s", csp, region, spec);
	known = json_object_get(b->index, site);
	if (!known) {
		if (w->nsites == SITES_MAX)
			return io_wrong(err, vm, "spec", "too many sites");
		s = &b->sites[w->nsites];
		s->id = site;
		s->csp = csp;
		s->region = arena_printf(b->arena, "%s-%s", csp, region);
		if (!json_get_num(vm, "lat", true, NAN, -90, 90,
			&b->lat[w->nsites], err) ||
		    !json_get_num(vm, "lon", true, NAN, -180, 180,
			&b->lon[w->nsites], err) ||
		    !add_offer(b, vm, err))
			return false;
		json_put_int(b->index, site, (int64_t)w->nsites++);
		known = json_object_get(b->index, site);
	}
	json_put(b->who, id, json_incref(known));
	return true;
}

/* Of the site that is being added. */
static bool
add_offer(struct bundle_world *b, const struct json_at *vm, struct mw_err *err)
{
	struct place_offer *o = &b->offers[b->w->noffers];
	int64_t *scores =
	    arena_array(b->arena, PLACE_MAX_METRICS, sizeof *scores);
	struct json_at at = { .obj = json_object() };
	bool ok;

	o->site = (uint32_t)b->w->nsites;
	if (!io_text(vm, b->arena, "specId", false, &o->spec_id, err) ||
	    !io_text(vm, b->arena, "arch", false, &o->arch, err) ||
	    !io_text(vm, b->arena, "connection", false, &o->connection, err) ||
	    !io_text(vm, b->arena, "costReason", false, &o->cost_reason, err) ||
	    !json_get_int(vm, "vcpu", true, 1, 1, 100000, &o->vcpu, err) ||
	    !json_get_int(vm, "memoryMiB", true, 0, 0, INT32_MAX,
		&o->memory_mib, err) ||
	    !json_get_int(vm, "costPerHourMicros", true, PLACE_NO_PRICE, 0,
		INT64_C(1000000000000), &o->cost_per_hour_micros, err)) {
		json_decref(at.obj);
		return false;
	}
	if (o->spec_id) {
		json_put(at.obj, "scores",
		    json_incref(json_object_get(b->scores, o->spec_id)));
		b->w->noffers++;
	} /* else the catalogue has it no more: a site without an offer */
	ok = io_scores(&at, b->arena, b->w, scores, err);
	o->scores = scores;
	json_decref(at.obj);
	return ok;
}

/* Scores ------------------------------------------------------------------- */

/* What placement may build on: valid, or of few repetitions. */
static bool
usable(const json_t *item, double *v)
{
	const json_t *value = json_object_get(item, "value");
	const char *validity = TEXT(item, "validity");

	if (!json_is_number(value) && validity &&
	    strcmp(validity, "tooFew") == 0)
		value = json_object_get(item, "flaggedValue");
	if (!json_is_number(value))
		return false;
	*v = json_number_value(value);
	return *v >= 0;
}

static void
read_scores(struct bundle_world *b, const json_t *bundle)
{
	json_t *items =
	    json_object_get(json_object_get(bundle, "evaluations"), "items");
	const char *spec;
	json_t *item, *of;
	size_t i;
	double v;

	json_array_foreach(items, i, item)
	{
		const char *kind = TEXT(item, "kind"),
			   *variant = TEXT(item, "variant");

		spec = TEXT(item, "specId");
		if (!spec || !kind || !variant || strcmp(variant, "std") != 0 ||
		    !usable(item, &v))
			continue;
		of = json_object_get(b->scores, spec);
		if (!of) {
			of = json_object();
			json_put(b->scores, spec, of);
		}
		json_put_num(of, kind, v);
	}
	json_object_foreach(b->scores, spec, of)
	{
		double one = json_number_value(json_object_get(of, "cpus"));
		double all = json_number_value(json_object_get(of, "cpum"));

		if (one > 0 && all > 0)
			json_put_num(of, "cores", all / one);
	}
}

/* Latencies ---------------------------------------------------------------- */

/* The site of each row; -1: the machine is another one by now, or gone. */
static long *
rows_of(const struct bundle_world *b, const json_t *vms)
{
	long *row =
	    arena_array(b->arena, json_array_size(vms) + 1, sizeof *row);

	for (size_t i = 0; i < json_array_size(vms); i++) {
		const json_t *vm = json_array_get(vms, i);
		const char *id = TEXT(vm, "vmId"), *site = TEXT(vm, "site");
		const json_t *s = id ? json_object_get(b->who, id) : NULL;

		row[i] = -1;
		if (s && site && json_object_get(b->index, site) == s)
			row[i] = (long)json_integer_value(s);
	}
	return row;
}

static bool
add_matrix(struct bundle_world *b, const json_t *m, struct mw_err *err)
{
	json_t *vms = json_object_get(m, "vms");
	json_t *cells = json_object_get(m, "cells"), *line;
	struct place_world *w = b->w;
	size_t n = w->nsites, rows = json_array_size(vms);
	uint32_t **of[] = { &b->p50, &b->p95, &b->n, &b->rounds, &b->age };
	long *row;

	if (!json_is_object(m))
		return true;
	for (size_t k = 0; k < ARRAY_LEN(of); k++) {
		*of[k] = arena_array(b->arena, n * n, sizeof **of[k]);
		for (size_t i = 0; i < n * n; i++)
			(*of[k])[i] = PLACE_UNKNOWN;
	}
	row = rows_of(b, vms);
	for (size_t i = 0; i < rows; i++) {
		line = json_array_get(cells, i);
		if (json_array_size(line) != rows) {
			err_set(err, MW_INVALID, 0, "the matrix is not square");
			return err_pointer(err, "/matrix/cells/%zu", i);
		}
		for (size_t k = 0; k < rows; k++)
			if (i != k && row[i] >= 0 && row[k] >= 0)
				merge(b, (size_t)row[i] * n + (size_t)row[k],
				    json_array_get(line, k));
	}
	w->rtt_us[PLACE_P50] = b->p50;
	w->rtt_us[PLACE_P95] = b->p95;
	w->rtt_n = b->n;
	w->rtt_rounds = b->rounds;
	w->rtt_age_s = b->age;
	return true;
}

static bool
us_of(const json_t *cell, const char *key, uint32_t *out)
{
	const json_t *v = json_object_get(cell, key);
	double ms = json_number_value(v);
	int64_t us;

	if (!json_is_number(v) || !(ms >= 0 && ms <= IO_RTT_MAX_MS) ||
	    !num_ms_to_us(ms, true, &us))
		return false;
	*out = (uint32_t)us;
	return true;
}

static uint32_t
count_of(const json_t *cell, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(cell, key));

	return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : (uint32_t)v;
}

/* A value that stands for another pair's satisfies no limit. */
static bool
inherited(const json_t *cell)
{
	const json_t *list = json_object_get(cell, "quality");
	const char *flag = matrix_flag_name(MATRIX_F_INHERITED);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s && flag && strcmp(s, flag) == 0)
			return true;
	}
	return false;
}

/* Keeps the worst value, the fewest samples, the oldest age. */
static void
merge(struct bundle_world *b, size_t at, const json_t *cell)
{
	uint32_t p50, p95, n = count_of(cell, "n");
	uint32_t rounds = count_of(cell, "rounds");
	uint32_t age = count_of(cell, "ageS");

	if (inherited(cell) || !us_of(cell, "rttMedianMs", &p50))
		return;
	if (b->p50[at] == PLACE_UNKNOWN || p50 > b->p50[at])
		b->p50[at] = p50;
	if (us_of(cell, "rttP95Ms", &p95) &&
	    (b->p95[at] == PLACE_UNKNOWN || p95 > b->p95[at]))
		b->p95[at] = p95;
	if (b->n[at] == PLACE_UNKNOWN || n < b->n[at])
		b->n[at] = n;
	if (b->rounds[at] == PLACE_UNKNOWN || rounds < b->rounds[at])
		b->rounds[at] = rounds;
	if (b->age[at] == PLACE_UNKNOWN || age > b->age[at])
		b->age[at] = age;
}
