/*
 * result.c - the table of benchmark kinds; folding of repetitions into one
 * value; the validation that agent and coordinator share.
 */
#include "common/pure/result.h"

#include "common/pure/ids.h"
#include "common/pure/str.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define VALID_MIN 6 /* fewer cannot carry a 95 % interval of the median */
#define SECONDS_MAX 86400.0
#define MS_MAX (SECONDS_MAX * 1000)

static const struct kind_info kinds[KIND_COUNT] = {
	[KIND_CPUS] = { "cpus", "events/s", true, true, 1e6,
	    "CPU, one thread: primes below 10,000" },
	[KIND_CPUM] = { "cpum", "events/s", true, true, 1e9,
	    "CPU, all usable threads: primes below 10,000" },
	[KIND_MEMR] = { "memR", "MiB/s", true, true, 1e8,
	    "memory read, 64 MiB blocks, one thread" },
	[KIND_MEMW] = { "memW", "MiB/s", true, true, 1e8,
	    "memory write, 64 MiB blocks, one thread" },
	[KIND_FIOR] = { "fioR", "MiB/s", true, true, 1e6,
	    "file read, random 4 KiB, direct" },
	[KIND_FIOW] = { "fioW", "MiB/s", true, true, 1e6,
	    "file write, random 4 KiB, direct" },
	[KIND_DBR] = { "dbR", "transactions/s", true, true, 1e7,
	    "database, read-only transactions" },
	[KIND_DBW] = { "dbW", "transactions/s", true, true, 1e7,
	    "database, write-only transactions" },
	[KIND_RTT] = { "rtt", "ms", false, false, 60000,
	    "round-trip time to one address" },
	[KIND_MRTT] = { "mrtt", "ms", false, false, 60000,
	    "round-trip times between all members" },
};

static const char *const validity_names[RESULT_VALIDITY_COUNT] = {
	[RESULT_OK] = "ok",
	[RESULT_CONTENDED] = "contended",
	[RESULT_STOLEN] = "stolen",
	[RESULT_THROTTLED] = "throttled",
	[RESULT_TOO_FEW] = "tooFew",
	[RESULT_FAILED] = "failed",
};

static const char *const convergence_names[RESULT_CONVERGENCE_COUNT] = {
	[RESULT_CONVERGED] = "converged",
	[RESULT_UNCONVERGED] = "unconverged",
	[RESULT_CONV_NONE] = "notApplicable",
};

static const char *const result_flag_names[RESULT_F_COUNT] = { "quota",
	"cacheSuspect", "cached", "overlay", "slope", "rawTruncated" };

static const char *const sample_flag_names[SAMPLE_F_COUNT] = { "share", "tail",
	"otherBusy", "psi", "stolen", "quota" };

const struct kind_info *
kind_info(enum kind k)
{
	assert((unsigned)k < KIND_COUNT);
	return &kinds[k];
}

bool
kind_parse(const char *name, enum kind *out)
{
	for (unsigned i = 0; i < KIND_COUNT; i++)
		if (strcmp(name, kinds[i].name) == 0) {
			*out = (enum kind)i;
			return true;
		}
	return false;
}

const char *
result_validity_name(enum result_validity v)
{
	assert((unsigned)v < RESULT_VALIDITY_COUNT);
	return validity_names[v];
}

bool
result_validity_parse(const char *name, enum result_validity *out)
{
	for (unsigned i = 0; i < RESULT_VALIDITY_COUNT; i++)
		if (strcmp(name, validity_names[i]) == 0) {
			*out = (enum result_validity)i;
			return true;
		}
	return false;
}

const char *
result_convergence_name(enum result_convergence c)
{
	assert((unsigned)c < RESULT_CONVERGENCE_COUNT);
	return convergence_names[c];
}

bool
result_convergence_parse(const char *name, enum result_convergence *out)
{
	for (unsigned i = 1; i < RESULT_CONVERGENCE_COUNT; i++)
		if (strcmp(name, convergence_names[i]) == 0) {
			*out = (enum result_convergence)i;
			return true;
		}
	return false;
}

const char *
result_flag_name(size_t i)
{
	assert(i < RESULT_F_COUNT);
	return result_flag_names[i];
}

const char *
sample_flag_name(size_t i)
{
	assert(i < SAMPLE_F_COUNT);
	return sample_flag_names[i];
}

/* Events per second of own CPU time: what is left of a rate that neighbours
 * cut short. The median over what the value stands for. */
static double
per_own_cpu(const struct result *r, bool all)
{
	double v[RESULT_MAX_SAMPLES];
	struct quant q;
	size_t n = 0;

	for (size_t i = 0; i < r->nsamples; i++) {
		const struct result_sample *s = &r->samples[i];

		if (!s->warmup && (all || !s->contended) && s->cpu_s > 0)
			v[n++] = s->value * s->wall_s / s->cpu_s;
	}
	/* Files and databases wait: their CPU time says little. */
	if (r->kind > KIND_MEMW)
		n = 0;
	quant_of(v, n, &q);
	return q.median;
}

static void
count_samples(const struct result *r, size_t *n, size_t *n_contended)
{
	*n = *n_contended = 0;
	for (size_t i = 0; i < r->nsamples; i++) {
		if (r->samples[i].warmup)
			continue;
		++*n;
		*n_contended += r->samples[i].contended;
	}
}

void
result_fold(struct result *r)
{
	double v[RESULT_MAX_SAMPLES];
	size_t nv = 0;
	bool all;

	assert(r->nsamples <= RESULT_MAX_SAMPLES);
	count_samples(r, &r->n, &r->n_contended);
	r->n_valid = r->n - r->n_contended;
	/* Too few quiet ones: a value of all is better than none, if marked. */
	all = r->n_valid < VALID_MIN;
	for (size_t i = 0; i < r->nsamples; i++)
		if (!r->samples[i].warmup && (all || !r->samples[i].contended))
			v[nv++] = r->samples[i].value;
	quant_of(v, nv, &r->q);
	r->per_own_cpu_s = per_own_cpu(r, all);
	r->has_value = nv > 0;
	r->value = nv > 0 ? r->q.median : 0;
	if (nv == 0) {
		r->validity = RESULT_FAILED;
		if (r->why[0] == '\0')
			str_copy(r->why, sizeof r->why, "NO_SAMPLES");
	} else {
		r->validity = all ? RESULT_TOO_FEW : RESULT_OK;
		r->why[0] = '\0';
	}
}

static bool
bad(struct mw_err *err, const char *pointer, const char *what)
{
	err_set(err, MW_INVALID, 0, "result: %s %s", pointer + 1, what);
	return err_pointer(err, "%s", pointer);
}

static bool
in_range(double v, double min, double max)
{
	return v >= min && v <= max; /* false for NaN */
}

static bool
unknown_or(double v, double max)
{
	return isnan(v) || in_range(v, 0, max);
}

/* Printable text; UTF-8 passes, control bytes do not. */
static bool
text_ok(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static bool
check_texts(const struct result *r, struct mw_err *err)
{
	const struct result_env *e = &r->env;
	const struct {
		const char *pointer, *text;
		size_t size;
		bool word;
	} texts[] = {
		{ "/runId", r->run_id, sizeof r->run_id, true },
		{ "/variant", r->variant, sizeof r->variant, true },
		{ "/profile", r->profile, sizeof r->profile, true },
		{ "/substatus", r->why, sizeof r->why, true },
		{ "/detail", r->detail, sizeof r->detail, false },
		{ "/tool", r->tool, sizeof r->tool, true },
		{ "/toolVersion", r->tool_version, sizeof r->tool_version,
		    false },
		{ "/argv", r->argv, sizeof r->argv, false },
		{ "/rawRef", r->raw.hash, sizeof r->raw.hash, false },
		{ "/env/kernel", e->kernel, sizeof e->kernel, false },
		{ "/env/cpuModel", e->cpu_model, sizeof e->cpu_model, false },
		{ "/env/virt", e->virt, sizeof e->virt, false },
		{ "/env/fs", e->fs, sizeof e->fs, false },
		{ "/env/disk", e->disk, sizeof e->disk, false },
		{ "/env/ioScheduler", e->io_scheduler, sizeof e->io_scheduler,
		    false },
		{ "/env/thp", e->thp, sizeof e->thp, false },
		{ "/env/governor", e->governor, sizeof e->governor, false },
		{ "/env/clockSource", e->clock_source, sizeof e->clock_source,
		    false },
		{ "/env/bootId", e->boot_id, sizeof e->boot_id, false },
		{ "/env/agentVersion", e->agent_version,
		    sizeof e->agent_version, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *t = texts[i].text;

		if (memchr(t, '\0', texts[i].size) == NULL)
			return bad(err, texts[i].pointer, "is too long");
		if (t[0] != '\0' &&
		    (texts[i].word ? !id_word_valid(t, texts[i].size)
				   : !text_ok(t)))
			return bad(err, texts[i].pointer,
			    "has characters that are not allowed");
	}
	return true;
}

static bool
check_samples(const struct result *r, struct mw_err *err)
{
	for (size_t i = 0; i < r->nsamples; i++) {
		const struct result_sample *s = &r->samples[i];

		if (!in_range(s->value, 0, kinds[r->kind].max) ||
		    !in_range(s->wall_s, 0, SECONDS_MAX) ||
		    !in_range(s->cpu_s, 0, SECONDS_MAX * 4096) ||
		    !in_range(s->share, 0, 4096) ||
		    !in_range(s->steal_pct, 0, 100) ||
		    !in_range(s->other_busy_pct, 0, 100) ||
		    !unknown_or(s->psi_pct, 100) ||
		    !unknown_or(s->min_ms, MS_MAX) ||
		    !unknown_or(s->p99_ms, MS_MAX) || s->events < 0 ||
		    s->flags >= 1u << SAMPLE_F_COUNT || s->at_wall_ns < 0) {
			bad(err, "/samples", "hold a number out of range");
			return err_pointer(err, "/samples/%zu", i);
		}
	}
	return true;
}

static bool
check_counts(const struct result *r, struct mw_err *err)
{
	size_t n, n_contended;

	if (r->nsamples > RESULT_MAX_SAMPLES)
		return bad(err, "/samples", "are too many");
	if (r->n_contended > r->n || r->n_valid != r->n - r->n_contended)
		return bad(err, "/nValid", "is not n - nContended");
	if (r->nsamples == 0)
		return true;
	count_samples(r, &n, &n_contended);
	if (n != r->n)
		return bad(err, "/n", "does not agree with the samples");
	if (n_contended != r->n_contended)
		return bad(err, "/nContended",
		    "does not agree with the samples");
	return true;
}

static bool
check_quant(const struct result *r, struct mw_err *err)
{
	const struct quant *q = &r->q;
	const double all[] = { q->min, q->max, q->mean, q->median, q->stddev,
		q->mad, q->cv, q->mad_cv, q->p05, q->p95 };

	if (q->n == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (isinf(all[i]) || all[i] < 0)
			return bad(err, "/median",
			    "or a figure beside it is no finite number");
	if (!(q->min <= q->median && q->median <= q->max))
		return bad(err, "/median", "is outside min..max");
	if (q->max > kinds[r->kind].max)
		return bad(err, "/max", "is larger than can be true");
	if (q->has_ci &&
	    !(q->ci_lo >= 0 && q->ci_lo <= q->median && q->median <= q->ci_hi &&
		q->ci_hi <= q->max && in_range(q->ci_level, 0, 1)))
		return bad(err, "/ciLow", "and ciHigh do not hold the median");
	return true;
}

/* "", or "sha256:" and 64 hex digits in lower case. */
static bool
hash_ok(const char *s)
{
	if (*s == '\0')
		return true;
	return str_starts(s, "sha256:") && strlen(s) == 71 &&
	    strspn(s + 7, "0123456789abcdef") == 64;
}

static bool
check_extras(const struct result *r, struct mw_err *err)
{
	const struct result_latency *l = &r->latency;
	const double ms[] = { l->min, l->avg, l->p50, l->p95, l->p99, l->max };
	const struct result_env *e = &r->env;

	if ((unsigned)r->convergence >= RESULT_CONVERGENCE_COUNT)
		return bad(err, "/convergence", "is unknown");
	if (r->flags >= 1u << RESULT_F_COUNT)
		return bad(err, "/flags", "are unknown");
	for (size_t i = 0; r->has_latency && i < ARRAY_LEN(ms); i++)
		if (!unknown_or(ms[i], MS_MAX))
			return bad(err, "/latencyMs", "is out of range");
	if (!unknown_or(r->per_own_cpu_s, 1e12))
		return bad(err, "/perOwnCpuS", "is out of range");
	if (!hash_ok(r->raw.hash) || r->raw.bytes < 0 ||
	    r->raw.bytes > RESULT_RAW_MAX)
		return bad(err, "/rawRef", "is no sha256 of a text");
	if (r->has_env &&
	    (!(unknown_or(e->cpu_mhz, 1e6)) || !unknown_or(e->cpu_quota, 1e6) ||
		e->vcpus > 65536 || e->smt > 1))
		return bad(err, "/env", "holds a number out of range");
	return true;
}

bool
result_validate(const struct result *r, struct mw_err *err)
{
	if ((unsigned)r->kind >= KIND_COUNT)
		return bad(err, "/kind", "is unknown");
	if ((unsigned)r->validity >= RESULT_VALIDITY_COUNT)
		return bad(err, "/validity", "is unknown");
	if (!check_texts(r, err) || !check_counts(r, err) ||
	    !check_samples(r, err) || !check_quant(r, err) ||
	    !check_extras(r, err))
		return false;
	if (r->has_value != (r->validity != RESULT_FAILED))
		return bad(err, "/value",
		    "must be there unless validity is failed");
	if (r->has_value && !in_range(r->value, 0, kinds[r->kind].max))
		return bad(err, "/value", "is out of range");
	if (!r->has_value && r->why[0] == '\0')
		return bad(err, "/substatus", "must say why there is no value");
	if (!in_range(r->elapsed_s, 0, 7 * SECONDS_MAX))
		return bad(err, "/elapsedS", "is out of range");
	if (r->at_wall_ns < 0)
		return bad(err, "/measuredAt", "is before 1970");
	return true;
}
