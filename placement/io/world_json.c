/*
 * world_json.c - the inline world of a query, and what both forms of worlds
 * need: texts, scores, matrices.
 */
#include "placement/io/io.h"

#include "common/bundle.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
io_wrong(struct mw_err *err, const struct json_at *at, const char *key,
    const char *what)
{
	err_set(err, MW_INVALID, 0, "%s: %s", key, what);
	return err_pointer(err, "%s/%s", at->pointer, key);
}

bool
io_text(const struct json_at *at, struct arena *arena, const char *key,
    bool required, const char **out, struct mw_err *err)
{
	const char *s;

	if (!json_get_str(at, key, required, IO_NAME_MAX, &s, err))
		return false;
	if (s != NULL && !id_word_valid(s, IO_NAME_MAX))
		return io_wrong(err, at, key, "not a name");
	*out = arena_strdup(arena, s);
	return true;
}

bool
io_milli(double v, int64_t *out)
{
	if (!isfinite(v) || fabs(v) > 1e12)
		return false;
	*out = llround(v * 1000);
	return true;
}

static bool
metric_index(struct place_world *w, struct arena *arena, const char *name,
    size_t *out)
{
	const char **names = (const char **)(uintptr_t)w->metrics;

	for (*out = 0; *out < w->nmetrics; (*out)++)
		if (strcmp(names[*out], name) == 0)
			return true;
	if (w->nmetrics == PLACE_MAX_METRICS)
		return false;
	names[w->nmetrics++] = arena_strdup(arena, name);
	return true;
}

bool
io_scores(const struct json_at *offer, struct arena *arena,
    struct place_world *w, int64_t *scores, struct mw_err *err)
{
	struct json_at at;
	const char *name;
	json_t *v;

	for (size_t i = 0; i < PLACE_MAX_METRICS; i++)
		scores[i] = PLACE_NO_SCORE;
	if (!json_at_key(&at, offer, "scores", false, err))
		return false;
	json_object_foreach(at.obj, name, v)
	{
		size_t i;

		if (!id_word_valid(name, 64) ||
		    !metric_index(w, arena, name, &i))
			return io_wrong(err, offer, "scores",
			    "a name is wrong, or more than 32 metrics");
		if (json_is_null(v))
			continue;
		if (!json_is_number(v) ||
		    !io_milli(json_number_value(v), &scores[i]))
			return io_wrong(err, offer, "scores", "not a number");
	}
	return true;
}

static bool
matrix_cell(const json_t *v, bool ms, uint32_t *out)
{
	double d = json_number_value(v);
	int64_t us;

	*out = PLACE_UNKNOWN;
	if (json_is_null(v))
		return true;
	if (!json_is_number(v) || !(d >= 0))
		return false;
	if (!ms) {
		if (!json_is_integer(v) || d >= 4e9)
			return false;
		*out = (uint32_t)json_integer_value(v);
		return true;
	}
	if (d > IO_RTT_MAX_MS || !num_ms_to_us(d, true, &us))
		return false;
	*out = (uint32_t)us;
	return true;
}

bool
io_matrix(const struct json_at *at, struct arena *arena, const char *key,
    size_t rows, size_t cols, bool ms, const uint32_t **out, struct mw_err *err)
{
	json_t *list;
	uint32_t *m;

	*out = NULL;
	if (!json_get_array(at, key, false, rows, rows, &list, err))
		return false;
	if (list == NULL)
		return true;
	m = arena_array(arena, rows * cols + 1, sizeof *m);
	for (size_t i = 0; i < rows; i++) {
		const json_t *row = json_array_get(list, i);

		if (!json_is_array(row) || json_array_size(row) != cols) {
			err_set(err, MW_INVALID, 0,
			    "a row needs %zu cells, one per site", cols);
			return err_pointer(err, "%s/%s/%zu", at->pointer, key,
			    i);
		}
		for (size_t j = 0; j < cols; j++) {
			if (matrix_cell(json_array_get(row, j), ms,
				&m[i * cols + j]))
				continue;
			err_set(err, MW_INVALID, 0,
			    ms ? "null or 0 to %g ms"
			       : "null or a whole number (not %g)",
			    IO_RTT_MAX_MS);
			return err_pointer(err, "%s/%s/%zu/%zu", at->pointer,
			    key, i, j);
		}
	}
	*out = m;
	return true;
}

static bool
parse_site(const struct json_at *at, struct arena *arena, struct place_site *s,
    double *lat, double *lon, struct mw_err *err)
{
	static const char *const known[] = { "site", "csp", "region", "zone",
		"lat", "lon", NULL };

	if (!json_no_others(at, known, err) ||
	    !io_text(at, arena, "site", true, &s->id, err) ||
	    !io_text(at, arena, "csp", true, &s->csp, err) ||
	    !io_text(at, arena, "region", false, &s->region, err) ||
	    !io_text(at, arena, "zone", false, &s->zone, err) ||
	    !json_get_num(at, "lat", true, NAN, -90, 90, lat, err) ||
	    !json_get_num(at, "lon", true, NAN, -180, 180, lon, err))
		return false;
	if (s->region == NULL)
		s->region = s->id;
	return true;
}

static bool
parse_sites(const struct json_at *at, struct arena *arena,
    struct place_world *w, struct mw_err *err)
{
	struct place_site *sites;
	double *lat, *lon;
	json_t *list;

	if (!json_get_array(at, "sites", true, 1, PLACE_MAX_SITES, &list, err))
		return false;
	w->nsites = json_array_size(list);
	sites = arena_array(arena, w->nsites, sizeof *sites);
	lat = arena_array(arena, w->nsites, sizeof *lat);
	lon = arena_array(arena, w->nsites, sizeof *lon);
	for (size_t i = 0; i < w->nsites; i++) {
		struct json_at s;

		if (!json_at_index(&s, at, "sites", i, err) ||
		    !parse_site(&s, arena, &sites[i], &lat[i], &lon[i], err))
			return false;
	}
	w->sites = sites;
	w->lat = lat;
	w->lon = lon;
	return true;
}

static int
site_cmp(const void *a, const void *b)
{
	const struct place_site *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

/* Sites by their ids: a world of many offers asks for many. Of two of one name
 * either will do, for that is refused later. */
static const struct place_site **
sites_sorted(const struct place_world *w, struct arena *arena)
{
	const struct place_site **v =
	    arena_array(arena, w->nsites + 1, sizeof *v);

	for (size_t i = 0; i < w->nsites; i++)
		v[i] = &w->sites[i];
	qsort(v, w->nsites, sizeof *v, site_cmp);
	return v;
}

static bool
site_find(const struct place_world *w, const struct place_site **sorted,
    const char *id, uint32_t *out)
{
	const struct place_site key = { .id = id }, *k = &key;
	const struct place_site **at =
	    bsearch(&k, sorted, w->nsites, sizeof *sorted, site_cmp);

	if (at != NULL)
		*out = (uint32_t)(*at - w->sites);
	return at != NULL;
}

static bool
parse_offer(const struct json_at *at, struct arena *arena,
    struct place_world *w, const struct place_site **sorted,
    struct place_offer *o, struct mw_err *err)
{
	static const char *const known[] = { "site", "specId", "family", "vcpu",
		"memoryMiB", "arch", "connection", "gpuCount",
		"costPerHourMicros", "costReason", "scores", NULL };
	int64_t *scores = NULL;
	const char *site;
	int64_t gpus;

	if (json_object_get(at->obj, "scores") != NULL)
		scores = arena_array(arena, PLACE_MAX_METRICS, sizeof *scores);
	if (!json_no_others(at, known, err) ||
	    !io_text(at, arena, "site", true, &site, err) ||
	    !io_text(at, arena, "specId", true, &o->spec_id, err) ||
	    !io_text(at, arena, "family", false, &o->family, err) ||
	    !io_text(at, arena, "arch", false, &o->arch, err) ||
	    !io_text(at, arena, "connection", false, &o->connection, err) ||
	    !io_text(at, arena, "costReason", false, &o->cost_reason, err) ||
	    !json_get_int(at, "vcpu", true, 1, 1, 100000, &o->vcpu, err) ||
	    !json_get_int(at, "memoryMiB", true, 0, 0, INT32_MAX,
		&o->memory_mib, err) ||
	    !json_get_int(at, "gpuCount", true, 0, 0, 1000, &gpus, err) ||
	    !json_get_int(at, "costPerHourMicros", true, PLACE_NO_PRICE, 0,
		INT64_C(1000000000000), &o->cost_per_hour_micros, err) ||
	    (scores != NULL && !io_scores(at, arena, w, scores, err)))
		return false;
	o->scores = scores;
	return site_find(w, sorted, site, &o->site) ||
	    io_wrong(err, at, "site", "unknownSite");
}

static bool
parse_offers(const struct json_at *at, struct arena *arena,
    struct place_world *w, struct mw_err *err)
{
	const struct place_site **sorted;
	struct place_offer *offers;
	json_t *list;

	if (!json_get_array(at, "offers", false, 0, PLACE_MAX_OFFERS, &list,
		err))
		return false;
	w->noffers = list == NULL ? 0 : json_array_size(list);
	offers = arena_array(arena, w->noffers + 1, sizeof *offers);
	sorted = sites_sorted(w, arena);
	for (size_t i = 0; i < w->noffers; i++) {
		struct json_at o;

		if (!json_at_index(&o, at, "offers", i, err) ||
		    !parse_offer(&o, arena, w, sorted, &offers[i], err))
			return false;
	}
	w->offers = offers;
	return true;
}

/* One list of times in ms, one per site. */
static bool
addr_row(const struct json_at *at, struct arena *arena, const char *ip,
    size_t n, const uint32_t **out, struct mw_err *err)
{
	uint32_t *m = arena_array(arena, n + 1, sizeof *m);
	json_t *list;

	if (!json_get_array(at, ip, true, n, n, &list, err))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!matrix_cell(json_array_get(list, i), true, &m[i])) {
			err_set(err, MW_INVALID, 0, "null or 0 to %g ms",
			    IO_RTT_MAX_MS);
			return err_pointer(err, "%s/%s/%zu", at->pointer, ip,
			    i);
		}
	*out = m;
	return true;
}

/* {"203.0.113.7":[ms per site]}. */
static bool
parse_addrs(const struct json_at *at, struct arena *arena,
    struct place_world *w, struct mw_err *err)
{
	struct place_addr *v;
	struct json_at list;
	const char *ip;
	json_t *row;

	if (!json_at_key(&list, at, "addrRttMs", false, err))
		return false;
	if (list.obj == NULL)
		return true;
	v = arena_array(arena, json_object_size(list.obj) + 1, sizeof *v);
	json_object_foreach(list.obj, ip, row)
	{
		if (w->naddrs == PLACE_MAX_USERS)
			return io_wrong(err, at, "addrRttMs",
			    "too many addresses");
		if (!addr_row(&list, arena, ip, w->nsites, &v[w->naddrs].rtt_us,
			err))
			return false;
		v[w->naddrs++].ip = arena_strdup(arena, ip);
	}
	w->addrs = v;
	return true;
}

static bool
parse_times(const struct json_at *at, struct arena *arena,
    struct place_world *w, struct mw_err *err)
{
	static const char *const known[] = { "p50", "p95", NULL };
	size_t n = w->nsites;
	struct json_at rtt;
	json_t *users;

	if (json_is_array(json_object_get(at->obj, "rttMs"))) {
		/* One number per pair: it stands for every statistic. */
		if (!io_matrix(at, arena, "rttMs", n, n, true,
			&w->rtt_us[PLACE_P50], err))
			return false;
		w->rtt_us[PLACE_P95] = w->rtt_us[PLACE_P50];
	} else if (!json_at_key(&rtt, at, "rttMs", false, err) ||
	    (rtt.obj != NULL &&
		(!json_no_others(&rtt, known, err) ||
		    !io_matrix(&rtt, arena, "p50", n, n, true,
			&w->rtt_us[PLACE_P50], err) ||
		    !io_matrix(&rtt, arena, "p95", n, n, true,
			&w->rtt_us[PLACE_P95], err)))) {
		return false;
	}
	if (!json_get_array(at, "userRttMs", false, 0, PLACE_MAX_USERS, &users,
		err))
		return false;
	w->nuser_rows = users == NULL ? 0 : json_array_size(users);
	return io_matrix(at, arena, "rttN", n, n, false, &w->rtt_n, err) &&
	    io_matrix(at, arena, "rttAgeS", n, n, false, &w->rtt_age_s, err) &&
	    io_matrix(at, arena, "userRttMs", w->nuser_rows, n, true,
		&w->user_rtt_us, err) &&
	    parse_addrs(at, arena, w, err);
}

static bool
inline_world(const struct json_at *at, struct arena *arena,
    struct place_world *w, struct mw_err *err)
{
	static const char *const known[] = { "reference", "intraSiteRttMs",
		"sites", "offers", "rttMs", "rttN", "rttAgeS", "userRttMs",
		"addrRttMs", NULL };
	const char *reference;
	double intra;
	int64_t us;

	if (!json_no_others(at, known, err) ||
	    !json_get_str(at, "reference", false, 256, &reference, err) ||
	    !parse_sites(at, arena, w, err) ||
	    !parse_offers(at, arena, w, err) ||
	    !parse_times(at, arena, w, err) ||
	    !json_get_num(at, "intraSiteRttMs", true, -1, 0, IO_RTT_MAX_MS,
		&intra, err))
		return false;
	if (intra >= 0 && num_ms_to_us(intra, true, &us))
		w->intra_site_us = (uint32_t)us;
	return true;
}

bool
place_io_world(const struct json_at *at, struct arena *arena,
    struct place_world *out, struct mw_err *err)
{
	memset(out, 0, sizeof *out);
	out->intra_site_us = PLACE_UNKNOWN;
	out->metrics =
	    arena_array(arena, PLACE_MAX_METRICS, sizeof *out->metrics);
	if (json_object_get(at->obj, "clouds") != NULL)
		return io_twin_world(at, arena, out, err);
	if (bundle_is(at->obj))
		return io_bundle_world(at, arena, out, err);
	return inline_world(at, arena, out, err);
}
