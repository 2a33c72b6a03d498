/*
 * test_hostrec.c - records of host metrics: packed, folded, as JSON; and the
 * writer of the Prometheus text format.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/hostjson.h"
#include "common/pure/promtext.h"
#include "common/pure/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 2000

static struct rng rng;

static uint64_t
any(uint64_t n)
{
	return rng_below(&rng, n);
}

static void
random_rec(struct host_rec *r)
{
	memset(r, 0, sizeof *r);
	r->at = (int64_t)any(UINT32_MAX);
	r->covered_s = 1 + (int64_t)any(60);
	r->bench_s = (int64_t)any((uint64_t)r->covered_s + 1);
	r->cgroup = (unsigned)any(HOST_CG_ALL + 1);
	for (size_t f = 0; f < HOST_FIELDS; f++) {
		int64_t max = host_info((enum host_field)f)->max;

		r->v[f] = any(5) == 0 ? -1
		    : any(10) == 0
		    ? max
		    : (int64_t)any(((uint64_t)max >> any(50)) + 1);
		if (r->v[f] > max)
			r->v[f] = max;
	}
}

static void
same(const struct host_rec *a, const struct host_rec *b)
{
	assert_int_equal(a->covered_s, b->covered_s);
	assert_int_equal(a->bench_s, b->bench_s);
	assert_int_equal(a->cgroup, b->cgroup);
	for (size_t f = 0; f < HOST_FIELDS; f++)
		assert_int_equal(a->v[f], b->v[f]);
}

static void
a_record_comes_back_from_disk_and_from_json(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct host_rec a, b = { 0 }, c = { 0 };
		uint8_t blob[HOST_BLOB_MAX];
		struct mw_err err = MW_ERR_INIT;
		struct json_at at;
		json_t *j;
		size_t n;

		random_rec(&a);
		n = host_pack(&a, blob);
		assert_true(host_unpack(blob, n, &b));
		same(&a, &b);
		assert_false(host_unpack(blob, n - 1, &b));
		j = hostjson_encode(&a);
		assert_true(json_at_root(&at, j, &err));
		if (!hostjson_decode(&at, &c, &err))
			fail_msg("%s at %s", err.msg, err.pointer);
		assert_int_equal(c.at, a.at);
		same(&a, &c);
		json_decref(j);
	}
}

static void
damaged_bytes_are_refused(void **state)
{
	struct host_rec r;
	uint8_t blob[HOST_BLOB_MAX + 1];
	size_t n;

	(void)state;
	random_rec(&r);
	n = host_pack(&r, blob);
	assert_false(host_unpack(blob, 0, &r));
	blob[n] = 0;
	assert_false(host_unpack(blob, n + 1, &r));
	blob[0] = 2;
	assert_false(host_unpack(blob, n, &r));
	for (int i = 0; i < ROUNDS; i++) {
		for (size_t k = 0; k < sizeof blob; k++)
			blob[k] = (uint8_t)any(256);
		blob[0] = 1;
		if (host_unpack(blob, any(sizeof blob), &r))
			assert_true(host_rec_valid(&r, 3600));
	}
}

/* Averages lie between the smallest and the largest part, maxima are one of
 * them, sums add up, and what nobody knows stays unknown. */
static void
folding_keeps_its_promises(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct host_rec part[60], out = { .at = 42 };
		size_t n = 1 + any(60);
		int64_t covered = 0, bench = 0;

		for (size_t k = 0; k < n; k++) {
			random_rec(&part[k]);
			covered += part[k].covered_s;
			bench += part[k].bench_s;
		}
		host_fold(part, n, &out);
		assert_int_equal(out.at, 42);
		assert_int_equal(out.covered_s, covered);
		assert_int_equal(out.bench_s, bench);
		assert_true(host_rec_valid(&out, 3600));
		for (size_t f = 0; f < HOST_FIELDS; f++) {
			const struct host_info *info =
			    host_info((enum host_field)f);
			int64_t lo = INT64_MAX, hi = -1, sum = 0;

			for (size_t k = 0; k < n; k++) {
				int64_t v = part[k].v[f];

				if (v < 0)
					continue;
				lo = v < lo ? v : lo;
				hi = v > hi ? v : hi;
				sum += v;
			}
			if (hi < 0)
				assert_int_equal(out.v[f], -1);
			else if (info->fold == HOST_MAX)
				assert_int_equal(out.v[f], hi);
			else if (info->fold == HOST_SUM &&
			    sum < (INT64_C(1) << 52))
				assert_int_equal(out.v[f], sum);
			else if (info->fold != HOST_SUM)
				assert_true(out.v[f] >= lo && out.v[f] <= hi);
		}
	}
}

static void
a_fold_of_one_is_itself(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct host_rec r, out = { 0 };

		random_rec(&r);
		host_fold(&r, 1, &out);
		same(&r, &out);
	}
}

static void
json_out_of_range_is_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"minute\":1}",
		"{\"minute\":-1,\"coveredS\":60}",
		"{\"minute\":1,\"coveredS\":61}",
		"{\"minute\":1,\"coveredS\":0}",
		"{\"minute\":1,\"coveredS\":10,\"benchS\":11}",
		"{\"minute\":1,\"coveredS\":60,\"cpuPct\":-1}",
		"{\"minute\":1,\"coveredS\":60,\"cpuPct\":\"9\"}",
		"{\"minute\":1,\"coveredS\":60,\"netRxBytes\":1e300}",
		"{\"minute\":1,\"coveredS\":60,\"cgroupOf\":\"cpu\"}",
		"{\"minute\":1,\"coveredS\":60,\"cgroupOf\":[1]}",
	};
	struct mw_err err = MW_ERR_INIT;
	struct host_rec r;
	struct json_at at;
	json_t *j;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		j = json_parse(bad[i], strlen(bad[i]), 1000, &err);
		assert_true(json_at_root(&at, j, &err));
		assert_false(hostjson_decode(&at, &r, &err));
		json_decref(j);
	}
	j = json_parse("{\"minute\":1,\"coveredS\":60,\"new\":[1]}", 36, 99,
	    &err);
	assert_true(json_at_root(&at, j, &err));
	assert_true(hostjson_decode(&at, &r, &err));
	assert_int_equal(r.v[HOST_CPU], -1);
	json_decref(j);
}

static void
label_values_are_escaped_and_the_unknown_is_absent(void **state)
{
	struct prom p;

	(void)state;
	prom_init(&p, 3);
	prom_family(&p, "a_b_total", "counter", "Help.");
	prom_put(&p, 1, "x", "q\"b\\n\nz", "y", "", NULL);
	prom_put(&p, (double)NAN, NULL);
	prom_put(&p, 0.25, NULL);
	prom_put(&p, 1e9, NULL);
	prom_put(&p, 7, NULL); /* one too many */
	assert_string_equal(str_cstr(&p.text),
	    "# HELP a_b_total Help.\n# TYPE a_b_total counter\n"
	    "a_b_total{x=\"q\\\"b\\\\n\\nz\",y=\"\"} 1\n"
	    "a_b_total 0.25\n"
	    "a_b_total 1000000000\n");
	assert_int_equal(p.dropped, 1);
	str_free(&p.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_back_from_disk_and_from_json),
		cmocka_unit_test(damaged_bytes_are_refused),
		cmocka_unit_test(folding_keeps_its_promises),
		cmocka_unit_test(a_fold_of_one_is_itself),
		cmocka_unit_test(json_out_of_range_is_refused),
		cmocka_unit_test(
		    label_values_are_escaped_and_the_unknown_is_absent),
	};
	const char *seed = getenv("MW_SEED");
	uint64_t s = seed != NULL ? strtoull(seed, NULL, 10) : 4711;

	printf("seed %llu\n", (unsigned long long)s);
	rng_seed(&rng, s);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
