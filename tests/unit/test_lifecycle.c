/*
 * test_lifecycle.c - tokens, verbs, failures and restarts of the reconciler, on
 * a small world without faults; the tables are in test_status.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rig_lifecycle.h"

#include "common/pure/str.h"

#include <string.h>

static void
tokens_are_stable_and_distinct(void **state)
{
	struct rig *w = *state;
	char a[LC_TOKEN_LEN], b[LC_TOKEN_LEN];

	lc_token(w->lc, 12, 1, a);
	lc_token(w->lc, 12, 1, b);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), 52);
	assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz234567"), 52);
	lc_token(w->lc, 1, 21, b); /* not by gluing digits */
	assert_string_not_equal(a, b);
	lc_token(w->lc, 12, 2, b);
	assert_string_not_equal(a, b);
}

static void
the_same_file_again_changes_nothing(void **state)
{
	struct rig *w = *state;
	size_t rows, mutations;

	assert_int_equal(rig_put(w, 17, "s1", LC_CONTINUE, 0), LC_GO);
	rig_spin(w, 60);
	assert_string_equal(rig_status(w), "Running-(17/17)");
	assert_true(lc_at_rest(w->lc));
	assert_int_equal(w->creates, 17);
	rows = w->rows;
	mutations = w->mutations;
	assert_int_equal(rig_put(w, 17, "s1", LC_CONTINUE, 0), LC_NOOP);
	rig_spin(w, 60);
	assert_int_equal(w->rows, rows);
	assert_int_equal(w->mutations, mutations);
}

static void
less_and_other_need_a_word(void **state)
{
	struct rig *w = *state;

	rig_put(w, 5, "s1", LC_CONTINUE, 0);
	rig_spin(w, 60);
	assert_int_equal(rig_put(w, 3, "s1", LC_CONTINUE, 0), LC_NO);
	assert_int_equal(rig_put(w, 5, "s2", LC_CONTINUE, 0), LC_NO);
	assert_int_equal(rig_put(w, 3, "s1", LC_CONTINUE, LC_ALLOW_REMOVE),
	    LC_GO);
	rig_spin(w, 60);
	assert_string_equal(rig_status(w), "Running-(3/3)");
	assert_null(lc_vm_find(lc_mcis_first(w->lc), "g-4"));
	assert_int_equal(rig_put(w, 3, "s2", LC_CONTINUE, LC_ALLOW_REPLACE),
	    LC_GO);
	rig_spin(w, 300);
	assert_string_equal(rig_status(w), "Running-(3/3)");
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-1")->inst.gen, 2);
	assert_int_equal(rig_put(w, 6, "s2", LC_CONTINUE, 0), LC_GO);
	rig_spin(w, 60);
	assert_string_equal(rig_status(w), "Running-(6/6)");
}

static void
verbs_go_round_and_repeat_as_noop(void **state)
{
	struct rig *w = *state;

	rig_put(w, 10, "s1", LC_CONTINUE, 0);
	assert_int_equal(rig_act(w, NULL, LC_A_SUSPEND), LC_NO);
	rig_spin(w, 30);
	assert_int_equal(rig_act(w, NULL, LC_A_RESUME), LC_NOOP);
	assert_int_equal(rig_act(w, NULL, LC_A_SUSPEND), LC_GO);
	assert_int_equal(rig_act(w, NULL, LC_A_SUSPEND), LC_JOIN);
	rig_spin(w, 30);
	assert_string_equal(rig_status(w), "Suspended-(10/10)");
	assert_int_equal(rig_act(w, NULL, LC_A_SUSPEND), LC_NOOP);
	assert_int_equal(rig_act(w, NULL, LC_A_REBOOT), LC_NO);
	assert_int_equal(rig_act(w, "g-3", LC_A_RESUME), LC_GO);
	rig_spin(w, 30);
	assert_string_equal(rig_status(w), "Partial-Suspended-(9/10)");
	assert_int_equal(rig_act(w, NULL, LC_A_RESUME), LC_GO);
	rig_spin(w, 30);
	assert_string_equal(rig_status(w), "Running-(10/10)");
	assert_int_equal(rig_act(w, NULL, LC_A_REBOOT), LC_GO);
	rig_spin(w, 30);
	assert_string_equal(rig_status(w), "Running-(10/10)");
	assert_int_equal(rig_act(w, NULL, LC_A_TERMINATE), LC_GO);
	rig_spin(w, 60);
	assert_string_equal(rig_status(w), "Terminated-(10/10)");
	assert_int_equal(rig_act(w, NULL, LC_A_TERMINATE), LC_NOOP);
	assert_int_equal(rig_act(w, NULL, LC_A_REFINE), LC_GO);
	rig_spin(w, 30);
	assert_string_equal(rig_status(w), "Empty");
	assert_true(lc_at_rest(w->lc));
}

static void
a_failed_part_goes_on_back_or_away(void **state)
{
	static const struct {
		enum lc_policy policy;
		const char *status;
	} t[] = { { LC_CONTINUE, "Failed-(3/18)" }, { LC_ROLLBACK, "Empty" },
		{ LC_REFINE, "Running-(15/15)" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		void *st = NULL;
		struct rig *w;

		rig_setup(&st);
		w = st;
		for (int k = 3; k <= 9; k += 3) {
			w->create_class[k] = CSP_DEFINITE;
			w->create_reason[k] = CSP_R_CAPACITY;
		}
		rig_put(w, 18, "s1", t[i].policy, 0);
		rig_spin(w, 300);
		assert_string_equal(rig_status(w), t[i].status);
		assert_null(lc_mcis_first(w->lc)->action);
		assert_true(lc_at_rest(w->lc));
		rig_teardown(&st);
	}
}

/* A verb never sticks: whatever the cloud answers, it ends by its deadline and
 * the next command is taken. */
static void
verbs_leave_their_state(void **state)
{
	static const enum csp_class ends[] = { CSP_NOT_FOUND, CSP_CONFLICT,
		CSP_THROTTLED, CSP_DEFINITE, CSP_AMBIGUOUS };
	static const enum lc_act acts[] = { LC_A_SUSPEND, LC_A_REBOOT };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends) * ARRAY_LEN(acts); i++) {
		enum lc_act a = acts[i % ARRAY_LEN(acts)];
		void *st = NULL;
		struct rig *w;

		rig_setup(&st);
		w = st;
		rig_put(w, 2, "s1", LC_CONTINUE, 0);
		rig_spin(w, 30);
		w->verb_class = ends[i / ARRAY_LEN(acts)];
		assert_int_equal(rig_act(w, NULL, a), LC_GO);
		rig_spin(w, 3 * 600 + 60);
		assert_string_equal(rig_status(w), "Running-(2/2)");
		assert_null(lc_mcis_first(w->lc)->action);
		w->verb_class = CSP_OK;
		assert_int_equal(rig_act(w, NULL, a), LC_GO);
		rig_spin(w, 60);
		assert_string_equal(rig_status(w),
		    a == LC_A_SUSPEND ? "Suspended-(2/2)" : "Running-(2/2)");
		rig_teardown(&st);
	}
}

static void
an_agent_that_fails_is_a_failed_part_but_a_running_vm(void **state)
{
	struct rig *w = *state;

	w->no_install = true;
	rig_put(w, 2, "s1", LC_CONTINUE, 0);
	rig_spin(w, 60);
	assert_string_equal(rig_status(w), "Running-(2/2)");
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-1")->inst.install,
	    LC_I_FAILED);
	assert_null(lc_mcis_first(w->lc)->action);
	w->no_install = false;
	/* The same file again tries the installation, not the VM. */
	assert_int_equal(rig_put(w, 2, "s1", LC_CONTINUE, 0), LC_GO);
	rig_spin(w, 60);
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-1")->inst.install,
	    LC_I_READY);
	assert_int_equal(w->creates, 2);
}

static void
an_agent_that_was_taken_away_stays_away(void **state)
{
	struct rig *w = *state;
	struct lc_slot *s;
	struct mw_err err = MW_ERR_INIT;

	rig_put(w, 1, "s1", LC_CONTINUE, 0);
	rig_spin(w, 60);
	s = lc_vm_find(lc_mcis_first(w->lc), "g-1");
	assert_int_equal(s->inst.install, LC_I_READY);
	lc_on_uninstall(w->lc, s->row.slot_id, s->inst.gen + 1);
	assert_int_equal(s->inst.install, LC_I_READY); /* not this one */
	lc_on_uninstall(w->lc, s->row.slot_id, s->inst.gen);
	assert_int_equal(rig_put(w, 1, "s1", LC_CONTINUE, 0), LC_NOOP);
	rig_spin(w, 60);
	assert_int_equal(s->inst.install, LC_I_NONE);
	assert_string_equal(s->inst.install_step, "removed");
	assert_true(lc_reinstall(w->lc, s, &err));
	rig_spin(w, 60);
	assert_int_equal(s->inst.install, LC_I_READY);
	assert_int_equal(w->creates, 1);
}

static void
a_deleted_group_is_forgotten_and_its_ids_stay_unused(void **state)
{
	struct rig *w = *state;
	int64_t id;

	rig_put(w, 2, "s1", LC_CONTINUE, 0);
	rig_spin(w, 30);
	id = lc_vm_find(lc_mcis_first(w->lc), "g-2")->row.slot_id;
	assert_int_equal(rig_act(w, NULL, LC_A_DELETE), LC_GO);
	rig_spin(w, 60);
	assert_null(lc_mcis_first(w->lc));
	rig_put(w, 1, "s1", LC_CONTINUE, 0);
	rig_spin(w, 30);
	assert_true(lc_vm_find(lc_mcis_first(w->lc), "g-1")->row.slot_id > id);
}

static void
a_vanished_vm_is_told_and_reconcile_replaces_it(void **state)
{
	struct rig *w = *state;

	rig_put(w, 3, "s1", LC_CONTINUE, 0);
	rig_spin(w, 30);
	w->native[2] = "terminated";
	rig_spin(w, 60);
	assert_string_equal(rig_status(w), "Partial-Running-(2/3)");
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-2")->status,
	    LC_UNDEFINED);
	assert_int_equal(rig_act(w, NULL, LC_A_RECONCILE), LC_GO);
	rig_spin(w, 600);
	assert_string_equal(rig_status(w), "Running-(3/3)");
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-2")->inst.gen, 2);
}

static void
abort_of_a_create_takes_back_what_it_added(void **state)
{
	struct rig *w = *state;
	struct mw_err err = MW_ERR_INIT;
	uint64_t txn;

	rig_put(w, 2, "s1", LC_CONTINUE, 0);
	rig_spin(w, 30);
	rig_put(w, 6, "s1", LC_CONTINUE, 0);
	assert_true(lc_abort(w->lc, lc_mcis_first(w->lc)->action->row.action_id,
	    &txn, &err));
	rig_spin(w, 120);
	assert_string_equal(rig_status(w), "Running-(2/2)");
	assert_null(lc_mcis_first(w->lc)->action);
}

/* The process ended between a generation and the next: the older one may still
 * be on its way out, for as long as the driver says, which it says only after
 * the start. */
static void
a_restart_waits_no_longer_than_the_driver_says(void **state)
{
	struct rig *w = *state;
	const struct lc_env env = rig_env(w);
	const struct lc_mcis_row m = { .mcis_id = 1,
		.ns = "default",
		.name = "m",
		.description = "",
		.labels = "{}" };
	const struct lc_slot_row s = { .slot_id = 1,
		.mcis_id = 1,
		.group = "g",
		.index = 1,
		.desired = true,
		.spec = { "c1", "s1", "img", "" },
		.spec_sha256 = "",
		.labels = "{}",
		.gen = 1,
		.reason = "" };
	const struct lc_inst_row in = { .slot_id = 1,
		.gen = 1,
		.phase = LC_P_DEAD,
		.connection = "c1",
		.csp_id = "i-7",
		.native = "",
		.cls = LC_C_DELETING,
		.public_ip = "",
		.private_ip = "",
		.zone = "",
		.ssh_user = "",
		.host_key = "",
		.host_key_trust = "",
		.host_id = "",
		.install_step = "",
		.install_error = "",
		.last_error = "" };
	struct lc_conf conf;

	lc_conf_defaults(&conf);
	str_copy(conf.deployment, sizeof conf.deployment, "dep");
	lc_free(w->lc);
	w->no_contact = true;
	w->lc = lc_new(&env, &conf);
	lc_load_next(w->lc, 2, 2);
	lc_load_mcis(w->lc, &m);
	lc_load_slot(w->lc, &s);
	lc_load_inst(w->lc, &in);
	lc_load_region(w->lc, "c1");
	lc_start(w->lc);
	rig_spin(w, 40); /* SETTLE is 35 s and half of it */
	assert_int_equal(w->creates, 0);
	rig_spin(w, 40);
	assert_int_equal(w->creates, 1);
	assert_string_equal(rig_status(w), "Running-(1/1)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		W(tokens_are_stable_and_distinct),
		W(the_same_file_again_changes_nothing),
		W(less_and_other_need_a_word),
		W(verbs_go_round_and_repeat_as_noop),
		cmocka_unit_test(a_failed_part_goes_on_back_or_away),
		cmocka_unit_test(verbs_leave_their_state),
		W(an_agent_that_fails_is_a_failed_part_but_a_running_vm),
		W(an_agent_that_was_taken_away_stays_away),
		W(a_deleted_group_is_forgotten_and_its_ids_stay_unused),
		W(a_vanished_vm_is_told_and_reconcile_replaces_it),
		W(abort_of_a_create_takes_back_what_it_added),
		W(a_restart_waits_no_longer_than_the_driver_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
