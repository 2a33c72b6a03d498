/*
 * drift_rule.c - the hysteresis of one pair.
 */
#include "coordinator/place/drift_rule.h"

bool
drift_over(const struct drift_limit *l, uint32_t us)
{
	return l->le ? us > l->us : us >= l->us;
}

/* One more in a row, or none. */
static void
count(unsigned *n, bool yes)
{
	*n = !yes ? 0 : *n < DRIFT_ROUNDS ? *n + 1 : *n;
}

static bool
pool_over(const struct drift_limit *l, const struct drift_round *r)
{
	return r->pooled && r->pool_n >= DRIFT_POOL_N &&
	    r->pool_rounds >= DRIFT_POOL_ROUNDS && drift_over(l, r->pool_us);
}

static enum drift_state
next(const struct drift_count *c, bool pool)
{
	if (c->missed == DRIFT_ROUNDS)
		return DRIFT_LOST;
	if (c->over == DRIFT_ROUNDS)
		return DRIFT_DRIFTED;
	switch (c->state) {
	case DRIFT_PENDING:
	case DRIFT_OK:
		if (pool &&
		    (c->state == DRIFT_PENDING || c->age >= DRIFT_ROUNDS))
			return DRIFT_DRIFTED;
		return c->met ? DRIFT_OK : c->state;
	case DRIFT_DRIFTED:
		return c->below == DRIFT_ROUNDS ? DRIFT_OK : c->state;
	case DRIFT_LOST: return c->met == DRIFT_ROUNDS ? DRIFT_OK : c->state;
	case DRIFT_STATE_COUNT: break;
	}
	return c->state;
}

bool
drift_step(struct drift_count *c, const struct drift_limit *l,
    const struct drift_round *r)
{
	bool value = r->word == DRIFT_VALUE, pool;
	bool over = value && drift_over(l, r->us);
	enum drift_state was = c->state;

	if (r->word == DRIFT_SILENT)
		return false;
	count(&c->over, over);
	count(&c->met, value && !over);
	count(&c->below,
	    value && (uint64_t)r->us * 100 < (uint64_t)l->us * DRIFT_BACK_PCT);
	count(&c->missed, !value);
	count(&c->age, true);
	pool = value && pool_over(l, r);
	if (value && !pool)
		c->stale = false;
	c->state = next(c, pool && !c->stale);
	if (c->state == was)
		return false;
	c->stale = c->state == DRIFT_OK && pool;
	/* The first judgement comes at once: nothing waits after it. What was
	 * in a row before a change does not count for the next one. */
	if (was == DRIFT_PENDING && c->state == DRIFT_OK)
		c->age = DRIFT_ROUNDS;
	else
		c->age = c->over = c->below = c->met = c->missed = 0;
	return true;
}

const char *
drift_state_name(enum drift_state s)
{
	static const char *const names[DRIFT_STATE_COUNT] = { "pending", "ok",
		"drifted", "pairLost" };

	return names[s];
}

enum drift_state
drift_worst(enum drift_state a, enum drift_state b)
{
	static const enum drift_state of[DRIFT_STATE_COUNT] = { DRIFT_PENDING,
		DRIFT_OK, DRIFT_DRIFTED, DRIFT_DRIFTED };

	/* A group is ok only when all its pairs were judged. */
	if (of[a] == DRIFT_DRIFTED || of[b] == DRIFT_DRIFTED)
		return DRIFT_DRIFTED;
	return of[a] == DRIFT_PENDING || of[b] == DRIFT_PENDING ? DRIFT_PENDING
								: DRIFT_OK;
}
