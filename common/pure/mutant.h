/*
 * mutant.h - the rules that keep VMs from being lost or paid for twice, each
 * of which can be switched off to see whether the tests notice.
 *
 * At the place of a rule stands mutant(MUT_X) in a plain condition. In the
 * product MW_MUTANT is 0 and the compiler drops the condition. -DMW_MUTANT=n
 * builds mutant n alone; -DMW_MUTANT_RUN lets the simulator choose at run time
 * (it defines mw_mutant), so that one build serves all. docs/simulator.md
 * tells what each one removes, tests/sim/mutants.c what each must be found by.
 */
#ifndef MW_COMMON_PURE_MUTANT_H
#define MW_COMMON_PURE_MUTANT_H

enum mutant {
	MUT_NONE,
	MUT_NO_INTENT, /* R1 */
	MUT_RANDOM_TOKEN, /* R2 */
	MUT_ONE_ABSENCE, /* R5 */
	MUT_NO_LIST, /* R4 */
	MUT_ACK_IS_END, /* R10 */
	MUT_NO_SETTLE_ON_DELETE, /* R4 */
	MUT_NO_SWEEP, /* R8 */
	MUT_SYNC_NORMAL,
	MUT_NO_TAGS, /* R3 */
	MUT_AMBIGUOUS_FAILS,
	MUT_TOKEN_FOREVER, /* R4 */
	MUT_WALL_SETTLE, /* R4 */
	MUT_NO_START_SYNC,
	MUT_TWO_ABSENCES, /* R5 */
	MUT_DEFINITE_CLOSES, /* R9 */
	MUT_NO_FENCE, /* R7 */
	MUT_AUTOCHECKPOINT,
	MUT_DB_IN_PLACE,
	MUT_OLD_ABSENCE, /* R10 */
	MUT_NO_REWRITE,
	MUT_CONFLICT_FAILS, /* R6 */
	MUT_NO_QUARANTINE, /* R8 */
	MUT_NO_ROLL_BACK,
	MUT_NO_DEADLINE,
	MUT_CALL_BEFORE_COMMIT, /* R1 */
	MUT_ANY_DEPLOYMENT,
	MUT_SWEEP_OWN, /* R8 */
	MUT_ID_REUSED, /* R2 */
	MUT_FAILED_LIST_EMPTY, /* R5 */
	MUT_OLD_NEWS,
	MUT_REBOOT_AGAIN,
	MUT_TERMINATE_ONCE, /* R10 */
	MUT_OVERDUE_IS_END, /* R10 */
	MUT_ERROR_CLOSES,
	MUT_GCP_TERMINATED,
	MUT_DEAD_TOKEN,
	MUT_FIRST_TRY_SETTLES, /* R4 */
	MUT_NO_CLEAR_LIST, /* R7 */
	MUT_VERB_FORGOTTEN,
	MUT_NO_SECOND, /* R7 */
	MUT_REGION_FORGOTTEN, /* R8 */
	MUT_REFINE_FORGETS,
	MUT_CLEAR_FORGOTTEN, /* R7 */
	MUT_COUNT
};

#ifdef MW_MUTANT_RUN
extern int mw_mutant;
#define mutant(n) (mw_mutant == (n))
#else
#ifndef MW_MUTANT
#define MW_MUTANT 0
#endif
#define mutant(n) (MW_MUTANT == (n))
#endif

#endif
