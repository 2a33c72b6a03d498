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
		    !in_range(s->other_busy_pct, 0, 100) || s->at_wall_ns < 0) {
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

bool
result_validate(const struct result *r, struct mw_err *err)
{
	if ((unsigned)r->kind >= KIND_COUNT)
		return bad(err, "/kind", "is unknown");
	if ((unsigned)r->validity >= RESULT_VALIDITY_COUNT)
		return bad(err, "/validity", "is unknown");
	if (!check_texts(r, err) || !check_counts(r, err) ||
	    !check_samples(r, err) || !check_quant(r, err))
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
