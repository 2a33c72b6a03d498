/*
 * mesh.c - rounds of the latency matrix: arm, go, rows, one transaction, swap.
 *
 * A round waits while its MCIS benchmarks (the other way round bench.c asks
 * mesh_busy()). Rows are acknowledged to the agents only after the commit; a
 * round that the coordinator's death cuts off is over, its action failed.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/link/agents.h"
#include "coordinator/measure/bench.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/coord.h"
#include "coordinator/store/db_mesh.h"
#include "coordinator/place/drift.h"
#include "coordinator/events.h"
#include "coordinator/link/link.h"
#include "coordinator/measure/mesh_budget.h"
#include "coordinator/measure/mesh_int.h"
#include "coordinator/measure/snap.h"

#include <string.h>

#define ARM_NS (5 * NS_PER_S) /* only linked agents are waited for */
#define ROW_NS (20 * NS_PER_S) /* for rows, after window and late time */
#define ROUNDS_MAX 64
#define PPS_MAX 2000 /* that one agent may send */
#define TICK_NS (50 * NS_PER_MS)

static bool load(struct db *db, void *arg, struct mw_err *err);
static struct round *round_new(struct mesh *m, const struct lc_mcis *g);
static void round_free(struct round *r);
static bool round_check(const struct round *r, struct mw_err *err);
static bool round_afford(struct mesh *m, struct round *r, bool scheduled,
    struct mw_err *err);
static void on_tick(void *arg);
static void round_step(struct mesh *m, struct round *r);
static void round_arm(struct mesh *m, struct round *r);
static void round_go(struct mesh *m, struct round *r);
static void round_save(struct mesh *m, struct round *r);
static bool cancel(void *arg, const char *action, struct mw_err *err);

struct mesh *
mesh_new(struct coord *c, struct mw_err *err)
{
	struct mesh *m = xcalloc(1, sizeof *m);

	m->c = c;
	m->budget = mesh_budget_new(c->store, err);
	if (!m->budget || !store_run_now(c->store, load, m, err)) {
		mesh_free(m);
		return NULL;
	}
	m->tick = loop_timer_new(c->loop, on_tick, m);
	actions_on_cancel(c->actions, "matrix", cancel, m);
	return m;
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	struct mesh *m = arg;

	return db_round_next(db, &m->next_id, err);
}

void
mesh_free(struct mesh *m)
{
	struct round *r;

	if (!m)
		return;
	while ((r = m->rounds) != NULL) {
		m->rounds = r->next;
		round_free(r);
	}
	loop_timer_free(m->tick);
	mesh_budget_free(m->budget);
	free(m);
}

static struct round *
round_of(const struct mesh *m, const char *ns, const char *mcis)
{
	for (struct round *r = m->rounds; r; r = r->next)
		if (str_eq(r->ns, ns) && str_eq(r->mcis, mcis))
			return r;
	return NULL;
}

/* A round that waits for a benchmark is not busy: it would wait for ever. */
bool
mesh_busy(const struct mesh *m, const char *ns, const char *mcis)
{
	const struct round *r = round_of(m, ns, mcis);

	return r && (r->state == ROUND_ARM || r->state == ROUND_GO);
}

static bool
start(struct mesh *m, const char *ns, const char *mcis, struct round *take_r,
    char action[24])
{
	struct round *r = take_r;
	char target[256];

	snprintf(target, sizeof target, "/v1/ns/%s/mcis/%s", ns, mcis);
	actions_new(m->c->actions, "matrix", target, (int64_t)r->n, r->action);
	str_copy(action, 24, r->action);
	if (bench_busy(m->c->bench, ns, mcis))
		actions_step(m->c->actions, r->action, r->name,
		    "wait for the benchmark", ACTION_RUNNING, NULL);
	r->next = m->rounds;
	m->rounds = r;
	loop_timer_set(m->tick, 0);
	return true;
}

static bool
ask(struct mesh *m, const char *ns, const char *mcis, int64_t k,
    int64_t window_ms, bool scheduled, char action[24], struct mw_err *err)
{
	const struct lc_mcis *g = lc_mcis_find(m->c->lc, ns, mcis);
	struct round *r = round_of(m, ns, mcis);
	size_t n = 0;

	if (!g)
		return err_set(err, MW_NOT_FOUND, 0, "no MCIS %s in %s", mcis,
		    ns);
	if (r && r->state != ROUND_SAVE) { /* one that runs is joined */
		str_copy(action, 24, r->action);
		return true;
	}
	for (r = m->rounds; r; r = r->next)
		n++;
	if (n >= ROUNDS_MAX)
		return err_set(err, MW_LIMIT, 0, "%zu rounds are under way", n);
	r = round_new(m, g);
	r->k = k;
	r->window_ms = window_ms;
	if (!round_afford(m, r, scheduled, err) || !round_check(r, err)) {
		round_free(r);
		return false;
	}
	return start(m, ns, mcis, r, action);
}

bool
mesh_start(struct mesh *m, const char *ns, const char *mcis, int64_t k,
    int64_t window_ms, char action[24], struct mw_err *err)
{
	return ask(m, ns, mcis, k, window_ms, false, action, err);
}

bool
mesh_start_scheduled(struct mesh *m, const char *ns, const char *mcis,
    int64_t k, int64_t window_ms, char action[24], struct mw_err *err)
{
	return ask(m, ns, mcis, k, window_ms, true, action, err);
}

/* Bytes that the rounds of this UTC day sent. */
static int64_t
mesh_bytes_today(const struct mesh *m, const char *ns, const char *mcis)
{
	return mesh_budget_spent(m->budget, ns, mcis, clock_wall_ns());
}

bool
mesh_over_budget(const struct mesh *m, const char *ns, const char *mcis)
{
	return mesh_bytes_today(m, ns, mcis) >= m->c->conf.rtt_day_bytes;
}

/* What users ask for must fit one round's budget; what schedules ask for is
 * made to fit, and must fit the day's as well. */
static bool
round_afford(struct mesh *m, struct round *r, bool scheduled,
    struct mw_err *err)
{
	int64_t max = m->c->conf.rtt_round_bytes;
	int64_t bytes = mesh_plan_bytes(&r->plan, r->k);
	int64_t fit = mesh_plan_fit(&r->plan, r->k, max);

	if (scheduled && mesh_over_budget(m, r->ns, r->mcis))
		return err_set(err, MW_LIMIT, 0,
		    "byteBudget: the rounds of today sent %lld bytes of at "
		    "most %lld (rtt.max_bytes_per_day)",
		    (long long)mesh_bytes_today(m, r->ns, r->mcis),
		    (long long)m->c->conf.rtt_day_bytes);
	if (bytes <= max)
		return true;
	if (scheduled && fit > 0) {
		log_info("mesh", r->name,
		    "fewer probes, to fit the byte budget\tk=%lld asked=%lld",
		    (long long)fit, (long long)r->k);
		r->k = fit;
		return true;
	}
	err_set(err, MW_LIMIT, 0,
	    "%lld pairs x k %lld x %d bytes%s = %lld; at most %lld a round",
	    (long long)r->plan.pairs, (long long)r->k, MESH_PLAN_PROBE_BYTES,
	    r->plan.half ? " / 2" : "", (long long)bytes, (long long)max);
	err_pointer(err, "/k");
	if (fit > 0)
		return err_hint(err, "k of at most %lld", (long long)fit);
	return err_hint(err, "milkywayd --set rtt.max_bytes_per_round=%lld",
	    (long long)mesh_plan_bytes(&r->plan, 1));
}

static void
plan_round(struct mesh *m, struct round *r, const struct lc_mcis *g)
{
	struct mesh_plan_place *at = xcalloc(r->n + 1, sizeof *at);
	size_t i = 0;

	for (const struct lc_slot *s = g->slots; s && i < r->n; s = s->next) {
		const struct conn_row *c =
		    conns_get(m->c->conns, s->row.spec.connection);

		if (!str_eq(s->vm_id, r->members[i].vm))
			continue;
		at[i++] = (struct mesh_plan_place){ c ? c->csp : "",
			c ? c->region : s->row.spec.connection, s->inst.zone };
	}
	mesh_plan_make(&r->plan, at, r->n, (size_t)m->c->conf.matrix_full_max,
	    mesh_budget_rounds(m->budget, r->ns, r->mcis));
	free(at);
}

/* The VMs that run and have an address, as they are now. */
static struct round *
round_new(struct mesh *m, const struct lc_mcis *g)
{
	struct round *r = xcalloc(1, sizeof *r);

	r->mesh = m;
	r->id = m->next_id++;
	snprintf(r->name, sizeof r->name, "m-%lld", (long long)r->id);
	str_copy(r->ns, sizeof r->ns, g->row.ns);
	str_copy(r->mcis, sizeof r->mcis, g->row.name);
	r->known = (struct db_known){ .ns = r->ns,
		.mcis = r->mcis,
		.at = INT64_MAX,
		.since = g->row.created_at };
	r->members = xcalloc(g->nslots + 1, sizeof *r->members);
	for (const struct lc_slot *s = g->slots; s; s = s->next) {
		struct member *x = &r->members[r->n];
		const struct agent *a =
		    agents_get(m->c->agents, s->row.slot_id, s->inst.gen);

		if (s->status != LC_RUNNING || !s->inst.public_ip[0])
			continue;
		x->slot = s->row.slot_id;
		x->gen = s->inst.gen;
		x->port = a && a->echo_port ? a->echo_port : PROTO_ECHO_PORT;
		x->ssh_port =
		    s->inst.ssh_port ? s->inst.ssh_port : MESH_SSH_PORT;
		str_copy(x->vm, sizeof x->vm, s->vm_id);
		str_copy(x->ip, sizeof x->ip, s->inst.public_ip);
		r->n++;
	}
	plan_round(m, r, g);
	return r;
}

static bool
round_check(const struct round *r, struct mw_err *err)
{
	int64_t packets = r->k * (int64_t)r->plan.most * 1000;

	if (r->n < 2) {
		err_set(err, MW_CONFLICT, 0,
		    "%s has %zu running VMs; a matrix "
		    "needs two",
		    r->mcis, r->n);
		return err_hint(err, "milkyway mcis show %s", r->mcis);
	}
	if (r->n > PROTO_MAX_MEMBERS)
		return err_set(err, MW_LIMIT, 0, "at most %d VMs in a matrix",
		    PROTO_MAX_MEMBERS);
	if (packets / r->window_ms > PPS_MAX) {
		err_set(err, MW_INVALID, 0,
		    "every agent would send %lld packets/s; at most %d",
		    (long long)(packets / r->window_ms), PPS_MAX);
		err_pointer(err, "/windowMs");
		return err_hint(err, "a windowMs of at least %lld",
		    (long long)(packets / PPS_MAX + 1));
	}
	return true;
}

static void
round_free(struct round *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].done)
			r->members[i].done(r->members[i].arg, false);
	matrix_unref(r->m);
	matrix_unref(r->known.pool);
	matrix_unref(r->known.newest);
	mesh_plan_free(&r->plan);
	free(r->members);
	explicit_bzero(r->key, sizeof r->key);
	free(r);
}

void
mesh_kick(struct mesh *m)
{
	loop_timer_set(m->tick, 0);
}

static void
on_tick(void *arg)
{
	struct mesh *m = arg;
	struct round *r, *next;
	bool more = false;

	for (r = m->rounds; r; r = next) {
		next = r->next;
		round_step(m, r);
	}
	for (r = m->rounds; r; r = r->next)
		more |= r->state != ROUND_SAVE;
	if (more)
		loop_timer_set(m->tick, TICK_NS);
}

/* Moves a round on when its time has come. */
static void
round_step(struct mesh *m, struct round *r)
{
	bool late = clock_mono_ns() >= r->deadline_ns;
	size_t open = 0;

	switch (r->state) {
	case ROUND_WAIT:
		if (!bench_busy(m->c->bench, r->ns, r->mcis))
			round_arm(m, r);
		break;
	case ROUND_ARM:
		for (size_t i = 0; i < r->n; i++)
			open += r->members[i].asked && !r->members[i].armed;
		if (!open || late)
			round_go(m, r);
		break;
	case ROUND_GO:
		for (size_t i = 0; i < r->n; i++)
			open += r->members[i].armed && !r->members[i].row;
		if (!open || late)
			round_save(m, r);
		break;
	case ROUND_SAVE: break;
	}
}

static void
round_arm(struct mesh *m, struct round *r)
{
	json_t *members = mesh_members_json(r);
	struct str key = STR_INIT;

	r->state = ROUND_ARM;
	r->deadline_ns = clock_mono_ns() + ARM_NS;
	r->t0 = clock_wall_ns();
	r->seed = (int64_t)(clock_random_u64() >> 12);
	clock_random(r->key, sizeof r->key);
	r->m = matrix_new(r->n);
	str_copy(r->m->round, sizeof r->m->round, r->name);
	str_add_hex(&key, r->key, sizeof r->key);
	for (size_t i = 0; i < r->n; i++) {
		struct member *x = &r->members[i];

		r->m->names[i] = xstrdup(x->vm);
		snap_who(m->c, x->slot, x->gen, &r->m->who[i]);
		x->asked = link_send(m->c->link, x->slot, x->gen,
		    mesh_arm_message(r, i, key.p, members));
	}
	explicit_bzero(key.p, key.len);
	str_free(&key);
	json_decref(members);
	actions_step(m->c->actions, r->action, r->name, "arm", ACTION_RUNNING,
	    NULL);
}

static void
round_go(struct mesh *m, struct round *r)
{
	json_t *absent = mesh_absent_json(r);

	r->state = ROUND_GO;
	r->deadline_ns = clock_mono_ns() + ROW_NS +
	    (r->window_ms + MESH_LATE_MS + mesh_extra_ms(r) +
		MESH_GO_DELAY_MS) *
		NS_PER_MS;
	mesh_budget_add(m->budget, r->ns, r->mcis,
	    mesh_plan_bytes(&r->plan, r->k), clock_wall_ns());
	for (size_t i = 0; i < r->n; i++) {
		struct member *x = &r->members[i];

		if (x->armed)
			x->armed = link_send(m->c->link, x->slot, x->gen,
			    mesh_go_message(r, absent));
		else if (x->asked) /* it may wake up: nothing to wait for */
			link_send(m->c->link, x->slot, x->gen,
			    mesh_message(r, "disarm"));
	}
	json_decref(absent);
	actions_step(m->c->actions, r->action, r->name, "probe", ACTION_RUNNING,
	    NULL);
}

static struct member *
member_of(struct round *r, int64_t slot, int64_t gen)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].slot == slot && r->members[i].gen == gen)
			return &r->members[i];
	return NULL;
}

static struct round *
round_named(const struct mesh *m, const char *name)
{
	struct round *r = m->rounds;

	while (r && !str_eq(r->name, name))
		r = r->next;
	return r;
}

void
mesh_on_armed(struct mesh *m, int64_t slot, int64_t gen, const char *name,
    int64_t port, const char *code, const char *text)
{
	struct round *r = round_named(m, name);
	struct member *x = r ? member_of(r, slot, gen) : NULL;

	(void)port;
	if (!x || r->state != ROUND_ARM)
		return;
	if (code && code[0]) {
		log_warn("mesh", r->name,
		    "an agent cannot take part\tvm=%s "
		    "code=%s reason=\"%s\"",
		    x->vm, code, text ? text : "");
		x->asked = false;
	} else {
		x->armed = true;
	}
	loop_timer_set(m->tick, 0);
}

void
mesh_on_row(struct mesh *m, int64_t slot, int64_t gen, struct proto_row *row,
    void (*done)(void *arg, bool ok), void *arg)
{
	struct round *r = round_named(m, row->round_id);
	struct member *x = r ? member_of(r, slot, gen) : NULL;

	/* A row of a round that is over, or of another's place in it, is taken
	 * off the agent's hands and dropped. */
	if (!x || r->state < ROUND_GO || row->n != r->n ||
	    row->src != (size_t)(x - r->members)) {
		free(row->cells);
		done(arg, true);
		return;
	}
	if (r->state == ROUND_GO && !x->row) {
		x->row = true;
		memcpy(matrix_at(r->m, row->src, 0), row->cells,
		    r->n * sizeof *row->cells);
		actions_progress(m->c->actions, r->action, (int64_t)++r->nrows,
		    (int64_t)r->n);
	}
	free(row->cells);
	if (x->done) /* it asks again: the former link is gone */
		x->done(x->arg, false);
	x->done = done;
	x->arg = arg;
	if (r->nrows == r->n)
		loop_timer_set(m->tick, 0);
}

/* Says why rows and columns are empty, and gives all cells one time. */
static void
round_fill(const struct mesh *m, struct round *r, int64_t now)
{
	r->m->at_wall_ns = now;
	for (size_t i = 0; i < r->n; i++) {
		const struct member *x = &r->members[i];
		bool up =
		    agents_state(m->c->agents, x->slot, x->gen) == AGENT_UP;
		uint8_t why =
		    x->armed || !up ? MATRIX_AGENT_SILENT : MATRIX_NOT_ARMED;

		for (size_t j = 0; j < r->n; j++) {
			struct matrix_cell *c = matrix_at(r->m, i, j);
			struct matrix_cell *back = matrix_at(r->m, j, i);

			if (i == j)
				continue;
			if (!x->row)
				c->why = why;
			if (!x->armed && back->why == MATRIX_NO_ANSWER)
				back->why = why;
			c->at_wall_ns = now;
		}
	}
}

/* Readers see values where levels left holes; the store keeps the holes. */
static void
inherit(const struct round *r, struct matrix *m)
{
	if (!r->plan.levels || !m || m->n != r->n)
		return;
	for (size_t i = 0; i < r->n; i++)
		if (!str_eq(m->names[i], r->members[i].vm))
			return;
	mesh_plan_inherit(m, &r->plan);
}

static bool
save_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct round *r = container_of(job, struct round, job);
	struct db_round row = { .id = r->id,
		.t0 = r->t0,
		.t1 = r->m->at_wall_ns,
		.k = r->k,
		.window_ms = r->window_ms,
		.ns = r->ns,
		.mcis = r->mcis,
		.m = r->m };

	if (!db_round_put(db, &row, err) || !db_mesh_known(db, &r->known, err))
		return false;
	inherit(r, r->known.pool);
	inherit(r, r->known.newest);
	return true;
}

static void
round_end(struct mesh *m, struct round *r)
{
	struct round **p = &m->rounds;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	round_free(r);
}

static void
save_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct round *r = container_of(job, struct round, job);
	struct mesh *m = r->mesh;
	struct mw_err none = MW_ERR_INIT;
	const char *outcome = r->nrows == r->n ? "ok"
	    : r->nrows                         ? "partial"
					       : "failed";

	for (size_t i = 0; i < r->n; i++) {
		struct member *x = &r->members[i];

		if (x->done)
			x->done(x->arg, ok);
		x->done = NULL;
		if (!x->row)
			actions_step(m->c->actions, r->action, x->vm, "probe",
			    ACTION_FAILED,
			    x->armed ? "no row came"
				     : "the agent is not there");
	}
	if (ok) {
		snap_set(m->c->snap, &r->known);
		drift_on_round(m->c->drift, r->ns, r->mcis);
		events_emit(m->c->events,
		    &(struct event){ .type = "matrix.round",
			.ns = r->ns,
			.mcis = r->mcis,
			.to = r->name,
			.reason = outcome,
			.action = r->action });
	}
	if (!r->nrows)
		err_set(&none, MW_UNREACHABLE, 0, "no agent took part");
	actions_step(m->c->actions, r->action, r->name, "probe",
	    r->nrows ? ACTION_DONE : ACTION_FAILED, NULL);
	actions_end(m->c->actions, r->action,
	    ok && r->nrows ? ACTION_DONE : ACTION_FAILED,
	    ok ? outcome : "failed",
	    !ok            ? err
		: r->nrows ? NULL
			   : &none);
	round_end(m, r);
}

static void
round_save(struct mesh *m, struct round *r)
{
	r->state = ROUND_SAVE;
	round_fill(m, r, clock_wall_ns());
	r->job = (struct store_job){ .run = save_run, .done = save_done };
	store_submit(m->c->store, &r->job);
}

static bool
cancel(void *arg, const char *action, struct mw_err *err)
{
	struct mesh *m = arg;
	struct round *r = m->rounds;

	while (r && !str_eq(r->action, action))
		r = r->next;
	if (!r || r->state == ROUND_SAVE)
		return err_set(err, MW_CONFLICT, 0, "the round is over");
	for (size_t i = 0; i < r->n; i++) {
		struct member *x = &r->members[i];

		if (x->asked)
			link_send(m->c->link, x->slot, x->gen,
			    mesh_message(r, "disarm"));
		if (x->done) /* dropped, and off the agent's hands */
			x->done(x->arg, true);
		x->done = NULL;
	}
	actions_end(m->c->actions, r->action, ACTION_CANCELED, "failed", NULL);
	round_end(m, r);
	return true;
}
