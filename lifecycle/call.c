/*
 * call.c - calls to clouds that are in flight: numbers out, answers back to
 * whoever asked. An answer to a generation that is over is dropped here.
 */
#include "lifecycle/priv.h"

#include <assert.h>
#include <string.h>

/* Calls in flight; the number of a call holds its place in the table. */
#define PLACES_MAX (UINT64_C(1) << 24)

static void on_create(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a);
static void on_list(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a);
static void on_clear(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a);
static void on_verb(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a);
static void on_terminate(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a);
static void on_get(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a);

static void (*const handlers[CALL_KINDS])(struct lc *lc, struct lc_slot *s,
    const struct call *c, const struct csp_answer *a) = {
	[CALL_CREATE] = on_create,
	[CALL_LIST] = on_list,
	[CALL_CLEAR] = on_clear,
	[CALL_VERB] = on_verb,
	[CALL_TERMINATE] = on_terminate,
	[CALL_GET] = on_get,
};

/* Those that a group sends for each VM: they take turns (lc_room). */
static const bool counted[CALL_KINDS] = {
	[CALL_CREATE] = true,
	[CALL_VERB] = true,
	[CALL_TERMINATE] = true,
};

struct csp_req *
lc_req(struct lc *lc, enum csp_op op, const struct lc_slot *s,
    const char *connection)
{
	struct csp_req *q = csp_req_new(op, connection);
	struct csp_tag *tags = arena_array(q->arena, 6, sizeof *tags);

	tags[0].key = "mw-deployment";
	tags[0].value = arena_strdup(q->arena, lc->conf.deployment);
	q->tags = tags;
	q->ntags = 1;
	if (!s)
		return q;
	tags[1].key = "mw-slot";
	tags[1].value =
	    arena_printf(q->arena, "%lld", (long long)s->row.slot_id);
	tags[2].key = "mw-gen";
	tags[2].value = arena_printf(q->arena, "%lld", (long long)s->inst.gen);
	q->ntags = 3;
	if (s->inst.csp_id[0])
		q->csp_id = arena_strdup(q->arena, s->inst.csp_id);
	return q;
}

void
lc_call(struct lc *lc, enum call_kind kind, struct lc_slot *s,
    struct lc_conn *c, struct csp_req *q)
{
	size_t i = lc->free_call;

	if (i > 0) {
		lc->free_call = lc->calls[--i].next_free;
	} else {
		VEC_GROW(lc->calls, lc->ncalls, lc->calls_cap);
		i = lc->ncalls++;
		assert(i < PLACES_MAX);
	}
	q->id = ++lc->next_call * PLACES_MAX + i;
	if (!c && s && kind != CALL_GET)
		c = s->conn;
	lc->calls[i] = (struct call){
		.id = q->id,
		.kind = kind,
		.verb = s ? s->inst.verb : LC_V_NONE,
		.slot_id = s ? s->row.slot_id : 0,
		.gen = s ? s->inst.gen : 0,
		.conn = c,
		.started_ns = lc_now(lc),
	};
	if (kind == CALL_GET)
		s->getting = true;
	else if (s)
		s->busy = true;
	if (counted[kind] && c)
		c->ncalls++;
	lc->env.csp(lc->env.ctx, q);
}

void
lc_on_csp(struct lc *lc, const struct csp_answer *a)
{
	size_t i = a->id % PLACES_MAX;
	struct lc_slot *s;
	struct call c;

	if (i >= lc->ncalls || lc->calls[i].kind == CALL_NONE ||
	    lc->calls[i].id != a->id)
		return;
	c = lc->calls[i];
	lc->calls[i].kind = CALL_NONE;
	lc->calls[i].next_free = lc->free_call;
	lc->free_call = i + 1;
	if (counted[c.kind] && c.conn)
		c.conn->ncalls--;
	if (c.kind == CALL_POLL) {
		lc_on_poll(lc, c.conn, a, c.started_ns);
	} else if (handlers[c.kind]) {
		s = lc_slot_find(lc, c.slot_id);
		if (s && c.kind == CALL_GET)
			s->getting = false;
		else if (s)
			s->busy = false;
		if (s && s->inst.gen == c.gen)
			handlers[c.kind](lc, s, &c, a);
		if (s)
			lc_kick(lc, s);
	}
	lc_turn(lc);
}

static void
on_create(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a)
{
	(void)c;
	if (s->inst.phase == LC_P_CREATING)
		lc_on_create(lc, s, a);
}

static void
on_list(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a)
{
	(void)c;
	if (s->inst.phase == LC_P_CREATING)
		lc_on_list(lc, s, a);
}

static void
on_clear(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a)
{
	(void)c;
	if (s->inst.phase == LC_P_DEAD || s->inst.phase == LC_P_NONE)
		lc_on_clear(lc, s, a);
}

static void
on_verb(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a)
{
	s->answered_ns = lc_now(lc);
	if (s->inst.phase == LC_P_RUNNING && s->inst.verb == c->verb)
		lc_on_verb(lc, s, c->verb, a);
}

static void
on_terminate(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a)
{
	(void)c;
	s->answered_ns = lc_now(lc);
	if (s->inst.phase == LC_P_TERMINATING)
		lc_on_terminate(lc, s, a);
}

static void
on_get(struct lc *lc, struct lc_slot *s, const struct call *c,
    const struct csp_answer *a)
{
	lc_on_get(lc, s, a, c->started_ns);
}
