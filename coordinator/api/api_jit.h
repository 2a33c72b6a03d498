/*
 * api_jit.h - a benchmark just in time: one request that comes back with
 * results. What was measured lately is not measured again, an equal run under
 * way is joined, and the answer waits for the end of what is missing.
 */
#ifndef MW_COORDINATOR_API_JIT_H
#define MW_COORDINATOR_API_JIT_H

#include "common/httpd.h"
#include "coordinator/measure/bench.h"

#define JIT_WAIT_MAX_S 25

struct coord;

/* Answers req: 200 and the run with its results, or, after wait_s, 202 and the
 * action. max_age_s 0: everything is measured. ask is copied. */
void jit_answer(struct coord *c, struct httpd_req *req,
    const struct bench_ask *ask, int64_t max_age_s, int64_t wait_s);
/* No more requests: forgets those that wait. */
void jit_stop(void);

#endif
