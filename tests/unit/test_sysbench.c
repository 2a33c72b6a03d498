/*
 * test_sysbench.c - argv and parsers of both dialects of sysbench.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/bench/sysbench.h"
#include "tests/unit/sysbench_golden.h"

#include <math.h>
#include <string.h>

static struct sysbench_plan
plan(unsigned k, enum sysbench_dialect d)
{
	return (struct sysbench_plan){ .lane = k,
		.dialect = d,
		.step = SYSBENCH_RUN,
		.threads = 3,
		.events = 100,
		.seconds = 10,
		.file_total_mib = 64,
		.tables = 1,
		.table_rows = 10000,
		.program = "/usr/bin/sysbench",
		.db_socket = "/d/s",
		.db_user = "u" };
}

static bool
has_arg(const struct sysbench_argv *a, const char *arg)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], arg) == 0)
			return true;
	return false;
}

static void
real_output_gives_work_over_time(void **state)
{
	static const struct {
		const char *text;
		enum kind kind;
		enum sysbench_dialect dialect;
		int64_t events;
		double value;
	} t[] = {
		{ cpu_1_0, KIND_CPUS, SYSBENCH_1_0, 40, 40 / 0.0367 },
		{ cpu_1_0, KIND_CPUM, SYSBENCH_1_0, 40, 40 / 0.0367 },
		{ mem_1_0, KIND_MEMW, SYSBENCH_1_0, 16, 1024 / 0.1420 },
		{ fior_1_0, KIND_FIOR, SYSBENCH_1_0, 60, 60 / 256.0 / 0.0026 },
		{ fiow_1_0, KIND_FIOW, SYSBENCH_1_0, 60, 60 / 256.0 / 0.0028 },
		{ oltp_1_0, KIND_DBR, SYSBENCH_1_0, 100, 100 / 0.1786 },
		{ cpu_0_4, KIND_CPUS, SYSBENCH_0_4, 2004, 2004 / 1.0021 },
		{ mem_0_4, KIND_MEMW, SYSBENCH_0_4, 16, 1024 / 0.0986 },
		{ fio_0_4, KIND_FIOR, SYSBENCH_0_4, 40533, 40533 / 256.0 },
	};
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_out o;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_true(sysbench_parse(t[i].kind, t[i].dialect, t[i].text,
		    strlen(t[i].text), &o, &err));
		assert_int_equal(o.events, t[i].events);
		assert_true(fabs(sysbench_value(t[i].kind, &o) - t[i].value) <
		    1e-6 * t[i].value);
	}
}

static void
latencies_and_histogram_are_read(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_out o;

	(void)state;
	assert_true(sysbench_parse(KIND_CPUS, SYSBENCH_1_0, cpu_1_0,
	    strlen(cpu_1_0), &o, &err));
	assert_true(o.min_ms > 0.389 && o.min_ms < 0.391);
	assert_true(o.p99_ms > 8.42 && o.p99_ms < 8.44);
	assert_true(o.hist_p50_ms > 0.394 && o.hist_p50_ms < 0.396);
	assert_true(o.hist_p99_ms > 8.42 && o.hist_p99_ms < 8.44);
	assert_true(sysbench_parse(KIND_CPUS, SYSBENCH_0_4, cpu_0_4,
	    strlen(cpu_0_4), &o, &err));
	assert_true(o.min_ms > 0.449 && o.min_ms < 0.451);
	assert_true(isnan(o.p99_ms) && isnan(o.hist_p50_ms));
}

static void
no_complete_result_is_no_value(void **state)
{
	static const char option[] = "Invalid value for the 'time' option: "
				     "'0.3'\n";
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_out o;

	(void)state;
	assert_false(sysbench_parse(KIND_FIOR, SYSBENCH_1_0, bad_files_1_0,
	    strlen(bad_files_1_0), &o, &err));
	assert_int_equal(err.code, MW_REMOTE);
	assert_non_null(strstr(err.msg, "Cannot open file"));
	assert_false(sysbench_parse(KIND_CPUS, SYSBENCH_1_0, option,
	    strlen(option), &o, &err));
	assert_int_equal(err.code, MW_REMOTE);
	assert_false(sysbench_parse(KIND_CPUS, SYSBENCH_1_0, "", 0, &o, &err));
	assert_int_equal(err.code, MW_PROTO);
	/* The output of another kind is not ours. */
	assert_false(sysbench_parse(KIND_CPUS, SYSBENCH_1_0, fior_1_0,
	    strlen(fior_1_0), &o, &err));
	assert_false(sysbench_parse(KIND_DBR, SYSBENCH_1_0, cpu_1_0,
	    strlen(cpu_1_0), &o, &err));
}

/* A killed child: every prefix is either refused or the same figures. */
static void
cut_output_never_changes_the_value(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_out o;

	(void)state;
	for (size_t n = 0; n < strlen(oltp_1_0); n++)
		if (sysbench_parse(KIND_DBR, SYSBENCH_1_0, oltp_1_0, n, &o,
			&err))
			assert_int_equal(o.events, 100);
}

static void
argv_is_as_documented(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_argv a;
	struct sysbench_plan p = plan(KIND_FIOW, SYSBENCH_1_0);

	(void)state;
	assert_true(sysbench_argv(&p, &a, &err));
	assert_string_equal(a.v[0], "/usr/bin/sysbench");
	assert_string_equal(a.v[1], "fileio");
	assert_true(has_arg(&a, "--file-extra-flags=direct"));
	assert_true(has_arg(&a, "--file-total-size=64M"));
	assert_true(has_arg(&a, "--threads=4"));
	assert_true(has_arg(&a, "--events=100"));
	assert_string_equal(a.v[a.n - 1], "run");
	assert_null(a.v[a.n]);
	p.step = SYSBENCH_PREPARE;
	assert_true(sysbench_argv(&p, &a, &err));
	assert_false(has_arg(&a, "--file-extra-flags=direct"));
	p = plan(KIND_MEMR, SYSBENCH_1_0);
	assert_true(sysbench_argv(&p, &a, &err));
	assert_true(has_arg(&a, "--memory-total-size=6400M"));
	assert_true(has_arg(&a, "--threads=1"));
	p = plan(KIND_CPUM, SYSBENCH_0_4);
	assert_true(sysbench_argv(&p, &a, &err));
	assert_string_equal(a.v[1], "--test=cpu");
	assert_true(has_arg(&a, "--num-threads=3"));
	assert_true(has_arg(&a, "--max-requests=100"));
	p = plan(KIND_DBW, SYSBENCH_1_0);
	p.step = SYSBENCH_PREPARE;
	assert_true(sysbench_argv(&p, &a, &err));
	assert_true(has_arg(&a, "--mysql-socket=/d/s"));
	assert_string_equal(a.v[a.n - 1], "prepare");
	p = plan(KIND_DBW, SYSBENCH_0_4);
	assert_false(sysbench_argv(&p, &a, &err));
	assert_int_equal(err.code, MW_UNSUPPORTED);
}

static void
variants_have_their_own_commands(void **state)
{
	static const struct {
		unsigned lane;
		const char *arg;
	} t[] = {
		{ LANE_FIOR_SEQ, "--file-block-size=1M" },
		{ LANE_FIOR_SEQ, "--file-test-mode=seqrd" },
		{ LANE_FIOW_SEQ, "--file-test-mode=seqrewr" },
		{ LANE_FIOW_SEQ, "--threads=1" },
		{ LANE_MEMR_N, "--threads=3" },
		{ LANE_CPUM_2N, "--threads=6" },
		{ LANE_CPUM_SUSTAINED, "--report-interval=1" },
		{ LANE_DBR_PGSQL, "--pgsql-host=/d/s" },
		{ LANE_DBW_LITE, "--db-file=/d/s" },
		{ LANE_DBW_LITE, "--threads=1" },
		{ LANE_LEGACY + KIND_CPUM, "--cpu-max-prime=100000" },
		{ LANE_LEGACY + KIND_MEMW, "--memory-total-size=10G" },
		{ LANE_LEGACY + KIND_FIOR, "--time=30" },
	};
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_argv a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct sysbench_plan p = plan(t[i].lane, SYSBENCH_1_0);

		assert_true(sysbench_argv(&p, &a, &err));
		if (!has_arg(&a, t[i].arg))
			fail_msg("no %s", t[i].arg);
	}
	/* the old commands, no more and no less */
	assert_int_equal(a.n, 7);
	assert_string_equal(a.v[1], "fileio");
}

static void
seconds_of_a_long_run(void **state)
{
	static const char cpu[] =
	    "[ 1s ] thds: 2 eps: 1905.41 lat (ms,99%): 8.43\n"
	    "[ 2s ] thds: 2 eps: 1800.00 lat (ms,99%): 8.43\n"
	    "    total time: 2.0s\n[ 3s ] thds: 2 eps: x lat\n[";
	static const char fio[] =
	    "[ 1s ] reads: 0.00 MiB/s writes: 12.50 MiB/s fsyncs: 0.00/s "
	    "latency (ms,99%): 0.10\n";
	double v[4];

	(void)state;
	assert_int_equal(sysbench_intervals(LANE_CPUM_SUSTAINED, cpu,
			     sizeof cpu - 1, v, 4),
	    2);
	assert_true(fabs(v[0] - 1905.41) < 1e-9 && fabs(v[1] - 1800) < 1e-9);
	assert_int_equal(sysbench_intervals(LANE_CPUM_SUSTAINED, cpu,
			     sizeof cpu - 1, v, 1),
	    1);
	assert_int_equal(sysbench_intervals(LANE_FIOW_SUSTAINED, fio,
			     sizeof fio - 1, v, 4),
	    1);
	assert_true(fabs(v[0] - 12.5) < 1e-9);
}

static void
histograms_add_up(void **state)
{
	struct sysbench_hist a = { .value = { 1, 2, 4 },
		.count = { 1, 1, 1 },
		.n = 3,
		.total = 3 };
	struct sysbench_hist b = { .value = { 2, 3 },
		.count = { 5, 2 },
		.n = 2,
		.total = 7 };

	(void)state;
	assert_true(
	    isnan(sysbench_hist_pct(&(struct sysbench_hist){ .n = 0 }, 50)));
	sysbench_hist_add(&a, &b);
	assert_int_equal(a.n, 4);
	assert_int_equal(a.total, 10);
	assert_int_equal(a.count[1], 6);
	assert_true(fabs(sysbench_hist_pct(&a, 50) - 2) < 1e-9);
	assert_true(fabs(sysbench_hist_pct(&a, 90) - 3) < 1e-9);
	assert_true(fabs(sysbench_hist_pct(&a, 99) - 4) < 1e-9);
}

static void
version_tells_the_dialect(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	enum sysbench_dialect d;
	char v[32];

	(void)state;
	assert_true(sysbench_version("sysbench 1.0.20\n", 16, &d, v, &err));
	assert_string_equal(v, "1.0.20");
	assert_int_equal(d, SYSBENCH_1_0);
	assert_true(sysbench_version("sysbench 0.4.12: ", 17, &d, v, &err));
	assert_int_equal(d, SYSBENCH_0_4);
	assert_false(sysbench_version("sysbench 2.0", 12, &d, v, &err));
	assert_false(sysbench_version("bench", 5, &d, v, &err));
	assert_false(sysbench_version("", 0, &d, v, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_output_gives_work_over_time),
		cmocka_unit_test(latencies_and_histogram_are_read),
		cmocka_unit_test(no_complete_result_is_no_value),
		cmocka_unit_test(cut_output_never_changes_the_value),
		cmocka_unit_test(argv_is_as_documented),
		cmocka_unit_test(variants_have_their_own_commands),
		cmocka_unit_test(seconds_of_a_long_run),
		cmocka_unit_test(histograms_add_up),
		cmocka_unit_test(version_tells_the_dialect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
