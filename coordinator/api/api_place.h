/*
 * api_place.h - placements: solved on the worker pool over a snapshot of
 * matrix, scores and prices; answers are stored as pl-N.
 */
#ifndef MW_COORDINATOR_API_PLACE_H
#define MW_COORDINATOR_API_PLACE_H

#include "common/pure/err.h"

struct coord;
struct httpd_req;
struct places;

/* One VM of a ranked group. */
struct places_member {
	char group[64]; /* role in the query */
	char connection[128];
	char spec[128]; /* name in its cloud */
};

struct places *places_new(struct coord *c, struct mw_err *err) mw_must_check;
void places_free(struct places *p);
/* "pl-7" to 7. */
bool places_id(const char *name, int64_t *id, struct mw_err *err) mw_must_check;
/*
 * The members of the group of that rank (1 = best) in a stored answer; the
 * caller frees the array. MW_NOT_FOUND: no such answer or rank; MW_CONFLICT:
 * the answer holds no group (infeasible).
 */
bool places_members(struct places *p, const char *id, int64_t rank,
    struct places_member **out, size_t *n, struct mw_err *err) mw_must_check;

/* Routes of stored answers; ctx is the coord. */
void api_place_list(struct httpd_req *req, void *ctx);
void api_place_one(struct httpd_req *req, void *ctx);

#endif
