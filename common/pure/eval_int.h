/*
 * eval_int.h - what the files of the evaluation share.
 */
#ifndef MW_COMMON_PURE_EVAL_INT_H
#define MW_COMMON_PURE_EVAL_INT_H

#include "common/pure/eval.h"

/* Order of groups: csp, region, spec, kind, variant. */
int eval_key_cmp(const struct eval_in *a, const struct eval_in *b);
/* The most thorough profile first. */
int eval_profile_cmp(const struct eval_in *a, const struct eval_in *b);
/* Of rows of one profile, sorted by VM and newest first: each VM's newest of
 * those in mask (bits 1 << validity). Returns how many. */
size_t eval_pick(const struct eval_in **rows, size_t n, unsigned mask, bool all,
    const struct eval_in **out);
/* rows: one key, sorted by profile, VM, newest first. */
void eval_add_lemons(struct eval *e, const struct eval_ask *ask,
    const struct eval_in **rows, size_t n);
void eval_sort_lemons(struct eval *e);

#endif
