/*
 * bench_save.c - what the store, the action resource and the API know of a run.
 */
#include "coordinator/measure/bench_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "coordinator/actions.h"
#include "coordinator/coord.h"
#include "coordinator/store/db_bench.h"

#include <stdlib.h>
#include <string.h>

/* A copy of what is to be written: the run may be gone when it is its turn. */
struct save_job {
	struct store_job job;
	enum {
		SAVE_INSERT,
		SAVE_VM,
		SAVE_END
	} what;
	int64_t id, t0, t1;
	enum run_kind kind;
	enum run_state state;
	char ns[LC_ID_LEN], mcis[LC_ID_LEN], action[LC_ACTION_LEN];
	char profile[16], reason[64];
	char *params;
	struct bench_job *jobs; /* run and host are not looked at */
	size_t njobs;
};

static bool save_run(struct db *db, struct store_job *job, struct mw_err *err);
static void save_done(struct store_job *job, bool ok, const struct mw_err *err);
static struct save_job *save_new(const struct run *r);

static const char *const run_states[RUN_STATE_COUNT] = { "running", "done",
	"failed", "canceled" };
static const char *const job_states[JOB_STATE_COUNT] = { "waiting", "queued",
	"running", "done", "failed", "canceled" };
static const char *const run_kinds[] = { "bench", "rtt" };

const char *
run_state_name(enum run_state s)
{
	return run_states[s];
}

const char *
job_state_name(enum job_state s)
{
	return job_states[s];
}

const char *
run_kind_name(enum run_kind k)
{
	return run_kinds[k];
}

void
save_insert(struct bench *b, const struct run *r)
{
	struct save_job *s = save_new(r);
	json_t *params = json_object();

	json_put(params, "kinds", kinds_json(r->kinds));
	json_put_int(params, "seed", r->seed);
	json_put_int(params, "count", r->count);
	json_put(params, "targets",
	    r->targets ? json_incref(r->targets) : NULL);
	s->what = SAVE_INSERT;
	s->params = json_text(params, false);
	s->jobs = xmemdup(r->jobs, r->njobs * sizeof *r->jobs);
	s->njobs = r->njobs;
	json_decref(params);
	store_submit(b->c->store, &s->job);
}

void
save_vm(struct bench *b, const struct bench_job *j)
{
	struct save_job *s = save_new(j->run);

	s->what = SAVE_VM;
	s->jobs = xmemdup(j, sizeof *j);
	s->njobs = 1;
	store_submit(b->c->store, &s->job);
}

void
save_end(struct bench *b, const struct run *r)
{
	struct save_job *s = save_new(r);

	s->what = SAVE_END;
	store_submit(b->c->store, &s->job);
}

static struct save_job *
save_new(const struct run *r)
{
	struct save_job *s = xcalloc(1, sizeof *s);

	s->job.run = save_run;
	s->job.done = save_done;
	s->id = r->id;
	s->kind = r->kind;
	s->state = r->state;
	s->t0 = r->t0;
	s->t1 = r->t1;
	str_copy(s->ns, sizeof s->ns, r->ns);
	str_copy(s->mcis, sizeof s->mcis, r->mcis);
	str_copy(s->action, sizeof s->action, r->action);
	str_copy(s->profile, sizeof s->profile, r->profile);
	str_copy(s->reason, sizeof s->reason, r->reason);
	return s;
}

static bool
save_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	const struct save_job *s = container_of(job, struct save_job, job);
	struct db_run row = {
		.id = s->id,
		.kind = run_kind_name(s->kind),
		.ns = s->ns,
		.mcis = s->mcis,
		.action = s->action,
		.profile = s->profile,
		.params = s->params,
		.state = run_state_name(s->state),
		.t0 = s->t0,
	};

	if (s->what == SAVE_END)
		return db_run_end(db, s->id, row.state, s->reason, s->t1, err);
	if (s->what == SAVE_INSERT && !db_run_put(db, &row, err))
		return false;
	for (size_t i = 0; i < s->njobs; i++) {
		const struct bench_job *j = &s->jobs[i];
		struct db_run_vm vm = {
			.run = s->id,
			.slot = j->slot,
			.gen = j->gen,
			.vm = j->vm,
			.state = job_state_name(j->state),
			.step = j->step,
			.error = j->error,
		};

		if (!db_run_vm_put(db, &vm, err))
			return false;
	}
	return true;
}

static void
save_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct save_job *s = container_of(job, struct save_job, job);

	if (!ok)
		log_error("bench", s->action, "cannot store a run: %s",
		    err->msg);
	free(s->params);
	free(s->jobs);
	free(s);
}

/* The target names the run, so that the action leads to its results. */
void
act_begin(struct bench *b, struct run *r)
{
	char *target = xasprintf("/v1/ns/%s/mcis/%s/benchmarks/%s", r->ns,
	    r->mcis, r->name);

	actions_new(b->c->actions, run_kind_name(r->kind), target,
	    (int64_t)r->njobs, r->action);
	free(target);
}

void
act_adopt(struct bench *b, struct run *r)
{
	if (!actions_claim(b->c->actions, r->action))
		log_warn("bench", r->name, "its action %s is not known",
		    r->action);
}

void
act_step(struct bench *b, const struct bench_job *j)
{
	static const enum action_state states[JOB_STATE_COUNT] = {
		[JOB_WAIT] = ACTION_PENDING,
		[JOB_SENT] = ACTION_RUNNING,
		[JOB_RUNNING] = ACTION_RUNNING,
		[JOB_DONE] = ACTION_DONE,
		[JOB_FAILED] = ACTION_FAILED,
		[JOB_CANCELED] = ACTION_CANCELED,
	};
	const struct run *r = j->run;

	actions_step(b->c->actions, r->action, j->vm,
	    *j->step ? j->step : run_kind_name(r->kind), states[j->state],
	    *j->error ? j->error : NULL);
	if (!job_open(j))
		actions_progress(b->c->actions, r->action,
		    (int64_t)(r->njobs - r->nopen), (int64_t)r->njobs);
}

void
act_end(struct bench *b, const struct run *r)
{
	static const enum action_state states[RUN_STATE_COUNT] = {
		[RUN_RUNNING] = ACTION_RUNNING,
		[RUN_DONE] = ACTION_DONE,
		[RUN_FAILED] = ACTION_FAILED,
		[RUN_CANCELED] = ACTION_CANCELED,
	};
	struct mw_err err = MW_ERR_INIT;

	if (*r->reason)
		err_set(&err, MW_REMOTE, 0, "%s", r->reason);
	actions_end(b->c->actions, r->action, states[r->state],
	    r->state == RUN_DONE ? *r->reason ? "partial" : "ok" : "failed",
	    *r->reason ? &err : NULL);
}

json_t *
run_json(const struct run *r)
{
	json_t *j = json_object(), *vms = json_array();

	json_put_str(j, "runId", r->name);
	json_put_str(j, "kind", run_kind_name(r->kind));
	json_put_str(j, "actionId", r->action);
	json_put_str(j, "profile", *r->profile ? r->profile : NULL);
	json_put(j, "kinds", kinds_json(r->kinds));
	json_put_int(j, "seed", r->seed);
	json_put_str(j, "state", run_state_name(r->state));
	json_put_str(j, "reason", *r->reason ? r->reason : NULL);
	json_put_time(j, "startedAt", r->t0);
	json_put_time(j, "endedAt", r->t1);
	for (size_t i = 0; i < r->njobs; i++) {
		const struct bench_job *job = &r->jobs[i];
		json_t *v = json_object();

		json_put_str(v, "vmId", job->vm);
		json_put_str(v, "state", job_state_name(job->state));
		json_put_str(v, "step", *job->step ? job->step : NULL);
		json_put_str(v, "error", *job->error ? job->error : NULL);
		json_array_append_new(vms, v);
	}
	json_put(j, "vms", vms);
	return j;
}
