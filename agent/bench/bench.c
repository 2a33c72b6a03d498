/*
 * bench.c - runs one benchmark job, step by step, on the loop.
 * Promises: one result per asked lane unless canceled, never a value without
 * a measurement, no process and no file left at on_end. Called by jobs.c and
 * main.c.
 */
#include "agent/bench/bench_int.h"

#include "agent/host/sysenv.h"
#include "agent/bench/toolhint.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VERSION_MS 10000
#define REP_SLACK_MS 10000
#define FAILURES_MAX 2

/* The twin's sysbench prints numbers of its world; results say so. */
bool
bench_replays(const struct bench *b)
{
	return strcmp(b->conf.facts->emulated, "replay") == 0;
}

static bool
in_set(const struct lane *l, unsigned set)
{
	return (set & LANE_BIT(l->id)) != 0;
}

void
bench_fail_lanes(struct bench *b, unsigned set, const char *why,
    const char *detail)
{
	for (size_t i = 0; i < b->nlanes; i++) {
		struct lane *l = &b->lanes[i];
		struct str s = STR_INIT;

		if (!l->open || !in_set(l, set))
			continue;
		l->open = false;
		str_copy(l->r.why, sizeof l->r.why, why);
		str_add_escaped(&s, detail, strlen(detail), sizeof l->r.detail);
		str_copy(l->r.detail, sizeof l->r.detail, str_cstr(&s));
		str_free(&s);
		log_info("agent", b->run_id,
		    "no value\tkind=%s variant=%s why=%s",
		    kind_info(l->r.kind)->name, l->r.variant, why);
	}
}

bool
bench_any_open(const struct bench *b, unsigned set)
{
	for (size_t i = 0; i < b->nlanes; i++)
		if (b->lanes[i].open && in_set(&b->lanes[i], set))
			return true;
	return false;
}

struct engine_run *
bench_engine(struct bench *b, unsigned lane)
{
	for (size_t i = 0; i < ENGINES; i++)
		if ((b->engines[i].lanes & LANE_BIT(lane)) != 0)
			return &b->engines[i];
	return NULL;
}

static int64_t
seconds_of(const struct bench *b, const struct lane *l)
{
	if (in_set(l, LANES_SUSTAINED))
		return RULES_SUSTAINED_S;
	if (in_set(l, LANES_LEGACY & FIO_LANES))
		return 30; /* their own argument, see sysbench.c */
	return (int64_t)ceil(b->profile->target_s);
}

struct sysbench_plan
bench_plan(struct bench *b, const struct lane *l)
{
	const struct rules_profile *p = b->profile;
	const struct engine_run *e = bench_engine(b, l->id);
	const struct dbbench *db = e != NULL ? e->db : NULL;
	struct sysbench_plan plan = { .lane = l->id,
		.dialect = b->dialect,
		.step = SYSBENCH_RUN,
		.threads = b->conf.facts->vcpus,
		.seconds = seconds_of(b, l),
		.file_total_mib = p->file_mib,
		.tables = p->tables,
		.table_rows = p->table_rows,
		.program = b->program,
		.db_socket = db != NULL ? dbbench_socket(db) : "",
		.db_user = db != NULL ? dbbench_user(db) : "" };

	if (db != NULL && dbbench_program(db) != NULL) {
		plan.program = dbbench_program(db);
		plan.dialect = SYSBENCH_1_0; /* as our own speaks */
	}
	if (p->by_work && !in_set(l, LANES_SUSTAINED)) {
		plan.events = rules_events(p, l->r.kind,
		    sysbench_threads(&plan), l->rate);
		plan.seconds = 10; /* a guard, should the rate collapse */
	}
	return plan;
}

bool
bench_sysbench(struct bench *b, const struct sysbench_plan *plan,
    int64_t deadline_ms,
    void (*done)(struct child *, const struct child_end *, void *),
    struct mw_err *err)
{
	struct sysbench_argv argv;
	struct child_conf conf = { .argv = argv.v,
		.cwd = b->dir,
		.deadline_ms = deadline_ms,
		.pdeathsig = true };

	if (!sysbench_argv(plan, &argv, err))
		return false;
	return child_start(b->conf.loop, &conf, done, b, &b->child, err);
}

bool
bench_child_over(struct bench *b)
{
	b->child = NULL;
	if (b->ending)
		bench_finish(b);
	return !b->ending;
}

/* Why a child of ours has no result, as a substatus. */
const char *
bench_substatus(const struct child_end *end)
{
	return end->timed_out ? "TIMEOUT" : "PARSE";
}

static void
describe(const struct child_end *end, struct mw_err *err)
{
	if (end->timed_out)
		err_set(err, MW_TIMEOUT, 0, "sysbench was stopped after %lld s",
		    (long long)(end->wall_ns / NS_PER_S));
	else
		err_set(err, MW_REMOTE, 0, "sysbench ended with %s %d",
		    end->exited ? "status" : "signal", end->code);
}

/* Text of a failed run: FATAL is on standard output, complaints about options
 * are on standard error. */
void
bench_explain(const struct child_end *end, unsigned lane,
    enum sysbench_dialect d, struct mw_err *err)
{
	const struct str *texts[] = { &end->out, &end->err };
	struct sysbench_out out;

	for (size_t i = 0; !end->timed_out && i < ARRAY_LEN(texts); i++)
		if (!sysbench_parse(lane, d, str_cstr(texts[i]), texts[i]->len,
			&out, err) &&
		    err->code == MW_REMOTE)
			return;
	describe(end, err);
}

static void
lane_failed(struct bench *b, struct lane *l, const char *why,
    const struct mw_err *err)
{
	log_warn("agent", b->run_id, "%s\tkind=%s why=%s", err->msg,
	    kind_info(l->r.kind)->name, why);
	if (++l->failures >= FAILURES_MAX || l->r.nsamples == 0)
		bench_fail_lanes(b, LANE_BIT(l->id), why, err->msg);
}

static void
on_rep(struct child *c, const struct child_end *end, void *arg)
{
	struct bench *b = arg;
	struct lane *l = b->current;
	struct sysbench_plan plan = bench_plan(b, l);
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_out out;

	(void)c;
	if (!bench_child_over(b))
		return;
	bench_keep_output(b, l, end);
	if (!end->exited || end->code != 0 || end->timed_out) {
		bench_explain(end, l->id, plan.dialect, &err);
		/* a replaying one fails only for want of numbers */
		lane_failed(b, l,
		    bench_replays(b) && end->exited ? "REFUSED"
						    : bench_substatus(end),
		    &err);
	} else if (!sysbench_parse(l->id, plan.dialect, str_cstr(&end->out),
		       end->out.len, &out, &err) ||
	    !(sysbench_value(l->id, &out) <= kind_info(l->r.kind)->max)) {
		if (err.code == MW_OK)
			err_set(&err, MW_PROTO, 0, "the rate cannot be true");
		lane_failed(b, l, "PARSE", &err);
	} else {
		bench_add_sample(b, l, &out, end);
	}
	bench_next(b);
}

static void
step_text(struct bench *b, const struct lane *l)
{
	char text[81], name[LANE_NAME_MAX];

	lane_name(l->id, name);
	snprintf(text, sizeof text, "%s %zu", name, l->r.nsamples);
	b->ops->on_step(b->arg, text);
}

/* The lanes that want more, in a new random order. Those that run for minutes
 * come last: they use up what a burst needs. */
static void
new_sweep(struct bench *b)
{
	b->norder = b->next = 0;
	for (int late = 0; b->norder == 0 && late < 2; late++)
		for (uint32_t i = 0; i < b->nlanes; i++)
			if (b->lanes[i].open &&
			    in_set(&b->lanes[i], LANES_SUSTAINED) == late)
				b->order[b->norder++] = i;
	rng_shuffle(&b->rng, b->order, b->norder);
}

void
bench_next(struct bench *b)
{
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_plan plan;
	int64_t limit_ms;

	while (b->next < b->norder && !b->lanes[b->order[b->next]].open)
		b->next++;
	if (b->next == b->norder)
		new_sweep(b);
	if (b->norder == 0) {
		bench_finish(b);
		return;
	}
	b->current = &b->lanes[b->order[b->next++]];
	plan = bench_plan(b, b->current);
	step_text(b, b->current);
	limit_ms = plan.seconds * 1000 + REP_SLACK_MS;
	bench_window_begin(b);
	if (bench_sysbench(b, &plan, limit_ms, on_rep, &err))
		return;
	bench_fail_lanes(b, LANE_BIT(b->current->id),
	    err.code == MW_UNSUPPORTED || err.code == MW_NOT_FOUND
		? "TOOL_MISSING"
		: "PARSE",
	    err.msg);
	bench_next(b);
}

static void
on_version(struct child *c, const struct child_end *end, void *arg)
{
	struct bench *b = arg;
	struct mw_err err = MW_ERR_INIT;

	(void)c;
	if (!bench_child_over(b))
		return;
	if (!sysbench_version(str_cstr(&end->out), end->out.len, &b->dialect,
		b->version, &err)) {
		bench_fail_lanes(b, ~LANES_DB_LITE, "TOOL_MISSING", err.msg);
	}
	bench_prepare(b);
}

static void
bench_free(void *p)
{
	struct bench *b = p;

	loop_timer_free(b->deadline);
	for (size_t i = 0; i < b->nlanes; i++)
		rawlog_free(b->lanes[i].raw);
	free(b->lanes);
	free(b->dir);
	free(b->run_id);
	free(b);
}

/* A server that still runs, whose end is asked for. */
static bool
stop_servers(struct bench *b)
{
	for (size_t i = 0; i < ENGINES; i++)
		if (b->engines[i].db != NULL) {
			dbbench_stop(b->engines[i].db);
			return true;
		}
	return false;
}

/* Called again until child and database are gone. */
void
bench_finish(struct bench *b)
{
	struct mw_err err = MW_ERR_INIT;

	b->ending = true;
	loop_timer_clear(b->deadline);
	if (b->child != NULL)
		return;
	if (stop_servers(b))
		return;
	if (!file_remove_tree(b->dir, &err))
		log_warn("agent", b->run_id, "%s\taction=ignore", err.msg);
	for (size_t i = 0; b->why_end.code == MW_OK && i < b->nlanes; i++) {
		bench_fold(b, &b->lanes[i]);
		b->ops->on_result(b->arg, &b->lanes[i].r);
	}
	b->ops->on_end(b->arg, &b->why_end);
	loop_reap(b->conf.loop, bench_free, b);
}

static void
stop_work(struct bench *b)
{
	b->ending = true;
	if (b->child != NULL)
		child_cancel(b->child); /* its done calls bench_finish() */
	else
		(void)stop_servers(b);
}

void
bench_cancel(struct bench *b)
{
	if (b->ending)
		return;
	err_set(&b->why_end, MW_CANCELED, 0, "canceled");
	stop_work(b);
}

static void
on_deadline(void *arg)
{
	struct bench *b = arg;

	if (b->ending)
		return;
	log_warn("agent", b->run_id,
	    "deadline\taction=\"end with what is in\"");
	bench_fail_lanes(b, LANES_BENCH, "TIMEOUT",
	    "the job's deadline passed");
	stop_work(b);
}

static void
lanes_init(struct bench *b)
{
	static const struct {
		const char *engine;
		unsigned lanes;
	} engines[ENGINES] = {
		{ "mariadb", LANES_DB_MYSQL },
		{ "pgsql", LANES_DB_PGSQL },
		{ "lite", LANES_DB_LITE },
	};

	b->lanes = xcalloc(LANE_COUNT, sizeof *b->lanes);
	for (unsigned id = 0; id < LANE_COUNT; id++) {
		struct lane *l = &b->lanes[b->nlanes];

		if ((b->conf.kinds & LANE_BIT(id)) == 0)
			continue;
		b->nlanes++;
		l->id = id;
		l->open = true;
		l->r.kind = lane_info(id)->kind;
		l->r.replay = bench_replays(b);
		str_copy(l->r.run_id, sizeof l->r.run_id, b->run_id);
		str_copy(l->r.variant, sizeof l->r.variant,
		    lane_info(id)->variant);
		str_copy(l->r.profile, sizeof l->r.profile, b->profile->name);
	}
	for (size_t i = 0; i < ENGINES; i++)
		b->engines[i] = (struct engine_run){ .b = b,
			.engine = dbengine_find(engines[i].engine),
			.lanes = engines[i].lanes };
}

static bool
start_version(struct bench *b, struct mw_err *err)
{
	const char *argv[] = { b->program, "--version", NULL };
	struct child_conf conf = { .argv = argv,
		.deadline_ms = VERSION_MS,
		.pdeathsig = true };

	return child_start(b->conf.loop, &conf, on_version, b, &b->child, err);
}

/* Without sysbench: results that say so, from the loop as always. */
static void
go_without_tool(void *arg)
{
	struct bench *b = arg;
	char text[200];

	toolhint(TOOL_SYSBENCH, text, sizeof text);
	bench_fail_lanes(b, ~LANES_DB_LITE, "TOOL_MISSING", text);
	bench_prepare(b);
}

bool
bench_start(const struct bench_conf *conf, const struct bench_ops *ops,
    void *arg, struct bench **out, struct mw_err *err)
{
	struct bench *b = xcalloc(1, sizeof *b);
	int64_t left_ns = conf->deadline_ns - clock_mono_ns();

	b->conf = *conf;
	b->conf.kinds = lanes_for(conf->profile, conf->kinds);
	b->ops = ops;
	b->arg = arg;
	b->profile = rules_profile(conf->profile);
	b->run_id = xstrdup(conf->run_id);
	b->dir = xasprintf("%s/milkyway-bench-XXXXXX", conf->dir);
	rng_seed(&b->rng, conf->seed);
	if (b->profile == NULL || b->conf.kinds == 0) {
		err_set(err, MW_INVALID, 0, "unknown profile or no kind");
		goto fail;
	}
	if (mkdtemp(b->dir) == NULL) {
		err_set(err, MW_INTERNAL, errno, "mkdir in %s: %s", conf->dir,
		    strerror(errno));
		goto fail;
	}
	lanes_init(b);
	sysenv_read(&b->env, conf->facts, b->dir, "");
	b->start_ns = clock_mono_ns();
	if (!sysinfo_tool("sysbench", b->program, sizeof b->program))
		loop_reap(conf->loop, go_without_tool, b);
	else if (!start_version(b, err)) {
		rmdir(b->dir);
		goto fail;
	}
	b->deadline = loop_timer_new(conf->loop, on_deadline, b);
	loop_timer_set(b->deadline, left_ns > 0 ? left_ns : 0);
	*out = b;
	return true;
fail:
	free(b->lanes);
	free(b->dir);
	free(b->run_id);
	free(b);
	return false;
}

unsigned
bench_possible(char *missing, size_t size)
{
	static const struct {
		const char *engine;
		unsigned lanes;
	} more[] = { { "pgsql", LANES_DB_PGSQL }, { "lite", LANES_DB_LITE } };
	unsigned set = LANES_BENCH & ~LANES_DB_PGSQL & ~LANES_DB_LITE;
	char path[256];

	str_copy(missing, size, "");
	if (!sysinfo_tool("sysbench", path, sizeof path)) {
		str_copy(missing, size, "sysbench");
		set = 0;
	} else if (!dbbench_available()) {
		str_copy(missing, size, "mariadb-server-core");
		set &= ~LANES_DB_MYSQL;
	}
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		if (dbengine_here(dbengine_find(more[i].engine)))
			set |= more[i].lanes;
	return set;
}
