/*
 * test_benchenv.c - lanes by name, and the text behind an envHash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/benchenv.h"
#include "common/pure/lane.h"

#include <string.h>

static void
names_are_read_back(void **state)
{
	static const char *const bad[] = { "", ".", "cpus.", "cpus.seq",
		"fioR.seq.seq", "fioR.SEQ", "aaaaaaaaaaaaaaaaaaaaaaaa" };
	char name[LANE_NAME_MAX];
	unsigned lane;

	(void)state;
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		lane_name(i, name);
		assert_true(lane_parse(name, &lane));
		assert_int_equal(lane, i);
		assert_true(lane_info(i)->what[0] != '\0');
	}
	assert_true(lane_parse("fioR.std", &lane));
	assert_int_equal(lane, KIND_FIOR);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(lane_parse(bad[i], &lane));
}

static void
profiles_have_their_lanes(void **state)
{
	(void)state;
	assert_int_equal(lanes_default("quick"), LANES_STD);
	assert_int_equal(lanes_default("legacy"), LANES_LEGACY);
	assert_int_equal(lanes_default("slow"), 0);
	assert_int_equal(lanes_default("deep") & LANES_SUSTAINED,
	    LANES_SUSTAINED);
	/* legacy is a world of its own */
	assert_int_equal(lanes_for("legacy", LANE_BIT(KIND_DBW)),
	    LANE_BIT(LANE_LEGACY + KIND_DBW));
	assert_int_equal(lanes_for("legacy", LANE_BIT(LANE_FIOR_SEQ)), 0);
	assert_int_equal(lanes_for("deep", LANES_LEGACY), 0);
	assert_int_equal(lanes_for("quick", LANE_BIT(KIND_MRTT)), 0);
	assert_int_equal(lanes_of_kinds(1u << KIND_MEMW),
	    LANE_BIT(KIND_MEMW) | LANE_BIT(LANE_MEMW_N) |
		LANE_BIT(LANE_LEGACY + KIND_MEMW));
}

static void
canonical_text_is_as_documented(void **state)
{
	struct result r = { .kind = KIND_CPUS, .has_env = true };
	struct benchenv_place p = { .csp = "aws",
		.spec_id = "aws+r+c5",
		.image = NULL };
	struct str s = STR_INIT;

	(void)state;
	str_copy(r.argv, sizeof r.argv,
	    "sysbench cpu --threads=1 --events=99 --time=3 run");
	str_copy(r.tool, sizeof r.tool, "sysbench");
	str_copy(r.tool_version, sizeof r.tool_version, "1.0.20");
	str_copy(r.env.kernel, sizeof r.env.kernel, "6.1.0");
	str_copy(r.env.cpu_model, sizeof r.env.cpu_model, "a CPU");
	str_copy(r.env.fs, sizeof r.env.fs, "ext4");
	r.env.vcpus = 2;
	benchenv_text(&r, &p, &s);
	assert_string_equal(str_cstr(&s),
	    "mw.env/1\ncsp=aws\nspecId=aws+r+c5\nimage=\nkernel=6.1.0\n"
	    "cpuModel=a CPU\nvcpus=2\nfs=\ntool=sysbench 1.0.20\n"
	    "argv=sysbench cpu --threads=1 run\n");
	str_reset(&s);
	r.kind = KIND_FIOR;
	r.has_env = true;
	benchenv_text(&r, &p, &s);
	assert_non_null(strstr(str_cstr(&s), "\nfs=ext4\n"));
	str_free(&s);
}

static void
only_bounds_are_left_out(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	benchenv_argv("sysbench --max-time=3 memory --max-requests=0 "
		      "--memory-total-size=1M  --timeout=3 run",
	    &s);
	assert_string_equal(str_cstr(&s), "sysbench memory --timeout=3 run");
	str_reset(&s);
	benchenv_argv("", &s);
	assert_string_equal(str_cstr(&s), "");
	str_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_back),
		cmocka_unit_test(profiles_have_their_lanes),
		cmocka_unit_test(canonical_text_is_as_documented),
		cmocka_unit_test(only_bounds_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
