/*
 * slots.c - where slots, groups and connections are kept and found.
 *
 * Owns the lists of struct lc. Whatever happens once per VM takes constant
 * time here, or a few steps: a group of ten thousand is made, moved and taken
 * away one VM at a time. Lists are walked in the order of ids and names, never
 * of addresses, so that equal inputs give equal runs.
 */
#include "lifecycle/priv.h"

#include "common/pure/num.h"

#include <assert.h>
#include <string.h>

#define IDS_LEAST 64

/* The first place whose id is not smaller. */
static size_t
slot_place(const struct lc *lc, int64_t slot_id)
{
	size_t lo = 0, hi = lc->nslots;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (lc->slots[mid]->row.slot_id < slot_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct lc_slot *
lc_slot_find(const struct lc *lc, int64_t slot_id)
{
	size_t i = slot_place(lc, slot_id);

	return i < lc->nslots && lc->slots[i]->row.slot_id == slot_id
	    ? lc->slots[i]
	    : NULL;
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

static struct lc_slot **
id_bucket(const struct lc_mcis *m, const char *vm_id)
{
	return &m->ids[lc_hash(vm_id, strlen(vm_id)) & (m->nids - 1)];
}

static void
id_add(struct lc_mcis *m, struct lc_slot *s)
{
	struct lc_slot **at;

	if (m->nslots >= m->nids) {
		free(m->ids);
		m->nids = m->nids ? 2 * m->nids : IDS_LEAST;
		m->ids = xcalloc(m->nids, sizeof(struct lc_slot *));
		for (struct lc_slot *x = m->slots; x; x = x->next) {
			at = id_bucket(m, x->vm_id);
			x->id_next = *at;
			*at = x;
		}
		return; /* s was linked before */
	}
	at = id_bucket(m, s->vm_id);
	s->id_next = *at;
	*at = s;
}

static void
id_remove(struct lc_mcis *m, const struct lc_slot *s)
{
	struct lc_slot **at = id_bucket(m, s->vm_id);

	while (*at != s)
		at = &(*at)->id_next;
	*at = s->id_next;
}

struct lc_slot *
lc_vm_find(const struct lc_mcis *m, const char *vm_id)
{
	struct lc_slot *s = m->nids ? *id_bucket(m, vm_id) : NULL;

	while (s && !str_eq(s->vm_id, vm_id))
		s = s->id_next;
	return s;
}

/* Slot ids only grow: at the end of the table, wherever it is in its MCIS. */
static void
slot_link(struct lc *lc, struct lc_mcis *m, struct lc_slot *s)
{
	struct lc_slot **at = &m->slots;

	if (m->last && !slot_after(m->last, s->row.group, s->row.index))
		at = &m->last->next;
	assert(lc->nslots == 0 ||
	    lc->slots[lc->nslots - 1]->row.slot_id < s->row.slot_id);
	VEC_GROW(lc->slots, lc->nslots, lc->slots_cap);
	lc->slots[lc->nslots++] = s;
	while (*at && !slot_after(*at, s->row.group, s->row.index))
		at = &(*at)->next;
	s->next = *at;
	if (s->next)
		s->next->link = &s->next;
	s->link = at;
	*at = s;
	m->last = s;
	s->mcis = m;
	vm_id_set(lc, s);
	id_add(m, s);
	m->nslots++;
	m->counts[s->status]++;
	s->last_try_ns = -1;
	s->seen_ns = lc_now(lc);
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
	size_t i = slot_place(lc, s->row.slot_id);

	assert(s->inst.phase == LC_P_NONE || s->inst.phase == LC_P_DEAD);
	if (s->inst.gen)
		lc_inst_put(lc, s);
	lc_row(lc, LC_ROW_SLOT_DELETE)->u.slot.slot_id = s->row.slot_id;
	if (mutant(MUT_ID_REUSED) && s->row.slot_id + 1 == lc->next_slot) {
		lc->next_slot--;
		lc->next_dirty = true;
	}
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	if (m->last == s)
		m->last = NULL;
	id_remove(m, s);
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

/* Those of this turn; who still waits for a step stays until it is skipped. */
void
lc_free_graves(struct lc *lc)
{
	size_t n = 0;

	for (size_t i = 0; i < lc->ngraves; i++) {
		if (lc->graves[i]->kicked)
			lc->graves[n++] = lc->graves[i];
		else
			slot_free(lc, lc->graves[i]);
	}
	lc->ngraves = n;
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
	lc_mcis_free(m);
}

void
lc_mcis_free(struct lc_mcis *m)
{
	free((char *)m->row.description);
	free((char *)m->row.labels);
	free(m->ids);
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
	if (c->last && c->last->row.slot_id < s->row.slot_id)
		at = &c->last->conn_next;
	while (*at && (*at)->row.slot_id < s->row.slot_id)
		at = &(*at)->conn_next;
	s->conn = c;
	s->conn_next = *at;
	if (s->conn_next)
		s->conn_next->conn_link = &s->conn_next;
	s->conn_link = at;
	*at = s;
	c->last = s;
	c->nslots++;
}

void
lc_detach(struct lc_slot *s)
{
	if (!s->conn)
		return;
	*s->conn_link = s->conn_next;
	if (s->conn_next)
		s->conn_next->conn_link = s->conn_link;
	if (s->conn->last == s)
		s->conn->last = NULL;
	s->conn->nslots--;
	s->conn = NULL;
	s->waiting = s->called = false;
}

/* ---- places among the calls of a connection ------------------------------ */

/* True if a call of the slot may go out now. Else it waits its turn, and its
 * deadline with it: that counts from the first call on. */
bool
lc_room(struct lc *lc, struct lc_slot *s)
{
	struct lc_conn *c = s->conn;

	if (!c ||
	    (c->ncalls < (size_t)lc->conf.calls_max &&
		(s->called || c->waiting_at == c->nwaiting))) {
		if (s->waiting && s->deadline_ns)
			lc_verb_restart(lc, s);
		s->waiting = s->called = false;
		return true;
	}
	if (s->waiting && !s->called)
		return false;
	s->waiting = true;
	s->called = false;
	VEC_GROW(c->waiting, c->nwaiting, c->waiting_cap);
	c->waiting[c->nwaiting++] = s->row.slot_id;
	lc->nwaiting++;
	return false;
}

static void
admit_conn(struct lc *lc, struct lc_conn *c)
{
	size_t room = lc->conf.calls_max > (int64_t)c->ncalls
	    ? (size_t)lc->conf.calls_max - c->ncalls
	    : 0;

	while (room > 0 && c->waiting_at < c->nwaiting) {
		struct lc_slot *s =
		    lc_slot_find(lc, c->waiting[c->waiting_at++]);

		lc->nwaiting--;
		if (!s || s->conn != c || !s->waiting)
			continue;
		s->called = true;
		lc_kick(lc, s);
		room--;
	}
	if (2 * c->waiting_at < c->nwaiting)
		return;
	c->nwaiting -= c->waiting_at;
	memmove(c->waiting, &c->waiting[c->waiting_at],
	    c->nwaiting * sizeof *c->waiting);
	c->waiting_at = 0;
}

/* Calls up those who wait, as many as there are places: each that finds it has
 * nothing to say leaves its place to the next at the end of the turn. */
void
lc_admit(struct lc *lc)
{
	for (struct lc_conn *c = lc->conns; c && lc->nwaiting > 0; c = c->next)
		admit_conn(lc, c);
}
