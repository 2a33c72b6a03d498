/*
 * poll.c - looking at the clouds: one list per connection, often while
 * something is pending there, rarely else; and rule R8, the sweep, which reads
 * the same lists for VMs that no row explains.
 */
#include "lifecycle/priv.h"

#include <string.h>

#define POLL_MAX_NS (60 * NS_PER_S)
#define SWEEP_AGAIN_NS (10 * NS_PER_S)
#define POLL_LIST 25 /* VMs of a list that is cheap */
#define POLL_TIMES_MAX 30
#define POLL_AGE_PART 8 /* pending for 8 s: look once a second */

static bool
pending(const struct lc_slot *s)
{
	switch (s->inst.phase) {
	case LC_P_CREATING: return s->inst.unresolved;
	case LC_P_TERMINATING: return true;
	case LC_P_RUNNING: break;
	default: return false;
	}
	return s->inst.verb != LC_V_NONE || s->absent > 0 ||
	    (s->inst.cls != LC_C_RUN && s->inst.cls != LC_C_STOPPED &&
		s->inst.cls != LC_C_GONE && s->inst.cls != LC_C_ERROR) ||
	    (s->inst.cls == LC_C_RUN && !s->inst.public_ip[0]);
}

/* A list takes time by its length: a long one is asked for less often. */
static int64_t
least_ns(const struct lc *lc, const struct lc_conn *c)
{
	int64_t times = 1 + (int64_t)(c->nslots / POLL_LIST);

	return lc->conf.poll_ms * NS_PER_MS *
	    (times < POLL_TIMES_MAX ? times : POLL_TIMES_MAX);
}

/* How long this slot can wait for the next look. */
static int64_t
slot_interval(const struct lc *lc, const struct lc_slot *s, int64_t fast,
    int64_t now)
{
	int64_t ns;

	if (!pending(s))
		return lc->conf.quiet_ms * NS_PER_MS;
	/* What is missed since a moment ago is news, however old the VM. */
	ns = (now - (s->absent > 0 ? s->absent_ns : s->begun_ns)) /
	    POLL_AGE_PART;
	if (ns < fast)
		ns = fast;
	return ns < POLL_MAX_NS ? ns : POLL_MAX_NS;
}

static int64_t
conn_interval(const struct lc *lc, const struct lc_conn *c, int64_t now)
{
	int64_t least = lc->conf.sweep_s * NS_PER_S, back;
	int64_t fast = least_ns(lc, c);

	for (const struct lc_slot *s = c->slots; s; s = s->conn_next) {
		int64_t ns = slot_interval(lc, s, fast, now);

		if (ns < least)
			least = ns;
	}
	if (c->fails > 0) {
		back = lc->conf.poll_ms * NS_PER_MS
		    << (c->fails < 7 ? c->fails : 7);
		if (least < back)
			least = back;
	}
	return least;
}

void
lc_poll_soon(struct lc *lc, struct lc_conn *c)
{
	int64_t now = lc_now(lc);

	if (!c || c->polling ||
	    (c->wake_ns && c->wake_ns <= now + least_ns(lc, c)))
		return;
	lc_wake_conn(lc, c, now + conn_interval(lc, c, now));
}

/* Clouds that cannot list by tag are asked for each VM. */
static void
get_each(struct lc *lc, struct lc_conn *c)
{
	for (struct lc_slot *s = c->slots; s; s = s->conn_next) {
		if (s->getting)
			continue;
		if (!s->inst.csp_id[0] ||
		    (s->inst.phase != LC_P_RUNNING &&
			s->inst.phase != LC_P_TERMINATING)) {
			lc_looked_at(lc, s, lc_now(lc), NULL);
			continue;
		}
		lc_call(lc, CALL_GET, s, NULL,
		    lc_req(lc, CSP_VM_GET, s, c->name));
	}
}

void
lc_poll_due(struct lc *lc, struct lc_conn *c)
{
	int64_t now = lc_now(lc), at;
	struct csp_caps caps;

	if (c->polling)
		return;
	at = c->polled_ns + conn_interval(lc, c, now);
	if (now < at && !c->hurry) {
		lc_wake_conn(lc, c, at);
		return;
	}
	c->hurry = false;
	if (!lc->env.caps(lc->env.ctx, c->name, &caps)) {
		lc_wake_conn(lc, c, now + POLL_MAX_NS);
		lc_looked(lc, c, now, "no such connection");
		return;
	}
	if (caps.flags & CSP_CAP_LIST_BY_TAG) {
		c->polling = true;
		lc_call(lc, CALL_POLL, NULL, c,
		    lc_req(lc, CSP_VM_LIST, NULL, c->name));
		return;
	}
	get_each(lc, c);
	c->polled_ns = now;
	lc_wake_conn(lc, c, now + conn_interval(lc, c, now));
}

void
lc_on_get(struct lc *lc, struct lc_slot *s, const struct csp_answer *a,
    int64_t started_ns)
{
	char why[LC_TEXT_LEN] = "";

	if (a->cls == CSP_OK && a->nvms > 0)
		lc_observe(lc, s, &a->vms[0], started_ns);
	else if (a->cls == CSP_NOT_FOUND)
		lc_absent(lc, s, started_ns);
	if (a->cls != CSP_OK && a->cls != CSP_NOT_FOUND)
		lc_answer_text(a, why);
	lc_looked_at(lc, s, started_ns, why[0] ? why : NULL);
	lc_poll_soon(lc, s->conn);
}

static struct lc_slot *
by_csp_id(struct lc_conn *c, const char *csp_id)
{
	for (struct lc_slot *s = c->slots; s; s = s->conn_next) {
		if (str_eq(s->inst.csp_id, csp_id))
			return s;
	}
	return NULL;
}

static bool
ended(struct lc *lc, const struct lc_conn *c, const struct csp_vm *vm)
{
	const char *csp = lc->env.csp_of(lc->env.ctx, c->name);
	enum lc_class cls = lc_class_of(csp, vm->native);

	return cls == LC_C_GONE || cls == LC_C_DELETING;
}

/* R8: what no row explains is ended if its generation is one of ours that is
 * over, and left alone with an alert if it is newer than this database: then
 * the database is an old copy. */
static void
judge_stranger(struct lc *lc, struct lc_conn *c, const struct csp_vm *vm,
    const struct lc_slot *s, int64_t slot_id, int64_t gen)
{
	if (ended(lc, c, vm))
		return;
	if (s && gen == s->inst.gen && !mutant(MUT_SWEEP_OWN) &&
	    (s->inst.phase == LC_P_CREATING ||
		(s->inst.phase != LC_P_DEAD &&
		    str_eq(s->inst.csp_id, vm->csp_id))))
		return;
	lc_orphan(lc, c, vm, slot_id, gen);
}

/* A late request made a second VM of a generation whose first one ended: no
 * next generation while it may live, and the sweep comes again soon. */
static void
second_of(struct lc *lc, struct lc_conn *c, struct lc_slot *s)
{
	s->clear_boot = false;
	s->clear_ns = lc_now(lc) + lc_settle_ns(lc, c->name);
	c->sweep = true;
}

static void
one_of_list(struct lc *lc, struct lc_conn *c, const struct csp_vm *vm,
    bool sweep, int64_t started_ns)
{
	int64_t slot_id = 0, gen = 0;
	bool tagged = lc_tags(lc, vm, &slot_id, &gen);
	struct lc_slot *s;

	if (!vm->csp_id || !vm->native)
		return;
	lc_orphan_seen(lc, c, vm);
	s = tagged ? lc_slot_find(lc, slot_id) : by_csp_id(c, vm->csp_id);
	if (s && (!tagged || gen == s->inst.gen) && s->conn == c) {
		if (str_eq(s->inst.csp_id, vm->csp_id)) {
			s->listed = true;
			lc_observe(lc, s, vm, started_ns);
			if (mutant(MUT_SWEEP_OWN) && tagged && sweep)
				judge_stranger(lc, c, vm, s, slot_id, gen);
			return;
		}
		/* A create that was lost from sight: no need to wait. */
		if (tagged && s->inst.phase == LC_P_CREATING && !s->busy &&
		    s->inst.unresolved &&
		    lc_class_of(lc->env.csp_of(lc->env.ctx, c->name),
			vm->native) != LC_C_GONE) {
			s->listed = true;
			lc_adopt(lc, s, vm);
			return;
		}
	}
	if (s && tagged && gen == s->inst.gen &&
	    s->inst.phase != LC_P_CREATING && !mutant(MUT_NO_SECOND) &&
	    !str_eq(s->inst.csp_id, vm->csp_id) && !ended(lc, c, vm))
		second_of(lc, c, s);
	if (tagged && sweep && !mutant(MUT_NO_SWEEP))
		judge_stranger(lc, c, vm, s, slot_id, gen);
}

/* The bounds of a driver are known only after its first contact: what waits
 * for them since the start waits no longer than they say. */
static void
bounds_known(struct lc *lc, struct lc_conn *c)
{
	int64_t settle = lc_settle_ns(lc, c->name);

	if (settle == c->settle_ns)
		return;
	c->settle_ns = settle;
	for (size_t i = 0; i < lc->nslots; i++) {
		struct lc_slot *s = lc->slots[i];

		if (s->inst.phase == LC_P_NONE ||
		    !str_eq(s->inst.connection, c->name))
			continue;
		if (s->clear_boot)
			s->clear_ns = lc->boot_ns + settle;
		lc_kick(lc, s);
	}
}

void
lc_on_poll(struct lc *lc, struct lc_conn *c, const struct csp_answer *a,
    int64_t started_ns)
{
	int64_t now = lc_now(lc);
	struct lc_slot *next;
	bool sweep =
	    c->sweep || now - c->swept_ns >= lc->conf.sweep_s * NS_PER_S;
	char why[LC_TEXT_LEN] = "";

	c->polling = false;
	c->polled_ns = now;
	c->fails = a->cls == CSP_OK ? 0 : c->fails + 1;
	if (a->cls == CSP_OK || mutant(MUT_FAILED_LIST_EMPTY)) {
		if (sweep) {
			c->sweep = false;
			c->swept_ns = now;
		}
		for (struct lc_slot *s = c->slots; s; s = s->conn_next)
			s->listed = false;
		for (size_t i = 0; i < a->nvms; i++)
			one_of_list(lc, c, &a->vms[i], sweep, started_ns);
		for (struct lc_slot *s = c->slots; s; s = next) {
			next = s->conn_next;
			if (!s->listed)
				lc_absent(lc, s, started_ns);
		}
		lc_orphans_listed(lc, c);
		bounds_known(lc, c);
	} else {
		lc_answer_text(a, why);
	}
	lc_looked(lc, c, started_ns, why[0] ? why : NULL);
	lc_wake_conn(lc, c, now + conn_interval(lc, c, now));
}
