/*
 * replay.h - the sysbench of VMs in a world whose bench is "replay".
 */
#ifndef MW_TWIN_REPLAY_H
#define MW_TWIN_REPLAY_H

#include "twin/world.h"

/* A shell script; the caller frees. The numbers are those of the spec with a
 * noise of about 1 % that depends on the seed only. */
char *replay_script(const struct world_spec *spec, const char *seed);

#endif
