/*
 * main.c - milkyway-sim: seeds in, broken promises out.
 */
#include "common/pure/num.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_int.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BAD_MAX 10 /* then it is enough */

struct totals {
	uint64_t runs, bad, deaths, starts, power, sync_errors, restores;
	uint64_t points, events, most_events, commits, calls, hash;
	double years, unexplained_s, began;
};

struct args {
	struct sim_opt opt;
	uint64_t seeds;
	double for_s; /* 0: by number */
	bool shrink, hash_only;
	const char *scenario; /* and those that are left in argv */
};

static const char usage_text[] =
    "usage: milkyway-sim [OPTION]...\n"
    "Runs the lifecycle and the store against clouds, a disk and a process\n"
    "that misbehave, in virtual time. One seed is one schedule.\n"
    "\n"
    "  --seed N        first seed (1)\n"
    "  --seeds M       how many (1; 0: until --for ends)\n"
    "  --for S         at most so many seconds\n"
    "  --trace         print what happens\n"
    "  --shrink        make the schedule of a violation smaller, print what\n"
    "                  is left and the command that replays it\n"
    "  --without F,F   these faults never happen (below)\n"
    "  --skip N,N      leave out these random requests, counted from 0\n"
    "  --fsync N       in half of the starts 1/N of the syncs fail\n"
    "  --beyond        requests land up to 1,500 s late: past the bounds\n"
    "  --fresh         each run makes its database\n"
    "  --scenario FILE...  play these instead, e.g. tests/scenarios/*.scn\n"
    "  --hash          print the hash of all runs and nothing else: builds by\n"
    "                  two compilers must agree\n"
    "\n"
    "Exit status 1: a promise was broken.\n"
    "Examples: milkyway-sim --seeds 10000\n"
    "          milkyway-sim --seed 4711 --shrink\n"
    "\n"
    "Faults, and how often of their chances:\n";

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
usage(FILE *f)
{
	fputs(usage_text, f);
	for (int i = 0; i < SIM_FAULTS; i++)
		fprintf(f, "  %-13s 1/%-4u %s\n", sim_faults[i].name,
		    sim_faults[i].one_in, sim_faults[i].text);
}

static mw_noreturn void
wrong(const char *what, const char *arg)
{
	fprintf(stderr, "milkyway-sim: %s: %s (try --help)\n", what, arg);
	exit(2);
}

static uint64_t
number(const char *s)
{
	int64_t v = 0;

	if (!num_parse_i64(s, strlen(s), 0, INT64_MAX, &v))
		wrong("not a number", s);
	return (uint64_t)v;
}

static void
without(struct sim_opt *o, char *list)
{
	char *save = NULL;

	for (char *s = strtok_r(list, ",", &save); s;
	     s = strtok_r(NULL, ",", &save)) {
		enum sim_fault f = sim_fault_of(s);

		if (f == SIM_FAULTS)
			wrong("no such fault", s);
		o->faults_off |= UINT64_C(1) << f;
	}
}

static void
skip(struct sim_opt *o, char *list)
{
	char *save = NULL;

	for (char *s = strtok_r(list, ",", &save); s;
	     s = strtok_r(NULL, ",", &save)) {
		uint64_t n = number(s);

		if (n >= 128)
			wrong("no such request", s);
		o->steps_off[n / 64] |= UINT64_C(1) << n % 64;
	}
}

static void
parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'n' },
		{ "for", required_argument, NULL, 'l' },
		{ "trace", no_argument, NULL, 't' },
		{ "shrink", no_argument, NULL, 'k' },
		{ "without", required_argument, NULL, 'w' },
		{ "skip", required_argument, NULL, 'x' },
		{ "fsync", required_argument, NULL, 'f' },
		{ "beyond", no_argument, NULL, 'b' },
		{ "fresh", no_argument, NULL, 'F' },
		{ "hash", no_argument, NULL, 'H' },
		{ "scenario", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's': a->opt.seed = number(optarg); break;
		case 'n': a->seeds = number(optarg); break;
		case 'l': a->for_s = (double)number(optarg); break;
		case 't': a->opt.trace = true; break;
		case 'k': a->shrink = true; break;
		case 'w': without(&a->opt, optarg); break;
		case 'x': skip(&a->opt, optarg); break;
		case 'f': a->opt.fsync_in = (uint32_t)number(optarg); break;
		case 'b': a->opt.beyond = true; break;
		case 'F': a->opt.fresh = true; break;
		case 'H': a->hash_only = true; break;
		case 'S': a->scenario = optarg; break;
		case 'h': usage(stdout); exit(0);
		default: exit(2);
		}
	}
	if (optind < argc && !a->scenario)
		wrong("unexpected", argv[optind]);
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
print(const struct totals *t)
{
	const struct {
		const char *name;
		uint64_t v;
	} rows[] = {
		{ "schedules", t->runs },
		{ "violations", t->bad },
		{ "deaths", t->deaths },
		{ "of them with power loss", t->power },
		{ "starts", t->starts },
		{ "failed syncs", t->sync_errors },
		{ "restored backups", t->restores },
		{ "crash points passed", t->points },
		{ "commits", t->commits },
		{ "calls to clouds", t->calls },
		{ "events", t->events },
		{ "events of one schedule, most", t->most_events },
	};
	double took = seconds() - t->began;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		printf("%-30s %llu\n", rows[i].name,
		    (unsigned long long)rows[i].v);
	printf("%-30s %.1f\n", "simulated years", t->years);
	printf("%-30s %.0f\n", "unexplained VM seconds (N, L)",
	    t->unexplained_s);
	printf("%-30s %.1f\n", "seconds", took);
	printf("%-30s %.0f\n", "schedules per second",
	    took > 0 ? (double)t->runs / took : 0);
	printf("%-30s %016llx\n", "hash", (unsigned long long)t->hash);
}

static void
replay(struct args *a)
{
	struct sim_result r;

	if (sim_run(&a->opt, &r)) {
		printf("seed %llu breaks nothing\n",
		    (unsigned long long)a->opt.seed);
		return;
	}
	sim_shrink(&a->opt);
	a->opt.trace = true;
	sim_run(&a->opt, &r);
	printf("%s %s\nonly these faults are left:", r.bad.what, r.bad.text);
	for (int i = 0; i < SIM_FAULTS; i++) {
		if (!(a->opt.faults_off >> i & 1))
			printf(" %s", sim_faults[i].name);
	}
	printf("\nreplay: ");
	sim_opt_print(&a->opt, stdout);
	exit(1);
}

static int
play(const struct args *a, char **files)
{
	size_t bad = 0, n = 0;

	for (const char *f = a->scenario; f; f = *files++) {
		struct mw_err err = MW_ERR_INIT;

		n++;
		if (scn_run_file(f, a->opt.trace, &err))
			continue;
		printf("%s\n", err.msg);
		bad++;
	}
	printf("%zu scenarios, %zu failed\n", n, bad);
	return bad > 0;
}

int
main(int argc, char **argv)
{
	struct args a = { .seeds = 1 };
	struct totals t = { .began = seconds() };

	sim_opt_defaults(&a.opt);
	parse(argc, argv, &a);
	if (a.scenario)
		return play(&a, argv + optind);
	if (a.shrink) {
		replay(&a);
		return 0;
	}
	for (uint64_t i = 0; (a.seeds == 0 || i < a.seeds) && t.bad < BAD_MAX &&
	     (a.for_s == 0 || seconds() - t.began < a.for_s);
	     i++) {
		struct sim_result r;

		if (!sim_run(&a.opt, &r)) {
			printf("seed %llu: %s %s\n",
			    (unsigned long long)a.opt.seed, r.bad.what,
			    r.bad.text);
			fflush(stdout);
		}
		add(&t, &r);
		a.opt.seed++;
	}
	if (a.hash_only)
		printf("%016llx\n", (unsigned long long)t.hash);
	else
		print(&t);
	return t.bad > 0;
}
