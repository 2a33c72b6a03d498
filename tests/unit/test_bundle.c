/*
 * test_bundle.c - what readers make of a bundle: what differs between two,
 * samples of PerfKitBenchmarker, a world for placement, files packed or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/bundle.h"
#include "cli/cli.h"
#include "placement/io/place_io.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
cli_interrupted(void)
{
	return false;
}

#define VM(id, csp, region, spec)                                           \
	"{\"vmId\":\"" id "\",\"csp\":\"" csp "\",\"region\":\"" region     \
	"\",\"spec\":\"" spec "\",\"specId\":\"" csp "+" region "+" spec    \
	"\",\"connection\":\"c\",\"vcpu\":2,\"memoryMiB\":2048,\"arch\":"   \
	"\"x86_64\",\"costPerHourMicros\":1000,\"costReason\":null,\"lat\"" \
	":1.5,\"lon\":2}"
#define ROW(id, site) "{\"vmId\":\"" id "\",\"site\":\"" site "\"}"
#define CELL(p50, p95)                                                        \
	"{\"n\":10,\"lost\":0,\"rounds\":3,\"ageS\":60,\"rttMinMs\":1,"       \
	"\"rttMedianMs\":" p50 ",\"rttP95Ms\":" p95 ",\"jitterMs\":0.1,"      \
	"\"lossPct\":0.0,\"method\":\"udpEcho\",\"quality\":[],\"reason\":nu" \
	"ll}"
#define RESULT(id, kind, valid, v, env)                                       \
	"{\"resultId\":\"" id "\",\"runId\":\"b-1\",\"vmId\":\"a-1\","        \
	"\"specId\":\"aws+r+s\",\"csp\":\"aws\",\"region\":\"r\",\"kind\":"   \
	"\"" kind "\",\"variant\":\"std\",\"profile\":\"quick\",\"validity\"" \
	":\"" valid "\",\"value\":" v "0,\"ciLow\":" v "0,\"ciHigh\":" v      \
	"6,\"unit\":\"events/s\",\"provenance\":\"measured\",\"envHash\":"    \
	"\"" env "\",\"env\":{\"kernel\":\"" env "\",\"zone\":\"a|,|b\"},"    \
	"\"measuredAt\":\"2026-01-05T03:00:01.260Z\",\"samples\":["           \
	"{\"value\":9,\"flags\":[\"warmup\"]},"                               \
	"{\"value\":1,\"flags\":[\"contended\",\"psi\"]},"                    \
	"{\"value\":" v "0},{\"value\":" v "1},{\"value\":" v "2},{\"value\"" \
	":" v "3},{\"value\":" v "5},{\"value\":" v "6}]}"

/* Three VMs on two sites; who: results. */
static json_t *
bundle(const char *results, const char *p50)
{
	char hash[BUNDLE_HASH_LEN];
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	json_t *j;

	str_addf(&s,
	    "{\"schema\":\"mw.bundle/1\",\"deployment\":\"0123456789ab\","
	    "\"ns\":\"default\",\"mcis\":\"m\",\"milkywayVersion\":\"1\","
	    "\"since\":\"2026-01-05T03:00:00Z\","
	    "\"until\":\"2026-01-05T04:00:00Z\",\"sha256\":\"\",\"vms\":["
	    "%s,%s,%s],\"results\":[%s],\"evaluations\":{\"items\":["
	    "{\"specId\":\"aws+r+s\",\"kind\":\"cpus\",\"variant\":\"std\","
	    "\"value\":10,\"validity\":\"ok\"},"
	    "{\"specId\":\"aws+r+s\",\"kind\":\"cpum\",\"variant\":\"std\","
	    "\"value\":null,\"flaggedValue\":15,\"validity\":\"tooFew\"},"
	    "{\"specId\":\"aws+r+s\",\"kind\":\"memR\",\"variant\":\"std\","
	    "\"value\":null,\"flaggedValue\":15,\"validity\":\"contended\"}"
	    "]},\"matrix\":{\"roundId\":\"m-1\",\"vms\":[%s,%s,%s],"
	    "\"cells\":[[null,%s,%s%s%s],[%s,null,%s],[%s,%s,null]]}}",
	    VM("a-1", "aws", "r", "s"), VM("a-2", "aws", "r", "s"),
	    VM("g-1", "gcp", "q", "t"), results, ROW("a-1", "aws-r-s"),
	    ROW("a-2", "aws-r-s"), ROW("g-1", "gcp-q-t"), CELL("0.3", "0.4"),
	    "{\"n\":10,\"rounds\":3,\"ageS\":60,\"jitterMs\":0.1,"
	    "\"rttMedianMs\":",
	    p50, ",\"rttP95Ms\":42}", CELL("0.2", "0.5"), CELL("41", "43"),
	    CELL("40.5", "41.5"), CELL("40", "44"));
	j = json_parse(s.p, s.len, BUNDLE_MAX, &err);
	if (!j)
		fail_msg("%s", err.msg);
	bundle_hash_json(j, hash);
	json_put_str(j, "sha256", hash);
	if (!bundle_check(j, &err))
		fail_msg("%s", err.msg);
	str_free(&s);
	return j;
}

static const char *
verdict(const json_t *d, const char *kind, const char **reason)
{
	json_t *r;
	size_t i;

	json_array_foreach(ja(d, "benchmarks"), i, r)
	{
		if (str_eq(js(r, "kind"), kind)) {
			*reason = js(r, "reason");
			return js(r, "verdict");
		}
	}
	return "none";
}

static void
benchmarks_are_compared_like_with_like(void **state)
{
	json_t *a =
	    bundle(RESULT("r-1", "cpus", "ok", "10", "x") "," RESULT("r-2",
		       "cpum", "ok", "20", "x") "," RESULT("r-3", "memR", "ok",
		       "30", "x") "," RESULT("r-4", "memW", "ok", "30",
		       "x") "," RESULT("r-5", "fioR", "ok", "30", "x"),
		"40");
	json_t *b =
	    bundle(RESULT("r-1", "cpus", "ok", "10", "x") "," RESULT("r-2",
		       "cpum", "ok", "15", "x") "," RESULT("r-3", "memR", "ok",
		       "10", "y") "," RESULT("r-4", "memW", "contended", "10",
		       "x") "," RESULT("r-5", "fioW", "ok", "30", "x"),
		"40");
	static const char *const want[][3] = { { "cpus", "same", "" },
		{ "cpum", "slower", "" },
		{ "memR", "notComparable", "environment" },
		{ "memW", "notComparable", "noValidResult" },
		{ "fioR", "missing", "" }, { "fioW", "new", "" } };
	json_t *d = bundle_diff(a, b, 2);
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(verdict(d, want[i][0], &why), want[i][1]);
		assert_string_equal(why, want[i][2]);
	}
	assert_int_equal(ji(d, "worse", -1), 1);
	json_decref(d);
	d = bundle_diff(a, a, 0);
	assert_int_equal(ji(json_object_get(d, "benchmarkCounts"), "same", 0),
	    5);
	assert_int_equal(ji(d, "worse", -1), 0);
	json_decref(d);
	json_decref(a);
	json_decref(b);
}

static void
pairs_are_compared_by_name_and_site(void **state)
{
	json_t *a = bundle("", "40"), *b = bundle("", "44");
	json_t *d = bundle_diff_pairs(a, b);

	(void)state;
	assert_int_equal(json_array_size(ja(d, "items")), 1);
	assert_string_equal(js(json_array_get(ja(d, "items"), 0), "verdict"),
	    "slower");
	assert_int_equal(ji(json_object_get(d, "counts"), "same", 0), 5);
	json_decref(d);
	json_put_str(json_array_get(ja(json_object_get(b, "matrix"), "vms"), 2),
	    "site", "gcp-q-other");
	d = bundle_diff_pairs(a, b);
	assert_int_equal(json_array_size(ja(d, "items")), 0);
	assert_int_equal(ji(d, "otherSite", 0), 1);
	json_decref(d);
	json_put(b, "matrix", NULL);
	d = bundle_diff_pairs(a, b);
	assert_string_equal(js(d, "reason"), "onlyInA");
	json_decref(d);
	json_decref(a);
	json_decref(b);
}

static void
labels_have_no_bar_in_them(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	bundle_label(&s, "a", "1|,|b:2");
	bundle_label(&s, "none", "");
	bundle_label(&s, "none", NULL);
	bundle_label(&s, "c", "x:y");
	assert_string_equal(s.p, "|a:1/,/b:2|,|c:x:y|");
	str_free(&s);
}

static void
samples_have_what_perfkit_writes(void **state)
{
	static const char *const keys[] = { "metric", "value", "unit",
		"timestamp", "test", "product_name", "official", "owner",
		"run_uri", "sample_uri", "labels" };
	json_t *a = bundle(RESULT("r-1", "cpus", "ok", "10", "x"), "40");
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	size_t lines = 0;
	json_t *j;

	(void)state;
	assert_int_equal(bundle_perfkit(a, &s), 0);
	j = json_parse(s.p, strcspn(s.p, "\n"), 100000, &err);
	assert_non_null(j);
	assert_int_equal(json_object_size(j), ARRAY_LEN(keys));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_non_null(json_object_get(j, keys[i]));
	assert_string_equal(js(j, "metric"), "cpus median");
	assert_string_equal(js(j, "run_uri"), "01234567-b-1");
	assert_int_equal(strlen(js(j, "sample_uri")), 36);
	assert_true(fabs(jnum(j, "timestamp", 0) - 1767582001.26) < 0.002);
	assert_true(fabs(jnum(j, "value", 0) - 100) < 1e-9);
	assert_non_null(strstr(js(j, "labels"), "|zone:a/,/b|"));
	assert_non_null(strstr(js(j, "labels"), "|machine_type:s|"));
	for (const char *p = s.p; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 1 + 5 * 3 + 2); /* one cell has no min */
	json_decref(j);
	json_decref(a);
	str_free(&s);
}

static void
a_bundle_is_a_world(void **state)
{
	json_t *a = bundle("", "40");
	struct arena *arena = arena_new();
	struct mw_err err = MW_ERR_INIT;
	struct place_world w;
	struct json_at at;
	bool cores = false;

	(void)state;
	assert_true(json_at_root(&at, a, &err));
	if (!place_io_world(&at, arena, &w, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(w.nsites, 2);
	assert_int_equal(w.noffers, 2);
	assert_string_equal(w.sites[0].id, "aws-r-s");
	assert_string_equal(w.sites[1].region, "gcp-q");
	/* the worst of all cells between the two sites */
	assert_int_equal(w.rtt_us[PLACE_P50][0 * 2 + 1], 41000);
	assert_int_equal(w.rtt_us[PLACE_P95][0 * 2 + 1], 43000);
	assert_int_equal(w.rtt_us[PLACE_P95][1 * 2 + 0], 44000);
	assert_int_equal(w.rtt_us[PLACE_P95][0], 500);
	assert_int_equal(w.rtt_us[PLACE_P50][3], PLACE_UNKNOWN);
	assert_int_equal(w.rtt_n[1], 10);
	assert_int_equal(w.rtt_rounds[1], 3);
	assert_int_equal(w.rtt_age_s[1], 60);
	assert_int_equal(w.offers[0].cost_per_hour_micros, 1000);
	for (size_t i = 0; i < w.nmetrics; i++) {
		assert_string_not_equal(w.metrics[i], "memR");
		if (str_eq(w.metrics[i], "cores")) {
			cores = true;
			assert_int_equal(w.offers[0].scores[i], 1500);
			assert_int_equal(w.offers[1].scores[i], PLACE_NO_SCORE);
		}
	}
	assert_true(cores);
	arena_free(arena);
	json_decref(a);
}

static void
files_may_be_packed(void **state)
{
	json_t *a = bundle("", "40"), *b;
	char dir[] = "/tmp/mw-bundle-XXXXXX", path[64];
	struct mw_err err = MW_ERR_INIT;
	char *text = json_text(a, true), *back;
	struct str s = STR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/b.json.gz", dir);
	assert_true(bundle_write(path, text, strlen(text), &err));
	b = bundle_load(path, &err);
	assert_non_null(b);
	back = json_text(b, true);
	assert_string_equal(text, back);
	assert_null(bundle_read_json(path, 100, &err));
	unlink(path);
	rmdir(dir);
	/* what is cut off, and what unpacks to more than is allowed */
	str_addn(&s, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
	assert_null(bundle_parse(s.p, s.len, 1000, &err));
	str_free(&s);
	free(text);
	free(back);
	json_decref(a);
	json_decref(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(benchmarks_are_compared_like_with_like),
		cmocka_unit_test(pairs_are_compared_by_name_and_site),
		cmocka_unit_test(labels_have_no_bar_in_them),
		cmocka_unit_test(samples_have_what_perfkit_writes),
		cmocka_unit_test(a_bundle_is_a_world),
		cmocka_unit_test(files_may_be_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
