/*
 * prop_cron.c - random cron expressions against a scan of every minute with
 * the C library's calendar. Prints its seed; MW_SEED repeats it.
 */
#include "common/clock.h"
#include "common/pure/cron.h"
#include "common/pure/num.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 400
#define SCAN_MINUTES (60 * 24 * 40)

#define CHECK(cond)                                                       \
	do {                                                              \
		if (!(cond)) {                                            \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                          \
		}                                                         \
	} while (0)

/* What a field was made of, kept as a plain table: the oracle. */
struct want {
	bool in[5][64];
	bool limited[5];
};

static const int lows[] = { 0, 0, 1, 1, 0 }, highs[] = { 59, 23, 31, 12, 6 };

static void
add_item(struct rng *r, struct str *s, int f, struct want *w)
{
	int span = highs[f] - lows[f] + 1;
	int lo = lows[f] + (int)rng_below(r, (uint64_t)span);
	int hi = lo + (int)rng_below(r, (uint64_t)(highs[f] - lo + 1));
	int step = 1 + (int)rng_below(r, 7);

	if (step > highs[f])
		step = 1;
	switch (rng_below(r, 4)) {
	case 0:
		str_addf(s, "%d", lo);
		hi = lo;
		step = 1;
		break;
	case 1:
		str_addf(s, "%d-%d", lo, hi);
		step = 1;
		break;
	case 2: str_addf(s, "%d-%d/%d", lo, hi, step); break;
	default:
		str_addf(s, "*/%d", step);
		lo = lows[f];
		hi = highs[f];
		break;
	}
	for (int v = lo; v <= hi; v += step)
		w->in[f][v] = true;
}

static void
make(struct rng *r, struct str *s, struct want *w)
{
	memset(w, 0, sizeof *w);
	str_reset(s);
	for (int f = 0; f < 5; f++) {
		if (f)
			str_addc(s, ' ');
		if (rng_below(r, 2)) {
			str_addc(s, '*');
			for (int v = lows[f]; v <= highs[f]; v++)
				w->in[f][v] = true;
		} else {
			add_item(r, s, f, w);
			if (rng_below(r, 3) == 0) {
				str_addc(s, ',');
				add_item(r, s, f, w);
			}
		}
		for (int v = lows[f]; v <= highs[f]; v++)
			w->limited[f] |= !w->in[f][v];
	}
}

static bool
oracle(const struct want *w, int64_t at_s, int32_t offset_s)
{
	time_t t = (time_t)(at_s + offset_s);
	struct tm tm;
	bool date, week;

	CHECK(gmtime_r(&t, &tm) != NULL);
	date = w->in[2][tm.tm_mday];
	week = w->in[4][tm.tm_wday];
	return tm.tm_sec == 0 && w->in[0][tm.tm_min] && w->in[1][tm.tm_hour] &&
	    w->in[3][tm.tm_mon + 1] &&
	    (w->limited[2] && w->limited[4] ? date || week : date && week);
}

static void
against_scan(struct rng *r)
{
	/* 1990..2109, over the year without its leap day */
	int64_t after = 631152000 + (int64_t)rng_below(r, 3786912000), t, next;
	int32_t offset = (int32_t)(rng_below(r, 113)) * 900 - CRON_OFFSET_MAX;
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	struct want w;
	struct cron c;

	make(r, &s, &w);
	if (!cron_parse(s.p, &c, &err)) {
		/* only for want of such a date, and then it never comes */
		CHECK(strstr(err.msg, "no month"));
		for (int d = 0; d < 3000; d++)
			for (int h = 0; h < 24; h++)
				for (int m = 0; m < 60; m += 59)
					CHECK(!oracle(&w,
						  d * 86400 + h * 3600 + m * 60,
						  0) ||
					    !w.in[0][m]);
		str_free(&s);
		return;
	}
	next = cron_next(&c, after, offset);
	CHECK(next > after && next % 60 == 0 && next != INT64_MAX);
	CHECK(oracle(&w, next, offset));
	t = after - after % 60 + 60;
	for (int i = 0; i < SCAN_MINUTES && t < next; i++, t += 60)
		if (oracle(&w, t, offset)) {
			printf("%s: %lld comes before %lld\n", s.p,
			    (long long)t, (long long)next);
			exit(1);
		}
	/* near its end, too, for what is far */
	t = next - 60 * 60 * 24 > after ? next - 60 * 60 * 24 : t;
	for (; t < next; t += 60)
		CHECK(!oracle(&w, t, offset));
	str_free(&s);
}

int
main(void)
{
	const char *text = getenv("MW_SEED");
	int64_t seed = (int64_t)(clock_random_u64() >> 33);
	struct rng r;

	if (text)
		CHECK(num_parse_i64(text, strlen(text), 0, INT64_MAX, &seed));
	printf("MW_SEED=%lld\n", (long long)seed);
	rng_seed(&r, (uint64_t)seed);
	for (int i = 0; i < ROUNDS; i++)
		against_scan(&r);
	printf("ok %d expressions\n", ROUNDS);
	return 0;
}
