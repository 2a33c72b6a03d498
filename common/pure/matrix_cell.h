/*
 * matrix_cell.h - a cell of the matrix in 12 bytes, and one of a folded day in
 * 16: the form on disk. docs/decisions/matrix-cells.md has the reasons.
 *
 * 96 bits, least significant first (little-endian bytes):
 *	24 min us, exact; 0xffffff: no value
 *	12 avg - min: a small float of us, 4 bits of exponent, 8 of mantissa
 *	14 p50 - min, 14 p95 - min: the same with 10 bits of mantissa
 *	 8 jitter: a small float of 4 us, 4 and 4 bits
 *	 7 n, 7 lost, 3 method, 7 flags
 * without a value avg holds the reason. A small float with e exponent and m
 * mantissa bits is exact below 2^(m+1) units, then has a relative error below
 * 2^-m, is rounded up always, and its largest code means "too large", read as
 * MATRIX_NO_US. So a value is never read as less than it was: what is below a
 * limit on disk was below it when measured.
 */
#ifndef MW_COMMON_PURE_MATRIX_CELL_H
#define MW_COMMON_PURE_MATRIX_CELL_H

#include "common/pure/matrix.h"

#define MATRIX_CELL_BYTES 12
#define MATRIX_DAY_BYTES 16
#define MATRIX_CELL_MAX_N 127 /* more are kept as so many */

void matrix_cell_pack(uint8_t out[MATRIX_CELL_BYTES],
    const struct matrix_cell *c);
/* False: these bytes were never written by matrix_cell_pack. */
bool matrix_cell_unpack(const uint8_t in[MATRIX_CELL_BYTES], int64_t at_wall_ns,
    struct matrix_cell *c) mw_must_check;

/*
 * A pair over one day: u24 min us, u8 flags of all rounds; u16 p50 - min,
 * p95 - min, max - min as small floats of 4 and 12 bits; u16 n, lost, rounds.
 * No value: min 0xffffff and all rounds gave none.
 */
struct matrix_day {
	uint32_t min_us, p50_us, p95_us, max_us; /* max: of the rounds' p95 */
	uint16_t n, lost, rounds; /* rounds that had a value; 0: no value */
	uint8_t flags;
};

void matrix_day_pack(uint8_t out[MATRIX_DAY_BYTES], const struct matrix_day *d);
bool matrix_day_unpack(const uint8_t in[MATRIX_DAY_BYTES],
    struct matrix_day *d) mw_must_check;

#endif
