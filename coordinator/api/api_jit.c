/*
 * api_jit.c - see api_jit.h. Steps of a request: what is fresh (store), what
 * is missing is joined or started (loop), its end (a look every 100 ms), run
 * and results (store), the answer.
 */
#include "coordinator/api/api_jit.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/lane.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "coordinator/actions.h"
#include "coordinator/api/api.h"
#include "coordinator/measure/bench_int.h"
#include "coordinator/store/db_bench.h"
#include "coordinator/store/db_fresh.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define LOOK_NS (100 * NS_PER_MS)

struct fresh {
	int64_t id, slot, gen;
	unsigned lane;
};

struct jit {
	struct store_job job;
	struct coord *c;
	struct httpd_req *req; /* NULL: the server stops */
	char ns[LC_ID_LEN], mcis[LC_ID_LEN], profile[16];
	unsigned kinds; /* as asked for; 0: what the profile has */
	int64_t seed, since, wait_ns, until_ns;
	char (*vms)[LC_VM_ID_LEN];
	size_t nvms;
	struct fresh *fresh; /* results that are used again */
	size_t nfresh, fresh_cap;
	char run[24], action[24]; /* "": nothing was missing */
	bool joined;
	struct loop_timer *timer;
	struct str runs, results;
	struct jit *next;
};

/* All requests that are not answered. */
static struct jit *jits;

static void fresh_ask(struct jit *j);
static bool fresh_run(struct db *db, struct store_job *job, struct mw_err *err);
static void fresh_one(void *arg, const struct db_fresh *f);
static void fresh_done(struct store_job *job, bool ok,
    const struct mw_err *err);
static void plan(struct jit *j);
static unsigned have_of(const struct jit *j, const struct lc_slot *s);
static bool vm_asked(const struct jit *j, const char *vm);
static bool begin(struct jit *j, const char **names, const unsigned *have,
    size_t n, struct mw_err *err);
static void keep_fresh(struct jit *j, const struct lc_mcis *m);
static void on_look(void *arg);
static void collect(struct jit *j);
static bool collect_run(struct db *db, struct store_job *job,
    struct mw_err *err);
static void collect_done(struct store_job *job, bool ok,
    const struct mw_err *err);
static void answer_later(void *arg);
static json_t *extra_json(const struct jit *j);
static void jit_end(struct jit *j);

void
jit_answer(struct coord *c, struct httpd_req *req, const struct bench_ask *ask,
    int64_t max_age_s, int64_t wait_s)
{
	struct mw_err err = MW_ERR_INIT;
	struct jit *j;

	if (!bench_check_kinds(ask->profile, ask->kinds, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	j = xcalloc(1, sizeof *j);
	j->c = c;
	j->req = req;
	str_copy(j->ns, sizeof j->ns, ask->ns);
	str_copy(j->mcis, sizeof j->mcis, ask->mcis);
	str_copy(j->profile, sizeof j->profile, ask->profile);
	j->kinds = ask->kinds;
	j->seed = ask->seed;
	j->wait_ns = wait_s * NS_PER_S;
	j->nvms = ask->nvms;
	j->vms = xcalloc(j->nvms + 1, sizeof *j->vms);
	for (size_t i = 0; i < j->nvms; i++)
		str_copy(j->vms[i], sizeof j->vms[i], ask->vms[i]);
	j->next = jits;
	jits = j;
	if (wait_s > 0)
		httpd_extend(req, (wait_s + 10) * 1000);
	j->until_ns = clock_mono_ns() + j->wait_ns;
	if (!max_age_s) {
		plan(j);
		return;
	}
	j->since = clock_wall_ns() - max_age_s * NS_PER_S;
	fresh_ask(j);
}

void
jit_stop(void)
{
	/* What the store holds ends by itself, without an answer. */
	for (struct jit *j = jits, *next; j; j = next) {
		next = j->next;
		j->req = NULL;
		if (j->timer)
			jit_end(j);
	}
}

static void
fresh_ask(struct jit *j)
{
	j->job.run = fresh_run;
	j->job.done = fresh_done;
	store_submit(j->c->store, &j->job);
}

static bool
fresh_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct jit *j = container_of(job, struct jit, job);

	return db_fresh_each(db, j->ns, j->mcis, j->profile, j->since,
	    fresh_one, j, err);
}

static void
fresh_one(void *arg, const struct db_fresh *f)
{
	struct jit *j = arg;
	unsigned lane;

	if (!lane_find(f->kind, f->variant, &lane))
		return;
	VEC_GROW(j->fresh, j->nfresh, j->fresh_cap);
	j->fresh[j->nfresh++] = (struct fresh){ f->id, f->slot, f->gen, lane };
}

static void
fresh_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct jit *j = container_of(job, struct jit, job);

	if (ok && j->req) {
		plan(j);
		return;
	}
	if (j->req)
		httpd_reply_err(j->req, err);
	jit_end(j);
}

/* What of it is missing, on which VMs. */
static void
plan(struct jit *j)
{
	const struct lc_mcis *m = lc_mcis_find(j->c->lc, j->ns, j->mcis);
	unsigned want = bench_kinds_for(j->profile, j->kinds);
	size_t n = 0, up = 0, max = (m ? m->nslots : 0) + j->nvms + 1;
	const char **names = xcalloc(max, sizeof *names);
	unsigned *have = xcalloc(max, sizeof *have);
	struct mw_err err = MW_ERR_INIT;

	for (const struct lc_slot *s = m ? m->slots : NULL; s; s = s->next) {
		if (s->status != LC_RUNNING || !vm_asked(j, s->vm_id))
			continue;
		up++;
		have[n] = have_of(j, s);
		if (want & ~have[n])
			names[n++] = s->vm_id;
	}
	/* Somebody is not there: starting says who, and why not. */
	if (!up || (j->nvms && up < j->nvms))
		for (n = 0; n < j->nvms; n++)
			names[n] = j->vms[n];
	if (m)
		keep_fresh(j, m);
	if (up && !n && (!j->nvms || up == j->nvms)) {
		collect(j);
	} else if (!begin(j, names, have, n, &err)) {
		httpd_reply_err(j->req, &err);
		jit_end(j);
	} else if (!j->wait_ns) {
		actions_reply_with(j->c->actions, j->req, j->action,
		    extra_json(j));
		jit_end(j);
	} else {
		j->timer = loop_timer_new(j->c->loop, on_look, j);
		loop_timer_set(j->timer, LOOK_NS);
	}
	free(names);
	free(have);
}

static unsigned
have_of(const struct jit *j, const struct lc_slot *s)
{
	unsigned have = 0;

	for (size_t i = 0; i < j->nfresh; i++)
		if (j->fresh[i].slot == s->row.slot_id &&
		    j->fresh[i].gen == s->inst.gen)
			have |= LANE_BIT(j->fresh[i].lane);
	return have;
}

static bool
vm_asked(const struct jit *j, const char *vm)
{
	for (size_t i = 0; i < j->nvms; i++)
		if (strcmp(j->vms[i], vm) == 0)
			return true;
	return !j->nvms;
}

static bool
begin(struct jit *j, const char **names, const unsigned *have, size_t n,
    struct mw_err *err)
{
	unsigned want = bench_kinds_for(j->profile, j->kinds), missing = 0;
	struct bench_ask ask = { .ns = j->ns,
		.mcis = j->mcis,
		.profile = j->profile,
		.vms = names,
		.nvms = n,
		.have = have,
		.seed = j->seed };

	for (size_t i = 0; i < n; i++)
		missing |= want & ~have[i];
	ask.kinds = missing ? missing : want;
	j->joined = bench_join(j->c->bench, &ask, j->run, j->action);
	return j->joined ||
	    bench_start(j->c->bench, &ask, j->run, j->action, err);
}

/* Drops what nobody asked for. */
static void
keep_fresh(struct jit *j, const struct lc_mcis *m)
{
	unsigned want = bench_kinds_for(j->profile, j->kinds);
	size_t n = 0;

	for (size_t i = 0; i < j->nfresh; i++) {
		const struct fresh *f = &j->fresh[i];
		const struct lc_slot *s = lc_slot_find(j->c->lc, f->slot);

		if (s && s->mcis == m && s->inst.gen == f->gen &&
		    s->status == LC_RUNNING && vm_asked(j, s->vm_id) &&
		    (want & LANE_BIT(f->lane)))
			j->fresh[n++] = *f;
	}
	j->nfresh = n;
}

static void
timer_free(void *p)
{
	loop_timer_free(p);
}

static void
on_look(void *arg)
{
	struct jit *j = arg;

	bool over = !bench_find(j->c->bench, j->run);

	if (!over && clock_mono_ns() < j->until_ns) {
		loop_timer_set(j->timer, LOOK_NS);
		return;
	}
	/* From here on the store has it, see jit_stop(). The timer that calls
	 * us must outlive this turn. */
	loop_reap(j->c->loop, timer_free, j->timer);
	j->timer = NULL;
	if (over)
		collect(j);
	else
		store_after(j->c->store, answer_later, j);
}

static void
collect(struct jit *j)
{
	j->job = (struct store_job){ .run = collect_run, .done = collect_done };
	store_submit(j->c->store, &j->job);
}

static bool
collect_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct jit *j = container_of(job, struct jit, job);
	struct db_result_filter f = { .ns = j->ns,
		.mcis = j->mcis,
		.kind = -1,
		.limit = 100000 };
	bool found;

	for (size_t i = 0; i < j->nfresh; i++)
		if (!db_result_get(db, j->fresh[i].id, &j->results, &found,
			err))
			return false;
	if (!*j->run)
		return true;
	return num_parse_i64(j->run + 2, strlen(j->run + 2), 1, INT64_MAX,
		   &f.run) &&
	    db_run_list(db, j->ns, j->mcis, f.run, 1, &j->runs, err) &&
	    db_result_list(db, &f, &j->results, err);
}

static void
collect_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct jit *j = container_of(job, struct jit, job);
	struct str out = STR_INIT;

	if (j->req && !ok) {
		httpd_reply_err(j->req, err);
	} else if (j->req) {
		str_add(&out,
		    j->runs.len ? j->runs.p
				: "{\"runId\":null,\"state\":\"done\","
				  "\"vms\":[]}");
		out.p[--out.len] = 0; /* the last brace */
		str_addf(&out,
		    ",\"joined\":%s,\"reused\":%zu,\"results\":[%s]}\n",
		    j->joined ? "true" : "false", j->nfresh,
		    str_cstr(&j->results));
		httpd_reply(j->req, 200, "application/json", out.p, out.len);
	}
	str_free(&out);
	jit_end(j);
}

/* The time is up, and what was begun is durable. */
static void
answer_later(void *arg)
{
	struct jit *j = arg;
	json_t *body, *extra;
	char *where;

	if (j->req) {
		body = actions_json(j->c->actions, j->action);
		extra = extra_json(j);
		if (!body)
			body = json_object();
		json_object_update(body, extra);
		json_decref(extra);
		where = xasprintf("/v1/actions/%s", j->action);
		httpd_reply_header(j->req, "Location", where);
		httpd_reply_json(j->req, 202, body);
		free(where);
	}
	jit_end(j);
}

static json_t *
extra_json(const struct jit *j)
{
	json_t *extra = json_object();

	json_put_str(extra, "runId", j->run);
	json_put_bool(extra, "joined", j->joined);
	json_put_int(extra, "reused", (int64_t)j->nfresh);
	return extra;
}

static void
jit_end(struct jit *j)
{
	struct jit **at = &jits;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	loop_timer_free(j->timer);
	str_free(&j->runs);
	str_free(&j->results);
	free(j->fresh);
	free(j->vms);
	free(j);
}
