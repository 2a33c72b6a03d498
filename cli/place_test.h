/*
 * place_test.h - placement tests for a user's own CI (docs/placement.md,
 * "Tests").
 */
#ifndef MW_CLI_PLACE_TEST_H
#define MW_CLI_PLACE_TEST_H

#include "cli/question.h"

/* Prints a line per test; EXIT_NO if one fails. */
int place_test(struct cli *c, const char *path);

#endif
