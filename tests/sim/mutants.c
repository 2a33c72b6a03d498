/*
 * mutants.c - the table of mutants. A bound is several times the first seed that
 * found the mutant, so that a change of the simulator's random stream does
 * not break it, and a change that makes it blind does.
 */
#include "tests/sim/mutants.h"

#include "common/pure/num.h"
#include "common/pure/str.h"

#include <string.h>

const struct mutant_info mutants[MUT_COUNT] = {
	[MUT_NO_INTENT] = { "no-intent",
	    "R1 the generation's row before the call", 100, 0, false },
	[MUT_RANDOM_TOKEN] = { "random-token",
	    "R2 a token derived from slot and generation", 200, 0, false },
	[MUT_ONE_ABSENCE] = { "one-absence", "R5 one NOT_FOUND proves nothing",
	    100, 0, false },
	[MUT_NO_LIST] = { "no-list", "R4 list before creating again", 200, 0,
	    false },
	[MUT_ACK_IS_END] = { "ack-is-end", "R10 accepted is not ended", 1000, 0,
	    false },
	[MUT_NO_SETTLE_ON_DELETE] = { "no-settle-on-delete",
	    "R4 a slot with an open create waits before it goes", 1000, 0,
	    false },
	[MUT_NO_SWEEP] = { "no-sweep", "R8 the sweep", 3000, 0, false },
	[MUT_SYNC_NORMAL] = { "sync-normal", "store: synchronous=FULL", 100, 0,
	    false },
	[MUT_NO_TAGS] = { "no-tags", "R3 tags travel inside the create call",
	    100, 0, false },
	[MUT_AMBIGUOUS_FAILS] = { "ambiguous-fails",
	    "a timeout is not a failure", 200, 0, false },
	[MUT_TOKEN_FOREVER] = { "token-forever",
	    "R4 list after a restart, tokens are forgotten", 300, 0, false },
	[MUT_WALL_SETTLE] = { "wall-settle",
	    "R4 SETTLE is counted on the monotonic clock", 300, 0, false },
	[MUT_NO_START_SYNC] = { "no-start-sync",
	    "store: log written back and folded before it is believed", 2000, 0,
	    false },
	[MUT_TWO_ABSENCES] = { "two-absences", "R5 five NOT_FOUNDs over SETTLE",
	    100, 0, false },
	[MUT_DEFINITE_CLOSES] = { "definite-closes",
	    "R9 a refusal ends no generation with an open attempt", 2000, 0,
	    false },
	[MUT_NO_FENCE] = { "no-fence", "R7 the old VM ends before a new one",
	    1500, 0, false },
	[MUT_AUTOCHECKPOINT] = { "autocheckpoint", "store: its own checkpoints",
	    0, 0, false },
	[MUT_DB_IN_PLACE] = { "db-in-place",
	    "store: a new database is renamed when complete", 100, 3, true },
	[MUT_OLD_ABSENCE] = { "old-absence",
	    "R10 only NOT_FOUNDs after the terminate count", 1000, 0, false },
	[MUT_NO_REWRITE] = { "no-rewrite", "store: the log is written back",
	    2000, 6, false },
	[MUT_CONFLICT_FAILS] = { "conflict-fails",
	    "R6 a name in the way is listed and adopted", 300, 0, false },
	[MUT_NO_QUARANTINE] = { "no-quarantine",
	    "R8 what is newer than the database is left alone", 500, 0, false },
	[MUT_NO_ROLL_BACK] = { "no-roll-back", "a refused verb is over at once",
	    300, 0, false },
	[MUT_NO_DEADLINE] = { "no-deadline", "every verb has a deadline", 1000,
	    0, false },
	[MUT_CALL_BEFORE_COMMIT] = { "call-before-commit",
	    "R1 a call waits for the commit", 300, 0, false },
	[MUT_ANY_DEPLOYMENT] = { "any-deployment",
	    "VMs of other deployments are strangers", 100, 0, false },
	[MUT_SWEEP_OWN] = { "sweep-own", "R8 the sweep spares what a row names",
	    100, 0, false },
	[MUT_ID_REUSED] = { "id-reused", "R2 slot ids are never reused", 5000,
	    0, false },
	[MUT_FAILED_LIST_EMPTY] = { "failed-list-empty",
	    "R5 a failed list says nothing", 10000, 0, false },
	[MUT_OLD_NEWS] = { "old-news",
	    "what was asked before an answer is not believed after it", 20000,
	    0, false },
	[MUT_REBOOT_AGAIN] = { "reboot-again", "a reboot is sent at most once",
	    1000, 0, false },
	[MUT_TERMINATE_ONCE] = { "terminate-once",
	    "R10 terminate is repeated until the end is seen", 200, 0, false },
	[MUT_OVERDUE_IS_END] = { "overdue-is-end",
	    "R10 an overdue terminate is not a Terminated VM", 4000, 0, false },
	[MUT_ERROR_CLOSES] = { "error-closes",
	    "a create that ended in ERROR is terminated and seen gone", 4000, 0,
	    false },
	[MUT_GCP_TERMINATED] = { "gcp-terminated",
	    "GCP's TERMINATED is Suspended", 2000, 0, false },
	[MUT_DEAD_TOKEN] = { "dead-token",
	    "a token that names a dead VM closes its generation", 0, 0, false },
	[MUT_FIRST_TRY_SETTLES] = { "first-try-settles",
	    "R4 SETTLE is counted from the last attempt", 0, 0, false },
	[MUT_NO_CLEAR_LIST] = { "no-clear-list",
	    "R7 leftovers are looked for before a new generation", 0, 0,
	    false },
	[MUT_VERB_FORGOTTEN] = { "verb-forgotten",
	    "I4 pending verbs go on after a restart", 200, 0, false },
	[MUT_NO_SECOND] = { "no-second",
	    "R7 no new generation while a second VM of the old one may live", 0,
	    0, false },
	[MUT_REGION_FORGOTTEN] = { "region-forgotten",
	    "R8 regions once used are swept for ever", 0, 0, false },
	[MUT_REFINE_FORGETS] = { "refine-forgets",
	    "refine forgets no slot with an open create", 0, 0, false },
	[MUT_CLEAR_FORGOTTEN] = { "clear-forgotten",
	    "R7 the wait before a new generation begins anew at a start", 0, 0,
	    false },
};

int mw_mutant;

enum mutant
mutant_of(const char *text)
{
	int64_t n;

	if (num_parse_i64(text, strlen(text), 1, MUT_COUNT - 1, &n))
		return (enum mutant)n;
	for (int m = 1; m < MUT_COUNT; m++) {
		if (str_eq(mutants[m].name, text))
			return (enum mutant)m;
	}
	return MUT_NONE;
}

void
mutant_opt(enum mutant m, struct sim_opt *opt)
{
	opt->fsync_in = mutants[m].fsync_in;
	opt->fresh = opt->fresh || mutants[m].fresh;
}
