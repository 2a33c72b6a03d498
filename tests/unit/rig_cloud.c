/*
 * rig_cloud.c - the imitated clouds of the tests: a world of four, a clock that
 * the test turns, and machines that do what they are told when the test says
 * so: the functions of twin/vm.h are defined here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rig_cloud.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <stdio.h>
#include <string.h>

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

struct rig rig;

/* Fake machines ----------------------------------------------------------- */

bool
vm_create(struct vm_set *s, const struct vm_conf *conf, struct vm **out,
    struct mw_err *err)
{
	(void)s;
	if (rig.create_fails)
		return err_set(err, MW_LIMIT, 0, "no memory");
	*out = rig.last_vm = xcalloc(1, sizeof **out);
	rig.last_vm->slot = conf->slot;
	rig.living++;
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
void
rig_complete(struct vm *vm, enum mw_code code)
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
		rig.living--;
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

static int64_t
fake_clock(void)
{
	return rig.now_ns;
}

int
rig_setup(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct clouds_conf cc = { .slots = 8, .cpus = 2, .host_id = "h" };

	(void)state;
	rig.now_ns = NS_PER_S;
	rig.living = 0;
	rig.create_fails = false;
	clock_fake(fake_clock, fake_clock);
	rig.world = world_parse(world_text, strlen(world_text), &err);
	if (!rig.world)
		return -1;
	rig.faults = faults_new(rig.world, rig.now_ns);
	cc.world = rig.world;
	cc.faults = rig.faults;
	rig.clouds = clouds_new(&cc);
	return 0;
}

int
rig_teardown(void **state)
{
	(void)state;
	clouds_free(rig.clouds);
	faults_free(rig.faults);
	world_free(rig.world);
	clock_fake(NULL, NULL);
	return 0;
}

void
rig_advance_ms(int64_t ms)
{
	rig.now_ns += ms * NS_PER_MS;
	clouds_run(rig.clouds, rig.now_ns);
}

void
rig_add_fault(const char *text)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j = json_loads(text, 0, NULL);
	uint64_t id;

	assert_non_null(j);
	assert_true(faults_add(rig.faults, j, &id, &err));
	json_decref(j);
}

bool
rig_try_create(size_t cloud, const char *token, const char *name,
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
	assert_true(cloud_create_parse(rig.world, cloud, j, &cr, &err));
	json_decref(j);
	faults_draw(rig.faults, cloud, cr.region, "s", FAULT_OP_CREATE,
	    rig.now_ns, &hits);
	ok = cloud_create(rig.clouds, cloud, &cr, &hits, out, cerr);
	cloud_create_clear(&cr);
	return ok;
}

struct cloud_vm *
rig_create(size_t cloud, const char *token, const char *name)
{
	struct cloud_err err;
	struct cloud_vm *v = NULL;

	assert_true(rig_try_create(cloud, token, name, &v, &err));
	return v;
}

bool
rig_act(struct cloud_vm *v, enum native_verb verb, struct cloud_err *err)
{
	struct fault_hits hits = { 0 };

	return cloud_act(rig.clouds, v, verb, &hits, err);
}

/* A VM that runs. */
struct cloud_vm *
rig_running(size_t cloud)
{
	static unsigned n; /* a token that was used names an ended VM */
	struct cloud_vm *v;
	char token[16];

	snprintf(token, sizeof token, "t%u", n++);
	v = rig_create(cloud, token, "n");
	rig_complete(rig.last_vm, MW_OK);
	rig_advance_ms(1000);
	assert_int_equal(v->cls, NATIVE_RUN);
	return v;
}

void
rig_must_act(struct cloud_vm *v, enum native_verb verb)
{
	struct cloud_err err;

	assert_true(rig_act(v, verb, &err));
}

bool
rig_shows_address(const struct cloud_vm *v)
{
	json_t *j = cloud_vm_json(v);
	bool yes = json_is_string(json_object_get(j, "publicIp"));

	json_decref(j);
	return yes;
}

void
rig_end_vm(struct cloud_vm *v)
{
	if (v->vm && v->vm->done)
		rig_complete(v->vm, MW_CANCELED);
	if (v->cls != NATIVE_DELETING && v->cls != NATIVE_GONE)
		rig_must_act(v, NATIVE_TERMINATE);
	if (v->vm)
		rig_complete(v->vm, MW_OK);
}
