/*
 * mutants_main.c - milkyway-mutants: tests the tests. Each mutant is run seed
 * by seed until a promise breaks, in a process of its own, a few at a time,
 * and played the scenarios; prints a table, and fails if one survives.
 *
 * A crash of the mutant (an assertion) and a hang count as found: a process
 * that ends is a death, which the product survives, but users would see it.
 */
#include "tests/sim/mutants.h"
#include "tests/sim/scenario.h"

#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HANG_S 60 /* of one seed, or one scenario */

/* Written by the child that runs the mutant. */
struct result {
	uint64_t seed; /* that is being run, and then: that broke it */
	bool broken;
	char what[40];
	size_t killed; /* by so many scenarios */
	char scenario[64]; /* the first of them */
	double seconds;
	pid_t pid;
};

struct work {
	const char *scenarios; /* pattern */
	int64_t jobs, max;
	bool only_scenarios;
	struct result *r; /* shared, by mutant */
};

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Does this seed break a promise with the mutant, and none without it? */
static bool
breaks(enum mutant m, uint64_t seed, char *what, size_t size)
{
	struct sim_result out;
	struct sim_opt opt;
	bool clean;

	sim_opt_defaults(&opt);
	opt.seed = seed;
	mutant_opt(m, &opt);
	if (sim_run(&opt, &out))
		return false;
	str_copy(what, size, out.bad.what);
	mw_mutant = MUT_NONE;
	clean = sim_run(&opt, &out);
	mw_mutant = (int)m;
	return clean;
}

static void
run_seeds(const struct work *w, enum mutant m, struct result *r)
{
	uint64_t n = mutants[m].seeds;

	if (w->max > 0 && n > (uint64_t)w->max)
		n = (uint64_t)w->max;
	for (r->seed = 1; r->seed <= n && !w->only_scenarios; r->seed++) {
		alarm(HANG_S);
		r->broken = breaks(m, r->seed, r->what, sizeof r->what);
		if (r->broken)
			break;
	}
	alarm(0);
}

static void
run_scenarios(const struct work *w, struct result *r)
{
	glob_t g;

	if (glob(w->scenarios, 0, NULL, &g) != 0)
		return;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct mw_err err = MW_ERR_INIT;
		const char *name = strrchr(g.gl_pathv[i], '/');

		alarm(HANG_S);
		if (scn_run_file(g.gl_pathv[i], false, &err))
			continue;
		if (r->killed++ == 0)
			str_copy(r->scenario, sizeof r->scenario,
			    name ? name + 1 : g.gl_pathv[i]);
	}
	alarm(0);
	globfree(&g);
}

/* Two processes: an assertion in a scenario must not hide a seed. */
static void
run_one(const struct work *w, enum mutant m)
{
	struct result *r = &w->r[m];
	double begun = seconds();
	int status = 0;
	pid_t pid = fork();

	mw_mutant = (int)m;
	if (pid == 0) {
		run_scenarios(w, r);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		_exit(2);
	if (WIFSIGNALED(status) && r->killed++ == 0)
		str_copy(r->scenario, sizeof r->scenario, "(crash)");
	run_seeds(w, m, r);
	r->seconds = seconds() - begun;
	_exit(0);
}

/* A bound is kept even where a scenario helps. */
static bool
found(const struct work *w, int m)
{
	const struct result *r = &w->r[m];

	return r->broken ||
	    (r->killed > 0 && (w->only_scenarios || mutants[m].seeds == 0));
}

static void
print(const struct work *w, int m)
{
	const struct result *r = &w->r[m];

	printf("%3d %-20s %-62s ", m, mutants[m].name, mutants[m].rule);
	if (r->broken)
		printf("%-22s %7llu", r->what, (unsigned long long)r->seed);
	else
		printf("%-22s %7s", found(w, m) ? "(scenario)" : "SURVIVES",
		    "-");
	printf(" %7.1f", r->seconds);
	if (r->killed > 0)
		printf(" %zu: %s", r->killed, r->scenario);
	putchar('\n');
	fflush(stdout);
}

/* Does the seed end well, without any mutant? */
static bool
runs_clean(enum mutant m, uint64_t seed)
{
	char what[64];
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(HANG_S);
		mw_mutant = MUT_NONE;
		_exit(breaks(m, seed, what, sizeof what));
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Waits for the next one that ends. */
static bool
reap(const struct work *w)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	for (int m = 1; m < MUT_COUNT; m++) {
		struct result *r = &w->r[m];

		if (pid <= 0 || r->pid != pid)
			continue;
		r->pid = 0;
		if (WIFSIGNALED(status)) {
			r->broken = runs_clean((enum mutant)m, r->seed);
			str_copy(r->what, sizeof r->what,
			    WTERMSIG(status) == SIGALRM ? "HANG" : "CRASH");
			if (!r->broken)
				printf("seed %llu crashes the product\n",
				    (unsigned long long)r->seed);
		}
		print(w, m);
	}
	return pid > 0;
}

static bool
run_all(const struct work *w, const bool *chosen)
{
	size_t n = 0, alive = 0;
	int64_t running = 0;
	pid_t pid;

	printf("%3s %-20s %-62s %-22s %7s %7s %s\n", "", "mutant",
	    "rule that is removed", "found as", "seed", "seconds",
	    "scenarios that find it");
	for (int m = 1; m < MUT_COUNT; m++) {
		if (!chosen[m])
			continue;
		if (running == w->jobs && reap(w))
			running--;
		fflush(NULL);
		pid = fork();
		if (pid == 0)
			run_one(w, (enum mutant)m);
		if (pid < 0)
			return false;
		w->r[m].pid = pid; /* not by the child: it is shared */
		running++;
	}
	while (running-- > 0)
		(void)reap(w);
	for (int m = 1; m < MUT_COUNT; m++) {
		n += chosen[m];
		alive += chosen[m] && !found(w, m);
	}
	printf("%zu mutants, %zu survive\n", n, alive);
	return alive == 0;
}

/* One seed of one mutant, to be looked at. */
static bool
run_seed(enum mutant m, uint64_t seed, bool trace)
{
	struct sim_result out;
	struct sim_opt opt;
	bool ok;

	sim_opt_defaults(&opt);
	opt.seed = seed;
	opt.trace = trace;
	mutant_opt(m, &opt);
	mw_mutant = (int)m;
	ok = sim_run(&opt, &out);
	printf("%s, seed %llu: %s %s\n", mutants[m].name,
	    (unsigned long long)seed, ok ? "nothing breaks" : out.bad.what,
	    ok ? "" : out.bad.text);
	return ok;
}

static const char usage[] =
    "usage: milkyway-mutants [OPTION]... [MUTANT]...\n"
    "Runs each mutant, by number or name, all by default, until a promise "
    "breaks.\n"
    "  -j, --jobs N         so many at a time; 2\n"
    "  -n, --seeds N        at most so many seeds, whatever the table says\n"
    "  -s, --scenarios GLOB tests/scenarios/*.scn\n"
    "      --only-scenarios no seeds\n"
    "      --seed N         only this seed, of one mutant\n"
    "      --trace          what happens in it\n"
    "e.g. milkyway-mutants no-fence   milkyway-mutants -j1 16 19\n";

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "jobs", required_argument, NULL, 'j' },
		{ "seeds", required_argument, NULL, 'n' },
		{ "scenarios", required_argument, NULL, 's' },
		{ "only-scenarios", no_argument, NULL, 'o' },
		{ "seed", required_argument, NULL, 'S' },
		{ "trace", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct work w = { "tests/scenarios/*.scn", 2, 0, false, NULL };
	bool chosen[MUT_COUNT] = { false }, trace = false;
	enum mutant m = MUT_NONE;
	int64_t seed = 0;
	int c;

	while ((c = getopt_long(argc, argv, "j:n:s:h", options, NULL)) != -1) {
		bool ok = true;

		if (c == 'j')
			ok = num_parse_i64(optarg, strlen(optarg), 1, 64,
			    &w.jobs);
		else if (c == 'n')
			ok = num_parse_i64(optarg, strlen(optarg), 1, INT32_MAX,
			    &w.max);
		else if (c == 's')
			w.scenarios = optarg;
		else if (c == 'o')
			w.only_scenarios = true;
		else if (c == 'S')
			ok = num_parse_i64(optarg, strlen(optarg), 1, INT64_MAX,
			    &seed);
		else if (c == 't')
			trace = true;
		else
			ok = false;
		if (!ok) {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	for (int i = 1; i < MUT_COUNT; i++)
		chosen[i] = optind == argc;
	for (; optind < argc; optind++) {
		m = mutant_of(argv[optind]);
		if (m == MUT_NONE) {
			fprintf(stderr, "no mutant %s\n", argv[optind]);
			return 2;
		}
		chosen[m] = true;
	}
	if (seed > 0 && m != MUT_NONE)
		return !run_seed(m, (uint64_t)seed, trace);
	w.r = mmap(NULL, MUT_COUNT * sizeof *w.r, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w.r == MAP_FAILED) {
		fprintf(stderr, "no memory\n");
		return 2;
	}
	return !run_all(&w, chosen);
}
