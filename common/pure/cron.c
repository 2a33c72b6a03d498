/*
 * cron.c - cron expressions: parsing, and the next time they match.
 *
 * The search goes day by day and is bounded: no two matching days of a valid
 * expression lie more than eight years apart (29 February around 2100).
 */
#include "common/pure/cron.h"

#include "common/pure/num.h"
#include "common/pure/str.h"

#include <string.h>

#define DAY_S 86400
#define DAYS_MAX (9 * 366)
#define FIELDS 5

static const char *const month_names[] = { "", "jan", "feb", "mar", "apr",
	"may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const day_names[] = { "sun", "mon", "tue", "wed", "thu",
	"fri", "sat", NULL };

static const struct field {
	const char *name;
	int min, max;
	const char *const *names;
} fields[FIELDS] = {
	{ "minute", 0, 59, NULL }, { "hour", 0, 23, NULL },
	{ "day", 1, 31, NULL }, { "month", 1, 12, month_names },
	{ "weekday", 0, 7, day_names }, /* 7 is Sunday, too */
};

static const char *const macros[][2] = {
	{ "@hourly", "0 * * * *" },
	{ "@daily", "0 0 * * *" },
	{ "@midnight", "0 0 * * *" },
	{ "@weekly", "0 0 * * 0" },
	{ "@monthly", "0 0 1 * *" },
	{ "@yearly", "0 0 1 1 *" },
	{ "@annually", "0 0 1 1 *" },
};

static bool read_fields(const char *text, uint64_t bits[FIELDS],
    struct mw_err *err);
static bool read_field(const struct field *f, const char *s, size_t n,
    uint64_t *bits, struct mw_err *err);
static bool read_item(const struct field *f, const char *s, size_t n,
    uint64_t *bits, struct mw_err *err);
static bool read_value(const struct field *f, const char *s, size_t n, int *v);
static bool wrong(const struct field *f, const char *s, size_t n,
    struct mw_err *err);
static bool can_come(const struct cron *c);
static bool day_matches(const struct cron *c, int64_t day);
static void civil(int64_t day, int *month, int *mday);
static bool word_eq(const char *s, size_t n, const char *word);

bool
cron_parse(const char *text, struct cron *out, struct mw_err *err)
{
	uint64_t bits[FIELDS];
	uint64_t week;

	if (strlen(text) > CRON_TEXT_MAX)
		return err_set(err, MW_INVALID, 0,
		    "a cron expression has at most %d bytes", CRON_TEXT_MAX);
	if (*text == '@') {
		for (size_t i = 0; i < ARRAY_LEN(macros); i++)
			if (word_eq(text, strlen(text), macros[i][0]))
				return cron_parse(macros[i][1], out, err);
		err_set(err, MW_INVALID, 0, "there is no such @word");
		return err_hint(err, "@hourly @daily @weekly @monthly @yearly");
	}
	if (!read_fields(text, bits, err))
		return false;
	week = (bits[4] & 0x7f) | (bits[4] >> 7 & 1);
	*out = (struct cron){ .minutes = bits[0],
		.hours = (uint32_t)bits[1],
		.days = (uint32_t)bits[2],
		.months = (uint16_t)bits[3],
		.weekdays = (uint8_t)week,
		.any_day = bits[2] == 0xfffffffe,
		.any_weekday = week == 0x7f };
	if (can_come(out))
		return true;
	err_set(err, MW_INVALID, 0, "no month has such a day: %s", text);
	return err_hint(err, "days 1..31, fewer in feb apr jun sep nov");
}

int64_t
cron_next(const struct cron *c, int64_t after_s, int32_t offset_s)
{
	int64_t local = after_s + offset_s;
	int64_t t = local - ((local % 60) + 60) % 60 + 60; /* next minute */
	int64_t day = t / DAY_S - (t % DAY_S < 0);
	int from = (int)(t - day * DAY_S) / 60;

	for (int i = 0; i < DAYS_MAX; i++, day++, from = 0) {
		if (!day_matches(c, day))
			continue;
		for (int h = from / 60; h < 24; h++) {
			int first = h == from / 60 ? from % 60 : 0;

			if (!(c->hours >> h & 1) || !(c->minutes >> first))
				continue;
			while (!(c->minutes >> first & 1))
				first++;
			return day * DAY_S + h * 3600 + first * 60 - offset_s;
		}
	}
	return INT64_MAX; /* not of cron_parse() */
}

bool
cron_offset_parse(const char *text, int32_t *offset_s, struct mw_err *err)
{
	int64_t h, m;

	*offset_s = 0;
	if (word_eq(text, strlen(text), "utc") || str_eq(text, "Z") ||
	    str_eq(text, "z"))
		return true;
	if ((*text == '+' || *text == '-') && strlen(text) == 6 &&
	    text[3] == ':' && num_parse_i64(text + 1, 2, 0, 14, &h) &&
	    num_parse_i64(text + 4, 2, 0, 59, &m) &&
	    h * 3600 + m * 60 <= CRON_OFFSET_MAX) {
		*offset_s = (int32_t)(h * 3600 + m * 60);
		if (*text == '-')
			*offset_s = -*offset_s;
		return true;
	}
	err_set(err, MW_INVALID, 0, "a time zone is an offset, -14:00..+14:00");
	return err_hint(err,
	    "names like Asia/Seoul are not known here: write \"+09:00\"");
}

bool
cron_weekday_parse(const char *text, int *weekday)
{
	for (int i = 0; day_names[i]; i++)
		if (word_eq(text, strlen(text), day_names[i])) {
			*weekday = i;
			return true;
		}
	return false;
}

static bool
read_fields(const char *text, uint64_t bits[FIELDS], struct mw_err *err)
{
	const char *p = text + strspn(text, " \t");
	size_t n;

	for (int i = 0; i < FIELDS; i++) {
		n = strcspn(p, " \t");
		if (n && !read_field(&fields[i], p, n, &bits[i], err))
			return false;
		p += n;
		p += strspn(p, " \t");
		if (n && (*p != 0) == (i < FIELDS - 1))
			continue;
		err_set(err, MW_INVALID, 0,
		    "a cron expression has five fields: "
		    "minute hour day month weekday");
		return err_hint(err, "every day at three: 0 3 * * *");
	}
	return true;
}

static bool
read_field(const struct field *f, const char *s, size_t n, uint64_t *bits,
    struct mw_err *err)
{
	*bits = 0;
	for (;;) {
		const char *comma = memchr(s, ',', n);
		size_t len = comma ? (size_t)(comma - s) : n;

		if (!read_item(f, s, len, bits, err))
			return false;
		if (!comma)
			return true;
		s += len + 1;
		n -= len + 1;
	}
}

/* "*", "5", "mon", "1-5", and the first and the last kind with "/step". */
static bool
read_item(const struct field *f, const char *s, size_t n, uint64_t *bits,
    struct mw_err *err)
{
	const char *slash = memchr(s, '/', n), *dash;
	size_t body = slash ? (size_t)(slash - s) : n;
	int lo = f->min, hi = f->max;
	int64_t step = 1;

	if (slash && !num_parse_i64(slash + 1, n - body - 1, 1, f->max, &step))
		return wrong(f, s, n, err);
	dash = memchr(s, '-', body);
	if (body == 1 && *s == '*') {
		hi = f->max == 7 ? 6 : f->max;
	} else if (dash) {
		size_t left = (size_t)(dash - s);

		if (!read_value(f, s, left, &lo) ||
		    !read_value(f, dash + 1, body - left - 1, &hi))
			return wrong(f, s, n, err);
		if (f->max == 7 && hi == 0 && lo > 0)
			hi = 7; /* fri-sun */
	} else if (slash || !read_value(f, s, body, &lo)) {
		return wrong(f, s, n, err);
	} else {
		hi = lo;
	}
	if (lo > hi)
		return wrong(f, s, n, err);
	for (int v = lo; v <= hi; v += (int)step)
		*bits |= UINT64_C(1) << v;
	return true;
}

static bool
read_value(const struct field *f, const char *s, size_t n, int *v)
{
	int64_t x;

	for (int i = 0; f->names && f->names[i]; i++)
		if (n && word_eq(s, n, f->names[i])) {
			*v = i;
			return true;
		}
	if (n > 2 || !num_parse_i64(s, n, f->min, f->max, &x))
		return false;
	*v = (int)x;
	return true;
}

static bool
wrong(const struct field *f, const char *s, size_t n, struct mw_err *err)
{
	struct str text = STR_INIT;

	str_add_escaped(&text, s, n, 40);
	err_set(err, MW_INVALID, 0, "cron: \"%s\" is not a %s", str_cstr(&text),
	    f->name);
	str_free(&text);
	return err_hint(err, "%s: %d..%d%s, as *, 5, 1-5, 1,5 or */5", f->name,
	    f->min, f->max,
	    f->names == month_names     ? " or jan..dec"
		: f->names == day_names ? " or sun..sat"
					: "");
}

/* Only dates that no month of the list has are impossible. */
static bool
can_come(const struct cron *c)
{
	static const int len[] = { 0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };

	if (!c->any_weekday || c->any_day)
		return true;
	for (int m = 1; m <= 12; m++)
		for (int d = 1; d <= len[m]; d++)
			if ((c->months >> m & 1) && (c->days >> d & 1))
				return true;
	return false;
}

/* day: since 1970-01-01, a Thursday. */
static bool
day_matches(const struct cron *c, int64_t day)
{
	int month, mday;
	int wday = (int)(((day + 4) % 7 + 7) % 7);
	bool by_date, by_week;

	civil(day, &month, &mday);
	if (!(c->months >> month & 1))
		return false;
	by_date = c->days >> mday & 1;
	by_week = c->weekdays >> wday & 1;
	return c->any_day || c->any_weekday ? by_date && by_week
					    : by_date || by_week;
}

/* Howard Hinnant, "chrono-compatible low-level date algorithms", 2013. */
static void
civil(int64_t day, int *month, int *mday)
{
	int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*mday = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
}

/* word is in small letters. */
static bool
word_eq(const char *s, size_t n, const char *word)
{
	if (strlen(word) != n || n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		char ch = s[i];

		if (ch >= 'A' && ch <= 'Z')
			ch = (char)(ch - 'A' + 'a');
		if (ch != word[i])
			return false;
	}
	return true;
}
