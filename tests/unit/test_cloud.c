/*
 * test_cloud.c - the imitated clouds with a fake clock and fake machines: the
 * functions of vm.h are defined here. A machine does what it is told when the
 * test says so.
 */
#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "twin/cloud.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* Fake machines ----------------------------------------------------------- */

struct vm {
	enum vm_state state, next;
	unsigned slot;
	bool frozen;
	void *user;
	vm_done *done;
	void *arg;
	struct vm_ssh_fault ssh;
	unsigned boots;
	char boot_id[16];
};

static struct vm *last_vm; /* the newest */
static size_t living;
static bool create_fails;

bool
vm_create(struct vm_set *s, const struct vm_conf *conf, struct vm **out,
    struct mw_err *err)
{
	(void)s;
	if (create_fails)
		return err_set(err, MW_LIMIT, 0, "no memory");
	*out = last_vm = xcalloc(1, sizeof **out);
	last_vm->slot = conf->slot;
	living++;
	return true;
}

static bool
operate(struct vm *vm, enum vm_state now, enum vm_state next, vm_done *done,
    void *arg)
{
	vm->state = now;
	vm->next = next;
	vm->done = done;
	vm->arg = arg;
	return true;
}

bool
vm_start(struct vm *vm, vm_done *done, void *arg, struct mw_err *err)
{
	(void)err;
	vm->boots++;
	return operate(vm, VM_BOOTING, VM_UP, done, arg);
}

bool
vm_stop(struct vm *vm, vm_done *done, void *arg, struct mw_err *err)
{
	(void)err;
	return operate(vm, VM_STOPPING, VM_OFF, done, arg);
}

bool
vm_reboot(struct vm *vm, vm_done *done, void *arg, struct mw_err *err)
{
	(void)err;
	vm->boots++;
	return operate(vm, VM_BOOTING, VM_UP, done, arg);
}

void
vm_destroy(struct vm *vm, vm_done *done, void *arg)
{
	operate(vm, VM_GONE, VM_GONE, done, arg);
}

/* What the machine was told is done, well or not. */
static void
complete(struct vm *vm, enum mw_code code)
{
	struct mw_err err = MW_ERR_INIT;
	vm_done *done = vm->done;

	assert_non_null(done);
	vm->done = NULL;
	if (code == MW_OK)
		vm->state = vm->next;
	else
		err_set(&err, code, 0, "it broke");
	done(vm, &err, vm->arg);
	if (vm->next == VM_GONE) {
		living--;
		free(vm);
	}
}

bool
vm_freeze(struct vm *vm, struct mw_err *err)
{
	(void)err;
	return vm->frozen = true;
}

bool
vm_thaw(struct vm *vm, struct mw_err *err)
{
	(void)err;
	vm->frozen = false;
	return true;
}

bool
vm_fill_disk(struct vm *vm, struct mw_err *err)
{
	(void)vm;
	(void)err;
	return true;
}

bool
vm_new_host_key(struct vm *vm, struct mw_err *err)
{
	(void)vm;
	(void)err;
	return true;
}

void
vm_ssh_fault(struct vm *vm, const struct vm_ssh_fault *fault)
{
	vm->ssh = *fault;
}

enum vm_state
vm_state(const struct vm *vm)
{
	return vm->state;
}

const char *
vm_state_name(enum vm_state st)
{
	return st == VM_UP ? "up" : "off";
}

bool
vm_frozen(const struct vm *vm)
{
	return vm->frozen;
}

unsigned
vm_slot(const struct vm *vm)
{
	return vm->slot;
}

uint32_t
vm_address(const struct vm *vm)
{
	return 0x0ac80002u + vm->slot;
}

uint32_t
vm_private_address(const struct vm *vm)
{
	return 0x0ac90002u + vm->slot;
}

const char *
vm_boot_id(const struct vm *vm)
{
	return vm->boots ? "boot" : "";
}

void *
vm_user(const struct vm *vm)
{
	return vm->user;
}

void
vm_set_user(struct vm *vm, void *user)
{
	vm->user = user;
}

/* World and clock --------------------------------------------------------- */

#define CLOUD(id, csp, caps, more)                                         \
	"{\"id\":\"" id "\",\"csp\":\"" csp "\",\"regions\":[{\"id\":"     \
	"\"r1\",\"lat\":1,\"lon\":2}],\"specs\":[{\"id\":\"s\","           \
	"\"vcpu\":2,\"memoryMiB\":2048}],\"images\":[{\"id\":\"d\","       \
	"\"user\":\"cb-user\"}],\"latenciesMs\":{\"create\":[1000,1000],"  \
	"\"stop\":[1000,1000],\"start\":[1000,1000],"                      \
	"\"reboot\":[1000,1000],\"terminate\":[1000,1000]},\"caps\":" caps \
	    more "}"
static const char world_text[] = "{\"name\":\"w\",\"clouds\":[" CLOUD("aws",
    "aws", "[\"IDEM_TOKEN\"]",
    ",\"quotas\":{\"vms\":4},\"api\":{\"ratePerS\":2,\"burst\":3}") "," CLOUD("gcp",
    "gcp", "[\"IDEM_TOKEN\",\"UNIQUE_NAME\"]",
    ",\"api\":{\"listLagMs\":300}") "," CLOUD("azure", "azure",
    "[\"UNIQUE_NAME\"]", "") "," CLOUD("stack", "openstack", "[]",
    "") "],\"rttModel\":{\"kind\":\"distance\"}}";
enum {
	AWS,
	GCP,
	AZURE,
	STACK
};

static int64_t now_ns;
static struct world *world;
static struct faults *faults;
static struct clouds *clouds;

static int64_t
fake_clock(void)
{
	return now_ns;
}

static int
setup(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct clouds_conf cc = { .slots = 8, .cpus = 2, .host_id = "h" };

	(void)state;
	now_ns = NS_PER_S;
	living = 0;
	create_fails = false;
	clock_fake(fake_clock, fake_clock);
	world = world_parse(world_text, strlen(world_text), &err);
	if (!world)
		return -1;
	faults = faults_new(world, now_ns);
	cc.world = world;
	cc.faults = faults;
	clouds = clouds_new(&cc);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	clouds_free(clouds);
	faults_free(faults);
	world_free(world);
	clock_fake(NULL, NULL);
	return 0;
}

static void
advance_ms(int64_t ms)
{
	now_ns += ms * NS_PER_MS;
	clouds_run(clouds, now_ns);
}

static void
add_fault(const char *text)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j = json_loads(text, 0, NULL);
	uint64_t id;

	assert_non_null(j);
	assert_true(faults_add(faults, j, &id, &err));
	json_decref(j);
}

static bool
try_create(size_t cloud, const char *token, const char *name,
    struct cloud_vm **out, struct cloud_err *cerr)
{
	struct mw_err err = MW_ERR_INIT;
	struct cloud_create cr;
	struct fault_hits hits;
	json_t *j = json_object();
	bool ok;

	json_put_str(j, "token", token);
	json_put_str(j, "name", name);
	json_put_str(j, "region", "r1");
	json_put_str(j, "spec", "s");
	assert_true(cloud_create_parse(world, cloud, j, &cr, &err));
	json_decref(j);
	faults_draw(faults, cloud, cr.region, "s", FAULT_OP_CREATE, now_ns,
	    &hits);
	ok = cloud_create(clouds, cloud, &cr, &hits, out, cerr);
	cloud_create_clear(&cr);
	return ok;
}

static struct cloud_vm *
create(size_t cloud, const char *token, const char *name)
{
	struct cloud_err err;
	struct cloud_vm *v = NULL;

	assert_true(try_create(cloud, token, name, &v, &err));
	return v;
}

static bool
act(struct cloud_vm *v, enum native_verb verb, struct cloud_err *err)
{
	struct fault_hits hits = { 0 };

	return cloud_act(clouds, v, verb, &hits, err);
}

/* A VM that runs. */
static struct cloud_vm *
running(size_t cloud)
{
	static unsigned n; /* a token that was used names an ended VM */
	struct cloud_vm *v;
	char token[16];

	snprintf(token, sizeof token, "t%u", n++);
	v = create(cloud, token, "n");
	complete(last_vm, MW_OK);
	advance_ms(1000);
	assert_int_equal(v->cls, NATIVE_RUN);
	return v;
}

static void
must_act(struct cloud_vm *v, enum native_verb verb)
{
	struct cloud_err err;

	assert_true(act(v, verb, &err));
}

static bool
shows_address(const struct cloud_vm *v)
{
	json_t *j = cloud_vm_json(v);
	bool yes = json_is_string(json_object_get(j, "publicIp"));

	json_decref(j);
	return yes;
}

static void
end_vm(struct cloud_vm *v)
{
	if (v->vm && v->vm->done)
		complete(v->vm, MW_CANCELED);
	if (v->cls != NATIVE_DELETING && v->cls != NATIVE_GONE)
		must_act(v, NATIVE_TERMINATE);
	if (v->vm)
		complete(v->vm, MW_OK);
}

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
		struct cloud_vm *v = running(rows[i].cloud);

		must_act(v, rows[i].verb);
		assert_string_equal(v->state, rows[i].steps[0]);
		if (v->vm->done)
			complete(v->vm, MW_OK);
		advance_ms(999);
		assert_string_equal(v->state, rows[i].steps[0]);
		advance_ms(1);
		assert_string_equal(v->state, rows[i].end);
		end_vm(v);
		advance_ms(1000);
	}
	assert_int_equal(living, 0);
}

static void
create_passes_the_native_states(void **state)
{
	static const char *const steps[] = { "BUILD/scheduling",
		"BUILD/networking", "BUILD/block_device_mapping",
		"BUILD/spawning", "ACTIVE" };
	struct cloud_vm *v = create(STACK, "t", "n");

	(void)state;
	complete(last_vm, MW_OK);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		assert_string_equal(v->state, steps[i]);
		assert_int_equal(shows_address(v), i == 4);
		advance_ms(250);
	}
	end_vm(v);
}

static void
running_waits_for_the_machine(void **state)
{
	struct cloud_vm *v = create(AWS, "t", "n");

	(void)state;
	advance_ms(5000);
	assert_string_equal(v->state, "pending");
	assert_false(shows_address(v));
	complete(last_vm, MW_OK);
	assert_string_equal(v->state, "running");
	assert_true(shows_address(v));
	end_vm(v);
}

static void
a_machine_that_fails_fails_the_create(void **state)
{
	struct cloud_vm *v;

	(void)state;
	create_fails = true;
	v = create(STACK, "t", "n");
	advance_ms(1000);
	assert_string_equal(v->state, "ERROR");
	assert_string_equal(v->fault, "no memory");
	must_act(v, NATIVE_TERMINATE);
	advance_ms(1000);
	assert_int_equal(v->cls, NATIVE_GONE);
}

static void
suspend_keeps_memory_where_the_cloud_does(void **state)
{
	struct cloud_vm *v = running(GCP);

	(void)state;
	must_act(v, NATIVE_SUSPEND);
	assert_true(v->vm->frozen);
	advance_ms(1000);
	must_act(v, NATIVE_START);
	assert_string_equal(v->state, "PROVISIONING");
	advance_ms(1000);
	assert_string_equal(v->state, "RUNNING");
	assert_false(v->vm->frozen);
	assert_int_equal(v->vm->boots, 1);
	end_vm(v);
}

static void
terminate_is_legal_while_creating(void **state)
{
	struct cloud_vm *v = create(AWS, "t", "n");

	(void)state;
	end_vm(v); /* the boot is canceled, the machine goes */
	assert_int_equal(living, 0);
	assert_string_equal(v->state, "shutting-down");
	advance_ms(1000);
	assert_string_equal(v->state, "terminated");
	must_act(v, NATIVE_TERMINATE); /* again is fine */
	assert_ptr_equal(cloud_get(clouds, AWS, v->id), v);
	assert_null(clouds_find(clouds, v->id)); /* the truth */
	advance_ms(3600 * 1000);
	assert_null(cloud_get(clouds, AWS, v->id));
}

static void
gone_is_not_found_at_once_elsewhere(void **state)
{
	struct cloud_vm *v = running(GCP);

	(void)state;
	end_vm(v);
	advance_ms(1000);
	assert_null(cloud_get(clouds, GCP, v->id));
}

static void
verbs_in_the_wrong_state_are_busy(void **state)
{
	struct cloud_vm *v = running(STACK), *w;
	struct cloud_err err;

	(void)state;
	must_act(v, NATIVE_STOP);
	assert_false(act(v, NATIVE_START, &err));
	assert_int_equal(err.code, NATIVE_CONFLICT_BUSY);
	assert_false(act(v, NATIVE_STOP, &err)); /* 409 in OpenStack */
	assert_false(act(v, NATIVE_DO_REBOOT, &err));
	w = running(AWS);
	must_act(w, NATIVE_STOP);
	must_act(w, NATIVE_STOP); /* accepted by EC2 */
	assert_int_equal(w->vm->next, VM_OFF);
	end_vm(v);
	end_vm(w);
}

static void
tokens_and_names_make_creates_repeatable(void **state)
{
	struct cloud_vm *v = create(AWS, "t1", "n1"), *w;
	struct cloud_err err;

	(void)state;
	assert_ptr_equal(create(AWS, "t1", "n1"), v);
	assert_false(try_create(AWS, "t1", "n2", &w, &err));
	assert_int_equal(err.code, NATIVE_TOKEN_MISMATCH);
	w = create(AWS, "t2", "n1"); /* names are free in EC2 */
	assert_ptr_not_equal(w, v);
	end_vm(v);
	end_vm(w);

	v = create(AZURE, "t1", "n1");
	assert_ptr_equal(create(AZURE, "t1", "n1"), v);
	assert_false(try_create(AZURE, "t2", "n1", &w, &err));
	assert_int_equal(err.code, NATIVE_CONFLICT_EXISTS);
	end_vm(v);

	v = create(STACK, "t1", "n1"); /* neither: two VMs */
	w = create(STACK, "t1", "n1");
	assert_ptr_not_equal(w, v);
	end_vm(v);
	end_vm(w);
	assert_int_equal(living, 0);
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
		v[i] = create(AWS, t, t);
	}
	assert_false(try_create(AWS, "t9", "t9", &x, &err));
	assert_int_equal(err.code, NATIVE_QUOTA);
	end_vm(v[0]);
	advance_ms(1000);
	x = create(AWS, "t9", "t9");
	for (size_t i = 1; i < 4; i++)
		end_vm(v[i]);
	end_vm(x);
}

static void
rate_limit_refills(void **state)
{
	struct cloud_err err;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(cloud_admit(clouds, AWS, &err));
	assert_false(cloud_admit(clouds, AWS, &err));
	assert_int_equal(err.code, NATIVE_THROTTLED);
	assert_true(err.retry_after_s > 0);
	advance_ms(500);
	assert_true(cloud_admit(clouds, AWS, &err));
	assert_false(cloud_admit(clouds, AWS, &err));
}

static const char *
listed_state(size_t cloud, json_t **keep)
{
	struct cloud_filter f = { .cloud = cloud,
		.region = WORLD_NONE,
		.limit = 10 };
	uint64_t next;

	*keep = cloud_list(clouds, &f, &next);
	return json_string_value(
	    json_object_get(json_array_get(*keep, 0), "nativeState"));
}

static void
a_list_shows_the_past(void **state)
{
	struct cloud_vm *v = create(GCP, "t", "n");
	json_t *list;

	(void)state;
	complete(last_vm, MW_OK);
	assert_null(listed_state(GCP, &list)); /* not yet visible */
	json_decref(list);
	advance_ms(300);
	assert_string_equal(listed_state(GCP, &list), "PROVISIONING");
	json_decref(list);
	advance_ms(400); /* STAGING since 200 ms */
	assert_string_equal(listed_state(GCP, &list), "PROVISIONING");
	assert_string_equal(v->state, "STAGING");
	json_decref(list);
	advance_ms(100);
	assert_string_equal(listed_state(GCP, &list), "STAGING");
	json_decref(list);
	end_vm(v);
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
		v[i] = create(STACK, "t", "n");
	do {
		json_t *list = cloud_list(clouds, &f, &next);

		seen += json_array_size(list);
		pages++;
		f.after_seq = next;
		json_decref(list);
	} while (next);
	assert_int_equal(seen, 5);
	assert_int_equal(pages, 3);
	for (size_t i = 0; i < 5; i++)
		end_vm(v[i]);
}

static void
billing_stops_only_where_it_does(void **state)
{
	struct cloud_vm *v = running(AZURE);

	(void)state;
	must_act(v, NATIVE_POWER_OFF);
	complete(v->vm, MW_OK);
	advance_ms(1000);
	assert_int_equal(cloud_billed_ns(v, now_ns), 2 * NS_PER_S);
	advance_ms(1000); /* stopped, still billed */
	assert_int_equal(cloud_billed_ns(v, now_ns), 3 * NS_PER_S);
	must_act(v, NATIVE_START);
	complete(v->vm, MW_OK);
	advance_ms(1000);
	must_act(v, NATIVE_STOP);
	complete(v->vm, MW_OK);
	advance_ms(1000);
	advance_ms(7000); /* deallocated */
	assert_int_equal(cloud_billed_ns(v, now_ns), 5 * NS_PER_S);
	end_vm(v);
}

static void
power_off_from_inside_is_seen(void **state)
{
	struct cloud_vm *v = running(AWS);

	(void)state;
	v->vm->state = VM_OFF;
	clouds_on_machine(v->vm, VM_EV_POWEROFF);
	assert_string_equal(v->state, "stopped");
	must_act(v, NATIVE_START);
	complete(v->vm, MW_OK);
	advance_ms(1000);
	assert_string_equal(v->state, "running");
	/* a crash after which it boots again is not seen */
	clouds_on_machine(v->vm, VM_EV_CRASH);
	advance_ms(4000);
	assert_string_equal(v->state, "running");
	clouds_on_machine(v->vm, VM_EV_CRASH);
	v->vm->state = VM_OFF;
	advance_ms(4000);
	assert_string_equal(v->state, "stopped");
	end_vm(v);
}

static void
accepted_then_failed(void **state)
{
	struct cloud_vm *v;

	(void)state;
	add_fault("{\"kind\":\"acceptedThenFailed\",\"count\":2,"
		  "\"params\":{\"text\":\"No valid host was found.\"}}");
	v = create(STACK, "t", "n");
	assert_string_equal(v->state, "BUILD/scheduling");
	advance_ms(1000);
	assert_string_equal(v->state, "ERROR");
	assert_string_equal(v->fault, "No valid host was found.");
	assert_null(v->vm);
	end_vm(v);
	v = create(GCP, "t", "n"); /* has no such state */
	advance_ms(1000);
	assert_null(cloud_get(clouds, GCP, v->id));
	v = running(AWS); /* the fault is spent */
	end_vm(v);
}

static void
stuck_stays_until_terminated(void **state)
{
	struct cloud_vm *v;

	(void)state;
	add_fault("{\"kind\":\"stuck\",\"op\":\"create\",\"count\":1}");
	v = create(GCP, "t", "n");
	complete(last_vm, MW_OK);
	advance_ms(100000);
	assert_string_equal(v->state, "STAGING");
	end_vm(v);
	advance_ms(1000);
	assert_int_equal(v->cls, NATIVE_GONE);
}

static void
faults_of_sight_and_life(void **state)
{
	struct cloud_vm *v;

	(void)state;
	add_fault("{\"kind\":\"staleNotFound\",\"op\":\"create\","
		  "\"count\":1,\"params\":{\"forS\":2}}");
	add_fault("{\"kind\":\"lateIp\",\"count\":1,"
		  "\"params\":{\"forS\":3}}");
	add_fault("{\"kind\":\"sshRefuse\",\"count\":1,"
		  "\"params\":{\"forS\":4}}");
	add_fault("{\"kind\":\"vanish\",\"count\":1,"
		  "\"params\":{\"afterS\":5}}");
	v = create(AWS, "t", "n");
	complete(last_vm, MW_OK);
	advance_ms(1500);
	assert_null(cloud_get(clouds, AWS, v->id));
	assert_string_equal(v->state, "running");
	advance_ms(1000);
	assert_non_null(cloud_get(clouds, AWS, v->id));
	assert_false(shows_address(v));
	assert_true(v->vm->ssh.refuse);
	advance_ms(1000);
	assert_true(shows_address(v));
	advance_ms(1000);
	assert_false(v->vm->ssh.refuse);
	advance_ms(1000);
	assert_null(cloud_get(clouds, AWS, v->id));
	assert_true(v->vanished);
	complete(v->vm, MW_OK);
	assert_int_equal(living, 0);
}

static void
a_terminate_may_be_ignored(void **state)
{
	struct cloud_vm *v = running(AWS);
	struct fault_hits hits;
	struct cloud_err err;

	(void)state;
	add_fault("{\"kind\":\"terminateIgnored\",\"count\":1}");
	for (int i = 0; i < 2; i++) {
		faults_draw(faults, AWS, 0, "s", FAULT_OP_TERMINATE, now_ns,
		    &hits);
		assert_true(
		    cloud_act(clouds, v, NATIVE_TERMINATE, &hits, &err));
		assert_string_equal(v->state, i ? "shutting-down" : "running");
	}
	complete(v->vm, MW_OK);
}

static void
draws_depend_on_the_call_number_only(void **state)
{
	unsigned first = 0, second = 0;
	struct fault_hits hits;
	struct faults *other = faults_new(world, now_ns);
	json_t *j = json_pack("{s:s,s:f}", "kind", "throttle", "p", 0.5);
	struct mw_err err = MW_ERR_INIT;
	uint64_t id;

	(void)state;
	assert_true(faults_add(faults, j, &id, &err));
	assert_true(faults_add(other, j, &id, &err));
	json_decref(j);
	for (unsigned i = 0; i < 32; i++) {
		faults_draw(faults, AWS, 0, NULL, FAULT_OP_LIST, now_ns, &hits);
		first |= (unsigned)hits.on[FAULT_THROTTLE] << i;
	}
	for (unsigned i = 0; i < 32; i++) {
		/* calls of another cloud in between change nothing */
		faults_draw(other, GCP, 0, NULL, FAULT_OP_LIST, now_ns, &hits);
		faults_draw(other, AWS, 0, NULL, FAULT_OP_LIST, now_ns, &hits);
		second |= (unsigned)hits.on[FAULT_THROTTLE] << i;
	}
	assert_int_equal(first, second);
	assert_int_not_equal(first, 0);
	assert_int_not_equal(first, 0xffffffffu);
	assert_int_equal(faults_calls(faults, AWS, FAULT_OP_LIST), 32);
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

		assert_false(faults_add(faults, j, &id, &err));
		assert_string_equal(err.pointer, rows[i].pointer);
		json_decref(j);
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
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
		TEST(accepted_then_failed),
		TEST(stuck_stays_until_terminated),
		TEST(faults_of_sight_and_life),
		TEST(a_terminate_may_be_ignored),
		TEST(draws_depend_on_the_call_number_only),
		TEST(faults_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
