/*
 * geo.h - distance between places, and the round-trip time that worlds without
 * measured numbers are given.
 *
 * The formula of rttModel "distance" (docs/world-format.md):
 *
 *	rtt = 2 * distance / (200 km/ms) * stretch + end(a) + end(b)
 *
 * - distance: great circle, mean earth radius 6371.0088 km.
 * - 200 km/ms: light in glass fibre.
 * - stretch: how much longer than the great circle a path is; one draw per
 *   unordered pair of site names, log-normal in two pieces with median 1.86,
 *   p90 3.1 and p99 8.75, held within 1.0 and 8.75. These are the quantiles
 *   that public latency maps of cloud regions show.
 * - end: 0.6 to 2.0 ms, one draw per site name.
 * - two sites of one region: 0.3 to 1.0 ms, one draw per unordered pair.
 * - no path is longer than 450 ms: a detour of several times is seen on short
 *   paths only.
 *
 * Same seed and names give the same number on every call, in both directions.
 */
#ifndef MW_COMMON_PURE_GEO_H
#define MW_COMMON_PURE_GEO_H

#include "common/pure/mw.h"

struct geo_site {
	const char *name; /* unique in its world */
	const char *region; /* "aws/us-east-1": equal means one region */
	double lat, lon; /* degrees */
};

double geo_distance_km(double lat1, double lon1, double lat2, double lon2);
/* Round-trip time in microseconds, never 0. */
uint32_t geo_rtt_us(uint64_t seed, const struct geo_site *a,
    const struct geo_site *b);

#endif
