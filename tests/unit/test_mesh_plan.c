/*
 * test_mesh_plan.c - levels, rotation, budgets, inheritance of matrix rounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/alloc.h"
#include "coordinator/measure/mesh_plan.h"

#include <string.h>

static const char *const regions[] = { "seoul", "tokyo", "paris" };
static const char *const zones[] = { "a", "b" };

/* Six zones in three regions, unevenly: 7 of 12 in the first zone. */
static struct mesh_plan_place *
places_make(size_t n)
{
	struct mesh_plan_place *v = xcalloc(n, sizeof *v);

	for (size_t i = 0; i < n; i++) {
		size_t k = i % 12 < 7 ? 0 : i % 12 - 6;

		v[i] = (struct mesh_plan_place){ "aws", regions[k / 2],
			zones[k % 2] };
	}
	return v;
}

static void
make(struct mesh_plan *p, size_t n, uint64_t round)
{
	struct mesh_plan_place *v = places_make(n);

	mesh_plan_make(p, v, n, MESH_PLAN_FULL_MAX, round);
	free(v);
}

static void
size_decides_the_plan(void **state)
{
	static const struct {
		size_t n;
		bool half, levels;
		int64_t bytes; /* k 10 */
	} rows[] = {
		{ 2, false, false, 2 * 10 * 200 },
		{ 17, false, false, 272 * 10 * 200 },
		{ 100, false, false, 9900 * 10 * 200 },
		{ 101, true, false, 10100 * 10 * 100 },
		{ 300, true, false, 89700 * 10 * 100 },
	};
	struct mesh_plan p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		make(&p, rows[i].n, 0);
		assert_int_equal(p.half, rows[i].half);
		assert_int_equal(p.levels, rows[i].levels);
		assert_int_equal(p.most, rows[i].n - 1);
		assert_int_equal(mesh_plan_bytes(&p, 10), rows[i].bytes);
		mesh_plan_free(&p);
	}
	make(&p, 301, 0);
	assert_true(p.levels);
	assert_int_equal(p.nzones, 6);
	assert_int_equal(p.nregions, 3);
	/* Two in the ring each, 6 representatives among themselves; these may
	 * be in each other's ring no more than once. */
	assert_int_equal(p.pairs, 301 * 2 + 6 * 5);
	assert_int_equal(p.most, 7);
	mesh_plan_free(&p);
}

static void
budget_reduces_k(void **state)
{
	struct mesh_plan p;

	(void)state;
	make(&p, 100, 0); /* 1.98 MB a sweep */
	assert_int_equal(mesh_plan_fit(&p, 10, 200000000), 10);
	assert_int_equal(mesh_plan_fit(&p, 10, 5000000), 2);
	assert_int_equal(mesh_plan_fit(&p, 10, 1980000), 1);
	assert_int_equal(mesh_plan_fit(&p, 10, 1979999), 0);
	mesh_plan_free(&p);
}

static void
lonely_zones(void **state)
{
	struct mesh_plan_place one[400];
	struct mesh_plan p;

	(void)state;
	/* All in one zone: only the ring. */
	for (size_t i = 0; i < 400; i++)
		one[i] = (struct mesh_plan_place){ "static", "", "" };
	mesh_plan_make(&p, one, 400, MESH_PLAN_FULL_MAX, 3);
	assert_int_equal(p.nzones, 1);
	assert_int_equal(p.pairs, 800);
	mesh_plan_free(&p);
	/* One is alone in its zone: it still meets the other representative. */
	one[9].zone = "b";
	mesh_plan_make(&p, one, 400, MESH_PLAN_FULL_MAX, 3);
	assert_int_equal(p.nzones, 2);
	assert_int_equal(p.rep[1], 9);
	assert_int_equal(p.first[10] - p.first[9], 1);
	assert_int_equal(p.target[p.first[9]], p.rep[0]);
	mesh_plan_free(&p);
}

static void
set(struct matrix *m, size_t i, size_t j, uint32_t us)
{
	*matrix_at(m, i, j) = (struct matrix_cell){ .why = MATRIX_KNOWN,
		.n = 10,
		.min_us = us,
		.avg_us = us,
		.p50_us = us,
		.p95_us = us + 1,
		.at_wall_ns = 5 };
}

static void
holes_inherit(void **state)
{
	/* seoul/a: 0 1; seoul/b: 2; tokyo/a: 3 4; paris/a: 5 */
	static const struct mesh_plan_place at[] = { { "x", "seoul", "a" },
		{ "x", "seoul", "a" }, { "x", "seoul", "b" },
		{ "x", "tokyo", "a" }, { "x", "tokyo", "a" },
		{ "x", "paris", "a" } };
	struct matrix *m = matrix_new(6);
	const struct matrix_cell *c;
	struct mesh_plan p;

	(void)state;
	mesh_plan_make(&p, at, 6, MESH_PLAN_FULL_MAX, 0);
	set(m, 0, 3, 30000);
	set(m, 0, 4, 50000);
	set(m, 1, 4, 40000);
	matrix_at(m, 4, 0)->why = MATRIX_NO_ANSWER;
	assert_int_equal(mesh_plan_inherit(m, &p), 3);
	/* The middle one of its zones. */
	c = matrix_at(m, 1, 3);
	assert_int_equal(c->why, MATRIX_KNOWN);
	assert_int_equal(c->p50_us, 40000);
	assert_int_equal(c->flags, MATRIX_F_INHERITED);
	assert_int_equal(c->n, 0);
	/* No sample from seoul/b: that of its region. */
	assert_int_equal(matrix_at(m, 2, 3)->p50_us, 40000);
	assert_true(matrix_at(m, 2, 4)->flags & MATRIX_F_INHERITED);
	/* A measured hole stays one; own samples stay; nothing from nowhere;
	 * never the other direction. */
	assert_int_equal(matrix_at(m, 4, 0)->why, MATRIX_NO_ANSWER);
	assert_int_equal(matrix_at(m, 0, 3)->p50_us, 30000);
	assert_int_equal(matrix_at(m, 0, 3)->flags, 0);
	assert_int_equal(matrix_at(m, 0, 5)->why, MATRIX_NEVER);
	assert_int_equal(matrix_at(m, 3, 0)->why, MATRIX_NEVER);
	/* Again: what is inherited does not breed. */
	assert_int_equal(mesh_plan_inherit(m, &p), 0);
	mesh_plan_free(&p);
	matrix_unref(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_decides_the_plan),
		cmocka_unit_test(budget_reduces_k),
		cmocka_unit_test(lonely_zones),
		cmocka_unit_test(holes_inherit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
