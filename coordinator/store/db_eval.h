/*
 * db_eval.h - SQL of the evaluation: the results that count, without their
 * JSON. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_EVAL_H
#define MW_COORDINATOR_DB_EVAL_H

#include "common/pure/eval.h"
#include "coordinator/store/store.h"

#define DB_EVAL_MAX 200000 /* rows of one question */

/* Empty texts: any. */
struct db_eval_filter {
	char ns[64], mcis[64]; /* others of the same specs are siblings only */
	char csp[64], region[128], spec[128], variant[16];
	int kind; /* -1: any */
	int64_t since; /* older results are not read */
};

struct db_eval_rows {
	struct arena *arena; /* owns the texts */
	struct eval_in *v;
	size_t n, cap;
};

/*
 * One row per VM and (kind, spec, variant, profile, environment, validity),
 * its newest. Zeroed before; freed by db_eval_free() also on failure.
 */
bool db_eval_read(struct db *db, const struct db_eval_filter *f,
    struct db_eval_rows *out, struct mw_err *err) mw_must_check;
void db_eval_free(struct db_eval_rows *r);

#endif
