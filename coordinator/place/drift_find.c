/*
 * drift_find.c - see drift_find.h.
 */
#include "coordinator/place/drift_find.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "placement/io/place_io.h"

#include <string.h>

struct find {
	const struct drift_ask *ask;
	struct drift_move *out;
	struct arena *arena;
	struct place_world w; /* with what is seen now */
	struct place_query q;
	struct place_ranked now;
	struct { /* broken pairs, of members */
		uint32_t a, b;
	} * broken;
	size_t nbroken;
	struct place_ranked best; /* valid if out->n */
	bool many; /* too many places are kept for the solver */
};

static bool read_query(struct find *f);
static bool read_group(struct find *f);
static void see(struct find *f);
static void find_broken(struct find *f);
static void one_vm(struct find *f);
static void try_offers(struct find *f, uint32_t member);
static void two_vms(struct find *f);
static void try_two(struct find *f, uint32_t x, uint32_t y);
static bool better(const struct find *f, const struct place_ranked *r);
static void take(struct find *f, const struct place_ranked *r, uint32_t x,
    uint32_t y);
static void tell(struct find *f);

static bool
stopped(struct find *f)
{
	if (!f->out->cut && f->ask->stop)
		f->out->cut = f->ask->stop(f->ask->stop_arg);
	return f->out->cut;
}

void
drift_find(const struct drift_ask *ask, struct drift_move *out)
{
	struct find f = { .ask = ask, .out = out, .w = ask->snap->world };

	memset(out, 0, sizeof *out);
	f.arena = arena_new();
	if (read_query(&f) && read_group(&f)) {
		see(&f);
		find_broken(&f);
		if (!f.nbroken)
			out->reason = "all pairs meet their limits";
		else
			one_vm(&f);
		if (f.nbroken && !out->n)
			two_vms(&f);
		tell(&f);
	}
	free(f.broken);
	arena_free(f.arena);
}

static bool
read_query(struct find *f)
{
	struct mw_err err = MW_ERR_INIT;
	struct json_at at;

	/* A group that was checked is now a group to place. */
	json_put_str(f->ask->body, "mode", "place");
	json_object_del(f->ask->body, "members");
	if (json_at_root(&at, f->ask->body, &err) &&
	    place_io_query(&at, &f->w, f->arena, &f->q, &err))
		return true;
	f->out->reason = "the question of the placement cannot be asked any "
			 "more: what it names is gone";
	return false;
}

static uint32_t
offer_of(const struct find *f, const char *connection, const char *spec)
{
	const struct place_snapshot *s = f->ask->snap;

	for (size_t o = 0; o < f->w.noffers; o++)
		if (str_eq(s->offer_connection[o], connection) &&
		    str_eq(s->offer_spec[o], spec))
			return (uint32_t)o;
	return PLACE_NONE;
}

/* The VMs as members of the question's roles. */
static bool
read_group(struct find *f)
{
	const struct drift_ask *k = f->ask;
	uint32_t *count = arena_array(f->arena, f->q.nroles + 1, sizeof *count);
	struct place_member *m = arena_array(f->arena, k->nvms + 1, sizeof *m);

	f->out->reason = "its VMs are not those that the placement asked for";
	if (k->nvms > PLACE_MAX_VMS)
		return false;
	for (size_t i = 0; i < k->nvms; i++) {
		uint32_t r = 0;

		while (r < f->q.nroles &&
		    !str_eq(f->q.roles[r].name, k->vms[i].role))
			r++;
		if (r == f->q.nroles)
			return false;
		m[i].role = r;
		m[i].index = ++count[r];
		m[i].offer = offer_of(f, k->vms[i].connection, k->vms[i].spec);
		if (m[i].offer == PLACE_NONE) {
			f->out->reason = "a cloud offers one of its specs no "
					 "more";
			return false;
		}
		m[i].site = f->w.offers[m[i].offer].site;
	}
	for (uint32_t r = 0; r < f->q.nroles; r++)
		if (count[r] != f->q.roles[r].count)
			return false;
	f->now.members = m;
	f->now.nmembers = k->nvms;
	f->out->reason = NULL;
	return true;
}

/* The newest measurement of its own pairs replaces what was pooled. */
static void
see(struct find *f)
{
	enum place_stat stat = f->q.limits.stat;
	size_t n = f->w.nsites;
	uint32_t *v = arena_array(f->arena, n * n + 1, sizeof *v);
	bool *own = arena_array(f->arena, n * n + 1, sizeof *own);

	memcpy(v, f->w.rtt_us[stat], n * n * sizeof *v);
	for (size_t i = 0; i < f->ask->nseen; i++) {
		const struct drift_seen *s = &f->ask->seen[i];
		size_t a = f->now.members[s->a].site;
		size_t b = f->now.members[s->b].site;
		size_t there = a * n + b, back = b * n + a;
		uint32_t us = s->lost ? PLACE_UNKNOWN : s->us;

		/* several pairs of VMs between two sites: the worst counts */
		if (own[there] && (v[there] == PLACE_UNKNOWN || v[there] > us))
			continue;
		own[there] = own[back] = true;
		v[there] = v[back] = us;
	}
	f->w.rtt_us[stat] = v;
}

static void
find_broken(struct find *f)
{
	const struct place_limits *l = &f->q.limits;
	const struct place_member *m = f->now.members;

	f->broken =
	    xcalloc(f->now.nmembers * f->now.nmembers + 1, sizeof *f->broken);
	for (uint32_t a = 0; a < f->now.nmembers; a++)
		for (uint32_t b = a + 1; b < f->now.nmembers; b++) {
			struct drift_limit limit = { drift_query_limit(l,
							 m[a].role, m[b].role),
				l->le };
			uint32_t us =
			    place_pair_rtt(&f->q, &f->w, m[a].site, m[b].site);

			if (limit.us <= 0 ||
			    (us != PLACE_UNKNOWN && !drift_over(&limit, us)))
				continue;
			f->broken[f->nbroken].a = a;
			f->broken[f->nbroken++].b = b;
		}
}

/* The first broken pair without x and y; false: they touch all. */
static bool
uncovered(const struct find *f, uint32_t x, uint32_t y, size_t *out)
{
	for (size_t i = 0; i < f->nbroken; i++) {
		uint32_t a = f->broken[i].a, b = f->broken[i].b;

		if (a == x || a == y || b == x || b == y)
			continue;
		*out = i;
		return true;
	}
	return false;
}

static void
one_vm(struct find *f)
{
	const uint32_t ends[2] = { f->broken[0].a, f->broken[0].b };
	size_t left;

	for (size_t i = 0; i < ARRAY_LEN(ends) && !stopped(f); i++)
		if (!uncovered(f, ends[i], ends[i], &left))
			try_offers(f, ends[i]);
}

static void
try_offers(struct find *f, uint32_t member)
{
	const struct place_member *now = f->now.members;
	size_t n = f->now.nmembers;
	struct place_member *m = arena_array(f->arena, n + 1, sizeof *m);
	const char *none[1];

	for (uint32_t o = 0; o < f->w.noffers && !stopped(f); o++) {
		struct place_ranked r = { .members = m, .nmembers = n };
		struct arena *scratch;

		if (f->w.offers[o].site == now[member].site)
			continue; /* the same times */
		scratch = arena_new();
		memcpy(m, now, n * sizeof *m);
		m[member].offer = o;
		m[member].site = f->w.offers[o].site;
		if (place_verify(&r, &f->q, &f->w, scratch, none, 0) == 0 &&
		    better(f, &r))
			take(f, &r, member, PLACE_NONE);
		arena_free(scratch);
	}
}

/* Every set of two that touches all broken pairs holds an end of the first,
 * and if that is not enough, an end of one that it does not touch. */
static void
two_vms(struct find *f)
{
	const uint32_t ends[2] = { f->broken[0].a, f->broken[0].b };
	size_t left;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		uint32_t x = ends[i];

		if (uncovered(f, x, x, &left)) {
			uint32_t c = f->broken[left].a, d = f->broken[left].b;

			if (!uncovered(f, x, c, &left))
				try_two(f, x, c);
			if (!uncovered(f, x, d, &left))
				try_two(f, x, d);
			continue;
		}
		for (uint32_t y = 0; y < f->now.nmembers; y++)
			if (y != x && !(i == 1 && y == ends[0]))
				try_two(f, x, y);
	}
}

/* All members but x and y as pins of their roles; false: too many. */
static bool
pin_others(struct find *f, struct place_role *roles, uint32_t x, uint32_t y)
{
	struct place_pin *pins =
	    arena_array(f->arena, f->now.nmembers + 1, sizeof *pins);
	size_t n = 0;

	for (uint32_t r = 0; r < f->q.nroles; r++) {
		roles[r] = f->q.roles[r];
		roles[r].pins = &pins[n];
		roles[r].npins = 0;
		for (uint32_t i = 0; i < f->now.nmembers; i++) {
			const struct place_member *m = &f->now.members[i];
			const struct place_offer *o = &f->w.offers[m->offer];
			struct place_pin *p = &pins[n];
			size_t k = 0;

			if (m->role != r || i == x || i == y)
				continue;
			while (k < roles[r].npins &&
			    !(str_eq(p[k].name, f->w.sites[m->site].id) &&
				str_eq(p[k].spec_id, o->spec_id)))
				k++;
			p[k].level = PLACE_LEVEL_SITE;
			p[k].name = f->w.sites[m->site].id;
			p[k].spec_id = o->spec_id;
			p[k].count++;
			roles[r].npins += k == roles[r].npins;
		}
		n += roles[r].npins;
	}
	return n <= PLACE_MAX_PINS;
}

/* The answer's members in the order of the group's, those that stay first
 * found; x and y get what is left of their roles. */
static bool
line_up(const struct find *f, const struct place_ranked *in, uint32_t x,
    uint32_t y, struct place_member *m)
{
	bool used[PLACE_MAX_VMS] = { false };

	if (in->nmembers != f->now.nmembers)
		return false;
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < f->now.nmembers; i++) {
			const struct place_member *old = &f->now.members[i];
			bool moved = i == x || i == y;
			size_t k = 0;

			if (moved != (pass == 1))
				continue;
			while (k < in->nmembers &&
			    (used[k] || in->members[k].role != old->role ||
				(!moved && in->members[k].offer != old->offer)))
				k++;
			if (k == in->nmembers)
				return false;
			used[k] = true;
			m[i] = in->members[k];
			m[i].index = old->index;
		}
	return true;
}

static void
try_two(struct find *f, uint32_t x, uint32_t y)
{
	struct place_role *roles =
	    arena_array(f->arena, f->q.nroles + 1, sizeof *roles);
	struct place_member m[PLACE_MAX_VMS];
	struct place_ranked r = { .members = m, .nmembers = f->now.nmembers };
	struct place_query q = f->q;
	struct mw_err err = MW_ERR_INIT;
	struct place_answer *a;
	const char *none[1];

	if (stopped(f))
		return;
	if (!pin_others(f, roles, x, y)) {
		f->many = true;
		return;
	}
	q.roles = roles;
	q.topk = 1;
	a = place_solve(&q, &f->w, q.max_nodes, f->ask->stop, f->ask->stop_arg,
	    &err);
	if (a && a->nranked && line_up(f, &a->ranked[0], x, y, m) &&
	    place_verify(&r, &f->q, &f->w, f->arena, none, 0) == 0 &&
	    better(f, &r))
		take(f, &r, x, y);
	place_answer_free(a);
}

/* A pair with a limit says how much room is left; no such pair: all room. */
static int64_t
room(const struct place_ranked *r)
{
	return r->worst.known && r->worst.limit_us ? r->slack_us : INT64_MAX;
}

static bool
better(const struct find *f, const struct place_ranked *r)
{
	if (!f->out->n || room(r) != room(&f->best))
		return !f->out->n || room(r) > room(&f->best);
	return r->score < f->best.score;
}

static void
put_site(const struct find *f, size_t i, uint32_t member,
    const struct place_member *to)
{
	const struct place_snapshot *s = f->ask->snap;
	struct drift_move *o = f->out;

	o->to[i].vm = member;
	str_copy(o->to[i].site, sizeof o->to[i].site, f->w.sites[to->site].id);
	str_copy(o->to[i].from_site, sizeof o->to[i].from_site,
	    f->w.sites[f->now.members[member].site].id);
	str_copy(o->to[i].connection, sizeof o->to[i].connection,
	    s->offer_connection[to->offer]);
	str_copy(o->to[i].spec, sizeof o->to[i].spec, s->offer_spec[to->offer]);
}

static void
take(struct find *f, const struct place_ranked *r, uint32_t x, uint32_t y)
{
	f->best = *r; /* its numbers; the members are copied here */
	f->best.members = NULL;
	f->best.served = NULL;
	f->out->n = 1;
	put_site(f, 0, x, &r->members[x]);
	if (y == PLACE_NONE)
		return;
	f->out->n = 2;
	put_site(f, 1, y, &r->members[y]);
}

static int64_t
cost_of(const struct find *f, const struct place_ranked *r)
{
	int64_t sum = 0;

	for (size_t i = 0; i < r->nmembers; i++) {
		int64_t v =
		    f->w.offers[r->members[i].offer].cost_per_hour_micros;

		if (v == PLACE_NO_PRICE)
			return PLACE_NO_PRICE;
		sum += v;
	}
	return sum;
}

static void
tell(struct find *f)
{
	struct drift_move *o = f->out;
	int64_t before = cost_of(f, &f->now);
	int64_t after = f->best.cost_per_hour_micros;

	if (!o->n) {
		if (!o->reason)
			o->reason = o->cut ? "no move was found in time"
			    : f->many
			    ? "no single move mends it; of two VMs none was "
			      "sought, too many others would be kept"
			    : "no move of one or two VMs mends it with what "
			      "is measured";
		return;
	}
	o->has_worst = f->best.worst.known;
	o->worst_us = f->best.worst.rtt_us;
	o->slack_us = f->best.slack_us;
	o->has_cost = before != PLACE_NO_PRICE && after != PLACE_NO_PRICE;
	o->cost = after;
	o->cost_change = after - before;
}
