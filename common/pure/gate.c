/*
 * gate.c - what is odd about a measured pair.
 */
#include "common/pure/gate.h"

#include "common/pure/geo.h"
#include "common/pure/str.h"

#include <math.h>

#define FLOOR_US 3000
#define FIBRE_KM_PER_MS 200.0
#define LIGHT_KM_PER_MS 299.792458

static unsigned asymmetry(uint32_t x, uint32_t y);
static bool repeated(const struct gate *g, size_t a, size_t b, size_t *times);
static size_t hop(const struct gate *g, size_t a, size_t b, uint64_t *via_us);
static unsigned too_fast(const struct gate *g, size_t a, size_t b, double *km);

static uint32_t
at(const struct gate *g, const uint32_t *v, size_t a, size_t b)
{
	return v ? v[a * g->n + b] : GATE_UNKNOWN;
}

/* The larger direction that is known and not too old. */
static uint32_t
pair_us(const struct gate *g, size_t a, size_t b)
{
	uint32_t v[2] = { at(g, g->us, a, b), at(g, g->us, b, a) };
	uint32_t age[2] = { at(g, g->age_s, a, b), at(g, g->age_s, b, a) };

	if (g->pair_us)
		return at(g, g->pair_us, a, b);
	for (int i = 0; i < 2; i++)
		if (g->max_age_s && g->age_s && age[i] > g->max_age_s)
			v[i] = GATE_UNKNOWN;
	if (v[0] == GATE_UNKNOWN || v[1] == GATE_UNKNOWN)
		return v[0] == GATE_UNKNOWN ? v[1] : v[0];
	return v[0] > v[1] ? v[0] : v[1];
}

/* Of one direction that is known: samples, rounds, age. */
static unsigned
cell_flags(const struct gate *g, size_t a, size_t b)
{
	uint32_t floor = g->min_samples ? g->min_samples : GATE_SAMPLES;
	uint32_t stale = g->stale_s ? g->stale_s : GATE_STALE_S;
	uint32_t age = at(g, g->age_s, a, b);
	unsigned f = 0;

	if (at(g, g->us, a, b) == GATE_UNKNOWN)
		return 0;
	if (at(g, g->samples, a, b) < floor ||
	    at(g, g->rounds, a, b) < GATE_ROUNDS)
		f |= GATE_FEW_SAMPLES;
	if (age != GATE_UNKNOWN && age > stale)
		f |= GATE_STALE;
	return f;
}

unsigned
gate_pair(const struct gate *g, size_t a, size_t b)
{
	uint32_t there = at(g, g->us, a, b), back = at(g, g->us, b, a);
	uint64_t via;
	double km;
	unsigned f = 0;

	if (there == GATE_UNKNOWN && back == GATE_UNKNOWN)
		return a == b && g->intra_us != GATE_UNKNOWN ? GATE_ASSUMED
							     : GATE_MISSING;
	if (there == GATE_UNKNOWN || back == GATE_UNKNOWN)
		f |= GATE_ONE_DIRECTION;
	else
		f |= asymmetry(there, back);
	if (!(g->skip & GATE_REPEATED) &&
	    (repeated(g, a, b, NULL) || repeated(g, b, a, NULL)))
		f |= GATE_REPEATED;
	if (!(g->skip & GATE_DETOUR) && a != b &&
	    hop(g, a, b, &via) != SIZE_MAX)
		f |= GATE_DETOUR;
	if (!g->samples)
		f |= GATE_SINGLE_VALUE;
	return f | too_fast(g, a, b, &km) | cell_flags(g, a, b) |
	    cell_flags(g, b, a);
}

static unsigned
asymmetry(uint32_t x, uint32_t y)
{
	uint32_t max = x > y ? x : y, diff = x > y ? x - y : y - x;

	if (diff <= FLOOR_US)
		return 0;
	if ((uint64_t)diff * 5 > max)
		return GATE_ASYMMETRIC;
	return (uint64_t)diff * 20 > max ? GATE_ASYMMETRIC_MINOR : 0;
}

/* One value many times in a row or column: copied, not measured. Where several
 * rounds agreed on it nobody copied it, and a hundred neighbours may share a
 * microsecond by chance. */
static bool
repeated(const struct gate *g, size_t a, size_t b, size_t *times)
{
	uint32_t v = at(g, g->us, a, b);
	size_t in_row = 0, in_col = 0;

	if (v == GATE_UNKNOWN || v <= FLOOR_US || a == b || g->rounds)
		return false;
	for (size_t x = 0; x < g->n; x++) {
		in_row += x != a && at(g, g->us, a, x) == v;
		in_col += x != b && at(g, g->us, x, b) == v;
	}
	if (times)
		*times = in_row > in_col ? in_row : in_col;
	return in_row >= 3 || in_col >= 3;
}

/* The best hop on the way, if it is much better than the direct way. */
static size_t
hop(const struct gate *g, size_t a, size_t b, uint64_t *via_us)
{
	uint32_t d = pair_us(g, a, b);
	uint64_t best = UINT64_MAX;
	size_t at_best = SIZE_MAX;

	for (size_t x = 0; d != GATE_UNKNOWN && x < g->n; x++) {
		uint32_t p = pair_us(g, a, x), r = pair_us(g, b, x);

		if (x == a || x == b || p == GATE_UNKNOWN || r == GATE_UNKNOWN)
			continue;
		if ((uint64_t)p + r < best) {
			best = (uint64_t)p + r;
			at_best = x;
		}
	}
	if (at_best == SIZE_MAX || best * 5 > (uint64_t)d * 4 ||
	    best + FLOOR_US >= d)
		return SIZE_MAX;
	*via_us = best;
	return at_best;
}

/* The larger direction: the smaller one may be a fault of its own. */
static unsigned
too_fast(const struct gate *g, size_t a, size_t b, double *km)
{
	uint32_t us = pair_us(g, a, b);

	if (!g->lat || !g->lon || a == b || us == GATE_UNKNOWN ||
	    isnan(g->lat[a]) || isnan(g->lat[b]) || isnan(g->lon[a]) ||
	    isnan(g->lon[b]))
		return 0;
	*km = geo_distance_km(g->lat[a], g->lon[a], g->lat[b], g->lon[b]);
	if (*km <= GATE_NEAR_KM)
		return 0;
	if (us / 1000.0 < 2 * *km / LIGHT_KM_PER_MS)
		return GATE_FASTER_THAN_LIGHT;
	return us / 1000.0 < 2 * *km / FIBRE_KM_PER_MS ? GATE_FASTER_THAN_FIBRE
						       : 0;
}

const char *
gate_name(unsigned bit)
{
	static const char *const names[GATE_COUNT] = { "asymmetric",
		"asymmetricMinor", "repeatedValue", "detour", "oneDirection",
		"singleValue", "fewSamples", "stale", "assumed", "missing",
		"fasterThanFibre", "fasterThanLight" };

	return bit < GATE_COUNT ? names[bit] : NULL;
}

/* Reasons ------------------------------------------------------------------ */

static void
add_name(const struct gate *g, size_t i, struct str *out)
{
	if (g->names && g->names[i])
		str_add(out, g->names[i]);
	else
		str_addf(out, "site %zu", i + 1);
}

static double
ms(uint32_t us)
{
	return us / 1000.0;
}

static void
say_asymmetric(const struct gate *g, size_t a, size_t b, struct str *out)
{
	uint32_t x = at(g, g->us, a, b), y = at(g, g->us, b, a);
	uint32_t diff = x > y ? x - y : y - x, max = x > y ? x : y;

	str_addf(out,
	    "%.1f -> %.1f ms: the directions differ by %.1f ms (%.0f %%)",
	    ms(x), ms(y), ms(diff), 100.0 * diff / (max ? max : 1));
}

static void
say_repeated(const struct gate *g, size_t a, size_t b, struct str *out)
{
	size_t times = 0;
	uint32_t v = at(g, g->us, a, b);

	if (!repeated(g, a, b, &times)) {
		v = at(g, g->us, b, a);
		repeated(g, b, a, &times);
	}
	str_addf(out, "%.3f ms %zu times in one row or column: was it copied?",
	    ms(v), times);
}

static void
say_detour(const struct gate *g, size_t a, size_t b, struct str *out)
{
	uint64_t via = 0;
	size_t x = hop(g, a, b, &via);

	str_addf(out, "%.1f ms, but %.1f ms by way of ", ms(pair_us(g, a, b)),
	    (double)via / 1000);
	if (x != SIZE_MAX)
		add_name(g, x, out);
}

static void
say_one_direction(const struct gate *g, size_t a, size_t b, struct str *out)
{
	bool there = at(g, g->us, a, b) != GATE_UNKNOWN;

	str_add(out, "only ");
	add_name(g, there ? a : b, out);
	str_add(out, " -> ");
	add_name(g, there ? b : a, out);
	str_addf(out, " is known: %.1f ms", ms(pair_us(g, a, b)));
}

/* The smaller count of the directions that have a value. */
static uint32_t
fewer(const struct gate *g, const uint32_t *v, size_t a, size_t b)
{
	uint32_t x = at(g, v, a, b), y = at(g, v, b, a);

	if (at(g, g->us, a, b) == GATE_UNKNOWN)
		x = GATE_UNKNOWN;
	if (at(g, g->us, b, a) == GATE_UNKNOWN)
		y = GATE_UNKNOWN;
	return x < y ? x : y;
}

static void
say_few_samples(const struct gate *g, size_t a, size_t b, struct str *out)
{
	uint32_t n = fewer(g, g->samples, a, b), r = fewer(g, g->rounds, a, b),
		 floor = g->min_samples ? g->min_samples : GATE_SAMPLES;

	str_addf(out, "%u samples", n == GATE_UNKNOWN ? 0 : n);
	if (r != GATE_UNKNOWN)
		str_addf(out, " of %u round%s", r, r == 1 ? "" : "s");
	str_addf(out, "; at least %u of %d are wanted", floor, GATE_ROUNDS);
}

static void
say_stale(const struct gate *g, size_t a, size_t b, struct str *out)
{
	uint32_t x = at(g, g->age_s, a, b), y = at(g, g->age_s, b, a);
	uint32_t age =
	    x == GATE_UNKNOWN || (y != GATE_UNKNOWN && y > x) ? y : x;

	str_addf(out, "measured %.0f hours ago", age / 3600.0);
}

static void
say_too_fast(const struct gate *g, size_t a, size_t b, struct str *out)
{
	double km = 0;
	bool light = too_fast(g, a, b, &km) == GATE_FASTER_THAN_LIGHT;

	str_addf(out,
	    "%.1f ms over %.0f km: light in %s takes %.1f ms; is a place "
	    "wrong?",
	    ms(pair_us(g, a, b)), km, light ? "vacuum" : "glass fibre",
	    2 * km / (light ? LIGHT_KM_PER_MS : FIBRE_KM_PER_MS));
}

static void
say_single(const struct gate *g, size_t a, size_t b, struct str *out)
{
	(void)g, (void)a, (void)b;
	str_add(out, "one value; nobody says of how many samples");
}

static void
say_assumed(const struct gate *g, size_t a, size_t b, struct str *out)
{
	(void)a, (void)b;
	str_addf(out, "not measured, taken as %.1f ms", ms(g->intra_us));
}

static void
say_missing(const struct gate *g, size_t a, size_t b, struct str *out)
{
	(void)g, (void)a, (void)b;
	str_add(out, "neither direction is known");
}

void
gate_reason(const struct gate *g, size_t a, size_t b, unsigned bit,
    struct str *out)
{
	static void (*const say[GATE_COUNT])(const struct gate *g, size_t a,
	    size_t b, struct str *out) = { say_asymmetric, say_asymmetric,
		say_repeated, say_detour, say_one_direction, say_single,
		say_few_samples, say_stale, say_assumed, say_missing,
		say_too_fast, say_too_fast };

	if (bit < GATE_COUNT)
		say[bit](g, a, b, out);
}
