/*
 * clock.h - the only place that reads clocks and system randomness.
 */
#ifndef MW_COMMON_CLOCK_H
#define MW_COMMON_CLOCK_H

#include "common/pure/mw.h"

int64_t clock_mono_ns(void); /* CLOCK_MONOTONIC: for every decision */
int64_t clock_wall_ns(void); /* CLOCK_REALTIME: for display only */
void clock_random(void *buf, size_t n); /* getrandom(2); aborts if it fails */
uint64_t clock_random_u64(void);
/* Replaces both clocks; NULL restores. Tests only. */
void clock_fake(int64_t (*mono)(void), int64_t (*wall)(void));

#endif
