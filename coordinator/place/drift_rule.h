/*
 * drift_rule.h - when a pair of VMs has drifted from what its placement relied
 * on: pure, one step per stored matrix round.
 *
 * A pair is over in a round when its value (the larger of both directions)
 * does not meet the limit. It has drifted after DRIFT_ROUNDS such rounds in a
 * row, or when the pooled rounds are over with enough samples; it is ok again
 * after DRIFT_ROUNDS rounds in a row below DRIFT_BACK_PCT of the limit. A pair
 * that answered in neither direction for DRIFT_ROUNDS rounds is lost; lost
 * pairs are ok again after as many rounds that meet the limit. A round that
 * says nothing of the pair (a silent agent, a VM that does not run) is no
 * round of it.
 *
 * Promise: once a pair was judged, two changes of its state lie at least
 * DRIFT_ROUNDS of its rounds apart. What the pool still holds from before a
 * recovery does not count again until the pool was below the limit once.
 */
#ifndef MW_COORDINATOR_DRIFT_RULE_H
#define MW_COORDINATOR_DRIFT_RULE_H

#include "common/pure/mw.h"

#define DRIFT_ROUNDS 3
#define DRIFT_BACK_PCT 95
#define DRIFT_POOL_N 20 /* samples that a pool must have, in ... */
#define DRIFT_POOL_ROUNDS 3 /* ... so many rounds */

enum drift_state { /* in the store: numbers stay */
	DRIFT_PENDING, /* not judged yet */
	DRIFT_OK,
	DRIFT_DRIFTED,
	DRIFT_LOST,
	DRIFT_STATE_COUNT
};

enum drift_word { /* of one round about one pair */
	DRIFT_SILENT, /* nothing */
	DRIFT_VALUE,
	DRIFT_NO_ANSWER
};

struct drift_limit {
	int64_t us;
	bool le; /* equal meets it */
};

struct drift_round {
	enum drift_word word;
	uint32_t us; /* with a value */
	bool pooled; /* there is a pool */
	uint32_t pool_us;
	uint64_t pool_n, pool_rounds;
};

/* Zero: a pair that was never judged. Each count ends at DRIFT_ROUNDS. */
struct drift_count {
	enum drift_state state;
	unsigned over, below, met, missed; /* rounds in a row */
	unsigned age; /* rounds since the state changed */
	bool stale; /* the pool is over from before the recovery */
};

/* True if the value does not meet the limit. */
bool drift_over(const struct drift_limit *l, uint32_t us);
/* True if the state changed. */
bool drift_step(struct drift_count *c, const struct drift_limit *l,
    const struct drift_round *r);
const char *drift_state_name(enum drift_state s); /* "pairLost" */
/* Of a group: the worst of its pairs, DRIFTED if one is lost. */
enum drift_state drift_worst(enum drift_state a, enum drift_state b);

#endif
