/*
 * verify.h - between verify.c and verify_users.c: one check under way.
 */
#ifndef MW_PLACEMENT_VERIFY_H
#define MW_PLACEMENT_VERIFY_H

#include "placement/placement.h"

struct verify {
	struct place_ranked *r;
	const struct place_query *q;
	const struct place_world *w;
	struct arena *arena;
	const char **broken;
	size_t n, max;
	bool pair_unknown; /* a talking pair has no time */
};

/* Notes a broken limit, once; text outlives the check. */
void verify_breaks(struct verify *v, const char *text);
/* The larger known direction. *reverse: it was seen from b to a. */
uint32_t verify_pair(const struct verify *v, uint32_t a, uint32_t b,
    bool *reverse);
/* The nearest serving VM of each user, and the value of the user term. */
void verify_users(struct verify *v, int64_t *value, bool *known);
/* Where every VM pays its mean time to all users; false: not known. */
bool verify_every(const struct verify *v, size_t member,
    int64_t *out) mw_must_check;

#endif
