/*
 * sim_check.c - the oracle: each promise of the lifecycle has a check of its
 * own, and each breach a name that begins with the promise's number.
 */
#include "tests/sim/sim_int.h"

#include <string.h>

#define QUIET_CALLS 60 /* I9: of a slot in an hour */
#define BOUND_S (600 + 300 + 120) /* SETTLE, sweep, the calls themselves */

/* ---- at the clouds -------------------------------------------------------- */

/* Is there a row that says what this VM is for? */
static bool
explained(const struct sim *w, const struct vm *v)
{
	const struct lc_inst_row *in = rows_inst(&w->rows, v->slot, v->gen);

	return in && in->phase != LC_P_DEAD && in->phase != LC_P_NONE;
}

/* A VM that no row explains costs money: never where tokens are, and until
 * the sweep where they are not. */
static void
unexplained(struct sim *w, struct vm *v)
{
	enum sim_class c = w->clouds[v->conn].cls;

	if (v->cls == LC_C_DELETING || cloud_lost(w, v))
		return;
	if (v->since == 0)
		v->since = w->now;
	if ((c == SIM_T || c == SIM_G) && !w->opt.beyond && !w->restored)
		sim_violation(w, "I8_UNEXPLAINED", v->slot, "vm=%s gen=%lld",
		    v->id, (long long)v->gen);
}

void
check_birth(struct sim *w, struct vm *v)
{
	size_t n;

	/* Asked for by a process whose database is not there any more. */
	if (w->restored && cloud_newer(w, v->slot, v->gen))
		v->newer = true;
	if (v->newer)
		return;
	n = cloud_live_of(w, v->slot);
	if (n > 1 && !w->opt.beyond)
		sim_violation(w, "I1_DUPLICATE", v->slot, "vm=%s gen=%lld",
		    v->id, (long long)v->gen);
	if (!rows_inst(&w->rows, v->slot, v->gen))
		sim_violation(w, "I7_NO_INTENT", v->slot, "vm=%s gen=%lld",
		    v->id, (long long)v->gen);
	else if (!explained(w, v))
		unexplained(w, v);
}

/* A row was committed: does it leave a VM alone? */
void
check_rows(struct sim *w, const struct lc_inst_row *in)
{
	if (in->phase != LC_P_DEAD)
		return;
	for (size_t i = 0; i < w->nvms; i++) {
		struct vm *v = &w->vms[i];

		if (v->live && v->slot == in->slot_id && v->gen == in->gen)
			unexplained(w, v);
	}
}

void
check_terminate(struct sim *w, struct vm *v)
{
	const struct lc_slot_row *s = rows_slot(&w->rows, v->slot);
	const struct lc_inst_row *in = rows_inst(&w->rows, v->slot, v->gen);

	if (!v->slot)
		sim_violation(w, "I5_KILLED_STRANGER", 0, "vm=%s", v->id);
	/* It was right when it was asked for: that database is gone. */
	if (w->asked_by <= w->lost_epoch)
		return;
	if (v->live && cloud_lost(w, v))
		sim_violation(w, "R8_KILLED_QUARANTINED", v->slot, "vm=%s",
		    v->id);
	if (v->live && s && in && s->desired && !s->replace &&
	    s->gen == v->gen && in->phase == LC_P_RUNNING &&
	    str_eq(in->csp_id, v->id))
		sim_violation(w, "I6_KILLED_WANTED", v->slot, "vm=%s", v->id);
}

/* ---- at any time ---------------------------------------------------------- */

/* Whatever happened: each VM that is not Terminated can be terminated. */
void
check_legal(struct sim *w)
{
	struct lc_mcis *m = lc_mcis_first(w->lc);
	struct lc_who who = { .actor = "sim",
		.target = "/m",
		.action_id = "ac-0" };
	struct mw_err err = MW_ERR_INIT;
	struct lc_reply r;

	for (struct lc_slot *s = m ? m->slots : NULL; s; s = s->next) {
		if (!lc_do(w->lc, m, s->vm_id, LC_A_TERMINATE, LC_DRY_RUN, &who,
			&r, &err)) {
			sim_violation(w, "STUCK", s->row.slot_id, "%s",
			    lc_status_name(s->status));
			continue;
		}
		if (r.answer == LC_NOOP && s->status != LC_TERMINATED)
			sim_violation(w, "STUCK", s->row.slot_id, "%s",
			    lc_status_name(s->status));
		lc_reply_free(&r);
	}
}

/* Without faults the sweep has ended what is too many, and what nobody
 * explains, within SETTLE, one sweep and a late request. */
void
check_bounds(struct sim *w)
{
	int64_t late = w->opt.beyond ? SIM_BEYOND_S : SIM_LATE_S;
	int64_t calm = w->rest_by - SIM_REST_NS;

	if (!w->up || w->now < calm + (late + BOUND_S) * NS_PER_S)
		return;
	for (size_t i = 0; i < w->nvms; i++) {
		const struct vm *v = &w->vms[i];

		if (!v->live || !v->slot || cloud_lost(w, v))
			continue;
		if (cloud_live_of(w, v->slot) > 1)
			sim_violation(w, "I1_EXTRA_STAYS", v->slot, "vm=%s",
			    v->id);
		if (!explained(w, v))
			sim_violation(w, "I8_UNEXPLAINED_STAYS", v->slot,
			    "vm=%s", v->id);
	}
}

/* ---- at rest -------------------------------------------------------------- */

/* Exactly the wanted VMs live. The first thing that is not so, or NULL. */
static const char *
look(struct sim *w, int64_t *slot)
{
	size_t wanted = 0, live = 0;

	for (size_t i = 0; i < w->rows.nslots; i++) {
		const struct lc_slot_row *s = &w->rows.slots[i];
		const struct lc_inst_row *in =
		    rows_inst(&w->rows, s->slot_id, s->gen);
		const struct vm *v = in
		    ? cloud_vm(w, cloud_of(w, in->connection), in->csp_id)
		    : NULL;

		*slot = s->slot_id;
		wanted += s->desired;
		if (s->desired && (!v || !v->live))
			return "I2_MISSING";
		if (s->desired && in->phase != LC_P_RUNNING)
			return "I2_NOT_RUNNING";
		if (!s->desired && cloud_live_of(w, s->slot_id) > 0)
			return "I3_RESURRECTED";
	}
	for (size_t i = 0; i < w->nvms; i++) {
		const struct vm *v = &w->vms[i];

		*slot = v->slot;
		if (!v->slot && !v->live)
			return "I5_STRANGER_DEAD";
		if (!v->live || !v->slot)
			continue;
		live++;
		if (!rows_slot(&w->rows, v->slot))
			return "I2_FORGOTTEN";
		if (cloud_live_of(w, v->slot) > 1)
			return "I1_EXTRA_STAYS";
	}
	*slot = 0;
	return wanted == live ? NULL : "I2_COUNT";
}

bool
check_settled(struct sim *w)
{
	int64_t slot;

	return !look(w, &slot);
}

void
check_rest(struct sim *w)
{
	int64_t slot = 0;
	const char *what = look(w, &slot);

	if (what)
		sim_violation(w, what, slot, "at rest");
	for (size_t i = 0; i < w->rows.nslots; i++) {
		const struct lc_slot_row *s = &w->rows.slots[i];
		const struct lc_slot *x =
		    w->up ? lc_slot_find(w->lc, s->slot_id) : NULL;

		if (!x) {
			sim_violation(w, "I4_SLOT_LOST", s->slot_id, "at rest");
			continue;
		}
		sim_say(w,
		    "%s id=%lld gen=%lld want=%d drop=%d %s %s %s verb=%s "
		    "gaveUp=%d replace=%d member=%d busy=%d absent=%u "
		    "install=%s",
		    x->vm_id, (long long)x->row.slot_id, (long long)x->row.gen,
		    x->row.desired, x->row.drop, lc_status_name(x->status),
		    lc_class_name(x->inst.cls), x->inst.csp_id,
		    lc_verb_name(x->inst.verb), x->row.gave_up, x->row.replace,
		    x->row.member, x->busy, x->absent,
		    lc_install_state_name(x->inst.install));
	}
}

/* At rest for an hour: nothing changes, and hardly anybody is asked. */
void
check_quiet_hour(struct sim *w)
{
	uint64_t calls = 0, most;
	size_t n = w->rows.nslots > 0 ? w->rows.nslots : 1;

	for (size_t i = 0; i < CSP_OP_COUNT; i++)
		calls -= w->calls[i];
	if (!sim_go(w, w->now + 3600 * NS_PER_S))
		return;
	for (size_t i = 0; i < CSP_OP_COUNT; i++)
		calls += w->calls[i];
	/* A list serves all slots of a connection, and each connection has
	 * one. */
	if (n < w->nconns)
		n = w->nconns;
	most = QUIET_CALLS * n;
	if (calls > most)
		sim_violation(w, "I9_CALLS", 0, "%llu calls of %zu slots",
		    (unsigned long long)calls, n);
	check_rest(w);
}
