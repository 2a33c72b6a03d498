/*
 * fsm.c - the phases of a generation: one table, one writer; and which verb is
 * legal in which status, where it leads and what ends it. docs/lifecycle.md is
 * made from these tables.
 */
#include "lifecycle/priv.h"

#include <assert.h>

static const struct {
	enum lc_phase from;
	enum lc_move_event ev;
	enum lc_phase to;
} moves[] = {
	{ LC_P_NONE, MOVE_OPEN, LC_P_CREATING },
	{ LC_P_DEAD, MOVE_OPEN, LC_P_CREATING }, /* of the next generation */
	{ LC_P_CREATING, MOVE_MADE, LC_P_RUNNING },
	{ LC_P_CREATING, MOVE_CLOSE, LC_P_DEAD },
	{ LC_P_RUNNING, MOVE_END, LC_P_TERMINATING },
	{ LC_P_TERMINATING, MOVE_GONE, LC_P_DEAD },
};

static enum lc_phase
move_to(enum lc_phase from, enum lc_move_event ev)
{
	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		if (moves[i].from == from && moves[i].ev == ev)
			return moves[i].to;
	}
	return LC_P_COUNT;
}

bool
lc_move_legal(enum lc_phase from, enum lc_move_event ev)
{
	return move_to(from, ev) != LC_P_COUNT;
}

bool
lc_move_at(size_t i, enum lc_phase *from, enum lc_move_event *ev,
    enum lc_phase *to)
{
	if (i >= ARRAY_LEN(moves))
		return false;
	*from = moves[i].from;
	*ev = moves[i].ev;
	*to = moves[i].to;
	return true;
}

void
lc_move(struct lc *lc, struct lc_slot *s, enum lc_move_event ev)
{
	enum lc_phase to = move_to(s->inst.phase, ev);

	assert(to != LC_P_COUNT);
	s->inst.phase = to;
	if (!mutant(MUT_OLD_ABSENCE))
		s->absent = 0; /* R10: absence counts from here on */
	s->accepted = false;
	s->tries = 0;
	s->retry_ns = 0;
	switch (ev) {
	case MOVE_MADE:
		/* made after its deadline: it has that time again to run, or
		 * the create would stay pending for ever */
		if (s->inst.verb == LC_V_CREATE && !s->deadline_ns)
			lc_verb_restart(lc, s);
		break;
	case MOVE_END:
		s->deleting_seen = s->end_missed = false;
		lc_verb_begin(lc, s, LC_V_TERMINATE);
		break;
	case MOVE_GONE:
	case MOVE_CLOSE:
		s->inst.verb = LC_V_NONE;
		s->deadline_ns = 0;
		s->overdue = false;
		s->closing = false;
		s->inst.unresolved = false;
		s->list_now = false;
		lc_detach(s);
		if (s->row.replace) {
			s->row.replace = false;
			lc_dirty(lc, s, DIRTY_SLOT);
		}
		break;
	default: break;
	}
	lc_dirty(lc, s, DIRTY_INST);
	lc_refresh(lc, s);
	lc_member_check(lc, s);
	lc_kick(lc, s);
}

#define GO LC_GO
#define JOIN LC_JOIN
#define NOOP LC_NOOP
#define NO LC_NO
/* clang-format off */
static const enum lc_answer answers[LC_STATUS_COUNT][4] = {
	/*                   suspend resume reboot terminate */
	[LC_CREATING]    = { NO,     NO,    NO,    GO },
	[LC_RUNNING]     = { GO,     NOOP,  GO,    GO },
	[LC_SUSPENDING]  = { JOIN,   NO,    NO,    GO },
	[LC_SUSPENDED]   = { NOOP,   GO,    NO,    GO },
	[LC_RESUMING]    = { NO,     JOIN,  NO,    GO },
	[LC_REBOOTING]   = { NO,     NO,    JOIN,  GO },
	[LC_TERMINATING] = { NO,     NO,    NO,    JOIN },
	[LC_TERMINATED]  = { NO,     NO,    NO,    NOOP },
	[LC_FAILED]      = { GO,     GO,    GO,    GO },
	[LC_UNDEFINED]   = { GO,     GO,    GO,    GO },
};
/* clang-format on */

/* Where each pending verb leads; the deadline of every state that is not one
 * to stay in, and the way out of it. */
static const struct lc_way ways[LC_V_COUNT] = {
	[LC_V_CREATE] = { LC_CREATING, LC_RUNNING, "lifecycle.create_s",
	    "Failed (`createTimeout`); a VM that comes late is welcome while "
	    "it is wanted, else it is terminated" },
	[LC_V_SUSPEND] = { LC_SUSPENDING, LC_SUSPENDED, "lifecycle.power_s",
	    "what the cloud shows; the action failed (`timeout`)" },
	[LC_V_RESUME] = { LC_RESUMING, LC_RUNNING, "lifecycle.power_s",
	    "what the cloud shows; the action failed (`timeout`)" },
	[LC_V_REBOOT] = { LC_REBOOTING, LC_RUNNING, "lifecycle.reboot_s",
	    "what the cloud shows; the action failed (`timeout`)" },
	[LC_V_TERMINATE] = { LC_TERMINATING, LC_TERMINATED,
	    "lifecycle.terminate_s",
	    "what the cloud shows; the action failed (`terminateOverdue`), the "
	    "VM counts as billed and terminate is sent again, at least every "
	    "300 s, until its end is seen" },
};

/* NULL for LC_V_NONE. */
const struct lc_way *
lc_verb_way(enum lc_verb v)
{
	return v > LC_V_NONE && v < LC_V_COUNT ? &ways[v] : NULL;
}

/* exists: the generation has a cloud id. */
enum lc_answer
lc_verb_answer(enum lc_status st, bool exists, enum lc_verb v)
{
	assert(v >= LC_V_SUSPEND && v <= LC_V_TERMINATE);
	if (st == LC_FAILED && !exists && v != LC_V_TERMINATE)
		return LC_NO;
	return answers[st][v - LC_V_SUSPEND];
}
