/*
 * bench.c - runs one benchmark job, step by step, on the loop.
 * Promises: one result per asked kind unless canceled, never a value without
 * a measurement, no process and no file left at on_end. Called by jobs.c and
 * main.c.
 */
#include "agent/bench_int.h"

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

static bool
in_mask(enum kind k, unsigned mask)
{
	return (mask >> k & 1) != 0;
}

/* The twin's sysbench prints numbers of its world; results say so. */
bool
bench_replays(const struct bench *b)
{
	return strcmp(b->conf.facts->emulated, "replay") == 0;
}

/* Ends those kinds without a value. */
void
bench_fail_kinds(struct bench *b, unsigned mask, const char *why,
    const char *detail)
{
	for (unsigned k = 0; k < LANES; k++) {
		struct lane *l = &b->lanes[k];
		struct str s = STR_INIT;

		if (!l->open || !in_mask((enum kind)k, mask))
			continue;
		l->open = false;
		str_copy(l->r.why, sizeof l->r.why, why);
		str_add_escaped(&s, detail, strlen(detail),
		    sizeof l->r.detail / 4);
		str_copy(l->r.detail, sizeof l->r.detail, str_cstr(&s));
		str_free(&s);
		log_info("agent", b->run_id, "no value\tkind=%s why=%s",
		    kind_info((enum kind)k)->name, why);
	}
}

bool
bench_any_open(const struct bench *b, unsigned mask)
{
	for (unsigned k = 0; k < LANES; k++)
		if (b->lanes[k].open && in_mask((enum kind)k, mask))
			return true;
	return false;
}

struct sysbench_plan
bench_plan(const struct bench *b, enum kind k)
{
	const struct rules_profile *p = b->profile;
	struct sysbench_plan plan = { .kind = k,
		.dialect = b->dialect,
		.step = SYSBENCH_RUN,
		.threads = b->conf.facts->vcpus,
		.seconds = (int64_t)ceil(p->target_s),
		.file_total_mib = p->file_mib,
		.tables = p->tables,
		.table_rows = p->table_rows,
		.program = b->program,
		.db_socket = b->db != NULL ? dbbench_socket(b->db) : "",
		.db_user = b->db != NULL ? dbbench_user(b->db) : "" };

	if (p->by_work) {
		plan.events = rules_events(p, k, sysbench_threads(&plan),
		    b->lanes[k].rate);
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
bench_explain(const struct child_end *end, enum kind k, enum sysbench_dialect d,
    struct mw_err *err)
{
	const struct str *texts[] = { &end->out, &end->err };
	struct sysbench_out out;

	for (size_t i = 0; !end->timed_out && i < ARRAY_LEN(texts); i++)
		if (!sysbench_parse(k, d, str_cstr(texts[i]), texts[i]->len,
			&out, err) &&
		    err->code == MW_REMOTE)
			return;
	describe(end, err);
}

static void
window_begin(struct bench *b)
{
	b->has_cpu0 = sysinfo_cpu(b->conf.monitor, &b->cpu0);
	b->has_psi0 = sysinfo_pressure(b->conf.monitor, &b->psi0);
	b->db_cpu0 = b->db != NULL ? dbbench_cpu_ns(b->db) : 0;
	b->wall0 = clock_wall_ns();
	b->mono0 = clock_mono_ns();
}

static void
window_end(struct bench *b, const struct child_end *end,
    const struct sysbench_out *out, struct rules_window *w)
{
	double span_s = (double)(clock_mono_ns() - b->mono0) / 1e9;
	struct sysinfo_cpu c;
	uint64_t psi;
	struct sysbench_plan plan = bench_plan(b, b->current);

	*w = (struct rules_window){ .wall_s = (double)end->wall_ns / 1e9,
		.cpu_s = (double)end->cpu_ns / 1e9,
		.threads = sysbench_threads(&plan),
		.cpu_quota = b->conf.facts->cpu_quota,
		.host_counters = b->conf.facts->emulated[0] == '\0',
		.ticks_per_s = (double)sysconf(_SC_CLK_TCK),
		.psi_pct = -1,
		.min_ms = out->min_ms,
		.p99_ms =
		    isnan(out->hist_p99_ms) ? out->p99_ms : out->hist_p99_ms };
	if (in_mask(b->current, DB_MASK) && b->db != NULL) {
		int64_t used = dbbench_cpu_ns(b->db) - b->db_cpu0;

		w->cpu_s += used > 0 ? (double)used / 1e9 : 0;
	}
	if (b->has_cpu0 && sysinfo_cpu(b->conf.monitor, &c) &&
	    c.total > b->cpu0.total && c.idle >= b->cpu0.idle &&
	    c.steal >= b->cpu0.steal) {
		w->ticks = (int64_t)(c.total - b->cpu0.total);
		w->steal_ticks = (int64_t)(c.steal - b->cpu0.steal);
		w->busy_ticks = w->ticks - w->steal_ticks -
		    (int64_t)(c.idle - b->cpu0.idle);
	}
	if (b->has_psi0 && sysinfo_pressure(b->conf.monitor, &psi) &&
	    psi >= b->psi0 && span_s > 0)
		w->psi_pct = (double)(psi - b->psi0) / (span_s * 1e4);
}

static void
lane_failed(struct bench *b, struct lane *l, const char *why,
    const struct mw_err *err)
{
	log_warn("agent", b->run_id, "%s\tkind=%s why=%s", err->msg,
	    kind_info(l->r.kind)->name, why);
	if (++l->failures >= FAILURES_MAX || l->r.nsamples == 0)
		bench_fail_kinds(b, 1u << l->r.kind, why, err->msg);
}

static void
add_sample(struct bench *b, struct lane *l, const struct sysbench_out *out,
    const struct child_end *end)
{
	struct result_sample *s = &l->r.samples[l->r.nsamples];
	struct rules_window w;

	window_end(b, end, out, &w);
	memset(s, 0, sizeof *s);
	s->at_wall_ns = b->wall0;
	s->value = sysbench_value(l->r.kind, out);
	rules_judge(b->profile, l->r.kind, &w, s);
	if (l->r.replay) /* nothing ran that could be disturbed */
		s->contended = false;
	s->warmup = l->r.nsamples == 0;
	if (l->r.nsamples++ == 0)
		l->r.at_wall_ns = b->wall0;
	l->r.elapsed_s += w.wall_s;
	l->rate = (double)out->events / out->total_s;
	if (!s->warmup && rules_enough(b->profile, &l->r))
		l->open = false;
	log_debug("agent", b->run_id,
	    "repetition\tkind=%s value=%.1f wall_s=%.3f share=%.3f "
	    "other_pct=%.1f psi_pct=%.1f contended=%d",
	    kind_info(l->r.kind)->name, s->value, s->wall_s, s->share,
	    s->other_busy_pct, w.psi_pct, s->contended);
}

static void
on_rep(struct child *c, const struct child_end *end, void *arg)
{
	struct bench *b = arg;
	struct lane *l = &b->lanes[b->current];
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_out out;

	(void)c;
	b->child = NULL;
	if (b->ending) {
		bench_finish(b);
		return;
	}
	if (!end->exited || end->code != 0 || end->timed_out) {
		bench_explain(end, b->current, b->dialect, &err);
		lane_failed(b, l, bench_substatus(end), &err);
	} else if (!sysbench_parse(b->current, b->dialect, str_cstr(&end->out),
		       end->out.len, &out, &err) ||
	    !(sysbench_value(b->current, &out) <= kind_info(b->current)->max)) {
		if (err.code == MW_OK)
			err_set(&err, MW_PROTO, 0, "the rate cannot be true");
		lane_failed(b, l, "PARSE", &err);
	} else {
		add_sample(b, l, &out, end);
	}
	bench_next(b);
}

static void
step_text(struct bench *b, const struct lane *l)
{
	char text[81];

	snprintf(text, sizeof text, "%s %zu", kind_info(l->r.kind)->name,
	    l->r.nsamples);
	b->ops->on_step(b->arg, text);
}

/* The kinds that want more, in a new random order. */
static void
new_sweep(struct bench *b)
{
	b->norder = b->next = 0;
	for (uint32_t k = 0; k < LANES; k++)
		if (b->lanes[k].open)
			b->order[b->norder++] = k;
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
	b->current = (enum kind)b->order[b->next++];
	plan = bench_plan(b, b->current);
	step_text(b, &b->lanes[b->current]);
	limit_ms = plan.seconds * 1000 + REP_SLACK_MS;
	window_begin(b);
	if (bench_sysbench(b, &plan, limit_ms, on_rep, &err))
		return;
	bench_fail_kinds(b, 1u << b->current,
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
	b->child = NULL;
	if (b->ending) {
		bench_finish(b);
		return;
	}
	if (!sysbench_version(str_cstr(&end->out), end->out.len, &b->dialect,
		b->version, &err)) {
		bench_fail_kinds(b, BENCH_KINDS, "TOOL_MISSING", err.msg);
		bench_finish(b);
		return;
	}
	bench_prepare(b);
}

/* validity of a kind with too few quiet repetitions: what disturbed them. */
static void
name_disturbance(struct result *r)
{
	size_t stolen = 0;

	if (r->validity != RESULT_TOO_FEW || r->n_contended == 0)
		return;
	for (size_t i = 0; i < r->nsamples; i++)
		stolen += !r->samples[i].warmup && r->samples[i].contended &&
		    r->samples[i].steal_pct > 1;
	r->validity =
	    2 * stolen > r->n_contended ? RESULT_STOLEN : RESULT_CONTENDED;
}

static void
deliver(struct bench *b, struct lane *l)
{
	struct result *r = &l->r;
	char why[sizeof r->why];

	str_copy(why, sizeof why, r->why);
	result_fold(r); /* clears why if there is a value */
	if (!r->has_value && why[0] != '\0')
		str_copy(r->why, sizeof r->why, why);
	if (r->has_value)
		r->detail[0] = '\0';
	name_disturbance(r);
	if (b->version[0] != '\0') {
		str_copy(r->tool, sizeof r->tool, "sysbench");
		str_copy(r->tool_version, sizeof r->tool_version, b->version);
	}
	if (r->at_wall_ns == 0)
		r->at_wall_ns = clock_wall_ns();
	b->ops->on_result(b->arg, r);
}

static void
bench_free(void *p)
{
	struct bench *b = p;

	loop_timer_free(b->deadline);
	free(b->dir);
	free(b->run_id);
	free(b);
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
	if (b->db != NULL) {
		dbbench_stop(b->db);
		return;
	}
	if (!file_remove_tree(b->dir, &err))
		log_warn("agent", b->run_id, "%s\taction=ignore", err.msg);
	for (unsigned k = 0; k < LANES; k++)
		if (b->why_end.code == MW_OK &&
		    in_mask((enum kind)k, b->conf.kinds))
			deliver(b, &b->lanes[k]);
	b->ops->on_end(b->arg, &b->why_end);
	loop_reap(b->conf.loop, bench_free, b);
}

static void
stop_work(struct bench *b)
{
	b->ending = true;
	if (b->child != NULL)
		child_cancel(b->child); /* its done calls bench_finish() */
	else if (b->db != NULL)
		dbbench_stop(b->db);
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
	bench_fail_kinds(b, BENCH_KINDS, "TIMEOUT",
	    "the job's deadline passed");
	stop_work(b);
}

static void
lanes_init(struct bench *b)
{
	for (unsigned k = 0; k < LANES; k++) {
		struct lane *l = &b->lanes[k];

		l->open = in_mask((enum kind)k, b->conf.kinds);
		l->r.kind = (enum kind)k;
		l->r.replay = bench_replays(b);
		str_copy(l->r.run_id, sizeof l->r.run_id, b->run_id);
		str_copy(l->r.variant, sizeof l->r.variant, "std");
		str_copy(l->r.profile, sizeof l->r.profile, b->profile->name);
	}
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
end_without_tool(void *arg)
{
	struct bench *b = arg;

	bench_fail_kinds(b, BENCH_KINDS, "TOOL_MISSING",
	    "sysbench is not installed");
	bench_finish(b);
}

bool
bench_start(const struct bench_conf *conf, const struct bench_ops *ops,
    void *arg, struct bench **out, struct mw_err *err)
{
	struct bench *b = xcalloc(1, sizeof *b);
	int64_t left_ns = conf->deadline_ns - clock_mono_ns();

	b->conf = *conf;
	b->conf.kinds &= BENCH_KINDS;
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
	if (!sysinfo_tool("sysbench", b->program, sizeof b->program))
		loop_reap(conf->loop, end_without_tool, b);
	else if (!start_version(b, err)) {
		rmdir(b->dir);
		goto fail;
	}
	b->deadline = loop_timer_new(conf->loop, on_deadline, b);
	loop_timer_set(b->deadline, left_ns > 0 ? left_ns : 0);
	*out = b;
	return true;
fail:
	free(b->dir);
	free(b->run_id);
	free(b);
	return false;
}

unsigned
bench_possible(char *missing, size_t size)
{
	char path[256];

	str_copy(missing, size, "");
	if (!sysinfo_tool("sysbench", path, sizeof path)) {
		str_copy(missing, size, "sysbench");
		return 0;
	}
	if (!dbbench_available()) {
		str_copy(missing, size, "mariadb-server-core");
		return BENCH_KINDS & ~DB_MASK;
	}
	return BENCH_KINDS;
}
