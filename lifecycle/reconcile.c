/*
 * reconcile.c - desired versus observed: looks at one slot and does the one
 * next thing. Rules R5, R7 and R10: absence is believed late, a generation
 * ends before the next begins, and terminate is done only when it is seen.
 */
#include "lifecycle/priv.h"

#include <assert.h>
#include <string.h>

#define REISSUE_MIN_NS (5 * NS_PER_S)
#define REISSUE_MAX_NS (300 * NS_PER_S)
#define ABSENT_GAP_NS (180 * NS_PER_S) /* three quiet looks */
#define WAIT_TIMES 10 /* deadlines that a call may wait for its turn */

static void expire(struct lc *lc, struct lc_slot *s);
static void step_absent(struct lc *lc, struct lc_slot *s);
static void step_running(struct lc *lc, struct lc_slot *s);
static void step_terminating(struct lc *lc, struct lc_slot *s);
static void copy_facts(struct lc *lc, struct lc_slot *s,
    const struct csp_vm *vm);
static void judge(struct lc *lc, struct lc_slot *s, enum lc_class before,
    const char *fault);

static void (*const steps[LC_P_COUNT])(struct lc *lc, struct lc_slot *s) = {
	[LC_P_NONE] = step_absent,
	[LC_P_CREATING] = lc_step_creating,
	[LC_P_RUNNING] = step_running,
	[LC_P_TERMINATING] = step_terminating,
	[LC_P_DEAD] = step_absent,
};

/* Mutants that believe in an absence act on it, too. */
static bool
unfenced(void)
{
	return mutant(MUT_NO_FENCE) || mutant(MUT_ONE_ABSENCE) ||
	    mutant(MUT_TWO_ABSENCES);
}

bool
lc_wanted(const struct lc_slot *s)
{
	return s->row.desired && !s->row.replace;
}

/* Not wanted any more; drop: nor remembered once it is proved gone. */
void
lc_unwant(struct lc *lc, struct lc_slot *s, bool drop)
{
	s->row.desired = false;
	s->row.drop = s->row.drop || drop;
	s->retry_ns = 0;
	if (s->inst.phase == LC_P_CREATING && s->inst.verb != LC_V_TERMINATE)
		lc_verb_begin(lc, s, LC_V_TERMINATE);
	lc_dirty(lc, s, DIRTY_SLOT);
	lc_refresh(lc, s);
	lc_kick(lc, s);
}

/* Its call has not left yet: others of the same connection come first. */
static bool
wait_longer(struct lc *lc, struct lc_slot *s)
{
	int64_t ns = lc_deadline_ns(lc, s, s->inst.verb);

	if (!s->waiting || lc_now(lc) - s->begun_ns >= WAIT_TIMES * ns)
		return false;
	s->deadline_ns = lc_now(lc) + ns;
	return true;
}

void
lc_step(struct lc *lc, struct lc_slot *s)
{
	if (s->inst.verb != LC_V_NONE && s->deadline_ns &&
	    !mutant(MUT_NO_DEADLINE)) {
		if (lc_now(lc) >= s->deadline_ns && !wait_longer(lc, s))
			expire(lc, s);
		else
			lc_wake(lc, s, s->deadline_ns);
	}
	if ((s->dirty || s->committing) && !mutant(MUT_CALL_BEFORE_COMMIT))
		return;
	if (s->busy)
		return;
	steps[s->inst.phase](lc, s);
}

static void
expire(struct lc *lc, struct lc_slot *s)
{
	enum lc_verb v = s->inst.verb;

	s->deadline_ns = 0;
	lc_event(lc, LC_EV_DEADLINE, NULL, s, lc_verb_name(v));
	if (v == LC_V_TERMINATE) {
		if (mutant(MUT_OVERDUE_IS_END) &&
		    s->inst.phase == LC_P_TERMINATING) {
			lc_move(lc, s, MOVE_GONE);
			return;
		}
		s->overdue = true;
		lc_member(lc, s, LC_M_FAILED, "terminateOverdue");
		lc_refresh(lc, s);
	} else if (v == LC_V_CREATE) {
		/* The intent stays open: a late VM is adopted or ended. */
		if (s->inst.phase == LC_P_RUNNING)
			lc_verb_end(lc, s, false, "createTimeout");
		if (lc_wanted(s))
			lc_give_up(lc, s, "createTimeout");
	} else {
		lc_verb_end(lc, s, false, "timeout");
	}
}

/* ---- nothing there ------------------------------------------------------- */

static void
step_absent(struct lc *lc, struct lc_slot *s)
{
	if (s->row.replace) {
		s->row.replace = false;
		lc_dirty(lc, s, DIRTY_SLOT);
		return;
	}
	if (!s->row.desired) {
		if (s->row.drop)
			lc_slot_drop(lc, s);
		return;
	}
	if (s->row.gave_up)
		return;
	if (s->clear_ns > lc_now(lc) && !unfenced()) /* R7 */
		lc_wake(lc, s, s->clear_ns);
	else if (s->retry_ns > lc_now(lc))
		lc_wake(lc, s, s->retry_ns);
	else if (lc_take_orphan(lc, s))
		lc_kick(lc, s);
	else if ((s->inst.csp_id[0] || lc_restored(lc, s)) && !s->clear &&
	    !unfenced() && !mutant(MUT_NO_CLEAR_LIST))
		lc_ask_clear(lc, s);
	else
		lc_open(lc, s);
}

/* ---- a VM there ---------------------------------------------------------- */

static void
send_verb(struct lc *lc, struct lc_slot *s)
{
	static const enum csp_op ops[LC_V_COUNT] = {
		[LC_V_SUSPEND] = CSP_VM_SUSPEND,
		[LC_V_RESUME] = CSP_VM_RESUME,
		[LC_V_REBOOT] = CSP_VM_REBOOT,
	};
	enum lc_verb v = s->inst.verb;

	if (s->accepted)
		return;
	if (s->retry_ns > lc_now(lc)) {
		lc_wake(lc, s, s->retry_ns);
		return;
	}
	/* A reboot is sent at most once, also across a crash: first the mark,
	 * then the call. */
	if (v == LC_V_REBOOT && !s->inst.verb_sent) {
		s->inst.verb_sent = true;
		s->send_now = true;
		lc_dirty(lc, s, DIRTY_INST);
		return;
	}
	if (v == LC_V_REBOOT && !s->send_now && !mutant(MUT_REBOOT_AGAIN))
		return;
	if (!lc_room(lc, s))
		return;
	s->send_now = false;
	if (v == LC_V_SUSPEND)
		s->stop_until_ns =
		    lc_now(lc) + lc_settle_ns(lc, s->inst.connection);
	lc_call(lc, CALL_VERB, s, NULL,
	    lc_req(lc, ops[v], s, s->inst.connection));
}

static void
step_running(struct lc *lc, struct lc_slot *s)
{
	int64_t stale_at = s->seen_ns + lc->conf.stale_s * NS_PER_S;

	if (s->inst.cls == LC_C_GONE && s->row.desired &&
	    (lc->conf.replace_vanished || s->mcis->row.replace_vanished) &&
	    !s->row.replace) {
		s->row.replace = true;
		lc_dirty(lc, s, DIRTY_SLOT);
	}
	if (!lc_wanted(s)) { /* R7: also before a replacement */
		lc_event(lc, LC_EV_FENCE, NULL, s, NULL);
		lc_move(lc, s, MOVE_END);
		if (unfenced() && s->inst.cls == LC_C_GONE)
			lc_move(lc, s, MOVE_GONE);
		return;
	}
	if (lc_now(lc) < stale_at) {
		lc_wake(lc, s, stale_at);
	} else if (!s->stale) {
		s->stale = true;
		lc_refresh(lc, s);
	}
	if (s->inst.verb != LC_V_NONE && s->inst.verb != LC_V_CREATE)
		send_verb(lc, s);
	if (!s->dirty)
		lc_step_install(lc, s);
}

void
lc_on_verb(struct lc *lc, struct lc_slot *s, enum lc_verb verb,
    const struct csp_answer *a)
{
	char text[LC_TEXT_LEN];

	lc_poll_soon(lc, s->conn);
	if (a->cls == CSP_OK) {
		s->accepted = true;
		/* A reboot's answer may show the state before it. */
		if (a->nvms > 0 && verb != LC_V_REBOOT)
			lc_observe(lc, s, &a->vms[0], s->answered_ns);
		return;
	}
	lc_answer_text(a, text);
	lc_event(lc, LC_EV_ANSWER, NULL, s, text);
	if (a->cls == CSP_DEFINITE && a->reason != CSP_R_UNSENT &&
	    !mutant(MUT_NO_ROLL_BACK)) {
		lc_verb_end(lc, s, false, text);
		return;
	}
	/* Once more, except a reboot that may have been executed. */
	s->send_now = a->cls != CSP_AMBIGUOUS;
	if (a->cls == CSP_THROTTLED) {
		lc_throttled(lc, s, a->retry_after_ms);
		return;
	}
	s->retry_ns = lc_now(lc) + lc_backoff_ns(lc, s->tries++);
	if (a->cls == CSP_AMBIGUOUS)
		s->retry_ns += REISSUE_MIN_NS;
	lc_wake(lc, s, s->retry_ns);
}

/* The pending verb of a VM is over; create: it runs, or took too long. */
void
lc_verb_end(struct lc *lc, struct lc_slot *s, bool ok, const char *reason)
{
	enum lc_verb v = s->inst.verb;

	s->inst.verb = LC_V_NONE;
	s->inst.verb_sent = false;
	s->deadline_ns = 0;
	s->accepted = false;
	s->send_now = false;
	lc_text(lc, &s->inst.last_error, LC_TEXT_LEN, ok ? "" : reason);
	lc_dirty(lc, s, DIRTY_INST);
	if (v == LC_V_REBOOT && ok)
		s->reboot_confirmed = false;
	lc_refresh(lc, s);
	if (v != LC_V_CREATE)
		lc_member(lc, s, ok ? LC_M_DONE : LC_M_FAILED, reason);
	lc_member_check(lc, s);
	lc_kick(lc, s);
}

/* ---- ending -------------------------------------------------------------- */

static void
step_terminating(struct lc *lc, struct lc_slot *s)
{
	if (mutant(MUT_TERMINATE_ONCE) && s->accepted)
		return;
	if (s->retry_ns > lc_now(lc)) {
		lc_wake(lc, s, s->retry_ns);
		return;
	}
	if (!lc_room(lc, s))
		return;
	lc_call(lc, CALL_TERMINATE, s, NULL,
	    lc_req(lc, CSP_VM_TERMINATE, s, s->inst.connection));
}

/* R10: accepted is not executed; asked again until the end is seen. */
void
lc_on_terminate(struct lc *lc, struct lc_slot *s, const struct csp_answer *a)
{
	int64_t wait = REISSUE_MAX_NS;
	char text[LC_TEXT_LEN];

	lc_poll_soon(lc, s->conn);
	if (a->cls == CSP_THROTTLED) {
		lc_throttled(lc, s, a->retry_after_ms);
		return;
	}
	if (mutant(MUT_ACK_IS_END) && a->cls == CSP_OK) {
		lc_move(lc, s, MOVE_GONE);
		return;
	}
	if (a->cls == CSP_OK || a->cls == CSP_NOT_FOUND) {
		s->accepted = true;
		/* Found after all: what was missed before proves nothing. Not
		 * each OK is such a proof, some clouds say it of what is gone. */
		if (a->cls == CSP_OK && s->end_missed)
			s->absent = 0;
		s->end_missed = a->cls == CSP_NOT_FOUND;
		if (s->tries < 6)
			wait = REISSUE_MIN_NS << s->tries;
		s->tries++;
	} else {
		lc_answer_text(a, text);
		lc_event(lc, LC_EV_ANSWER, NULL, s, text);
		wait = lc_backoff_ns(lc, s->tries++);
	}
	s->retry_ns = lc_now(lc) + wait;
	lc_wake(lc, s, s->retry_ns);
	if (a->cls == CSP_OK && a->nvms > 0)
		lc_observe(lc, s, &a->vms[0], s->answered_ns);
}

/* ---- what is seen -------------------------------------------------------- */

/* Some clouds have no word for deleting: there a stop that follows our
 * terminate means it, if no suspend can be the reason. */
static bool
stop_is_end(struct lc *lc, const struct lc_slot *s, enum lc_class before,
    enum lc_class now, const char *csp)
{
	if (now != LC_C_STOPPING || !s->accepted || !csp ||
	    !(str_eq(csp, "gcp") || str_eq(csp, "alibaba")))
		return false;
	return before == LC_C_STOPPED ||
	    (before == LC_C_RUN && lc_now(lc) > s->stop_until_ns);
}

void
lc_observe(struct lc *lc, struct lc_slot *s, const struct csp_vm *vm,
    int64_t started_ns)
{
	const char *csp = lc->env.csp_of(lc->env.ctx, s->inst.connection);
	enum lc_class c = lc_class_of(csp, vm->native), before = s->inst.cls;
	const char *fault = vm->fault && *vm->fault ? vm->fault : "error";

	/* Asked before our last call was answered: yesterday's news. */
	if ((started_ns < s->answered_ns || s->busy) && !mutant(MUT_OLD_NEWS))
		return;
	s->seen_ns = lc_now(lc);
	s->absent = 0;
	copy_facts(lc, s, vm);
	if (s->stale) {
		s->stale = false;
		lc_refresh(lc, s);
	}
	if (c == LC_C_KEEP) {
		lc_unknown(lc, s, csp, vm->native);
		return;
	}
	if (c != before) {
		s->inst.cls = c;
		lc_dirty(lc, s, DIRTY_INST);
		if (s->inst.verb == LC_V_NONE)
			lc_event(lc, LC_EV_EXTERNAL, NULL, s, vm->native);
	}
	if (s->inst.phase == LC_P_TERMINATING) {
		/* It ends, whoever asked: clouds do not take that back. */
		if (c == LC_C_DELETING || stop_is_end(lc, s, before, c, csp))
			s->deleting_seen = true;
		if (c == LC_C_GONE) {
			lc_move(lc, s, MOVE_GONE);
			return;
		}
	} else {
		judge(lc, s, before, fault);
	}
	lc_refresh(lc, s);
	lc_member_check(lc, s);
	lc_kick(lc, s);
}

static void
fact(struct lc *lc, struct lc_slot *s, const char **dst, size_t size,
    const char *src)
{
	if (src && strlen(src) < size && lc_text(lc, dst, size, src))
		lc_dirty(lc, s, DIRTY_INST);
}

static void
copy_facts(struct lc *lc, struct lc_slot *s, const struct csp_vm *vm)
{
	struct lc_inst_row *in = &s->inst;

	fact(lc, s, &in->native, LC_WORD_LEN, vm->native);
	fact(lc, s, &in->public_ip, LC_ADDR_LEN,
	    vm->public_ip ? vm->public_ip : "");
	fact(lc, s, &in->private_ip, LC_ADDR_LEN, vm->private_ip);
	fact(lc, s, &in->zone, LC_WORD_LEN, vm->zone);
	fact(lc, s, &in->host_id, LC_WORD_LEN, vm->host_id);
	if (vm->ssh_user)
		lc_text(lc, &s->ssh_user_hint, LC_ID_LEN, vm->ssh_user);
	if (in->ssh_port != vm->ssh_port || in->host_slots != vm->host_slots ||
	    in->host_need != vm->host_need) {
		in->ssh_port = vm->ssh_port;
		in->host_slots = vm->host_slots;
		in->host_need = vm->host_need;
		lc_dirty(lc, s, DIRTY_INST);
	}
	if (!in->host_key[0] && vm->host_key &&
	    strlen(vm->host_key) < LC_KEY_LEN) {
		fact(lc, s, &in->host_key, LC_KEY_LEN, vm->host_key);
		lc_text(lc, &in->host_key_trust, LC_TRUST_LEN, "console");
	}
}

/* A create that was accepted and then failed has made something: it is ended
 * and seen gone before the next try. */
static void
broken(struct lc *lc, struct lc_slot *s, const char *why)
{
	if (s->inst.verb == LC_V_CREATE) {
		lc_failed(lc, s, NULL, why);
		lc_event(lc, LC_EV_FENCE, NULL, s, why);
		lc_move(lc, s, MOVE_END);
		if (mutant(MUT_ERROR_CLOSES))
			lc_move(lc, s, MOVE_GONE);
	} else if (s->inst.verb != LC_V_NONE) {
		lc_verb_end(lc, s, false, why);
	}
}

static void
judge_running(struct lc *lc, struct lc_slot *s, enum lc_class before)
{
	enum lc_verb v = s->inst.verb;

	if (!s->inst.ever_ran || s->row.gave_up || s->row.fails) {
		s->inst.ever_ran = true;
		s->row.gave_up = false; /* late, and welcome */
		s->row.fails = 0;
		lc_text(lc, &s->row.reason, 1, "");
		lc_dirty(lc, s, DIRTY_SLOT | DIRTY_INST);
	}
	if (v == LC_V_CREATE || v == LC_V_RESUME ||
	    (v == LC_V_REBOOT &&
		(s->accepted || (s->inst.verb_sent && before == LC_C_REBOOT))))
		lc_verb_end(lc, s, true, NULL);
}

static void
judge(struct lc *lc, struct lc_slot *s, enum lc_class before, const char *fault)
{
	enum lc_class c = s->inst.cls;

	if (c == LC_C_RUN)
		judge_running(lc, s, before);
	else if (c == LC_C_STOPPED && s->inst.verb == LC_V_SUSPEND)
		lc_verb_end(lc, s, true, NULL);
	else if (c == LC_C_ERROR)
		broken(lc, s, fault);
	else if (c == LC_C_GONE)
		broken(lc, s, "vanished");
	else if (s->inst.verb == LC_V_REBOOT && s->inst.verb_sent &&
	    (c == LC_C_REBOOT || c == LC_C_BOOT))
		s->accepted = true; /* it is executed: that is proof enough */
}

/* R5: NOT_FOUND proves nothing alone, and nothing before the visibility bound
 * has passed. */
void
lc_absent(struct lc *lc, struct lc_slot *s, int64_t started_ns)
{
	int64_t now = lc_now(lc), settle, gap;
	bool proved;

	if ((started_ns < s->answered_ns || s->busy) && !mutant(MUT_OLD_NEWS))
		return;
	if (!s->inst.csp_id[0])
		return;
	if (s->inst.phase == LC_P_RUNNING && s->inst.cls == LC_C_GONE)
		return;
	if (s->inst.phase == LC_P_TERMINATING && !s->accepted &&
	    !s->deleting_seen && !mutant(MUT_OLD_ABSENCE))
		return; /* R10: what was seen before proves nothing */
	settle = lc_settle_ns(lc, s->inst.connection);
	/* Nobody looked for long (an outage): it may have been there. */
	gap = settle / 2 > ABSENT_GAP_NS ? settle / 2 : ABSENT_GAP_NS;
	if (now - s->absent_last_ns > gap)
		s->absent = 0;
	s->absent_last_ns = now;
	if (s->absent++ == 0) {
		s->absent_ns = now;
		s->absent_late = 0;
	}
	/* Any list may miss it, also the last ones (pages move while others
	 * are made): three after SETTLE. */
	if (now - s->absent_ns >= settle)
		s->absent_late++;
	proved = s->absent >= LC_ABSENT_MIN && s->absent_late >= 3;
	if (mutant(MUT_ONE_ABSENCE) ||
	    (mutant(MUT_TWO_ABSENCES) && s->absent >= 2))
		proved = true;
	if (s->inst.phase == LC_P_TERMINATING) {
		if (proved)
			s->inst.cls = LC_C_GONE;
		else if (s->deleting_seen && s->absent >= 2)
			s->clear_ns = now + settle; /* it ends, or has ended */
		else
			return;
		s->clear_boot = false;
		lc_move(lc, s, MOVE_GONE);
		return;
	}
	if (s->inst.phase != LC_P_RUNNING || !proved)
		return;
	s->absent = 0;
	s->inst.cls = LC_C_GONE;
	lc_dirty(lc, s, DIRTY_INST);
	judge(lc, s, LC_C_GONE, "vanished");
	lc_refresh(lc, s);
	lc_member_check(lc, s);
	lc_kick(lc, s);
}

/* ---- failing ------------------------------------------------------------- */

void
lc_answer_text(const struct csp_answer *a, char out[LC_TEXT_LEN])
{
	const char *why = a->reason != CSP_R_NONE ? csp_reason_name(a->reason)
						  : csp_class_name(a->cls);
	const char *said = a->message ? a->message : a->code;
	struct str t = STR_INIT;

	str_add(&t, why);
	if (said && *said) {
		str_add(&t, ": ");
		str_add_escaped(&t, said, strlen(said), 150);
	}
	str_copy(out, LC_TEXT_LEN, str_cstr(&t));
	str_free(&t);
}

/* No zone is named, and this one is full: the next generation goes to the
 * next one. */
static bool
elsewhere(struct lc *lc, const struct lc_slot *s, const struct csp_answer *a)
{
	struct csp_caps caps;

	return a->reason == CSP_R_CAPACITY && !s->row.spec.zone[0] &&
	    lc->env.caps(lc->env.ctx, s->inst.connection, &caps) &&
	    caps.flags & CSP_CAP_ZONES;
}

void
lc_failed(struct lc *lc, struct lc_slot *s, const struct csp_answer *a,
    const char *reason)
{
	static const bool final[CSP_REASON_COUNT] = {
		[CSP_R_INVALID] = true,
		[CSP_R_QUOTA] = true,
		[CSP_R_CAPACITY] = true,
		[CSP_R_DENIED] = true,
		[CSP_R_AUTH] = true,
		[CSP_R_UNSUPPORTED] = true,
	};

	s->row.fails++;
	lc_text(lc, &s->row.reason, LC_TEXT_LEN, reason);
	lc_dirty(lc, s, DIRTY_SLOT);
	/* What a cloud refuses for such a reason it refuses again. */
	if ((a && final[a->reason] && !elsewhere(lc, s, a)) ||
	    s->row.fails >= LC_FAILS_MAX)
		lc_give_up(lc, s, reason);
}

void
lc_give_up(struct lc *lc, struct lc_slot *s, const char *reason)
{
	s->row.gave_up = true;
	lc_text(lc, &s->row.reason, LC_TEXT_LEN, reason);
	lc_dirty(lc, s, DIRTY_SLOT);
	lc_refresh(lc, s);
	lc_member_check(lc, s);
	lc_kick(lc, s);
}
