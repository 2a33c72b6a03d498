/*
 * bench_in.c - what agents answer to jobs: progress, results, silence.
 *
 * A result is stored before anybody hears of it, once per (slot, gen, boot,
 * seq), and only if its VM takes part in its run.
 */
#include "coordinator/measure/bench_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"
#include "coordinator/link/agents.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/coord.h"
#include "coordinator/store/db_bench.h"
#include "coordinator/events.h"
#include "lifecycle/lifecycle.h"

#include <math.h>
#include <string.h>

#define RESEND_NS (2 * NS_PER_S) /* after a new link: spooled results first */

/* One result, or one part of an rtt result. */
struct part {
	double value;
	bool has_value;
	enum result_validity validity;
	char *json;
	struct db_result_sum sum;
	struct bench_env env; /* hash "": none */
};

struct in_job {
	struct store_job job;
	struct bench *b;
	int64_t run, slot, gen, seq;
	char boot[40];
	char ns[LC_ID_LEN], mcis[LC_ID_LEN], vm[LC_VM_ID_LEN];
	char conn[LC_WORD_LEN], spec[LC_WORD_LEN];
	enum kind kind;
	char variant[16];
	struct part parts[BENCH_TARGETS_MAX];
	size_t nparts, nstored;
	bool wanted;
	void (*done)(void *arg, bool ok);
	void *arg;
};

static bool parse_name(const char *name, int64_t *run, int64_t *slot);
static struct in_job *in_new(struct bench *b, int64_t slot, int64_t gen,
    const char *boot, int64_t seq, void (*done)(void *arg, bool ok), void *arg);
static struct db_result_sum sum_of(const struct result *r);
static void describe(const struct in_job *j, json_t *result);
static char *split(const struct in_job *j, const struct result *r, json_t *json,
    struct bench_env *env);
static bool in_run(struct db *db, struct store_job *job, struct mw_err *err);
static void in_done(struct store_job *job, bool ok, const struct mw_err *err);
static void tell(const struct in_job *j);
static bool rtt_parts(struct in_job *j, json_t *rtt, struct mw_err *err);
static bool rtt_part(struct in_job *j, const struct json_at *at,
    struct mw_err *err);

void
bench_on_result(struct bench *b, int64_t slot, int64_t gen, const char *boot,
    int64_t seq, const struct result *r, void (*done)(void *arg, bool ok),
    void *arg)
{
	struct in_job *j = in_new(b, slot, gen, boot, seq, done, arg);
	struct part *p = &j->parts[j->nparts++];
	json_t *json = proto_result_encode(r);

	if (!parse_name(r->run_id, &j->run, NULL))
		j->run = 0; /* in no run: the store refuses it */
	j->kind = r->kind;
	str_copy(j->variant, sizeof j->variant,
	    *r->variant ? r->variant : "std");
	p->value = r->value;
	p->has_value = r->has_value;
	p->validity = r->validity;
	p->sum = sum_of(r);
	describe(j, json);
	p->json = split(j, r, json, &p->env);
	json_decref(json);
	store_submit(b->c->store, &j->job);
}

void
bench_on_rtt(struct bench *b, int64_t slot, int64_t gen, const char *boot,
    int64_t seq, json_t *rtt, void (*done)(void *arg, bool ok), void *arg)
{
	struct in_job *j = in_new(b, slot, gen, boot, seq, done, arg);
	struct mw_err err = MW_ERR_INIT;

	j->kind = KIND_RTT;
	str_copy(j->variant, sizeof j->variant, "std");
	if (!rtt_parts(j, rtt, &err)) {
		log_warn("bench", j->vm, "RTT result dropped: %s", err.msg);
		j->nparts = 0;
	}
	store_submit(b->c->store, &j->job);
}

void
bench_on_job_state(struct bench *b, int64_t slot, int64_t gen, const char *job,
    const char *state, const char *step, const char *code, const char *message)
{
	int64_t run, of;
	char name[24], text[160];
	struct bench_job *j;
	struct run *r;

	if (!parse_name(job, &run, &of) || of != slot)
		return;
	snprintf(name, sizeof name, "b-%lld", (long long)run);
	r = bench_find(b, name);
	j = r ? run_job(r, slot, gen) : NULL;
	if (!j || !job_open(j) || j->state == JOB_WAIT)
		return;
	/* It kept the job through a lost link. */
	if (str_eq(code, "EXISTS")) {
		job_step(b, j, JOB_RUNNING, "running");
	} else if (strcmp(state, "queued") == 0) {
		job_step(b, j, JOB_SENT, step);
	} else if (strcmp(state, "running") == 0) {
		job_step(b, j, JOB_RUNNING, step);
	} else if (strcmp(state, "done") == 0) {
		j->said_done = true;
		j->since_ns = clock_mono_ns();
		job_check(b, j);
	} else {
		snprintf(text, sizeof text, "%s: %s", code ? code : state,
		    message ? message : "the agent gave no reason");
		job_end(b, j, JOB_FAILED, text);
	}
}

void
bench_on_agent(struct bench *b, int64_t slot, int64_t gen, bool up)
{
	int64_t now = clock_mono_ns();

	for (struct run *r = b->runs; r; r = r->next) {
		struct bench_job *j = run_job(r, slot, gen);

		if (!j || !job_open(j))
			continue;
		if (!up && j->state != JOB_WAIT) {
			j->lost_ns = now;
		} else if (up && j->state != JOB_WAIT && j->lost_ns) {
			/* Sent again: it may have been restarted and know
			 * nothing; if it knows the job it says EXISTS. */
			j->host->used -= j->need;
			j->state = JOB_WAIT;
			j->since_ns = now;
			j->not_before_ns = now + RESEND_NS;
			j->lost_ns = 0;
		}
	}
	if (up)
		bench_pump(b);
}

bool
bench_no_agent(const struct bench *b, const struct bench_job *j)
{
	const struct lc_slot *s = lc_slot_find(b->c->lc, j->slot);

	if (!s || agents_get(b->c->agents, j->slot, j->gen))
		return false;
	return s->inst.install == LC_I_FAILED ||
	    (s->inst.install == LC_I_NONE && s->inst.install_step[0]);
}

/* "b-12" or "b-12.34" (slot not NULL). */
static bool
parse_name(const char *name, int64_t *run, int64_t *slot)
{
	const char *dot = strchr(name, '.');
	size_t n = dot ? (size_t)(dot - name) : strlen(name);

	if (!str_starts(name, "b-") || n < 3 || !!dot != !!slot ||
	    !num_parse_i64(name + 2, n - 2, 1, INT64_MAX, run))
		return false;
	return !slot ||
	    num_parse_i64(dot + 1, strlen(dot + 1), 1, INT64_MAX, slot);
}

static struct in_job *
in_new(struct bench *b, int64_t slot, int64_t gen, const char *boot,
    int64_t seq, void (*done)(void *arg, bool ok), void *arg)
{
	struct in_job *j = xcalloc(1, sizeof *j);
	const struct lc_slot *s = lc_slot_find(b->c->lc, slot);

	j->b = b;
	j->slot = slot;
	j->gen = gen;
	j->seq = seq;
	str_copy(j->boot, sizeof j->boot, boot);
	if (s) {
		str_copy(j->ns, sizeof j->ns, s->mcis->row.ns);
		str_copy(j->mcis, sizeof j->mcis, s->mcis->row.name);
		str_copy(j->vm, sizeof j->vm, s->vm_id);
		str_copy(j->conn, sizeof j->conn, s->row.spec.connection);
		str_copy(j->spec, sizeof j->spec, s->row.spec.spec);
	}
	j->done = done;
	j->arg = arg;
	j->job.run = in_run;
	j->job.done = in_done;
	return j;
}

static struct db_result_sum
sum_of(const struct result *r)
{
	struct db_result_sum s = { .n_valid = (int64_t)r->n_valid,
		.ci_lo = r->q.has_ci ? r->q.ci_lo : NAN,
		.ci_hi = r->q.has_ci ? r->q.ci_hi : NAN,
		.mad_cv = r->q.n > 1 ? r->q.mad_cv : NAN,
		.replay = r->replay };

	str_copy(s.profile, sizeof s.profile, r->profile);
	return s;
}

/* What only we know about a result. */
static void
describe(const struct in_job *j, json_t *result)
{
	const struct spec_row *spec =
	    conns_spec(j->b->c->conns, j->conn, j->spec);
	const struct conn_row *conn = conns_get(j->b->c->conns, j->conn);
	char *id = NULL, agent[48];

	if (!spec && conn)
		id = xasprintf("%s+%s+%s", conn->csp, conn->region, j->spec);
	json_put_str(result, "schema", "mw.result/1");
	json_put_str(result, "ns", j->ns);
	json_put_str(result, "mcisId", j->mcis);
	json_put_str(result, "vmId", j->vm);
	snprintf(agent, sizeof agent, "a-%lld-%lld", (long long)j->slot,
	    (long long)j->gen);
	json_put_str(result, "agentId", agent);
	json_put_str(result, "specId", spec ? spec->spec_id : id);
	json_put_str(result, "connection", j->conn);
	json_put_str(result, "csp", conn ? conn->csp : NULL);
	json_put_str(result, "region", conn ? conn->region : NULL);
	free(id);
}

/* The text for the store, and what is stored beside it. */
static char *
split(const struct in_job *j, const struct result *r, json_t *json,
    struct bench_env *env)
{
	const struct lc_slot *s = lc_slot_find(j->b->c->lc, j->slot);
	const json_t *csp = json_object_get(json, "csp");
	const json_t *spec = json_object_get(json, "specId");
	const json_t *region = json_object_get(json, "region");
	struct bench_place p = {
		.hashed = { .csp = json_string_value(csp),
		    .spec_id = json_string_value(spec),
		    .image = s ? s->row.spec.image : NULL },
		.region = json_string_value(region),
		.zone = s && *s->inst.zone ? s->inst.zone : NULL,
	};

	return bench_env_split(r, json, &p, env);
}

static bool
in_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct in_job *j = container_of(job, struct in_job, job);

	for (size_t i = 0; i < j->nparts; i++) {
		const struct part *p = &j->parts[i];
		struct db_result row = {
			.run = j->run,
			.slot = j->slot,
			.gen = j->gen,
			.seq = j->seq,
			.part = (int64_t)i,
			.at = clock_wall_ns(),
			.ns = j->ns,
			.mcis = j->mcis,
			.vm = j->vm,
			.boot = j->boot,
			.spec = j->spec,
			.conn = j->conn,
			.kind = j->kind,
			.variant = j->variant,
			.has_value = p->has_value,
			.value = p->value,
			.validity = p->validity,
			.json = p->json,
			.env = p->env.hash[0] ? &p->env : NULL,
			.sum = p->sum,
		};
		bool stored;

		if (!db_result_put(db, &row, &stored, &j->wanted, err))
			return false;
		j->nstored += stored;
	}
	return true;
}

static void
in_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct in_job *j = container_of(job, struct in_job, job);
	char name[24];
	struct run *r;
	struct bench_job *of;
	unsigned lane;

	snprintf(name, sizeof name, "b-%lld", (long long)j->run);
	r = bench_find(j->b, name);
	of = r ? run_job(r, j->slot, j->gen) : NULL;
	if (!ok)
		log_error("bench", j->vm, "result is not stored: %s", err->msg);
	else if (!j->wanted)
		log_warn("bench", j->vm, "a result that nobody asked for");
	if (ok && j->nstored)
		tell(j);
	if (ok && j->wanted && of && lane_find(j->kind, j->variant, &lane)) {
		of->got |= LANE_BIT(lane);
		job_check(j->b, of);
	}
	j->done(j->arg, ok);
	for (size_t i = 0; i < j->nparts; i++) {
		free(j->parts[i].json);
		bench_env_free(&j->parts[i].env);
	}
	free(j);
}

static void
tell(const struct in_job *j)
{
	const struct part *p = &j->parts[0];
	const struct kind_info *info = kind_info(j->kind);
	json_t *detail = json_object();
	struct event ev = { .type = "bench.result",
		.ns = j->ns,
		.mcis = j->mcis,
		.vm = j->vm,
		.detail = detail };
	char name[24];

	snprintf(name, sizeof name, "b-%lld", (long long)j->run);
	json_put_str(detail, "runId", name);
	json_put_str(detail, "kind", info->name);
	json_put_str(detail, "variant", j->variant);
	json_put_num(detail, "value", p->has_value ? p->value : NAN);
	json_put_str(detail, "unit", info->unit);
	json_put_str(detail, "validity", result_validity_name(p->validity));
	events_emit(j->b->c->events, &ev);
	json_decref(detail);
}

static bool
rtt_parts(struct in_job *j, json_t *rtt, struct mw_err *err)
{
	struct json_at root, at;
	const char *job;
	json_t *targets;
	int64_t of;

	if (!json_at_root(&root, rtt, err) ||
	    !json_get_str(&root, "jobId", true, 80, &job, err) ||
	    !json_get_array(&root, "targets", true, 1, BENCH_TARGETS_MAX,
		&targets, err))
		return false;
	if (!parse_name(job, &j->run, &of) || of != j->slot)
		return err_set(err, MW_PROTO, 0, "it is of another job");
	for (size_t i = 0; i < json_array_size(targets); i++)
		if (!json_at_index(&at, &root, "targets", i, err) ||
		    !rtt_part(j, &at, err))
			return false;
	return true;
}

static json_t *
flags_json(int64_t flags)
{
	json_t *list = json_array();

	for (unsigned bit = 1; bit <= flags; bit <<= 1)
		if (flags & bit && matrix_flag_name(bit))
			json_array_append_new(list,
			    json_string(matrix_flag_name(bit)));
	return list;
}

/* n: answers. */
static void
rtt_verdict(struct part *p, int64_t n)
{
	p->has_value = n > 0 && isfinite(p->value);
	p->sum = (struct db_result_sum){ .n_valid = n,
		.ci_lo = NAN,
		.ci_hi = NAN,
		.mad_cv = NAN };
	p->validity = !p->has_value ? RESULT_FAILED
	    : n < 6                 ? RESULT_TOO_FEW
				    : RESULT_OK;
}

static bool
rtt_part(struct in_job *j, const struct json_at *at, struct mw_err *err)
{
	static const struct {
		const char *in, *out;
	} names[] = {
		{ "minMs", "rttMinMs" },
		{ "avgMs", "rttAvgMs" },
		{ "p50Ms", "rttMedianMs" },
		{ "p95Ms", "rttP95Ms" },
		{ "jitterMs", "jitterMs" },
	};
	struct part *p = &j->parts[j->nparts];
	const char *target, *method, *why;
	json_t *out = json_object();
	char name[24];
	int64_t n, lost, flags;
	double v;
	bool ok;

	ok = json_get_str(at, "target", true, 253, &target, err) &&
	    json_get_int(at, "n", false, 0, 0, 100000, &n, err) &&
	    json_get_int(at, "lost", false, 0, 0, 100000, &lost, err) &&
	    json_get_str(at, "method", false, 16, &method, err) &&
	    json_get_int(at, "flags", true, 0, 0, 255, &flags, err) &&
	    json_get_str(at, "why", false, 32, &why, err);
	for (size_t i = 0; ok && i < ARRAY_LEN(names); i++) {
		ok = json_get_num(at, names[i].in, true, NAN, 0, 1e7, &v, err);
		json_put_num(out, names[i].out, n > 0 ? v : NAN);
		if (i == 2)
			p->value = v;
	}
	if (!ok) {
		json_decref(out);
		return false;
	}
	rtt_verdict(p, n);
	snprintf(name, sizeof name, "b-%lld", (long long)j->run);
	json_put_str(out, "runId", name);
	json_put_str(out, "kind", "rtt");
	json_put_str(out, "target", target);
	json_put_num(out, "value", p->has_value ? p->value : NAN);
	json_put_str(out, "valueReason",
	    p->has_value ? NULL
		: why    ? why
			 : "noAnswer");
	json_put_str(out, "unit", "ms");
	json_put_str(out, "direction", "lower");
	json_put_int(out, "n", n);
	json_put_int(out, "lost", lost);
	json_put_num(out, "lossPct",
	    n + lost ? 100.0 * (double)lost / (double)(n + lost) : NAN);
	json_put_str(out, "method", method);
	json_put(out, "quality", flags_json(flags));
	json_put_str(out, "validity", result_validity_name(p->validity));
	json_put_time(out, "measuredAt", clock_wall_ns());
	describe(j, out);
	p->json = json_text(out, false);
	json_decref(out);
	j->nparts++;
	return true;
}
