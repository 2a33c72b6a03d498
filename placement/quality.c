/*
 * quality.c - what is odd about a measured pair. Flags warn; they never change
 * a number.
 */
#include "placement/placement.h"

#define FLOOR_US 3000
#define DAY_S 86400

static uint32_t
raw(const struct place_query *q, const struct place_world *w, uint32_t a,
    uint32_t b)
{
	const uint32_t *rtt = w->rtt_us[q->limits.stat];

	return rtt == NULL ? PLACE_UNKNOWN : rtt[(size_t)a * w->nsites + b];
}

static unsigned
asymmetry(uint32_t x, uint32_t y)
{
	uint32_t max = x > y ? x : y, diff = x > y ? x - y : y - x;

	if (diff <= FLOOR_US)
		return 0;
	if ((uint64_t)diff * 5 > max)
		return PLACE_Q_ASYMMETRIC;
	return (uint64_t)diff * 20 > max ? PLACE_Q_ASYMMETRIC_MINOR : 0;
}

/* One value many times in a row or column: copied, not measured. */
static bool
repeated(const struct place_query *q, const struct place_world *w, uint32_t a,
    uint32_t b)
{
	uint32_t v = raw(q, w, a, b), in_row = 0, in_col = 0;

	if (v == PLACE_UNKNOWN || v <= FLOOR_US || a == b)
		return false;
	for (uint32_t x = 0; x < w->nsites; x++) {
		in_row += x != a && raw(q, w, a, x) == v;
		in_col += x != b && raw(q, w, x, b) == v;
	}
	return in_row >= 3 || in_col >= 3;
}

static bool
detour(const struct place_query *q, const struct place_world *w, uint32_t a,
    uint32_t b)
{
	uint32_t d = place_pair_rtt(q, w, a, b);

	for (uint32_t x = 0; d != PLACE_UNKNOWN && x < w->nsites; x++) {
		uint32_t p, r;
		uint64_t via;

		if (x == a || x == b)
			continue;
		p = place_pair_rtt(q, w, a, x);
		r = place_pair_rtt(q, w, x, b);
		if (p == PLACE_UNKNOWN || r == PLACE_UNKNOWN)
			continue;
		via = (uint64_t)p + r;
		if (via * 5 <= (uint64_t)d * 4 && via + FLOOR_US < d)
			return true;
	}
	return false;
}

unsigned
place_pair_quality(const struct place_query *q, const struct place_world *w,
    uint32_t a, uint32_t b)
{
	uint32_t there = raw(q, w, a, b), back = raw(q, w, b, a);
	size_t at[2] = { (size_t)a * w->nsites + b, (size_t)b * w->nsites + a };
	uint32_t floor = q->min_samples > 0 ? q->min_samples : 20;
	unsigned f = 0;

	if (there == PLACE_UNKNOWN && back == PLACE_UNKNOWN)
		return a == b && w->intra_site_us != PLACE_UNKNOWN
		    ? PLACE_Q_ASSUMED
		    : PLACE_Q_MISSING;
	if (there == PLACE_UNKNOWN || back == PLACE_UNKNOWN)
		f |= PLACE_Q_ONE_DIRECTION;
	else
		f |= asymmetry(there, back);
	if (repeated(q, w, a, b) || repeated(q, w, b, a))
		f |= PLACE_Q_REPEATED;
	if (a != b && detour(q, w, a, b))
		f |= PLACE_Q_DETOUR;
	if (w->rtt_n == NULL)
		f |= PLACE_Q_SINGLE_VALUE;
	for (size_t i = 0; i < 2; i++) {
		if (raw(q, w, i ? b : a, i ? a : b) == PLACE_UNKNOWN)
			continue;
		if (w->rtt_n != NULL && w->rtt_n[at[i]] < floor)
			f |= PLACE_Q_FEW_SAMPLES;
		if (w->rtt_age_s != NULL &&
		    w->rtt_age_s[at[i]] != PLACE_UNKNOWN &&
		    w->rtt_age_s[at[i]] > DAY_S)
			f |= PLACE_Q_STALE;
	}
	return f;
}

const char *
place_quality_name(unsigned bit)
{
	static const char *const names[PLACE_Q_COUNT] = { "asymmetric",
		"asymmetricMinor", "repeatedValue", "detour", "oneDirection",
		"singleValue", "fewSamples", "stale", "assumed", "missing" };

	return bit < PLACE_Q_COUNT ? names[bit] : NULL;
}
