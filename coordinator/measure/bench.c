/*
 * bench.c - which VM measures when.
 *
 * Owns the open runs and the hosts. A job starts when its agent is up, its
 * host has room, no matrix round works in its MCIS and nobody waits before it
 * for the same host. Every waiting has an end: for the agent, for the answer,
 * for a lost link. What agents answer comes in through bench_in.c.
 */
#include "coordinator/measure/bench_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "coordinator/actions.h"
#include "coordinator/link/agents.h"
#include "coordinator/coord.h"
#include "coordinator/store/db_bench.h"
#include "coordinator/events.h"
#include "coordinator/link/link.h"
#include "coordinator/measure/mesh.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define TICK_NS (500 * NS_PER_MS)
/* In beats: for an agent that is not there, for a link that was cut. */
#define WAIT_BEATS 12
#define RESULTS_WAIT_NS (15 * NS_PER_S) /* after the agent said done */
#define GRACE_NS (30 * NS_PER_S) /* after the agent's own deadline */
#define RUNS_MAX 256

static bool cancel_action(void *arg, const char *id, struct mw_err *err);
static bool load(struct db *db, void *arg, struct mw_err *err);
static void load_run(void *arg, const struct db_run *row);
static void load_vm(void *arg, const struct db_run_vm *row, unsigned got);
static bool check_ask(const struct bench *b, const struct bench_ask *ask,
    const struct lc_mcis **m, struct mw_err *err);
static struct run *run_new(enum run_kind kind, const char *ns,
    const char *mcis);
static bool add_jobs(struct bench *b, struct run *r, const struct lc_mcis *m,
    const char *const *vms, size_t nvms, struct mw_err *err);
static void add_job(struct bench *b, struct run *r, const struct db_run_vm *row,
    unsigned got);
static bool vm_wanted(const char *vm, const char *const *vms, size_t nvms);
static bool launch(struct bench *b, struct run *take_run, char run[24],
    char action[24], struct mw_err *err);
static void on_pump(void *arg);
static void pump_run(struct bench *b, struct run *r);
static void try_start(struct bench *b, struct bench_job *j);
static int64_t patience_ns(const struct bench *b);
static bool send_job(struct bench *b, struct bench_job *j);
static void on_tick(void *arg);
static void run_end(struct bench *b, struct run *r);

struct bench *
bench_new(struct coord *c, struct mw_err *err)
{
	struct bench *b = xcalloc(1, sizeof *b);

	b->c = c;
	if (!store_run_now(c->store, load, b, err)) {
		bench_free(b);
		return NULL;
	}
	b->tick = loop_timer_new(c->loop, on_tick, b);
	b->pump = loop_timer_new(c->loop, on_pump, b);
	actions_on_cancel(c->actions, "bench", cancel_action, b);
	actions_on_cancel(c->actions, "rtt", cancel_action, b);
	return b;
}

void
bench_resume(struct bench *b)
{
	b->resumed = true;
	for (struct run *r = b->runs; r; r = r->next) {
		log_info("bench", r->name, "going on after a restart");
		act_adopt(b, r);
	}
	loop_timer_set(b->tick, TICK_NS);
	bench_pump(b);
}

void
bench_free(struct bench *b)
{
	struct run *r, *next;

	if (!b)
		return;
	for (r = b->runs; r; r = next) {
		next = r->next;
		run_free(b, r);
	}
	loop_timer_free(b->tick);
	loop_timer_free(b->pump);
	free(b->hosts);
	free(b);
}

bool
bench_start(struct bench *b, const struct bench_ask *ask, char run[24],
    char action[24], struct mw_err *err)
{
	const struct lc_mcis *m;
	struct run *r;

	if (!check_ask(b, ask, &m, err))
		return false;
	r = run_new(RUN_BENCH, ask->ns, ask->mcis);
	r->kinds = bench_kinds_for(ask->profile, ask->kinds);
	str_copy(r->profile, sizeof r->profile, ask->profile);
	r->seed =
	    ask->seed ? ask->seed : (int64_t)(clock_random_u64() >> 33) + 1;
	if (!add_jobs(b, r, m, ask->vms, ask->nvms, err)) {
		run_free(b, r);
		return false;
	}
	bench_set_have(r, ask);
	return launch(b, r, run, action, err);
}

bool
bench_start_rtt(struct bench *b, const char *ns, const char *mcis,
    json_t *targets, int64_t count, char run[24], char action[24],
    struct mw_err *err)
{
	const struct lc_mcis *m = lc_mcis_find(b->c->lc, ns, mcis);
	struct run *r;

	if (!m)
		return err_set(err, MW_NOT_FOUND, 0, "no MCIS %s in %s", mcis,
		    ns);
	r = run_new(RUN_RTT, ns, mcis);
	r->kinds = 1u << KIND_RTT;
	r->targets = json_incref(targets);
	r->count = count;
	if (!add_jobs(b, r, m, NULL, 0, err)) {
		run_free(b, r);
		return false;
	}
	return launch(b, r, run, action, err);
}

bool
bench_cancel(struct bench *b, const char *name, struct mw_err *err)
{
	struct run *r = bench_find(b, name);

	if (!r)
		return err_set(err, MW_NOT_FOUND, 0, "no run %s is under way",
		    name);
	r->canceled = true;
	for (size_t i = 0; i < r->njobs; i++) {
		struct bench_job *j = &r->jobs[i];

		if (!job_open(j))
			continue;
		if (j->state != JOB_WAIT) {
			char id[48];
			json_t *msg = json_object();

			snprintf(id, sizeof id, "%s.%lld", r->name,
			    (long long)j->slot);
			json_put_str(msg, "type", "cancel");
			json_put_str(msg, "jobId", id);
			link_send(b->c->link, j->slot, j->gen, msg);
		}
		job_end(b, j, JOB_CANCELED, NULL);
	}
	return true;
}

static bool
cancel_action(void *arg, const char *id, struct mw_err *err)
{
	struct bench *b = arg;

	for (struct run *r = b->runs; r; r = r->next)
		if (strcmp(r->action, id) == 0)
			return bench_cancel(b, r->name, err);
	return err_set(err, MW_CONFLICT, 0, "it is over");
}

bool
bench_busy(const struct bench *b, const char *ns, const char *mcis)
{
	for (const struct run *r = b->runs; r; r = r->next)
		if (r->kind == RUN_BENCH && r->started &&
		    strcmp(r->ns, ns) == 0 && strcmp(r->mcis, mcis) == 0)
			return true;
	return false;
}

struct run *
bench_find(const struct bench *b, const char *name)
{
	for (struct run *r = b->runs; r; r = r->next)
		if (strcmp(r->name, name) == 0)
			return r;
	return NULL;
}

struct bench_job *
run_job(const struct run *r, int64_t slot, int64_t gen)
{
	for (size_t i = 0; i < r->njobs; i++)
		if (r->jobs[i].slot == slot && r->jobs[i].gen == gen)
			return &r->jobs[i];
	return NULL;
}

bool
job_open(const struct bench_job *j)
{
	return j->state < JOB_DONE;
}

void
job_step(struct bench *b, struct bench_job *j, enum job_state to,
    const char *step)
{
	if (!job_open(j))
		return;
	j->state = to;
	str_copy(j->step, sizeof j->step, step ? step : "");
	act_step(b, j);
}

void
job_end(struct bench *b, struct bench_job *j, enum job_state to,
    const char *error)
{
	struct run *r = j->run;

	if (!job_open(j))
		return;
	if (j->state != JOB_WAIT)
		j->host->used -= j->need;
	j->state = to;
	j->step[0] = 0;
	str_copy(j->error, sizeof j->error, error ? error : "");
	if (error)
		log_warn("bench", j->vm, "%s failed: %s", r->name, error);
	r->nopen--;
	save_vm(b, j);
	act_step(b, j);
	/* Not from here: callers walk over runs and jobs. */
	bench_pump(b);
}

void
job_check(struct bench *b, struct bench_job *j)
{
	bool all = (j->got & j->run->kinds) == j->run->kinds;
	int64_t now = clock_mono_ns();

	if (!job_open(j) || j->state == JOB_WAIT)
		return;
	if (j->said_done && (all || now - j->since_ns > RESULTS_WAIT_NS))
		job_end(b, j, JOB_DONE, NULL);
	else if (j->lost_ns && now - j->lost_ns > patience_ns(b))
		job_end(b, j, JOB_FAILED, "agentLost");
	else if (now > j->deadline_ns)
		job_end(b, j, JOB_FAILED, "timeout");
}

void
bench_pump(struct bench *b)
{
	if (b->resumed)
		loop_timer_set(b->pump, 0);
}

void
run_free(struct bench *b, struct run *r)
{
	for (size_t i = 0; i < r->njobs; i++)
		bench_host_unref(b, r->jobs[i].host);
	json_decref(r->targets);
	free(r->jobs);
	free(r);
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	struct bench *b = arg;

	return db_run_next(db, &b->next_id, err) &&
	    db_run_each_open(db, load_run, load_vm, b, err);
}

static void
load_run(void *arg, const struct db_run *row)
{
	struct bench *b = arg;
	enum run_kind kind = strcmp(row->kind, run_kind_name(RUN_RTT)) == 0
	    ? RUN_RTT
	    : RUN_BENCH;
	struct run *r = run_new(kind, row->ns, row->mcis), **at = &b->runs;
	json_t *params = json_loads(row->params, 0, NULL), *e;
	size_t i;

	r->id = row->id;
	snprintf(r->name, sizeof r->name, "b-%lld", (long long)r->id);
	r->t0 = row->t0;
	str_copy(r->action, sizeof r->action, row->action);
	str_copy(r->profile, sizeof r->profile, row->profile);
	r->seed = json_integer_value(json_object_get(params, "seed"));
	r->count = json_integer_value(json_object_get(params, "count"));
	r->targets = json_incref(json_object_get(params, "targets"));
	json_array_foreach(json_object_get(params, "kinds"), i, e)
	{
		unsigned lane;

		if (json_is_string(e) &&
		    lane_parse(json_string_value(e), &lane))
			r->kinds |= LANE_BIT(lane);
	}
	json_decref(params);
	while (*at)
		at = &(*at)->next;
	*at = r;
}

/* An open job starts again, for the kinds whose results are not here yet. */
static void
load_vm(void *arg, const struct db_run_vm *row, unsigned got)
{
	struct bench *b = arg;

	for (struct run *r = b->runs; r; r = r->next)
		if (r->id == row->run)
			add_job(b, r, row, got);
}

static void
add_job(struct bench *b, struct run *r, const struct db_run_vm *row,
    unsigned got)
{
	const struct lc_slot *s = lc_slot_find(b->c->lc, row->slot);
	struct bench_job *j;
	char own[32];

	r->jobs = xreallocarray(r->jobs, r->njobs + 1, sizeof *r->jobs);
	j = &r->jobs[r->njobs++];
	*j = (struct bench_job){ .run = r,
		.slot = row->slot,
		.gen = row->gen,
		.need = 1,
		.got = got,
		.since_ns = clock_mono_ns() };
	str_copy(j->vm, sizeof j->vm, row->vm);
	str_copy(j->error, sizeof j->error, row->error);
	snprintf(own, sizeof own, "slot:%lld", (long long)row->slot);
	if (s && *s->inst.host_id) {
		j->host = bench_host(b, s->inst.host_id, s->inst.host_slots);
		j->need = s->inst.host_need;
	} else {
		j->host = bench_host(b, own, 1);
	}
	if (j->need < 1)
		j->need = 1;
	if (j->need > j->host->slots)
		j->need = j->host->slots;
	while (j->state < JOB_STATE_COUNT &&
	    strcmp(row->state, job_state_name(j->state)) != 0)
		j->state++;
	if (!job_open(j) && j->state < JOB_STATE_COUNT)
		return;
	j->state = JOB_WAIT;
	r->nopen++;
}

static bool
check_ask(const struct bench *b, const struct bench_ask *ask,
    const struct lc_mcis **m, struct mw_err *err)
{
	*m = lc_mcis_find(b->c->lc, ask->ns, ask->mcis);
	if (!*m)
		return err_set(err, MW_NOT_FOUND, 0, "no MCIS %s in %s",
		    ask->mcis, ask->ns);
	return bench_check_kinds(ask->profile, ask->kinds, err);
}

static struct run *
run_new(enum run_kind kind, const char *ns, const char *mcis)
{
	struct run *r = xcalloc(1, sizeof *r);

	r->kind = kind;
	str_copy(r->ns, sizeof r->ns, ns);
	str_copy(r->mcis, sizeof r->mcis, mcis);
	r->t0 = clock_wall_ns();
	return r;
}

static bool
add_jobs(struct bench *b, struct run *r, const struct lc_mcis *m,
    const char *const *vms, size_t nvms, struct mw_err *err)
{
	for (size_t i = 0; i < nvms; i++) {
		const struct lc_slot *s = lc_vm_find(m, vms[i]);

		if (s && s->status == LC_RUNNING)
			continue;
		err_set(err, s ? MW_CONFLICT : MW_INVALID, 0,
		    s ? "VM %s does not run" : "there is no VM %s", vms[i]);
		return err_pointer(err, "/vms/%zu", i);
	}
	for (const struct lc_slot *s = m->slots; s; s = s->next) {
		struct db_run_vm row = { .slot = s->row.slot_id,
			.gen = s->inst.gen,
			.vm = s->vm_id,
			.state = job_state_name(JOB_WAIT),
			.error = "" };

		if (s->status == LC_RUNNING && vm_wanted(s->vm_id, vms, nvms))
			add_job(b, r, &row, 0);
	}
	if (!r->njobs)
		return err_set(err, MW_CONFLICT, 0, "no VM of %s runs",
		    r->mcis);
	return true;
}

static bool
vm_wanted(const char *vm, const char *const *vms, size_t nvms)
{
	for (size_t i = 0; i < nvms; i++)
		if (strcmp(vm, vms[i]) == 0)
			return true;
	return nvms == 0;
}

/* Number, rows, action: from here on the run is known to the world. */
static bool
launch(struct bench *b, struct run *take_run, char run[24], char action[24],
    struct mw_err *err)
{
	struct run *r = take_run, **at = &b->runs;
	size_t n = 0;

	while (*at) {
		at = &(*at)->next;
		n++;
	}
	if (n >= RUNS_MAX) {
		run_free(b, r);
		return err_set(err, MW_LIMIT, 0, "%d runs are under way",
		    RUNS_MAX);
	}
	r->id = b->next_id++;
	snprintf(r->name, sizeof r->name, "b-%lld", (long long)r->id);
	act_begin(b, r);
	*at = r;
	save_insert(b, r);
	str_copy(run, 24, r->name);
	str_copy(action, 24, r->action);
	bench_pump(b);
	return true;
}

/* Ends what is over, then starts what can start, in the order of asking. */
static void
on_pump(void *arg)
{
	struct bench *b = arg;
	struct run **at = &b->runs, *r;
	bool ended = false;

	while ((r = *at)) {
		if (r->nopen) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		run_end(b, r);
		ended = true;
	}
	for (size_t i = 0; i < b->nhosts; i++)
		b->hosts[i]->blocked = false;
	for (r = b->runs; r; r = r->next)
		pump_run(b, r);
	if (ended)
		mesh_kick(b->c->mesh);
}

static void
pump_run(struct bench *b, struct run *r)
{
	/* A round would be disturbed by a benchmark, and an RTT job too. */
	if (r->kind == RUN_BENCH && !r->started &&
	    mesh_busy(b->c->mesh, r->ns, r->mcis))
		return;
	if (r->kind == RUN_RTT && bench_busy(b, r->ns, r->mcis))
		return;
	for (size_t i = 0; i < r->njobs; i++)
		if (r->jobs[i].state == JOB_WAIT)
			try_start(b, &r->jobs[i]);
}

static void
try_start(struct bench *b, struct bench_job *j)
{
	struct host *h = j->host;
	bool exclusive = j->run->kind == RUN_BENCH;
	int64_t now = clock_mono_ns();

	if ((j->got & j->run->kinds) == j->run->kinds) {
		job_end(b, j, JOB_DONE, NULL);
		return;
	}
	if (now < j->not_before_ns)
		return;
	/* Who waits for room keeps its place; the small do not overtake. */
	if (exclusive && (h->blocked || h->used + j->need > h->slots)) {
		h->blocked = true;
		j->since_ns = now;
		return;
	}
	if (!send_job(b, j)) {
		if (bench_no_agent(b, j))
			job_end(b, j, JOB_FAILED, "noAgent");
		else if (now - j->since_ns > patience_ns(b))
			job_end(b, j, JOB_FAILED, "agentSilent");
		return;
	}
	if (!exclusive)
		j->need = 0;
	h->used += j->need;
	j->lost_ns = 0;
	j->said_done = false;
	j->deadline_ns =
	    now + bench_deadline_ms(j->run, j->got) * NS_PER_MS + GRACE_NS;
	j->run->started = true;
	job_step(b, j, JOB_SENT, "sent");
}

static int64_t
patience_ns(const struct bench *b)
{
	return WAIT_BEATS * agents_ttl_ms(b->c->agents) * NS_PER_MS;
}

static bool
send_job(struct bench *b, struct bench_job *j)
{
	const struct run *r = j->run;
	json_t *m = json_object();
	char id[48];

	snprintf(id, sizeof id, "%s.%lld", r->name, (long long)j->slot);
	json_put_str(m, "type", "job");
	json_put_str(m, "jobId", id);
	json_put_str(m, "kind", run_kind_name(r->kind));
	json_put_int(m, "deadlineMs", bench_deadline_ms(r, j->got));
	if (r->kind == RUN_BENCH) {
		json_put_str(m, "runId", r->name);
		json_put(m, "kinds", kinds_json(r->kinds & ~j->got));
		json_put_str(m, "profile", r->profile);
		json_put_int(m, "seed", r->seed);
	} else {
		json_put(m, "targets", json_incref(r->targets));
		json_put_int(m, "count", r->count);
		json_put_int(m, "gapMs", 100);
		json_put_int(m, "timeoutMs", 2000);
	}
	return link_send(b->c->link, j->slot, j->gen, m);
}

static void
on_tick(void *arg)
{
	struct bench *b = arg;

	for (struct run *r = b->runs; r; r = r->next)
		for (size_t i = 0; i < r->njobs; i++)
			if (job_open(&r->jobs[i]))
				job_check(b, &r->jobs[i]);
	loop_timer_set(b->tick, TICK_NS);
	if (b->runs)
		bench_pump(b);
}

/* r is in no list any more. */
static void
run_end(struct bench *b, struct run *r)
{
	struct event ev = { .type = "bench.end",
		.ns = r->ns,
		.mcis = r->mcis,
		.from = run_state_name(RUN_RUNNING),
		.action = r->action };
	json_t *detail = json_object();
	size_t done = 0;

	for (size_t i = 0; i < r->njobs; i++)
		done += r->jobs[i].state == JOB_DONE;
	r->state = r->canceled ? RUN_CANCELED : done ? RUN_DONE : RUN_FAILED;
	if (!r->canceled && done < r->njobs)
		snprintf(r->reason, sizeof r->reason, "%zu of %zu VMs failed",
		    r->njobs - done, r->njobs);
	r->t1 = clock_wall_ns();
	log_info("bench", r->name, "run is %s	vms=%zu done=%zu",
	    run_state_name(r->state), r->njobs, done);
	save_end(b, r);
	json_put_str(detail, "runId", r->name);
	json_put_int(detail, "done", (int64_t)done);
	json_put_int(detail, "total", (int64_t)r->njobs);
	ev.to = run_state_name(r->state);
	ev.reason = *r->reason ? r->reason : NULL;
	ev.detail = detail;
	events_emit(b->c->events, &ev);
	json_decref(detail);
	act_end(b, r);
	run_free(b, r);
}
