/*
 * num.c - strict number parsers: all bytes or failure, nothing in between.
 */
#include "common/pure/num.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define F64_MAX_LEN 64

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
num_parse_i64(const char *s, size_t n, int64_t min, int64_t max, int64_t *out)
{
	bool negative = false;
	int64_t v = 0;
	size_t i = 0;

	if (n > 0 && s[0] == '-' && min < 0) {
		negative = true;
		i = 1;
	}
	if (i == n)
		return false;
	for (; i < n; i++) {
		int d = s[i] - '0';

		/* Built downwards: INT64_MIN has no positive twin. */
		if (!is_digit(s[i]) || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, d, &v))
			return false;
	}
	if (!negative && __builtin_sub_overflow(0, v, &v))
		return false;
	if (v < min || v > max)
		return false;
	*out = v;
	return true;
}

static size_t
skip_digits(const char *s, size_t n, size_t i)
{
	while (i < n && is_digit(s[i]))
		i++;
	return i;
}

/* -?digits(.digits)?([eE][+-]?digits)? */
static bool
is_decimal(const char *s, size_t n, bool sign_ok)
{
	size_t i = 0, from;

	if (sign_ok && n > 0 && s[0] == '-')
		i = 1;
	from = i;
	if ((i = skip_digits(s, n, i)) == from)
		return false;
	if (i < n && s[i] == '.') {
		from = ++i;
		if ((i = skip_digits(s, n, i)) == from)
			return false;
	}
	if (i < n && (s[i] == 'e' || s[i] == 'E')) {
		i++;
		if (i < n && (s[i] == '+' || s[i] == '-'))
			i++;
		from = i;
		if ((i = skip_digits(s, n, i)) == from)
			return false;
	}
	return i == n;
}

bool
num_parse_f64(const char *s, size_t n, double min, double max, double *out)
{
	char text[F64_MAX_LEN + 1];
	double v;

	if (n == 0 || n > F64_MAX_LEN || !is_decimal(s, n, min < 0))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	v = strtod(text, NULL);
	if (!isfinite(v) || v < min || v > max)
		return false;
	*out = v;
	return true;
}

bool
num_ms_to_us(double ms, bool up, int64_t *us)
{
	int64_t ns;

	/* Up to here nanoseconds are exact in a double. */
	if (!(ms >= 0 && ms <= 9e9))
		return false;
	ns = llround(ms * 1e6);
	*us = ns / NS_PER_US + (up && ns % NS_PER_US != 0 ? 1 : 0);
	return true;
}
