/*
 * test_proto.c - encoding of results and matrix rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/proto.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct result
example(void)
{
	struct result r = { .kind = KIND_MEMR,
		.elapsed_s = 9.5,
		.at_wall_ns = INT64_C(1767582001260000000),
		.replay = true };

	r.nsamples = 10;
	for (size_t i = 0; i < r.nsamples; i++)
		r.samples[i] =
		    (struct result_sample){ .at_wall_ns = r.at_wall_ns +
				(int64_t)i * NS_PER_S,
			    .value = 1000 + (double)i / 3,
			    .wall_s = 1.009,
			    .cpu_s = 1,
			    .share = .991,
			    .steal_pct = 0.25,
			    .other_busy_pct = .4,
			    .warmup = i == 0,
			    .contended = i == 4 };
	str_copy(r.run_id, sizeof r.run_id, "b-01");
	str_copy(r.variant, sizeof r.variant, "std");
	str_copy(r.profile, sizeof r.profile, "quick");
	str_copy(r.tool, sizeof r.tool, "sysbench");
	str_copy(r.tool_version, sizeof r.tool_version, "1.0.20");
	str_copy(r.detail, sizeof r.detail, "one \"quoted\" word");
	str_copy(r.argv, sizeof r.argv, "sysbench memory --time=3 run");
	str_copy(r.raw.hash, sizeof r.raw.hash,
	    "sha256:0123456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcdef");
	r.raw.bytes = 12;
	r.raw.base64 = "eJwDAAAAAAE=";
	r.samples[4].flags = SAMPLE_SHARE | SAMPLE_STOLEN;
	r.samples[4].psi_pct = NAN;
	r.samples[4].p99_ms = .5;
	r.samples[4].events = 77;
	r.flags = RESULT_F_QUOTA | RESULT_F_CACHED;
	r.convergence = RESULT_UNCONVERGED;
	r.seed = 7;
	r.has_latency = true;
	r.latency = (struct result_latency){ .1, .2, .3, .4, .5, NAN };
	r.has_env = true;
	r.env = (struct result_env){ .cpu_mhz = 2500,
		.cpu_quota = .5,
		.vcpus = 2,
		.smt = -1,
		.numa_nodes = 1,
		.l3_kib = -1,
		.memory_mib = 3900,
		.uptime_s = 812,
		.file_mib = -1 };
	str_copy(r.env.kernel, sizeof r.env.kernel, "6.1.0");
	str_copy(r.env.fs, sizeof r.env.fs, "ext4");
	result_fold(&r);
	return r;
}

static bool
near(double a, double b)
{
	return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * fabs(a);
}

static void
results_round_trip(void **state)
{
	struct result a = example(), b;
	json_t *j = proto_result_encode(&a);
	char *text = json_text(j, false);
	struct mw_err err;
	json_t *again = json_parse(text, strlen(text), JSON_BODY_MAX, &err);

	(void)state;
	assert_non_null(again);
	if (!proto_result_decode(again, &b, &err))
		fail_msg("%s at %s", err.msg, err.pointer);
	assert_int_equal(b.kind, a.kind);
	assert_int_equal(b.validity, RESULT_OK);
	assert_true(b.replay && b.has_value && near(b.value, a.value));
	assert_int_equal(b.n, 9);
	assert_int_equal(b.n_valid, 8);
	assert_int_equal(b.n_contended, 1);
	assert_int_equal(b.nsamples, 10);
	assert_int_equal(b.q.n, 8);
	assert_true(b.q.has_ci && near(b.q.ci_lo, a.q.ci_lo) &&
	    near(b.q.stddev, a.q.stddev) && near(b.q.mad_cv, a.q.mad_cv));
	assert_true(b.samples[0].warmup && b.samples[4].contended);
	assert_true(near(b.samples[3].share, .991));
	assert_true(b.samples[3].at_wall_ns == a.samples[3].at_wall_ns);
	assert_true(b.at_wall_ns == a.at_wall_ns);
	assert_string_equal(b.detail, a.detail);
	assert_string_equal(b.tool_version, "1.0.20");
	assert_string_equal(b.argv, a.argv);
	assert_string_equal(b.raw.hash, a.raw.hash);
	assert_string_equal(b.raw.base64, a.raw.base64);
	assert_int_equal(b.raw.bytes, 12);
	assert_int_equal(b.samples[4].flags, a.samples[4].flags);
	assert_int_equal(b.samples[4].events, 77);
	assert_true(isnan(b.samples[4].psi_pct));
	assert_true(near(b.samples[4].p99_ms, .5));
	assert_int_equal(b.flags, a.flags);
	assert_int_equal(b.convergence, RESULT_UNCONVERGED);
	assert_int_equal(b.seed, 7);
	assert_true(
	    b.has_latency && near(b.latency.p50, .3) && isnan(b.latency.max));
	assert_true(b.has_env && near(b.env.cpu_quota, .5));
	assert_int_equal(b.env.smt, -1);
	assert_int_equal(b.env.l3_kib, -1);
	assert_int_equal(b.env.uptime_s, 812);
	assert_string_equal(b.env.kernel, "6.1.0");
	assert_string_equal(b.env.disk, "");
	free(text);
	json_decref(j);
	json_decref(again);
}

static void
failures_carry_null_and_reason(void **state)
{
	struct result a = { .kind = KIND_DBR, .at_wall_ns = 1000000 }, b;
	struct mw_err err;
	json_t *j;

	(void)state;
	str_copy(a.why, sizeof a.why, "TOOL_MISSING");
	result_fold(&a);
	j = proto_result_encode(&a);
	assert_true(json_is_null(json_object_get(j, "value")));
	assert_true(json_is_null(json_object_get(j, "median")));
	assert_string_equal(json_string_value(
				json_object_get(j, "valueReason")),
	    "TOOL_MISSING");
	if (!proto_result_decode(j, &b, &err))
		fail_msg("%s at %s", err.msg, err.pointer);
	assert_false(b.has_value);
	assert_int_equal(b.validity, RESULT_FAILED);
	assert_string_equal(b.why, "TOOL_MISSING");
	json_decref(j);
}

static void
decoder_refuses_each_broken_field(void **state)
{
	static const struct {
		const char *key, *json, *pointer;
	} bad[] = {
		{ "kind", "\"cpuz\"", "/kind" },
		{ "kind", "\"rtt\"", "/unit" },
		{ "unit", "\"ms\"", "/unit" },
		{ "direction", "\"lower\"", "/direction" },
		{ "value", "\"5\"", "/value" },
		{ "value", "-5", "/value" },
		{ "value", "null", "/value" },
		{ "n", "1.5", "/n" },
		{ "n", "8", "/nValid" },
		{ "validity", "\"good\"", "/validity" },
		{ "validity", "\"failed\"", "/value" },
		{ "provenance", "\"guessed\"", "/provenance" },
		{ "measuredAt", "\"today\"", "/measuredAt" },
		{ "samples", "[5]", "/samples/0" },
		{ "samples", "[{\"value\":1,\"more\":2}]", "/samples/0/more" },
		{ "samples", "[{}]", "/samples/0/value" },
		{ "samples", "[{\"value\":1,\"flags\":[\"x\"]}]",
		    "/samples/0/flags/0" },
		{ "samples", "[{\"value\":1}]", "/n" },
		{ "runId", "\"a b\"", "/runId" },
		{ "tool", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
		    "/tool" },
		{ "surprise", "1", "/surprise" },
		{ "flags", "[\"lucky\"]", "/flags/0" },
		{ "flags", "[\"warmup\"]", "/flags/0" },
		{ "convergence", "\"soon\"", "/convergence" },
		{ "ciMethod", "\"bootstrap\"", "/ciMethod" },
		{ "argv", "[\"a b\"]", "/argv/0" },
		{ "argv", "[5]", "/argv/0" },
		{ "argv", "[\"\"]", "/argv/0" },
		{ "rawRef", "\"sha256:xyz\"", "/rawRef" },
		{ "raw", "{\"bytes\":0,\"deflate\":\"\"}", "/raw/bytes" },
		{ "raw", "{\"bytes\":1}", "/raw/deflate" },
		{ "env", "[]", "/env" },
		{ "env", "{\"vcpus\":-1}", "/env/vcpus" },
		{ "env", "{\"fs\":\"a\\nb\"}", "/env/fs" },
		{ "latencyMs", "{\"p50\":-1}", "/latencyMs/p50" },
		{ "seed", "-1", "/seed" },
	};
	struct result a = example(), b;
	struct mw_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *j = proto_result_encode(&a);

		json_object_set_new(j, bad[i].key,
		    json_loads(bad[i].json, JSON_DECODE_ANY, NULL));
		if (proto_result_decode(j, &b, &err))
			fail_msg("accepted %s %s", bad[i].key, bad[i].json);
		if (strcmp(err.pointer, bad[i].pointer) != 0)
			fail_msg("%s %s: %s at %s", bad[i].key, bad[i].json,
			    err.msg, err.pointer);
		json_decref(j);
	}
}

/* What the first version of the agent sent is still a result. */
static void
results_of_older_agents_are_read(void **state)
{
	static const char *const younger[] = { "flags", "latencyMs",
		"convergence", "ciMethod", "perOwnCpuS", "seed", "argv",
		"rawRef", "raw", "env" };
	static const char *const younger_samples[] = { "psiCpuPct", "minMs",
		"p99Ms", "events" };
	struct result a = example(), b;
	struct mw_err err = MW_ERR_INIT;
	json_t *j, *s;
	size_t i;

	(void)state;
	a.samples[4].flags = 0;
	j = proto_result_encode(&a);
	for (i = 0; i < ARRAY_LEN(younger); i++)
		json_object_del(j, younger[i]);
	json_array_foreach(json_object_get(j, "samples"), i,
	    s) for (size_t k = 0; k < ARRAY_LEN(younger_samples); k++)
	    json_object_del(s, younger_samples[k]);
	if (!proto_result_decode(j, &b, &err))
		fail_msg("%s at %s", err.msg, err.pointer);
	assert_true(near(b.value, a.value));
	assert_false(b.has_env || b.has_latency);
	assert_int_equal(b.convergence, RESULT_CONV_UNKNOWN);
	assert_true(isnan(b.samples[3].psi_pct));
	assert_null(b.raw.base64);
	json_decref(j);
}

/* The largest result that an agent can make fits into a frame. */
static void
the_largest_result_fits(void **state)
{
	struct result a = example();
	size_t n = RESULT_RAW_PACKED_MAX / 3 * 4;
	char *raw = xmalloc(n + 1), *text;
	json_t *j;

	(void)state;
	memset(raw, 'A', n);
	raw[n] = '\0';
	a.raw.base64 = raw;
	a.nsamples = RESULT_MAX_SAMPLES;
	for (size_t i = 0; i < a.nsamples; i++) {
		a.samples[i] = a.samples[4];
		a.samples[i].value = 1e8 / 3;
		a.samples[i].flags = (1u << SAMPLE_F_COUNT) - 1;
	}
	memset(a.detail, 'd', sizeof a.detail - 1);
	memset(a.argv, 'x', sizeof a.argv - 1);
	result_fold(&a);
	j = proto_result_encode(&a);
	text = json_text(j, false);
	assert_true(strlen(text) < 900 * 1024); /* SPOOL_BODY_MAX */
	free(text);
	free(raw);
	json_decref(j);
}

static void
rows_round_trip(void **state)
{
	struct matrix_cell cells[3] = {
		{ .why = MATRIX_KNOWN,
		    .method = MATRIX_ICMP,
		    .flags = 5,
		    .n = 9,
		    .lost = 1,
		    .min_us = 100,
		    .avg_us = 150,
		    .p50_us = 140,
		    .p95_us = 300,
		    .jitter_us = 20,
		    .at_wall_ns = INT64_C(1767582001260000000) },
		{ .why = MATRIX_NEVER },
		{ .why = MATRIX_NO_ANSWER, .lost = 3 },
	};
	struct proto_row a = { .round_id = "r-7",
		.src = 1,
		.n = 3,
		.cells = cells },
			 b;
	json_t *j = proto_row_encode(&a);
	char *text = json_text(j, false);
	struct mw_err err;

	(void)state;
	assert_string_equal(text,
	    "{\"cells\":[[9,1,100,150,140,300,20,\"icmp\",5,1767582001260],"
	    "null,{\"lost\":3,\"why\":\"noAnswer\"}],\"n\":3,"
	    "\"roundId\":\"r-7\",\"src\":1}");
	assert_true(proto_row_decode(j, &b, &err));
	assert_int_equal(b.n, 3);
	assert_int_equal(b.src, 1);
	assert_string_equal(b.round_id, "r-7");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(b.cells[i].why, cells[i].why);
		assert_int_equal(b.cells[i].n, cells[i].n);
		assert_int_equal(b.cells[i].lost, cells[i].lost);
		assert_int_equal(b.cells[i].p95_us, cells[i].p95_us);
		assert_int_equal(b.cells[i].flags, cells[i].flags);
		assert_true(b.cells[i].at_wall_ns == cells[i].at_wall_ns);
	}
	free(b.cells);
	free(text);
	json_decref(j);
}

static void
row_decoder_is_strict(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":1,\"cells\":[]}",
		"{\"roundId\":\"r\",\"src\":1,\"n\":1,\"cells\":[null]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":1001,\"cells\":[null]}",
		"{\"roundId\":\"r r\",\"src\":0,\"n\":1,\"cells\":[null]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":1,\"cells\":[null],\"x\":1}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":2,\"cells\":[null,null]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":1,\"cells\":[{\"why\":"
		"\"noAnswer\",\"lost\":1}]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":2,\"cells\":[null,{\"why\":"
		"\"known\",\"lost\":1}]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":2,\"cells\":[null,{\"why\":"
		"\"zzz\",\"lost\":1}]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":2,\"cells\":[null,{\"why\":"
		"\"noAnswer\",\"lost\":-1}]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":2,\"cells\":[null,"
		"[9,1,100,150,140,300,20,\"icmp\",5]]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":2,\"cells\":[null,"
		"[9,1,100,150,140,300,20,\"smoke\",5,1]]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":2,\"cells\":[null,"
		"[9,1,100,150,400,300,20,\"icmp\",5,1]]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":2,\"cells\":[null,"
		"[0,1,100,150,140,300,20,\"icmp\",5,1]]}",
		"{\"roundId\":\"r\",\"src\":0,\"n\":2,\"cells\":[null,"
		"[9,1,100,150,140,4294967296,20,\"icmp\",5,1]]}",
	};
	struct proto_row row;
	struct mw_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *j =
		    json_parse(bad[i], strlen(bad[i]), JSON_BODY_MAX, &err);

		assert_non_null(j);
		if (proto_row_decode(j, &row, &err))
			fail_msg("accepted %s", bad[i]);
		assert_null(row.cells);
		json_decref(j);
	}
}

static void
identities(void **state)
{
	static const char *const bad[] = { "", "mw://", "mw://dep", "mw://dep/",
		"mw://dep/agent", "http://dep/coordinator",
		"mw://Dep/coordinator", "mw://dep/coordinator/",
		"mw://dep/ns/m/1", "mw://dep/ns/m/1/2/3", "mw://dep/ns/m/1/2/",
		"mw://dep//m/1/2", "mw://dep/ns/m/-1/2", "mw://dep/ns/m/1/x",
		"mw://dep/ns/M/1/2", "mw://dep/ns/m/1/99999999999999999999" };
	char dep[64];
	int64_t slot, gen;
	struct mw_err err;

	(void)state;
	assert_true(
	    proto_uri_parse("mw://dep/coordinator", dep, &slot, &gen, &err));
	assert_string_equal(dep, "dep");
	assert_int_equal(slot, -1);
	assert_true(
	    proto_uri_parse("mw://dep/ns/demo18/12/3", dep, &slot, &gen, &err));
	assert_int_equal(slot, 12);
	assert_int_equal(gen, 3);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (proto_uri_parse(bad[i], dep, &slot, &gen, &err))
			fail_msg("accepted %s", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_round_trip),
		cmocka_unit_test(failures_carry_null_and_reason),
		cmocka_unit_test(decoder_refuses_each_broken_field),
		cmocka_unit_test(results_of_older_agents_are_read),
		cmocka_unit_test(the_largest_result_fits),
		cmocka_unit_test(rows_round_trip),
		cmocka_unit_test(row_decoder_is_strict),
		cmocka_unit_test(identities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
