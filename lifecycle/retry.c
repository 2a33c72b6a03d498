/*
 * retry.c - how long to wait: back-off, SETTLE, deadlines of pending verbs.
 */
#include "lifecycle/priv.h"

#define BACKOFF_CAP_NS (60 * NS_PER_S)
#define SETTLE_DEFAULT_NS (600 * NS_PER_S)
#define MARGIN_MAX_NS (180 * NS_PER_S)

/* Full jitter: rand(0, min(60 s, 2^n s)), at least 100 ms. */
int64_t
lc_backoff_ns(struct lc *lc, unsigned tries)
{
	int64_t cap =
	    tries >= 6 ? BACKOFF_CAP_NS : (INT64_C(1) << tries) * NS_PER_S;
	uint64_t r = lc->env.rand64(lc->env.ctx);

	return 100 * NS_PER_MS + (int64_t)(r % (uint64_t)cap);
}

/* After so long an unresolved create has landed and can be listed, or never
 * will: what the driver bounds, and a margin. */
int64_t
lc_settle_ns(struct lc *lc, const char *connection)
{
	struct csp_caps caps;
	int64_t ns, margin;

	if (!lc->env.caps(lc->env.ctx, connection, &caps))
		return SETTLE_DEFAULT_NS;
	ns = (caps.late_apply_max_s + caps.list_visible_max_s) * NS_PER_S;
	margin = ns / 2 + NS_PER_S;
	return ns + (margin < MARGIN_MAX_NS ? margin : MARGIN_MAX_NS);
}

int64_t
lc_deadline_ns(struct lc *lc, const struct lc_slot *s, enum lc_verb v)
{
	const struct lc_conf *f = &lc->conf;
	struct csp_caps caps;
	int64_t create = f->create_s;

	if (v == LC_V_CREATE && create == 0) {
		create = 600;
		if (lc->env.caps(lc->env.ctx, s->inst.connection, &caps) &&
		    caps.create_deadline_s > 0)
			create = caps.create_deadline_s;
	}
	const int64_t in_s[LC_V_COUNT] = {
		[LC_V_CREATE] = create,
		[LC_V_SUSPEND] = f->power_s,
		[LC_V_RESUME] = f->power_s,
		[LC_V_REBOOT] = f->reboot_s,
		[LC_V_TERMINATE] = f->terminate_s,
	};
	return in_s[v] * NS_PER_S;
}

/* The verb is pending from now on; its deadline runs. */
void
lc_verb_begin(struct lc *lc, struct lc_slot *s, enum lc_verb v)
{
	if (s->inst.verb != v)
		s->inst.verb_sent = false;
	s->inst.verb = v;
	s->begun_ns = lc_now(lc);
	s->deadline_ns = s->begun_ns + lc_deadline_ns(lc, s, v);
	s->accepted = false;
	s->overdue = false;
	s->tries = 0;
	s->retry_ns = 0;
	lc_wake(lc, s, s->deadline_ns);
	lc_dirty(lc, s, DIRTY_INST);
}

/* It waited for a place among the calls: the deadline counts from now on. */
void
lc_verb_restart(struct lc *lc, struct lc_slot *s)
{
	s->begun_ns = lc_now(lc);
	s->deadline_ns = s->begun_ns + lc_deadline_ns(lc, s, s->inst.verb);
	lc_wake(lc, s, s->deadline_ns);
}

/* Later, and the deadline moves with it, to three times its length at most. */
void
lc_throttled(struct lc *lc, struct lc_slot *s, int64_t retry_after_ms)
{
	int64_t wait = lc_backoff_ns(lc, s->tries++), cap;

	if (wait < retry_after_ms * NS_PER_MS)
		wait = retry_after_ms * NS_PER_MS;
	s->retry_ns = lc_now(lc) + wait;
	if (s->deadline_ns && s->inst.verb != LC_V_NONE) {
		cap = s->begun_ns + 3 * lc_deadline_ns(lc, s, s->inst.verb);
		s->deadline_ns += wait;
		if (s->deadline_ns > cap)
			s->deadline_ns = cap;
	}
	lc_event(lc, LC_EV_THROTTLED, NULL, s, s->inst.connection);
	lc_wake(lc, s, s->retry_ns);
}
