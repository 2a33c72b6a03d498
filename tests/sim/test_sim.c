/*
 * test_sim.c - the simulator's own tests, and a run of it as part of every
 * check: the same seed gives the same run, what is switched off does not
 * happen, the disk loses what it should, and no schedule breaks a promise.
 *
 * MW_SEED=n begins with another seed, MW_SEEDS=n runs that many, for at most
 * 80 s.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "tests/sim/sim_int.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS 500
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SEEDS 500
#endif
#endif
#ifndef SEEDS
#define SEEDS 10000
#endif

/* tests/lib/run.sh ends a program after 120 s; a quiet machine needs 40. */
#define ENOUGH_NS (80 * NS_PER_S)

static struct sim *
plain(enum sim_class cls, bool fresh)
{
	struct sim_opt o;
	struct sim *w;
	struct sim_wish x = { .n = 1, .count = { 2 } };
	struct mw_err err = MW_ERR_INIT;

	sim_opt_defaults(&o);
	o.plain = true;
	o.fresh = fresh;
	o.nconns = 1;
	o.cls[0] = cls;
	w = sim_new(&o);
	assert_true(sim_wish(w, &x, &err));
	return w;
}

static void
finish(struct sim *w)
{
	bool ok = sim_end(w);

	if (!ok)
		print_error("%s %s\n", sim_bad(w)->what, sim_bad(w)->text);
	assert_true(ok);
	sim_free(w);
}

static void
the_same_seed_gives_the_same_run(void **state)
{
	struct sim_opt o;
	struct sim_result a, b, c;

	(void)state;
	sim_opt_defaults(&o);
	for (o.seed = 1; o.seed <= 8; o.seed++) {
		struct sim_opt other = o;

		assert_true(sim_run(&o, &a));
		other.seed += 100;
		assert_true(sim_run(&other, &c));
		assert_true(sim_run(&o, &b));
		assert_true(a.hash == b.hash);
		assert_int_equal(a.events, b.events);
		assert_int_equal(a.points, b.points);
		assert_true(a.hash != c.hash);
	}
}

static void
what_is_switched_off_does_not_happen(void **state)
{
	struct sim_opt o;
	struct sim_result r;

	(void)state;
	sim_opt_defaults(&o);
	o.faults_off = (UINT64_C(1) << SIM_FAULTS) - 1;
	for (o.seed = 1; o.seed <= 20; o.seed++) {
		assert_true(sim_run(&o, &r));
		assert_int_equal(r.deaths, 0);
		assert_int_equal(r.sync_errors, 0);
		assert_int_equal(r.restores, 0);
		assert_int_equal(r.unexplained_ns, 0);
	}
	o.seed = 3;
	o.faults_off = 0;
	assert_true(sim_run(&o, &r));
	assert_true(r.deaths > 0);
}

/* Runs without faults do not see whether the database was there before, nor
 * which tables of other rooms it has. */
static void
the_kept_image_is_the_stores_own(void **state)
{
	struct sim_result r[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sim *w = plain(SIM_T, i == 1);

		assert_true(sim_go(w, 600 * NS_PER_S));
		assert_int_equal(sim_live(w, "g-1"), 1);
		assert_int_equal(sim_live(w, "g-2"), 1);
		sim_result(w, &r[i]);
		finish(w);
	}
	assert_true(r[0].hash == r[1].hash);
	assert_int_equal(r[0].commits, r[1].commits);
}

/* Each class makes what is wished, once, and takes it away again. */
static void
every_class_creates_and_ends(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	for (int c = 0; c < SIM_CLASSES; c++) {
		struct sim *w = plain((enum sim_class)c, false);

		assert_true(sim_go(w, 300 * NS_PER_S));
		assert_int_equal(sim_calls(w, CSP_VM_CREATE), 2);
		assert_int_equal(sim_live(w, "g-1"), 1);
		assert_true(sim_act(w, LC_A_TERMINATE, "g-1", &err));
		assert_true(sim_go(w, 2000 * NS_PER_S));
		assert_int_equal(sim_live(w, "g-1"), 0);
		assert_int_equal(sim_live(w, "g-2"), 1);
		finish(w);
	}
}

/* A sync that fails ends the process; what was acknowledged is there after a
 * power loss, what was not is there as a whole or not at all. */
static void
a_failed_sync_loses_nothing(void **state)
{
	(void)state;
	for (int n = 1; n <= 4; n++) {
		struct sim *w = plain(SIM_T, false);
		struct sim_result r;

		sim_force(w, SIM_F_FSYNC, CSP_OP_COUNT, n);
		assert_true(sim_go(w, 30 * NS_PER_S));
		sim_result(w, &r);
		assert_int_equal(r.sync_errors, 1);
		assert_int_equal(r.deaths, 1);
		sim_kill(w, true, 0);
		assert_true(sim_go(w, 900 * NS_PER_S));
		finish(w);
	}
}

/* The process dies at each of its first points, with and without power. */
static void
it_dies_at_every_point(void **state)
{
	(void)state;
	for (int64_t n = 1; n <= 300; n++) {
		struct sim *w = plain(n % 2 ? SIM_T : SIM_L, n % 50 == 0);
		struct sim_result r;
		struct sim_wish x = { .n = 1, .count = { 2 } };
		struct mw_err err = MW_ERR_INIT;

		sim_kill_at(w, n, n % 3 == 0, NS_PER_S);
		assert_true(sim_go(w, 1000 * NS_PER_S));
		sim_result(w, &r);
		assert_int_equal(r.deaths, 1);
		/* It may have died before the wish was on the disk. */
		if (!sim_slot_row(w, "g-1"))
			assert_true(sim_wish(w, &x, &err));
		finish(w);
	}
}

/* A create lands after its caller gave up and died: still one VM. */
static void
a_late_create_is_adopted(void **state)
{
	(void)state;
	for (int c = 0; c < SIM_CLASSES; c++) {
		struct sim *w = plain((enum sim_class)c, false);

		sim_force(w, SIM_F_LATE, CSP_VM_CREATE, 1);
		sim_force_for(w, SIM_F_LATE, 290 * NS_PER_S);
		assert_true(sim_go(w, NS_PER_S));
		sim_kill(w, true, 10 * NS_PER_S);
		assert_true(sim_go(w, 4000 * NS_PER_S));
		assert_int_equal(sim_live(w, "g-1"), 1);
		assert_int_equal(sim_live(w, "g-2"), 1);
		finish(w);
	}
}

/* A VM of the time that a restored database does not know is left alone. */
static void
a_restored_database_kills_nothing(void **state)
{
	struct sim *w = plain(SIM_T, false);
	struct sim_wish x = { .n = 1, .count = { 4 } };
	struct mw_err err = MW_ERR_INIT;
	struct sim_vm v;
	size_t quarantined = 0;

	(void)state;
	assert_true(sim_go(w, 300 * NS_PER_S));
	sim_backup(w);
	assert_true(sim_wish(w, &x, &err));
	assert_true(sim_go(w, 900 * NS_PER_S));
	assert_int_equal(sim_live(w, "g-4"), 1);
	sim_kill(w, false, -1);
	sim_restore(w);
	sim_start(w);
	assert_true(sim_go(w, 5000 * NS_PER_S));
	for (size_t i = 0; sim_vm_at(w, i, &v); i++) {
		const char *told = sim_orphan(w, v.id);

		assert_true(v.live);
		quarantined += told && str_eq(told, "quarantine");
	}
	assert_int_equal(quarantined, 2);
	finish(w);
}

static uint64_t
number(const char *name, uint64_t fallback)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : fallback;
}

static void
no_schedule_breaks_a_promise(void **state)
{
	uint64_t n = number("MW_SEEDS", SEEDS), bad = 0, deaths = 0;
	int64_t until = clock_mono_ns() + ENOUGH_NS;
	struct sim_opt o;

	(void)state;
	sim_opt_defaults(&o);
	o.seed = number("MW_SEED", 1);
	print_message("seeds %llu..%llu\n", (unsigned long long)o.seed,
	    (unsigned long long)(o.seed + n - 1));
	for (uint64_t i = 0; i < n && bad < 5; i++, o.seed++) {
		struct sim_result r;

		/* In some the syncs fail often. */
		o.fsync_in = o.seed % 16 == 0 ? 12 : 0;
		if (!sim_run(&o, &r)) {
			print_error("%s %s\nreplay: ", r.bad.what, r.bad.text);
			sim_opt_print(&o, stderr);
			bad++;
		}
		deaths += r.deaths;
		if (clock_mono_ns() > until && i + 1 < n) {
			print_message("a slow machine: %llu of them\n",
			    (unsigned long long)i + 1);
			n = i + 1;
		}
	}
	assert_int_equal(bad, 0);
	assert_true(deaths > n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_run),
		cmocka_unit_test(what_is_switched_off_does_not_happen),
		cmocka_unit_test(the_kept_image_is_the_stores_own),
		cmocka_unit_test(every_class_creates_and_ends),
		cmocka_unit_test(a_failed_sync_loses_nothing),
		cmocka_unit_test(it_dies_at_every_point),
		cmocka_unit_test(a_late_create_is_adopted),
		cmocka_unit_test(a_restored_database_kills_nothing),
		cmocka_unit_test(no_schedule_breaks_a_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
