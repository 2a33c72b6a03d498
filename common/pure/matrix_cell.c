/*
 * matrix_cell.c - cells of the matrix as bytes.
 */
#include "common/pure/matrix_cell.h"

#include <assert.h>
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

/* A row of bit fields in bytes. */
struct bits {
	uint8_t *p;
	const uint8_t *q;
	unsigned at;
};

static void
put(struct bits *b, unsigned n, uint32_t v)
{
	for (unsigned i = 0; i < n; i++, b->at++)
		b->p[b->at / 8] |= (uint8_t)((v >> i & 1) << b->at % 8);
}

static uint32_t
get(struct bits *b, unsigned n)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < n; i++, b->at++)
		v |= (uint32_t)(b->q[b->at / 8] >> b->at % 8 & 1) << i;
	return v;
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
	struct bits b = { .p = out };

	memset(out, 0, MATRIX_CELL_BYTES);
	put(&b, 24, known ? min : HOLE);
	put(&b, 12, known ? offset_code(c->avg_us, min, AVG_BITS) : c->why);
	put(&b, 14, known ? offset_code(c->p50_us, min, OFFSET_BITS) : 0);
	put(&b, 14, known ? offset_code(c->p95_us, min, OFFSET_BITS) : 0);
	put(&b, 8, known ? float_up(jitter, JITTER_BITS) : 0);
	put(&b, 7, at_most(c->n, MATRIX_CELL_MAX_N));
	put(&b, 7, at_most(c->lost, MATRIX_CELL_MAX_N));
	put(&b, 3, c->method);
	put(&b, 7, c->flags);
}

bool
matrix_cell_unpack(const uint8_t in[MATRIX_CELL_BYTES], int64_t at_wall_ns,
    struct matrix_cell *c)
{
	struct bits b = { .q = in };
	uint32_t min = get(&b, 24), avg = get(&b, 12), p50 = get(&b, 14),
		 p95 = get(&b, 14), jitter = get(&b, 8);
	uint64_t j;

	memset(c, 0, sizeof *c);
	c->n = (uint16_t)get(&b, 7);
	c->lost = (uint16_t)get(&b, 7);
	c->method = (uint8_t)get(&b, 3);
	c->flags = (uint8_t)get(&b, 7);
	c->at_wall_ns = at_wall_ns;
	if (c->method >= MATRIX_METHOD_COUNT)
		return false;
	if (min == HOLE) {
		c->why = (uint8_t)avg;
		return avg != MATRIX_KNOWN && avg < MATRIX_WHY_COUNT;
	}
	c->min_us = min;
	c->avg_us = offset_us(avg, min, AVG_BITS);
	c->p50_us = offset_us(p50, min, OFFSET_BITS);
	c->p95_us = offset_us(p95, min, OFFSET_BITS);
	c->jitter_us = float_value(jitter, JITTER_BITS, &j)
	    ? (uint32_t)(j * JITTER_UNIT)
	    : MATRIX_NO_US;
	return true;
}

void
matrix_day_pack(uint8_t out[MATRIX_DAY_BYTES], const struct matrix_day *d)
{
	uint32_t min = at_most(d->min_us, MIN_MAX);
	struct bits b = { .p = out };

	memset(out, 0, MATRIX_DAY_BYTES);
	put(&b, 24, d->rounds ? min : HOLE);
	put(&b, 8, d->flags);
	put(&b, 16, d->rounds ? offset_code(d->p50_us, min, DAY_BITS) : 0);
	put(&b, 16, d->rounds ? offset_code(d->p95_us, min, DAY_BITS) : 0);
	put(&b, 16, d->rounds ? offset_code(d->max_us, min, DAY_BITS) : 0);
	put(&b, 16, d->n);
	put(&b, 16, d->lost);
	put(&b, 16, d->rounds);
}

bool
matrix_day_unpack(const uint8_t in[MATRIX_DAY_BYTES], struct matrix_day *d)
{
	struct bits b = { .q = in };
	uint32_t min = get(&b, 24), p50, p95, max;

	memset(d, 0, sizeof *d);
	d->flags = (uint8_t)get(&b, 8);
	p50 = get(&b, 16);
	p95 = get(&b, 16);
	max = get(&b, 16);
	d->n = (uint16_t)get(&b, 16);
	d->lost = (uint16_t)get(&b, 16);
	d->rounds = (uint16_t)get(&b, 16);
	if ((min == HOLE) == (d->rounds > 0))
		return false;
	if (min == HOLE)
		return true;
	d->min_us = min;
	d->p50_us = offset_us(p50, min, DAY_BITS);
	d->p95_us = offset_us(p95, min, DAY_BITS);
	d->max_us = offset_us(max, min, DAY_BITS);
	return true;
}
