/*
 * api_place_int.h - between api_place.c (questions on their way) and
 * api_place_kept.c (answers that groups are created from).
 */
#ifndef MW_COORDINATOR_API_PLACE_INT_H
#define MW_COORDINATOR_API_PLACE_INT_H

#include "coordinator/api/api_place.h"
#include "coordinator/place/place_cache.h"

struct kept { /* members of one stored answer */
	int64_t id;
	char *members;
	struct kept *next;
};

struct places {
	struct coord *c;
	struct place_cache *cache;
	size_t pending, bytes;
	struct kept *kept; /* newest first */
};

/* The members of a stored answer; the newest are kept. */
void places_keep(struct places *p, int64_t id, const char *members);

#endif
