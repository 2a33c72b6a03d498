/*
 * cloud_vm.c - the life of one VM: native states in the order and time of the
 * imitated cloud. Promises: state and class change only in move(); a verb
 * ends when its last step is over and its machine is ready, whichever is
 * later.
 */
#include "twin/cloud_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A machine that crashed and is not back by then is seen as stopped. */
#define CRASH_CHECK_NS (3 * NS_PER_S)

static void finish(struct cloud_vm *v, int64_t now_ns);

static const struct native *
native_of(const struct cloud_vm *v)
{
	return v->owner->conf.world->clouds[v->cloud].native;
}

static void
poke(const struct cloud_vm *v)
{
	const struct clouds_conf *conf = &v->owner->conf;

	if (conf->on_due)
		conf->on_due(conf->arg);
}

static bool
is_billed(const struct cloud_vm *v)
{
	const struct native *nat = native_of(v);

	switch (v->cls) {
	case NATIVE_GONE: return false;
	case NATIVE_STOPPED:
		return nat->power_off_billed &&
		    v->state == nat->seq[NATIVE_POWER_OFF].end;
	default: return true;
	}
}

static void
move(struct cloud_vm *v, enum native_class cls, const char *state,
    int64_t now_ns)
{
	bool billed;

	log_debug("twin", v->id, "state\tfrom=%s to=%s",
	    v->state ? v->state : "-", state);
	v->cls = cls;
	v->state = state;
	v->seen[v->nseen++ % CLOUD_HISTORY] =
	    (struct cloud_seen){ .at_ns = now_ns, .state = state };
	billed = is_billed(v);
	if (billed && !v->billed)
		v->billed_since_ns = now_ns;
	else if (!billed && v->billed)
		v->billed_ns += now_ns - v->billed_since_ns;
	v->billed = billed;
}

int64_t
cloud_billed_ns(const struct cloud_vm *v, int64_t now_ns)
{
	return v->billed_ns + (v->billed ? now_ns - v->billed_since_ns : 0);
}

bool
cloud_listed(const struct cloud_vm *v, int64_t at_ns)
{
	return cloud_alive(v) || at_ns < v->listed_until_ns;
}

static void
end_life(struct cloud_vm *v, const char *state, int64_t now_ns)
{
	const struct world_cloud *c = &v->owner->conf.world->clouds[v->cloud];

	v->busy = false;
	v->due_ns = 0;
	memset(v->at_ns, 0, sizeof v->at_ns);
	v->listed_until_ns = now_ns;
	if (v->vanished) {
		state = NULL;
	} else if (v->ghost_ns > 0) {
		v->listed_until_ns += v->ghost_ns;
	} else if (state) {
		v->listed_until_ns +=
		    cloud_scaled_ns(v->owner, (double)c->terminated_listed_s);
	}
	move(v, NATIVE_GONE, state ? state : v->state, now_ns);
	log_info("twin", v->id, "gone\tname=%s vanished=%d", v->name,
	    v->vanished);
}

/* An accepted create that came to nothing. */
static void
fail_create(struct cloud_vm *v, int64_t now_ns)
{
	const struct native *nat = native_of(v);
	const char *gone = nat->seq[NATIVE_TERMINATE].end;

	log_warn("twin", v->id, "create failed\treason=\"%s\"", v->fault);
	cloud_machine_end(v);
	v->busy = false;
	if (!nat->failed || nat->failed == gone ||
	    (gone && strcmp(nat->failed, gone) == 0))
		end_life(v, nat->failed, now_ns);
	else
		move(v, NATIVE_ERROR, nat->failed, now_ns);
}

/* The verb's machine part failed: the state is what the machine is. */
static void
fail_verb(struct cloud_vm *v, int64_t now_ns)
{
	const struct native *nat = native_of(v);

	log_warn("twin", v->id, "%s failed\treason=\"%s\"",
	    native_verb_name(v->verb), v->machine_err.msg);
	str_copy(v->fault, sizeof v->fault, v->machine_err.msg);
	v->busy = false;
	if (v->vm && vm_state(v->vm) == VM_UP)
		move(v, NATIVE_RUN, nat->seq[NATIVE_CREATE].end, now_ns);
	else
		move(v, NATIVE_STOPPED, nat->seq[NATIVE_POWER_OFF].end, now_ns);
}

static void
finish(struct cloud_vm *v, int64_t now_ns)
{
	const struct native *nat = native_of(v);
	const struct native_seq *seq = &nat->seq[v->verb];

	v->due_ns = 0;
	if (v->verb == NATIVE_CREATE &&
	    (v->will_fail || v->machine_err.code != MW_OK)) {
		if (!v->will_fail)
			str_copy(v->fault, sizeof v->fault, v->machine_err.msg);
		fail_create(v, now_ns);
		return;
	}
	if (v->machine_err.code != MW_OK && v->verb != NATIVE_TERMINATE) {
		fail_verb(v, now_ns);
		return;
	}
	if (v->verb == NATIVE_TERMINATE) {
		end_life(v, seq->end, now_ns);
		return;
	}
	v->busy = false;
	v->addressed = true;
	v->suspended = v->verb == NATIVE_SUSPEND && nat->memory;
	v->fault[0] = '\0';
	move(v, native_after(v->verb), seq->end, now_ns);
}

static enum world_op
delay_of(enum native_verb verb)
{
	static const enum world_op ops[NATIVE_VERB_COUNT] = {
		[NATIVE_CREATE] = WORLD_OP_CREATE,
		[NATIVE_STOP] = WORLD_OP_STOP,
		[NATIVE_POWER_OFF] = WORLD_OP_STOP,
		[NATIVE_START] = WORLD_OP_START,
		[NATIVE_DO_REBOOT] = WORLD_OP_REBOOT,
		[NATIVE_SUSPEND] = WORLD_OP_STOP,
		[NATIVE_RESUME] = WORLD_OP_START,
		[NATIVE_TERMINATE] = WORLD_OP_TERMINATE,
	};

	return ops[verb];
}

static void
begin(struct cloud_vm *v, enum native_verb verb, const struct fault_hits *hits,
    int64_t now_ns)
{
	const struct native_seq *seq = &native_of(v)->seq[verb];
	int64_t total = cloud_delay_ns(v->owner, v->cloud, delay_of(verb));
	int64_t n = 0;

	while (seq->steps[n])
		n++;
	if (hits->on[FAULT_SLOW])
		total = (int64_t)((double)total * hits->p[FAULT_SLOW].factor);
	v->stuck = hits->on[FAULT_STUCK];
	v->verb = verb;
	v->busy = true;
	v->step = 0;
	v->step_ns = total / n;
	v->due_ns = now_ns + v->step_ns;
	v->machine_pending = false;
	v->machine_err.code = MW_OK;
	move(v, native_during(verb), seq->steps[0], now_ns);
}

static void
take_create_faults(struct cloud_vm *v, const struct fault_hits *hits,
    int64_t now_ns)
{
	const struct fault_params *p = hits->p;

#define FOR_NS(kind) (now_ns + (int64_t)(p[kind].for_s * 1e9))
#define AFTER_NS(kind) (now_ns + (int64_t)(p[kind].after_s * 1e9))
	if (hits->on[FAULT_ACCEPTED_THEN_FAILED]) {
		v->will_fail = true;
		str_copy(v->fault, sizeof v->fault,
		    *p[FAULT_ACCEPTED_THEN_FAILED].text
			? p[FAULT_ACCEPTED_THEN_FAILED].text
			: "no host could run it");
	}
	if (hits->on[FAULT_QUOTA_RACE]) {
		v->will_fail = true;
		str_copy(v->fault, sizeof v->fault, "quota exceeded");
	}
	if (hits->on[FAULT_STALE_NOT_FOUND])
		v->hidden_until_ns = FOR_NS(FAULT_STALE_NOT_FOUND);
	if (hits->on[FAULT_LATE_IP])
		v->addressed_from_ns = FOR_NS(FAULT_LATE_IP);
	if (hits->on[FAULT_VANISH])
		v->at_ns[CLOUD_AT_VANISH] = AFTER_NS(FAULT_VANISH);
	if (hits->on[FAULT_HOST_KEY_CHANGE])
		v->at_ns[CLOUD_AT_HOST_KEY] = AFTER_NS(FAULT_HOST_KEY_CHANGE);
	if (hits->on[FAULT_SSH_KEY_LATE]) {
		v->ssh.no_keys = true;
		v->at_ns[CLOUD_AT_KEYS] = FOR_NS(FAULT_SSH_KEY_LATE);
	}
	if (hits->on[FAULT_SSH_REFUSE]) {
		v->ssh.refuse = true;
		if (p[FAULT_SSH_REFUSE].for_s > 0)
			v->at_ns[CLOUD_AT_SSH] = FOR_NS(FAULT_SSH_REFUSE);
	}
#undef FOR_NS
#undef AFTER_NS
	v->ssh.no_sudo = hits->on[FAULT_NO_SUDO];
	v->disk_full = hits->on[FAULT_DISK_FULL];
	if (hits->on[FAULT_SSH_SLOW_BANNER])
		v->ssh.banner_delay_ms =
		    (uint32_t)p[FAULT_SSH_SLOW_BANNER].delay_ms;
	if (hits->on[FAULT_SSH_DROP_AFTER])
		v->ssh.drop_after_kib = (uint32_t)p[FAULT_SSH_DROP_AFTER].kib;
}

void
cloud_vm_start_life(struct cloud_vm *v, const struct cloud_create *req,
    const struct fault_hits *hits, int64_t now_ns)
{
	take_create_faults(v, hits, now_ns);
	begin(v, NATIVE_CREATE, hits, now_ns);
	if (!v->will_fail) {
		struct mw_err err = MW_ERR_INIT;

		v->machine_pending = true;
		if (!cloud_machine_make(v, req, &err)) {
			v->machine_pending = false;
			v->machine_err = err;
		}
	}
	log_info("twin", v->id, "create\tname=%s site=%s", v->name,
	    v->owner->conf.world->sites[v->site].name);
	poke(v);
}

void
cloud_vm_verb(struct cloud_vm *v, enum native_verb verb,
    const struct fault_hits *hits, int64_t now_ns)
{
	struct mw_err err = MW_ERR_INIT;

	if (hits->on[FAULT_TERMINATE_IGNORED])
		return;
	v->ghost_ns = hits->on[FAULT_GHOST]
	    ? (int64_t)(hits->p[FAULT_GHOST].for_s * 1e9)
	    : 0;
	begin(v, verb, hits, now_ns);
	/* a terminate that hangs leaves the machine running, and billed */
	if (!(v->stuck && verb == NATIVE_TERMINATE) &&
	    !cloud_machine_verb(v, verb, &err)) {
		v->machine_pending = false;
		v->machine_err = err;
	}
	log_info("twin", v->id, "%s\tname=%s", native_verb_name(verb), v->name);
	poke(v);
}

void
cloud_vm_machine_done(struct cloud_vm *v, const struct mw_err *err)
{
	if (!v->machine_pending)
		return;
	v->machine_pending = false;
	v->machine_err = *err;
	if (v->busy && v->due_ns == 0 && !v->stuck) {
		finish(v, clock_mono_ns());
		poke(v);
	}
}

void
cloud_vm_machine_off(struct cloud_vm *v)
{
	const struct native *nat = native_of(v);

	if (v->cls != NATIVE_RUN || v->busy)
		return;
	log_info("twin", v->id, "switched off from inside\tname=%s", v->name);
	move(v, NATIVE_STOPPED, nat->seq[NATIVE_POWER_OFF].end,
	    clock_mono_ns());
}

void
clouds_on_machine(struct vm *vm, enum vm_event ev)
{
	struct cloud_vm *v = vm_user(vm);

	if (!v || v->vm != vm)
		return;
	str_copy(v->boot_id, sizeof v->boot_id, vm_boot_id(vm));
	if (ev == VM_EV_POWEROFF || ev == VM_EV_BOOT_FAILED) {
		cloud_vm_machine_off(v);
	} else if (ev == VM_EV_CRASH) {
		v->at_ns[CLOUD_AT_CHECK] = clock_mono_ns() + CRASH_CHECK_NS;
		poke(v);
	}
}

void
cloud_vanish(struct cloud_vm *v)
{
	if (!cloud_alive(v))
		return;
	v->vanished = true;
	cloud_machine_end(v);
	end_life(v, NULL, clock_mono_ns());
}

static void
at_time(struct cloud_vm *v, enum cloud_at what)
{
	struct mw_err err = MW_ERR_INIT;

	switch (what) {
	case CLOUD_AT_VANISH: cloud_vanish(v); break;
	case CLOUD_AT_KEYS:
		v->ssh.no_keys = false;
		if (v->vm)
			vm_ssh_fault(v->vm, &v->ssh);
		break;
	case CLOUD_AT_SSH:
		v->ssh.refuse = false;
		if (v->vm)
			vm_ssh_fault(v->vm, &v->ssh);
		break;
	case CLOUD_AT_HOST_KEY:
		if (v->vm && !vm_new_host_key(v->vm, &err))
			log_warn("twin", v->id, "host key kept\terr=\"%s\"",
			    err.msg);
		break;
	case CLOUD_AT_CHECK:
		if (v->vm && vm_state(v->vm) == VM_OFF)
			cloud_vm_machine_off(v);
		break;
	case CLOUD_AT_COUNT: break;
	}
}

/* The step that was due is over. */
static void
step(struct cloud_vm *v, int64_t now_ns)
{
	const char *next = native_of(v)->seq[v->verb].steps[v->step + 1];

	if (next) {
		v->step++;
		v->due_ns += v->step_ns;
		move(v, v->cls, next, now_ns);
	} else if (v->stuck || v->machine_pending) {
		v->due_ns = 0; /* finish() by cloud_vm_machine_done() */
	} else {
		finish(v, now_ns);
	}
}

int64_t
cloud_vm_run(struct cloud_vm *v, int64_t now_ns)
{
	int64_t next = INT64_MAX;

	if (!cloud_alive(v))
		return next;
	for (int i = 0; i < CLOUD_AT_COUNT; i++) {
		if (v->at_ns[i] == 0 || v->at_ns[i] > now_ns)
			continue;
		v->at_ns[i] = 0;
		at_time(v, (enum cloud_at)i);
	}
	while (v->busy && v->due_ns > 0 && v->due_ns <= now_ns)
		step(v, v->due_ns); /* not when the loop got here */
	if (v->busy && v->due_ns > 0)
		next = v->due_ns;
	for (int i = 0; i < CLOUD_AT_COUNT; i++) {
		if (v->at_ns[i] > 0 && v->at_ns[i] < next)
			next = v->at_ns[i];
	}
	return next;
}
