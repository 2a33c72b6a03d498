/*
 * test_matrix.c - the directed matrix.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/alloc.h"
#include "common/pure/matrix.h"

static void
starts_unknown(void **state)
{
	struct matrix *m = matrix_new(3);
	uint32_t us;

	(void)state;
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(m->cells[i].why, MATRIX_NEVER);
	assert_false(matrix_pair_us(m, 0, 1, true, &us));
	matrix_unref(m);
	matrix_unref(NULL);
	m = matrix_new(0);
	matrix_unref(m);
}

static void
pair_takes_the_worse_direction(void **state)
{
	struct matrix *m = matrix_new(3);
	uint32_t us;

	(void)state;
	*matrix_at(m, 0, 1) = (struct matrix_cell){ .why = MATRIX_KNOWN,
		.p50_us = 10,
		.p95_us = 20 };
	assert_true(matrix_pair_us(m, 0, 1, true, &us));
	assert_int_equal(us, 20);
	assert_true(matrix_pair_us(m, 1, 0, false, &us));
	assert_int_equal(us, 10);
	*matrix_at(m, 1, 0) = (struct matrix_cell){ .why = MATRIX_KNOWN,
		.p50_us = 15,
		.p95_us = 16 };
	assert_true(matrix_pair_us(m, 0, 1, true, &us));
	assert_int_equal(us, 20);
	assert_true(matrix_pair_us(m, 0, 1, false, &us));
	assert_int_equal(us, 15);
	assert_false(matrix_pair_us(m, 0, 2, true, &us));
	matrix_unref(m);
}

static void
finds_rows_and_counts_references(void **state)
{
	struct matrix *m = matrix_new(2);

	(void)state;
	m->names[1] = xstrdup("vm-b");
	assert_int_equal(matrix_index(m, "vm-b"), 1);
	assert_true(matrix_index(m, "vm-c") == SIZE_MAX);
	assert_ptr_equal(matrix_ref(m), m);
	matrix_unref(m);
	assert_int_equal(matrix_index(m, "vm-b"), 1);
	matrix_unref(m);
}

static void
names_round_trip(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MATRIX_WHY_COUNT; i++)
		assert_int_equal(matrix_why_parse(
				     matrix_why_name((enum matrix_why)i)),
		    i);
	assert_int_equal(matrix_why_parse("?"), MATRIX_NEVER);
	assert_string_equal(matrix_method_name(MATRIX_UDP_ECHO), "udpEcho");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_unknown),
		cmocka_unit_test(pair_takes_the_worse_direction),
		cmocka_unit_test(finds_rows_and_counts_references),
		cmocka_unit_test(names_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
