/*
 * matrix_pairs.h - what the matrix says of single pairs: findings below the
 * heat table, and the history of one pair.
 */
#ifndef MW_CLI_MATRIX_PAIRS_H
#define MW_CLI_MATRIX_PAIRS_H

#include "cli/cli.h"

/* "RTT p50, ms, ..." above the table. */
void matrix_title(const json_t *m, const char *stat, const char *unit);
/* The findings of an answer, with ages and n of their pairs. */
void matrix_findings(struct cli *c, const json_t *m);
/* The answer of .../matrix/history. */
void matrix_history(struct cli *c, const json_t *h);
/* "/matrix" and a query in a new string: round or at (RFC 3339; may be NULL)
 * or a pair "vm-1,vm-2" with its time. NULL after a message on stderr. */
char *matrix_rest(const struct cli_cmd *cmd, const char *round, const char *at,
    const char *pair, const char *since);

#endif
