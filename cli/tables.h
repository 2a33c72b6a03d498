/*
 * tables.h - the three tables that a survey of clouds ends in: CPU rates, RTT
 * from one place, RTT from each to each; with what is odd about them.
 */
#ifndef MW_CLI_TABLES_H
#define MW_CLI_TABLES_H

#include "cli/cli.h"
#include "common/pure/deck.h"

struct tables {
	struct deck_table *cpu; /* cpus, cpum */
	struct deck_table *vcpu; /* vcpu */
	struct deck_table *flags; /* of cpu: 1 = not fully valid; or NULL */
	struct deck_table *rtt; /* rttMs */
	struct deck_table *matrix;
	char *from; /* where the RTTs are from */
	char *rtt_why, *matrix_why; /* why there is none; or NULL */
	bool published; /* not measured here: names should agree */
	bool replay; /* replayed numbers are among them */
};

/* From the files of a folder. */
bool tables_load(struct tables *t, const char *dir,
    struct mw_err *err) mw_must_check;
/* From answers: evaluations, and the matrix (NULL: none yet). from: a VM, or
 * NULL for the first. */
bool tables_make(struct tables *t, const json_t *eval, const json_t *matrix,
    const char *from, struct mw_err *err) mw_must_check;
/* which: "cpu", "rtt", "matrix" or NULL for all. */
void tables_print(struct cli *c, const struct tables *t, const char *which);
void tables_free(struct tables *t);

#endif
