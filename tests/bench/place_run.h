/*
 * place_run.h - what the files of the placement benchmark share: worlds that
 * are ready, times, rows.
 */
#ifndef MW_TESTS_PLACE_RUN_H
#define MW_TESTS_PLACE_RUN_H

#include "tests/bench/place_lp.h"

#include "placement/prepared.h"

#include <time.h>

#define PB_CUT_MS 3000 /* no solve may take longer */
#define PB_MAX_ROWS 4096
#define PB_SIZES 5
#define PB_LIMITS 7

extern const uint32_t pb_sizes[PB_SIZES], pb_limits[PB_LIMITS]; /* VMs, ms */

struct pb { /* one run of the benchmark */
	const char *dir;
	unsigned limit_s;
	double start_ms[LP_SOLVERS];
	double ms[PB_MAX_ROWS]; /* of the family at hand */
	size_t n, cut;
	double ratio[LP_SOLVERS][PB_MAX_ROWS];
	size_t nratio[LP_SOLVERS], no_proof[LP_SOLVERS];
	double best[PB_MAX_ROWS]; /* ratio to the best of the solvers */
	size_t nbest, lost;
	size_t wrong;
	const char *part, *only; /* of the families; what is asked for */
};

bool pb_wanted(const struct pb *t, const char *family);

/* A generated world, ready for many queries. */
struct pb_ready {
	struct bench_world w, *plain;
	struct place_prepared *p;
};

/* Both exit if they cannot. */
void pb_ready_make(struct pb_ready *r, uint32_t sites, uint32_t offers,
    uint64_t seed);
void pb_ready_free(struct pb_ready *r);
double pb_clock_ms(clockid_t id);
/* For place_solve(): has this thread used *arg ms of CPU time? */
bool pb_too_late(void *arg);
/* Sorts v. */
double pb_quantile(double *v, size_t n, double p);
void pb_out(const char *family, const char *what, double value,
    const char *unit, const char *target);
/* Solves up to five times; the median time. *a: the last answer. */
double pb_ours(struct bench_query *b, struct place_answer **a);

/* The same models with CBC and GLPK. */
void pb_compare(struct pb *t);

#endif
