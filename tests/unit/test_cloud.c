/*
 * test_cloud.c - the imitated clouds: native states, verbs, tokens, limits,
 * lists and billing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rig_cloud.h"

/* Tests ------------------------------------------------------------------- */

static void
native_sequences(void **state)
{
	static const struct {
		size_t cloud;
		enum native_verb verb;
		const char *steps[5], *end;
	} rows[] = {
		{ AWS, NATIVE_STOP, { "stopping" }, "stopped" },
		{ AWS, NATIVE_DO_REBOOT, { "running" }, "running" },
		{ GCP, NATIVE_STOP, { "STOPPING" }, "TERMINATED" },
		{ GCP, NATIVE_DO_REBOOT, { "RUNNING" }, "RUNNING" },
		{ GCP, NATIVE_SUSPEND, { "SUSPENDING" }, "SUSPENDED" },
		{ AZURE, NATIVE_STOP, { "PowerState/deallocating" },
		    "PowerState/deallocated" },
		{ AZURE, NATIVE_POWER_OFF, { "PowerState/stopping" },
		    "PowerState/stopped" },
		{ STACK, NATIVE_STOP, { "ACTIVE/powering-off" }, "SHUTOFF" },
		{ STACK, NATIVE_DO_REBOOT, { "REBOOT/rebooting" }, "ACTIVE" },
		{ STACK, NATIVE_SUSPEND, { "ACTIVE/suspending" }, "SUSPENDED" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cloud_vm *v = rig_running(rows[i].cloud);

		rig_must_act(v, rows[i].verb);
		assert_string_equal(v->state, rows[i].steps[0]);
		if (v->vm->done)
			rig_complete(v->vm, MW_OK);
		rig_advance_ms(999);
		assert_string_equal(v->state, rows[i].steps[0]);
		rig_advance_ms(1);
		assert_string_equal(v->state, rows[i].end);
		rig_end_vm(v);
		rig_advance_ms(1000);
	}
	assert_int_equal(rig.living, 0);
}

static void
create_passes_the_native_states(void **state)
{
	static const char *const steps[] = { "BUILD/scheduling",
		"BUILD/networking", "BUILD/block_device_mapping",
		"BUILD/spawning", "ACTIVE" };
	struct cloud_vm *v = rig_create(STACK, "t", "n");

	(void)state;
	rig_complete(rig.last_vm, MW_OK);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		assert_string_equal(v->state, steps[i]);
		assert_int_equal(rig_shows_address(v), i == 4);
		rig_advance_ms(250);
	}
	rig_end_vm(v);
}

static void
running_waits_for_the_machine(void **state)
{
	struct cloud_vm *v = rig_create(AWS, "t", "n");

	(void)state;
	rig_advance_ms(5000);
	assert_string_equal(v->state, "pending");
	assert_false(rig_shows_address(v));
	rig_complete(rig.last_vm, MW_OK);
	assert_string_equal(v->state, "running");
	assert_true(rig_shows_address(v));
	rig_end_vm(v);
}

static void
a_machine_that_fails_fails_the_create(void **state)
{
	struct cloud_vm *v;

	(void)state;
	rig.create_fails = true;
	v = rig_create(STACK, "t", "n");
	rig_advance_ms(1000);
	assert_string_equal(v->state, "ERROR");
	assert_string_equal(v->fault, "no memory");
	rig_must_act(v, NATIVE_TERMINATE);
	rig_advance_ms(1000);
	assert_int_equal(v->cls, NATIVE_GONE);
}

static void
suspend_keeps_memory_where_the_cloud_does(void **state)
{
	struct cloud_vm *v = rig_running(GCP);

	(void)state;
	rig_must_act(v, NATIVE_SUSPEND);
	assert_true(v->vm->frozen);
	rig_advance_ms(1000);
	rig_must_act(v, NATIVE_START);
	assert_string_equal(v->state, "PROVISIONING");
	rig_advance_ms(1000);
	assert_string_equal(v->state, "RUNNING");
	assert_false(v->vm->frozen);
	assert_int_equal(v->vm->boots, 1);
	rig_end_vm(v);
}

static void
terminate_is_legal_while_creating(void **state)
{
	struct cloud_vm *v = rig_create(AWS, "t", "n");

	(void)state;
	rig_end_vm(v); /* the boot is canceled, the machine goes */
	assert_int_equal(rig.living, 0);
	assert_string_equal(v->state, "shutting-down");
	rig_advance_ms(1000);
	assert_string_equal(v->state, "terminated");
	rig_must_act(v, NATIVE_TERMINATE); /* again is fine */
	assert_ptr_equal(cloud_get(rig.clouds, AWS, v->id), v);
	assert_null(clouds_find(rig.clouds, v->id)); /* the truth */
	rig_advance_ms(3600 * 1000);
	assert_null(cloud_get(rig.clouds, AWS, v->id));
}

static void
gone_is_not_found_at_once_elsewhere(void **state)
{
	struct cloud_vm *v = rig_running(GCP);

	(void)state;
	rig_end_vm(v);
	rig_advance_ms(1000);
	assert_null(cloud_get(rig.clouds, GCP, v->id));
}

static void
verbs_in_the_wrong_state_are_busy(void **state)
{
	struct cloud_vm *v = rig_running(STACK), *w;
	struct cloud_err err;

	(void)state;
	rig_must_act(v, NATIVE_STOP);
	assert_false(rig_act(v, NATIVE_START, &err));
	assert_int_equal(err.code, NATIVE_CONFLICT_BUSY);
	assert_false(rig_act(v, NATIVE_STOP, &err)); /* 409 in OpenStack */
	assert_false(rig_act(v, NATIVE_DO_REBOOT, &err));
	w = rig_running(AWS);
	rig_must_act(w, NATIVE_STOP);
	rig_must_act(w, NATIVE_STOP); /* accepted by EC2 */
	assert_int_equal(w->vm->next, VM_OFF);
	rig_end_vm(v);
	rig_end_vm(w);
}

static void
tokens_and_names_make_creates_repeatable(void **state)
{
	struct cloud_vm *v = rig_create(AWS, "t1", "n1"), *w;
	struct cloud_err err;

	(void)state;
	assert_ptr_equal(rig_create(AWS, "t1", "n1"), v);
	assert_false(rig_try_create(AWS, "t1", "n2", &w, &err));
	assert_int_equal(err.code, NATIVE_TOKEN_MISMATCH);
	w = rig_create(AWS, "t2", "n1"); /* names are free in EC2 */
	assert_ptr_not_equal(w, v);
	rig_end_vm(v);
	rig_end_vm(w);

	v = rig_create(AZURE, "t1", "n1");
	assert_ptr_equal(rig_create(AZURE, "t1", "n1"), v);
	assert_false(rig_try_create(AZURE, "t2", "n1", &w, &err));
	assert_int_equal(err.code, NATIVE_CONFLICT_EXISTS);
	rig_end_vm(v);

	v = rig_create(STACK, "t1", "n1"); /* neither: two VMs */
	w = rig_create(STACK, "t1", "n1");
	assert_ptr_not_equal(w, v);
	rig_end_vm(v);
	rig_end_vm(w);
	assert_int_equal(rig.living, 0);
}

static void
quota_counts_the_living(void **state)
{
	struct cloud_vm *v[4], *x;
	struct cloud_err err;
	char t[8] = "t0";

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		t[1] = (char)('0' + i);
		v[i] = rig_create(AWS, t, t);
	}
	assert_false(rig_try_create(AWS, "t9", "t9", &x, &err));
	assert_int_equal(err.code, NATIVE_QUOTA);
	rig_end_vm(v[0]);
	rig_advance_ms(1000);
	x = rig_create(AWS, "t9", "t9");
	for (size_t i = 1; i < 4; i++)
		rig_end_vm(v[i]);
	rig_end_vm(x);
}

static void
rate_limit_refills(void **state)
{
	struct cloud_err err;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(cloud_admit(rig.clouds, AWS, &err));
	assert_false(cloud_admit(rig.clouds, AWS, &err));
	assert_int_equal(err.code, NATIVE_THROTTLED);
	assert_true(err.retry_after_s > 0);
	rig_advance_ms(500);
	assert_true(cloud_admit(rig.clouds, AWS, &err));
	assert_false(cloud_admit(rig.clouds, AWS, &err));
}

static const char *
listed_state(size_t cloud, json_t **keep)
{
	struct cloud_filter f = { .cloud = cloud,
		.region = WORLD_NONE,
		.limit = 10 };
	uint64_t next;

	*keep = cloud_list(rig.clouds, &f, &next);
	return json_string_value(
	    json_object_get(json_array_get(*keep, 0), "nativeState"));
}

static void
a_list_shows_the_past(void **state)
{
	struct cloud_vm *v = rig_create(GCP, "t", "n");
	json_t *list;

	(void)state;
	rig_complete(rig.last_vm, MW_OK);
	assert_null(listed_state(GCP, &list)); /* not yet visible */
	json_decref(list);
	rig_advance_ms(300);
	assert_string_equal(listed_state(GCP, &list), "PROVISIONING");
	json_decref(list);
	rig_advance_ms(400); /* STAGING since 200 ms */
	assert_string_equal(listed_state(GCP, &list), "PROVISIONING");
	assert_string_equal(v->state, "STAGING");
	json_decref(list);
	rig_advance_ms(100);
	assert_string_equal(listed_state(GCP, &list), "STAGING");
	json_decref(list);
	rig_end_vm(v);
}

static void
pages_are_complete(void **state)
{
	struct cloud_filter f = { .cloud = STACK,
		.region = WORLD_NONE,
		.limit = 2 };
	struct cloud_vm *v[5];
	size_t seen = 0, pages = 0;
	uint64_t next;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		v[i] = rig_create(STACK, "t", "n");
	do {
		json_t *list = cloud_list(rig.clouds, &f, &next);

		seen += json_array_size(list);
		pages++;
		f.after_seq = next;
		json_decref(list);
	} while (next);
	assert_int_equal(seen, 5);
	assert_int_equal(pages, 3);
	for (size_t i = 0; i < 5; i++)
		rig_end_vm(v[i]);
}

static void
billing_stops_only_where_it_does(void **state)
{
	struct cloud_vm *v = rig_running(AZURE);

	(void)state;
	rig_must_act(v, NATIVE_POWER_OFF);
	rig_complete(v->vm, MW_OK);
	rig_advance_ms(1000);
	assert_int_equal(cloud_billed_ns(v, rig.now_ns), 2 * NS_PER_S);
	rig_advance_ms(1000); /* stopped, still billed */
	assert_int_equal(cloud_billed_ns(v, rig.now_ns), 3 * NS_PER_S);
	rig_must_act(v, NATIVE_START);
	rig_complete(v->vm, MW_OK);
	rig_advance_ms(1000);
	rig_must_act(v, NATIVE_STOP);
	rig_complete(v->vm, MW_OK);
	rig_advance_ms(1000);
	rig_advance_ms(7000); /* deallocated */
	assert_int_equal(cloud_billed_ns(v, rig.now_ns), 5 * NS_PER_S);
	rig_end_vm(v);
}

static void
power_off_from_inside_is_seen(void **state)
{
	struct cloud_vm *v = rig_running(AWS);

	(void)state;
	v->vm->state = VM_OFF;
	clouds_on_machine(v->vm, VM_EV_POWEROFF);
	assert_string_equal(v->state, "stopped");
	rig_must_act(v, NATIVE_START);
	rig_complete(v->vm, MW_OK);
	rig_advance_ms(1000);
	assert_string_equal(v->state, "running");
	/* a crash after which it boots again is not seen */
	clouds_on_machine(v->vm, VM_EV_CRASH);
	rig_advance_ms(4000);
	assert_string_equal(v->state, "running");
	clouds_on_machine(v->vm, VM_EV_CRASH);
	v->vm->state = VM_OFF;
	rig_advance_ms(4000);
	assert_string_equal(v->state, "stopped");
	rig_end_vm(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(native_sequences),
		TEST(create_passes_the_native_states),
		TEST(running_waits_for_the_machine),
		TEST(a_machine_that_fails_fails_the_create),
		TEST(suspend_keeps_memory_where_the_cloud_does),
		TEST(terminate_is_legal_while_creating),
		TEST(gone_is_not_found_at_once_elsewhere),
		TEST(verbs_in_the_wrong_state_are_busy),
		TEST(tokens_and_names_make_creates_repeatable),
		TEST(quota_counts_the_living),
		TEST(rate_limit_refills),
		TEST(a_list_shows_the_past),
		TEST(pages_are_complete),
		TEST(billing_stops_only_where_it_does),
		TEST(power_off_from_inside_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
