/*
 * proto_result.c - results as JSON, both ways. The decoder is strict: an
 * unknown field, a wrong type or a number out of range refuses the whole.
 * Fields that older agents do not send are optional.
 */
#include "common/proto.h"

#include "common/pure/str.h"
#include "common/pure/when.h"

#include <math.h>
#include <string.h>

#define COUNT_MAX 1000000
#define ARGS_MAX 40
#define RAW_BASE64_MAX (RESULT_RAW_PACKED_MAX / 3 * 4 + 8)

/* The figures of struct quant by name. */
static const struct quant_field {
	const char *name;
	size_t offset;
} quant_fields[] = {
	{ "median", offsetof(struct quant, median) },
	{ "mean", offsetof(struct quant, mean) },
	{ "stddev", offsetof(struct quant, stddev) },
	{ "mad", offsetof(struct quant, mad) },
	{ "cv", offsetof(struct quant, cv) },
	{ "madCv", offsetof(struct quant, mad_cv) },
	{ "p05", offsetof(struct quant, p05) },
	{ "p95", offsetof(struct quant, p95) },
	{ "min", offsetof(struct quant, min) },
	{ "max", offsetof(struct quant, max) },
	{ "ciLow", offsetof(struct quant, ci_lo) },
	{ "ciHigh", offsetof(struct quant, ci_hi) },
	{ "ciLevel", offsetof(struct quant, ci_level) },
};

static const struct sample_field {
	const char *name;
	size_t offset;
	double absent; /* if the field is not there */
} sample_fields[] = {
	{ "value", offsetof(struct result_sample, value), 0 },
	{ "wallS", offsetof(struct result_sample, wall_s), 0 },
	{ "cpuS", offsetof(struct result_sample, cpu_s), 0 },
	{ "share", offsetof(struct result_sample, share), 0 },
	{ "stealPct", offsetof(struct result_sample, steal_pct), 0 },
	{ "otherBusyPct", offsetof(struct result_sample, other_busy_pct), 0 },
	{ "psiCpuPct", offsetof(struct result_sample, psi_pct), (double)NAN },
	{ "minMs", offsetof(struct result_sample, min_ms), (double)NAN },
	{ "p99Ms", offsetof(struct result_sample, p99_ms), (double)NAN },
};

static const struct latency_field {
	const char *name;
	size_t offset;
} latency_fields[] = {
	{ "min", offsetof(struct result_latency, min) },
	{ "avg", offsetof(struct result_latency, avg) },
	{ "p50", offsetof(struct result_latency, p50) },
	{ "p95", offsetof(struct result_latency, p95) },
	{ "p99", offsetof(struct result_latency, p99) },
	{ "max", offsetof(struct result_latency, max) },
};

/* Figures of the machine: < 0 or NAN is unknown, and null on the wire. */
static const struct env_text {
	const char *name;
	size_t offset, size;
} env_texts[] = {
#define T(name, field)                                         \
	{                                                      \
		(name), offsetof(struct result_env, field),    \
		    sizeof(((struct result_env *)NULL)->field) \
	}
	T("kernel", kernel),
	T("cpuModel", cpu_model),
	T("virt", virt),
	T("fs", fs),
	T("disk", disk),
	T("ioScheduler", io_scheduler),
	T("thp", thp),
	T("governor", governor),
	T("clockSource", clock_source),
	T("bootId", boot_id),
	T("agentVersion", agent_version),
#undef T
};

static const struct env_int {
	const char *name;
	size_t offset;
} env_ints[] = {
	{ "vcpus", offsetof(struct result_env, vcpus) },
	{ "numaNodes", offsetof(struct result_env, numa_nodes) },
	{ "l3KiB", offsetof(struct result_env, l3_kib) },
	{ "memoryMiB", offsetof(struct result_env, memory_mib) },
	{ "uptimeS", offsetof(struct result_env, uptime_s) },
	{ "fileMiB", offsetof(struct result_env, file_mib) },
};

static double *
double_at(void *base, size_t offset)
{
	return (double *)(void *)((char *)base + offset);
}

static double
double_of(const void *base, size_t offset)
{
	double v;

	memcpy(&v, (const char *)base + offset, sizeof v);
	return v;
}

static void
put_text(json_t *j, const char *key, const char *s)
{
	json_put_str(j, key, s[0] != '\0' ? s : NULL);
}

static json_t *
sample_encode(const struct result_sample *s)
{
	json_t *j = json_object(), *flags = json_array();

	json_put_time(j, "at", s->at_wall_ns);
	for (size_t i = 0; i < ARRAY_LEN(sample_fields); i++)
		json_put_num(j, sample_fields[i].name,
		    double_of(s, sample_fields[i].offset));
	json_put(j, "events", s->events > 0 ? json_integer(s->events) : NULL);
	if (s->warmup)
		json_array_append_new(flags, json_string("warmup"));
	if (s->contended)
		json_array_append_new(flags, json_string("contended"));
	for (size_t i = 0; i < SAMPLE_F_COUNT; i++)
		if ((s->flags >> i & 1) != 0)
			json_array_append_new(flags,
			    json_string(sample_flag_name(i)));
	json_put(j, "flags", flags);
	return j;
}

static json_t *
env_encode(const struct result_env *e)
{
	const char *base = (const char *)e;
	json_t *j = json_object();

	for (size_t i = 0; i < ARRAY_LEN(env_texts); i++)
		put_text(j, env_texts[i].name, base + env_texts[i].offset);
	for (size_t i = 0; i < ARRAY_LEN(env_ints); i++) {
		int64_t v;

		memcpy(&v, base + env_ints[i].offset, sizeof v);
		json_put(j, env_ints[i].name, v >= 0 ? json_integer(v) : NULL);
	}
	json_put(j, "smt", e->smt >= 0 ? json_boolean(e->smt != 0) : NULL);
	json_put_num(j, "cpuMhz", e->cpu_mhz);
	json_put_num(j, "cpuQuota", e->cpu_quota > 0 ? e->cpu_quota : NAN);
	return j;
}

static json_t *
argv_encode(const char *argv)
{
	json_t *a = json_array();

	while (*argv != '\0') {
		size_t n = strcspn(argv, " ");

		if (n > 0)
			json_array_append_new(a, json_stringn(argv, n));
		argv += n + (argv[n] == ' ');
	}
	return a;
}

static json_t *
raw_encode(const struct result_raw *raw)
{
	json_t *j = json_object();

	json_put_int(j, "bytes", raw->bytes);
	json_put_str(j, "deflate", raw->base64);
	return j;
}

/* What came after the first version of this message. */
static void
encode_extras(const struct result *r, json_t *j)
{
	json_t *flags = json_array(), *lat = NULL;

	for (size_t i = 0; i < RESULT_F_COUNT; i++)
		if ((r->flags >> i & 1) != 0)
			json_array_append_new(flags,
			    json_string(result_flag_name(i)));
	json_put(j, "flags", flags);
	if (r->has_latency) {
		lat = json_object();
		for (size_t i = 0; i < ARRAY_LEN(latency_fields); i++)
			json_put_num(lat, latency_fields[i].name,
			    double_of(&r->latency, latency_fields[i].offset));
	}
	json_put(j, "latencyMs", lat);
	json_put_str(j, "convergence", result_convergence_name(r->convergence));
	json_put_str(j, "ciMethod", r->q.has_ci ? "orderStat" : NULL);
	json_put_num(j, "perOwnCpuS",
	    r->per_own_cpu_s > 0 ? r->per_own_cpu_s : NAN);
	json_put_int(j, "seed", (int64_t)(r->seed & INT64_MAX));
	json_put(j, "argv", argv_encode(r->argv));
	put_text(j, "rawRef", r->raw.hash);
	if (r->has_env)
		json_put(j, "env", env_encode(&r->env));
	if (r->raw.base64 != NULL)
		json_put(j, "raw", raw_encode(&r->raw));
}

json_t *
proto_result_encode(const struct result *r)
{
	const struct kind_info *info = kind_info(r->kind);
	json_t *j = json_object(), *samples = json_array();

	json_put_str(j, "kind", info->name);
	put_text(j, "runId", r->run_id);
	put_text(j, "variant", r->variant);
	put_text(j, "profile", r->profile);
	json_put_num(j, "value", r->has_value ? r->value : NAN);
	put_text(j, "valueReason", r->has_value ? "" : r->why);
	json_put_str(j, "unit", info->unit);
	json_put_str(j, "direction",
	    info->higher_is_better ? "higher" : "lower");
	json_put_int(j, "n", (int64_t)r->n);
	json_put_int(j, "nValid", (int64_t)r->n_valid);
	json_put_int(j, "nContended", (int64_t)r->n_contended);
	for (size_t i = 0; i < ARRAY_LEN(quant_fields); i++)
		json_put_num(j, quant_fields[i].name,
		    r->q.n > 0 ? double_of(&r->q, quant_fields[i].offset)
			       : NAN);
	json_put_str(j, "validity", result_validity_name(r->validity));
	put_text(j, "substatus", r->why);
	put_text(j, "detail", r->detail);
	for (size_t i = 0; i < r->nsamples; i++)
		json_array_append_new(samples, sample_encode(&r->samples[i]));
	json_put(j, "samples", samples);
	put_text(j, "tool", r->tool);
	put_text(j, "toolVersion", r->tool_version);
	json_put_num(j, "elapsedS", r->elapsed_s);
	json_put_time(j, "measuredAt", r->at_wall_ns);
	json_put_str(j, "provenance", r->replay ? "replay" : "measured");
	encode_extras(r, j);
	return j;
}

static bool
get_text(const struct json_at *at, const char *key, char *dst, size_t size,
    struct mw_err *err)
{
	const char *s;

	if (!json_get_str(at, key, false, size - 1, &s, err))
		return false;
	str_copy(dst, size, s != NULL ? s : "");
	return true;
}

static bool
get_time(const struct json_at *at, const char *key, int64_t *wall_ns,
    struct mw_err *err)
{
	const char *s;

	*wall_ns = 0;
	if (!json_get_str(at, key, false, 40, &s, err))
		return false;
	if (s != NULL && !when_parse(s, wall_ns)) {
		err_set(err, MW_INVALID, 0, "%s is not an RFC 3339 time", key);
		return err_pointer(err, "%s/%s", at->pointer, key);
	}
	return true;
}

static bool
get_count(const struct json_at *at, const char *key, size_t *out,
    struct mw_err *err)
{
	int64_t v;

	if (!json_get_int(at, key, false, 0, 0, COUNT_MAX, &v, err))
		return false;
	*out = (size_t)v;
	return true;
}

/* A word that must be the expected one: what follows from the kind. */
static bool
expect(const struct json_at *at, const char *key, const char *want,
    struct mw_err *err)
{
	const char *s;

	if (!json_get_str(at, key, false, 32, &s, err))
		return false;
	if (s != NULL && strcmp(s, want) != 0) {
		err_set(err, MW_INVALID, 0, "%s must be %s", key, want);
		return err_pointer(err, "%s/%s", at->pointer, key);
	}
	return true;
}

/* Names to bits; name(i) of the n that exist. */
static bool
bits_decode(const struct json_at *at, const char *key, size_t n,
    const char *(*name)(size_t i), unsigned *bits, json_t *extra[2],
    struct mw_err *err)
{
	json_t *list, *flag;
	size_t i, k;

	if (!json_get_array(at, key, false, 0, n + 2, &list, err))
		return false;
	json_array_foreach(list, i, flag)
	{
		const char *s = json_string_value(flag);

		for (k = 0; k < n; k++)
			if (str_eq(s, name(k)))
				break;
		if (k < n) {
			*bits |= 1u << k;
		} else if (str_eq(s, "warmup") && extra != NULL) {
			extra[0] = flag;
		} else if (str_eq(s, "contended") && extra != NULL) {
			extra[1] = flag;
		} else {
			err_set(err, MW_INVALID, 0, "unknown flag");
			return err_pointer(err, "%s/%s/%zu", at->pointer, key,
			    i);
		}
	}
	return true;
}

static bool
sample_decode(const struct json_at *at, struct result_sample *s,
    struct mw_err *err)
{
	static const char *const known[] = { "at", "value", "wallS", "cpuS",
		"share", "stealPct", "otherBusyPct", "psiCpuPct", "minMs",
		"p99Ms", "events", "flags", NULL };
	json_t *marks[2] = { NULL, NULL };

	if (!json_no_others(at, known, err) ||
	    !get_time(at, "at", &s->at_wall_ns, err) ||
	    !json_get_int(at, "events", true, 0, 0, INT64_C(1000000000000),
		&s->events, err) ||
	    !bits_decode(at, "flags", SAMPLE_F_COUNT, sample_flag_name,
		&s->flags, marks, err))
		return false;
	s->warmup = marks[0] != NULL;
	s->contended = marks[1] != NULL;
	for (size_t i = 0; i < ARRAY_LEN(sample_fields); i++)
		if (!json_get_num(at, sample_fields[i].name, i > 0,
			sample_fields[i].absent, 0, 1e12,
			double_at(s, sample_fields[i].offset), err))
			return false;
	return true;
}

static bool
samples_decode(const struct json_at *at, struct result *r, struct mw_err *err)
{
	struct json_at sample;
	json_t *list;

	if (!json_get_array(at, "samples", false, 0, RESULT_MAX_SAMPLES, &list,
		err))
		return false;
	r->nsamples = list != NULL ? json_array_size(list) : 0;
	for (size_t i = 0; i < r->nsamples; i++)
		if (!json_at_index(&sample, at, "samples", i, err) ||
		    !sample_decode(&sample, &r->samples[i], err))
			return false;
	return true;
}

static bool
quant_decode(const struct json_at *at, struct result *r, struct mw_err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(quant_fields); i++)
		if (!json_get_num(at, quant_fields[i].name, true, NAN, 0, 1e12,
			double_at(&r->q, quant_fields[i].offset), err))
			return false;
	r->q.has_ci = !isnan(r->q.ci_lo) || !isnan(r->q.ci_hi);
	if (!isnan(r->q.median))
		r->q.n = r->validity == RESULT_TOO_FEW ? r->n : r->n_valid;
	return true;
}

/* The words that name kind, validity and provenance. */
static bool
words_decode(const struct json_at *at, struct result *r, struct mw_err *err)
{
	const char *kind, *validity, *provenance;

	if (!json_get_str(at, "kind", true, 16, &kind, err) ||
	    !json_get_str(at, "validity", true, 16, &validity, err) ||
	    !json_get_str(at, "provenance", true, 16, &provenance, err))
		return false;
	if (!kind_parse(kind, &r->kind)) {
		err_set(err, MW_INVALID, 0, "unknown benchmark kind");
		return err_pointer(err, "%s/kind", at->pointer);
	}
	if (!result_validity_parse(validity, &r->validity)) {
		err_set(err, MW_INVALID, 0, "unknown validity");
		return err_pointer(err, "%s/validity", at->pointer);
	}
	r->replay = strcmp(provenance, "replay") == 0;
	if (!r->replay && strcmp(provenance, "measured") != 0) {
		err_set(err, MW_INVALID, 0, "unknown provenance");
		return err_pointer(err, "%s/provenance", at->pointer);
	}
	return expect(at, "unit", kind_info(r->kind)->unit, err) &&
	    expect(at, "direction",
		kind_info(r->kind)->higher_is_better ? "higher" : "lower", err);
}

static bool
env_decode(const struct json_at *result, struct result *r, struct mw_err *err)
{
	char *base = (char *)&r->env;
	struct json_at at;
	json_t *smt;

	if (!json_at_key(&at, result, "env", false, err))
		return false;
	if (at.obj == NULL)
		return true;
	r->has_env = true;
	for (size_t i = 0; i < ARRAY_LEN(env_texts); i++)
		if (!get_text(&at, env_texts[i].name,
			base + env_texts[i].offset, env_texts[i].size, err))
			return false;
	for (size_t i = 0; i < ARRAY_LEN(env_ints); i++) {
		int64_t v;

		if (!json_get_int(&at, env_ints[i].name, true, -1, 0,
			INT64_C(1) << 53, &v, err))
			return false;
		memcpy(base + env_ints[i].offset, &v, sizeof v);
	}
	smt = json_object_get(at.obj, "smt");
	r->env.smt = json_is_boolean(smt) ? json_boolean_value(smt) : -1;
	return json_get_num(&at, "cpuMhz", true, NAN, 0, 1e6, &r->env.cpu_mhz,
		   err) &&
	    json_get_num(&at, "cpuQuota", true, NAN, 0, 1e6, &r->env.cpu_quota,
		err);
}

static bool
latency_decode(const struct json_at *result, struct result *r,
    struct mw_err *err)
{
	struct json_at at;

	if (!json_at_key(&at, result, "latencyMs", false, err))
		return false;
	r->has_latency = at.obj != NULL;
	for (size_t i = 0; r->has_latency && i < ARRAY_LEN(latency_fields); i++)
		if (!json_get_num(&at, latency_fields[i].name, true, NAN, 0,
			1e12, double_at(&r->latency, latency_fields[i].offset),
			err))
			return false;
	return true;
}

static bool
argv_decode(const struct json_at *at, struct result *r, struct mw_err *err)
{
	size_t used = 0, i;
	json_t *list, *arg;

	if (!json_get_array(at, "argv", false, 0, ARGS_MAX, &list, err))
		return false;
	json_array_foreach(list, i, arg)
	{
		size_t n = json_string_length(arg);

		if (n == 0 || n + 2 > sizeof r->argv - used ||
		    memchr(json_string_value(arg), ' ', n) != NULL ||
		    strlen(json_string_value(arg)) != n) {
			err_set(err, MW_INVALID, 0, "bad or too long");
			return err_pointer(err, "%s/argv/%zu", at->pointer, i);
		}
		if (used > 0)
			r->argv[used++] = ' ';
		memcpy(r->argv + used, json_string_value(arg), n);
		used += n;
	}
	return true;
}

static bool
raw_decode(const struct json_at *result, struct result *r, struct mw_err *err)
{
	struct json_at at;

	if (!get_text(result, "rawRef", r->raw.hash, sizeof r->raw.hash, err) ||
	    !json_at_key(&at, result, "raw", false, err))
		return false;
	if (at.obj == NULL)
		return true;
	return json_get_int(&at, "bytes", false, 0, 1, RESULT_RAW_MAX,
		   &r->raw.bytes, err) &&
	    json_get_str(&at, "deflate", true, RAW_BASE64_MAX, &r->raw.base64,
		err);
}

static bool
extras_decode(const struct json_at *at, struct result *r, struct mw_err *err)
{
	const char *convergence;
	int64_t seed;

	if (!bits_decode(at, "flags", RESULT_F_COUNT, result_flag_name,
		&r->flags, NULL, err) ||
	    !json_get_str(at, "convergence", false, 16, &convergence, err) ||
	    !json_get_num(at, "perOwnCpuS", true, NAN, 0, 1e12,
		&r->per_own_cpu_s, err) ||
	    !json_get_int(at, "seed", true, 0, 0, INT64_MAX, &seed, err) ||
	    !expect(at, "ciMethod", "orderStat", err) ||
	    !latency_decode(at, r, err) || !argv_decode(at, r, err) ||
	    !raw_decode(at, r, err) || !env_decode(at, r, err))
		return false;
	r->seed = (uint64_t)seed;
	if (convergence != NULL &&
	    !result_convergence_parse(convergence, &r->convergence)) {
		err_set(err, MW_INVALID, 0, "unknown convergence");
		return err_pointer(err, "%s/convergence", at->pointer);
	}
	return true;
}

bool
proto_result_decode(json_t *j, struct result *r, struct mw_err *err)
{
	static const char *const known[] = { "kind", "runId", "variant",
		"profile", "value", "valueReason", "unit", "direction", "n",
		"nValid", "nContended", "median", "mean", "stddev", "mad", "cv",
		"madCv", "p05", "p95", "min", "max", "ciLow", "ciHigh",
		"ciLevel", "validity", "substatus", "detail", "samples", "tool",
		"toolVersion", "elapsedS", "measuredAt", "provenance", "flags",
		"latencyMs", "convergence", "ciMethod", "perOwnCpuS", "seed",
		"argv", "rawRef", "raw", "env", NULL };
	struct json_at at;
	const char *reason;

	*r = (struct result){ 0 };
	if (!json_at_root(&at, j, err) || !json_no_others(&at, known, err) ||
	    !words_decode(&at, r, err) ||
	    !get_text(&at, "runId", r->run_id, sizeof r->run_id, err) ||
	    !get_text(&at, "variant", r->variant, sizeof r->variant, err) ||
	    !get_text(&at, "profile", r->profile, sizeof r->profile, err) ||
	    !get_text(&at, "substatus", r->why, sizeof r->why, err) ||
	    !json_get_str(&at, "valueReason", false, sizeof r->why - 1, &reason,
		err) ||
	    !get_text(&at, "detail", r->detail, sizeof r->detail, err) ||
	    !get_text(&at, "tool", r->tool, sizeof r->tool, err) ||
	    !get_text(&at, "toolVersion", r->tool_version,
		sizeof r->tool_version, err) ||
	    !json_get_num(&at, "value", true, NAN, 0, 1e12, &r->value, err) ||
	    !get_count(&at, "n", &r->n, err) ||
	    !get_count(&at, "nValid", &r->n_valid, err) ||
	    !get_count(&at, "nContended", &r->n_contended, err) ||
	    !json_get_num(&at, "elapsedS", false, 0, 0, 1e9, &r->elapsed_s,
		err) ||
	    !get_time(&at, "measuredAt", &r->at_wall_ns, err) ||
	    !quant_decode(&at, r, err) || !samples_decode(&at, r, err))
		return false;
	if (!extras_decode(&at, r, err))
		return false;
	r->has_value = !isnan(r->value);
	if (!r->has_value)
		r->value = 0;
	return result_validate(r, err);
}
