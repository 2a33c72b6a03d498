/*
 * quality.c - the quality gate (gate.h) over a world.
 */
#include "common/pure/gate.h"
#include "placement/internal.h"

#include <assert.h>

static_assert(PLACE_UNKNOWN == GATE_UNKNOWN, "one mark of the unknown");
static_assert((int)PLACE_Q_COUNT == (int)GATE_COUNT, "the same flags");
static_assert((int)PLACE_Q_FASTER_THAN_LIGHT == (int)GATE_FASTER_THAN_LIGHT,
    "in the same order");

static unsigned
flags(const struct place_query *q, const struct place_world *w, uint32_t a,
    uint32_t b, unsigned skip)
{
	const struct gate g = { .n = w->nsites,
		.us = w->rtt_us[q->limits.stat],
		.samples = w->rtt_n,
		.rounds = w->rtt_rounds,
		.age_s = w->rtt_age_s,
		.lat = w->lat,
		.lon = w->lon,
		.min_samples = q->min_samples,
		.max_age_s = q->max_age_s,
		.intra_us = w->intra_site_us,
		.skip = skip };

	return gate_pair(&g, a, b);
}

unsigned
place_pair_quality(const struct place_query *q, const struct place_world *w,
    uint32_t a, uint32_t b)
{
	return flags(q, w, a, b, 0);
}

unsigned
pl_pair_flags(const struct place_query *q, const struct place_world *w,
    uint32_t a, uint32_t b)
{
	return flags(q, w, a, b, PLACE_Q_REPEATED | PLACE_Q_DETOUR);
}

const char *
place_quality_name(unsigned bit)
{
	return gate_name(bit);
}
