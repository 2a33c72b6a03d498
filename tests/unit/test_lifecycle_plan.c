/*
 * test_lifecycle_plan.c - scaling, plans, groups and reconciling, on a small
 * world without faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rig_lifecycle.h"

#include "common/pure/str.h"

#include <string.h>

static const struct lc_who who_tests = { "ac-77", "test", "/m", NULL };

static bool
scale(struct rig *w, const char *group, int64_t n, unsigned flags,
    struct lc_reply *r, struct mw_err *err)
{
	const struct lc_wish_group g = { .name = group, .count = n };

	return lc_scale(w->lc, lc_mcis_find(w->lc, "default", "m"), &g, 1,
	    flags, &who_tests, r, err);
}

static void
scale_makes_more_of_the_same_and_fewer_by_a_word(void **state)
{
	struct rig *w = *state;
	struct mw_err err = MW_ERR_INIT;
	struct lc_reply r;

	rig_put(w, 3, "s1", LC_CONTINUE, 0);
	rig_spin(w, 30);
	assert_true(scale(w, "g", 5, 0, &r, &err));
	assert_int_equal(r.answer, LC_GO);
	lc_reply_free(&r);
	rig_spin(w, 30);
	assert_string_equal(rig_status(w), "Running-(5/5)");
	assert_string_equal(
	    lc_vm_find(lc_mcis_first(w->lc), "g-5")->row.spec.spec, "s1");
	assert_false(scale(w, "g", 2, 0, &r, &err));
	assert_int_equal(err.code, MW_CONFLICT);
	assert_true(scale(w, "g", 2, LC_ALLOW_REMOVE, &r, &err));
	lc_reply_free(&r);
	rig_spin(w, 60);
	assert_string_equal(rig_status(w), "Running-(2/2)");
	err = (struct mw_err)MW_ERR_INIT;
	assert_false(scale(w, "x", 2, 0, &r, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	assert_non_null(strstr(err.hint, "it has g"));
	assert_int_equal(w->creates, 5);
}

/* The same plan has the same name until a slot or a generation changes. */
static void
a_plan_is_named_by_what_it_would_do(void **state)
{
	struct rig *w = *state;
	struct mw_err err = MW_ERR_INIT;
	char first[LC_SHA_LEN];
	struct lc_reply r;

	rig_put(w, 2, "s1", LC_CONTINUE, 0);
	rig_spin(w, 30);
	assert_true(scale(w, "g", 4, LC_DRY_RUN, &r, &err));
	str_copy(first, sizeof first, r.revision);
	lc_reply_free(&r);
	assert_int_equal(rig_act(w, NULL, LC_A_SUSPEND), LC_GO);
	rig_spin(w, 30);
	assert_true(scale(w, "g", 4, LC_DRY_RUN, &r, &err));
	assert_string_equal(r.revision, first); /* states are no matter */
	lc_reply_free(&r);
	assert_true(scale(w, "g", 5, LC_DRY_RUN, &r, &err));
	assert_string_not_equal(r.revision, first);
	lc_reply_free(&r);
	w->native[2] = "terminated";
	rig_spin(w, 60);
	assert_int_equal(rig_act(w, NULL, LC_A_RECONCILE), LC_GO);
	rig_spin(w, 300);
	assert_true(scale(w, "g", 4, LC_DRY_RUN, &r, &err));
	assert_string_not_equal(r.revision, first); /* generation 2 */
	lc_reply_free(&r);
}

static void
a_verb_on_a_group_leaves_the_others(void **state)
{
	struct rig *w = *state;
	struct lc_wish_group g[2] = {
		{ "a", 2, { "c1", "s1", "img", "" }, "{}" },
		{ "b", 1, { "c1", "s1", "img", "" }, "{}" },
	};
	const struct lc_wish x = { "default", "m", "", "{}", true, LC_CONTINUE,
		g, 2, false };
	struct mw_err err = MW_ERR_INIT;
	struct lc_mcis *m;
	struct lc_reply r;

	assert_true(lc_apply(w->lc, &x, 0, &who_tests, &r, &err));
	lc_reply_free(&r);
	rig_spin(w, 30);
	m = lc_mcis_first(w->lc);
	assert_true(
	    lc_do_group(w->lc, m, "a", LC_A_SUSPEND, 0, &who_tests, &r, &err));
	assert_int_equal(r.n, 2);
	lc_reply_free(&r);
	assert_null(m->action);
	rig_spin(w, 30);
	assert_string_equal(rig_status(w), "Partial-Suspended-(2/3)");
	assert_false(
	    lc_do_group(w->lc, m, "a", LC_A_REBOOT, 0, &who_tests, &r, &err));
	assert_int_equal(err.code, MW_CONFLICT);
	assert_non_null(strstr(err.msg, "2 Suspended"));
	assert_non_null(strstr(err.hint, "resume, terminate"));
	err = (struct mw_err)MW_ERR_INIT;
	assert_false(
	    lc_do_group(w->lc, m, "x", LC_A_RESUME, 0, &who_tests, &r, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	assert_null(lc_mcis_first(w->lc)->action);
}

/* It ends when the clouds have answered, not before. */
static void
reconcile_ends_after_it_has_looked(void **state)
{
	struct rig *w = *state;
	struct lc_mcis *m;

	rig_put(w, 3, "s1", LC_CONTINUE, 0);
	rig_spin(w, 30);
	m = lc_mcis_first(w->lc);
	w->native[2] = "stopped"; /* by others, nobody has seen it */
	assert_int_equal(rig_act(w, NULL, LC_A_RECONCILE), LC_GO);
	assert_non_null(m->action);
	assert_int_equal(m->counts[LC_RUNNING], 3);
	rig_spin(w, 1);
	assert_null(m->action);
	assert_int_equal(m->counts[LC_SUSPENDED], 1);
	assert_true(lc_at_rest(w->lc));
	/* Also of one VM. */
	w->native[2] = "running";
	assert_int_equal(rig_act(w, "g-2", LC_A_RECONCILE), LC_GO);
	rig_spin(w, 1);
	assert_int_equal(m->counts[LC_RUNNING], 3);
}

static void
an_unknown_word_keeps_the_state(void **state)
{
	struct rig *w = *state;

	rig_put(w, 2, "s1", LC_CONTINUE, 0);
	rig_spin(w, 30);
	w->native[1] = w->native[2] = "wobbling";
	assert_int_equal(rig_act(w, NULL, LC_A_RECONCILE), LC_GO);
	rig_spin(w, 10);
	assert_string_equal(rig_status(w), "Running-(2/2)");
	assert_int_equal(w->unknown, 1);
	rig_spin(w, 600);
	assert_int_equal(w->unknown, 1); /* told once */
}

static void
a_vanished_vm_is_replaced_where_the_file_says_so(void **state)
{
	struct rig *w = *state;
	struct lc_wish_group g = { "g", 2, { "c1", "s1", "img", "" }, "{}" };
	const struct lc_wish x = { "default", "m", "", "{}", true, LC_CONTINUE,
		&g, 1, true };
	struct mw_err err = MW_ERR_INIT;
	struct lc_reply r;

	assert_true(lc_apply(w->lc, &x, 0, &who_tests, &r, &err));
	lc_reply_free(&r);
	rig_spin(w, 30);
	w->native[1] = "terminated";
	rig_spin(w, 900);
	assert_string_equal(rig_status(w), "Running-(2/2)");
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-1")->inst.gen, 2);
}

static void
a_refusal_names_what_runs_and_for_how_long(void **state)
{
	struct rig *w = *state;
	struct mw_err err = MW_ERR_INIT;
	struct lc_reply r;

	rig_put(w, 3, "s1", LC_CONTINUE, 0);
	rig_spin(w, 30);
	w->verb_class = CSP_AMBIGUOUS;
	assert_int_equal(rig_act(w, NULL, LC_A_SUSPEND), LC_GO);
	assert_false(lc_do(w->lc, lc_mcis_first(w->lc), NULL, LC_A_REBOOT, 0,
	    &who_tests, &r, &err));
	assert_non_null(strstr(err.msg, "suspend of m is under way, 0 of 3"));
	assert_non_null(strstr(err.hint, "600 s at most"));
	err = (struct mw_err)MW_ERR_INIT;
	assert_false(lc_do(w->lc, lc_mcis_first(w->lc), "g-1", LC_A_REBOOT, 0,
	    &who_tests, &r, &err));
	assert_non_null(strstr(err.msg, "g-1 is Suspending"));
	assert_non_null(strstr(err.hint, "wait for suspend"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		W(scale_makes_more_of_the_same_and_fewer_by_a_word),
		W(a_plan_is_named_by_what_it_would_do),
		W(a_verb_on_a_group_leaves_the_others),
		W(reconcile_ends_after_it_has_looked),
		W(an_unknown_word_keeps_the_state),
		W(a_vanished_vm_is_replaced_where_the_file_says_so),
		W(a_refusal_names_what_runs_and_for_how_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
