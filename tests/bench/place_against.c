/*
 * place_against.c - the placement library against CBC and GLPK: the same
 * models, top 1, times of their whole programs. Answers must agree.
 */
#include "tests/bench/place_run.h"

#include "common/pure/alloc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
against(struct pb *t, struct bench_query *b, bool edges)
{
	static const char *const ends[] = { "optimal", "infeasible", "no proof",
		"failed" };
	struct place_answer *a;
	double ms = pb_ours(b, &a), best = INFINITY;
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
		if (t->nratio[s] < PB_MAX_ROWS)
			t->ratio[s][t->nratio[s]++] = r.cpu_ms / ms;
		best = fmin(best, r.cpu_ms / ms);
	}
	t->lost += best < 1;
	if (best < INFINITY && t->nbest < PB_MAX_ROWS)
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
against_end(struct pb *t, const char *family)
{
	char name[128];

	for (enum lp_solver s = 0; s < LP_SOLVERS; s++) {
		if (t->nratio[s] == 0)
			continue;
		snprintf(name, sizeof name, "against.%s.%s", lp_names[s],
		    family);
		pb_out(name, "min", pb_quantile(t->ratio[s], t->nratio[s], 0),
		    "ratio", NULL);
		pb_out(name, "median",
		    pb_quantile(t->ratio[s], t->nratio[s], 0.5), "ratio", NULL);
		pb_out(name, "max", pb_quantile(t->ratio[s], t->nratio[s], 1),
		    "ratio", NULL);
		pb_out(name, "noProof", (double)t->no_proof[s], "1", NULL);
		t->nratio[s] = t->no_proof[s] = 0;
	}
	if (t->nbest == 0)
		return;
	snprintf(name, sizeof name, "against.best.%s", family);
	pb_out(name, "median", pb_quantile(t->best, t->nbest, 0.5), "ratio",
	    ">= 20");
	pb_out(name, "min", pb_quantile(t->best, t->nbest, 0), "ratio", ">= 1");
	pb_out(name, "lost", (double)t->lost, "1", "0");
	t->nbest = t->lost = 0;
}

static void
against_vms(struct pb *t, const char *family, const struct bench_world *w,
    uint32_t roles, uint32_t per_site, bool edges, size_t step)
{
	static struct bench_query b;

	for (size_t k = 0; k < ARRAY_LEN(pb_sizes); k += step)
		for (size_t l = 1; l < ARRAY_LEN(pb_limits); l += step) {
			if (pb_sizes[k] < roles)
				continue;
			b = (struct bench_query){ .world = w,
				.roles = roles,
				.vms = pb_sizes[k],
				.limit_ms = pb_limits[l],
				.per_site = per_site,
				.topk = 1,
				.min_csps = 2,
				.seed = 100 * k + l };
			against(t, &b, edges);
		}
	against_end(t, family);
}

static void
against_users(struct pb *t, const struct bench_world *w, uint32_t limit_ms)
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
solvers(struct pb *t)
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

void
pb_compare(struct pb *t)
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
	struct pb_ready a, b;
	char name[64];

	t->part = "compare";
	if (!solvers(t))
		return;
	pb_ready_make(&a, 110, 100, 1);
	pb_ready_make(&b, 300, 100, 2);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		snprintf(name, sizeof name, "against.%s", v[i].family);
		if (pb_wanted(t, name))
			against_vms(t, v[i].family, v[i].large ? &b.w : &a.w,
			    v[i].roles, v[i].per_site, v[i].edges, v[i].step);
	}
	if (pb_wanted(t, "against.median"))
		against_users(t, &a.w, 0);
	if (pb_wanted(t, "against.median.limit"))
		against_users(t, &a.w, 200);
	pb_out("against", "disagreements", (double)t->wrong, "1", "0");
	pb_ready_free(&a);
	pb_ready_free(&b);
}
