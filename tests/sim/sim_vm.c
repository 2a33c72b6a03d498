/*
 * sim_vm.c - the VMs of the simulated clouds: how they are born, move on by
 * themselves, and end.
 */
#include "tests/sim/sim_int.h"

#include <string.h>

const char *
cloud_native(const struct sim *w, const struct vm *v)
{
	static const char *const words[SIM_CLASSES][LC_C_COUNT] = {
		{ [LC_C_BOOT] = "pending",
		    [LC_C_RUN] = "running",
		    [LC_C_STOPPING] = "stopping",
		    [LC_C_STOPPED] = "stopped",
		    [LC_C_REBOOT] = "running",
		    [LC_C_DELETING] = "shutting-down",
		    [LC_C_GONE] = "terminated",
		    [LC_C_ERROR] = "terminated" },
		{ [LC_C_BOOT] = "PowerState/starting",
		    [LC_C_RUN] = "PowerState/running",
		    [LC_C_STOPPING] = "PowerState/deallocating",
		    [LC_C_STOPPED] = "PowerState/deallocated",
		    [LC_C_REBOOT] = "PowerState/starting",
		    [LC_C_DELETING] = "ProvisioningState/deleting",
		    [LC_C_ERROR] = "ProvisioningState/failed" },
		{ [LC_C_BOOT] = "BUILD/spawning",
		    [LC_C_RUN] = "ACTIVE",
		    [LC_C_STOPPING] = "ACTIVE/powering-off",
		    [LC_C_STOPPED] = "SHUTOFF",
		    [LC_C_REBOOT] = "REBOOT/rebooting",
		    [LC_C_DELETING] = "ACTIVE/deleting",
		    [LC_C_ERROR] = "ERROR" },
		{ [LC_C_BOOT] = "STAGING",
		    [LC_C_RUN] = "RUNNING",
		    [LC_C_STOPPING] = "STOPPING",
		    [LC_C_STOPPED] = "TERMINATED",
		    [LC_C_REBOOT] = "RUNNING",
		    [LC_C_DELETING] = "STOPPING",
		    [LC_C_ERROR] = "TERMINATED" },
	};

	return words[w->clouds[v->conn].cls][v->cls];
}

size_t
cloud_of(const struct sim *w, const char *connection)
{
	size_t i = 0;

	while (i < w->nconns - 1 && !str_eq(w->clouds[i].name, connection))
		i++;
	return i;
}

/* Opened by a database that is not there any more: no row of that generation
 * or of a later one, of the same epoch. */
bool
cloud_newer(const struct sim *w, int64_t slot, int64_t gen)
{
	for (size_t i = w->rows.ninsts; i-- > 0;) {
		const struct lc_inst_row *in = &w->rows.insts[i];

		if (in->slot_id == slot && in->gen >= gen &&
		    in->gen / LC_EPOCH_GENS == gen / LC_EPOCH_GENS)
			return false;
	}
	return true;
}

bool
cloud_lost(const struct sim *w, const struct vm *v)
{
	const struct lc_inst_row *in;

	if (!v->newer)
		return false;
	in = rows_inst(&w->rows, v->slot, v->gen);
	return !in || !str_eq(in->csp_id, v->id);
}

size_t
cloud_live_of(const struct sim *w, int64_t slot)
{
	size_t n = 0;

	for (size_t i = 0; i < w->nvms; i++) {
		const struct vm *v = &w->vms[i];

		n += v->live && v->slot == slot && !cloud_lost(w, v);
	}
	return n;
}

bool
cloud_shown(const struct sim *w, const struct vm *v)
{
	if (v->visible > w->now || v->hidden > w->now)
		return false;
	return v->live ||
	    (w->clouds[v->conn].cls == SIM_T &&
		w->now - v->died < SIM_DEAD_LISTED_S * NS_PER_S);
}

struct vm *
cloud_vm(struct sim *w, size_t conn, const char *id)
{
	for (size_t i = w->nvms; id && i-- > 0;) {
		if (w->vms[i].conn == conn && str_eq(w->vms[i].id, id))
			return &w->vms[i];
	}
	return NULL;
}

void
cloud_vm_goes(struct sim *w, struct vm *v, enum lc_class now,
    enum lc_class then, int64_t after)
{
	v->cls = now;
	v->next = then;
	v->moves_at = w->now + after;
	sim_push(w,
	    (struct ev){ .at = v->moves_at,
		.kind = SIM_E_VM,
		.epoch = -1,
		.a = v - w->vms });
}

void
cloud_vm_gone(struct sim *w, struct vm *v)
{
	v->live = false;
	v->cls = LC_C_GONE;
	v->died = w->now;
	if (v->since)
		w->res.unexplained_ns += w->now - v->since;
	sim_say(w, "gone %s slot=%lld gen=%lld", v->id, (long long)v->slot,
	    (long long)v->gen);
}

/* What will happen to it by itself. */
static void
fate(struct sim *w, struct vm *v)
{
	struct ev e = { .epoch = -1, .a = v - w->vms };
	bool hides = sim_chance(w, SIM_F_INVISIBLE);
	bool breaks = sim_chance(w, SIM_F_VM_ERROR);
	bool dies = sim_chance(w, SIM_F_VM_DIES);
	bool portal = sim_chance(w, SIM_F_PORTAL);

	if (hides)
		v->visible = w->now +
		    sim_fault_ns(w, SIM_F_INVISIBLE, SIM_VISIBLE_S * 1000);
	cloud_vm_goes(w, v, LC_C_BOOT, breaks ? LC_C_ERROR : LC_C_RUN,
	    sim_between_ms(w, 1000, 60000));
	if (dies) {
		e.kind = SIM_E_VM_DIES;
		e.at = w->now + sim_fault_ns(w, SIM_F_VM_DIES, 5000000);
		sim_push(w, e);
	}
	if (portal) {
		e.kind = SIM_E_PORTAL;
		e.at = w->now + sim_fault_ns(w, SIM_F_PORTAL, 5000000);
		sim_push(w, e);
	}
}

struct vm *
cloud_born(struct sim *w, size_t conn, int64_t slot, int64_t gen,
    const char *token)
{
	struct vm *v;

	if (w->nvms == SIM_VMS) {
		sim_violation(w, "I10_TOO_MANY_VMS", slot, "%d", SIM_VMS);
		return &w->vms[w->nvms - 1];
	}
	VEC_GROW(w->vms, w->nvms, w->vms_cap);
	v = &w->vms[w->nvms++];
	memset(v, 0, sizeof *v);
	/* Ids that do not sort by age. */
	snprintf(v->id, sizeof v->id, "i-%08llx",
	    (unsigned long long)(rng_mix(w->nvms + w->opt.seed) & 0xffffffff));
	v->conn = conn;
	v->slot = slot;
	v->gen = gen;
	snprintf(v->slot_tag, sizeof v->slot_tag, "%lld",
	    (long long)(slot ? slot : 1));
	snprintf(v->gen_tag, sizeof v->gen_tag, "%lld",
	    (long long)(gen ? gen : 1));
	str_copy(v->token, sizeof v->token, token);
	v->live = true;
	v->born = w->now;
	v->ssh_at = w->now + sim_between_ms(w, 0, 90000);
	fate(w, v);
	if (!slot)
		return v;
	sim_say(w, "born %s slot=%lld gen=%lld", v->id, (long long)slot,
	    (long long)gen);
	check_birth(w, v);
	return v;
}

static void
on_vm(struct sim *w, const struct ev *e)
{
	struct vm *v = &w->vms[e->a];

	if (!v->live || v->moves_at != e->at)
		return;
	v->cls = v->next;
	if (v->cls == LC_C_GONE ||
	    (v->cls == LC_C_ERROR && w->clouds[v->conn].cls == SIM_T))
		cloud_vm_gone(w, v);
	else if (v->cls == LC_C_RUN)
		agent_booted(w, v);
}

void
cloud_event(struct sim *w, const struct ev *e)
{
	struct vm *v = &w->vms[e->a];

	if (e->kind == SIM_E_VM) {
		on_vm(w, e);
	} else if (v->live && w->faults && v->slot) {
		if (e->kind == SIM_E_VM_DIES)
			cloud_vm_gone(w, v);
		else if (v->cls == LC_C_RUN)
			sim_vm_set(w, (size_t)e->a, LC_C_STOPPED);
	}
}

/* ---- for scenarios -------------------------------------------------------- */

bool
sim_vm_at(const struct sim *w, size_t i, struct sim_vm *out)
{
	const struct vm *v;

	if (i >= w->nvms)
		return false;
	v = &w->vms[i];
	*out = (struct sim_vm){
		.id = v->id,
		.native = cloud_native(w, v),
		.slot = v->slot,
		.gen = v->gen,
		.conn = v->conn,
		.cls = v->cls,
		.live = v->live,
		.listed = cloud_shown(w, v),
	};
	return true;
}

size_t
sim_live(struct sim *w, const char *vm)
{
	const struct lc_slot_row *s = sim_slot_row(w, vm);

	return s ? cloud_live_of(w, s->slot_id) : 0;
}

void
sim_vm_set(struct sim *w, size_t i, enum lc_class cls)
{
	static const enum lc_class way[LC_C_COUNT] = {
		[LC_C_GONE] = LC_C_DELETING,
		[LC_C_STOPPED] = LC_C_STOPPING,
		[LC_C_RUN] = LC_C_BOOT,
		[LC_C_ERROR] = LC_C_BOOT,
	};
	struct vm *v = &w->vms[i];

	if (!v->live)
		return;
	sim_say(w, "by hand: %s %s", v->id, lc_class_name(cls));
	cloud_vm_goes(w, v, way[cls], cls, 5 * NS_PER_S);
}

void
sim_vm_hide(struct sim *w, size_t i, int64_t for_ns)
{
	w->vms[i].hidden = w->now + for_ns;
}

void
sim_outage(struct sim *w, size_t conn, int64_t from, int64_t until)
{
	w->clouds[conn].out_from = from;
	w->clouds[conn].out_until = until;
}

uint64_t
sim_calls(const struct sim *w, enum csp_op op)
{
	return w->calls[op];
}
