/*
 * sim_verbs.c - promises about verbs: a refused one is over at once, a reboot
 * is executed at most once for each wish, and what was pending when the process
 * died is pending when it is back.
 */
#include "tests/sim/sim_int.h"

static const enum lc_verb verb_of[CSP_OP_COUNT] = {
	[CSP_VM_SUSPEND] = LC_V_SUSPEND,
	[CSP_VM_RESUME] = LC_V_RESUME,
	[CSP_VM_REBOOT] = LC_V_REBOOT,
};

/* The core has taken an answer; those of verbs name their VM. */
void
verbs_answered(struct sim *w, const struct csp_answer *a)
{
	enum lc_verb v = verb_of[a->op];

	if (v == LC_V_NONE || a->cls != CSP_DEFINITE || !a->csp_id || w->dead)
		return;
	for (size_t i = 0; i < w->nvms; i++) {
		const struct lc_slot *s;

		if (!str_eq(w->vms[i].id, a->csp_id))
			continue;
		s = lc_slot_find(w->lc, w->vms[i].slot);
		if (s && s->inst.gen == w->vms[i].gen && s->inst.verb == v)
			sim_violation(w, "VERB_STAYS_PENDING", s->row.slot_id,
			    "%s was refused", lc_verb_name(v));
	}
}

static struct vm *
machine_of(struct sim *w, int64_t slot, int64_t gen)
{
	for (size_t i = w->nvms; i-- > 0;) {
		if (w->vms[i].slot == slot && w->vms[i].gen == gen)
			return &w->vms[i];
	}
	return NULL;
}

/* A row is about to be replaced: a reboot that begins is one more wish, one
 * that ended well has ended. */
void
verbs_row(struct sim *w, const struct lc_inst_row *old,
    const struct lc_inst_row *new)
{
	struct vm *v = machine_of(w, new->slot_id, new->gen);
	enum sim_class c = v ? w->clouds[v->conn].cls : SIM_T;

	/* Where a cloud has a word for it, done means seen done. */
	if (old && v && old->verb == LC_V_REBOOT &&
	    new->verb == LC_V_NONE &&new->phase == LC_P_RUNNING &&
	    !new->last_error[0] && v->cls == LC_C_REBOOT &&
	    v->reboots_wished == 1 && (c == SIM_N || c == SIM_L))
		sim_violation(w, "VERB_DONE_TOO_EARLY", new->slot_id, "reboot");
	if (new->verb != LC_V_REBOOT || new->verb_sent ||
	    (old && old->verb == LC_V_REBOOT && !old->verb_sent))
		return;
	if (v)
		v->reboots_wished++;
}

void
verbs_rebooted(struct sim *w, struct vm *v)
{
	if (++v->reboots > v->reboots_wished && !w->restored)
		sim_violation(w, "REBOOTED_AGAIN", v->slot, "%d of %d wishes",
		    v->reboots, v->reboots_wished);
}

/* I4: right after a start. */
void
verbs_go_on(struct sim *w)
{
	for (size_t i = 0; i < w->rows.nslots; i++) {
		const struct lc_slot_row *r = &w->rows.slots[i];
		const struct lc_inst_row *in =
		    rows_inst(&w->rows, r->slot_id, r->gen);
		const struct lc_slot *s = lc_slot_find(w->lc, r->slot_id);

		if (in && s && in->phase == LC_P_RUNNING &&
		    in->verb != LC_V_NONE && s->inst.phase == in->phase &&
		    s->inst.verb != in->verb)
			sim_violation(w, "I4_VERB_FORGOTTEN", r->slot_id, "%s",
			    lc_verb_name(in->verb));
	}
}
