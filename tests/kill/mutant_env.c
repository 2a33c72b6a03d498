/*
 * mutant_env.c - a coordinator whose rules can be switched off (mutant.h): the
 * environment's MW_MUTANT says which. Linked only into tests/kill/milkywayd.
 */
#include "common/pure/mutant.h"

#include <stdlib.h>

int mw_mutant;

__attribute__((constructor)) static void
choose(void)
{
	const char *s = getenv("MW_MUTANT");

	mw_mutant = s ? (int)strtol(s, NULL, 10) : 0;
}
