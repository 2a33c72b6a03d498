/*
 * jobs.c - the coordinator's jobs on this agent.
 * Promises: each job ends with exactly one of done, failed, canceled, which
 * is told again on each new link for 10 minutes; its results were handed out
 * before that. Called by agent.c.
 */
#include "agent/jobs.h"

#include "agent/bench/bench.h"
#include "agent/sched.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

#define ENDS_MAX 16
#define ENDS_NS (600 * NS_PER_S)

struct job {
	struct jobs *owner;
	struct msg m;
	struct bench *bench;
	struct rtt *rtt;
	struct loop_timer *later; /* what must not happen inside a callback */
	bool ended;
	struct mw_err end;
	char step[81];
	int64_t deadline_ns;
};

/* How a job ended, for links to come. */
struct ended {
	char id[64];
	const char *state;
	struct mw_err err;
	int64_t at_ns;
};

struct jobs {
	struct jobs_conf conf;
	const struct jobs_ops *ops;
	void *arg;
	struct sched sched;
	struct ended ends[ENDS_MAX];
	size_t nends; /* ever; the ring holds the last ENDS_MAX */
	struct loop_timer *timer; /* the next deadline of what waits */
};

static void on_start(void *arg, struct sched_job *sj);
static void on_expired(void *arg, struct sched_job *sj);

static const struct sched_ops sched_ops = { on_start, on_expired };

static void
send_state(struct jobs *j, const char *id, const char *state, const char *step,
    const struct mw_err *err)
{
	json_t *msg = json_object();

	json_put_str(msg, "type", "jobState");
	json_put_str(msg, "jobId", id);
	json_put_str(msg, "state", state);
	json_put_str(msg, "step", step);
	json_put_str(msg, "code",
	    err != NULL && err->code != MW_OK ? err_code_name(err->code)
					      : NULL);
	json_put_str(msg, "message",
	    err != NULL && err->code != MW_OK ? err->msg : NULL);
	j->ops->send(j->arg, msg);
}

static void
remember_end(struct jobs *j, const char *id, const struct mw_err *err)
{
	struct ended *e = &j->ends[j->nends++ % ENDS_MAX];

	str_copy(e->id, sizeof e->id, id);
	e->state = err->code == MW_OK  ? "done"
	    : err->code == MW_CANCELED ? "canceled"
				       : "failed";
	e->err = *err;
	e->at_ns = clock_mono_ns();
	log_info("agent", id, "job %s%s%s", e->state,
	    err->code != MW_OK ? ": " : "", err->code != MW_OK ? err->msg : "");
	send_state(j, id, e->state, NULL, &e->err);
}

static void
watch_deadlines(struct jobs *j)
{
	int64_t next = sched_next_ns(&j->sched);

	if (next == INT64_MAX)
		loop_timer_clear(j->timer);
	else
		loop_timer_set(j->timer, next - clock_mono_ns());
}

static void
on_timer(void *arg)
{
	struct jobs *j = arg;

	sched_tick(&j->sched, clock_mono_ns());
	watch_deadlines(j);
}

static void
job_free(struct job *job)
{
	loop_timer_free(job->later);
	rtt_free(job->rtt);
	msg_free(&job->m);
	free(job);
}

/* The job is over: the next one may start. On a turn of its own. */
static void
job_over(void *arg)
{
	struct job *job = arg;
	struct jobs *j = job->owner;
	char id[64];

	str_copy(id, sizeof id, job->m.id);
	remember_end(j, id, &job->end);
	job_free(job);
	sched_end(&j->sched, id, clock_mono_ns());
	watch_deadlines(j);
}

static void
job_end(struct job *job, const struct mw_err *err)
{
	if (job->ended)
		return;
	job->ended = true;
	job->end = *err;
	loop_timer_set(job->later, 0);
}

static void
bench_step(void *arg, const char *text)
{
	struct job *job = arg;

	str_copy(job->step, sizeof job->step, text);
	send_state(job->owner, job->m.id, "running", job->step, NULL);
}

static void
bench_result(void *arg, const struct result *r)
{
	struct job *job = arg;

	job->owner->ops->result(job->owner->arg, "bench",
	    proto_result_encode(r));
}

static void
bench_end(void *arg, const struct mw_err *err)
{
	struct job *job = arg;

	job->bench = NULL;
	job_end(job, err);
}

static void
rtt_done(void *arg, json_t *rtt)
{
	struct job *job = arg;
	struct mw_err ok = MW_ERR_INIT;

	job->owner->ops->result(job->owner->arg, "rtt", json_incref(rtt));
	job_end(job, &ok);
}

static void
start_bench(struct job *job)
{
	static const struct bench_ops ops = { bench_step, bench_result,
		bench_end };
	const struct jobs_conf *c = &job->owner->conf;
	struct bench_conf conf = { .loop = c->loop,
		.facts = c->facts,
		.monitor = c->monitor,
		.dir = c->dir,
		.run_id = job->m.run_id,
		.profile = job->m.profile,
		.kinds = job->m.kinds,
		.seed = job->m.seed,
		.deadline_ns = job->deadline_ns };
	struct mw_err err = MW_ERR_INIT;

	if (!bench_start(&conf, &ops, job, &job->bench, &err))
		job_end(job, &err);
}

static void
start_rtt(struct job *job)
{
	struct rtt_conf conf = { .loop = job->owner->conf.loop,
		.pinger = job->owner->conf.pinger,
		.targets = job->m.targets,
		.n = job->m.ntargets,
		.count = job->m.count,
		.gap_ms = job->m.gap_ms,
		.timeout_ms = job->m.timeout_ms,
		.deadline_ns = job->deadline_ns,
		.on_done = rtt_done,
		.arg = job };

	str_copy(conf.job_id, sizeof conf.job_id, job->m.id);
	job->m.targets = NULL; /* taken */
	job->rtt = rtt_start(&conf);
}

static void
on_start(void *arg, struct sched_job *sj)
{
	struct job *job = sj->payload;

	(void)arg;
	log_info("agent", job->m.id, "job starts");
	send_state(job->owner, job->m.id, "running", NULL, NULL);
	if (job->m.type == MSG_BENCH)
		start_bench(job);
	else
		start_rtt(job);
}

static void
on_expired(void *arg, struct sched_job *sj)
{
	struct jobs *j = arg;
	struct mw_err err = MW_ERR_INIT;

	err_set(&err, MW_TIMEOUT, 0, "waited past its deadline");
	remember_end(j, sj->id, &err);
	job_free(sj->payload);
}

struct jobs *
jobs_new(const struct jobs_conf *conf, const struct jobs_ops *ops, void *arg)
{
	struct jobs *j = xcalloc(1, sizeof *j);

	j->conf = *conf;
	j->ops = ops;
	j->arg = arg;
	sched_init(&j->sched, &sched_ops, j);
	j->timer = loop_timer_new(conf->loop, on_timer, j);
	return j;
}

void
jobs_free(struct jobs *j)
{
	if (j == NULL)
		return;
	for (size_t i = 0; i < j->sched.n; i++)
		job_free(j->sched.jobs[i].payload);
	loop_timer_free(j->timer);
	free(j);
}

/* Told before: the coordinator did not hear it and asks again. */
static bool
known(struct jobs *j, const char *id)
{
	void *payload = NULL;
	enum sched_state st = sched_find(&j->sched, id, &payload);
	struct job *job = payload;

	if (st != SCHED_NONE) {
		send_state(j, id, st == SCHED_RUNNING ? "running" : "queued",
		    job->step[0] != '\0' ? job->step : NULL, NULL);
		return true;
	}
	for (size_t i = 0; i < ENDS_MAX && i < j->nends; i++)
		if (strcmp(j->ends[i].id, id) == 0) {
			send_state(j, id, j->ends[i].state, NULL,
			    &j->ends[i].err);
			return true;
		}
	return false;
}

void
jobs_submit(struct jobs *j, struct msg *m)
{
	struct mw_err err = MW_ERR_INIT;
	struct job *job;
	int64_t now = clock_mono_ns();

	if (known(j, m->id))
		return;
	job = xcalloc(1, sizeof *job);
	job->owner = j;
	job->m = *m;
	memset(m, 0, sizeof *m);
	job->deadline_ns = now + job->m.deadline_ms * NS_PER_MS;
	job->later = loop_timer_new(j->conf.loop, job_over, job);
	send_state(j, job->m.id, "queued", NULL, NULL);
	if (!sched_submit(&j->sched, job->m.id,
		job->m.type == MSG_BENCH ? SCHED_EXCLUSIVE : SCHED_QUIET,
		job->deadline_ns, job, now, &err)) {
		jobs_refuse(j, job->m.id, &err);
		job_free(job);
	}
	watch_deadlines(j);
}

void
jobs_refuse(struct jobs *j, const char *id, const struct mw_err *err)
{
	remember_end(j, id, err);
}

void
jobs_cancel(struct jobs *j, const char *id)
{
	struct mw_err err = MW_ERR_INIT;
	void *payload;
	struct job *job;

	err_set(&err, MW_CANCELED, 0, "canceled");
	switch (sched_find(&j->sched, id, &payload)) {
	case SCHED_QUEUED:
		remember_end(j, id, &err);
		job_free(payload);
		sched_end(&j->sched, id, clock_mono_ns());
		watch_deadlines(j);
		break;
	case SCHED_RUNNING:
		job = payload;
		if (job->bench != NULL) {
			bench_cancel(job->bench); /* bench_end() follows */
		} else {
			rtt_free(job->rtt);
			job->rtt = NULL;
			job_end(job, &err);
		}
		break;
	case SCHED_NONE: (void)known(j, id); break;
	}
}

void
jobs_cancel_all(struct jobs *j)
{
	/* Those that wait first: else they start when the others end. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = j->sched.n; i-- > 0;) {
			char id[SCHED_ID_MAX];

			if (i >= j->sched.n ||
			    (pass == 0 &&
				j->sched.jobs[i].state != SCHED_QUEUED))
				continue;
			str_copy(id, sizeof id, j->sched.jobs[i].id);
			jobs_cancel(j, id);
		}
}

bool
jobs_idle(const struct jobs *j)
{
	return j->sched.n == 0;
}

bool
jobs_busy(const struct jobs *j)
{
	return sched_busy(&j->sched);
}

void
jobs_hold(struct jobs *j, bool hold)
{
	if (hold)
		sched_hold(&j->sched);
	else
		sched_release(&j->sched, clock_mono_ns());
}

void
jobs_resend(struct jobs *j)
{
	int64_t now = clock_mono_ns();

	for (size_t i = 0; i < ENDS_MAX && i < j->nends; i++)
		if (now - j->ends[i].at_ns < ENDS_NS)
			send_state(j, j->ends[i].id, j->ends[i].state, NULL,
			    &j->ends[i].err);
	for (size_t i = 0; i < j->sched.n; i++)
		(void)known(j, j->sched.jobs[i].id);
}
