/*
 * test_cloud_fault.c - faults of the imitated clouds: what they do to creates,
 * sight and life of VMs, and which of them are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rig_cloud.h"

static void
accepted_then_failed(void **state)
{
	struct cloud_vm *v;

	(void)state;
	rig_add_fault("{\"kind\":\"acceptedThenFailed\",\"count\":2,"
		      "\"params\":{\"text\":\"No valid host was found.\"}}");
	v = rig_create(STACK, "t", "n");
	assert_string_equal(v->state, "BUILD/scheduling");
	rig_advance_ms(1000);
	assert_string_equal(v->state, "ERROR");
	assert_string_equal(v->fault, "No valid host was found.");
	assert_null(v->vm);
	rig_end_vm(v);
	v = rig_create(GCP, "t", "n"); /* has no such state */
	rig_advance_ms(1000);
	assert_null(cloud_get(rig.clouds, GCP, v->id));
	v = rig_running(AWS); /* the fault is spent */
	rig_end_vm(v);
}

static void
stuck_stays_until_terminated(void **state)
{
	struct cloud_vm *v;

	(void)state;
	rig_add_fault("{\"kind\":\"stuck\",\"op\":\"create\",\"count\":1}");
	v = rig_create(GCP, "t", "n");
	rig_complete(rig.last_vm, MW_OK);
	rig_advance_ms(100000);
	assert_string_equal(v->state, "STAGING");
	rig_end_vm(v);
	rig_advance_ms(1000);
	assert_int_equal(v->cls, NATIVE_GONE);
}

static void
faults_of_sight_and_life(void **state)
{
	struct cloud_vm *v;

	(void)state;
	rig_add_fault("{\"kind\":\"staleNotFound\",\"op\":\"create\","
		      "\"count\":1,\"params\":{\"forS\":2}}");
	rig_add_fault("{\"kind\":\"lateIp\",\"count\":1,"
		      "\"params\":{\"forS\":3}}");
	rig_add_fault("{\"kind\":\"sshRefuse\",\"count\":1,"
		      "\"params\":{\"forS\":4}}");
	rig_add_fault("{\"kind\":\"vanish\",\"count\":1,"
		      "\"params\":{\"afterS\":5}}");
	v = rig_create(AWS, "t", "n");
	rig_complete(rig.last_vm, MW_OK);
	rig_advance_ms(1500);
	assert_null(cloud_get(rig.clouds, AWS, v->id));
	assert_string_equal(v->state, "running");
	rig_advance_ms(1000);
	assert_non_null(cloud_get(rig.clouds, AWS, v->id));
	assert_false(rig_shows_address(v));
	assert_true(v->vm->ssh.refuse);
	rig_advance_ms(1000);
	assert_true(rig_shows_address(v));
	rig_advance_ms(1000);
	assert_false(v->vm->ssh.refuse);
	rig_advance_ms(1000);
	assert_null(cloud_get(rig.clouds, AWS, v->id));
	assert_true(v->vanished);
	rig_complete(v->vm, MW_OK);
	assert_int_equal(rig.living, 0);
}

static void
a_terminate_may_be_ignored(void **state)
{
	struct cloud_vm *v = rig_running(AWS);
	struct fault_hits hits;
	struct cloud_err err;

	(void)state;
	rig_add_fault("{\"kind\":\"terminateIgnored\",\"count\":1}");
	for (int i = 0; i < 2; i++) {
		faults_draw(rig.faults, AWS, 0, "s", FAULT_OP_TERMINATE,
		    rig.now_ns, &hits);
		assert_true(
		    cloud_act(rig.clouds, v, NATIVE_TERMINATE, &hits, &err));
		assert_string_equal(v->state, i ? "shutting-down" : "running");
	}
	rig_complete(v->vm, MW_OK);
}

static void
draws_depend_on_the_call_number_only(void **state)
{
	unsigned first = 0, second = 0;
	struct fault_hits hits;
	struct faults *other = faults_new(rig.world, rig.now_ns);
	json_t *j = json_pack("{s:s,s:f}", "kind", "throttle", "p", 0.5);
	struct mw_err err = MW_ERR_INIT;
	uint64_t id;

	(void)state;
	assert_true(faults_add(rig.faults, j, &id, &err));
	assert_true(faults_add(other, j, &id, &err));
	json_decref(j);
	for (unsigned i = 0; i < 32; i++) {
		faults_draw(rig.faults, AWS, 0, NULL, FAULT_OP_LIST, rig.now_ns,
		    &hits);
		first |= (unsigned)hits.on[FAULT_THROTTLE] << i;
	}
	for (unsigned i = 0; i < 32; i++) {
		/* calls of another cloud in between change nothing */
		faults_draw(other, GCP, 0, NULL, FAULT_OP_LIST, rig.now_ns,
		    &hits);
		faults_draw(other, AWS, 0, NULL, FAULT_OP_LIST, rig.now_ns,
		    &hits);
		second |= (unsigned)hits.on[FAULT_THROTTLE] << i;
	}
	assert_int_equal(first, second);
	assert_int_not_equal(first, 0);
	assert_int_not_equal(first, 0xffffffffu);
	assert_int_equal(faults_calls(rig.faults, AWS, FAULT_OP_LIST), 32);
	faults_free(other);
}

static void
faults_are_checked(void **state)
{
	static const struct {
		const char *text, *pointer;
	} rows[] = {
		{ "{\"kind\":\"nonsense\"}", "/kind" },
		{ "{\"kind\":\"throttle\",\"op\":\"x\"}", "/op" },
		{ "{\"kind\":\"stuck\",\"op\":\"get\"}", "/op" },
		{ "{\"kind\":\"stuck\",\"cloud\":\"x\"}", "/cloud" },
		{ "{\"kind\":\"stuck\",\"p\":2}", "/p" },
		{ "{\"kind\":\"stuck\",\"params\":{\"x\":1}}", "/params/x" },
		{ "{\"kind\":\"stuck\",\"x\":1}", "/x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mw_err err = MW_ERR_INIT;
		json_t *j = json_loads(rows[i].text, 0, NULL);
		uint64_t id;

		assert_false(faults_add(rig.faults, j, &id, &err));
		assert_string_equal(err.pointer, rows[i].pointer);
		json_decref(j);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(accepted_then_failed),
		TEST(stuck_stays_until_terminated),
		TEST(faults_of_sight_and_life),
		TEST(a_terminate_may_be_ignored),
		TEST(draws_depend_on_the_call_number_only),
		TEST(faults_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
