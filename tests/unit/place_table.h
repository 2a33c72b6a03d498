/*
 * place_table.h - a world of one table of times, for golden answers. Includes
 * its code, behind cmocka.h: one test is one program.
 */
#ifndef MW_TESTS_PLACE_TABLE_H
#define MW_TESTS_PLACE_TABLE_H

#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "placement/placement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX 128

struct table {
	size_t n;
	char names[MAX][64], csps[MAX][16];
	uint32_t rtt[MAX * MAX];
	struct place_site sites[MAX];
	struct place_offer offers[MAX];
	int64_t score[MAX];
	struct place_world w;
	struct place_role role;
	struct place_query q;
};

static const char *const metrics[] = { "cpum" };

static void
cell(struct table *t, size_t i, size_t j, const char *text, size_t len)
{
	double ms;
	int64_t us;

	t->rtt[i * t->n + j] = PLACE_UNKNOWN;
	if (len == 0)
		return;
	assert_true(num_parse_f64(text, len, 0, 60000, &ms));
	assert_true(num_ms_to_us(ms, true, &us));
	t->rtt[i * t->n + j] = (uint32_t)us;
}

static bool
read_table(struct table *t, const char *path)
{
	static char line[16384];
	FILE *f = fopen(path, "r");
	size_t row = 0;

	if (f == NULL)
		return false;
	for (size_t lines = 0; fgets(line, sizeof line, f); lines++) {
		char *p = line;

		line[strcspn(line, "\r\n")] = '\0';
		for (size_t col = 0; p != NULL; col++) {
			char *comma = strchr(p, ',');
			size_t len = comma ? (size_t)(comma - p) : strlen(p);

			assert_true(col <= MAX);
			if (lines == 0 && col > 0)
				snprintf(t->names[t->n++], 64, "%.*s", (int)len,
				    p);
			else if (lines > 0 && col > 0)
				cell(t, row, col - 1, p, len);
			p = comma ? comma + 1 : NULL;
		}
		row += lines > 0;
	}
	fclose(f);
	assert_int_equal(row, t->n);
	return true;
}

/* One offer per site; region = csp and the next words, or the site. */
static void
make_world(struct table *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		snprintf(t->csps[i], sizeof t->csps[i], "%.*s",
		    (int)strcspn(t->names[i], "-"), t->names[i]);
		t->sites[i].id = t->names[i];
		t->sites[i].csp = t->csps[i];
		t->sites[i].region = t->names[i];
		t->score[i] = 1000 * (int64_t)(i + 1);
		t->offers[i].site = i;
		t->offers[i].spec_id = "vm";
		t->offers[i].vcpu = 2;
		t->offers[i].cost_per_hour_micros = PLACE_NO_PRICE;
		t->offers[i].scores = &t->score[i];
	}
	t->w.sites = t->sites;
	t->w.nsites = t->n;
	t->w.offers = t->offers;
	t->w.noffers = t->n;
	t->w.metrics = metrics;
	t->w.nmetrics = 1;
	t->w.rtt_us[PLACE_P50] = t->w.rtt_us[PLACE_P95] = t->rtt;
	t->w.intra_site_us = PLACE_UNKNOWN;
	t->role.name = "vm";
	t->role.count = 1;
	t->q.roles = &t->role;
	t->q.nroles = 1;
	t->q.limits.stat = PLACE_P95;
	t->q.limits.max_per_site = 1;
}

static struct place_answer *
solve(struct table *t)
{
	struct mw_err err = MW_ERR_INIT;
	struct place_answer *a = place_solve(&t->q, &t->w, 0, NULL, NULL, &err);

	if (a == NULL)
		fail_msg("%s at %s", err.msg, err.pointer);
	return a;
}

static struct place_answer *
ask(struct table *t, uint32_t count, int64_t rtt_us, uint32_t csps)
{
	t->role.count = count;
	t->q.limits.max_rtt_us = rtt_us;
	t->q.limits.min_csps = csps;
	return solve(t);
}

/* Members as 1-based numbers of the table. */

static const struct place_relaxation *
relaxation(const struct place_answer *a, const char *pointer)
{
	for (size_t i = 0; i < a->nrelax; i++)
		if (strcmp(a->relax[i].pointer, pointer) == 0)
			return &a->relax[i];
	return NULL;
}

static uint64_t
bits(const struct place_member *m, size_t n)
{
	uint64_t b = 0;

	for (size_t i = 0; i < n; i++)
		b |= UINT64_C(1) << (m[i].site + 1);
	return b;
}

static void
expect_smallest(struct table *t, uint32_t vms, uint32_t csps, int64_t us,
    uint64_t group)
{
	struct place_answer *a = ask(t, vms, 1000, csps);
	const struct place_relaxation *r;

	assert_int_equal(a->status, PLACE_INFEASIBLE);
	assert_true(a->has_min_rtt);
	assert_int_equal(a->min_rtt_us, us);
	assert_int_equal(a->min_rtt_low_us, us);
	r = relaxation(a, "/constraints/maxRttMs");
	assert_non_null(r);
	assert_true(r->proved);
	assert_true(r->pair.known);
	assert_int_equal(r->pair.rtt_us, us);
	if (group != 0)
		assert_int_equal(bits(r->members, r->nmembers), group);
	place_answer_free(a);
	/* Strict: at the value none, just above one. */
	a = ask(t, vms, us, csps);
	assert_int_equal(a->status, PLACE_INFEASIBLE);
	place_answer_free(a);
	a = ask(t, vms, us + 1, csps);
	assert_int_equal(a->status, PLACE_OPTIMAL);
	assert_int_equal(a->ranked[0].worst.rtt_us, us);
	assert_int_equal(a->ranked[0].slack_us, 1);
	place_answer_free(a);
	t->q.limits.le = true;
	a = ask(t, vms, us, csps);
	assert_int_equal(a->status, PLACE_OPTIMAL);
	place_answer_free(a);
	t->q.limits.le = false;
}

#endif
