/*
 * sweep.h - what a benchmark left because its agent was killed.
 */
#ifndef MW_AGENT_SWEEP_H
#define MW_AGENT_SWEEP_H

#include "common/pure/err.h"

/* Removes the folders of benchmark jobs in dir, and what their databases left
 * in the kernel. At the start only: no job may run. Returns how many. */
size_t sweep_leftovers(const char *dir);

#endif
