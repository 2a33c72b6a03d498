/*
 * matrix_cell.c - cells of the matrix as bytes.
 */
#include "common/pure/matrix_cell.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

static_assert(MATRIX_METHOD_COUNT <= 8, "three bits");
static_assert(MATRIX_F_INHERITED < 1 << 7, "seven bits");

#define HOLE 0xffffffu
#define MIN_MAX (HOLE - 1)
#define EXP_BITS 4
#define AVG_BITS 8 /* of the mantissa */
#define OFFSET_BITS 10
#define JITTER_BITS 4
#define JITTER_UNIT 4
#define DAY_BITS 12

/* The smallest code whose value is at least v. */
static uint32_t
float_up(uint64_t v, unsigned mantissa)
{
	uint32_t last = (1u << (EXP_BITS + mantissa)) - 1;
	uint64_t top = (uint64_t)1 << mantissa;
	unsigned e = 0;

	if (v < top)
		return (uint32_t)v;
	/* 2^mantissa <= v' < 2^(mantissa + 1) after e steps */
	while (((v + ((uint64_t)1 << e) - 1) >> e) >= 2 * top)
		e++;
	v = (v + ((uint64_t)1 << e) - 1) >> e;
	if (e + 1 > (1u << EXP_BITS) - 1)
		return last;
	return (uint32_t)((e + 1) << mantissa) + (uint32_t)(v - top);
}

static bool
float_value(uint32_t code, unsigned mantissa, uint64_t *v)
{
	uint32_t last = (1u << (EXP_BITS + mantissa)) - 1;
	uint32_t top = 1u << mantissa, e = code >> mantissa;

	if (code == last)
		return false;
	*v = e == 0 ? code : (uint64_t)(top + (code & (top - 1))) << (e - 1);
	return true;
}

static uint32_t
offset_code(uint32_t us, uint32_t min, unsigned mantissa)
{
	if (us == MATRIX_NO_US)
		return (1u << (EXP_BITS + mantissa)) - 1;
	return float_up(us > min ? us - min : 0, mantissa);
}

static uint32_t
offset_us(uint32_t code, uint32_t min, unsigned mantissa)
{
	uint64_t v;

	return float_value(code, mantissa, &v) && v + min < MATRIX_NO_US
	    ? (uint32_t)(v + min)
	    : MATRIX_NO_US;
}

/* No field lies across the border of the two words. */
struct words {
	uint64_t lo, hi;
};

static struct words
load(const uint8_t *p, size_t n)
{
	struct words w = { 0, 0 };

	memcpy(&w.lo, p, 8);
	memcpy(&w.hi, p + 8, n - 8);
	w.lo = le64toh(w.lo);
	w.hi = le64toh(w.hi);
	return w;
}

static void
save(uint8_t *p, size_t n, struct words w)
{
	w.lo = htole64(w.lo);
	w.hi = htole64(w.hi);
	memcpy(p, &w.lo, 8);
	memcpy(p + 8, &w.hi, n - 8);
}

static uint32_t
field(uint64_t word, unsigned at, unsigned n)
{
	return (uint32_t)(word >> at & (((uint64_t)1 << n) - 1));
}

static uint32_t
at_most(uint32_t v, uint32_t max)
{
	return v < max ? v : max;
}

void
matrix_cell_pack(uint8_t out[MATRIX_CELL_BYTES], const struct matrix_cell *c)
{
	bool known = c->why == MATRIX_KNOWN;
	uint32_t min = at_most(c->min_us, MIN_MAX);
	uint32_t jitter = c->jitter_us == MATRIX_NO_US
	    ? UINT32_MAX
	    : c->jitter_us / JITTER_UNIT + (c->jitter_us % JITTER_UNIT != 0);
	struct words w = { HOLE | (uint64_t)c->why << 24, 0 };

	if (known) {
		w.lo = min |
		    (uint64_t)offset_code(c->avg_us, min, AVG_BITS) << 24 |
		    (uint64_t)offset_code(c->p50_us, min, OFFSET_BITS) << 36 |
		    (uint64_t)offset_code(c->p95_us, min, OFFSET_BITS) << 50;
		w.hi = float_up(jitter, JITTER_BITS);
	}
	w.hi |= (uint64_t)at_most(c->n, MATRIX_CELL_MAX_N) << 8 |
	    (uint64_t)at_most(c->lost, MATRIX_CELL_MAX_N) << 15 |
	    (uint64_t)(c->method & 7) << 22 | (uint64_t)(c->flags & 127) << 25;
	save(out, MATRIX_CELL_BYTES, w);
}

bool
matrix_cell_unpack(const uint8_t in[MATRIX_CELL_BYTES], int64_t at_wall_ns,
    struct matrix_cell *c)
{
	struct words w = load(in, MATRIX_CELL_BYTES);
	uint32_t min = field(w.lo, 0, 24), avg = field(w.lo, 24, 12);
	uint64_t j;

	memset(c, 0, sizeof *c);
	c->n = (uint16_t)field(w.hi, 8, 7);
	c->lost = (uint16_t)field(w.hi, 15, 7);
	c->method = (uint8_t)field(w.hi, 22, 3);
	c->flags = (uint8_t)field(w.hi, 25, 7);
	c->at_wall_ns = at_wall_ns;
	if (c->method >= MATRIX_METHOD_COUNT)
		return false;
	if (min == HOLE) {
		c->why = (uint8_t)avg;
		return avg != MATRIX_KNOWN && avg < MATRIX_WHY_COUNT;
	}
	c->min_us = min;
	c->avg_us = offset_us(avg, min, AVG_BITS);
	c->p50_us = offset_us(field(w.lo, 36, 14), min, OFFSET_BITS);
	c->p95_us = offset_us(field(w.lo, 50, 14), min, OFFSET_BITS);
	c->jitter_us = float_value(field(w.hi, 0, 8), JITTER_BITS, &j)
	    ? (uint32_t)(j * JITTER_UNIT)
	    : MATRIX_NO_US;
	return true;
}

void
matrix_day_pack(uint8_t out[MATRIX_DAY_BYTES], const struct matrix_day *d)
{
	uint32_t min = at_most(d->min_us, MIN_MAX);
	struct words w = { HOLE, 0 };

	if (d->rounds) {
		w.lo = min |
		    (uint64_t)offset_code(d->p50_us, min, DAY_BITS) << 32 |
		    (uint64_t)offset_code(d->p95_us, min, DAY_BITS) << 48;
		w.hi = offset_code(d->max_us, min, DAY_BITS);
	}
	w.lo |= (uint64_t)d->flags << 24;
	w.hi |= (uint64_t)d->n << 16 | (uint64_t)d->lost << 32 |
	    (uint64_t)d->rounds << 48;
	save(out, MATRIX_DAY_BYTES, w);
}

bool
matrix_day_unpack(const uint8_t in[MATRIX_DAY_BYTES], struct matrix_day *d)
{
	struct words w = load(in, MATRIX_DAY_BYTES);
	uint32_t min = field(w.lo, 0, 24);

	memset(d, 0, sizeof *d);
	d->flags = (uint8_t)field(w.lo, 24, 8);
	d->n = (uint16_t)field(w.hi, 16, 16);
	d->lost = (uint16_t)field(w.hi, 32, 16);
	d->rounds = (uint16_t)field(w.hi, 48, 16);
	if ((min == HOLE) == (d->rounds > 0))
		return false;
	if (min == HOLE)
		return true;
	d->min_us = min;
	d->p50_us = offset_us(field(w.lo, 32, 16), min, DAY_BITS);
	d->p95_us = offset_us(field(w.lo, 48, 16), min, DAY_BITS);
	d->max_us = offset_us(field(w.hi, 0, 16), min, DAY_BITS);
	return true;
}
