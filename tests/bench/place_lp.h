/*
 * place_lp.h - the same placement as an integer program, solved by the
 * programs of Debian's coinor-cbc and glpk-utils.
 */
#ifndef MW_TESTS_PLACE_LP_H
#define MW_TESTS_PLACE_LP_H

#include "tests/bench/place_world.h"

enum lp_solver {
	LP_CBC,
	LP_GLPK,
	LP_SOLVERS
};

enum lp_end {
	LP_OPTIMAL,
	LP_INFEASIBLE,
	LP_NO_PROOF, /* out of time */
	LP_FAILED
};

struct lp_result {
	enum lp_end end;
	double cpu_ms; /* of the program, with its start */
	double objective;
};

extern const char *const lp_names[LP_SOLVERS];
extern const char *const lp_packages[LP_SOLVERS];

bool lp_present(enum lp_solver s);
/* Writes the model; edges: one row per conflict, else a clique cover. */
bool lp_write(const struct bench_query *b, const char *path, bool edges);
/* Time of the program with nothing to do. */
double lp_start_ms(enum lp_solver s, const char *dir);
void lp_solve(enum lp_solver s, const char *dir, unsigned limit_s,
    struct lp_result *out);

#endif
