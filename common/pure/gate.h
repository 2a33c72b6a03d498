/*
 * gate.h - the quality gate: what is odd about a measured pair, and why. Flags
 * warn; they never change, fill in or leave out a number.
 *
 * Rules: docs/latency.md. A difference counts only if it is large both in ms
 * and in per cent: within one city 0.2 to 0.6 ms is nothing.
 */
#ifndef MW_COMMON_PURE_GATE_H
#define MW_COMMON_PURE_GATE_H

#include "common/pure/mw.h"

struct str;

#define GATE_UNKNOWN UINT32_MAX
#define GATE_SAMPLES 20
#define GATE_ROUNDS 3
#define GATE_STALE_S 86400
#define GATE_NEAR_KM 200 /* nearer: no bound by distance */

enum {
	GATE_ASYMMETRIC = 1, /* > 3 ms and > 20 % of the larger direction */
	GATE_ASYMMETRIC_MINOR = 2, /* > 3 ms and > 5 % */
	GATE_REPEATED = 4, /* value >= 3 times more in its row or column */
	GATE_DETOUR = 8, /* one hop saves >= 20 % and > 3 ms */
	GATE_ONE_DIRECTION = 16,
	GATE_SINGLE_VALUE = 32, /* number of samples not known */
	GATE_FEW_SAMPLES = 64, /* < 20 or < 3 rounds */
	GATE_STALE = 128, /* older than a day */
	GATE_ASSUMED = 256, /* within a site, not measured */
	GATE_MISSING = 512,
	GATE_FASTER_THAN_FIBRE = 1024, /* suspicious: 200 km/ms */
	GATE_FASTER_THAN_LIGHT = 2048, /* impossible: 299.792 km/ms */
	GATE_COUNT = 12
};

/* A table, borrowed; row = source. Arrays have n * n elements unless said
 * otherwise, NULL: not known at all; GATE_UNKNOWN: not known of this cell. */
struct gate {
	size_t n;
	const uint32_t *us, *samples, *rounds, *age_s;
	const double *lat, *lon; /* n, degrees; NAN: not known */
	const char *const *names; /* n; for reasons, may be NULL */
	uint32_t min_samples, stale_s; /* 0: as above */
	uint32_t max_age_s; /* older is no hop of a detour; 0: any age */
	uint32_t intra_us; /* for an unknown diagonal, or GATE_UNKNOWN */
	/* The larger direction of each pair, if the caller has it: else it is
	 * worked out for each detour again. */
	const uint32_t *pair_us;
	unsigned skip; /* flags that nobody asks for: saves time */
};

/* Flags of the unordered pair a, b (equal: two VMs of one site). */
unsigned gate_pair(const struct gate *g, size_t a, size_t b);
/* "asymmetric"; NULL from GATE_COUNT on. */
const char *gate_name(unsigned bit);
/* One sentence why the pair has that flag (1 << bit), with its numbers. */
void gate_reason(const struct gate *g, size_t a, size_t b, unsigned bit,
    struct str *out);

#endif
