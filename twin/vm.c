/*
 * vm.c - verbs and states of one VM (vm.h). Every change of vm->state is made
 * by vm_move(); every end of an operation goes through finish(), which calls
 * back on a later turn of the loop.
 */
#include "twin/vm_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "twin/vm_key.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_NS (10 * NS_PER_S)
#define CONSOLE_MAX 65536
#define CONSOLE_KEEP 49152

enum cause { /* why init ended */
	BY_ITSELF, /* power-off from inside, or asked for */
	REBOOT,
	CRASH,
};

struct vm_call { /* a done callback on its way */
	struct vm_call *next;
	struct vm_set *set; /* NULL: the set is gone, nobody is called */
	struct vm *vm;
	vm_done *done;
	void *arg;
	struct mw_err err;
	bool free_vm;
};

static const char *const state_names[] = {
	[VM_OFF] = "off",
	[VM_BOOTING] = "booting",
	[VM_UP] = "up",
	[VM_STOPPING] = "stopping",
	[VM_GONE] = "gone",
};

static void vm_move(struct vm *vm, enum vm_state to);
static bool refuse(const struct vm *vm, const char *verb, struct mw_err *err);
static void op_begin(struct vm *vm, enum vm_op op, vm_done *done, void *arg);
static void finish(struct vm *vm, const struct mw_err *err);
static void call_later(struct vm *vm, vm_done *done, void *arg,
    const struct mw_err *err, bool free_vm);
static void call_now(void *p);
static void shut_down(struct vm *vm);
static void went_down(struct vm *vm, enum cause why);
static void booted(struct vm *vm);
static void boot_failed(struct vm *vm, const struct mw_err *err);
static void boot_again(struct vm *vm);
static void destroy_end(struct vm *vm);
static void console_line(struct vm *vm, const char *fmt, ...) mw_printf(2, 3);
static void console_key(struct vm *vm);
static const char *console_last(const struct vm *vm, size_t *n);
static bool frame_send(struct vm *vm, const struct vm_boot_frame *f);
static void event_tell(struct vm *vm, enum vm_event ev);

bool
vm_start(struct vm *vm, vm_done *done, void *arg, struct mw_err *err)
{
	if (vm->state != VM_OFF)
		return refuse(vm, "start", err);
	if (!vm_boot(vm, err))
		return err_wrap(err, "vm %s", vm->name);
	op_begin(vm, VM_OP_START, done, arg);
	vm_move(vm, VM_BOOTING);
	return true;
}

bool
vm_stop(struct vm *vm, vm_done *done, void *arg, struct mw_err *err)
{
	struct mw_err cut = { .code = MW_CANCELED };
	bool booting = vm->state == VM_BOOTING;

	if (vm->state != VM_UP && !booting)
		return refuse(vm, "stop", err);
	str_copy(cut.msg, sizeof cut.msg, "the VM was stopped");
	finish(vm, &cut);
	op_begin(vm, VM_OP_STOP, done, arg);
	vm_move(vm, VM_STOPPING);
	if (booting)
		vm_kill(vm); /* init does not listen yet */
	else
		shut_down(vm);
	return true;
}

bool
vm_reboot(struct vm *vm, vm_done *done, void *arg, struct mw_err *err)
{
	if (vm->state != VM_UP)
		return refuse(vm, "reboot", err);
	op_begin(vm, VM_OP_REBOOT, done, arg);
	vm_move(vm, VM_STOPPING);
	shut_down(vm);
	return true;
}

void
vm_destroy(struct vm *vm, vm_done *done, void *arg)
{
	struct mw_err cut = { .code = MW_CANCELED }, ok = MW_ERR_INIT;
	bool off = vm->state == VM_OFF;

	if (vm->state == VM_GONE) {
		call_later(vm, done, arg, &ok, false);
		return;
	}
	str_copy(cut.msg, sizeof cut.msg, "the VM was destroyed");
	finish(vm, &cut);
	vm->destroyed = done;
	vm->destroyed_arg = arg;
	vm_move(vm, VM_GONE);
	if (off) {
		destroy_end(vm);
		return;
	}
	wan_host_partition(vm->set->conf.wan, vm->slot, true);
	vm_kill(vm);
}

bool
vm_panic(struct vm *vm, struct mw_err *err)
{
	if (vm->state != VM_UP && vm->state != VM_BOOTING)
		return refuse(vm, "panic", err);
	/* first, so that no FIN escapes */
	wan_host_partition(vm->set->conf.wan, vm->slot, true);
	vm->panicked = true;
	console_line(vm, "Kernel panic - not syncing: asked for by the lab");
	vm_kill(vm);
	return true;
}

bool
vm_freeze(struct vm *vm, struct mw_err *err)
{
	struct vm_set *s = vm->set;

	if (vm->state != VM_UP)
		return refuse(vm, "freeze", err);
	if (!s->groups ||
	    !cgroup_v2_write(&s->trees, s->run, vm->leaf, "cgroup.freeze", "1"))
		return err_set(err, MW_UNSUPPORTED, errno,
		    "this machine cannot freeze VMs: no cgroup v2 tree");
	/* the kernel of a frozen VM would still answer pings */
	wan_host_partition(s->conf.wan, vm->slot, true);
	vm->frozen = true;
	return true;
}

bool
vm_thaw(struct vm *vm, struct mw_err *err)
{
	struct vm_set *s = vm->set;

	if (!vm->frozen)
		return refuse(vm, "thaw", err);
	if (!cgroup_v2_write(&s->trees, s->run, vm->leaf, "cgroup.freeze", "0"))
		return err_set(err, MW_INTERNAL, errno, "thaw: %s",
		    strerror(errno));
	wan_host_partition(s->conf.wan, vm->slot, false);
	vm->frozen = false;
	return true;
}

bool
vm_fill_disk(struct vm *vm, struct mw_err *err)
{
	if (!vm->made)
		return refuse(vm, "fill the disk of", err);
	if (!vm->set->tmpfs)
		return err_set(err, MW_UNSUPPORTED, 0,
		    "the disks are directories without a size limit");
	return root_disk_fill(vm->dir, err);
}

bool
vm_new_host_key(struct vm *vm, struct mw_err *err)
{
	struct vm_boot_frame f = { .type = VM_BOOT_HOST_KEY };
	size_t n;

	if (vm->state == VM_GONE)
		return refuse(vm, "change the key of", err);
	if (!vm_set_key(vm, NULL, err))
		return false;
	n = strlen(vm->host_key) + 1;
	if (n + vm->key_line.len >= sizeof f.text)
		return err_set(err, MW_INTERNAL, 0, "host key too long");
	memcpy(f.text, vm->host_key, n);
	memcpy(f.text + n, vm->key_line.p, vm->key_line.len);
	f.len = (uint32_t)(n + vm->key_line.len);
	if (vm->sock >= 0)
		frame_send(vm, &f);
	console_key(vm);
	return true;
}

bool
vm_set_address(struct vm *vm, uint32_t address, struct mw_err *err)
{
	if (vm->state != VM_OFF)
		return refuse(vm, "change the address of", err);
	if (address != 0)
		vm->address = address;
	return true;
}

void
vm_ssh_fault(struct vm *vm, const struct vm_ssh_fault *fault)
{
	struct vm_boot_frame f = { .type = VM_BOOT_FAULT, .fault = *fault };

	vm->fault = *fault;
	vm->has_fault = true;
	if (vm->sock >= 0)
		frame_send(vm, &f);
}

const char *
vm_state_name(enum vm_state st)
{
	return state_names[st];
}

void
vm_on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct vm_boot_frame f;
	struct vm *vm = arg;
	ssize_t n;

	(void)what;
	while ((n = recv(fd, &f, sizeof f, MSG_DONTWAIT)) > 0) {
		if ((size_t)n < VM_BOOT_FRAME_MIN ||
		    f.len != (size_t)n - VM_BOOT_FRAME_MIN)
			continue;
		if (f.type == VM_BOOT_LOG)
			vm_console_add(vm, f.text, f.len);
		if (f.type == VM_BOOT_READY && vm->state == VM_BOOTING)
			booted(vm);
	}
	/* the end of init is told by its pidfd, with its status */
	if (n == 0 && vm->ev_sock)
		event_del(vm->ev_sock);
}

void
vm_on_pidfd(evutil_socket_t fd, short what, void *arg)
{
	struct vm *vm = arg;
	enum cause why = CRASH;
	siginfo_t si = { 0 };

	(void)what;
	vm_on_socket(vm->sock, 0, vm); /* its last words */
	if (waitid(P_PIDFD, (id_t)fd, &si, WEXITED) == 0) {
		/* reboot(2) in a PID namespace ends init by a signal */
		if (si.si_code == CLD_KILLED && si.si_status == SIGHUP)
			why = REBOOT;
		else if (si.si_code == CLD_KILLED && si.si_status == SIGINT)
			why = BY_ITSELF;
	}
	went_down(vm, why);
}

/* A boot or a stop that took too long. */
void
vm_on_deadline(void *arg)
{
	struct vm *vm = arg;

	log_warn("twin", vm->name, "%s takes too long\taction=kill",
	    vm->state == VM_BOOTING ? "boot" : "stop");
	vm->timed_out = true;
	vm_kill(vm);
}

void
vm_console_add(struct vm *vm, const char *text, size_t n)
{
	int64_t us = (clock_mono_ns() - vm->boot_at_ns) / NS_PER_US;

	str_addf(&vm->console, "[%5lld.%06lld] ", (long long)(us / 1000000),
	    (long long)(us % 1000000));
	str_addn(&vm->console, text, n);
	str_addc(&vm->console, '\n');
	if (vm->console.len > CONSOLE_MAX)
		str_consume(&vm->console, vm->console.len - CONSOLE_KEEP);
}

void
vm_kill(struct vm *vm)
{
	struct vm_set *s = vm->set;

	/* with init its PID namespace ends; the group also holds what left it
	 * (nothing can) and what was frozen */
	if (s->groups)
		(void)!cgroup_v2_write(&s->trees, s->run, vm->leaf,
		    "cgroup.kill", "1");
	if (vm->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0);
}

static void
vm_move(struct vm *vm, enum vm_state to)
{
	log_debug("twin", vm->name, "%s -> %s", state_names[vm->state],
	    state_names[to]);
	vm->state = to;
}

static bool
refuse(const struct vm *vm, const char *verb, struct mw_err *err)
{
	return err_set(err, MW_CONFLICT, 0, "cannot %s vm %s: it is %s%s", verb,
	    vm->name, state_names[vm->state], vm->frozen ? ", frozen" : "");
}

static void
op_begin(struct vm *vm, enum vm_op op, vm_done *done, void *arg)
{
	vm->op = op;
	vm->done = done;
	vm->done_arg = arg;
}

static void
finish(struct vm *vm, const struct mw_err *err)
{
	vm_done *done = vm->done;

	vm->op = VM_OP_NONE;
	vm->done = NULL;
	if (done)
		call_later(vm, done, vm->done_arg, err, false);
}

static void
call_later(struct vm *vm, vm_done *done, void *arg, const struct mw_err *err,
    bool free_vm)
{
	struct vm_call *c = xcalloc(1, sizeof *c);

	*c = (struct vm_call){ vm->set->calls, vm->set, vm, done, arg, *err,
		free_vm };
	vm->set->calls = c;
	loop_reap(vm->set->conf.loop, call_now, c);
}

static void
call_now(void *p)
{
	struct vm_call *c = p, **at;

	if (c->set) {
		for (at = &c->set->calls; *at != c; at = &(*at)->next)
			;
		*at = c->next;
		if (c->done)
			c->done(c->vm, &c->err, c->arg);
		if (c->free_vm)
			vm_free(c->vm);
	}
	free(c);
}

void
vm_calls_forget(struct vm_set *s)
{
	struct vm_call *c;

	for (c = s->calls; c; c = c->next)
		c->set = NULL;
	s->calls = NULL;
}

static void
shut_down(struct vm *vm)
{
	struct mw_err err = MW_ERR_INIT;

	if (vm->frozen && !vm_thaw(vm, &err))
		log_warn("twin", vm->name, "%s", err.msg);
	syscall(SYS_pidfd_send_signal, vm->pidfd, SIGTERM, NULL, 0);
	loop_timer_set(vm->deadline, STOP_NS);
}

/* Init has ended, whatever we wanted. */
static void
went_down(struct vm *vm, enum cause why)
{
	struct mw_err ok = MW_ERR_INIT;
	enum vm_op op = vm->op;
	enum vm_state was = vm->state;

	vm_release(vm);
	if (was == VM_GONE) {
		destroy_end(vm);
		return;
	}
	vm_move(vm, VM_OFF);
	if (was == VM_BOOTING && !vm->panicked) {
		boot_failed(vm, NULL);
	} else if (op == VM_OP_STOP) {
		finish(vm, &ok);
	} else if (op == VM_OP_REBOOT && was == VM_STOPPING) {
		boot_again(vm);
	} else if (vm->panicked || why == CRASH) {
		struct mw_err cut = { .code = MW_CANCELED };
		bool again = vm->panicked && vm->reboot_on_panic;

		str_copy(cut.msg, sizeof cut.msg, "the VM crashed");
		finish(vm, &cut);
		event_tell(vm, VM_EV_CRASH);
		if (again && vm->state == VM_OFF)
			boot_again(vm);
	} else if (why == REBOOT) {
		boot_again(vm);
		if (vm->state == VM_BOOTING)
			event_tell(vm, VM_EV_REBOOT);
	} else {
		event_tell(vm, VM_EV_POWEROFF);
	}
}

static void
booted(struct vm *vm)
{
	struct mw_err ok = MW_ERR_INIT;

	loop_timer_clear(vm->deadline);
	vm->boot_took_ns = clock_mono_ns() - vm->boot_at_ns;
	if (!vm->has_base) {
		/* what init itself wrote is no change by a user */
		root_changes(vm->dir, vm->set->template_dir, &vm->base);
		vm->has_base = true;
	}
	console_key(vm);
	vm_move(vm, VM_UP);
	finish(vm, &ok);
	event_tell(vm, VM_EV_UP);
}

/* err NULL: init said why, in the last line of the console. */
static void
boot_failed(struct vm *vm, const struct mw_err *err)
{
	struct mw_err e = MW_ERR_INIT;
	bool asked = vm->op != VM_OP_NONE;
	const char *line;
	size_t n;

	if (err) {
		e = *err;
	} else {
		line = console_last(vm, &n);
		err_set(&e, vm->timed_out ? MW_TIMEOUT : MW_INTERNAL, 0,
		    "vm %s does not boot: %.*s", vm->name, (int)n, line);
	}
	log_warn("twin", vm->name, "%s", e.msg);
	finish(vm, &e);
	if (!asked)
		event_tell(vm, VM_EV_BOOT_FAILED);
}

static void
boot_again(struct vm *vm)
{
	struct mw_err err = MW_ERR_INIT;

	if (!vm_boot(vm, &err)) {
		boot_failed(vm, &err);
		return;
	}
	vm_move(vm, VM_BOOTING);
}

static void
destroy_end(struct vm *vm)
{
	struct vm_set *s = vm->set;
	struct mw_err ok = MW_ERR_INIT;

	wan_host_forget(s->conf.wan, vm->slot);
	if (vm->made) {
		if (s->tmpfs)
			root_disk_drop(vm->dir);
		guard_remove(s->guard, vm->leaf);
	}
	vm->made = false;
	call_later(vm, vm->destroyed, vm->destroyed_arg, &ok, true);
}

static void
console_line(struct vm *vm, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n > 0)
		vm_console_add(vm, line,
		    (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

/* As cloud-init prints it: lines without a time stamp. */
static void
console_key(struct vm *vm)
{
	struct str *s = &vm->console;

	str_add(s, "-----BEGIN SSH HOST KEY FINGERPRINTS-----\n256 ");
	vm_key_fingerprint(vm->key_pub, s);
	str_addf(s, " root@%s (ED25519)\n", vm->name);
	str_add(s, "-----END SSH HOST KEY FINGERPRINTS-----\n");
	str_add(s, "-----BEGIN SSH HOST KEY KEYS-----\n");
	str_addf(s, "%s\n", str_cstr(&vm->key_line));
	str_add(s, "-----END SSH HOST KEY KEYS-----\n");
}

static const char *
console_last(const struct vm *vm, size_t *n)
{
	const char *p = str_cstr(&vm->console), *start, *end;

	end = p + vm->console.len;
	if (end > p && end[-1] == '\n')
		end--;
	for (start = end; start > p && start[-1] != '\n'; start--)
		;
	*n = (size_t)(end - start);
	return start;
}

static bool
frame_send(struct vm *vm, const struct vm_boot_frame *f)
{
	return send(vm->sock, f, VM_BOOT_FRAME_MIN + f->len,
		   MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

static void
event_tell(struct vm *vm, enum vm_event ev)
{
	if (vm->set->conf.on_event)
		vm->set->conf.on_event(vm, ev, vm->set->conf.arg);
}
