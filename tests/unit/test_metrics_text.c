/*
 * test_metrics_text.c - the page of /metrics: labels of any text, what is
 * unknown, its bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/measure/metrics_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW (INT64_C(1700000000) * NS_PER_S)

static struct metrics_vm
vm_named(const char *name)
{
	struct metrics_vm v = { .status = LC_RUNNING, .has_host = true };

	str_copy(v.ns, sizeof v.ns, "default");
	str_copy(v.mcis, sizeof v.mcis, "m");
	str_copy(v.vm, sizeof v.vm, name);
	v.host.at = NOW / NS_PER_S / 60 - 1;
	v.host.covered_s = 60;
	for (size_t f = 0; f < HOST_FIELDS; f++)
		v.host.v[f] = -1;
	return v;
}

static char *
text_of(const struct metrics_page *g)
{
	struct str s = STR_INIT;

	metrics_text(g, &s);
	return str_take(&s);
}

/* Samples, not comments, whose line begins so. */
static size_t
count(const char *text, const char *prefix)
{
	size_t n = 0, len = strlen(prefix);

	for (const char *p = text; p != NULL && *p != '\0';
	     p = strchr(p, '\n'), p += p != NULL)
		n += strncmp(p, prefix, len) == 0;
	return n;
}

static void
names_cannot_leave_their_quotes(void **state)
{
	struct metrics_vm v = vm_named("a\"} 1\nevil 1\n\\");
	struct metrics_page g = { .now_ns = NOW, .vms = &v, .nvms = 1 };
	char *text = text_of(&g);

	(void)state;
	assert_int_equal(count(text, "evil"), 0);
	assert_non_null(strstr(text,
	    "milkyway_vm_status{ns=\"default\",mcis=\"m\","
	    "vm=\"a\\\"} 1\\nevil 1\\n\\\\\"} 1\n"));
	free(text);
}

static void
the_unknown_and_the_stale_have_no_sample(void **state)
{
	struct metrics_vm v = vm_named("a");
	struct metrics_page g = { .now_ns = NOW, .vms = &v, .nvms = 1 };
	char *text;

	(void)state;
	v.host.v[HOST_CPU] = 250;
	v.host.v[HOST_NET_RX] = 120;
	text = text_of(&g);
	assert_non_null(strstr(text,
	    "cpu_used_ratio{ns=\"default\",mcis="
	    "\"m\",vm=\"a\"} 0.025\n"));
	assert_non_null(strstr(text,
	    "receive_bytes_per_second{ns=\"default\","
	    "mcis=\"m\",vm=\"a\"} 2\n"));
	assert_int_equal(count(text, "milkyway_vm_cpu_steal_ratio"), 0);
	assert_int_equal(count(text, "milkyway_vm_agent_up"), 0);
	free(text);
	v.host.at -= 10;
	text = text_of(&g);
	assert_int_equal(count(text, "milkyway_vm_cpu_used_ratio"), 0);
	assert_int_equal(count(text, "milkyway_vm_host_timestamp_seconds"), 1);
	assert_int_equal(count(text, "milkyway_vm_status"), 1);
	free(text);
}

static struct matrix *
matrix_of(size_t n)
{
	struct matrix *m = matrix_new(n);
	char name[32];

	m->at_wall_ns = NOW;
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof name, "v-%zu", i);
		m->names[i] = xstrdup(name);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			struct matrix_cell *c = matrix_at(m, i, j);

			if (i == j)
				continue;
			c->why = MATRIX_KNOWN;
			c->p50_us = 1000;
			c->p95_us = (uint32_t)(2000 + i);
		}
	return m;
}

static void
matrices_are_summed_up_and_large_ones_not_spelled_out(void **state)
{
	struct metrics_mcis m[2] = { { .ns = "default", .mcis = "small" },
		{ .ns = "default", .mcis = "large" } };
	struct metrics_page g = { .now_ns = NOW,
		.pairs = true,
		.mcis = m,
		.nmcis = 2 };
	char *text;

	(void)state;
	m[0].matrix = matrix_of(3);
	m[1].matrix = matrix_of(METRICS_PAIRS_VMS + 1);
	matrix_at(m[0].matrix, 0, 1)->why = MATRIX_NO_ANSWER;
	matrix_at(m[0].matrix, 1, 0)->flags = MATRIX_F_TX_USER;
	text = text_of(&g);
	assert_non_null(strstr(text,
	    "milkyway_matrix_pairs{ns=\"default\","
	    "mcis=\"small\",state=\"known\"} 5\n"));
	assert_non_null(strstr(text, "mcis=\"small\",state=\"unknown\"} 1\n"));
	assert_non_null(strstr(text,
	    "worst_seconds{ns=\"default\","
	    "mcis=\"small\"} 0.002002\n"));
	assert_non_null(strstr(text, "mcis=\"small\",flag=\"txUser\"} 1\n"));
	assert_int_equal(count(text, "milkyway_matrix_pair_rtt_p95"), 5);
	assert_int_equal(count(text, "milkyway_matrix_pair_rtt_median"), 5);
	assert_non_null(
	    strstr(text, "\nmilkyway_metrics_dropped_series 5100\n"));
	free(text);
	g.pairs = false;
	text = text_of(&g);
	assert_int_equal(count(text, "milkyway_matrix_pair_"), 0);
	assert_non_null(strstr(text, "\nmilkyway_metrics_dropped_series 0\n"));
	free(text);
	matrix_unref(m[0].matrix);
	matrix_unref(m[1].matrix);
}

static void
what_is_left_out_is_counted(void **state)
{
	struct metrics_page g = { .now_ns = NOW, .vms_left = 10 };
	char *text = text_of(&g);

	(void)state;
	assert_non_null(
	    strstr(text, "\nmilkyway_metrics_dropped_series 210\n"));
	free(text);
}

/* However much there is, the page ends. */
static void
the_page_is_bounded(void **state)
{
	size_t n = 10000;
	struct metrics_vm *v = xcalloc(n, sizeof *v);
	struct metrics_page g = { .now_ns = NOW, .vms = v, .nvms = n };
	char *text, *last;
	size_t samples = 0;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		v[i] = vm_named("x");
		for (size_t f = 0; f < HOST_FIELDS; f++)
			v[i].host.v[f] = 1;
	}
	text = text_of(&g);
	samples = count(text, "milkyway_");
	assert_int_equal(samples, METRICS_SERIES_MAX + 1);
	last = strstr(text, "\nmilkyway_metrics_dropped_series ");
	assert_non_null(last);
	assert_true(strtol(last + 33, NULL, 10) > 0);
	free(text);
	free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_cannot_leave_their_quotes),
		cmocka_unit_test(the_unknown_and_the_stale_have_no_sample),
		cmocka_unit_test(
		    matrices_are_summed_up_and_large_ones_not_spelled_out),
		cmocka_unit_test(what_is_left_out_is_counted),
		cmocka_unit_test(the_page_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
