/*
 * sched_time.c - when a schedule runs. See sched_rule.h; everything here is
 * arithmetic on a rule, a state and a time.
 */
#include "coordinator/measure/sched_rule.h"

#include "common/pure/rng.h"
#include "common/pure/str.h"

#include <string.h>

#define MIN_NS (60 * NS_PER_S)
#define DAY_NS (24 * 60 * MIN_NS)
#define COUNT_MAX 100000 /* due times that one run can stand for */

static const int64_t put_off_min[SCHED_TRIES] = { 1, 5, 15 };

static int64_t minute_of_week(const struct sched_rule *r, int64_t at);
static void place(const struct sched_rule *r, struct sched_state *s,
    int64_t now);
static int64_t consume(const struct sched_rule *r, struct sched_state *s,
    int64_t now);

bool
sched_rule_same_times(const struct sched_rule *a, const struct sched_rule *b)
{
	return str_eq(a->cron, b->cron) && a->every_s == b->every_s &&
	    a->offset_s == b->offset_s && a->jitter_pct == b->jitter_pct &&
	    a->enabled == b->enabled &&
	    memcmp(a->dark, b->dark, sizeof a->dark) == 0;
}

int64_t
sched_rule_due(const struct sched_rule *r, int64_t anchor, int64_t after)
{
	int64_t step = r->every_s * NS_PER_S;
	int64_t s = after / NS_PER_S - (after % NS_PER_S < 0);

	if (*r->cron)
		return cron_next(&r->expr, s, r->offset_s) * NS_PER_S;
	if (after < anchor)
		return anchor + step;
	return anchor + ((after - anchor) / step + 1) * step;
}

bool
sched_rule_dark(const struct sched_rule *r, int64_t at)
{
	int64_t m = minute_of_week(r, at);

	return r->nblackouts && (r->dark[m / 64] >> (m % 64) & 1);
}

/* First time from at on that no blackout covers. */
static int64_t
sched_rule_light(const struct sched_rule *r, int64_t at)
{
	for (int i = 0; i < SCHED_WEEK_MIN && sched_rule_dark(r, at); i++)
		at = (at / MIN_NS + 1) * MIN_NS;
	return at;
}

int64_t
sched_rule_jitter(const struct sched_rule *r, int64_t anchor, uint64_t seed,
    int64_t due)
{
	int64_t gap = sched_rule_due(r, anchor, due) - due;
	int64_t span = gap / 100 * r->jitter_pct;

	if (span > SCHED_JITTER_MAX_S * NS_PER_S)
		span = SCHED_JITTER_MAX_S * NS_PER_S;
	return (int64_t)(rng_mix(seed ^ rng_mix((uint64_t)due)) %
	    (uint64_t)(span + 1));
}

void
sched_plan(const struct sched_rule *r, struct sched_state *s, int64_t now)
{
	s->tries = 0;
	s->due = s->at = 0;
	if (!r->enabled)
		return;
	s->due = sched_rule_due(r, s->anchor, now);
	place(r, s, now);
}

bool
sched_due(const struct sched_rule *r, struct sched_state *s, int64_t now)
{
	int64_t base = s->last > s->anchor ? s->last : s->anchor;

	if (!r->enabled || s->running)
		return false;
	/* The clock was a day or more ahead and is right again: what was
	 * planned then would be far away. A smaller step back only waits, so
	 * that nothing runs twice. */
	if (now < base - DAY_NS) {
		s->anchor = s->anchor > now ? now : s->anchor;
		s->last = s->last > now ? now : s->last;
		sched_plan(r, s, now);
	}
	if (now < s->at)
		return false;
	if (!sched_rule_dark(r, now))
		return true;
	place(r, s, now);
	return false;
}

void
sched_started(const struct sched_rule *r, struct sched_state *s, int64_t now,
    bool by_hand)
{
	s->running = true;
	s->last = now;
	s->last_end = 0;
	s->runs++;
	s->skipped = 0;
	s->last_missed = 0;
	if (by_hand)
		return;
	s->last_missed = consume(r, s, now);
	s->last_missed -= s->last_missed > 0;
	s->missed += s->last_missed;
}

void
sched_ended(const struct sched_rule *r, struct sched_state *s, int64_t now)
{
	s->running = false;
	s->last_end = now;
	s->tries = 0;
	if (r->enabled && s->due)
		place(r, s, now);
}

bool
sched_busy(const struct sched_rule *r, struct sched_state *s, int64_t now)
{
	if (s->tries < SCHED_TRIES) {
		s->at = now + put_off_min[s->tries++] * MIN_NS;
		if (sched_rule_dark(r, s->at))
			s->at = sched_rule_light(r, s->at);
		return true;
	}
	sched_skip(r, s, now);
	return false;
}

void
sched_skip(const struct sched_rule *r, struct sched_state *s, int64_t now)
{
	int64_t n = consume(r, s, now);

	s->missed += n - (n > 0);
	s->skipped++;
	place(r, s, now);
}

static int64_t
minute_of_week(const struct sched_rule *r, int64_t at)
{
	/* 1970-01-01 was a Thursday: four days after Sunday */
	int64_t m =
	    at / MIN_NS - (at % MIN_NS < 0) + r->offset_s / 60 + 4 * 24 * 60;

	return ((m % SCHED_WEEK_MIN) + SCHED_WEEK_MIN) % SCHED_WEEK_MIN;
}

/* When what is due starts: with its jitter, not in the past, in no blackout. */
static void
place(const struct sched_rule *r, struct sched_state *s, int64_t now)
{
	int64_t jitter = sched_rule_jitter(r, s->anchor, s->seed, s->due);

	s->at = s->due + jitter;
	if (s->at < now)
		s->at = now;
	if (!sched_rule_dark(r, s->at))
		return;
	/* Not all schedules at once when the window ends. */
	s->at = sched_rule_light(r, s->at) + jitter;
	s->at = sched_rule_light(r, s->at);
}

/* Moves on to the first due time after now; returns how many were due that no
 * blackout covers. */
static int64_t
consume(const struct sched_rule *r, struct sched_state *s, int64_t now)
{
	int64_t n = 0, t = s->due;

	for (int i = 0; t && t <= now && i < COUNT_MAX; i++) {
		n += !sched_rule_dark(r, t);
		t = sched_rule_due(r, s->anchor, t);
	}
	/* Started early by nobody: the due time itself is over, too. */
	s->due = sched_rule_due(r, s->anchor, now > s->due ? now : s->due);
	s->tries = 0;
	return n;
}
