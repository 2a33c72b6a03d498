/*
 * quality.c - the quality gate (gate.h) over a world.
 */
#include "common/pure/gate.h"
#include "placement/placement.h"

#include <assert.h>

static_assert(PLACE_UNKNOWN == GATE_UNKNOWN, "one mark of the unknown");
static_assert((int)PLACE_Q_COUNT == (int)GATE_COUNT, "the same flags");
static_assert((int)PLACE_Q_FASTER_THAN_LIGHT == (int)GATE_FASTER_THAN_LIGHT,
    "in the same order");

unsigned
place_pair_quality(const struct place_query *q, const struct place_world *w,
    uint32_t a, uint32_t b)
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
		.intra_us = w->intra_site_us };

	return gate_pair(&g, a, b);
}

const char *
place_quality_name(unsigned bit)
{
	return gate_name(bit);
}
