/*
 * fuzz_sched.c - any JSON as a schedule. What is accepted prints as a schedule
 * that is accepted again with the same times, and is due in the future.
 */
#include "common/pure/str.h"
#include "coordinator/measure/sched_rule.h"

#include <stdlib.h>

#define NOW (INT64_C(1767225600) * NS_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
use(const struct sched_rule *r)
{
	struct sched_state s = { .anchor = NOW };
	struct mw_err err = MW_ERR_INIT;
	struct sched_rule again;
	json_t *j = sched_rule_json(r);

	if (!sched_rule_parse("x", j, NOW, &again, &err) ||
	    !sched_rule_same_times(r, &again))
		abort();
	json_decref(j);
	sched_plan(r, &s, NOW);
	for (int i = 0; r->enabled && i < 20; i++) {
		int64_t at = s.at;

		if (s.due <= s.anchor || at < s.due)
			abort();
		if (sched_due(r, &s, at)) {
			sched_started(r, &s, at, false);
			sched_ended(r, &s, at + NS_PER_S);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	struct sched_rule r;
	json_t *j = json_parse((const char *)data, size, JSON_BODY_MAX, &err);

	if (j && sched_rule_parse("x", j, NOW, &r, &err))
		use(&r);
	json_decref(j);
	return 0;
}
