/*
 * place_scores.h - what placement knows of a spec's performance: the
 * evaluation (docs/evaluation.md), one score per spec and metric.
 *
 * Metrics are the benchmark kinds and `cores` (cpum / cpus: effective cores).
 * A score is the evaluated value; where nothing is fully valid, one of too few
 * repetitions, flagged. What was disturbed is no score.
 */
#ifndef MW_COORDINATOR_PLACE_SCORES_H
#define MW_COORDINATOR_PLACE_SCORES_H

#include "common/json.h"
#include "common/pure/eval.h"
#include "coordinator/store/store.h"

enum {
	PLACE_METRIC_CORES = EVAL_KINDS,
	PLACE_METRICS
};

struct place_score {
	char spec_id[320]; /* csp+region+name */
	int metric; /* enum kind, or PLACE_METRIC_CORES */
	int64_t milli; /* thousandths */
	double value;
	bool flagged;
	size_t nvms;
	int64_t newest; /* result behind it */
};

struct place_scores {
	struct place_score *v; /* by spec_id, metric */
	size_t n, cap;
};

const char *place_metric_name(int metric);
/* On the store's thread; touches only *out, zeroed before. */
bool place_scores_read(struct db *db, int64_t now, struct place_scores *out,
    struct mw_err *err) mw_must_check;
/* NULL: there is none. */
const struct place_score *place_scores_find(const struct place_scores *s,
    const char *spec_id, int metric);
void place_scores_free(struct place_scores *s);
/* [{"specId","metrics":{"cpum":{"value","flagged","nVms","newestAt"}}}] of the
 * specs that an answer ranks. New reference. */
json_t *place_scores_json(const struct place_scores *s, const json_t *answer);

#endif
