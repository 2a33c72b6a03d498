/*
 * act.c - verbs on an MCIS, on one group of it or on one VM. The answer table
 * of fsm.c is applied to each VM's plain status, never to the decorated string
 * of the group. Reconcile ends for a VM when it was looked at, and for one that
 * failed when the new try ended.
 */
#include "lifecycle/priv.h"

#include <string.h>

static const enum lc_verb verb_of[LC_A_COUNT] = {
	[LC_A_SUSPEND] = LC_V_SUSPEND,
	[LC_A_RESUME] = LC_V_RESUME,
	[LC_A_REBOOT] = LC_V_REBOOT,
	[LC_A_TERMINATE] = LC_V_TERMINATE,
};

/* Who is meant: one VM, else one group, else all. */
struct scope {
	struct lc_slot *one;
	const char *group;
};

static enum lc_answer answer_of(const struct lc_slot *s, enum lc_act act);
static void perform(struct lc *lc, struct lc_slot *s, enum lc_act act);
static bool refuse(struct lc *lc, struct lc_mcis *m, const struct scope *sc,
    enum lc_act act, struct lc_reply *out, struct mw_err *err);
static bool mcis_free(struct lc *lc, struct lc_mcis *m, enum lc_act act,
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
go(struct lc *lc, struct lc_mcis *m, const struct scope *sc, enum lc_act act,
    const struct lc_who *who, struct lc_reply *out)
{
	struct lc_action *a =
	    lc_action_new(lc, m, sc->one, sc->group, act, who);
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
	if (act == LC_A_RECONCILE)
		lc_look(lc, a);
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

static bool
act_on(struct lc *lc, struct lc_mcis *m, const struct scope *sc,
    enum lc_act act, unsigned flags, const struct lc_who *who,
    struct lc_reply *out, struct mw_err *err)
{
	struct lc_slot *one = sc->one;
	bool proceed, all = !one && !sc->group;

	if (act == LC_A_CREATE || (!all && act == LC_A_DELETE))
		return err_set(err, MW_UNSUPPORTED, 0,
		    "change the MCIS file instead");
	if (all && !mcis_free(lc, m, act, out, err))
		return false;
	if (out->answer == LC_JOIN)
		return true;
	for (struct lc_slot *s = one ? one : m->slots; s;
	     s = one ? NULL : s->next) {
		if (!sc->group || str_eq(s->row.group, sc->group))
			item(out, s, act, answer_of(s, act));
	}
	proceed = count(out, LC_GO) > 0 || act == LC_A_DELETE;
	if (!proceed && !refuse(lc, m, sc, act, out, err)) {
		lc_reply_free(out);
		return false;
	}
	if (proceed)
		out->answer = LC_GO;
	if (flags & LC_DRY_RUN)
		return true;
	if (proceed && all && m->action) {
		lc_action_overtaken(lc, m->action, m->row.name, act,
		    who->action_id);
		lc_action_cancel(lc, m->action);
	}
	if (proceed)
		go(lc, m, sc, act, who, out);
	out->txn = lc_turn_txn(lc);
	return true;
}

bool
lc_do(struct lc *lc, struct lc_mcis *m, const char *vm_id, enum lc_act act,
    unsigned flags, const struct lc_who *who, struct lc_reply *out,
    struct mw_err *err)
{
	struct scope sc = { vm_id ? lc_vm_find(m, vm_id) : NULL, NULL };

	memset(out, 0, sizeof *out);
	if (vm_id && !sc.one)
		return err_set(err, MW_NOT_FOUND, 0, "%s has no VM %s",
		    m->row.name, vm_id);
	return act_on(lc, m, &sc, act, flags, who, out, err);
}

bool
lc_do_group(struct lc *lc, struct lc_mcis *m, const char *group,
    enum lc_act act, unsigned flags, const struct lc_who *who,
    struct lc_reply *out, struct mw_err *err)
{
	const struct scope sc = { NULL, group };
	const struct lc_slot *s = m->slots;

	memset(out, 0, sizeof *out);
	while (s && !str_eq(s->row.group, group))
		s = s->next;
	if (!s)
		return err_set(err, MW_NOT_FOUND, 0, "%s has no group %.64s",
		    m->row.name, group);
	return act_on(lc, m, &sc, act, flags, who, out, err);
}

/* One running action per MCIS: the same one is joined, only terminate and
 * delete take the place of another. */
static bool
mcis_free(struct lc *lc, struct lc_mcis *m, enum lc_act act,
    struct lc_reply *out, struct mw_err *err)
{
	const struct lc_action *a = m->action;

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
	return lc_action_refuses(lc, a, err);
}

/* False: what runs, and for how long at most. */
bool
lc_action_refuses(const struct lc *lc, const struct lc_action *a,
    struct mw_err *err)
{
	int64_t left = lc_action_left_s(lc, a);

	err_set(err, MW_CONFLICT, 0,
	    "%s of %s is under way, %lld of %lld are there; it is %s",
	    lc_act_name(a->row.act), a->mcis->row.name,
	    (long long)(a->row.done + a->row.failed), (long long)a->row.total,
	    a->mcis->status);
	if (left < 0)
		return err_hint(err, "wait for %s or cancel it",
		    a->row.action_id);
	return err_hint(err, "wait for %s, %lld s at most, or cancel it",
	    a->row.action_id, (long long)left);
}

/* "3 Creating, 1 Suspended": of the members that cannot. */
static void
states_of(const struct lc_mcis *m, const struct lc_reply *out, struct str *t)
{
	int64_t n[LC_STATUS_COUNT] = { 0 };

	for (size_t i = 0; i < out->n; i++) {
		if (out->items[i].answer == LC_NO)
			n[lc_vm_find(m, out->items[i].vm_id)->status]++;
	}
	for (int st = 0; st < LC_STATUS_COUNT; st++) {
		if (n[st])
			str_addf(t, "%s%lld %s", t->len ? ", " : "",
			    (long long)n[st],
			    lc_status_name((enum lc_status)st));
	}
}

/* The member that cannot and has the most time left, or any that cannot. */
static const struct lc_slot *
slowest(const struct lc_mcis *m, const struct lc_reply *out)
{
	const struct lc_slot *best = NULL;

	for (size_t i = 0; i < out->n; i++) {
		const struct lc_slot *s;

		if (out->items[i].answer != LC_NO)
			continue;
		s = lc_vm_find(m, out->items[i].vm_id);
		if (!best ||
		    (s->inst.verb != LC_V_NONE &&
			(best->inst.verb == LC_V_NONE ||
			    s->deadline_ns > best->deadline_ns)))
			best = s;
	}
	return best;
}

/* False: the verbs that this VM would take. */
static bool
say_possible(const struct lc_slot *s, struct mw_err *err)
{
	bool made = s->inst.phase == LC_P_RUNNING;
	struct str can = STR_INIT;

	for (int v = LC_V_SUSPEND; v <= LC_V_TERMINATE; v++) {
		if (lc_verb_answer(s->status, made, (enum lc_verb)v) == LC_GO)
			str_addf(&can, "%s%s", can.len ? ", " : "",
			    lc_verb_name((enum lc_verb)v));
	}
	err_hint(err, "%s is %s; what can be done with it: %s", s->vm_id,
	    lc_status_name(s->status), can.len ? str_cstr(&can) : "refine");
	str_free(&can);
	return false;
}

/* Nobody moves: already so, on its way, or not now. */
static bool
refuse(struct lc *lc, struct lc_mcis *m, const struct scope *sc,
    enum lc_act act, struct lc_reply *out, struct mw_err *err)
{
	size_t joins = count(out, LC_JOIN);
	const struct lc_slot *s;
	struct str states = STR_INIT;
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
	s = slowest(m, out);
	states_of(m, out, &states);
	if (sc->one)
		err_set(err, MW_CONFLICT, 0, "%s is %s, it cannot %s now",
		    s->vm_id, lc_status_name(s->status), lc_act_name(act));
	else
		err_set(err, MW_CONFLICT, 0, "no VM of %s can %s now: %s",
		    sc->group ? sc->group : m->row.name, lc_act_name(act),
		    str_cstr(&states));
	str_free(&states);
	left = s->deadline_ns ? (s->deadline_ns - lc_now(lc)) / NS_PER_S : 0;
	if (s->inst.verb != LC_V_NONE)
		return err_hint(err, "wait for %s (%s), %lld s at most",
		    lc_verb_name(s->inst.verb), s->row.action_id,
		    (long long)(left > 0 ? left : 0));
	return say_possible(s, err);
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
	/* One that is busy for another action is looked at anyway. */
	if (act == LC_A_RECONCILE)
		return s->row.desired && s->row.member != LC_M_RUNNING
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
		s->looking = true;
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

/* ---- reconcile ----------------------------------------------------------- */

static bool
to_be_retried(const struct lc_slot *s)
{
	return s->row.gave_up ||
	    (s->inst.phase == LC_P_RUNNING && s->inst.cls == LC_C_GONE) ||
	    (s->inst.cls == LC_C_RUN && s->inst.install == LC_I_FAILED);
}

static void
look_again(struct lc *lc, struct lc_conn *c)
{
	c->sweep = true;
	if (c->polling)
		return; /* too early: lc_looked() asks once more */
	c->hurry = true;
	lc_wake_conn(lc, c, lc_now(lc) + 1);
}

void
lc_look(struct lc *lc, struct lc_action *a)
{
	a->look_ns = lc_now(lc);
	for (struct lc_slot *s = a->mcis ? a->mcis->slots : NULL; s;
	     s = s->next) {
		if (s->row.member != LC_M_RUNNING ||
		    !str_eq(s->row.action_id, a->row.action_id))
			continue;
		s->looking = true;
		if (s->conn)
			look_again(lc, s->conn);
	}
}

void
lc_looked_at(struct lc *lc, struct lc_slot *s, int64_t started_ns,
    const char *fault)
{
	const struct lc_action *a;

	if (!s->looking)
		return;
	a = lc_action_find(lc, s->row.action_id);
	if (a && started_ns < a->look_ns) {
		if (s->conn)
			look_again(lc, s->conn);
		return;
	}
	s->looking = false;
	if (fault) {
		lc_member(lc, s, LC_M_FAILED, fault);
	} else if (to_be_retried(s)) {
		lc_retry(lc, s);
		lc_member_check(lc, s);
	} else {
		lc_member(lc, s, LC_M_DONE, lc_status_name(s->status));
	}
}

void
lc_looked(struct lc *lc, struct lc_conn *c, int64_t started_ns,
    const char *fault)
{
	struct lc_slot *next;

	for (struct lc_slot *s = c->slots; s; s = next) {
		next = s->conn_next;
		lc_looked_at(lc, s, started_ns, fault);
	}
}
