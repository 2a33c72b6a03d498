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
#include "tests/bench/place_lp.h"

#include "common/pure/alloc.h"
#include "placement/curve.h"
#include "placement/prepared.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define CUT_MS 3000 /* no solve may take longer */
#define MAX_ROWS 4096

struct bench {
	const char *dir;
	unsigned limit_s;
	double start_ms[LP_SOLVERS];
	double ms[MAX_ROWS]; /* of the family at hand */
	size_t n, cut;
	double ratio[LP_SOLVERS][MAX_ROWS];
	size_t nratio[LP_SOLVERS], no_proof[LP_SOLVERS];
	double best[MAX_ROWS]; /* ratio to the best of the solvers */
	size_t nbest, lost;
	size_t wrong;
	const char *part, *only; /* of the families; what is asked for */
};

static bool
wanted(const struct bench *t, const char *family)
{
	return strcmp(t->only, "all") == 0 || strcmp(t->only, t->part) == 0 ||
	    strcmp(t->only, family) == 0;
}

/* A generated world, ready for many queries. */
struct ready {
	struct bench_world w, *plain;
	struct place_prepared *p;
};

static void
ready_make(struct ready *r, uint32_t sites, uint32_t offers, uint64_t seed)
{
	struct mw_err err = MW_ERR_INIT;

	r->plain = bench_world_new(sites, offers, seed);
	r->p = place_prepare(&r->plain->w, &err);
	if (r->p == NULL) {
		fprintf(stderr, "%s: %s\n", err.pointer, err.msg);
		exit(1);
	}
	r->w = *r->plain;
	r->w.w = *place_prepared_world(r->p);
}

static void
ready_free(struct ready *r)
{
	place_prepared_free(r->p);
	bench_world_free(r->plain);
}

static double
clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool
too_late(void *arg)
{
	return clock_ms(CLOCK_THREAD_CPUTIME_ID) > *(const double *)arg;
}

static int
double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
quantile(double *v, size_t n, double p)
{
	size_t at = (size_t)ceil(p * (double)n);

	if (n == 0)
		return 0;
	qsort(v, n, sizeof *v, double_cmp);
	return v[at > 0 ? at - 1 : 0];
}

static void
out(const char *family, const char *what, double value, const char *unit,
    const char *target)
{
	printf("{\"name\":\"placement.%s.%s\",\"value\":%.3f,\"unit\":\"%s\"",
	    family, what, value, unit);
	if (target != NULL)
		printf(",\"target\":\"%s\"", target);
	printf("}\n");
	fflush(stdout);
}

/* Solves up to five times; the median time. *a: the last answer. */
static double
ours(struct bench_query *b, struct place_answer **a)
{
	double ms[5];
	size_t n = 0;

	bench_query(b);
	*a = NULL;
	do {
		double t = clock_ms(CLOCK_THREAD_CPUTIME_ID);
		double end = t + CUT_MS;
		struct mw_err err = MW_ERR_INIT;

		place_answer_free(*a);
		*a = place_solve(&b->q, &b->w, 0, too_late, &end, &err);
		if (*a == NULL) {
			fprintf(stderr, "%s: %s\n", err.pointer, err.msg);
			exit(1);
		}
		ms[n++] = clock_ms(CLOCK_THREAD_CPUTIME_ID) - t;
	} while (n < ARRAY_LEN(ms) && ms[n - 1] < 200);
	return quantile(ms, n, 0.5);
}

static void
row(struct bench *t, const char *family, struct bench_query *b)
{
	struct place_answer *a;
	double ms = ours(b, &a);

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
	if (t->n < MAX_ROWS)
		t->ms[t->n++] = ms;
	place_answer_free(a);
}

static void
family_end(struct bench *t, const char *family, const char *target)
{
	out(family, "solves", (double)t->n, "1", NULL);
	out(family, "p50", quantile(t->ms, t->n, 0.5), "ms", NULL);
	out(family, "p90", quantile(t->ms, t->n, 0.9), "ms", NULL);
	out(family, "p99", quantile(t->ms, t->n, 0.99), "ms", target);
	out(family, "max", quantile(t->ms, t->n, 1), "ms", NULL);
	out(family, "cut", (double)t->cut, "1", "0");
	t->n = t->cut = 0;
}

static const uint32_t sizes[] = { 3, 5, 8, 12, 18 };
static const uint32_t limits[] = { 5, 10, 20, 40, 80, 120, 200 };

/* Feasible ones count for the family, the others for infeasible(). */
static void
feasible(struct bench *t, const char *family, const struct bench_world *w,
    uint32_t roles, uint32_t per_site, uint32_t topk)
{
	static struct bench_query b;

	for (size_t k = 0; k < ARRAY_LEN(sizes); k++)
		for (size_t l = 0; l < ARRAY_LEN(limits); l++) {
			struct place_answer *a;
			double end = clock_ms(CLOCK_THREAD_CPUTIME_ID) + CUT_MS;
			struct mw_err err = MW_ERR_INIT;
			bool any;

			if (sizes[k] < roles)
				continue;
			b = (struct bench_query){ .world = w,
				.roles = roles,
				.vms = sizes[k],
				.limit_ms = limits[l],
				.per_site = per_site,
				.topk = 1,
				.min_csps = l % 2 ? 2 : 1,
				.per_csp = l % 3 == 2 ? sizes[k] / 2 + 1 : 0,
				.seed = 100 * k + l };
			bench_query(&b);
			a = place_solve(&b.q, &b.w, 2000000, too_late, &end,
			    &err);
			any = a != NULL && a->nranked > 0;
			place_answer_free(a);
			b.topk = topk;
			if (any)
				row(t, family, &b);
		}
}

static void
infeasible(struct bench *t, const char *family, const struct bench_world *w,
    uint32_t roles, uint32_t per_site)
{
	static struct bench_query b;

	for (size_t k = 0; k < ARRAY_LEN(sizes); k++)
		for (size_t l = 0; l < ARRAY_LEN(limits); l++) {
			struct place_answer *a;
			double end;
			struct mw_err err = MW_ERR_INIT;
			bool none;

			if (sizes[k] < roles)
				continue;
			b = (struct bench_query){ .world = w,
				.roles = roles,
				.vms = sizes[k] * per_site,
				.limit_ms = limits[l],
				.per_site = per_site,
				.topk = 5,
				.min_csps = 1 + (uint32_t)(l + k) % 5,
				.per_csp = k % 2 ? sizes[k] / 3 + 1 : 0,
				.seed = 100 * k + l };
			bench_query(&b);
			end = clock_ms(CLOCK_THREAD_CPUTIME_ID) + CUT_MS;
			a = place_solve(&b.q, &b.w, 0, too_late, &end, &err);
			none = a != NULL && a->nranked == 0;
			place_answer_free(a);
			if (none)
				row(t, family, &b);
		}
}

static void
users(struct bench *t, const char *family, const struct bench_world *w,
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
random_queries(struct bench *t, const struct bench_world *w)
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
			.limit_ms = limits[rng_below(&rng, ARRAY_LEN(limits))],
			.per_site = 1,
			.topk = 10,
			.seed = i,
			.min_csps = 1 + (uint32_t)rng_below(&rng, 3) };
		b.vms = b.roles + (uint32_t)rng_below(&rng, 19 - b.roles);
		all[nall] = ours(&b, &a);
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
			.limit_ms = limits[rng_below(&rng, ARRAY_LEN(limits))],
			.per_site = 1,
			.topk = 10,
			.seed = k->first + i,
			.min_csps = 1 + (uint32_t)rng_below(&rng, 3) };
		b->vms = b->roles + (uint32_t)rng_below(&rng, 15);
		bench_query(b);
		t = clock_ms(CLOCK_THREAD_CPUTIME_ID);
		end = t + CUT_MS;
		place_answer_free(
		    place_solve(&b->q, &b->w, 0, too_late, &end, &err));
		k->ms[i] = clock_ms(CLOCK_THREAD_CPUTIME_ID) - t;
	}
	free(b);
	return NULL;
}

/* 1,000 random queries on two threads over one world. */
static void
throughput(struct bench *t, const struct bench_world *w)
{
	struct worker *k = xcalloc(2, sizeof *k);
	double start = clock_ms(CLOCK_MONOTONIC), took;

	for (size_t i = 0; i < 2; i++) {
		k[i].w = w;
		k[i].first = 500 * i;
		k[i].n = 500;
		if (pthread_create(&k[i].thread, NULL, work, &k[i]) != 0)
			exit(1);
	}
	for (size_t i = 0; i < 2; i++)
		pthread_join(k[i].thread, NULL);
	took = clock_ms(CLOCK_MONOTONIC) - start;
	for (size_t i = 0; i < 1000; i++)
		t->ms[t->n++] = k[i / 500].ms[i % 500];
	out("random2threads", "queries", 1e6 / took, "1/s", NULL);
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
	t = clock_ms(CLOCK_THREAD_CPUTIME_ID);
	end = t + CUT_MS;
	c = place_curve_new(&b.q, &b.w, &sweep, 0, too_late, &end, &err);
	t = clock_ms(CLOCK_THREAD_CPUTIME_ID) - t;
	if (c == NULL)
		return;
	out("curve110", "time", t, "ms", NULL);
	out("curve110", "points", (double)c->n, "1", NULL);
	out("curve110", "perPoint", t / (double)(c->n + 1), "ms", NULL);
	out("curve110", "complete", c->complete, "1", "1");
	place_curve_free(c);
}

static void
memory(const char *family)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	out(family, "maxRss", (double)u.ru_maxrss / 1024, "MiB", NULL);
}

static double
score_of(const struct bench_query *b, const struct place_answer *a)
{
	double sum = 0;

	for (uint32_t u = 0; u < b->users; u++)
		sum +=
		    (double)a->ranked[0].served[u].rtt_us * b->user[u].weight;
	return b->users > 0 ? sum : (double)a->ranked[0].cost_per_hour_micros;
}

static void
against(struct bench *t, struct bench_query *b, bool edges)
{
	static const char *const ends[] = { "optimal", "infeasible", "no proof",
		"failed" };
	struct place_answer *a;
	double ms = ours(b, &a), best = INFINITY;
	char *model = xasprintf("%s/model.lp", t->dir);

	if (!lp_write(b, model, edges))
		exit(1);
	for (enum lp_solver s = 0; s < LP_SOLVERS; s++) {
		struct lp_result r;
		double score = a->nranked > 0 ? score_of(b, a) : 0;
		bool same;

		if (!lp_present(s))
			continue;
		lp_solve(s, t->dir, t->limit_s, &r);
		/* The mean is cut to whole us: sums of equal means differ. */
		same = r.end == LP_NO_PROOF ||
		    (r.end == LP_INFEASIBLE && a->nranked == 0) ||
		    (r.end == LP_OPTIMAL && a->nranked > 0 &&
			fabs(r.objective - score) <=
			    1e-6 * score + (b->users > 0 ? 20 * b->users : 1));
		printf("{\"name\":\"placement.against.%s%s\",\"value\":%.1f,"
		       "\"unit\":\"ratio\",\"sites\":%zu,\"groups\":%u,"
		       "\"vms\":%u,\"limitMs\":%u,\"maxPerSite\":%u,"
		       "\"users\":%u,\"oursMs\":%.3f,\"theirsMs\":%.3f,"
		       "\"startMs\":%.1f,\"ours\":\"%s\",\"theirs\":\"%s\","
		       "\"agree\":%s}\n",
		    lp_names[s], edges ? ".edges" : "", r.cpu_ms / ms,
		    b->w.nsites, b->roles, b->vms, b->limit_ms, b->per_site,
		    b->users, ms, r.cpu_ms, t->start_ms[s],
		    place_status_name(a->status), ends[r.end],
		    same ? "true" : "false");
		fflush(stdout);
		t->wrong += !same;
		if (r.end == LP_NO_PROOF)
			t->no_proof[s]++;
		if (t->nratio[s] < MAX_ROWS)
			t->ratio[s][t->nratio[s]++] = r.cpu_ms / ms;
		best = fmin(best, r.cpu_ms / ms);
	}
	t->lost += best < 1;
	if (best < INFINITY && t->nbest < MAX_ROWS)
		t->best[t->nbest++] = best;
	if (best < 1)
		printf("{\"name\":\"placement.against.lost\",\"value\":%.2f,"
		       "\"unit\":\"ratio\",\"sites\":%zu,\"groups\":%u,"
		       "\"vms\":%u,\"limitMs\":%u,\"maxPerSite\":%u,"
		       "\"users\":%u,\"edges\":%s}\n",
		    best, b->w.nsites, b->roles, b->vms, b->limit_ms,
		    b->per_site, b->users, edges ? "true" : "false");
	free(model);
	place_answer_free(a);
}

static void
against_end(struct bench *t, const char *family)
{
	char name[128];

	for (enum lp_solver s = 0; s < LP_SOLVERS; s++) {
		if (t->nratio[s] == 0)
			continue;
		snprintf(name, sizeof name, "against.%s.%s", lp_names[s],
		    family);
		out(name, "min", quantile(t->ratio[s], t->nratio[s], 0),
		    "ratio", NULL);
		out(name, "median", quantile(t->ratio[s], t->nratio[s], 0.5),
		    "ratio", NULL);
		out(name, "max", quantile(t->ratio[s], t->nratio[s], 1),
		    "ratio", NULL);
		out(name, "noProof", (double)t->no_proof[s], "1", NULL);
		t->nratio[s] = t->no_proof[s] = 0;
	}
	if (t->nbest == 0)
		return;
	snprintf(name, sizeof name, "against.best.%s", family);
	out(name, "median", quantile(t->best, t->nbest, 0.5), "ratio", ">= 20");
	out(name, "min", quantile(t->best, t->nbest, 0), "ratio", ">= 1");
	out(name, "lost", (double)t->lost, "1", "0");
	t->nbest = t->lost = 0;
}

static void
against_vms(struct bench *t, const char *family, const struct bench_world *w,
    uint32_t roles, uint32_t per_site, bool edges, size_t step)
{
	static struct bench_query b;

	for (size_t k = 0; k < ARRAY_LEN(sizes); k += step)
		for (size_t l = 1; l < ARRAY_LEN(limits); l += step) {
			if (sizes[k] < roles)
				continue;
			b = (struct bench_query){ .world = w,
				.roles = roles,
				.vms = sizes[k],
				.limit_ms = limits[l],
				.per_site = per_site,
				.topk = 1,
				.min_csps = 2,
				.seed = 100 * k + l };
			against(t, &b, edges);
		}
	against_end(t, family);
}

static void
against_users(struct bench *t, const struct bench_world *w, uint32_t limit_ms)
{
	static struct bench_query b;

	for (uint32_t k = 3; k <= 10; k += 7) {
		b = (struct bench_query){ .world = w,
			.roles = 1,
			.vms = k,
			.limit_ms = limit_ms,
			.per_site = 1,
			.users = 200,
			.sum = true,
			.topk = 1,
			.seed = k };
		against(t, &b, false);
	}
	against_end(t, limit_ms > 0 ? "median.limit" : "median");
}

/* True: some solver is there. */
static bool
solvers(struct bench *t)
{
	bool any = false;

	for (enum lp_solver s = 0; s < LP_SOLVERS; s++) {
		if (!lp_present(s)) {
			printf("{\"name\":\"placement.against.%s\",\"value\":"
			       "null,\"unit\":\"ratio\",\"skipped\":\"Debian "
			       "package %s is not installed\"}\n",
			    lp_names[s], lp_packages[s]);
			continue;
		}
		any = true;
		t->start_ms[s] = lp_start_ms(s, t->dir);
	}
	return any;
}

static void
compare(struct bench *t)
{
	static const struct {
		const char *family;
		uint32_t roles, per_site;
		bool edges, large;
		size_t step;
	} v[] = { { "roles1", 1, 1, false, false, 2 },
		{ "roles1.edges", 1, 1, true, false, 4 },
		{ "roles3", 3, 1, false, false, 2 },
		{ "roles6", 6, 1, false, false, 2 },
		{ "roles3.perSite2", 3, 2, false, false, 2 },
		{ "roles1.300", 1, 1, false, true, 4 },
		{ "roles3.300", 3, 1, false, true, 4 } };
	struct ready a, b;
	char name[64];

	t->part = "compare";
	if (!solvers(t))
		return;
	ready_make(&a, 110, 100, 1);
	ready_make(&b, 300, 100, 2);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		snprintf(name, sizeof name, "against.%s", v[i].family);
		if (wanted(t, name))
			against_vms(t, v[i].family, v[i].large ? &b.w : &a.w,
			    v[i].roles, v[i].per_site, v[i].edges, v[i].step);
	}
	if (wanted(t, "against.median"))
		against_users(t, &a.w, 0);
	if (wanted(t, "against.median.limit"))
		against_users(t, &a.w, 200);
	out("against", "disagreements", (double)t->wrong, "1", "0");
	ready_free(&a);
	ready_free(&b);
}

static void
small_users(struct bench *t, const struct bench_world *w)
{
	static const uint32_t none[] = { 0 }, some[] = { 100, 200 };

	if (wanted(t, "median")) {
		users(t, "median", w, none, 1, 200, true, 0, 1);
		users(t, "median", w, none, 1, 200, true, 0, 10);
		family_end(t, "median", "< 25");
	}
	if (wanted(t, "median.limit")) {
		users(t, "median.limit", w, some, 2, 200, true, 0, 1);
		family_end(t, "median.limit", "< 1000");
	}
	if (wanted(t, "center")) {
		users(t, "center", w, none, 1, 200, false, 100, 1);
		users(t, "center.p95", w, none, 1, 200, false, 95, 1);
		users(t, "center.limit", w, some, 2, 200, false, 100, 1);
		family_end(t, "center", "< 2000");
	}
	if (wanted(t, "center.top10")) {
		users(t, "center.top10", w, none, 1, 200, false, 100, 10);
		users(t, "center.top10.p95", w, none, 1, 200, false, 95, 10);
		family_end(t, "center.top10", NULL);
	}
}

static void
small_groups(struct bench *t, const struct bench_world *w)
{
	if (wanted(t, "roles1.top1")) {
		feasible(t, "roles1", w, 1, 1, 1);
		family_end(t, "roles1.top1", "< 1");
	}
	if (wanted(t, "roles1.top10")) {
		feasible(t, "roles1", w, 1, 1, 10);
		family_end(t, "roles1.top10", "< 1");
	}
	if (wanted(t, "roles3to6.top10")) {
		feasible(t, "roles3", w, 3, 1, 10);
		feasible(t, "roles4", w, 4, 1, 10);
		feasible(t, "roles6", w, 6, 1, 10);
		family_end(t, "roles3to6.top10", "< 10");
	}
	if (wanted(t, "perSite2and3")) {
		feasible(t, "perSite2", w, 3, 2, 10);
		feasible(t, "perSite3", w, 3, 3, 10);
		feasible(t, "perSite3", w, 6, 3, 10);
		family_end(t, "perSite2and3", NULL);
	}
	if (wanted(t, "infeasible")) {
		infeasible(t, "infeasible.roles1", w, 1, 1);
		infeasible(t, "infeasible.roles3", w, 3, 1);
		infeasible(t, "infeasible.perSite2", w, 3, 2);
		family_end(t, "infeasible", "< 10");
	}
}

static void
small(struct bench *t)
{
	struct ready r;

	t->part = "small";
	ready_make(&r, 110, 100, 1);
	small_groups(t, &r.w);
	if (wanted(t, "random"))
		random_queries(t, &r.w);
	small_users(t, &r.w);
	if (wanted(t, "curve110"))
		curve(&r.w);
	memory("sites110");
	if (wanted(t, "random2threads"))
		throughput(t, &r.w);
	ready_free(&r);
}

static void
large(struct bench *t)
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
		bool one = wanted(t, v[i].one);
		bool three = v[i].three != NULL && wanted(t, v[i].three);
		struct ready r;

		if (!one && !three)
			continue;
		ready_make(&r, v[i].sites, v[i].offers, 2 + i);
		if (one) {
			feasible(t, v[i].one, &r.w, 1, 1, 10);
			family_end(t, v[i].one, v[i].one_target);
		}
		if (three) {
			feasible(t, v[i].three, &r.w, 3, 1, 10);
			family_end(t, v[i].three, v[i].three_target);
		}
		memory(v[i].one);
		ready_free(&r);
	}
}

int
main(int argc, char **argv)
{
	static struct bench t;

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
	if (t.limit_s > 0)
		compare(&t);
	return t.wrong > 0;
}
