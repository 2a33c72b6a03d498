/*
 * main.c - milkyway-sim: seeds in, broken promises out.
 */
#include "tests/sim/sim_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct totals {
	uint64_t runs, bad, deaths, starts, power, sync_errors, restores;
	uint64_t points, events, most_events, commits, calls, hash;
	double years, unexplained_s;
};

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
add(struct totals *t, const struct sim_result *r)
{
	t->runs++;
	t->bad += r->bad.what != NULL;
	t->deaths += r->deaths;
	t->starts += r->starts;
	t->power += r->power_losses;
	t->sync_errors += r->sync_errors;
	t->restores += r->restores;
	t->points += r->points;
	t->events += r->events;
	if (t->most_events < r->events)
		t->most_events = r->events;
	t->commits += r->commits;
	t->calls += r->calls;
	t->hash = rng_mix(t->hash ^ r->hash);
	t->years += (double)r->now / 1e9 / 86400 / 365;
	t->unexplained_s += (double)r->unexplained_ns / 1e9;
}

static void
usage(FILE *f)
{
	fputs("usage: milkyway-sim [--seed N] [--seeds M] [--trace]\n", f);
}

int
main(int argc, char **argv)
{
	struct sim_opt opt;
	uint64_t seeds = 1;
	struct totals t = { 0 };
	double began = seconds(), took;

	sim_opt_defaults(&opt);
	for (int i = 1; i < argc; i++) {
		if (str_eq(argv[i], "--trace"))
			opt.trace = true;
		else if (str_eq(argv[i], "--seed") && i + 1 < argc)
			opt.seed = strtoull(argv[++i], NULL, 10);
		else if (str_eq(argv[i], "--seeds") && i + 1 < argc)
			seeds = strtoull(argv[++i], NULL, 10);
		else {
			usage(stderr);
			return 2;
		}
	}
	for (uint64_t i = 0; i < seeds && t.bad < 10; i++) {
		struct sim_result r;

		if (!sim_run(&opt, &r))
			printf("seed %llu: %s %s\n",
			    (unsigned long long)opt.seed, r.bad.what,
			    r.bad.text);
		fflush(stdout);
		add(&t, &r);
		opt.seed++;
	}
	took = seconds() - began;
	printf("%llu schedules, %llu violations, %llu deaths (%llu power "
	       "losses), %llu starts, %llu failed syncs, %llu restores, %llu "
	       "points, %llu commits, %llu calls, %llu events (most %llu), "
	       "%.1f simulated years, %.0f/s, unexplained %.0f s, hash "
	       "%016llx\n",
	    (unsigned long long)t.runs, (unsigned long long)t.bad,
	    (unsigned long long)t.deaths, (unsigned long long)t.power,
	    (unsigned long long)t.starts, (unsigned long long)t.sync_errors,
	    (unsigned long long)t.restores, (unsigned long long)t.points,
	    (unsigned long long)t.commits, (unsigned long long)t.calls,
	    (unsigned long long)t.events, (unsigned long long)t.most_events,
	    t.years, (double)t.runs / took, t.unexplained_s,
	    (unsigned long long)t.hash);
	return t.bad > 0;
}
