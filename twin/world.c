/*
 * world.c - reads and checks a world file (docs/world-format.md).
 * Promises: a world that was accepted is consistent: every spec that a region
 * offers has a site, every name is unique, every image and price is usable.
 */
#include "twin/world.h"

#include "common/file.h"
#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/csp.h"
#include "common/pure/ids.h"
#include "twin/cloud_native.h"
#include "twin/world_rtt.h"

#include <math.h>
#include <string.h>

#define WORD_MAX 128
#define DAY_S 86400

/* Of a cloud that does not say, in milliseconds. */
static const struct world_latency default_latency[WORLD_OP_COUNT] = {
	[WORLD_OP_API] = { 30, 200 },
	[WORLD_OP_CREATE] = { 8000, 30000 },
	[WORLD_OP_STOP] = { 6000, 20000 },
	[WORLD_OP_START] = { 6000, 20000 },
	[WORLD_OP_REBOOT] = { 5000, 15000 },
	[WORLD_OP_TERMINATE] = { 6000, 20000 },
};

static const struct {
	const char *name;
	unsigned flag;
} cap_names[] = {
	{ "IDEM_TOKEN", CSP_CAP_IDEM_TOKEN },
	{ "UNIQUE_NAME", CSP_CAP_UNIQUE_NAME },
	{ "TAG_ATOMIC", CSP_CAP_TAG_ATOMIC },
	{ "LIST_BY_TAG", CSP_CAP_LIST_BY_TAG },
	{ "LIST_BY_TOKEN", CSP_CAP_LIST_BY_TOKEN },
	{ "IMPORT_KEY", CSP_CAP_IMPORT_KEY },
	{ "CONSOLE", CSP_CAP_CONSOLE },
	{ "USERDATA_PRIVATE", CSP_CAP_USERDATA_PRIVATE },
	{ "CREATE", CSP_CAP_CREATE },
};

static bool
fail_at(struct mw_err *err, const struct json_at *at, const char *key,
    const char *what)
{
	err_set(err, MW_INVALID, 0, "%s", what);
	return err_pointer(err, "%s/%s", at->pointer, key);
}

/* A word in the world's own memory. */
static bool
get_word(struct world *w, const struct json_at *at, const char *key,
    bool required, const char **out, struct mw_err *err)
{
	const char *s;

	*out = NULL;
	if (!json_get_str(at, key, required, WORD_MAX, &s, err))
		return false;
	if (s && !id_word_valid(s, WORD_MAX))
		return fail_at(err, at, key, "not a plain word");
	*out = arena_strdup(w->arena, s);
	return true;
}

static bool
get_text(struct world *w, const struct json_at *at, const char *key, size_t max,
    const char **out, struct mw_err *err)
{
	const char *s;

	if (!json_get_str(at, key, false, max, &s, err))
		return false;
	*out = arena_strdup(w->arena, s);
	return true;
}

static bool
parse_region(struct world *w, const struct json_at *at, struct world_region *r,
    struct mw_err *err)
{
	static const char *const known[] = { "id", "display", "lat", "lon",
		"zones", NULL };
	const char *id;
	json_t *zones;

	if (!json_no_others(at, known, err) ||
	    !json_get_id(at, "id", true, &id, err) ||
	    !get_text(w, at, "display", 200, &r->display, err) ||
	    !json_get_num(at, "lat", false, 0, -90, 90, &r->lat, err) ||
	    !json_get_num(at, "lon", false, 0, -180, 180, &r->lon, err) ||
	    !json_get_array(at, "zones", false, 1, 26, &zones, err))
		return false;
	r->id = arena_strdup(w->arena, id);
	if (!r->display)
		r->display = r->id;
	r->nzones = zones ? json_array_size(zones) : 1;
	r->zones = arena_array(w->arena, r->nzones, sizeof *r->zones);
	r->zones[0] = "a";
	for (size_t i = 0; zones && i < r->nzones; i++) {
		const char *z = json_string_value(json_array_get(zones, i));

		if (!z || !id_word_valid(z, 32))
			return fail_at(err, at, "zones", "not a zone name");
		r->zones[i] = arena_strdup(w->arena, z);
	}
	return true;
}

static bool
parse_offered(struct world *w, const struct world_cloud *c,
    const struct json_at *at, struct world_spec *s, struct mw_err *err)
{
	json_t *list;

	s->offered = arena_array(w->arena, c->nregions, sizeof *s->offered);
	if (!json_get_array(at, "regions", false, 1, WORLD_MAX_REGIONS, &list,
		err))
		return false;
	for (size_t i = 0; !list && i < c->nregions; i++)
		s->offered[i] = true;
	for (size_t i = 0; list && i < json_array_size(list); i++) {
		const char *id = json_string_value(json_array_get(list, i));
		size_t r = id ? world_region_find(c, id) : WORLD_NONE;

		if (r == WORLD_NONE)
			return fail_at(err, at, "regions",
			    "not a region of this cloud");
		s->offered[r] = true;
	}
	return true;
}

static bool
parse_scores(const struct json_at *at, struct world_spec *s, struct mw_err *err)
{
	struct json_at scores;
	const char *key;
	json_t *v;

	for (size_t k = 0; k < KIND_COUNT; k++)
		s->scores[k] = NAN;
	if (!json_at_key(&scores, at, "scores", false, err))
		return false;
	if (!scores.obj)
		return true;
	json_object_foreach(scores.obj, key, v)
	{
		enum kind k;
		double d = json_number_value(v);

		if (!kind_parse(key, &k))
			return fail_at(err, &scores, key, "not a kind");
		if (!json_is_number(v) || !(d > 0) || d > kind_info(k)->max)
			return fail_at(err, &scores, key, "not a score");
		s->scores[k] = d;
	}
	return true;
}

static bool
parse_spec(struct world *w, struct world_cloud *c, const struct json_at *at,
    struct mw_err *err)
{
	static const char *const known[] = { "id", "regions", "vcpu",
		"memoryMiB", "arch", "costPerHourMicros", "costReason",
		"scores", NULL };
	struct world_spec *s = &c->specs[c->nspecs];

	if (!json_no_others(at, known, err) ||
	    !get_word(w, at, "id", true, &s->id, err) ||
	    !parse_offered(w, c, at, s, err) ||
	    !json_get_int(at, "vcpu", false, 0, 1, 1024, &s->vcpu, err) ||
	    !json_get_int(at, "memoryMiB", false, 0, 64, 1 << 26,
		&s->memory_mib, err) ||
	    !get_word(w, at, "arch", false, &s->arch, err) ||
	    !json_get_int(at, "costPerHourMicros", true, -1, 0,
		INT64_C(1000000000000), &s->cost_per_hour_micros, err) ||
	    !get_word(w, at, "costReason", false, &s->cost_reason, err) ||
	    !parse_scores(at, s, err))
		return false;
	if (!s->arch)
		s->arch = "x86_64";
	if (s->cost_per_hour_micros < 0 && !s->cost_reason)
		s->cost_reason = "noSource";
	for (size_t r = 0; r < c->nregions; r++) {
		if (s->offered[r] && world_spec_find(c, r, s->id) != WORLD_NONE)
			return fail_at(err, at, "id",
			    "offered twice in one region");
	}
	c->nspecs++;
	return true;
}

static bool
parse_image(struct world *w, struct world_cloud *c, const struct json_at *at,
    struct mw_err *err)
{
	static const char *const known[] = { "id", "name", "user", "arch",
		NULL };
	struct world_image *im = &c->images[c->nimages];

	if (!json_no_others(at, known, err) ||
	    !get_word(w, at, "id", true, &im->id, err) ||
	    !get_text(w, at, "name", 200, &im->name, err) ||
	    !get_word(w, at, "user", true, &im->user, err) ||
	    !get_word(w, at, "arch", false, &im->arch, err))
		return false;
	if (!id_valid(im->user) || strlen(im->user) > 32)
		return fail_at(err, at, "user", "not a user name");
	if (world_image_find(c, im->id) != WORLD_NONE)
		return fail_at(err, at, "id", "given twice");
	if (!im->name)
		im->name = im->id;
	if (!im->arch)
		im->arch = "x86_64";
	c->nimages++;
	return true;
}

static bool
parse_latencies(struct world_cloud *c, const struct json_at *cloud,
    struct mw_err *err)
{
	struct json_at at;
	const char *key;
	json_t *v;

	for (size_t i = 0; i < WORLD_OP_COUNT; i++)
		c->latency[i] = default_latency[i];
	if (!json_at_key(&at, cloud, "latenciesMs", false, err))
		return false;
	if (!at.obj)
		return true;
	json_object_foreach(at.obj, key, v)
	{
		double p50 = json_number_value(json_array_get(v, 0));
		double p99 = json_number_value(json_array_get(v, 1));
		size_t op = 0;

		while (op < WORLD_OP_COUNT &&
		    strcmp(world_op_name((enum world_op)op), key) != 0)
			op++;
		if (op == WORLD_OP_COUNT)
			return fail_at(err, &at, key, "unknown field");
		if (json_array_size(v) != 2 || !(p50 > 0) || !(p99 >= p50) ||
		    p99 > 3600e3)
			return fail_at(err, &at, key,
			    "[p50, p99] in ms, 0 < p50 <= p99 <= 1 h");
		c->latency[op] = (struct world_latency){ p50, p99 };
	}
	return true;
}

static bool
parse_api(struct world_cloud *c, const struct json_at *cloud,
    struct mw_err *err)
{
	static const char *const known[] = { "ratePerS", "burst", "pageSize",
		"listLagMs", "terminatedListedS", NULL };
	static const char *const known_quotas[] = { "vms", "vcpus", NULL };
	struct json_at at, q;
	json_t *empty = json_object();
	bool ok;

	ok = json_at_key(&at, cloud, "api", false, err) &&
	    json_at_key(&q, cloud, "quotas", false, err);
	if (ok && !at.obj)
		at.obj = empty;
	if (ok && !q.obj)
		q.obj = empty;
	ok = ok && json_no_others(&at, known, err) &&
	    json_get_num(&at, "ratePerS", true, 0, 0, 1e6, &c->rate_per_s,
		err) &&
	    json_get_int(&at, "burst", true, 0, 0, 1000000, &c->burst, err) &&
	    json_get_int(&at, "pageSize", true, 100, 1, 1000, &c->page_size,
		err) &&
	    json_get_int(&at, "listLagMs", true, 0, 0, 600000, &c->list_lag_ms,
		err) &&
	    json_get_int(&at, "terminatedListedS", true,
		c->native->terminated_listed_s, 0, 7 * DAY_S,
		&c->terminated_listed_s, err) &&
	    json_no_others(&q, known_quotas, err) &&
	    json_get_int(&q, "vms", true, 0, 0, 1000000, &c->quota_vms, err) &&
	    json_get_int(&q, "vcpus", true, 0, 0, 1000000, &c->quota_vcpus,
		err);
	json_decref(empty);
	return ok;
}

static bool
parse_caps(struct world_cloud *c, const struct json_at *cloud,
    struct mw_err *err)
{
	json_t *list;

	c->caps = CSP_CAP_CREATE;
	if (!json_get_array(cloud, "caps", true, 0, 32, &list, err))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		size_t k = 0;

		while (
		    k < ARRAY_LEN(cap_names) && !str_eq(cap_names[k].name, s))
			k++;
		if (k == ARRAY_LEN(cap_names))
			return fail_at(err, cloud, "caps", "not a capability");
		c->caps |= cap_names[k].flag;
	}
	return json_get_int(cloud, "lateApplyMaxS", true, 0, 0, DAY_S,
		   &c->late_apply_max_s, err) &&
	    json_get_int(cloud, "listVisibleMaxS", true, 0, 0, DAY_S,
		&c->list_visible_max_s, err) &&
	    json_get_int(cloud, "tokenTtlS", true, 0, 0, 365 * DAY_S,
		&c->token_ttl_s, err);
}

/* The arrays of a cloud, in the order in which they refer to each other. */
static bool
parse_lists(struct world *w, struct world_cloud *c, const struct json_at *at,
    struct mw_err *err)
{
	json_t *regions, *specs, *images;
	struct json_at e;

	if (!json_get_array(at, "regions", true, 1, WORLD_MAX_REGIONS, &regions,
		err) ||
	    !json_get_array(at, "specs", true, 1, WORLD_MAX_SPECS, &specs,
		err) ||
	    !json_get_array(at, "images", true, 1, 100, &images, err))
		return false;
	c->regions =
	    arena_array(w->arena, json_array_size(regions), sizeof *c->regions);
	c->specs =
	    arena_array(w->arena, json_array_size(specs), sizeof *c->specs);
	c->images =
	    arena_array(w->arena, json_array_size(images), sizeof *c->images);
	for (size_t i = 0; i < json_array_size(regions); i++) {
		struct world_region *r = &c->regions[c->nregions];

		if (!json_at_index(&e, at, "regions", i, err) ||
		    !parse_region(w, &e, r, err))
			return false;
		if (world_region_find(c, r->id) != WORLD_NONE)
			return fail_at(err, &e, "id", "given twice");
		c->nregions++;
	}
	for (size_t i = 0; i < json_array_size(specs); i++) {
		if (!json_at_index(&e, at, "specs", i, err) ||
		    !parse_spec(w, c, &e, err))
			return false;
	}
	for (size_t i = 0; i < json_array_size(images); i++) {
		if (!json_at_index(&e, at, "images", i, err) ||
		    !parse_image(w, c, &e, err))
			return false;
	}
	return true;
}

static bool
parse_cloud(struct world *w, const struct json_at *at, struct mw_err *err)
{
	static const char *const known[] = { "id", "csp", "regions", "specs",
		"images", "quotas", "latenciesMs", "api", "caps",
		"lateApplyMaxS", "listVisibleMaxS", "tokenTtlS", NULL };
	struct world_cloud *c = &w->clouds[w->nclouds];
	const char *id, *csp;

	if (!json_no_others(at, known, err) ||
	    !json_get_id(at, "id", true, &id, err) ||
	    !json_get_id(at, "csp", true, &csp, err))
		return false;
	c->native = native_find(csp);
	if (!c->native)
		return fail_at(err, at, "csp", "not an imitated cloud");
	if (world_cloud_find(w, id) != WORLD_NONE)
		return fail_at(err, at, "id", "given twice");
	c->id = arena_strdup(w->arena, id);
	c->csp = c->native->csp;
	if (!parse_lists(w, c, at, err) || !parse_latencies(c, at, err) ||
	    !parse_api(c, at, err) || !parse_caps(c, at, err))
		return false;
	w->nclouds++;
	return true;
}

/* One site per region, in the order of the file. */
static bool
make_sites(struct world *w, struct mw_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < w->nclouds; i++)
		n += w->clouds[i].nregions;
	if (n > WORLD_MAX_SITES) {
		err_set(err, MW_LIMIT, 0, "%zu sites, at most %d", n,
		    WORLD_MAX_SITES);
		return err_pointer(err, "/clouds");
	}
	w->sites = arena_array(w->arena, n, sizeof *w->sites);
	for (size_t i = 0; i < w->nclouds; i++) {
		struct world_cloud *c = &w->clouds[i];

		for (size_t r = 0; r < c->nregions; r++)
			w->sites[w->nsites++] = (struct world_site){
				.name = arena_printf(w->arena, "%s-%s", c->id,
				    c->regions[r].id),
				.cloud = i,
				.region = r,
				.spec = WORLD_NONE,
			};
	}
	return true;
}

static bool
parse_site(struct world *w, const struct json_at *at, struct mw_err *err)
{
	static const char *const known[] = { "site", "cloud", "region", "spec",
		NULL };
	struct world_site *s = &w->sites[w->nsites];
	const char *cloud, *region, *spec;

	if (!json_no_others(at, known, err) ||
	    !get_word(w, at, "site", true, &s->name, err) ||
	    !get_word(w, at, "cloud", true, &cloud, err) ||
	    !get_word(w, at, "region", true, &region, err) ||
	    !get_word(w, at, "spec", false, &spec, err))
		return false;
	if (world_site_find(w, s->name) != WORLD_NONE)
		return fail_at(err, at, "site", "given twice");
	s->cloud = world_cloud_find(w, cloud);
	if (s->cloud == WORLD_NONE)
		return fail_at(err, at, "cloud", "not a cloud of this world");
	s->region = world_region_find(&w->clouds[s->cloud], region);
	if (s->region == WORLD_NONE)
		return fail_at(err, at, "region", "not a region of the cloud");
	s->spec = WORLD_NONE;
	if (spec) {
		s->spec =
		    world_spec_find(&w->clouds[s->cloud], s->region, spec);
		if (s->spec == WORLD_NONE)
			return fail_at(err, at, "spec",
			    "not offered in the region");
	}
	for (size_t i = 0; i < w->nsites; i++) {
		const struct world_site *o = &w->sites[i];

		if (o->cloud == s->cloud && o->region == s->region &&
		    o->spec == s->spec)
			return fail_at(err, at, "spec", "has a site already");
	}
	w->nsites++;
	return true;
}

static bool
parse_sites(struct world *w, const struct json_at *root, struct mw_err *err)
{
	struct json_at at;
	json_t *list;
	size_t n;

	if (!json_get_array(root, "sites", false, 1, WORLD_MAX_SITES, &list,
		err))
		return false;
	if (!list)
		return make_sites(w, err);
	n = json_array_size(list);
	w->sites = arena_array(w->arena, n, sizeof *w->sites);
	for (size_t i = 0; i < n; i++) {
		if (!json_at_index(&at, root, "sites", i, err) ||
		    !parse_site(w, &at, err))
			return false;
	}
	return true;
}

/* A VM that could be created must have a place in the matrix. */
static bool
check_places(const struct world *w, struct mw_err *err)
{
	for (size_t i = 0; i < w->nclouds; i++) {
		const struct world_cloud *c = &w->clouds[i];

		for (size_t k = 0; k < c->nspecs * c->nregions; k++) {
			size_t spec = k / c->nregions, r = k % c->nregions;

			if (!c->specs[spec].offered[r] ||
			    world_site_of(w, i, r, spec) != WORLD_NONE)
				continue;
			err_set(err, MW_INVALID, 0, "%s in %s/%s has no site",
			    c->specs[spec].id, c->id, c->regions[r].id);
			return err_pointer(err, "/clouds/%zu/specs/%zu", i,
			    spec);
		}
	}
	return true;
}

static bool
parse_coordinator(struct world *w, const struct json_at *root,
    struct mw_err *err)
{
	const char *s;

	if (!json_get_str(root, "coordinatorSite", false, WORD_MAX, &s, err))
		return false;
	w->coordinator_site = s ? world_site_find(w, s) : 0;
	if (w->coordinator_site == WORLD_NONE)
		return fail_at(err, root, "coordinatorSite", "not a site");
	return true;
}

static bool
parse_head(struct world *w, const struct json_at *root, struct mw_err *err)
{
	static const char *const known[] = { "name", "about", "seed",
		"timeScale", "cpuScale", "bench", "coordinatorSite",
		"asymmetry", "useTranspose", "intraSiteRttMs", "clouds",
		"sites", "rttMs", "rttModel", NULL };
	const char *bench;
	int64_t seed;

	if (!json_no_others(root, known, err) ||
	    !get_word(w, root, "name", true, &w->name, err) ||
	    !get_text(w, root, "about", 4000, &w->about, err) ||
	    !json_get_int(root, "seed", true, 0, 0, INT64_MAX, &seed, err) ||
	    !json_get_num(root, "timeScale", true, 1, 0, 10, &w->time_scale,
		err) ||
	    !json_get_num(root, "cpuScale", true, 1, 0.01, 10, &w->cpu_scale,
		err) ||
	    !json_get_str(root, "bench", false, 16, &bench, err))
		return false;
	w->seed = (uint64_t)seed;
	if (bench && strcmp(bench, "replay") == 0)
		w->replay = true;
	else if (bench && strcmp(bench, "measured") != 0)
		return fail_at(err, root, "bench", "measured or replay");
	return true;
}

static bool
parse_world(struct world *w, json_t *doc, struct mw_err *err)
{
	struct json_at root, at;
	json_t *clouds;

	if (!json_at_root(&root, doc, err) || !parse_head(w, &root, err) ||
	    !json_get_array(&root, "clouds", true, 1, WORLD_MAX_CLOUDS, &clouds,
		err))
		return false;
	w->clouds =
	    arena_array(w->arena, json_array_size(clouds), sizeof *w->clouds);
	for (size_t i = 0; i < json_array_size(clouds); i++) {
		if (!json_at_index(&at, &root, "clouds", i, err) ||
		    !parse_cloud(w, &at, err))
			return false;
	}
	return parse_sites(w, &root, err) && check_places(w, err) &&
	    parse_coordinator(w, &root, err) && world_rtt_parse(w, &root, err);
}

struct world *
world_parse(const char *bytes, size_t n, struct mw_err *err)
{
	json_t *doc = json_parse(bytes, n, WORLD_FILE_MAX, err);
	struct world *w;
	bool ok;

	if (!doc)
		return NULL;
	w = xcalloc(1, sizeof *w);
	w->arena = arena_new();
	ok = parse_world(w, doc, err);
	json_decref(doc);
	if (!ok) {
		world_free(w);
		return NULL;
	}
	return w;
}

struct world *
world_load(const char *path, struct mw_err *err)
{
	struct str text = STR_INIT;
	struct world *w = NULL;

	if (file_read(path, WORLD_FILE_MAX, &text, err))
		w = world_parse(str_cstr(&text), text.len, err);
	if (!w)
		err_wrap(err, "world %s", path);
	str_free(&text);
	return w;
}

void
world_free(struct world *w)
{
	if (!w)
		return;
	arena_free(w->arena);
	free(w);
}
