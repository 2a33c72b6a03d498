/*
 * geo.c - great-circle distance and the synthetic round-trip time of geo.h.
 * Promises: a pure function of its arguments.
 */
#include "common/pure/geo.h"

#include "common/pure/rng.h"

#include <math.h>
#include <string.h>

#define EARTH_RADIUS_KM 6371.0088
#define FIBRE_KM_PER_MS 200.0
#define STRETCH_P50 1.86
#define STRETCH_P90 3.1
#define STRETCH_P99 8.75
#define RTT_MAX_MS 450.0
/* Normal deviates of the 90th and 99th percentile. */
#define Z90 1.2815515655446004
#define Z99 2.3263478740408408

static double
radians(double degrees)
{
	return degrees * 0.017453292519943295;
}

double
geo_distance_km(double lat1, double lon1, double lat2, double lon2)
{
	double p1 = radians(lat1), p2 = radians(lat2);
	double sp = sin((p2 - p1) / 2), sl = sin(radians(lon2 - lon1) / 2);
	double h = sp * sp + cos(p1) * cos(p2) * sl * sl;

	/* rounding may push the argument of asin above 1 */
	return 2 * EARTH_RADIUS_KM * asin(sqrt(fmin(1, h)));
}

/* FNV-1a, so that the draw of a name does not depend on its place. */
static uint64_t
hash_name(uint64_t h, const char *name)
{
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		h = (h ^ *p) * UINT64_C(1099511628211);
	return (h ^ 0xff) * UINT64_C(1099511628211);
}

static void
seed_pair(struct rng *r, uint64_t seed, const char *a, const char *b)
{
	bool swap = strcmp(a, b) > 0;
	uint64_t h = UINT64_C(14695981039346656037);

	h = hash_name(h, swap ? b : a);
	h = hash_name(h, swap ? a : b);
	rng_seed(r, rng_mix(seed) ^ h);
}

static double
stretch(struct rng *r)
{
	double z = rng_normal(r), s1, s2, v;

	s1 = log(STRETCH_P90 / STRETCH_P50) / Z90;
	s2 = log(STRETCH_P99 / STRETCH_P90) / (Z99 - Z90);
	if (z <= Z90)
		v = STRETCH_P50 * exp(s1 * z);
	else
		v = STRETCH_P90 * exp(s2 * (z - Z90));
	return fmin(STRETCH_P99, fmax(1.0, v));
}

static double
end_ms(uint64_t seed, const char *name)
{
	struct rng r;

	seed_pair(&r, seed, name, name);
	return 0.6 + 1.4 * rng_unit(&r);
}

uint32_t
geo_rtt_us(uint64_t seed, const struct geo_site *a, const struct geo_site *b)
{
	struct rng r;
	double ms;

	seed_pair(&r, seed, a->name, b->name);
	if (strcmp(a->region, b->region) == 0) {
		ms = 0.3 + 0.7 * rng_unit(&r);
	} else {
		/* the ends are added in name order: exactly symmetric */
		double lo = end_ms(seed, a->name), hi = end_ms(seed, b->name);

		ms = 2 / FIBRE_KM_PER_MS *
			geo_distance_km(a->lat, a->lon, b->lat, b->lon) *
			stretch(&r) +
		    (fmin(lo, hi) + fmax(lo, hi));
	}
	return (uint32_t)lround(fmin(RTT_MAX_MS, ms) * 1000);
}
