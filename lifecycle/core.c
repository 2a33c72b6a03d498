/*
 * core.c - the turn of the reconciler: what changed becomes one transaction,
 * what may go on takes one step, what waits has an entry in the timer heap.
 *
 * Owns struct lc and its memory. A turn takes a bounded number of steps: what
 * is left over comes at once after it, and the loop gets to others in between.
 */
#include "lifecycle/priv.h"

#include <string.h>

#define STEPS_MAX 256 /* of one turn: about a millisecond */

static void flush(struct lc *lc);
static void heap_push(struct lc *lc, struct due d);
static struct due heap_pop(struct lc *lc);
static bool due_valid(const struct lc *lc, const struct due *d);
static void rewake(struct lc *lc);
static struct lc_txn *txn_open(struct lc *lc);

void
lc_conf_defaults(struct lc_conf *conf)
{
	*conf = (struct lc_conf){
		.poll_ms = 300,
		.quiet_ms = 30000,
		.sweep_s = 300,
		.power_s = 600,
		.reboot_s = 300,
		.terminate_s = 900,
		.install_s = 300,
		.hello_s = 60,
		.stale_s = 900,
		.calls_max = 16,
		.install = true,
	};
}

struct lc *
lc_new(const struct lc_env *env, const struct lc_conf *conf)
{
	struct lc *lc = xcalloc(1, sizeof *lc);

	lc->env = *env;
	lc->conf = *conf;
	lc->boot_ns = env->mono_ns(env->ctx);
	lc->next_mcis = lc->next_slot = 1;
	return lc;
}

void
lc_free(struct lc *lc)
{
	if (!lc)
		return;
	for (size_t i = 0; i < lc->nslots; i++)
		free(lc->slots[i]);
	for (size_t i = 0; i < lc->ngraves; i++)
		free(lc->graves[i]);
	while (lc->mcis) {
		struct lc_mcis *m = lc->mcis;

		lc->mcis = m->next;
		lc_mcis_free(m);
	}
	while (lc->actions) {
		struct lc_action *a = lc->actions;

		lc->actions = a->next;
		free(a);
	}
	while (lc->conns) {
		struct lc_conn *c = lc->conns;

		lc->conns = c->next;
		free(c->waiting);
		free(c);
	}
	for (size_t i = 0; i < lc->nns; i++)
		free(lc->ns[i]);
	if (lc->txn) {
		arena_free(lc->txn->arena);
		free(lc->txn->rows);
		free(lc->txn->slots);
		free(lc->txn);
	}
	free(lc->ns);
	free(lc->slots);
	free(lc->kicked);
	free(lc->graves);
	free(lc->dirty);
	free(lc->due);
	free(lc->calls);
	free(lc->strays);
	free(lc->known);
	lc_texts_free(lc);
	free(lc);
}

int64_t
lc_now(const struct lc *lc)
{
	return lc->env.mono_ns(lc->env.ctx);
}

/* ---- the turn ------------------------------------------------------------ */

void
lc_turn(struct lc *lc)
{
	(void)lc_turn_txn(lc);
}

static void
step_some(struct lc *lc)
{
	lc_admit(lc);
	for (size_t n = 0; n < STEPS_MAX && lc->kicked_at < lc->nkicked; n++) {
		struct lc_slot *s = lc->kicked[lc->kicked_at++];

		s->kicked = false;
		if (!s->dropped)
			lc_step(lc, s);
	}
	lc_admit(lc);
	if (lc->kicked_at == lc->nkicked)
		lc->kicked_at = lc->nkicked = 0;
}

uint64_t
lc_turn_txn(struct lc *lc)
{
	uint64_t before = lc->next_txn;

	if (lc->started)
		step_some(lc);
	flush(lc);
	lc_free_graves(lc);
	rewake(lc);
	return lc->next_txn == before ? 0 : lc->next_txn;
}

/* The slot takes its next step at the end of this turn. */
void
lc_kick(struct lc *lc, struct lc_slot *s)
{
	if (s->kicked || s->dropped)
		return;
	s->kicked = true;
	VEC_GROW(lc->kicked, lc->nkicked, lc->kicked_cap);
	lc->kicked[lc->nkicked++] = s;
}

void
lc_dirty(struct lc *lc, struct lc_slot *s, unsigned what)
{
	if (s->dropped)
		return;
	if (!s->dirty) {
		VEC_GROW(lc->dirty, lc->ndirty, lc->dirty_cap);
		lc->dirty[lc->ndirty++] = s;
	}
	s->dirty |= what;
}

static struct lc_txn *
txn_open(struct lc *lc)
{
	if (!lc->txn) {
		lc->txn = xcalloc(1, sizeof *lc->txn);
		lc->txn->arena = arena_new();
	}
	return lc->txn;
}

/* A new row at the end of this turn's transaction; valid until the next. */
struct lc_row *
lc_row(struct lc *lc, enum lc_row_kind kind)
{
	struct lc_txn *t = txn_open(lc);
	struct lc_row *r;

	VEC_GROW(t->rows, t->n, t->cap);
	r = &t->rows[t->n++];
	memset(r, 0, sizeof *r);
	r->kind = kind;
	return r;
}

/* An event in the same transaction as the change it tells of. m and s may be
 * NULL; the pointer is valid until the next row. */
struct lc_event *
lc_event(struct lc *lc, enum lc_event_kind kind, const struct lc_mcis *m,
    const struct lc_slot *s, const char *reason)
{
	struct lc_event *e = &lc_row(lc, LC_ROW_EVENT)->u.event;
	struct arena *a = lc->txn->arena;

	e->kind = kind;
	e->at = lc->env.wall_ns(lc->env.ctx);
	if (!m && s)
		m = s->mcis;
	e->ns = m ? arena_strdup(a, m->row.ns) : "";
	e->mcis = m ? arena_strdup(a, m->row.name) : "";
	e->vm_id = s ? arena_strdup(a, s->vm_id) : "";
	e->native = s ? arena_strdup(a, s->inst.native) : "";
	e->actor = "";
	if (s) {
		e->slot_id = s->row.slot_id;
		e->gen = s->inst.gen;
		if (s->row.member == LC_M_RUNNING)
			str_copy(e->action_id, sizeof e->action_id,
			    s->row.action_id);
	}
	e->reason = reason && *reason
	    ? arena_printf(a, "%.*s", LC_TEXT_LEN - 1, reason)
	    : "";
	return e;
}

void
lc_inst_put(struct lc *lc, const struct lc_slot *s)
{
	struct lc_row *r = lc_row(lc, LC_ROW_INST_PUT);

	lc_inst_row_copy(lc->txn->arena, &r->u.inst, &s->inst);
}

static void
flush_parents(struct lc *lc)
{
	struct lc_row *r;

	if (lc->next_dirty) {
		r = lc_row(lc, LC_ROW_NEXT_PUT);
		r->u.next.mcis_id = lc->next_mcis;
		r->u.next.slot_id = lc->next_slot;
		lc->next_dirty = false;
	}
	for (struct lc_mcis *m = lc->mcis; m; m = m->next) {
		if (lc->started)
			lc_refresh_group(lc, m);
		if (!m->dirty)
			continue;
		m->dirty = false;
		r = lc_row(lc, LC_ROW_MCIS_PUT);
		r->u.mcis = m->row;
		r->u.mcis.description =
		    arena_strdup(lc->txn->arena, m->row.description);
		r->u.mcis.labels = arena_strdup(lc->txn->arena, m->row.labels);
	}
	for (struct lc_action *a = lc->actions; a; a = a->next) {
		if (!a->dirty)
			continue;
		a->dirty = false;
		r = lc_row(lc, LC_ROW_ACTION_PUT);
		lc_action_row_copy(lc->txn->arena, &r->u.action, &a->row);
	}
}

static void
flush(struct lc *lc)
{
	struct lc_txn *t;

	flush_parents(lc);
	for (size_t i = 0; i < lc->ndirty; i++) {
		struct lc_slot *s = lc->dirty[i];
		struct lc_row *r;

		if (s->dropped)
			continue;
		t = txn_open(lc);
		if (s->dirty & DIRTY_SLOT) {
			r = lc_row(lc, LC_ROW_SLOT_PUT);
			lc_slot_row_copy(t->arena, &r->u.slot, &s->row);
		}
		if (s->dirty & DIRTY_INST && s->inst.gen &&
		    !(mutant(MUT_NO_INTENT) && s->inst.phase == LC_P_CREATING))
			lc_inst_put(lc, s);
		s->dirty = 0;
		s->committing = lc->next_txn + 1;
		VEC_GROW(t->slots, t->nslots, t->slots_cap);
		t->slots[t->nslots++] = s->row.slot_id;
	}
	lc->ndirty = 0;
	t = lc->txn;
	if (!t)
		return;
	lc->txn = NULL;
	t->id = ++lc->next_txn;
	lc->env.commit(lc->env.ctx, t);
}

void
lc_on_commit(struct lc *lc, struct lc_txn *t)
{
	for (size_t i = 0; i < t->nslots; i++) {
		struct lc_slot *s = lc_slot_find(lc, t->slots[i]);

		if (s && s->committing == t->id) {
			s->committing = 0;
			lc_kick(lc, s);
		}
	}
	arena_free(t->arena);
	free(t->rows);
	free(t->slots);
	free(t);
	lc_turn(lc);
}

/* ---- timers -------------------------------------------------------------- */

void
lc_wake(struct lc *lc, struct lc_slot *s, int64_t at_ns)
{
	if (s->wake_ns && s->wake_ns <= at_ns)
		return;
	s->wake_ns = at_ns;
	heap_push(lc,
	    (struct due){ .at_ns = at_ns, .slot_id = s->row.slot_id });
}

void
lc_wake_conn(struct lc *lc, struct lc_conn *c, int64_t at_ns)
{
	if (c->wake_ns && c->wake_ns <= at_ns)
		return;
	c->wake_ns = at_ns;
	heap_push(lc, (struct due){ .at_ns = at_ns, .conn = c });
}

static bool
due_before(const struct due *a, const struct due *b)
{
	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns;
	return a->slot_id < b->slot_id;
}

static void
heap_push(struct lc *lc, struct due d)
{
	size_t i = lc->ndue;

	VEC_GROW(lc->due, lc->ndue, lc->due_cap);
	lc->ndue++;
	while (i > 0 && due_before(&d, &lc->due[(i - 1) / 2])) {
		lc->due[i] = lc->due[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	lc->due[i] = d;
}

static struct due
heap_pop(struct lc *lc)
{
	struct due top = lc->due[0], last = lc->due[--lc->ndue];
	size_t i = 0;

	for (;;) {
		size_t k = 2 * i + 1;

		if (k >= lc->ndue)
			break;
		if (k + 1 < lc->ndue &&
		    due_before(&lc->due[k + 1], &lc->due[k]))
			k++;
		if (!due_before(&lc->due[k], &last))
			break;
		lc->due[i] = lc->due[k];
		i = k;
	}
	lc->due[i] = last;
	return top;
}

/* Entries of dropped slots and those set again stay in the heap until their
 * time comes. */
static bool
due_valid(const struct lc *lc, const struct due *d)
{
	const struct lc_slot *s;

	if (d->conn)
		return d->conn->wake_ns == d->at_ns;
	s = lc_slot_find(lc, d->slot_id);
	return s && s->wake_ns == d->at_ns;
}

static void
rewake(struct lc *lc)
{
	int64_t at;

	while (lc->ndue > 0 && !due_valid(lc, &lc->due[0]))
		heap_pop(lc);
	if (!lc->started || (lc->ndue == 0 && lc->nkicked == 0))
		return;
	at = lc->nkicked > 0 ? lc_now(lc) : lc->due[0].at_ns;
	if (at == lc->woken_ns)
		return;
	lc->woken_ns = at;
	lc->env.wake(lc->env.ctx, lc->woken_ns);
}

void
lc_on_timer(struct lc *lc)
{
	int64_t now = lc_now(lc);

	lc->woken_ns = 0;
	while (lc->ndue > 0 && lc->due[0].at_ns <= now) {
		bool valid = due_valid(lc, &lc->due[0]);
		struct due d = heap_pop(lc);

		if (!valid)
			continue;
		if (d.conn) {
			d.conn->wake_ns = 0;
			lc_poll_due(lc, d.conn);
		} else {
			struct lc_slot *s = lc_slot_find(lc, d.slot_id);

			s->wake_ns = 0;
			lc_kick(lc, s);
		}
	}
	lc_turn(lc);
}
