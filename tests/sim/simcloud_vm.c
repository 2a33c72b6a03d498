/*
 * simcloud_vm.c - the functions of twin/vm.h and twin/wan.h that the twin's
 * clouds use, without namespaces and processes: a machine does at once what
 * it is told, and says so on the next turn of the loop.
 */
#include "tests/sim/simcloud_int.h"

#include "common/pure/alloc.h"

#include <stdio.h>
#include <stdlib.h>

struct vm_set {
	struct loop *loop;
};

struct vm {
	struct vm_set *set;
	enum vm_state state;
	unsigned slot;
	unsigned boots;
	uint64_t op; /* number of the newest operation */
	bool frozen;
	void *user;
	char boot_id[40];
};

/* Something that a machine was told to do. */
struct op {
	struct vm *vm;
	uint64_t n;
	enum vm_state then;
	vm_done *done;
	void *arg;
};

struct vm_set *
sim_machines_new(struct loop *l)
{
	struct vm_set *s = xcalloc(1, sizeof *s);

	s->loop = l;
	return s;
}

void
sim_machines_free(struct vm_set *s)
{
	free(s);
}

static void
on_op(void *p)
{
	struct op *o = p;
	struct mw_err err = MW_ERR_INIT;

	if (o->n != o->vm->op)
		err_set(&err, MW_CANCELED, 0, "something newer was asked for");
	else
		o->vm->state = o->then;
	if (o->done)
		o->done(o->vm, &err, o->arg);
	if (o->then == VM_GONE)
		free(o->vm);
	free(o);
}

static bool
operate(struct vm *vm, enum vm_state now, enum vm_state then, vm_done *done,
    void *arg)
{
	struct op *o = xcalloc(1, sizeof *o);

	vm->state = now;
	*o = (struct op){
		.vm = vm,
		.n = ++vm->op,
		.then = then,
		.done = done,
		.arg = arg,
	};
	loop_reap(vm->set->loop, on_op, o);
	return true;
}

static void
boot(struct vm *vm)
{
	vm->boots++;
	snprintf(vm->boot_id, sizeof vm->boot_id, "boot-%p-%u", (void *)vm,
	    vm->boots);
}

bool
vm_create(struct vm_set *s, const struct vm_conf *conf, struct vm **out,
    struct mw_err *err)
{
	(void)err;
	*out = xcalloc(1, sizeof **out);
	(*out)->set = s;
	(*out)->slot = conf->slot;
	return true;
}

bool
vm_start(struct vm *vm, vm_done *done, void *arg, struct mw_err *err)
{
	(void)err;
	boot(vm);
	return operate(vm, VM_BOOTING, VM_UP, done, arg);
}

bool
vm_stop(struct vm *vm, vm_done *done, void *arg, struct mw_err *err)
{
	(void)err;
	vm->frozen = false;
	return operate(vm, VM_STOPPING, VM_OFF, done, arg);
}

bool
vm_reboot(struct vm *vm, vm_done *done, void *arg, struct mw_err *err)
{
	(void)err;
	vm->frozen = false;
	boot(vm);
	return operate(vm, VM_BOOTING, VM_UP, done, arg);
}

void
vm_destroy(struct vm *vm, vm_done *done, void *arg)
{
	if (vm->state != VM_GONE)
		operate(vm, VM_GONE, VM_GONE, done, arg);
}

bool
vm_panic(struct vm *vm, struct mw_err *err)
{
	(void)err;
	boot(vm);
	return operate(vm, VM_BOOTING, VM_UP, NULL, NULL);
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

static bool
not_here(struct mw_err *err)
{
	return err_set(err, MW_UNSUPPORTED, 0,
	    "machines of the simulated cloud have no inside");
}

bool
vm_fill_disk(struct vm *vm, struct mw_err *err)
{
	(void)vm;
	return not_here(err);
}

bool
vm_new_host_key(struct vm *vm, struct mw_err *err)
{
	(void)vm;
	return not_here(err);
}

bool
vm_diff(const struct vm *vm, struct str *out, struct mw_err *err)
{
	(void)vm;
	(void)out;
	return not_here(err);
}

void
vm_ssh_fault(struct vm *vm, const struct vm_ssh_fault *fault)
{
	(void)vm;
	(void)fault;
}

enum vm_state
vm_state(const struct vm *vm)
{
	return vm->state;
}

const char *
vm_state_name(enum vm_state st)
{
	static const char *const names[] = {
		[VM_OFF] = "off",
		[VM_BOOTING] = "booting",
		[VM_UP] = "up",
		[VM_STOPPING] = "stopping",
		[VM_GONE] = "gone",
	};

	return names[st];
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
	return 0x0ac80002u + vm->slot; /* 10.200.0.2 and on */
}

uint32_t
vm_private_address(const struct vm *vm)
{
	return 0x0ad00002u + vm->slot; /* 10.208.0.2 and on */
}

const char *
vm_boot_id(const struct vm *vm)
{
	return vm->boot_id;
}

const char *
vm_console(const struct vm *vm)
{
	(void)vm;
	return "";
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

/* The network, of which there is none. */

int32_t
wan_rtt_us(const struct wan *w, size_t site_a, size_t site_b)
{
	(void)w;
	return site_a == site_b ? 0 : -1;
}

void
wan_stats(const struct wan *w, struct wan_stats *out)
{
	(void)w;
	*out = (struct wan_stats){ 0 };
}
