/*
 * test_deck.c - tables of numbers: the published ones give the published
 * means, and what is wrong with them is told and not mended.
 */
#include "common/file.h"
#include "common/pure/deck.h"
#include "common/pure/eval.h"
#include "common/pure/str.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define assert_near(a, b, eps) assert_true(fabs((a) - (b)) <= (eps))

#define DECK "bench-data/deck/"

static struct deck_table *
load(const char *path)
{
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	struct deck_table *t = NULL;

	if (file_read(path, DECK_MAX_BYTES, &s, &err))
		t = deck_parse(str_cstr(&s), s.len, &err);
	str_free(&s);
	if (!t)
		fail_msg("%s: %s", path, err.msg);
	return t;
}

static struct deck_table *
parse(const char *text)
{
	struct mw_err err = MW_ERR_INIT;

	return deck_parse(text, strlen(text), &err);
}

static size_t
count(const struct deck_findings *f, enum deck_what what)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->v[i].what == what;
	return n;
}

static bool
has(const struct deck_findings *f, enum deck_what what, size_t a, size_t b)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].what == what && f->v[i].a == a && f->v[i].b == b)
			return true;
	return false;
}

static void
cpu_table_has_the_printed_means(void **state)
{
	struct deck_table *t = load(DECK "deck-cpu.csv");
	struct deck_findings f = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(t->rows, 17);
	assert_near(deck_mean(t, 0, &n), 41.52, 0.005);
	assert_near(deck_mean(t, 1, &n), 284.36, 0.005);
	assert_int_equal(n, 17);
	deck_check(t, NULL, &f);
	assert_int_equal(f.n, 0);
	deck_findings_free(&f);
	deck_free(t);
}

/* The same name twice with two values, and a name that is not there. */
static void
korea_keeps_its_damage_and_says_so(void **state)
{
	struct deck_table *cpu = load(DECK "deck-cpu.csv");
	struct deck_table *t = load(DECK "deck-rtt-korea.csv");
	struct deck_findings f = { 0 };
	size_t n;

	(void)state;
	assert_near(deck_mean(t, 0, &n), 119.18, 0.005);
	assert_int_equal(n, 17);
	deck_check(t, cpu, &f);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.v[0].what, DECK_DUPLICATE);
	assert_string_equal(t->names[f.v[0].a], "aws-us-east-1-m4.xlarge");
	assert_string_equal(deck_at(t, f.v[0].a, 0)->text, "210.729");
	assert_string_equal(deck_at(t, f.v[0].b, 0)->text, "222.144");
	assert_int_equal(f.v[1].what, DECK_MISSING);
	assert_string_equal(cpu->names[f.v[1].a], "aws-us-east-1-m4.4xlarge");
	deck_findings_free(&f);
	deck_free(t);
	deck_free(cpu);
}

/* Exactly the pairs of the published analysis; rows and columns from 0. */
static void
matrix_is_kept_and_flagged(void **state)
{
	static const size_t minor[][2] = { { 0, 8 }, { 0, 13 } };
	struct deck_table *t = load(DECK "deck-rtt-17x17.csv");
	struct deck_findings f = { 0 };

	(void)state;
	deck_check_matrix(t, &f);
	assert_int_equal(count(&f, DECK_NOT_SQUARE), 0);
	assert_int_equal(count(&f, DECK_ASYMMETRIC), 5);
	assert_int_equal(count(&f, DECK_ASYMMETRIC_MINOR), 2);
	for (size_t i = 1; i <= 5; i++)
		assert_true(has(&f, DECK_ASYMMETRIC, i, 16));
	for (size_t i = 0; i < 2; i++)
		assert_true(
		    has(&f, DECK_ASYMMETRIC_MINOR, minor[i][0], minor[i][1]));
	for (size_t i = 1; i <= 5; i++)
		assert_true(has(&f, DECK_REPEATED, i, 12));
	for (size_t i = 0; i < f.n; i++)
		if (f.v[i].what == DECK_REPEATED) {
			assert_in_range(f.v[i].a, 1, 5);
			assert_in_range(f.v[i].b, 8, 16);
		}
	assert_string_equal(deck_at(t, 1, 16)->text, "183.568");
	deck_findings_free(&f);
	deck_free(t);
}

/* t2.2xlarge has cores, D11_v2 nearly, all others have hyper-threads. */
static void
cores_of_the_deck(void **state)
{
	struct deck_table *t = load(DECK "deck-cpu.csv");
	struct deck_table *v = load(DECK "deck-vcpu.csv");
	char text[96];

	(void)state;
	assert_int_equal(v->rows, t->rows);
	for (size_t i = 0; i < t->rows; i++) {
		size_t row = deck_row(v, t->names[i]);
		int64_t vcpu = (int64_t)deck_at(v, row, 0)->v;
		double cores = deck_at(t, i, 1)->v / deck_at(t, i, 0)->v;
		double eff = cores / (double)vcpu;

		assert_true(eval_cores_text(vcpu, cores, text, sizeof text));
		if (strstr(t->names[i], "t2.2xlarge")) {
			assert_near(eff, 1.00, 0.005);
			assert_string_equal(text,
			    "8 vCPU here are as many cores");
		} else if (strstr(t->names[i], "D11_v2")) {
			assert_near(eff, 0.95, 0.005);
		} else {
			assert_true(eff > 0.705 && eff < 0.775);
			assert_non_null(strstr(text, "hyper-threads"));
		}
	}
	deck_free(t);
	deck_free(v);
}

static void
odd_cells_stay_as_they_are(void **state)
{
	struct deck_table *t = parse("spec,a,b\r\nx,1.5,\ny,n/a,-2\nx,3,4");
	struct deck_findings f = { 0 };
	size_t n;

	(void)state;
	assert_non_null(t);
	assert_int_equal(t->rows, 3);
	assert_string_equal(deck_at(t, 1, 0)->text, "n/a");
	assert_true(isnan(deck_at(t, 1, 0)->v));
	assert_true(isnan(deck_at(t, 0, 1)->v));
	assert_near(deck_mean(t, 0, &n), 2.25, 1e-9);
	assert_int_equal(n, 2);
	deck_check(t, NULL, &f);
	assert_int_equal(f.n, 2);
	assert_true(has(&f, DECK_BAD_CELL, 1, 0));
	assert_true(has(&f, DECK_DUPLICATE, 0, 2));
	deck_findings_free(&f);
	deck_free(t);
}

static void
what_is_no_table_is_refused(void **state)
{
	static const char *const bad[] = { "", "\n", "spec\n", "spec,a\nx\n",
		"spec,a\nx,1,2\n", "spec,a\n,1\n", "spec,a\nx,\"1\"\n",
		"spec,a\nx,1\t\n", "spec,a\n\nx,1\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct deck_table *t = parse(bad[i]);

		if (t)
			fail_msg("accepted: %s", bad[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_table_has_the_printed_means),
		cmocka_unit_test(korea_keeps_its_damage_and_says_so),
		cmocka_unit_test(matrix_is_kept_and_flagged),
		cmocka_unit_test(cores_of_the_deck),
		cmocka_unit_test(odd_cells_stay_as_they_are),
		cmocka_unit_test(what_is_no_table_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
