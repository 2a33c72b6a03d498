/*
 * mutants.h - what is known of each mutant of common/pure/mutant.h: the rule it
 * removes, and by what the tests must find it.
 */
#ifndef MW_SIM_MUTANTS_H
#define MW_SIM_MUTANTS_H

#include "common/pure/mutant.h"
#include "tests/sim/sim.h"

struct mutant_info {
	const char *name; /* "no-intent" */
	const char *rule; /* that is removed, in a few words */
	uint32_t seeds; /* found within so many, from 1; 0: only by scenarios */
	uint32_t fsync_in; /* struct sim_opt */
	bool fresh; /* each run begins without a database */
};
extern const struct mutant_info mutants[MUT_COUNT];

/* By number or name; MUT_NONE: there is no such mutant. */
enum mutant mutant_of(const char *text);
/* What the runs of this mutant need. */
void mutant_opt(enum mutant m, struct sim_opt *opt);

#endif
