/*
 * action.c - actions: which slots take part, when each of them is done, when
 * the whole is, and what onPartialFailure makes of a create that failed in
 * part. The counts live in the action's row, the parts in the slots' rows, and
 * both are committed together, so a restart goes on where it was.
 */
#include "lifecycle/priv.h"

#include <string.h>

static bool member_of(const struct lc_slot *s, const struct lc_action *a);
static void undo(struct lc *lc, struct lc_action *a);

struct lc_action *
lc_action_new(struct lc *lc, struct lc_mcis *m, struct lc_slot *s,
    const char *group, enum lc_act act, const struct lc_who *who)
{
	struct lc_action *a = xcalloc(1, sizeof *a), **at = &lc->actions;
	struct lc_action_row *r = &a->row;
	struct lc_event *e;

	str_copy(r->action_id, sizeof r->action_id, who->action_id);
	r->act = act;
	r->mcis_id = m->row.mcis_id;
	r->slot_id = s ? s->row.slot_id : group ? -1 : 0;
	lc_text(lc, &r->target, LC_TARGET_LEN, who->target);
	lc_text(lc, &r->actor, LC_ID_LEN, who->actor);
	lc_text(lc, &r->error, LC_TEXT_LEN, "");
	r->policy = m->row.policy;
	r->started_at = lc->env.wall_ns(lc->env.ctx);
	a->mcis = m;
	a->dirty = true;
	if (r->slot_id == 0)
		m->action = a;
	while (*at)
		at = &(*at)->next;
	*at = a;
	e = lc_event(lc, LC_EV_DESIRED, m, s, lc_act_name(act));
	str_copy(e->action_id, sizeof e->action_id, r->action_id);
	e->actor = arena_strdup(lc->txn->arena, r->actor);
	return a;
}

void
lc_action_overtaken(struct lc *lc, struct lc_action *a, const char *what,
    enum lc_act by, const char *action_id)
{
	struct str t = STR_INIT;

	a->dirty = true;
	if (a->row.error[0])
		return;
	str_addf(&t, "%s: %s (%s) took its place", what, lc_act_name(by),
	    action_id);
	lc_text(lc, &a->row.error, LC_TEXT_LEN, str_cstr(&t));
	str_free(&t);
}

void
lc_action_add(struct lc *lc, struct lc_action *a, struct lc_slot *s)
{
	struct lc_action *old = NULL;

	if (s->row.member == LC_M_RUNNING)
		old = lc_action_find(lc, s->row.action_id);
	str_copy(s->row.action_id, sizeof s->row.action_id, a->row.action_id);
	s->row.member = LC_M_RUNNING;
	s->row.added = false;
	s->looking = false;
	if (old != a)
		a->row.total++;
	a->dirty = true;
	lc_dirty(lc, s, DIRTY_SLOT);
	if (!old || old == a)
		return;
	/* Taken over: the older action goes on without this slot. */
	if (!old->row.undo) {
		old->row.failed++;
		lc_action_overtaken(lc, old, s->vm_id, a->row.act,
		    a->row.action_id);
	}
	lc_action_check(lc, old);
}

/* All members are in: whatever is done already counts now. */
void
lc_action_seal(struct lc *lc, struct lc_action *a)
{
	struct lc_slot *next;
	char id[LC_ACTION_LEN];

	str_copy(id, sizeof id, a->row.action_id);
	for (struct lc_slot *s = a->mcis ? a->mcis->slots : NULL; s; s = next) {
		next = s->next;
		if (member_of(s, a))
			lc_member_check(lc, s);
		a = lc_action_find(lc, id);
		if (!a)
			return;
	}
	lc_action_check(lc, a);
}

static bool
member_of(const struct lc_slot *s, const struct lc_action *a)
{
	return str_eq(s->row.action_id, a->row.action_id);
}

void
lc_member(struct lc *lc, struct lc_slot *s, enum lc_member to,
    const char *reason)
{
	struct lc_action *a;
	struct lc_event *e;

	if (s->row.member != LC_M_RUNNING)
		return;
	e = lc_event(lc, LC_EV_ACTION_STEP, NULL, s, reason);
	str_copy(e->to, sizeof e->to, to == LC_M_DONE ? "done" : "failed");
	s->row.member = to;
	s->looking = false;
	lc_dirty(lc, s, DIRTY_SLOT);
	a = lc_action_find(lc, s->row.action_id);
	if (!a)
		return;
	if (!a->row.undo) {
		*(to == LC_M_DONE ? &a->row.done : &a->row.failed) += 1;
		a->dirty = true;
		if (to == LC_M_FAILED && !a->row.error[0]) {
			struct str t = STR_INIT;

			str_addf(&t, "%s: %s", s->vm_id,
			    reason ? reason : "failed");
			lc_text(lc, &a->row.error, LC_TEXT_LEN, str_cstr(&t));
			str_free(&t);
		}
	}
	lc_action_check(lc, a);
}

static void
check_create(struct lc *lc, struct lc_slot *s)
{
	const struct lc_inst_row *in = &s->inst;
	bool agent = s->mcis->row.require_agent;

	if (s->row.gave_up) {
		lc_member(lc, s, LC_M_FAILED, s->row.reason);
		return;
	}
	if (in->phase != LC_P_RUNNING || in->verb != LC_V_NONE ||
	    s->row.replace)
		return;
	if (in->cls == LC_C_RUN &&
	    (lc_install_over(lc, in) || (in->install == LC_I_FAILED && !agent)))
		lc_member(lc, s, LC_M_DONE, NULL);
	else if (in->cls == LC_C_RUN && in->install == LC_I_FAILED)
		lc_member(lc, s, LC_M_FAILED, in->install_error);
	else if (in->cls != LC_C_RUN && in->cls != LC_C_BOOT)
		lc_member(lc, s, LC_M_FAILED, lc_status_name(s->status));
}

/* Has this slot's part come to its end? */
void
lc_member_check(struct lc *lc, struct lc_slot *s)
{
	enum lc_phase p = s->inst.phase;
	struct lc_action *a;

	if (s->row.member != LC_M_RUNNING)
		return;
	a = lc_action_find(lc, s->row.action_id);
	if (!a) {
		s->row.member = LC_M_DONE;
		lc_dirty(lc, s, DIRTY_SLOT);
		return;
	}
	if (!s->row.desired) {
		/* One that is to be dropped ends when it is. */
		if (!s->row.drop && (p == LC_P_NONE || p == LC_P_DEAD))
			lc_member(lc, s, LC_M_DONE, NULL);
		return;
	}
	if (s->looking) { /* and what is not there is not looked at */
		if (!s->conn)
			lc_looked_at(lc, s, INT64_MAX, NULL);
		return;
	}
	if (a->row.act == LC_A_CREATE || a->row.act == LC_A_RECONCILE)
		check_create(lc, s);
	else if (s->inst.verb == LC_V_NONE || p != LC_P_RUNNING)
		lc_member(lc, s, LC_M_FAILED, "superseded");
}

static size_t
still_running(const struct lc_action *a)
{
	size_t n = 0;

	for (const struct lc_slot *s = a->mcis ? a->mcis->slots : NULL; s;
	     s = s->next)
		n += s->row.member == LC_M_RUNNING && member_of(s, a);
	return n;
}

void
lc_action_check(struct lc *lc, struct lc_action *a)
{
	/* While members are missing in the sum nobody needs to look for them:
	 * each of ten thousand asks when it ends. */
	if (!a->row.undo && !a->row.canceled &&
	    a->row.done + a->row.failed < a->row.total)
		return;
	if (still_running(a) > 0)
		return;
	if (a->row.canceled) {
		lc_action_end(lc, a, LC_R_CANCELED);
	} else if (a->row.undo) {
		lc_action_end(lc, a,
		    a->row.policy == LC_ROLLBACK ? LC_R_FAILED : LC_R_DONE);
	} else if (a->row.act == LC_A_CREATE && a->row.failed > 0 &&
	    a->row.policy != LC_CONTINUE) {
		undo(lc, a);
	} else {
		lc_action_end(lc, a,
		    a->row.failed > 0 && a->row.done == 0 ? LC_R_FAILED
							  : LC_R_DONE);
	}
}

/* Takes back what a create added: all of it, or what failed. */
static void
undo(struct lc *lc, struct lc_action *a)
{
	bool all = a->row.canceled || a->row.policy == LC_ROLLBACK;

	a->row.undo = true;
	a->dirty = true;
	for (struct lc_slot *s = a->mcis->slots; s; s = s->next) {
		if (!member_of(s, a) || !s->row.added ||
		    !(all || s->row.member == LC_M_FAILED))
			continue;
		s->row.member = LC_M_RUNNING;
		lc_unwant(lc, s, true);
	}
	lc_action_check(lc, a);
}

void
lc_action_end(struct lc *lc, struct lc_action *a, enum lc_run_state state)
{
	static const char *const names[] = { "running", "done", "failed",
		"canceled" };
	struct lc_action **at = &lc->actions;
	struct lc_event *e;
	struct lc_row *r;

	a->row.state = state;
	a->row.ended_at = lc->env.wall_ns(lc->env.ctx);
	r = lc_row(lc, LC_ROW_ACTION_PUT);
	lc_action_row_copy(lc->txn->arena, &r->u.action, &a->row);
	e = lc_event(lc, LC_EV_ACTION_END, a->mcis, NULL, a->row.error);
	str_copy(e->action_id, sizeof e->action_id, a->row.action_id);
	str_copy(e->to, sizeof e->to, names[state]);
	if (a->mcis && a->mcis->action == a)
		a->mcis->action = NULL;
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	lc_action_row_release(lc, &a->row);
	free(a);
}

void
lc_action_cancel(struct lc *lc, struct lc_action *a)
{
	for (struct lc_slot *s = a->mcis ? a->mcis->slots : NULL; s;
	     s = s->next) {
		if (s->row.member != LC_M_RUNNING || !member_of(s, a))
			continue;
		s->row.member = LC_M_FAILED;
		s->looking = false;
		a->row.failed++;
		lc_dirty(lc, s, DIRTY_SLOT);
	}
	lc_action_end(lc, a, LC_R_CANCELED);
}

bool
lc_abort(struct lc *lc, const char *action_id, uint64_t *txn,
    struct mw_err *err)
{
	struct lc_action *a = lc_action_find(lc, action_id);

	*txn = 0;
	if (!a)
		return err_set(err, MW_NOT_FOUND, 0, "no running action %s",
		    action_id);
	if (a->row.act != LC_A_CREATE || !a->mcis) {
		for (struct lc_slot *s = a->mcis ? a->mcis->slots : NULL; s;
		     s = s->next) {
			enum lc_verb v = s->inst.verb;

			if (s->row.member != LC_M_RUNNING || !member_of(s, a) ||
			    s->accepted || s->busy || s->inst.verb_sent ||
			    v < LC_V_SUSPEND || v > LC_V_REBOOT)
				continue;
			s->inst.verb = LC_V_NONE; /* it never left */
			s->deadline_ns = 0;
			lc_dirty(lc, s, DIRTY_INST);
			lc_refresh(lc, s);
		}
		lc_action_cancel(lc, a);
	} else if (!a->row.canceled) {
		a->row.canceled = true;
		for (struct lc_slot *s = a->mcis->slots; s; s = s->next) {
			if (member_of(s, a) && !s->row.added &&
			    s->row.member == LC_M_RUNNING) {
				s->row.member = LC_M_FAILED;
				a->row.failed++;
				lc_dirty(lc, s, DIRTY_SLOT);
			}
		}
		undo(lc, a);
	}
	*txn = lc_turn_txn(lc);
	return true;
}

int64_t
lc_action_left_s(const struct lc *lc, const struct lc_action *a)
{
	int64_t now = lc_now(lc), last = 0;

	for (const struct lc_slot *s = a->mcis ? a->mcis->slots : NULL; s;
	     s = s->next) {
		if (s->row.member == LC_M_RUNNING && member_of(s, a) &&
		    s->deadline_ns > last)
			last = s->deadline_ns;
	}
	if (last == 0)
		return -1;
	return last > now ? (last - now + NS_PER_S - 1) / NS_PER_S : 0;
}
