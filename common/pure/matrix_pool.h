/*
 * matrix_pool.h - what several rounds together say of one directed pair.
 *
 * min: the smallest. avg, jitter: means weighted by n. p50: the median of the
 * rounds' p50 (of two in the middle the larger). n and lost: sums. at: the
 * newest round with a value. p95: a quantile of the rounds' p95. A round of
 * k < 20 probes has its largest value as p95 (nearest rank), and of such
 * maxima the part 0.95^k lies below the true p95: P(max <= x) = F(x)^k. So the
 * q-quantile with q = max(0.5, 0.95^k) is taken, nearest rank, rounded up.
 *
 * A pair that did not answer in the newest round is unknown, whatever it was
 * before. A hole for want of an agent (busy, notArmed, agentSilent,
 * neverProbed) leaves the word to the earlier rounds. Inherited values count
 * only where no round has an own one.
 */
#ifndef MW_COMMON_PURE_MATRIX_POOL_H
#define MW_COMMON_PURE_MATRIX_POOL_H

#include "common/pure/matrix_cell.h"

#define MATRIX_POOL_ROUNDS 24
#define MATRIX_POOL_AGE_NS (24 * 3600 * INT64_C(1000000000))

/* v: cells of one pair, newest first. n > 0. */
void matrix_pool(const struct matrix_cell *v, size_t n,
    struct matrix_cell *out);
/* The same for all rounds of a day, in the form that is kept for years; here
 * a pair without an answer at the end of the day keeps its values. */
void matrix_fold(const struct matrix_cell *v, size_t n, struct matrix_day *out);

#endif
