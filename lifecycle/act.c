/*
 * act.c - verbs on a group or on one VM. The answer table of fsm.c is applied
 * to each VM's plain status, never to the decorated string of the group.
 */
#include "lifecycle/priv.h"

#include <string.h>

static const enum lc_verb verb_of[LC_A_COUNT] = {
	[LC_A_SUSPEND] = LC_V_SUSPEND,
	[LC_A_RESUME] = LC_V_RESUME,
	[LC_A_REBOOT] = LC_V_REBOOT,
	[LC_A_TERMINATE] = LC_V_TERMINATE,
};

static enum lc_answer answer_of(const struct lc_slot *s, enum lc_act act);
static void perform(struct lc *lc, struct lc_slot *s, enum lc_act act);
static bool refuse(struct lc *lc, struct lc_mcis *m, const struct lc_slot *one,
    enum lc_act act, struct lc_reply *out, struct mw_err *err);
static bool group_free(struct lc *lc, struct lc_mcis *m, enum lc_act act,
    struct lc_reply *out, struct mw_err *err);

static void
item(struct lc_reply *out, const struct lc_slot *s, enum lc_act act,
    enum lc_answer answer)
{
	struct lc_plan_item *it;

	VEC_GROW(out->items, out->n, out->cap);
	it = &out->items[out->n++];
	memset(it, 0, sizeof *it);
	str_copy(it->vm_id, sizeof it->vm_id, s->vm_id);
	it->change = lc_act_name(act);
	it->answer = answer;
	str_copy(it->reason, sizeof it->reason, lc_status_name(s->status));
}

static size_t
count(const struct lc_reply *out, enum lc_answer answer)
{
	size_t n = 0;

	for (size_t i = 0; i < out->n; i++)
		n += out->items[i].answer == answer;
	return n;
}

static void
look_now(struct lc *lc, const struct lc_mcis *m)
{
	for (const struct lc_slot *s = m->slots; s; s = s->next) {
		if (!s->conn)
			continue;
		s->conn->sweep = true;
		if (!s->conn->polling) {
			s->conn->polled_ns = 0;
			lc_wake_conn(lc, s->conn, lc_now(lc) + 1);
		}
	}
}

static void
go(struct lc *lc, struct lc_mcis *m, struct lc_slot *one, enum lc_act act,
    const struct lc_who *who, struct lc_reply *out)
{
	struct lc_action *a = lc_action_new(lc, m, one, act, who);
	char id[LC_ACTION_LEN];

	str_copy(id, sizeof id, who->action_id);
	for (size_t i = 0; i < out->n; i++) {
		struct lc_slot *s;

		if (out->items[i].answer != LC_GO)
			continue;
		s = lc_vm_find(m, out->items[i].vm_id);
		lc_action_add(lc, a, s);
		perform(lc, s, act);
	}
	if (act == LC_A_DELETE) {
		m->row.forget = true;
		m->dirty = true;
	}
	lc_action_seal(lc, a);
	str_copy(out->action_id, sizeof out->action_id, id);
	out->answer = LC_GO;
	if (m->row.forget && m->nslots == 0)
		lc_mcis_drop(lc, m);
}

bool
lc_do(struct lc *lc, struct lc_mcis *m, const char *vm_id, enum lc_act act,
    unsigned flags, const struct lc_who *who, struct lc_reply *out,
    struct mw_err *err)
{
	struct lc_slot *one = vm_id ? lc_vm_find(m, vm_id) : NULL;
	bool proceed;

	memset(out, 0, sizeof *out);
	if (vm_id && !one)
		return err_set(err, MW_NOT_FOUND, 0, "%s has no VM %s",
		    m->row.name, vm_id);
	if (act == LC_A_CREATE || (vm_id && act == LC_A_DELETE))
		return err_set(err, MW_UNSUPPORTED, 0,
		    "change the MCIS file instead");
	if (!one && !group_free(lc, m, act, out, err))
		return false;
	if (out->answer == LC_JOIN)
		return true;
	for (struct lc_slot *s = one ? one : m->slots; s;
	     s = one ? NULL : s->next)
		item(out, s, act, answer_of(s, act));
	proceed = count(out, LC_GO) > 0 || act == LC_A_DELETE;
	if (!proceed && !refuse(lc, m, one, act, out, err)) {
		lc_reply_free(out);
		return false;
	}
	if (proceed)
		out->answer = LC_GO;
	if (flags & LC_DRY_RUN)
		return true;
	if (act == LC_A_RECONCILE)
		look_now(lc, m);
	if (proceed && !one && m->action)
		lc_action_cancel(lc, m->action);
	if (proceed)
		go(lc, m, one, act, who, out);
	out->txn = lc_turn_txn(lc);
	return true;
}

/* One running action per group: the same one is joined, only terminate and
 * delete take the place of another. */
static bool
group_free(struct lc *lc, struct lc_mcis *m, enum lc_act act,
    struct lc_reply *out, struct mw_err *err)
{
	const struct lc_action *a = m->action;

	(void)lc;
	if (!a)
		return true;
	if (a->row.act == act && !a->row.canceled) {
		out->answer = LC_JOIN;
		str_copy(out->action_id, sizeof out->action_id,
		    a->row.action_id);
		return true;
	}
	if (act == LC_A_DELETE || (act == LC_A_TERMINATE && !m->row.forget))
		return true;
	err_set(err, MW_CONFLICT, 0, "%s of %s is under way: %s",
	    lc_act_name(a->row.act), m->row.name, a->row.action_id);
	return err_hint(err, "wait for %s or cancel it", a->row.action_id);
}

/* Nobody moves: already so, on its way, or not now. */
static bool
refuse(struct lc *lc, struct lc_mcis *m, const struct lc_slot *one,
    enum lc_act act, struct lc_reply *out, struct mw_err *err)
{
	size_t joins = count(out, LC_JOIN);
	const struct lc_slot *s = one;
	int64_t left;

	if (joins > 0) {
		out->answer = LC_JOIN;
		for (size_t i = 0; i < out->n; i++) {
			if (out->items[i].answer != LC_JOIN)
				continue;
			s = lc_vm_find(m, out->items[i].vm_id);
			str_copy(out->action_id, sizeof out->action_id,
			    s->row.action_id);
		}
		return true;
	}
	if (count(out, LC_NO) == 0 || act == LC_A_RECONCILE ||
	    act == LC_A_REFINE) {
		out->answer = LC_NOOP;
		return true;
	}
	if (!s)
		s = lc_vm_find(m, out->items[0].vm_id);
	err_set(err, MW_CONFLICT, 0, "%s is %s, it cannot %s now",
	    one ? s->vm_id : m->row.name,
	    one ? lc_status_name(s->status) : m->status, lc_act_name(act));
	left = s->deadline_ns ? (s->deadline_ns - lc_now(lc)) / NS_PER_S : 0;
	if (s->inst.verb != LC_V_NONE)
		return err_hint(err, "wait for %s (%s), %lld s at most",
		    lc_verb_name(s->inst.verb), s->row.action_id,
		    (long long)(left > 0 ? left : 0));
	return err_hint(err, "terminate is always possible");
}

static bool
failed(const struct lc_slot *s)
{
	return s->row.gave_up || s->status == LC_FAILED;
}

static enum lc_answer
answer_of(const struct lc_slot *s, enum lc_act act)
{
	enum lc_phase p = s->inst.phase;
	bool gone = p == LC_P_NONE || p == LC_P_DEAD;
	enum lc_verb v = verb_of[act];

	if (act == LC_A_DELETE)
		return LC_GO;
	if (act == LC_A_REFINE)
		return !s->row.drop && (!s->row.desired || failed(s)) ? LC_GO
								      : LC_NOOP;
	if (act == LC_A_RECONCILE)
		return s->row.desired &&
			(s->row.gave_up ||
			    (p == LC_P_RUNNING && s->inst.cls == LC_C_GONE) ||
			    (s->inst.cls == LC_C_RUN &&
				s->inst.install == LC_I_FAILED))
		    ? LC_GO
		    : LC_NOOP;
	if (!s->row.desired) {
		if (v != LC_V_TERMINATE)
			return LC_NO;
		return gone ? LC_NOOP : LC_JOIN;
	}
	if (v == LC_V_TERMINATE)
		return LC_GO;
	if (s->row.replace)
		return LC_NO;
	return lc_verb_answer(s->status, p == LC_P_RUNNING, v);
}

static void
perform(struct lc *lc, struct lc_slot *s, enum lc_act act)
{
	if (act == LC_A_RECONCILE) {
		lc_retry(lc, s);
	} else if (verb_of[act] == LC_V_NONE || act == LC_A_TERMINATE) {
		lc_unwant(lc, s, act != LC_A_TERMINATE);
		if (mutant(MUT_REFINE_FORGETS) && act == LC_A_REFINE &&
		    s->inst.phase == LC_P_CREATING)
			lc_move(lc, s, MOVE_CLOSE);
	} else {
		lc_verb_begin(lc, s, verb_of[act]);
		lc_refresh(lc, s);
		lc_kick(lc, s);
	}
}
