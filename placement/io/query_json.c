/*
 * query_json.c - a placement query. Times are cut to whole microseconds, so a
 * limit is never looser than it was written.
 */
#include "placement/io/io.h"

#include "common/pure/num.h"
#include "common/pure/result.h"

#include <math.h>
#include <string.h>

static bool
cap(struct io_reader *r, const struct json_at *at, const char *key,
    uint32_t *out)
{
	int64_t v;

	if (!json_get_int(at, key, true, 0, 1, 100000, &v, r->err))
		return false;
	*out = (uint32_t)v;
	return true;
}

/* A limit in ms; null or missing: 0. */
static bool
limit(struct io_reader *r, const struct json_at *at, const char *key,
    int64_t *out)
{
	double ms;

	*out = 0;
	if (!json_get_num(at, key, true, -1, 0.001, IO_RTT_MAX_MS, &ms, r->err))
		return false;
	if (ms >= 0 && (!num_ms_to_us(ms, false, out) || *out < 1))
		return io_wrong(r->err, at, key, "out of range");
	return true;
}

static bool
pair_limits(struct io_reader *r, const struct json_at *at)
{
	static const char *const known[] = { "between", "maxRttMs", NULL };
	struct place_limits *l = &r->q->limits;
	struct place_pair_limit *v;
	json_t *list;

	if (!json_get_array(at, "pairLimits", false, 0,
		PLACE_MAX_ROLES * PLACE_MAX_ROLES, &list, r->err))
		return false;
	l->npairs = list == NULL ? 0 : json_array_size(list);
	v = arena_array(r->arena, l->npairs + 1, sizeof *v);
	for (size_t i = 0; i < l->npairs; i++) {
		struct json_at p;
		json_t *two;

		if (!json_at_index(&p, at, "pairLimits", i, r->err) ||
		    !json_no_others(&p, known, r->err) ||
		    !json_get_array(&p, "between", true, 2, 2, &two, r->err) ||
		    !limit(r, &p, "maxRttMs", &v[i].max_rtt_us))
			return false;
		if (json_object_get(p.obj, "maxRttMs") == NULL)
			return io_wrong(r->err, &p, "maxRttMs",
			    "is missing; null means no limit");
		if (!io_role(r, json_string_value(json_array_get(two, 0)),
			&v[i].a) ||
		    !io_role(r, json_string_value(json_array_get(two, 1)),
			&v[i].b))
			return io_wrong(r->err, &p, "between", "unknownRole");
	}
	l->pairs = v;
	return true;
}

static bool
constraints(struct io_reader *r, const struct json_at *root)
{
	static const char *const known[] = { "maxRttMs", "rttStat", "rttOp",
		"pairLimits", "antiAffinity", "maxPerSite", "maxPerZone",
		"maxPerRegion", "maxPerCsp", "minCsps", "minRegions",
		"budgetPerHourMicros", "quota", "maxRttToUserMs", NULL };
	static const char *const stats[] = { "", "p50", "p95", NULL };
	static const char *const ops[] = { "lt", "le", NULL };
	struct place_limits *l = &r->q->limits;
	struct json_at at;
	int stat, op;

	l->stat = r->w->rtt_us[PLACE_P95] != NULL ? PLACE_P95 : PLACE_P50;
	if (!json_at_key(&at, root, "constraints", false, r->err))
		return false;
	if (at.obj == NULL)
		return true;
	if (!json_no_others(&at, known, r->err) ||
	    !limit(r, &at, "maxRttMs", &l->max_rtt_us) ||
	    !io_word(r, &at, "rttStat", stats, &stat) ||
	    !io_word(r, &at, "rttOp", ops, &op) || !pair_limits(r, &at) ||
	    !cap(r, &at, "maxPerSite", &l->max_per_site) ||
	    !io_counts(r, &at) ||
	    !cap(r, &at, "maxPerZone", &l->max_per_zone) ||
	    !cap(r, &at, "maxPerRegion", &l->max_per_region) ||
	    !cap(r, &at, "maxPerCsp", &l->max_per_csp) ||
	    !cap(r, &at, "minCsps", &l->min_csps) ||
	    !cap(r, &at, "minRegions", &l->min_regions) ||
	    !json_get_int(&at, "budgetPerHourMicros", true, -1, 0,
		INT64_C(1000000000000), &l->budget_per_hour_micros, r->err) ||
	    !limit(r, &at, "maxRttToUserMs", &l->max_rtt_to_user_us))
		return false;
	l->has_budget = l->budget_per_hour_micros >= 0;
	l->le = op == 1;
	if (stat > 0)
		l->stat = stat == 1 ? PLACE_P50 : PLACE_P95;
	return true;
}

static bool
user_location(struct io_reader *r, const struct json_at *at,
    struct place_user *u)
{
	if (json_object_get(at->obj, "lat") == NULL &&
	    json_object_get(at->obj, "lon") == NULL)
		return true;
	u->has_location = true;
	return json_get_num(at, "lat", false, 0, -90, 90, &u->lat, r->err) &&
	    json_get_num(at, "lon", false, 0, -180, 180, &u->lon, r->err);
}

/* An address counts as far as it was measured. */
static bool
user_address(struct io_reader *r, const struct json_at *at,
    struct place_user *u)
{
	const char *ip;

	if (!json_get_str(at, "ip", false, 45, &ip, r->err))
		return false;
	if (ip == NULL)
		return true;
	for (size_t i = 0; i < r->w->naddrs; i++)
		if (strcmp(r->w->addrs[i].ip, ip) == 0)
			u->rtt_us = r->w->addrs[i].rtt_us;
	if (u->rtt_us == NULL) {
		io_wrong(r->err, at, "ip",
		    "userLocation: no VM has measured this address");
		return err_hint(r->err, "milkyway rtt NAME %s", ip);
	}
	return true;
}

static bool
users(struct io_reader *r, const struct json_at *at)
{
	static const char *const known[] = { "name", "weight", "site", "region",
		"ip", "lat", "lon", NULL };
	struct place_user *v;
	json_t *list;

	if (!json_get_array(at, "users", false, 0, PLACE_MAX_USERS, &list,
		r->err))
		return false;
	r->q->nusers = list == NULL ? 0 : json_array_size(list);
	v = arena_array(r->arena, r->q->nusers + 1, sizeof *v);
	for (size_t i = 0; i < r->q->nusers; i++) {
		struct json_at u;
		int64_t weight;

		if (!json_at_index(&u, at, "users", i, r->err) ||
		    !json_no_others(&u, known, r->err) ||
		    !io_text(&u, r->arena, "name", false, &v[i].name, r->err) ||
		    !json_get_int(&u, "weight", true, 1, 1, 1000000, &weight,
			r->err) ||
		    !io_text(&u, r->arena, "site", false, &v[i].site, r->err) ||
		    !io_text(&u, r->arena, "region", false, &v[i].region,
			r->err))
			return false;
		if (v[i].name == NULL)
			v[i].name = arena_printf(r->arena, "user-%zu", i + 1);
		v[i].weight = (uint32_t)weight;
		if (!user_location(r, &u, &v[i]) || !user_address(r, &u, &v[i]))
			return false;
	}
	r->q->users = v;
	return true;
}

static bool
user_model(struct io_reader *r, const struct json_at *root)
{
	static const char *const known[] = { "assign", "servedBy", NULL };
	static const char *const assign[] = { "nearest", "every", NULL };
	struct place_strings by = { NULL, 0 };
	struct json_at at;
	int how;

	if (!json_at_key(&at, root, "userModel", false, r->err))
		return false;
	if (at.obj == NULL)
		return true;
	if (!json_no_others(&at, known, r->err) ||
	    !io_word(r, &at, "assign", assign, &how) ||
	    !io_strings(r, &at, "servedBy", &by))
		return false;
	r->q->assign_every = how == 1;
	for (size_t i = 0; i < by.n; i++) {
		uint32_t role;

		if (!io_role(r, by.v[i], &role))
			return io_wrong(r->err, &at, "servedBy", "unknownRole");
		r->q->served_by |= UINT32_C(1) << role;
	}
	return true;
}

/* Which fields a term has, and which of them is its weight. */
static const struct term_form {
	const char *name;
	enum place_term_kind kind;
	const char *weight;
	const char *known[8];
} forms[] = {
	{ "price", PLACE_PRICE, "weight",
	    { "term", "tolerancePct", "weight", NULL } },
	{ "performance", PLACE_PERFORMANCE, "weightMicrosPerPoint",
	    { "term", "tolerancePct", "weightMicrosPerPoint", "metric",
		"direction", NULL } },
	{ "pricePerformance", PLACE_PRICE_PERFORMANCE, "weight",
	    { "term", "tolerancePct", "weight", "metric", "direction", "alpha",
		NULL } },
	{ "userRtt", PLACE_USER_RTT, "weightMicrosPerMs",
	    { "term", "tolerancePct", "weightMicrosPerMs", "agg", "pct",
		NULL } },
	{ "pairRttMean", PLACE_PAIR_RTT_MEAN, "weightMicrosPerMs",
	    { "term", "tolerancePct", "weightMicrosPerMs", NULL } },
};

static bool
performance(struct io_reader *r, const struct json_at *at, struct place_term *t)
{
	static const char *const directions[] = { "", "higher", "lower", NULL };
	const char *name;
	enum kind kind;
	int direction;

	if (!json_get_str(at, "metric", true, 64, &name, r->err) ||
	    !io_word(r, at, "direction", directions, &direction))
		return false;
	if (!io_metric(r, name, &t->metric))
		return io_wrong(r->err, at, "metric",
		    "a metric that the world has not");
	t->lower_is_better = direction == 0
	    ? kind_parse(name, &kind) && !kind_info(kind)->higher_is_better
	    : direction == 2;
	return true;
}

static bool
term(struct io_reader *r, const struct json_at *at, struct place_term *t)
{
	static const char *const aggs[] = { "sumRtt", "minimaxRtt",
		"percentile", "fair", NULL };
	const struct term_form *f = NULL;
	const char *name;
	int64_t tolerance, alpha = 0, pct = 0;
	int agg = 0;

	if (!json_get_str(at, "term", true, 32, &name, r->err))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (strcmp(forms[i].name, name) == 0)
			f = &forms[i];
	if (f == NULL)
		return io_wrong(r->err, at, "term", "unknown term");
	t->kind = f->kind;
	if (!json_no_others(at, f->known, r->err) ||
	    !json_get_int(at, f->weight, true, 1, 0, INT64_C(1000000000000),
		&t->weight, r->err) ||
	    !json_get_int(at, "tolerancePct", true, 0, 0, 1000, &tolerance,
		r->err) ||
	    ((t->kind == PLACE_PERFORMANCE ||
		 t->kind == PLACE_PRICE_PERFORMANCE) &&
		!performance(r, at, t)) ||
	    (t->kind == PLACE_PRICE_PERFORMANCE &&
		!json_get_int(at, "alpha", true, 1, 1, PLACE_MAX_ALPHA, &alpha,
		    r->err)) ||
	    (t->kind == PLACE_USER_RTT &&
		(!io_word(r, at, "agg", aggs, &agg) ||
		    !json_get_int(at, "pct", true, 95, 1, 100, &pct, r->err))))
		return false;
	t->tolerance_pct = (uint32_t)tolerance;
	t->alpha = (uint32_t)alpha;
	t->agg = (enum place_agg)agg;
	t->pct = (uint32_t)pct;
	return true;
}

static bool
objective(struct io_reader *r, const struct json_at *root)
{
	static const char *const known[] = { "mode", "terms", NULL };
	static const char *const modes[] = { "weighted", "lexicographic",
		NULL };
	struct place_term *v;
	struct json_at at;
	json_t *list;
	int mode;

	if (!json_at_key(&at, root, "objective", false, r->err))
		return false;
	if (at.obj == NULL)
		return true;
	if (!json_no_others(&at, known, r->err) ||
	    !io_word(r, &at, "mode", modes, &mode) ||
	    !json_get_array(&at, "terms", true, 1, PLACE_MAX_TERMS, &list,
		r->err))
		return false;
	r->q->lexicographic = mode == 1;
	r->q->nterms = json_array_size(list);
	v = arena_array(r->arena, r->q->nterms, sizeof *v);
	for (size_t i = 0; i < r->q->nterms; i++) {
		struct json_at t;

		if (!json_at_index(&t, &at, "terms", i, r->err) ||
		    !term(r, &t, &v[i]))
			return false;
	}
	r->q->terms = v;
	return true;
}

static bool
missing(struct io_reader *r, const struct json_at *root)
{
	static const char *const known[] = { "pairRtt", "userRtt", "price",
		"performance", NULL };
	static const char *const pair[] = { "forbid", "estimate", NULL };
	static const char *const score[] = { "", "exclude", "error", "prior",
		NULL };
	static const char *const how[] = { "", "exclude", "error", NULL };
	static const char *const user[] = { "", "exclude", "error", "estimate",
		NULL };
	struct json_at at;
	int p, u, c, s;

	if (!json_at_key(&at, root, "missing", false, r->err))
		return false;
	if (at.obj == NULL)
		return true;
	if (!json_no_others(&at, known, r->err) ||
	    !io_word(r, &at, "pairRtt", pair, &p) ||
	    !io_word(r, &at, "userRtt", user, &u) ||
	    !io_word(r, &at, "price", how, &c) ||
	    !io_word(r, &at, "performance", score, &s))
		return false;
	r->q->missing_user_rtt = (enum place_missing)u;
	r->q->missing_price = (enum place_missing)c;
	r->q->missing_score =
	    s == 3 ? PLACE_MISSING_PRIOR : (enum place_missing)s;
	r->q->missing_pair =
	    p == 1 ? PLACE_MISSING_ESTIMATE : PLACE_MISSING_DEFAULT;
	return true;
}

static bool
quality(struct io_reader *r, const struct json_at *root)
{
	static const char *const known[] = { "suspect", "minSamples", "maxAgeS",
		NULL };
	static const char *const suspect[] = { "flag", "exclude", "transpose",
		NULL };
	struct json_at at;
	int64_t samples, age;
	int s;

	if (!json_at_key(&at, root, "quality", false, r->err))
		return false;
	if (at.obj == NULL)
		return true;
	if (!json_no_others(&at, known, r->err) ||
	    !io_word(r, &at, "suspect", suspect, &s) ||
	    !json_get_int(&at, "minSamples", true, 20, 1, 1000000, &samples,
		r->err) ||
	    !json_get_int(&at, "maxAgeS", true, 0, 1, UINT32_MAX - 1, &age,
		r->err))
		return false;
	r->q->suspect = (enum place_suspect)s;
	r->q->min_samples = (uint32_t)samples;
	r->q->max_age_s = (uint32_t)age;
	return true;
}

static bool
members(struct io_reader *r, const struct json_at *at)
{
	static const char *const known[] = { "group", "site", "specId", NULL };
	struct place_given *v;
	json_t *list;

	if (!json_get_array(at, "members", r->q->mode == PLACE_CHECK, 1,
		PLACE_MAX_VMS, &list, r->err))
		return false;
	if (list != NULL && r->q->mode != PLACE_CHECK)
		return io_wrong(r->err, at, "members", "for mode check only");
	r->q->ngiven = list == NULL ? 0 : json_array_size(list);
	v = arena_array(r->arena, r->q->ngiven + 1, sizeof *v);
	for (size_t i = 0; i < r->q->ngiven; i++) {
		const char *group, *site;
		struct json_at m;

		if (!json_at_index(&m, at, "members", i, r->err) ||
		    !json_no_others(&m, known, r->err) ||
		    !json_get_str(&m, "group", true, 64, &group, r->err) ||
		    !io_text(&m, r->arena, "site", true, &site, r->err) ||
		    !io_text(&m, r->arena, "specId", true, &v[i].spec_id,
			r->err))
			return false;
		if (!io_role(r, group, &v[i].role))
			return io_wrong(r->err, &m, "group", "unknownRole");
		while (v[i].site < r->w->nsites &&
		    strcmp(r->w->sites[v[i].site].id, site) != 0)
			v[i].site++;
		if (v[i].site == r->w->nsites)
			return io_wrong(r->err, &m, "site", "unknownSite");
	}
	r->q->given = v;
	return true;
}

static bool
budgets(struct io_reader *r, const struct json_at *at)
{
	int64_t k, alias, nodes;

	if (!json_get_int(at, "topK", true, 0, 1, PLACE_IO_TOPK_MAX, &k,
		r->err) ||
	    !json_get_int(at, "limit", true, 0, 1, PLACE_IO_TOPK_MAX, &alias,
		r->err) ||
	    !json_get_int(at, "deadlineMs", true, 200, 1, 60000,
		&r->q->deadline_ms, r->err) ||
	    !json_get_int(at, "maxNodes", true, 0, 1, INT64_MAX, &nodes,
		r->err))
		return false;
	r->q->topk = (uint32_t)(k > 0 ? k : alias);
	r->q->max_nodes = (uint64_t)nodes;
	return true;
}

bool
place_io_query(const struct json_at *at, const struct place_world *w,
    struct arena *arena, struct place_query *out, struct mw_err *err)
{
	static const char *const known[] = { "mode", "groups", "constraints",
		"users", "userModel", "objective", "missing", "quality",
		"members", "topK", "limit", "deadlineMs", "maxNodes", "plane",
		"from", "world", "sweep", "compare", NULL };
	static const char *const modes[] = { "place", "groups", "check", NULL };
	static const char *const planes[] = { "public", NULL };
	struct io_reader r = { arena, w, out, err };
	int mode, plane;

	memset(out, 0, sizeof *out);
	if (!json_no_others(at, known, err) ||
	    !io_word(&r, at, "mode", modes, &mode) ||
	    !io_word(&r, at, "plane", planes, &plane))
		return false;
	out->mode = (enum place_mode)mode;
	return io_groups(&r, at) && constraints(&r, at) && users(&r, at) &&
	    user_model(&r, at) && objective(&r, at) && io_group_terms(&r, at) &&
	    missing(&r, at) && quality(&r, at) && members(&r, at) &&
	    budgets(&r, at);
}
