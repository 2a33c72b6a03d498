/*
 * when.c - RFC 3339 text and nanoseconds since 1970. Proleptic Gregorian
 * calendar after H. Hinnant, "chrono-compatible low-level date algorithms".
 */
#include "common/pure/when.h"

#include <inttypes.h>
#include <stdio.h>

#define SECONDS_PER_DAY 86400

static int64_t
days_from_civil(int64_t y, unsigned m, unsigned d)
{
	int64_t era;
	unsigned yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = (unsigned)(y - era * 400);
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + (int64_t)doe - 719468;
}

static void
civil_from_days(int64_t z, int64_t *y, unsigned *m, unsigned *d)
{
	int64_t era;
	unsigned doe, yoe, doy, mp;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = (unsigned)(z - era * 146097);
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = doy - (153 * mp + 2) / 5 + 1;
	*m = mp < 10 ? mp + 3 : mp - 9;
	*y = (int64_t)yoe + era * 400 + (*m <= 2);
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void
when_format(int64_t wall_ns, char out[WHEN_LEN])
{
	int64_t ms = floor_div(wall_ns, NS_PER_MS);
	int64_t s = floor_div(ms, 1000);
	int64_t day = floor_div(s, SECONDS_PER_DAY);
	unsigned in_day = (unsigned)(s - day * SECONDS_PER_DAY);
	unsigned m, d;
	int64_t y;

	civil_from_days(day, &y, &m, &d);
	/* The remainders change nothing: they prove the length. */
	snprintf(out, WHEN_LEN, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)y % 10000, m % 100, d % 100, in_day / 3600 % 24,
	    in_day / 60 % 60, in_day % 60, (unsigned)(ms - s * 1000) % 1000);
}

/* n digits at *s, moving it; false if there are fewer or v is out of range. */
static bool
take_digits(const char **s, int n, unsigned min, unsigned max, unsigned *v)
{
	*v = 0;
	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*v = *v * 10 + (unsigned)(**s - '0');
	}
	return *v >= min && *v <= max;
}

static bool
take_char(const char **s, const char *any)
{
	for (; *any != '\0'; any++)
		if (**s == *any) {
			(*s)++;
			return true;
		}
	return false;
}

static unsigned
days_in_month(unsigned y, unsigned m)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31,
		30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return m == 2 && leap ? 29 : days[m - 1];
}

/* ".123456789": one to nine digits. */
static bool
take_fraction(const char **s, int64_t *ns)
{
	int64_t unit = NS_PER_S;
	int digits = 0;

	*ns = 0;
	if (!take_char(s, "."))
		return true;
	for (; **s >= '0' && **s <= '9'; (*s)++, digits++) {
		unit /= 10;
		*ns += unit * (**s - '0');
	}
	return digits >= 1 && digits <= 9;
}

static bool
take_offset(const char **s, int64_t *offset_s)
{
	bool minus = **s == '-';
	unsigned h, m;

	*offset_s = 0;
	if (take_char(s, "Zz"))
		return true;
	if (!take_char(s, "+-") || !take_digits(s, 2, 0, 23, &h) ||
	    !take_char(s, ":") || !take_digits(s, 2, 0, 59, &m))
		return false;
	*offset_s = (int64_t)(h * 3600 + m * 60) * (minus ? -1 : 1);
	return true;
}

bool
when_parse(const char *s, int64_t *wall_ns)
{
	unsigned y, mo, d, h, mi, sec;
	int64_t ns, offset_s, total_s;

	/* int64 nanoseconds end in 2262. */
	if (!take_digits(&s, 4, 1970, 2261, &y) || !take_char(&s, "-") ||
	    !take_digits(&s, 2, 1, 12, &mo) || !take_char(&s, "-") ||
	    !take_digits(&s, 2, 1, days_in_month(y, mo), &d) ||
	    !take_char(&s, "Tt") || !take_digits(&s, 2, 0, 23, &h) ||
	    !take_char(&s, ":") || !take_digits(&s, 2, 0, 59, &mi) ||
	    !take_char(&s, ":") || !take_digits(&s, 2, 0, 59, &sec) ||
	    !take_fraction(&s, &ns) || !take_offset(&s, &offset_s) ||
	    *s != '\0')
		return false;
	total_s = days_from_civil(y, mo, d) * SECONDS_PER_DAY +
	    (int64_t)(h * 3600 + mi * 60 + sec) - offset_s;
	*wall_ns = total_s * NS_PER_S + ns;
	return true;
}

void
when_age(int64_t ns, char out[WHEN_LEN])
{
	int64_t s = ns / NS_PER_S;

	if (s < 0)
		s = 0;
	if (s < 60)
		snprintf(out, WHEN_LEN, "%" PRId64 " s", s);
	else if (s < 3600)
		snprintf(out, WHEN_LEN, "%" PRId64 " min", s / 60);
	else if (s < 2 * SECONDS_PER_DAY)
		snprintf(out, WHEN_LEN, "%" PRId64 " h", s / 3600);
	else
		snprintf(out, WHEN_LEN, "%" PRId64 " d", s / SECONDS_PER_DAY);
}
