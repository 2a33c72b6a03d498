/*
 * core.c - the turn of the reconciler: what changed becomes one transaction,
 * what may go on takes one step, what waits has an entry in the timer heap.
 *
 * Owns struct lc, its lists and its memory. Tables are walked in the order of
 * ids and names, never of addresses, so that equal inputs give equal runs.
 */
#include "lifecycle/priv.h"

#include "common/pure/num.h"

#include <assert.h>
#include <string.h>

static void flush(struct lc *lc);
static void free_graves(struct lc *lc);
static void heap_push(struct lc *lc, struct due d);
static struct due heap_pop(struct lc *lc);
static bool due_valid(const struct lc *lc, const struct due *d);
static void rewake(struct lc *lc);
static struct lc_txn *txn_open(struct lc *lc);
static void slot_free(struct lc *lc, struct lc_slot *s);

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
	while (lc->mcis) {
		struct lc_mcis *m = lc->mcis;

		lc->mcis = m->next;
		free((char *)m->row.description);
		free((char *)m->row.labels);
		free(m);
	}
	while (lc->actions) {
		struct lc_action *a = lc->actions;

		lc->actions = a->next;
		free(a);
	}
	while (lc->conns) {
		struct lc_conn *c = lc->conns;

		lc->conns = c->next;
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

uint64_t
lc_turn_txn(struct lc *lc)
{
	uint64_t before = lc->next_txn;

	for (size_t i = 0; lc->started && i < lc->nkicked; i++) {
		struct lc_slot *s = lc->kicked[i];

		s->kicked = false;
		if (!s->dropped)
			lc_step(lc, s);
	}
	if (lc->started)
		lc->nkicked = 0;
	flush(lc);
	free_graves(lc);
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

static void
inst_row(struct lc *lc, const struct lc_slot *s)
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
			inst_row(lc, s);
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
	while (lc->ndue > 0 && !due_valid(lc, &lc->due[0]))
		heap_pop(lc);
	if (!lc->started || lc->ndue == 0 || lc->due[0].at_ns == lc->woken_ns)
		return;
	lc->woken_ns = lc->due[0].at_ns;
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

/* ---- slots, groups, connections ------------------------------------------ */

struct lc_slot *
lc_slot_find(const struct lc *lc, int64_t slot_id)
{
	size_t lo = 0, hi = lc->nslots;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (lc->slots[mid]->row.slot_id < slot_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < lc->nslots && lc->slots[lo]->row.slot_id == slot_id)
		return lc->slots[lo];
	return NULL;
}

static bool
slot_after(const struct lc_slot *s, const char *group, int64_t index)
{
	int c = strcmp(s->row.group, group);

	return c > 0 || (c == 0 && s->row.index > index);
}

static void
vm_id_set(struct lc *lc, struct lc_slot *s)
{
	struct str t = STR_INIT;

	str_addf(&t, "%s-%lld", s->row.group, (long long)s->row.index);
	lc_text(lc, &s->vm_id, LC_VM_ID_LEN, str_cstr(&t));
	str_free(&t);
}

int64_t
lc_index(const char *vm_id)
{
	const char *dash = strrchr(vm_id, '-');
	int64_t v = 0;

	if (!dash ||
	    !num_parse_i64(dash + 1, strlen(dash + 1), 1, INT64_MAX, &v))
		return 0;
	return v;
}

/* Slot ids only grow: at the end of the table, wherever it is in its MCIS. */
static void
slot_link(struct lc *lc, struct lc_mcis *m, struct lc_slot *s)
{
	struct lc_slot **at = &m->slots;

	assert(lc->nslots == 0 ||
	    lc->slots[lc->nslots - 1]->row.slot_id < s->row.slot_id);
	VEC_GROW(lc->slots, lc->nslots, lc->slots_cap);
	lc->slots[lc->nslots++] = s;
	while (*at && !slot_after(*at, s->row.group, s->row.index))
		at = &(*at)->next;
	s->next = *at;
	*at = s;
	s->mcis = m;
	m->nslots++;
	m->counts[s->status]++;
	s->last_try_ns = -1;
	s->seen_ns = lc_now(lc);
	vm_id_set(lc, s);
}

static struct lc_slot *
slot_make(struct lc *lc, struct lc_mcis *m, const struct lc_slot_row *row)
{
	struct lc_slot *s = xcalloc(1, sizeof *s);

	s->row = *row;
	lc_slot_row_own(lc, &s->row);
	lc_inst_row_own(lc, &s->inst);
	lc_text(lc, &s->status_reason, LC_TEXT_LEN, "");
	lc_text(lc, &s->ssh_user_hint, LC_ID_LEN, "");
	lc_text(lc, &s->boot_id, LC_ID_LEN, "");
	s->status = LC_CREATING;
	slot_link(lc, m, s);
	return s;
}

struct lc_slot *
lc_slot_new(struct lc *lc, struct lc_mcis *m, const char *group, int64_t index)
{
	const struct lc_slot_row row = { .slot_id = lc->next_slot++,
		.mcis_id = m->row.mcis_id,
		.group = group,
		.index = index,
		.labels = "{}" };
	struct lc_slot *s = slot_make(lc, m, &row);

	lc->next_dirty = true;
	lc_dirty(lc, s, DIRTY_SLOT);
	return s;
}

void
lc_slot_load(struct lc *lc, struct lc_mcis *m, const struct lc_slot_row *row)
{
	slot_make(lc, m, row);
}

static void
slot_free(struct lc *lc, struct lc_slot *s)
{
	lc_slot_row_release(lc, &s->row);
	lc_inst_row_release(lc, &s->inst);
	lc_text(lc, &s->vm_id, 1, "");
	lc_text(lc, &s->status_reason, 1, "");
	lc_text(lc, &s->ssh_user_hint, 1, "");
	lc_text(lc, &s->boot_id, 1, "");
	free(s);
}

void
lc_slot_drop(struct lc *lc, struct lc_slot *s)
{
	struct lc_mcis *m = s->mcis;
	struct lc_slot **at = &m->slots;
	size_t i = 0;

	assert(s->inst.phase == LC_P_NONE || s->inst.phase == LC_P_DEAD);
	if (s->inst.gen)
		inst_row(lc, s);
	lc_row(lc, LC_ROW_SLOT_DELETE)->u.slot.slot_id = s->row.slot_id;
	if (mutant(MUT_ID_REUSED) && s->row.slot_id + 1 == lc->next_slot) {
		lc->next_slot--;
		lc->next_dirty = true;
	}
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	while (lc->slots[i] != s)
		i++;
	memmove(&lc->slots[i], &lc->slots[i + 1],
	    (lc->nslots - i - 1) * sizeof *lc->slots);
	lc->nslots--;
	m->nslots--;
	m->counts[s->status]--;
	lc_detach(s);
	s->dropped = true;
	VEC_GROW(lc->graves, lc->ngraves, lc->graves_cap);
	lc->graves[lc->ngraves++] = s;
	lc_member(lc, s, LC_M_DONE, NULL);
	if (m->row.forget && m->nslots == 0)
		lc_mcis_drop(lc, m);
}

static void
free_graves(struct lc *lc)
{
	for (size_t i = 0; i < lc->ngraves; i++)
		slot_free(lc, lc->graves[i]);
	lc->ngraves = 0;
}

static void
mcis_link(struct lc *lc, struct lc_mcis *m)
{
	struct lc_mcis **at = &lc->mcis;

	while (*at &&
	    (strcmp((*at)->row.ns, m->row.ns) < 0 ||
		(str_eq((*at)->row.ns, m->row.ns) &&
		    strcmp((*at)->row.name, m->row.name) < 0)))
		at = &(*at)->next;
	m->next = *at;
	*at = m;
}

/* Copies the row; its id is set by the caller. */
struct lc_mcis *
lc_mcis_new(struct lc *lc, const struct lc_mcis_row *row)
{
	struct lc_mcis *m = xcalloc(1, sizeof *m);

	m->row = *row;
	m->row.description = xstrdup(row->description);
	m->row.labels = xstrdup(row->labels);
	mcis_link(lc, m);
	return m;
}

void
lc_mcis_drop(struct lc *lc, struct lc_mcis *m)
{
	struct lc_mcis **at = &lc->mcis;
	struct lc_row *r;

	assert(m->nslots == 0);
	if (m->action)
		lc_action_end(lc, m->action, LC_R_DONE);
	r = lc_row(lc, LC_ROW_MCIS_DELETE);
	r->u.mcis = m->row;
	r->u.mcis.description = r->u.mcis.labels = NULL;
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	for (struct lc_action *a = lc->actions; a; a = a->next) {
		if (a->mcis == m)
			a->mcis = NULL;
	}
	free((char *)m->row.description);
	free((char *)m->row.labels);
	free(m);
}

/* Connections live as long as struct lc; there are few. */
struct lc_conn *
lc_conn_get(struct lc *lc, const char *name)
{
	struct lc_conn **at = &lc->conns, *c;

	while (*at && strcmp((*at)->name, name) < 0)
		at = &(*at)->next;
	if (*at && str_eq((*at)->name, name))
		return *at;
	c = xcalloc(1, sizeof *c);
	str_copy(c->name, sizeof c->name, name);
	c->sweep = true;
	c->polled_ns = c->swept_ns = lc_now(lc);
	c->next = *at;
	*at = c;
	return c;
}

/* Files the slot under the connection of its generation. */
void
lc_attach(struct lc *lc, struct lc_slot *s)
{
	struct lc_conn *c = lc_conn_get(lc, s->inst.connection);
	struct lc_slot **at = &c->slots;

	if (s->conn == c)
		return;
	lc_detach(s);
	while (*at && (*at)->row.slot_id < s->row.slot_id)
		at = &(*at)->conn_next;
	s->conn = c;
	s->conn_next = *at;
	*at = s;
}

void
lc_detach(struct lc_slot *s)
{
	struct lc_slot **at;

	if (!s->conn)
		return;
	at = &s->conn->slots;
	while (*at != s)
		at = &(*at)->conn_next;
	*at = s->conn_next;
	s->conn = NULL;
}
