/*
 * num.h - strict number parsers: they consume all bytes or fail. No sign where
 * min >= 0, no spaces, no hex, no overflow, no NaN or infinity.
 */
#ifndef MW_COMMON_PURE_NUM_H
#define MW_COMMON_PURE_NUM_H

#include "common/pure/mw.h"

bool num_parse_i64(const char *s, size_t n, int64_t min, int64_t max,
    int64_t *out) mw_must_check;
/* Decimal with optional fraction and exponent. */
bool num_parse_f64(const char *s, size_t n, double min, double max,
    double *out) mw_must_check;
/*
 * Milliseconds as text to integer microseconds without a double in between
 * being trusted: "57.671" gives 57671. up = true rounds a rest up (measured
 * values), false cuts it (limits).
 */
bool num_ms_to_us(double ms, bool up, int64_t *us) mw_must_check;

#endif
