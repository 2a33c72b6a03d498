/*
 * place_big.c - placement in worlds of 1,000 and 5,000 sites, asked as they are
 * and prepared (placement/prepared.h). One JSON object per line on stdout; times
 * are CPU times of one thread, of the whole place_solve(), least of three.
 */
#include "tests/bench/place_world.h"

#include "placement/prepared.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define CUT_MS 3000
#define MAX_ROWS 64

static const uint32_t sizes[] = { 3, 5, 8, 12, 18 };
static const uint32_t limits[] = { 5, 10, 20, 40, 80, 120, 200 };

struct rows {
	double ms[MAX_ROWS];
	size_t n, cut;
};

static double
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool
too_late(void *arg)
{
	return cpu_ms() > *(const double *)arg;
}

static int
double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
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

static void
report(struct rows *r, const char *family, const char *target)
{
	if (r->n == 0)
		return;
	qsort(r->ms, r->n, sizeof *r->ms, double_cmp);
	out(family, "solves", (double)r->n, "1", NULL);
	out(family, "p50", r->ms[(r->n - 1) / 2], "ms", NULL);
	out(family, "p90", r->ms[(r->n * 9 + 9) / 10 - 1], "ms", NULL);
	out(family, "max", r->ms[r->n - 1], "ms", target);
	out(family, "cut", (double)r->cut, "1", "0");
	r->n = r->cut = 0;
}

/* What has a group counts. */
static void
row(struct rows *r, const struct bench_query *b, const struct place_world *w)
{
	double best = CUT_MS;
	bool any = false, cut = false;

	for (int i = 0; i < 3; i++) {
		double t = cpu_ms(), end = t + CUT_MS;
		struct mw_err err = MW_ERR_INIT;
		struct place_answer *a =
		    place_solve(&b->q, w, 0, too_late, &end, &err);

		t = cpu_ms() - t;
		best = t < best ? t : best;
		any = a != NULL && a->nranked > 0;
		cut = a != NULL && a->cut != PLACE_NOT_CUT;
		place_answer_free(a);
		if (t > 200)
			break;
	}
	if (!any || r->n == MAX_ROWS)
		return;
	r->ms[r->n++] = best;
	r->cut += cut;
}

static void
family(const char *name, const struct bench_world *w,
    const struct place_world *as, uint32_t roles, const char *target)
{
	static struct bench_query b;
	static struct rows r;

	for (size_t k = 0; k < ARRAY_LEN(sizes); k++)
		for (size_t l = 0; l < ARRAY_LEN(limits); l++) {
			b = (struct bench_query){ .world = w,
				.roles = roles,
				.vms = sizes[k],
				.limit_ms = limits[l],
				.per_site = 1,
				.topk = 10,
				.min_csps = l % 2 ? 2 : 1,
				.per_csp = l % 3 == 2 ? sizes[k] / 2 + 1 : 0,
				.seed = 100 * k + l };
			bench_query(&b);
			row(&r, &b, as);
		}
	report(&r, name, target);
}

/* The best of all offers for ten users: one VM. */
static void
single(const char *name, const struct bench_world *w,
    const struct place_prepared *p)
{
	static struct bench_query b;
	static struct rows r;

	for (uint64_t seed = 0; seed < 20; seed++) {
		struct place_world as;

		b = (struct bench_query){ .world = w,
			.roles = 1,
			.vms = 1,
			.per_site = 1,
			.users = 10,
			.sum = true,
			.topk = 5,
			.seed = seed };
		bench_query(&b);
		as = b.w;
		as.prepared = place_prepared_world(p)->prepared;
		row(&r, &b, &as);
	}
	report(&r, name, "< 2");
}

static void
world(uint32_t sites, uint32_t offers, const char *const *names,
    const char *const *targets)
{
	struct bench_world *w = bench_world_new(sites, offers, 3);
	struct mw_err err = MW_ERR_INIT;
	double t = cpu_ms();
	struct place_prepared *p = place_prepare(&w->w, &err);
	struct rusage u;

	if (p == NULL) {
		fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	out(names[0], "prepare", cpu_ms() - t, "ms", NULL);
	out(names[0], "prepared", (double)place_prepared_bytes(p) / 1048576,
	    "MiB", NULL);
	family(names[0], w, place_prepared_world(p), 1, targets[0]);
	family(names[1], w, &w->w, 1, NULL);
	if (names[2] != NULL)
		family(names[2], w, place_prepared_world(p), 3, targets[1]);
	if (names[3] != NULL)
		single(names[3], w, p);
	place_prepared_free(p);
	getrusage(RUSAGE_SELF, &u);
	out(names[0], "maxRss", (double)u.ru_maxrss / 1024, "MiB", NULL);
	bench_world_free(w);
}

int
main(void)
{
	static const char *const thousand[] = { "big1000.roles1",
		"big1000.roles1.unprepared", "big1000.roles3", NULL };
	static const char *const five[] = { "big5000.roles1",
		"big5000.roles1.unprepared", "big5000.roles3", NULL };
	static const char *const wide[] = { "big300.roles1",
		"big300.roles1.unprepared", NULL, "big300.single.users10" };
	static const char *const t1000[] = { "< 5", "< 200" };
	static const char *const t5000[] = { "< 1000", "< 1000" };

	world(300, 300, wide, t1000);
	world(1000, 100, thousand, t1000);
	world(5000, 20, five, t5000);
	return 0;
}
