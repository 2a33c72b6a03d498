/*
 * placement.c - how fast the placement library is, and how it compares with
 * general solvers of integer programs. One JSON object per line on stdout.
 *
 *	placement OUTDIR [SECONDS [FAMILY]]
 *
 * SECONDS a solver may take, 0: no solvers. FAMILY: all, small, large, compare,
 * or one by its name, as "random" or "against.roles6". The worlds are prepared
 * (placement/prepared.h), as a service has them.
 *
 * Times are CPU times of one thread (of the program, for solvers), so other
 * work on the machine does not count. Each solve is the whole place_solve():
 * filters, model, search, check of each row, explanation, flip distance.
 */
#include "tests/bench/place_run.h"

#include "common/pure/alloc.h"
#include "placement/curve.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static void
row(struct pb *t, const char *family, struct bench_query *b)
{
	struct place_answer *a;
	double ms = pb_ours(b, &a);

	printf("{\"name\":\"placement.%s\",\"value\":%.3f,\"unit\":\"ms\","
	       "\"sites\":%zu,\"groups\":%u,\"vms\":%u,\"limitMs\":%u,"
	       "\"maxPerSite\":%u,\"maxPerCsp\":%u,\"minCsps\":%u,\"users\":%u,"
	       "\"topK\":%u,\"status\":\"%s\",\"nodes\":%llu,\"ranked\":%zu,"
	       "\"conflicts\":%zu,\"relaxations\":%zu,\"cut\":%s}\n",
	    family, ms, b->w.nsites, b->roles, b->vms, b->limit_ms, b->per_site,
	    b->per_csp, b->min_csps, b->users, b->topk,
	    place_status_name(a->status), (unsigned long long)a->nodes,
	    a->nranked, a->nconflicts, a->nrelax,
	    a->cut != PLACE_NOT_CUT ? "true" : "false");
	t->cut += a->cut != PLACE_NOT_CUT;
	if (t->n < PB_MAX_ROWS)
		t->ms[t->n++] = ms;
	place_answer_free(a);
}

static void
family_end(struct pb *t, const char *family, const char *target)
{
	pb_out(family, "solves", (double)t->n, "1", NULL);
	pb_out(family, "p50", pb_quantile(t->ms, t->n, 0.5), "ms", NULL);
	pb_out(family, "p90", pb_quantile(t->ms, t->n, 0.9), "ms", NULL);
	pb_out(family, "p99", pb_quantile(t->ms, t->n, 0.99), "ms", target);
	pb_out(family, "max", pb_quantile(t->ms, t->n, 1), "ms", NULL);
	pb_out(family, "cut", (double)t->cut, "1", "0");
	t->n = t->cut = 0;
}

/* Feasible ones count for the family, the others for infeasible(). */
static void
feasible(struct pb *t, const char *family, const struct bench_world *w,
    uint32_t roles, uint32_t per_site, uint32_t topk)
{
	static struct bench_query b;

	for (size_t k = 0; k < ARRAY_LEN(pb_sizes); k++)
		for (size_t l = 0; l < ARRAY_LEN(pb_limits); l++) {
			struct place_answer *a;
			double end =
			    pb_clock_ms(CLOCK_THREAD_CPUTIME_ID) + PB_CUT_MS;
			struct mw_err err = MW_ERR_INIT;
			bool any;

			if (pb_sizes[k] < roles)
				continue;
			b = (struct bench_query){ .world = w,
				.roles = roles,
				.vms = pb_sizes[k],
				.limit_ms = pb_limits[l],
				.per_site = per_site,
				.topk = 1,
				.min_csps = l % 2 ? 2 : 1,
				.per_csp = l % 3 == 2 ? pb_sizes[k] / 2 + 1 : 0,
				.seed = 100 * k + l };
			bench_query(&b);
			a = place_solve(&b.q, &b.w, 2000000, pb_too_late, &end,
			    &err);
			any = a != NULL && a->nranked > 0;
			place_answer_free(a);
			b.topk = topk;
			if (any)
				row(t, family, &b);
		}
}

static void
infeasible(struct pb *t, const char *family, const struct bench_world *w,
    uint32_t roles, uint32_t per_site)
{
	static struct bench_query b;

	for (size_t k = 0; k < ARRAY_LEN(pb_sizes); k++)
		for (size_t l = 0; l < ARRAY_LEN(pb_limits); l++) {
			struct place_answer *a;
			double end;
			struct mw_err err = MW_ERR_INIT;
			bool none;

			if (pb_sizes[k] < roles)
				continue;
			b = (struct bench_query){ .world = w,
				.roles = roles,
				.vms = pb_sizes[k] * per_site,
				.limit_ms = pb_limits[l],
				.per_site = per_site,
				.topk = 5,
				.min_csps = 1 + (uint32_t)(l + k) % 5,
				.per_csp = k % 2 ? pb_sizes[k] / 3 + 1 : 0,
				.seed = 100 * k + l };
			bench_query(&b);
			end = pb_clock_ms(CLOCK_THREAD_CPUTIME_ID) + PB_CUT_MS;
			a = place_solve(&b.q, &b.w, 0, pb_too_late, &end, &err);
			none = a != NULL && a->nranked == 0;
			place_answer_free(a);
			if (none)
				row(t, family, &b);
		}
}

static void
users(struct pb *t, const char *family, const struct bench_world *w,
    const uint32_t *limit, size_t nlimits, uint32_t nusers, bool sum,
    uint32_t pct, uint32_t topk)
{
	static struct bench_query b;
	static const uint32_t counts[] = { 3, 5, 8, 10, 18 };

	for (size_t k = 0; k < ARRAY_LEN(counts); k++)
		for (size_t l = 0; l < nlimits; l++) {
			b = (struct bench_query){ .world = w,
				.roles = 1,
				.vms = counts[k],
				.limit_ms = limit[l],
				.per_site = 1,
				.users = nusers,
				.sum = sum,
				.pct = pct,
				.topk = topk,
				.seed = k,
				.per_csp =
				    limit[l] > 0 ? counts[k] / 2 + 1 : 0 };
			row(t, family, &b);
		}
}

/* 1,000 queries as they come: with an answer, with an explanation, all. */
static void
random_queries(struct pb *t, const struct bench_world *w)
{
	static struct bench_query b;
	static double none[1000], all[1000];
	size_t nnone = 0, nall = 0, cut = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct place_answer *a;
		struct rng rng;

		rng_seed(&rng, 7000 + i);
		b = (struct bench_query){ .world = w,
			.roles = 1 + (uint32_t)rng_below(&rng, BENCH_ROLES),
			.limit_ms =
			    pb_limits[rng_below(&rng, ARRAY_LEN(pb_limits))],
			.per_site = 1,
			.topk = 10,
			.seed = i,
			.min_csps = 1 + (uint32_t)rng_below(&rng, 3) };
		b.vms = b.roles + (uint32_t)rng_below(&rng, 19 - b.roles);
		all[nall] = pb_ours(&b, &a);
		if (a->nranked > 0)
			t->ms[t->n++] = all[nall++];
		else
			none[nnone++] = all[nall++];
		cut += a->cut != PLACE_NOT_CUT;
		place_answer_free(a);
	}
	family_end(t, "random.found", NULL);
	memcpy(t->ms, none, nnone * sizeof *none);
	t->n = nnone;
	family_end(t, "random.explained", NULL);
	memcpy(t->ms, all, nall * sizeof *all);
	t->n = nall;
	t->cut = cut;
	family_end(t, "random", "< 10");
}

struct worker {
	pthread_t thread;
	const struct bench_world *w;
	uint64_t first;
	size_t n;
	double ms[512];
};

static void *
work(void *arg)
{
	struct worker *k = arg;
	struct bench_query *b = xcalloc(1, sizeof *b);

	for (size_t i = 0; i < k->n; i++) {
		struct rng rng;
		struct mw_err err = MW_ERR_INIT;
		double t, end;

		rng_seed(&rng, 7000 + k->first + i);
		*b = (struct bench_query){ .world = k->w,
			.roles = 1 + (uint32_t)rng_below(&rng, 4),
			.limit_ms =
			    pb_limits[rng_below(&rng, ARRAY_LEN(pb_limits))],
			.per_site = 1,
			.topk = 10,
			.seed = k->first + i,
			.min_csps = 1 + (uint32_t)rng_below(&rng, 3) };
		b->vms = b->roles + (uint32_t)rng_below(&rng, 15);
		bench_query(b);
		t = pb_clock_ms(CLOCK_THREAD_CPUTIME_ID);
		end = t + PB_CUT_MS;
		place_answer_free(
		    place_solve(&b->q, &b->w, 0, pb_too_late, &end, &err));
		k->ms[i] = pb_clock_ms(CLOCK_THREAD_CPUTIME_ID) - t;
	}
	free(b);
	return NULL;
}

/* 1,000 random queries on two threads over one world. */
static void
throughput(struct pb *t, const struct bench_world *w)
{
	struct worker *k = xcalloc(2, sizeof *k);
	double start = pb_clock_ms(CLOCK_MONOTONIC), took;

	for (size_t i = 0; i < 2; i++) {
		k[i].w = w;
		k[i].first = 500 * i;
		k[i].n = 500;
		if (pthread_create(&k[i].thread, NULL, work, &k[i]) != 0)
			exit(1);
	}
	for (size_t i = 0; i < 2; i++)
		pthread_join(k[i].thread, NULL);
	took = pb_clock_ms(CLOCK_MONOTONIC) - start;
	for (size_t i = 0; i < 1000; i++)
		t->ms[t->n++] = k[i / 500].ms[i % 500];
	pb_out("random2threads", "queries", 1e6 / took, "1/s", NULL);
	family_end(t, "random2threads", "< 20");
	free(k);
}

static void
curve(const struct bench_world *w)
{
	static struct bench_query b;
	struct place_sweep sweep = { 0 };
	struct mw_err err = MW_ERR_INIT;
	struct place_curve *c;
	double t, end;

	b = (struct bench_query){ .world = w,
		.roles = 1,
		.vms = 10,
		.limit_ms = 200,
		.per_site = 1,
		.topk = 1,
		.seed = 1 };
	bench_query(&b);
	t = pb_clock_ms(CLOCK_THREAD_CPUTIME_ID);
	end = t + PB_CUT_MS;
	c = place_curve_new(&b.q, &b.w, &sweep, 0, pb_too_late, &end, &err);
	t = pb_clock_ms(CLOCK_THREAD_CPUTIME_ID) - t;
	if (c == NULL)
		return;
	pb_out("curve110", "time", t, "ms", NULL);
	pb_out("curve110", "points", (double)c->n, "1", NULL);
	pb_out("curve110", "perPoint", t / (double)(c->n + 1), "ms", NULL);
	pb_out("curve110", "complete", c->complete, "1", "1");
	place_curve_free(c);
}

static void
memory(const char *family)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	pb_out(family, "maxRss", (double)u.ru_maxrss / 1024, "MiB", NULL);
}

static void
small_users(struct pb *t, const struct bench_world *w)
{
	static const uint32_t none[] = { 0 }, some[] = { 100, 200 };

	if (pb_wanted(t, "median")) {
		users(t, "median", w, none, 1, 200, true, 0, 1);
		users(t, "median", w, none, 1, 200, true, 0, 10);
		family_end(t, "median", "< 25");
	}
	if (pb_wanted(t, "median.limit")) {
		users(t, "median.limit", w, some, 2, 200, true, 0, 1);
		family_end(t, "median.limit", "< 1000");
	}
	if (pb_wanted(t, "center")) {
		users(t, "center", w, none, 1, 200, false, 100, 1);
		users(t, "center.p95", w, none, 1, 200, false, 95, 1);
		users(t, "center.limit", w, some, 2, 200, false, 100, 1);
		family_end(t, "center", "< 2000");
	}
	if (pb_wanted(t, "center.top10")) {
		users(t, "center.top10", w, none, 1, 200, false, 100, 10);
		users(t, "center.top10.p95", w, none, 1, 200, false, 95, 10);
		family_end(t, "center.top10", NULL);
	}
}

static void
small_groups(struct pb *t, const struct bench_world *w)
{
	if (pb_wanted(t, "roles1.top1")) {
		feasible(t, "roles1", w, 1, 1, 1);
		family_end(t, "roles1.top1", "< 1");
	}
	if (pb_wanted(t, "roles1.top10")) {
		feasible(t, "roles1", w, 1, 1, 10);
		family_end(t, "roles1.top10", "< 1");
	}
	if (pb_wanted(t, "roles3to6.top10")) {
		feasible(t, "roles3", w, 3, 1, 10);
		feasible(t, "roles4", w, 4, 1, 10);
		feasible(t, "roles6", w, 6, 1, 10);
		family_end(t, "roles3to6.top10", "< 10");
	}
	if (pb_wanted(t, "perSite2and3")) {
		feasible(t, "perSite2", w, 3, 2, 10);
		feasible(t, "perSite3", w, 3, 3, 10);
		feasible(t, "perSite3", w, 6, 3, 10);
		family_end(t, "perSite2and3", NULL);
	}
	if (pb_wanted(t, "infeasible")) {
		infeasible(t, "infeasible.roles1", w, 1, 1);
		infeasible(t, "infeasible.roles3", w, 3, 1);
		infeasible(t, "infeasible.perSite2", w, 3, 2);
		family_end(t, "infeasible", "< 10");
	}
}

static void
small(struct pb *t)
{
	struct pb_ready r;

	t->part = "small";
	pb_ready_make(&r, 110, 100, 1);
	small_groups(t, &r.w);
	if (pb_wanted(t, "random"))
		random_queries(t, &r.w);
	small_users(t, &r.w);
	if (pb_wanted(t, "curve110"))
		curve(&r.w);
	memory("sites110");
	if (pb_wanted(t, "random2threads"))
		throughput(t, &r.w);
	pb_ready_free(&r);
}

static void
large(struct pb *t)
{
	static const struct {
		uint32_t sites, offers;
		const char *one, *three, *one_target, *three_target;
	} v[] = { { 300, 100, "sites300.roles1", "sites300.roles3", "< 10",
		      "< 50" },
		{ 1000, 100, "sites1000.roles1", "sites1000.roles3", "< 10",
		    "< 500" },
		{ 5000, 20, "sites5000.roles1", NULL, "< 200", NULL } };

	t->part = "large";
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		bool one = pb_wanted(t, v[i].one);
		bool three = v[i].three != NULL && pb_wanted(t, v[i].three);
		struct pb_ready r;

		if (!one && !three)
			continue;
		pb_ready_make(&r, v[i].sites, v[i].offers, 2 + i);
		if (one) {
			feasible(t, v[i].one, &r.w, 1, 1, 10);
			family_end(t, v[i].one, v[i].one_target);
		}
		if (three) {
			feasible(t, v[i].three, &r.w, 3, 1, 10);
			family_end(t, v[i].three, v[i].three_target);
		}
		memory(v[i].one);
		pb_ready_free(&r);
	}
}

/* Users of more sites than a search can prove: says how many rows are cut. */
static void
large_users(struct pb *t)
{
	static const uint32_t none[] = { 0 };
	struct pb_ready r;

	if (!pb_wanted(t, "median.300"))
		return;
	pb_ready_make(&r, 300, 20, 2);
	users(t, "median.300", &r.w, none, 1, 200, true, 0, 1);
	family_end(t, "median.300", NULL);
	pb_ready_free(&r);
}

int
main(int argc, char **argv)
{
	static struct pb t;

	if (argc < 2) {
		fprintf(stderr,
		    "usage: placement OUTDIR [SECONDS [all|small|large|"
		    "compare|FAMILY]]\n");
		return 2;
	}
	t.dir = argv[1];
	t.limit_s = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 60;
	t.only = argc > 3 ? argv[3] : "all";
	small(&t);
	large(&t);
	large_users(&t);
	if (t.limit_s > 0)
		pb_compare(&t);
	return t.wrong > 0;
}
