/*
 * prop_sched.c - random schedules over a month of random downtime, busy VMs
 * and clocks that jump, in milliseconds: never two runs for one due time, none
 * in a blackout, none forgotten, jitter within its bounds, and the number of
 * missed due times is the number that a plain count gives.
 */
#include "common/clock.h"
#include "common/pure/num.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"
#include "coordinator/measure/sched_rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 60
#define MIN_NS (60 * NS_PER_S)
#define DAY_NS (24 * 60 * MIN_NS)
#define START (INT64_C(1767225600) * NS_PER_S) /* 2026-01-01, a Thursday */

#define CHECK(cond)                                                       \
	do {                                                              \
		if (!(cond)) {                                            \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                          \
		}                                                         \
	} while (0)

struct sim {
	struct rng rng;
	struct sched_rule r;
	struct sched_state s;
	int64_t now, day_end;
	int64_t down_until, busy_until, run_until;
	int64_t handled; /* due times up to here have been dealt with */
	int64_t hurt; /* last moment at which something kept it from running */
	bool stepped; /* the clock went back: it waits till it is there again */
	size_t runs, coalesced, skips;
};

static bool
read_rule(struct sched_rule *r, const char *text)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j = json_loads(text, 0, NULL);
	bool ok;

	CHECK(j != NULL);
	ok = sched_rule_parse("x", j, START, r, &err);
	json_decref(j);
	if (!ok)
		CHECK(strstr(err.msg, "never run"));
	return ok;
}

/* What was put reads back as the same. */
static void
round_trip(const struct sched_rule *r)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *a = sched_rule_json(r), *b;
	struct sched_rule again;

	CHECK(sched_rule_parse("x", a, START, &again, &err));
	b = sched_rule_json(&again);
	CHECK(json_equal(a, b) && sched_rule_same_times(r, &again));
	json_decref(a);
	json_decref(b);
}

static bool
random_rule(struct sim *x)
{
	static const char *const crons[] = { "*/10 * * * *", "0 3 * * *",
		"30 8-18 * * mon-fri", "0 0 1,15 * *", "@hourly", "@weekly",
		"59 23 * * *" };
	static const int every[] = { 60, 300, 3600, 5400, 86400 };
	struct rng *g = &x->rng;
	struct str s = STR_INIT;
	bool ok;

	str_addf(&s, "{\"kinds\":[\"cpus\"],\"jitterPct\":%d",
	    (int)rng_below(g, 51));
	if (rng_below(g, 2))
		str_addf(&s, ",\"everyS\":%d",
		    every[rng_below(g, ARRAY_LEN(every))]);
	else
		str_addf(&s, ",\"cron\":\"%s\"",
		    crons[rng_below(g, ARRAY_LEN(crons))]);
	if (rng_below(g, 2))
		str_addf(&s, ",\"tz\":\"%c%02d:%02d\"",
		    rng_below(g, 2) ? '+' : '-', (int)rng_below(g, 14),
		    (int)rng_below(g, 60));
	str_add(&s, ",\"blackout\":[");
	for (int i = 0, n = (int)rng_below(g, 3); i < n; i++)
		str_addf(&s,
		    "%s{\"from\":\"%02d:%02d\",\"to\":\"%02d:%02d\"%s}",
		    i ? "," : "", (int)rng_below(g, 12), (int)rng_below(g, 60),
		    12 + (int)rng_below(g, 12), (int)rng_below(g, 60),
		    rng_below(g, 2) ? ",\"days\":[\"sat\",\"sun\"]" : "");
	if (rng_below(g, 4) == 0)
		str_add(&s,
		    s.p[s.len - 1] == '['
			? "{\"from\":\"22:00\",\"to\":\"06:00\"}"
			: ",{\"from\":\"22:00\",\"to\":\"06:00\"}");
	str_add(&s, "]}");
	ok = read_rule(&x->r, s.p);
	str_free(&s);
	return ok;
}

/* Due times in (from, to] that no blackout covers, counted one by one. */
static int64_t
count_light(const struct sim *x, int64_t from, int64_t to)
{
	int64_t n = 0;

	for (int64_t t = sched_rule_due(&x->r, x->s.anchor, from); t <= to;
	     t = sched_rule_due(&x->r, x->s.anchor, t))
		n += !sched_rule_dark(&x->r, t);
	return n;
}

static void
start(struct sim *x)
{
	int64_t light = count_light(x, x->handled, x->now);
	int64_t first = sched_rule_due(&x->r, x->s.anchor, x->handled);

	CHECK(!x->s.running && !sched_rule_dark(&x->r, x->now));
	CHECK(first <= x->now); /* something was due since the last one */
	sched_started(&x->r, &x->s, x->now, false);
	CHECK(x->s.last_missed == (light > 0 ? light - 1 : 0));
	CHECK(x->s.due > x->now);
	x->coalesced += x->s.last_missed > 0;
	x->handled = x->now;
	x->stepped = false;
	x->runs++;
	x->run_until = x->now +
	    (int64_t)rng_below(&x->rng, rng_below(&x->rng, 6) ? 120 : 7200) *
		NS_PER_S;
}

static void
tick(struct sim *x)
{
	int64_t first = sched_rule_due(&x->r, x->s.anchor, x->handled);
	bool hinder = x->now < x->down_until || x->now < x->busy_until ||
	    x->s.running || sched_rule_dark(&x->r, x->now) || x->s.tries;

	if (hinder)
		x->hurt = x->now;
	if (x->now < x->down_until)
		return;
	if (x->s.running && x->now >= x->run_until)
		sched_ended(&x->r, &x->s, x->now);
	if (sched_due(&x->r, &x->s, x->now)) {
		if (x->now >= x->busy_until) {
			start(x);
		} else if (!sched_busy(&x->r, &x->s, x->now)) {
			x->handled = x->now;
			x->skips++;
		}
	} else if (!hinder && !x->stepped && x->hurt < first) {
		/* nothing in the way since it is due: only its jitter */
		CHECK(x->now <= first +
			sched_rule_jitter(&x->r, x->s.anchor, x->s.seed,
			    first));
		CHECK(x->now - first <= SCHED_JITTER_MAX_S * NS_PER_S);
	}
	CHECK(x->s.at >= x->s.due || x->s.at >= x->now || x->s.running);
}

static void
trouble(struct sim *x)
{
	struct rng *g = &x->rng;

	if (rng_below(g, 4000) == 0)
		x->down_until =
		    x->now + (int64_t)rng_below(g, 36 * 60) * MIN_NS;
	if (rng_below(g, 4000) == 0)
		x->busy_until = x->now + (int64_t)rng_below(g, 180) * MIN_NS;
	if (rng_below(g, 20000) == 0) { /* forward, as of a suspended host */
		x->now += (int64_t)rng_below(g, 600) * MIN_NS;
		x->hurt = x->now;
	}
	if (rng_below(g, 20000) == 0 && x->now > x->handled) {
		/* back, but not by a day: waits, runs nothing twice */
		x->now -= (int64_t)rng_below(g, 300) * MIN_NS;
		x->stepped = true;
	}
}

static void
month(struct sim *x)
{
	int64_t step;

	x->now = x->handled = x->s.anchor = START + 17 * NS_PER_S;
	x->s.seed = rng_u64(&x->rng);
	sched_plan(&x->r, &x->s, x->now);
	while (x->now < START + 30 * DAY_NS) {
		tick(x);
		trouble(x);
		step = 1 + (int64_t)rng_below(&x->rng, 40);
		x->now += step * NS_PER_S;
	}
}

/* A clock that was years ahead and is right again must not stop it. */
static void
far_jump(struct sim *x)
{
	int64_t ahead = START + 3000 * DAY_NS;

	memset(&x->s, 0, sizeof x->s);
	x->s.anchor = START;
	sched_plan(&x->r, &x->s, ahead);
	sched_started(&x->r, &x->s, ahead, false);
	sched_ended(&x->r, &x->s, ahead + MIN_NS);
	CHECK(x->s.at > ahead);
	CHECK(!sched_due(&x->r, &x->s, START + DAY_NS));
	CHECK(x->s.at <= START + 70 * DAY_NS);
}

/* Names spread: not all start in the same second. */
static void
spread(struct sim *x)
{
	size_t same = 0;

	for (uint64_t i = 0; i < 100; i++)
		same += sched_rule_jitter(&x->r, START, rng_mix(i), START) == 0;
	CHECK(x->r.jitter_pct == 0 ? same == 100 : same < 100);
}

int
main(void)
{
	const char *text = getenv("MW_SEED");
	int64_t seed = (int64_t)(clock_random_u64() >> 33);
	size_t runs = 0, coalesced = 0, skips = 0, never = 0;
	struct rng r;

	if (text)
		CHECK(num_parse_i64(text, strlen(text), 0, INT64_MAX, &seed));
	printf("MW_SEED=%lld\n", (long long)seed);
	rng_seed(&r, (uint64_t)seed);
	for (int i = 0; i < ROUNDS; i++) {
		struct sim x = { .rng = { { 0 } } };

		rng_seed(&x.rng, rng_u64(&r));
		if (!random_rule(&x)) {
			never++;
			continue;
		}
		round_trip(&x.r);
		month(&x);
		far_jump(&x);
		spread(&x);
		runs += x.runs;
		coalesced += x.coalesced;
		skips += x.skips;
	}
	CHECK(runs > 0 && coalesced > 0);
	printf("ok %zu runs, %zu made up for missed ones, %zu given up, "
	       "%zu rules that never run\n",
	    runs, coalesced, skips, never);
	return 0;
}
