/*
 * sim_shrink.c - from a run that breaks a promise to the smallest one that
 * still breaks it: first whole kinds of faults are switched off, then single
 * requests left out. Both still draw their random numbers, so most of the rest
 * stays as it was.
 */
#include "tests/sim/sim_int.h"

#include <string.h>

#define PASSES 3

static bool
still(const struct sim_opt *opt, const char *what)
{
	struct sim_opt o = *opt;
	struct sim_result r;

	o.trace = false;
	return !sim_run(&o, &r) && str_eq(r.bad.what, what);
}

static bool
without(struct sim_opt *opt, uint64_t *bits, unsigned bit, const char *what)
{
	uint64_t was = *bits;

	if (was >> bit & 1)
		return false;
	*bits |= UINT64_C(1) << bit;
	if (still(opt, what))
		return true;
	*bits = was;
	return false;
}

void
sim_shrink(struct sim_opt *opt)
{
	struct sim_opt o = *opt;
	struct sim_result r;
	bool less = true;

	o.trace = false;
	if (sim_run(&o, &r))
		return;
	for (int pass = 0; pass < PASSES && less; pass++) {
		less = false;
		for (unsigned f = 0; f < SIM_FAULTS; f++)
			less |= without(opt, &opt->faults_off, f, r.bad.what);
		for (unsigned i = 0; i < 128 && i < r.steps; i++)
			less |= without(opt, &opt->steps_off[i / 64], i % 64,
			    r.bad.what);
	}
}

void
sim_opt_print(const struct sim_opt *opt, FILE *f)
{
	const char *sep = " --without ";

	fprintf(f, "milkyway-sim --seed %llu", (unsigned long long)opt->seed);
	for (int k = 0; k < SIM_FAULTS; k++) {
		if (!(opt->faults_off >> k & 1))
			continue;
		fprintf(f, "%s%s", sep, sim_faults[k].name);
		sep = ",";
	}
	sep = " --skip ";
	for (int i = 0; i < 128; i++) {
		if (!(opt->steps_off[i / 64] >> (i % 64) & 1))
			continue;
		fprintf(f, "%s%d", sep, i);
		sep = ",";
	}
	if (opt->fsync_in)
		fprintf(f, " --fsync %u", opt->fsync_in);
	if (opt->beyond)
		fputs(" --beyond", f);
	if (opt->fresh)
		fputs(" --fresh", f);
	fputs(" --trace\n", f);
}
