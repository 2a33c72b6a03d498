/*
 * rng.h - seeded random numbers (xoshiro256**, seeded by splitmix64; Blackman
 * and Vigna 2018). Same seed, same stream, on every machine. Not for secrets.
 */
#ifndef MW_COMMON_PURE_RNG_H
#define MW_COMMON_PURE_RNG_H

#include "common/pure/mw.h"

struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0..n-1, n > 0, unbiased */
double rng_unit(struct rng *r); /* [0, 1) */
double rng_exp(struct rng *r); /* exponential, mean 1 */
double rng_normal(struct rng *r); /* mean 0, deviation 1 */
void rng_shuffle(struct rng *r, uint32_t *v, size_t n);
/* A stateless 64-bit mix of its input (splitmix64's finaliser). */
uint64_t rng_mix(uint64_t x);

#endif
