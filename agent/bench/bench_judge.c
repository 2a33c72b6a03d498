/*
 * bench_judge.c - what a repetition is worth: counters around it, its sample,
 * its output, and the result that follows from all of them. Promises: nothing
 * of what was measured is dropped without a flag. Called by bench.c.
 */
#include "agent/bench/bench_int.h"

#include "agent/host/sysenv.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/pure/str.h"
#include "common/pure/when.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECONDS_MAX 512 /* of a sustained run that are looked at */
#define BUCKET_S 5 /* its samples: means of so many seconds */

static bool
is_sustained(const struct lane *l)
{
	return (LANES_SUSTAINED & LANE_BIT(l->id)) != 0;
}

void
bench_window_begin(struct bench *b)
{
	struct bench_window *w = &b->begin;
	struct engine_run *e = bench_engine(b, b->current->id);

	w->has_cpu = sysinfo_cpu(b->conf.monitor, &w->cpu);
	w->has_psi = sysinfo_pressure(b->conf.monitor, &w->psi_us);
	w->db_cpu_ns = e != NULL && e->db != NULL ? dbbench_cpu_ns(e->db) : 0;
	w->throttled_us =
	    b->conf.facts->cpu_quota > 0 ? sysenv_throttled_us("") : -1;
	w->wall_ns = clock_wall_ns();
	w->mono_ns = clock_mono_ns();
}

static void
window_ticks(const struct bench *b, struct rules_window *w)
{
	const struct bench_window *o = &b->begin;
	struct sysinfo_cpu c;

	if (!o->has_cpu || !sysinfo_cpu(b->conf.monitor, &c) ||
	    c.total <= o->cpu.total || c.idle < o->cpu.idle ||
	    c.steal < o->cpu.steal)
		return;
	w->ticks = (int64_t)(c.total - o->cpu.total);
	w->steal_ticks = (int64_t)(c.steal - o->cpu.steal);
	w->busy_ticks =
	    w->ticks - w->steal_ticks - (int64_t)(c.idle - o->cpu.idle);
}

static void
window_end(struct bench *b, const struct child_end *end,
    const struct sysbench_out *out, struct rules_window *w)
{
	const struct bench_window *o = &b->begin;
	double span_s = (double)(clock_mono_ns() - o->mono_ns) / 1e9;
	struct engine_run *e = bench_engine(b, b->current->id);
	struct sysbench_plan plan = bench_plan(b, b->current);
	int64_t throttled;
	uint64_t psi;

	*w = (struct rules_window){ .wall_s = (double)end->wall_ns / 1e9,
		.cpu_s = (double)end->cpu_ns / 1e9,
		.threads = sysbench_threads(&plan),
		.cpu_quota = b->conf.facts->cpu_quota,
		.host_counters = b->conf.facts->emulated[0] == '\0',
		.ticks_per_s = (double)sysconf(_SC_CLK_TCK),
		.psi_pct = -1,
		.throttled_s = -1,
		.min_ms = out->min_ms,
		.p99_ms =
		    isnan(out->hist_p99_ms) ? out->p99_ms : out->hist_p99_ms };
	if (e != NULL && e->db != NULL) {
		int64_t used = dbbench_cpu_ns(e->db) - o->db_cpu_ns;

		w->cpu_s += used > 0 ? (double)used / 1e9 : 0;
	}
	window_ticks(b, w);
	if (o->has_psi && sysinfo_pressure(b->conf.monitor, &psi) &&
	    psi >= o->psi_us && span_s > 0)
		w->psi_pct = (double)(psi - o->psi_us) / (span_s * 1e4);
	throttled = o->throttled_us >= 0 ? sysenv_throttled_us("") : -1;
	if (throttled >= o->throttled_us && throttled >= 0)
		w->throttled_s = (double)(throttled - o->throttled_us) / 1e6;
}

static void
add_latency(struct lane *l, const struct sysbench_out *out)
{
	double n = (double)out->events;

	sysbench_hist_add(&l->hist, &out->hist);
	if (isnan(out->min_ms) || isnan(out->avg_ms) || isnan(out->max_ms))
		return;
	if (l->events <= 0 || out->min_ms < l->min_ms)
		l->min_ms = out->min_ms;
	if (l->events <= 0 || out->max_ms > l->max_ms)
		l->max_ms = out->max_ms;
	l->sum_ms += out->avg_ms * n;
	l->events += n;
}

/* One long run becomes samples of five seconds. Shares and counters are those
 * of the whole run: nobody looked in between. */
static bool
add_buckets(struct bench *b, struct lane *l, const struct result_sample *whole,
    const struct child_end *end)
{
	double rate[SECONDS_MAX];
	size_t n = sysbench_intervals(l->id, str_cstr(&end->out), end->out.len,
	    rate, SECONDS_MAX);

	for (size_t i = 0;
	     i + BUCKET_S <= n && l->r.nsamples < RESULT_MAX_SAMPLES;
	     i += BUCKET_S) {
		struct result_sample *s = &l->r.samples[l->r.nsamples++];

		*s = *whole;
		s->at_wall_ns = b->begin.wall_ns + (int64_t)i * NS_PER_S;
		s->value = 0;
		for (size_t k = 0; k < BUCKET_S; k++)
			s->value += rate[i + k] / BUCKET_S;
		s->wall_s = BUCKET_S;
		s->cpu_s = whole->wall_s > 0
		    ? whole->cpu_s * BUCKET_S / whole->wall_s
		    : 0;
		s->events = 0;
		s->min_ms = s->p99_ms = NAN;
	}
	return n >= BUCKET_S;
}

void
bench_add_sample(struct bench *b, struct lane *l,
    const struct sysbench_out *out, const struct child_end *end)
{
	struct result_sample s = { .at_wall_ns = b->begin.wall_ns };
	struct rules_window w;
	bool once = is_sustained(l) || !b->profile->warmup;

	window_end(b, end, out, &w);
	rules_judge(b->profile, l->r.kind, &w, &s);
	s.value = sysbench_value(l->id, out);
	s.events = out->events;
	s.warmup = !once && l->r.nsamples == 0;
	if (l->r.replay) { /* nothing ran that could be disturbed */
		s.contended = false;
		s.flags = 0;
	}
	if (l->r.nsamples == 0)
		l->r.at_wall_ns = s.at_wall_ns;
	if (!is_sustained(l) || !add_buckets(b, l, &s, end))
		l->r.samples[l->r.nsamples++] = s;
	if (!s.warmup && !s.contended)
		add_latency(l, out);
	l->r.elapsed_s += w.wall_s;
	l->rate = (double)out->events / out->total_s;
	if (is_sustained(l) ||
	    (!s.warmup &&
		rules_enough(b->profile, &l->r,
		    (double)(clock_mono_ns() - b->start_ns) / 1e9)))
		l->open = false;
	log_debug("agent", b->run_id,
	    "repetition\tkind=%s variant=%s value=%.1f wall_s=%.3f "
	    "share=%.3f other_pct=%.1f psi_pct=%.1f flags=%x",
	    kind_info(l->r.kind)->name, l->r.variant, s.value, s.wall_s,
	    s.share, s.other_busy_pct, s.psi_pct, s.flags);
}

/* An argument as it is told: without our path and our folder, which say
 * nothing about the measurement. */
static void
add_arg(const struct bench *b, const char *arg, bool program, char *to,
    size_t size)
{
	const char *dir = strstr(arg, b->dir), *slash = strrchr(arg, '/');
	size_t used = strlen(to);
	char text[256];

	if (program)
		snprintf(text, sizeof text, "%s",
		    slash != NULL ? slash + 1 : arg);
	else if (dir != NULL)
		snprintf(text, sizeof text, "%.*sDIR%s", (int)(dir - arg), arg,
		    dir + strlen(b->dir));
	else
		snprintf(text, sizeof text, "%s", arg);
	if (strchr(text, ' ') == NULL && strlen(text) + used + 2 < size)
		snprintf(to + used, size - used, "%s%s", used > 0 ? " " : "",
		    text);
}

void
bench_keep_output(struct bench *b, struct lane *l, const struct child_end *end)
{
	struct sysbench_plan plan = bench_plan(b, l);
	struct sysbench_argv argv;
	struct mw_err err = MW_ERR_INIT;
	char heading[RESULT_ARGV_MAX + 96], at[WHEN_LEN];

	if (!sysbench_argv(&plan, &argv, &err))
		return;
	l->r.argv[0] = '\0';
	for (size_t i = 0; i < argv.n; i++)
		add_arg(b, argv.v[i], i == 0, l->r.argv, sizeof l->r.argv);
	if (l->raw == NULL)
		l->raw = rawlog_new();
	when_format(b->begin.wall_ns, at);
	snprintf(heading, sizeof heading, "==> %s, %s %d: %s", at,
	    end->exited ? "status" : "signal", end->code, l->r.argv);
	rawlog_add(l->raw, heading, str_cstr(&end->out), end->out.len);
	if (end->err.len > 0)
		rawlog_add(l->raw, "==> standard error", str_cstr(&end->err),
		    end->err.len);
}

/* validity of a lane with too few quiet repetitions: what disturbed them. */
static void
name_disturbance(struct result *r)
{
	size_t stolen = 0;

	if (r->validity != RESULT_TOO_FEW || r->n_contended == 0)
		return;
	for (size_t i = 0; i < r->nsamples; i++)
		stolen += !r->samples[i].warmup &&
		    (r->samples[i].flags & SAMPLE_STOLEN) != 0;
	r->validity =
	    2 * stolen > r->n_contended ? RESULT_STOLEN : RESULT_CONTENDED;
}

/* Later repetitions are slower: by itself, or nobody knows why. */
static void
name_slope(const struct bench *b, struct result *r)
{
	enum rules_slope slope = rules_slope(b->profile, r);

	if (!r->has_value || r->replay || slope == RULES_STEADY ||
	    r->kind == KIND_MEMR || r->kind == KIND_MEMW ||
	    r->kind == KIND_DBR || r->kind == KIND_DBW)
		return;
	r->flags |= RESULT_F_SLOPE;
	if (slope == RULES_THROTTLED)
		r->validity = RESULT_THROTTLED;
}

static void
fold_latency(struct lane *l)
{
	struct result *r = &l->r;

	r->has_latency = l->events > 0;
	if (!r->has_latency)
		return;
	r->latency = (struct result_latency){ .min = l->min_ms,
		.avg = l->sum_ms / l->events,
		.p50 = sysbench_hist_pct(&l->hist, 50),
		.p95 = sysbench_hist_pct(&l->hist, 95),
		.p99 = sysbench_hist_pct(&l->hist, 99),
		.max = l->max_ms };
}

static void
name_tool(struct bench *b, struct lane *l)
{
	struct engine_run *e = bench_engine(b, l->id);
	struct result *r = &l->r;

	if (e != NULL && e->engine->tool_name[0] != '\0') {
		str_copy(r->tool, sizeof r->tool, e->engine->tool_name);
		str_copy(r->tool_version, sizeof r->tool_version, MW_VERSION);
	} else if (b->version[0] != '\0') {
		str_copy(r->tool, sizeof r->tool, "sysbench");
		str_copy(r->tool_version, sizeof r->tool_version, b->version);
	}
}

void
bench_fold(struct bench *b, struct lane *l)
{
	struct result *r = &l->r;
	char why[sizeof r->why];
	bool truncated = false;

	str_copy(why, sizeof why, r->why);
	result_fold(r); /* clears why if there is a value */
	if (!r->has_value && why[0] != '\0')
		str_copy(r->why, sizeof r->why, why);
	if (r->has_value)
		r->detail[0] = '\0';
	name_disturbance(r);
	name_slope(b, r);
	fold_latency(l);
	name_tool(b, l);
	r->env = b->env;
	r->has_env = true;
	if ((FIO_LANES & LANE_BIT(l->id)) != 0)
		r->env.file_mib = b->profile->file_mib;
	if (r->has_value && !r->replay)
		r->flags |=
		    rules_flags(l->id, r, strstr(r->argv, "direct") != NULL);
	r->convergence = is_sustained(l) ? RESULT_CONV_NONE
					 : rules_convergence(b->profile, r);
	r->seed = b->conf.seed;
	if (l->raw != NULL)
		rawlog_end(l->raw, &r->raw, &truncated);
	if (truncated)
		r->flags |= RESULT_F_RAW_TRUNCATED;
	if (r->at_wall_ns == 0)
		r->at_wall_ns = clock_wall_ns();
}
