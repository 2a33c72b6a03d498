/*
 * curve_json.c - curves over a query, and two groups side by side, as JSON:
 * the same for the API and for the command line without a coordinator.
 */
#include "placement/io/io.h"

#include "common/pure/str.h"
#include "placement/curve.h"

#include <string.h>

#define SIZES_DEFAULT 20

/* What one request has at hand. */
struct asked {
	struct place_query q;
	const struct place_world *w;
	struct arena *arena;
	const struct json_at *at;
	bool (*stop)(void *arg);
	void *stop_arg;
};

static void
put_ms(json_t *o, const char *key, bool known, int64_t us)
{
	json_put(o, key, known ? json_real((double)us / 1000) : json_null());
}

/* A time of the sweep in ms; missing or null: 0. */
static bool
sweep_ms(const struct json_at *at, const char *key, int64_t *us,
    struct mw_err *err)
{
	double ms;

	if (!json_get_num(at, key, true, 0, 0, IO_RTT_MAX_MS, &ms, err))
		return false;
	*us = (int64_t)(ms * 1000);
	return true;
}

static bool
sweep_read(const struct json_at *root, struct place_sweep *s, int64_t *sizes,
    struct mw_err *err)
{
	static const char *const known[] = { "fromMs", "toMs", "maxPoints",
		"maxVms", NULL };
	struct json_at at;
	int64_t points;

	*s = (struct place_sweep){ 0 };
	*sizes = SIZES_DEFAULT;
	if (!json_at_key(&at, root, "sweep", false, err))
		return false;
	if (at.obj == NULL)
		return true;
	if (!json_no_others(&at, known, err) ||
	    !sweep_ms(&at, "fromMs", &s->from_us, err) ||
	    !sweep_ms(&at, "toMs", &s->to_us, err) ||
	    !json_get_int(&at, "maxPoints", true, 0, 1, PLACE_MAX_POINTS,
		&points, err) ||
	    !json_get_int(&at, "maxVms", true, SIZES_DEFAULT, 1, PLACE_MAX_VMS,
		sizes, err))
		return false;
	if (s->from_us > 0 && s->from_us <= s->to_us)
		return io_wrong(err, &at, "toMs", "is not below fromMs");
	s->max_points = (size_t)points;
	return true;
}

static json_t *
point(const struct asked *x, const struct place_point *p, bool knee)
{
	json_t *o = io_group(&p->group, &x->q, x->w);

	put_ms(o, "aboveMs", p->has_worst, p->worst_us);
	put_ms(o, "upToMs", p->up_to_us > 0, p->up_to_us);
	json_put_bool(o, "proved", p->proved);
	json_put_bool(o, "front", p->front);
	json_put_bool(o, "knee", knee);
	return o;
}

static json_t *
curve(const struct asked *x, bool front_only, struct mw_err *err)
{
	struct place_sweep sweep;
	struct place_curve *c;
	json_t *o, *list;
	int64_t sizes;

	if (!sweep_read(x->at, &sweep, &sizes, err))
		return NULL;
	c = place_curve_new(&x->q, x->w, &sweep, x->q.max_nodes, x->stop,
	    x->stop_arg, err);
	if (c == NULL)
		return NULL;
	o = json_object();
	list = json_array();
	for (size_t i = 0; i < c->n; i++)
		if (!front_only || c->points[i].front)
			json_array_append_new(list,
			    point(x, &c->points[i], i == c->knee));
	json_put_str(o, "rttOp", x->q.limits.le ? "le" : "lt");
	json_put_str(o, "stat", x->q.limits.stat == PLACE_P50 ? "p50" : "p95");
	json_put(o, "points", list);
	json_put_bool(o, "complete", c->complete);
	json_put_str(o, "cut", place_cut_name(c->cut));
	json_put_str(o, "noDataReason", c->no_data_reason);
	place_curve_free(c);
	return o;
}

static json_t *
whatif(const struct asked *x, struct mw_err *err)
{
	return curve(x, false, err);
}

static json_t *
pareto(const struct asked *x, struct mw_err *err)
{
	return curve(x, true, err);
}

static json_t *
sizes(const struct asked *x, struct mw_err *err)
{
	struct place_size v[PLACE_MAX_VMS];
	struct place_sweep sweep;
	json_t *o, *list;
	int64_t max;
	size_t n;

	if (!sweep_read(x->at, &sweep, &max, err) ||
	    !place_sizes(&x->q, x->w, (uint32_t)max, x->q.max_nodes, x->stop,
		x->stop_arg, v, &n, err))
		return NULL;
	o = json_object();
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *s = json_object();

		json_put_int(s, "vms", v[i].count);
		put_ms(s, "aboveMs", true, v[i].above_us);
		put_ms(s, "lowMs", true, v[i].low_us);
		json_put_bool(s, "proved", v[i].proved);
		json_array_append_new(list, s);
	}
	json_put_str(o, "rttOp", x->q.limits.le ? "le" : "lt");
	json_put(o, "sizes", list);
	json_put_bool(o, "complete", n < (size_t)max);
	return o;
}

/* The group of mode check, without its verdict. */
static bool
given_group(const struct asked *x, const struct place_query *q,
    struct place_ranked *out, struct mw_err *err)
{
	struct place_answer *a = place_solve(q, x->w, 0, NULL, NULL, err);
	const char *broken[1];

	if (a == NULL)
		return false;
	memset(out, 0, sizeof *out);
	out->nmembers = a->ranked[0].nmembers;
	out->members =
	    arena_array(x->arena, out->nmembers + 1, sizeof *out->members);
	memcpy(out->members, a->ranked[0].members,
	    out->nmembers * sizeof *out->members);
	(void)place_verify(out, q, x->w, x->arena, broken, 0);
	place_answer_free(a);
	return true;
}

static json_t *
moves(const struct asked *x, struct mw_err *err)
{
	struct place_ranked r;
	struct place_move *v;
	json_t *o, *list;

	if (x->q.mode != PLACE_CHECK) {
		err_set(err, MW_INVALID, 0, "moves need mode check");
		err_pointer(err, "/mode");
		return NULL;
	}
	if (!given_group(x, &x->q, &r, err))
		return NULL;
	v = arena_array(x->arena, r.nmembers + 1, sizeof *v);
	place_moves(&r, &x->q, x->w, x->arena, v);
	o = io_group(&r, &x->q, x->w);
	list = json_array();
	for (size_t i = 0; i < r.nmembers; i++) {
		const struct place_member *m = &r.members[i];
		json_t *e = json_object();

		json_put(e, "vm",
		    json_sprintf("%s-%u", x->q.roles[m->role].name, m->index));
		json_put_str(e, "from", x->w->sites[m->site].id);
		json_put(e, "group",
		    v[i].found ? io_group(&v[i].group, &x->q, x->w)
			       : json_null());
		put_ms(e, "worstRttMs", v[i].found && v[i].has_worst,
		    v[i].worst_us);
		json_array_append_new(list, e);
	}
	json_put(o, "moves", list);
	return o;
}

/* One line of a comparison: smaller is better; equal: nobody wins. */
static void
put_line(json_t *list, const char *what, bool known, int64_t a, int64_t b,
    double unit)
{
	json_t *o = json_object();

	json_put_str(o, "what", what);
	json_put(o, "a", known ? json_real((double)a / unit) : json_null());
	json_put(o, "b", known ? json_real((double)b / unit) : json_null());
	json_put_str(o, "better", !known || a == b ? NULL : a < b ? "a" : "b");
	json_array_append_new(list, o);
}

/* Worst and mean time over all known pairs, whatever their limits. */
static bool
pair_times(const struct asked *x, const struct place_ranked *r, int64_t *worst,
    int64_t *mean)
{
	uint64_t sum = 0, n = 0;

	*worst = *mean = 0;
	for (size_t i = 0; i < r->nmembers; i++)
		for (size_t j = i + 1; j < r->nmembers; j++) {
			uint32_t d = place_pair_rtt(&x->q, x->w,
			    r->members[i].site, r->members[j].site);

			if (d == PLACE_UNKNOWN)
				return false;
			sum += d;
			n++;
			if (d > *worst)
				*worst = d;
		}
	*mean = n > 0 ? (int64_t)(sum / n) : 0;
	return n > 0;
}

static bool
user_times(const struct asked *x, const struct place_ranked *r, int64_t *worst,
    int64_t *mean)
{
	uint64_t sum = 0, weights = 0;

	*worst = *mean = 0;
	for (size_t u = 0; u < x->q.nusers; u++) {
		if (r->served[u].member == PLACE_NONE)
			return false;
		sum += (uint64_t)r->served[u].rtt_us * x->q.users[u].weight;
		weights += x->q.users[u].weight;
		if (r->served[u].rtt_us > *worst)
			*worst = r->served[u].rtt_us;
	}
	*mean = weights > 0 ? (int64_t)(sum / weights) : 0;
	return weights > 0;
}

static json_t *
lines(const struct asked *x, const struct place_ranked *a,
    const struct place_ranked *b)
{
	json_t *list = json_array();
	int64_t worst[2], mean[2];
	bool priced = a->cost_per_hour_micros != PLACE_NO_PRICE &&
	    b->cost_per_hour_micros != PLACE_NO_PRICE;
	bool both;

	put_line(list, "score", x->q.nterms > 0, a->score, b->score, 1);
	put_line(list, "costPerHourMicros", priced, a->cost_per_hour_micros,
	    b->cost_per_hour_micros, 1);
	both = pair_times(x, a, &worst[0], &mean[0]);
	both = pair_times(x, b, &worst[1], &mean[1]) && both;
	put_line(list, "worstRttMs", both, worst[0], worst[1], 1000);
	put_line(list, "meanRttMs", both, mean[0], mean[1], 1000);
	if (x->q.nusers == 0)
		return list;
	both = user_times(x, a, &worst[0], &mean[0]);
	both = user_times(x, b, &worst[1], &mean[1]) && both;
	put_line(list, "worstUserRttMs", both, worst[0], worst[1], 1000);
	put_line(list, "meanUserRttMs", both, mean[0], mean[1], 1000);
	return list;
}

/* "compare":{"a":[members],"b":[members]}, each as "members" of mode check. */
static bool
side(const struct asked *x, const struct json_at *both, const char *name,
    struct place_ranked *out, struct mw_err *err)
{
	json_t *body = json_copy(x->at->obj), *list;
	struct place_query q;
	struct json_at at;
	bool ok;

	ok = json_get_array(both, name, true, 1, PLACE_MAX_VMS, &list, err);
	if (ok) {
		json_object_set(body, "members", list);
		json_object_set_new(body, "mode", json_string("check"));
		ok = json_at_root(&at, body, err) &&
		    place_io_query(&at, x->w, x->arena, &q, err) &&
		    given_group(x, &q, out, err);
		if (!ok && str_starts(err->pointer, "/members")) {
			char rest[sizeof err->pointer];

			str_copy(rest, sizeof rest,
			    err->pointer + strlen("/members"));
			err_pointer(err, "/compare/%s%s", name, rest);
		}
	}
	json_decref(body);
	return ok;
}

static json_t *
compare(const struct asked *x, struct mw_err *err)
{
	static const char *const known[] = { "a", "b", NULL };
	struct place_ranked a, b;
	struct json_at both;
	json_t *o;

	if (!json_at_key(&both, x->at, "compare", true, err) ||
	    !json_no_others(&both, known, err) ||
	    !side(x, &both, "a", &a, err) || !side(x, &both, "b", &b, err))
		return NULL;
	o = json_object();
	json_put(o, "a", io_group(&a, &x->q, x->w));
	json_put(o, "b", io_group(&b, &x->q, x->w));
	json_put(o, "lines", lines(x, &a, &b));
	return o;
}

json_t *
place_io_curve(enum place_io_what what, const struct json_at *at,
    const struct place_world *w, struct arena *arena, bool (*stop)(void *arg),
    void *stop_arg, struct mw_err *err)
{
	static json_t *(*const how[PLACE_IO_WHATS])(const struct asked *x,
	    struct mw_err *err) = { whatif, pareto, sizes, moves, compare };
	struct asked x = { .w = w,
		.arena = arena,
		.at = at,
		.stop = stop,
		.stop_arg = stop_arg };

	if (!place_io_query(at, w, arena, &x.q, err))
		return NULL;
	return how[what](&x, err);
}
