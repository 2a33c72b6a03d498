/*
 * answer_json.c - an answer as JSON. Times in ms, ages in s, prices in
 * micro-USD per hour; what is not known is null with its reason beside it.
 */
#include "placement/io/io.h"

#include <stdio.h>
#include <string.h>

struct writer {
	const struct place_answer *a;
	const struct place_query *q;
	const struct place_world *w;
};

static void
put_ms(json_t *o, const char *key, int64_t us)
{
	json_put_num(o, key, (double)us / 1000);
}

static void
put_known(json_t *o, const char *key, uint32_t v)
{
	json_put(o, key, v == PLACE_UNKNOWN ? json_null() : json_integer(v));
}

static json_t *
texts(const char *const *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(v[i]));
	return list;
}

static json_t *
site_ids(const struct writer *x, const uint32_t *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(x->w->sites[v[i]].id));
	return list;
}

/* "performance", or "performance.cpum" where a query has several. */
static const char *
part_name(const struct writer *x, size_t t, char out[96])
{
	const struct place_term *m = &x->q->terms[t];
	size_t same = 0;

	for (size_t i = 0; i < x->q->nterms; i++)
		same += x->q->terms[i].kind == m->kind;
	if (same > 1)
		snprintf(out, 96, "%s.%s", place_term_name(m->kind),
		    x->w->metrics[m->metric]);
	else
		snprintf(out, 96, "%s", place_term_name(m->kind));
	return out;
}

static json_t *
parts(const struct writer *x, const int64_t *v, bool per_vm)
{
	json_t *o = json_object();
	char name[96];

	for (size_t t = 0; t < x->q->nterms; t++) {
		const struct place_term *m = &x->q->terms[t];
		bool whole = m->kind == PLACE_PAIR_RTT_MEAN ||
		    (m->kind == PLACE_USER_RTT && !x->q->assign_every);

		if (!per_vm && whole && m->agg == PLACE_AGG_FAIR) {
			json_put_int(o, "userRtt.worst", v[t] / PLACE_FAIR);
			json_put_int(o, "userRtt.mean", v[t] % PLACE_FAIR);
		} else if (!per_vm || !whole)
			json_put_int(o, part_name(x, t, name), v[t]);
	}
	return o;
}

static void
put_vm(const struct writer *x, json_t *o, const char *key,
    const struct place_member *m)
{
	char name[96];

	snprintf(name, sizeof name, "%.64s-%u", x->q->roles[m->role].name,
	    m->index);
	json_put_str(o, key, name);
}

static json_t *
member(const struct writer *x, const struct place_member *m, bool scored)
{
	const struct place_site *s = &x->w->sites[m->site];
	const struct place_offer *f =
	    m->offer == PLACE_NONE ? NULL : &x->w->offers[m->offer];
	bool priced = f != NULL && f->cost_per_hour_micros != PLACE_NO_PRICE;
	json_t *o = json_object();

	json_put_str(o, "group", x->q->roles[m->role].name);
	json_put_int(o, "index", m->index);
	put_vm(x, o, "vm", m);
	json_put_str(o, "csp", s->csp);
	json_put_str(o, "region", s->region);
	json_put_str(o, "zone", s->zone);
	json_put_str(o, "site", s->id);
	json_put_str(o, "specId", f == NULL ? NULL : f->spec_id);
	json_put(o, "costPerHourMicros",
	    priced ? json_integer(f->cost_per_hour_micros) : json_null());
	if (!priced)
		json_put_str(o, "costReason",
		    f != NULL && f->cost_reason != NULL ? f->cost_reason
							: "noPrice");
	if (scored)
		json_put(o, "parts", parts(x, m->parts, true));
	if (m->prior)
		json_put_bool(o, "prior", true);
	return o;
}

static json_t *
members(const struct writer *x, const struct place_member *v, size_t n,
    bool scored)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, member(x, &v[i], scored));
	return list;
}

static json_t *
pair(const struct writer *x, const struct place_pair *p,
    const struct place_member *m)
{
	json_t *o, *flags;

	if (!p->known)
		return json_null();
	o = json_object();
	flags = json_array();
	put_vm(x, o, "a", &m[p->a]);
	put_vm(x, o, "b", &m[p->b]);
	json_put_str(o, "direction", "a->b");
	json_put_str(o, "siteA", x->w->sites[p->site_a].id);
	json_put_str(o, "siteB", x->w->sites[p->site_b].id);
	put_ms(o, "rttMs", p->rtt_us);
	if (p->limit_us > 0)
		put_ms(o, "limitMs", p->limit_us);
	else
		json_put(o, "limitMs", json_null());
	json_put_str(o, "stat", x->q->limits.stat == PLACE_P50 ? "p50" : "p95");
	put_known(o, "n", p->n);
	put_known(o, "ageS", p->age_s);
	for (unsigned b = 0; b < PLACE_Q_COUNT; b++)
		if (p->quality >> b & 1)
			json_array_append_new(flags,
			    json_string(place_quality_name(b)));
	json_put(o, "quality", flags);
	return o;
}

static json_t *
served(const struct writer *x, const struct place_ranked *r)
{
	json_t *list = json_array();

	for (size_t u = 0; u < x->q->nusers; u++) {
		json_t *o = json_object();
		bool some =
		    r->served != NULL && r->served[u].member != PLACE_NONE;

		json_put_str(o, "name", x->q->users[u].name);
		if (some) {
			put_vm(x, o, "vm", &r->members[r->served[u].member]);
			put_ms(o, "rttMs", r->served[u].rtt_us);
			json_put_bool(o, "estimated", r->served[u].estimated);
			if (r->served[u].estimated)
				put_ms(o, "errorMs", PLACE_ESTIMATE_ERROR_US);
		} else {
			json_put(o, "vm", json_null());
			json_put(o, "rttMs", json_null());
		}
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *
versus_best(const struct writer *x, const struct place_ranked *r)
{
	const struct place_ranked *best = &x->a->ranked[0];
	json_t *o;

	if (r == best)
		return json_null();
	o = json_object();
	json_put_int(o, "score", r->score - best->score);
	if (r->cost_per_hour_micros != PLACE_NO_PRICE &&
	    best->cost_per_hour_micros != PLACE_NO_PRICE)
		json_put_int(o, "costPerHourMicros",
		    r->cost_per_hour_micros - best->cost_per_hour_micros);
	else
		json_put(o, "costPerHourMicros", json_null());
	if (r->worst.known && best->worst.known)
		put_ms(o, "worstRttMs",
		    (int64_t)r->worst.rtt_us - best->worst.rtt_us);
	json_put(o, "sitesOut", site_ids(x, r->sites_out, r->nsites_out));
	json_put(o, "sitesIn", site_ids(x, r->sites_in, r->nsites_in));
	return o;
}

/* Pairs of sites of an unverified group whose times nobody knows. */
static json_t *
to_measure(const struct writer *x, const struct place_ranked *r)
{
	json_t *list = json_array();

	for (size_t i = 0; r->unverified && i < r->nmembers; i++)
		for (size_t j = i + 1; j < r->nmembers; j++) {
			uint32_t two[2] = { r->members[i].site,
				r->members[j].site };

			if (place_pair_rtt(x->q, x->w, two[0], two[1]) ==
			    PLACE_UNKNOWN)
				json_array_append_new(list,
				    site_ids(x, two, 2));
		}
	return list;
}

json_t *
io_group(const struct place_ranked *r, const struct place_query *q,
    const struct place_world *w)
{
	const struct writer writer = { NULL, q, w }, *x = &writer;
	bool priced = r->cost_per_hour_micros != PLACE_NO_PRICE;
	json_t *o = json_object();

	json_put_int(o, "score", r->score);
	json_put(o, "parts", parts(x, r->parts, false));
	json_put(o, "costPerHourMicros",
	    priced ? json_integer(r->cost_per_hour_micros) : json_null());
	json_put_str(o, "costReason", r->cost_reason);
	json_put(o, "members", members(x, r->members, r->nmembers, true));
	json_put_int(o, "csps", r->ncsps);
	json_put_int(o, "regions", r->nregions);
	json_put(o, "worstPair", pair(x, &r->worst, r->members));
	json_put(o, "worstRttMs", json_null());
	json_put(o, "slackMs", json_null());
	if (r->worst.known)
		put_ms(o, "worstRttMs", r->worst.rtt_us);
	if (r->worst.known && r->worst.limit_us > 0)
		put_ms(o, "slackMs", r->slack_us);
	json_put(o, "binding", texts(r->binding, r->nbinding));
	json_put(o, "users", served(x, r));
	json_put_bool(o, "unverified", r->unverified);
	json_put(o, "toMeasure", to_measure(x, r));
	return o;
}

static json_t *
row(const struct writer *x, size_t i)
{
	const struct place_ranked *r = &x->a->ranked[i];
	json_t *o = io_group(r, x->q, x->w);

	json_put_int(o, "rank", (int64_t)i + 1);
	json_put(o, "flipDistanceMs", json_null());
	if (i == 0 && x->a->has_flip)
		put_ms(o, "flipDistanceMs", x->a->flip_us);
	json_put(o, "vsBest", versus_best(x, r));
	return o;
}

static json_t *
excluded(const struct writer *x)
{
	json_t *list = json_array();

	for (size_t i = 0; i < x->q->nroles; i++) {
		const struct place_removed *r = &x->a->removed[i];
		json_t *o = json_object(), *f = json_object();

		for (enum place_filter_kind k = 0; k < PLACE_F_NO_PRICE; k++)
			if (r->by[k] > 0)
				json_put_int(f, place_filter_name(k),
				    (int64_t)r->by[k]);
		json_put_str(o, "group", x->q->roles[i].name);
		json_put(o, "filter", f);
		json_put_int(o, "noPrice", (int64_t)r->by[PLACE_F_NO_PRICE]);
		json_put_int(o, "noScore", (int64_t)r->by[PLACE_F_NO_SCORE]);
		json_put_int(o, "left", (int64_t)r->left);
		json_array_append_new(list, o);
	}
	return list;
}

static void
put_value(json_t *o, const char *key, bool has, bool ms, int64_t v)
{
	if (!has)
		json_put(o, key, json_null());
	else if (ms)
		put_ms(o, key, v);
	else
		json_put_int(o, key, v);
}

static json_t *
relaxation(const struct writer *x, const struct place_relaxation *r)
{
	json_t *o = json_object(), *sites = json_array();

	json_put_str(o, "pointer", r->pointer);
	put_value(o, "from", r->has_from, r->is_rtt, r->from);
	put_value(o, "to", r->has_to, r->is_rtt, r->to);
	put_value(o, "above", r->has_above, r->is_rtt, r->above);
	json_put_bool(o, "drop", r->drop);
	json_put_bool(o, "proved", r->proved);
	for (size_t i = 0; i < r->nmembers; i++)
		json_array_append_new(sites,
		    json_string(x->w->sites[r->members[i].site].id));
	json_put(o, "group", sites);
	json_put(o, "members", members(x, r->members, r->nmembers, false));
	json_put(o, "pair", pair(x, &r->pair, r->members));
	return o;
}

/* (best - bound) / |best|, for people: the proof is in lowerBound. */
static void
put_gap(const struct writer *x, json_t *o)
{
	const struct place_answer *a = x->a;
	double best = a->nranked > 0 ? (double)a->ranked[0].score : 0;
	double diff = best - (double)a->lower_bound;

	json_put(o, "lowerBound",
	    a->has_bound ? json_integer(a->lower_bound) : json_null());
	if (a->has_bound && diff <= 0)
		json_put_num(o, "gap", 0);
	else if (a->has_bound && best != 0)
		json_put_num(o, "gap", diff / (best < 0 ? -best : best));
	else
		json_put(o, "gap", json_null());
}

json_t *
place_io_answer(const struct place_answer *a, const struct place_query *q,
    const struct place_world *w)
{
	struct writer x = { a, q, w };
	json_t *o = json_object(), *stats = json_object();
	json_t *ranking = json_array(), *relax = json_array();

	json_put_str(o, "status", place_status_name(a->status));
	put_gap(&x, o);
	json_put_int(o, "provedRanks", (int64_t)a->proved_ranks);
	json_put_int(stats, "nodes", (int64_t)a->nodes);
	json_put_str(stats, "cut", place_cut_name(a->cut));
	json_put(stats, "excluded", excluded(&x));
	json_put(o, "stats", stats);
	for (size_t i = 0; i < a->nranked; i++)
		json_array_append_new(ranking, row(&x, i));
	json_put(o, "ranking", ranking);
	json_put_bool(o, "moreTies", a->more_ties);
	json_put(o, "conflicts", texts(a->conflicts, a->nconflicts));
	json_put_bool(o, "conflictsMinimal", a->conflicts_minimal);
	for (size_t i = 0; i < a->nrelax; i++)
		json_array_append_new(relax, relaxation(&x, &a->relax[i]));
	json_put(o, "relaxations", relax);
	put_value(o, "minFeasibleRttMs", a->has_min_rtt, true, a->min_rtt_us);
	put_value(o, "minFeasibleRttLowMs", a->has_min_rtt, true,
	    a->min_rtt_low_us);
	json_put(o, "violations", texts(a->violations, a->nviolations));
	json_put(o, "warnings", texts(a->warnings, a->nwarnings));
	json_put_str(o, "noDataReason", a->no_data_reason);
	put_known(o, "dataAgeS", a->data_age_s);
	return o;
}
