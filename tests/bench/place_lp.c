/*
 * place_lp.c - see place_lp.h. The model: y(r) site r is used; x(i,r) VMs of
 * role i there at the price of its cheapest offer, or x(u,r) site r serves
 * user u; z(c) csp c is used. Conflicting sites are covered greedily by
 * cliques, one row each, which is the strongest plain model there is.
 */
#include "tests/bench/place_lp.h"

#include "common/pure/alloc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *const lp_names[LP_SOLVERS] = { "cbc", "glpk" };
const char *const lp_packages[LP_SOLVERS] = { "coinor-cbc", "glpk-utils" };
static const char *const programs[LP_SOLVERS] = { "/usr/bin/cbc",
	"/usr/bin/glpsol" };

bool
lp_present(enum lp_solver s)
{
	return access(programs[s], X_OK) == 0;
}

/* Cheapest offer of a role in a site; -1: none. */
static int64_t
cheapest(const struct bench_query *b, uint32_t role, uint32_t site)
{
	const struct place_filter *f = &b->role[role].filter;
	size_t per = b->w.noffers / b->w.nsites;
	int64_t best = -1;

	for (size_t o = site * per; o < (site + 1) * per; o++) {
		const struct place_offer *of = &b->w.offers[o];

		if (of->vcpu >= f->vcpu.min &&
		    of->memory_mib >= f->memory_mib.min &&
		    (best < 0 || of->cost_per_hour_micros < best))
			best = of->cost_per_hour_micros;
	}
	return best;
}

static void
objective(FILE *f, const struct bench_query *b)
{
	fprintf(f, "Minimize\n obj:");
	for (uint32_t i = 0; b->users == 0 && i < b->roles; i++)
		for (uint32_t r = 0; r < b->w.nsites; r++) {
			int64_t c = cheapest(b, i, r);

			if (c >= 0)
				fprintf(f, " + %lld x%u_%u\n", (long long)c, i,
				    r);
		}
	for (uint32_t u = 0; u < b->users; u++)
		for (uint32_t r = 0; r < b->w.nsites; r++)
			fprintf(f, " + %llu x%u_%u\n",
			    (unsigned long long)b->user[u].weight *
				b->w.user_rtt_us[(size_t)u * b->w.nsites + r],
			    u, r);
	fprintf(f, "Subject To\n");
}

static void
vm_rows(FILE *f, const struct bench_query *b)
{
	for (uint32_t i = 0; i < b->roles; i++) {
		for (uint32_t r = 0; r < b->w.nsites; r++)
			if (cheapest(b, i, r) >= 0)
				fprintf(f, " + x%u_%u\n", i, r);
		fprintf(f, " = %u\n", b->role[i].count);
	}
	for (uint32_t r = 0; r < b->w.nsites; r++) {
		bool any = false;

		for (uint32_t i = 0; i < b->roles; i++)
			if (cheapest(b, i, r) >= 0) {
				fprintf(f, " + x%u_%u", i, r);
				any = true;
			}
		if (any)
			fprintf(f, " - %u y%u <= 0\n", b->per_site, r);
		if (any && b->min_csps > 1) {
			fprintf(f, " y%u", r);
			for (uint32_t i = 0; i < b->roles; i++)
				if (cheapest(b, i, r) >= 0)
					fprintf(f, " - x%u_%u", i, r);
			fprintf(f, " <= 0\n");
		} else if (!any) {
			fprintf(f, " y%u = 0\n", r);
		}
	}
}

static void
user_rows(FILE *f, const struct bench_query *b)
{
	for (uint32_t u = 0; u < b->users; u++) {
		for (uint32_t r = 0; r < b->w.nsites; r++)
			fprintf(f, " + x%u_%u\n", u, r);
		fprintf(f, " = 1\n");
		for (uint32_t r = 0; r < b->w.nsites; r++)
			fprintf(f, " x%u_%u - y%u <= 0\n", u, r, r);
	}
	for (uint32_t r = 0; r < b->w.nsites; r++)
		fprintf(f, " + y%u\n", r);
	fprintf(f, " = %u\n", b->vms);
}

static void
csp_rows(FILE *f, const struct bench_query *b)
{
	const char *seen[64];
	size_t n = 0;

	for (uint32_t r = 0; r < b->w.nsites; r++) {
		size_t c = 0;

		while (c < n && seen[c] != b->w.sites[r].csp)
			c++;
		if (c < n || n == ARRAY_LEN(seen))
			continue;
		seen[n++] = b->w.sites[r].csp;
		for (uint32_t s = 0; b->min_csps > 1 && s < b->w.nsites; s++)
			if (b->w.sites[s].csp == seen[c])
				fprintf(f, " + y%u\n", s);
		if (b->min_csps > 1)
			fprintf(f, " - z%zu >= 0\n", c);
		if (b->per_csp == 0)
			continue;
		for (uint32_t s = 0; s < b->w.nsites; s++)
			for (uint32_t i = 0; i < b->roles; i++)
				if (b->w.sites[s].csp != seen[c])
					continue;
				else if (b->users > 0)
					fprintf(f, " + y%u\n", s);
				else if (cheapest(b, i, s) >= 0)
					fprintf(f, " + x%u_%u\n", i, s);
		fprintf(f, " <= %u\n", b->per_csp);
	}
	for (size_t c = 0; b->min_csps > 1 && c < n; c++)
		fprintf(f, " + z%zu\n", c);
	if (b->min_csps > 1)
		fprintf(f, " >= %u\n", b->min_csps);
}

/* Rows of the conflict graph: each row of it at most one, all edges covered. */
static void
conflict_rows(FILE *f, const struct bench_query *b, bool edges)
{
	uint32_t n = (uint32_t)b->w.nsites;
	bool *open = xcalloc((size_t)n * n, sizeof *open), *bad;
	uint32_t *clique = xcalloc(n, sizeof *clique);

	bad = xcalloc((size_t)n * n, sizeof *bad);
	for (uint32_t r = 0; r < n; r++)
		for (uint32_t s = 0; b->limit_ms > 0 && s < n; s++)
			bad[r * n + s] = open[r * n + s] = r != s &&
			    place_pair_rtt(&b->q, &b->w, r, s) >=
				b->limit_ms * 1000;
	for (uint32_t r = 0; r < n; r++)
		for (uint32_t s = r + 1; s < n; s++) {
			size_t k = 0;

			if (!open[r * n + s])
				continue;
			clique[k++] = r;
			clique[k++] = s;
			for (uint32_t x = 0; x < n && !edges; x++) {
				bool fits = x != r && x != s;

				for (size_t i = 0; fits && i < k; i++)
					fits = bad[x * n + clique[i]];
				if (fits)
					clique[k++] = x;
			}
			for (size_t i = 0; i < k; i++) {
				fprintf(f, " + y%u\n", clique[i]);
				for (size_t j = 0; j < k; j++)
					open[clique[i] * n + clique[j]] = false;
			}
			fprintf(f, " <= 1\n");
		}
	free(clique);
	free(open);
	free(bad);
}

bool
lp_write(const struct bench_query *b, const char *path, bool edges)
{
	FILE *f = fopen(path, "we");
	uint32_t n = (uint32_t)b->w.nsites;

	if (f == NULL)
		return false;
	objective(f, b);
	if (b->users > 0)
		user_rows(f, b);
	else
		vm_rows(f, b);
	csp_rows(f, b);
	conflict_rows(f, b, edges);
	if (b->users == 0 && b->per_site > 1) {
		fprintf(f, "General\n");
		for (uint32_t i = 0; i < b->roles; i++)
			for (uint32_t r = 0; r < n; r++)
				if (cheapest(b, i, r) >= 0)
					fprintf(f, " x%u_%u\n", i, r);
	}
	fprintf(f, "Binary\n");
	for (uint32_t r = 0; r < n; r++) {
		fprintf(f, " y%u\n", r);
		for (uint32_t i = 0;
		     b->users == 0 && b->per_site == 1 && i < b->roles; i++)
			if (cheapest(b, i, r) >= 0)
				fprintf(f, " x%u_%u\n", i, r);
	}
	for (uint32_t c = 0; b->min_csps > 1 && c < 8; c++)
		fprintf(f, " z%u\n", c);
	fprintf(f, "End\n");
	return fclose(f) == 0;
}

/* Runs a program; its CPU time in ms, or -1. */
static double
run(char *const argv[])
{
	struct rusage u;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		if (null >= 0) {
			dup2(null, STDOUT_FILENO);
			dup2(null, STDERR_FILENO);
		}
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &u) != pid ||
	    !WIFEXITED(status) || WEXITSTATUS(status) == 127)
		return -1;
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static double
call(enum lp_solver s, const char *model, const char *out, unsigned limit_s)
{
	char *sec = xasprintf("%u", limit_s), *end = NULL;
	double ms;

	end = xasprintf("%s", out);
	if (s == LP_CBC) {
		char *argv[] = { (char *)programs[s], (char *)model, "ratio",
			"0", "allow", "0", "sec", sec, "threads", "0", "solve",
			"solution", end, NULL };

		ms = run(argv);
	} else {
		char *argv[] = { (char *)programs[s], "--lp", (char *)model,
			"--cuts", "--tmlim", sec, "-o", end, NULL };

		ms = run(argv);
	}
	free(sec);
	free(end);
	return ms;
}

static void
read_result(const char *path, struct lp_result *out)
{
	char line[256];
	FILE *f = fopen(path, "re");
	const char *at;

	out->end = LP_FAILED;
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		if (strncmp(line, "Optimal", 7) == 0 ||
		    strstr(line, "INTEGER OPTIMAL") != NULL)
			out->end = LP_OPTIMAL;
		else if (strncmp(line, "Infeasible", 10) == 0 ||
		    strncmp(line, "Integer infeasible", 18) == 0 ||
		    strstr(line, "INTEGER EMPTY") != NULL)
			out->end = LP_INFEASIBLE;
		else if (strncmp(line, "Stopped", 7) == 0 ||
		    strstr(line, "INTEGER NON-OPTIMAL") != NULL ||
		    strstr(line, "INTEGER UNDEFINED") != NULL)
			out->end = LP_NO_PROOF;
		at = strstr(line, "obj = ");
		if (at != NULL)
			out->objective = strtod(at + 6, NULL);
		at = strstr(line, "objective value");
		if (at != NULL)
			out->objective = strtod(at + 15, NULL);
	}
	if (f != NULL)
		fclose(f);
}

double
lp_start_ms(enum lp_solver s, const char *dir)
{
	char *model = xasprintf("%s/empty.lp", dir);
	char *out = xasprintf("%s/empty.out", dir);
	FILE *f = fopen(model, "we");
	double best = -1;

	if (f != NULL) {
		fprintf(f,
		    "Minimize\n obj: y\nSubject To\n y >= 1\n"
		    "Binary\n y\nEnd\n");
		fclose(f);
	}
	for (int i = 0; i < 5; i++) {
		double ms = call(s, model, out, 10);

		if (best < 0 || ms < best)
			best = ms;
	}
	free(model);
	free(out);
	return best;
}

void
lp_solve(enum lp_solver s, const char *dir, unsigned limit_s,
    struct lp_result *out)
{
	char *model = xasprintf("%s/model.lp", dir);
	char *end = xasprintf("%s/model.out", dir);
	struct timespec from, to;

	memset(out, 0, sizeof *out);
	(void)unlink(end);
	clock_gettime(CLOCK_MONOTONIC, &from);
	out->cpu_ms = call(s, model, end, limit_s);
	clock_gettime(CLOCK_MONOTONIC, &to);
	read_result(end, out);
	/* GLPK says "undefined" of a model that it found to be infeasible
	 * before it branched: only time tells the two apart. */
	if (s == LP_GLPK && out->end == LP_NO_PROOF &&
	    to.tv_sec - from.tv_sec + 1 < (time_t)limit_s)
		out->end = LP_INFEASIBLE;
	free(model);
	free(end);
}
