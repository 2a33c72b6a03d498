/*
 * worker.h - a pool of threads for what would block the loop. run() is called
 * on a pool thread and touches nothing but its job; done() is called on the
 * loop. A queue with a limit in, an eventfd out.
 */
#ifndef MW_COMMON_WORKER_H
#define MW_COMMON_WORKER_H

#include "common/loop.h"

struct worker_pool;

struct worker_job {
	void (*run)(struct worker_job *job);
	void (*done)(struct worker_job *job); /* owns and frees the job */
	struct worker_job *next;
};

struct worker_pool *worker_pool_new(struct loop *l, unsigned threads,
    size_t queue_max);
/* Finishes what runs, completes what waits without running it. */
void worker_pool_free(struct worker_pool *p);
/* False: the queue is full (MW_LIMIT), or there is no pool any more (NULL:
 * MW_UNREACHABLE); the job was not taken. */
bool worker_submit(struct worker_pool *p, struct worker_job *take_job,
    struct mw_err *err) mw_must_check;

#endif
