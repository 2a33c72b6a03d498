/*
 * drift.c - the list of MCIS that are watched: loading, recording, looking up.
 */
#include "coordinator/place/drift_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "coordinator/measure/snap.h"

#include <string.h>

/* One MCIS on its way into the store. */
struct record {
	struct store_job job;
	struct drift *d;
	struct db_drift row;
	char *query, *limits, *vms; /* texts */
	struct drift_vm *vm;
	size_t nvms;
	struct db_drift_pair *pairs;
	size_t n;
	bool kept; /* the placement kept its assumptions */
};

static bool load(struct db *db, void *arg, struct mw_err *err);
static void load_mcis(void *arg, const struct db_drift *row);
static void load_pair(void *arg, int64_t mcis, const struct db_drift_pair *p);
static struct drift_group *group_new(struct drift *d,
    const struct db_drift *row);
static void group_free(struct drift_group *g);
static bool record_run(struct db *db, struct store_job *job,
    struct mw_err *err);
static void record_done(struct store_job *job, bool ok,
    const struct mw_err *err);

struct drift *
drift_new(struct coord *c, struct mw_err *err)
{
	struct drift *d = xcalloc(1, sizeof *d);

	d->c = c;
	if (store_run_now(c->store, load, d, err))
		return d;
	drift_free(d);
	return NULL;
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	const struct db_drift_all all = { arg, load_mcis, load_pair };

	return db_drift_each(db, &all, err);
}

static json_t *
parse(const char *text)
{
	struct mw_err err = MW_ERR_INIT;

	return text ? json_parse(text, strlen(text), SIZE_MAX, &err) : NULL;
}

static void
load_mcis(void *arg, const struct db_drift *row)
{
	group_new(arg, row);
}

static void
load_pair(void *arg, int64_t mcis, const struct db_drift_pair *p)
{
	struct drift_group *g = drift_find_group(arg, mcis);

	if (!g)
		return;
	g->pairs = xreallocarray(g->pairs, g->n + 1, sizeof *g->pairs);
	g->pairs[g->n++] = *p;
}

static struct drift_group *
group_new(struct drift *d, const struct db_drift *row)
{
	struct drift_group *g = xcalloc(1, sizeof *g);
	json_t *limits = parse(row->limits);

	g->row = *row;
	g->row.query = g->row.limits = g->row.vms = g->row.move = NULL;
	g->query = parse(row->query);
	g->move = parse(row->move);
	drift_limits_read(&g->limits, limits);
	json_decref(limits);
	g->next = d->groups;
	d->groups = g;
	return g;
}

static void
group_free(struct drift_group *g)
{
	drift_limits_free(&g->limits);
	json_decref(g->query);
	json_decref(g->move);
	free(g->pairs);
	free(g);
}

void
drift_resume(struct drift *d)
{
	for (struct drift_group *g = d->groups; g; g = g->next) {
		drift_judge(d, g);
		g->want |= drift_untold(g);
	}
	drift_search(d);
}

void
drift_stop(struct drift *d)
{
	if (d)
		d->stopped = true;
}

void
drift_free(struct drift *d)
{
	struct drift_group *g;

	if (!d)
		return;
	while ((g = d->groups) != NULL) {
		d->groups = g->next;
		group_free(g);
	}
	free(d);
}

/* Looking ------------------------------------------------------------------ */

struct lc_mcis *
drift_mcis(const struct drift *d, int64_t id)
{
	struct lc_mcis *m = lc_mcis_first(d->c->lc);

	while (m && m->row.mcis_id != id)
		m = m->next;
	return m;
}

struct drift_group *
drift_find_group(const struct drift *d, int64_t mcis)
{
	struct drift_group *g = d->groups;

	while (g && g->row.mcis != mcis)
		g = g->next;
	return g;
}

static const char *
role_named(const struct drift_group *g, const char *name, size_t len)
{
	const json_t *list = json_object_get(g->query, "groups"), *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		const char *s = json_string_value(json_object_get(o, "name"));

		if (s && strlen(s) == len && memcmp(s, name, len) == 0)
			return s;
	}
	return NULL;
}

const char *
drift_role(const struct drift_group *g, const char *group)
{
	const char *role = role_named(g, group, strlen(group));
	const char *x = strrchr(group, '-');
	int64_t n;

	if (role || !x || x[1] != 'x' ||
	    !num_parse_i64(x + 2, strlen(x + 2), 2, INT64_MAX, &n))
		return role;
	return role_named(g, group, (size_t)(x - group));
}

int64_t
drift_pair_limit(const struct drift_group *g, const struct lc_slot *a,
    const struct lc_slot *b)
{
	const char *ra = drift_role(g, a->row.group);
	const char *rb = drift_role(g, b->row.group);

	return ra && rb ? drift_limits_of(&g->limits, ra, rb) : 0;
}

static size_t
row_of(const struct matrix *x, int64_t slot)
{
	size_t i = 0;

	while (i < x->n && x->who[i].slot != slot)
		i++;
	return i;
}

void
drift_look(const struct matrix *x, const struct db_drift_pair *p, bool p95,
    struct drift_value *out)
{
	size_t a = x ? row_of(x, p->slot[0]) : 0;
	size_t b = x ? row_of(x, p->slot[1]) : 0, no_answer = 0;

	memset(out, 0, sizeof *out);
	if (!x || a == x->n || b == x->n)
		return;
	for (int i = 0; i < 2; i++) {
		const struct matrix_cell *c =
		    matrix_at(x, i ? b : a, i ? a : b);
		uint32_t us = p95 ? c->p95_us : c->p50_us;

		no_answer += c->why == MATRIX_NO_ANSWER;
		if (c->why != MATRIX_KNOWN || c->flags & MATRIX_F_INHERITED ||
		    us == MATRIX_NO_US)
			continue;
		if (out->word != DRIFT_VALUE || us > out->us)
			out->us = us;
		if (out->word != DRIFT_VALUE || c->n < out->n)
			out->n = c->n;
		if (out->word != DRIFT_VALUE || c->rounds < out->rounds)
			out->rounds = c->rounds;
		if (out->word != DRIFT_VALUE || c->at_wall_ns < out->at)
			out->at = c->at_wall_ns;
		out->word = DRIFT_VALUE;
	}
	if (out->word != DRIFT_VALUE && no_answer == 2)
		out->word = DRIFT_NO_ANSWER;
}

size_t
drift_bad(const struct drift *d, const struct lc_mcis *m)
{
	const struct drift_group *g = drift_find_group(d, m->row.mcis_id);
	size_t n = 0;

	for (size_t i = 0; g && i < g->n; i++)
		n += drift_bad_state(g->pairs[i].count.state);
	return n;
}

void
drift_on_round(struct drift *d, const char *ns, const char *mcis)
{
	const struct lc_mcis *m = lc_mcis_find(d->c->lc, ns, mcis);
	struct drift_group *g = m ? drift_find_group(d, m->row.mcis_id) : NULL;

	if (g)
		drift_judge(d, g);
	drift_search(d);
}

/* Recording ---------------------------------------------------------------- */

void
drift_record(struct drift *d, const struct lc_mcis *m, int64_t placement,
    int64_t rank, const struct drift_vm *vms, size_t n)
{
	struct record *r = xcalloc(1, sizeof *r);
	json_t *list = json_array();

	r->job = (struct store_job){ .run = record_run, .done = record_done };
	r->d = d;
	r->row = (struct db_drift){ .mcis = m->row.mcis_id,
		.placement = placement,
		.rank = rank,
		.at = clock_wall_ns() };
	r->row.since = r->row.at;
	r->vm = xcalloc(n + 1, sizeof *r->vm);
	memcpy(r->vm, vms, n * sizeof *vms);
	r->nvms = n;
	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();

		json_put_int(o, "slot", vms[i].slot);
		json_put_str(o, "role", vms[i].role);
		json_put_str(o, "connection", vms[i].connection);
		json_put_str(o, "spec", vms[i].spec);
		json_array_append_new(list, o);
	}
	r->vms = json_text(list, false);
	json_decref(list);
	store_submit(d->c->store, &r->job);
}

/* A placement of before assumptions were kept leaves no record. */
static bool
record_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct record *r = container_of(job, struct record, job);
	const char *query, *text;
	json_t *relied;
	bool ok;

	if (!db_drift_placement(db, r->row.placement, &query, &text, err))
		return false;
	r->query = xstrdup(query);
	relied = parse(text);
	if (!json_is_object(relied)) {
		json_decref(relied);
		return true;
	}
	r->kept = true;
	r->limits = drift_limits_text(relied);
	r->pairs =
	    drift_relied_pairs(relied, r->row.rank, r->vm, r->nvms, &r->n);
	json_decref(relied);
	for (size_t i = 0; i < r->n; i++)
		r->pairs[i].since = r->row.at;
	r->row.query = r->query;
	r->row.limits = r->limits;
	r->row.vms = r->vms;
	ok = db_drift_put(db, &r->row, err);
	for (size_t i = 0; ok && i < r->n; i++)
		ok = db_drift_pair_put(db, r->row.mcis, &r->pairs[i], err);
	return ok;
}

static int
by_slots(const void *a, const void *b)
{
	const struct db_drift_pair *x = a, *y = b;

	for (int i = 0; i < 2; i++)
		if (x->slot[i] != y->slot[i])
			return x->slot[i] < y->slot[i] ? -1 : 1;
	return 0;
}

static void
record_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct record *r = container_of(job, struct record, job);
	struct drift_group *g;

	if (ok && r->kept) {
		g = group_new(r->d, &r->row);
		g->pairs = r->pairs;
		g->n = r->n;
		r->pairs = NULL;
		if (g->n)
			qsort(g->pairs, g->n, sizeof *g->pairs, by_slots);
	} else {
		log_warn("drift", NULL,
		    "an MCIS from a placement is not watched\tplacement=pl-%lld "
		    "reason=\"%s\"",
		    (long long)r->row.placement,
		    ok ? "it kept no assumptions" : err->msg);
	}
	free(r->pairs);
	free(r->vm);
	free(r->query);
	free(r->limits);
	free(r->vms);
	free(r);
}
