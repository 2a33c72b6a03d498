/*
 * conns_place.h - where regions of public clouds lie that do not say it
 * themselves: the city that their owner names, and its coordinates to a tenth
 * of a degree. Good for distances, not for addresses.
 */
#ifndef MW_COORDINATOR_CONNS_PLACE_H
#define MW_COORDINATOR_CONNS_PLACE_H

struct conns_place {
	const char *csp, *region, *city;
	double lat, lon; /* degrees */
};

/* NULL: not in the table. */
const struct conns_place *conns_place_find(const char *csp, const char *region);

#endif
