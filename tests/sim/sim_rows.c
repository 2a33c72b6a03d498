/*
 * sim_rows.c - what was acknowledged: each row of each transaction whose
 * commit returned. The oracle looks here, and a new process must find exactly
 * this in its database (I4).
 */
#include "lifecycle/priv.h"
#include "tests/sim/sim_int.h"

#include <string.h>

struct lc_slot_row *
rows_slot(const struct rows *r, int64_t slot)
{
	for (size_t i = 0; i < r->nslots; i++) {
		if (r->slots[i].slot_id == slot)
			return &r->slots[i];
	}
	return NULL;
}

/* The newest ones are asked for most. */
struct lc_inst_row *
rows_inst(const struct rows *r, int64_t slot, int64_t gen)
{
	for (size_t i = r->ninsts; i-- > 0;) {
		if (r->insts[i].slot_id == slot && r->insts[i].gen == gen)
			return &r->insts[i];
	}
	return NULL;
}

static void
put_mcis(struct rows *r, const struct lc_mcis_row *m, bool keep)
{
	size_t i = 0;

	while (i < r->nmcis && r->mcis[i].mcis_id != m->mcis_id)
		i++;
	if (!keep) {
		if (i < r->nmcis)
			r->mcis[i] = r->mcis[--r->nmcis];
		return;
	}
	if (i == r->nmcis) {
		VEC_GROW(r->mcis, r->nmcis, r->mcis_cap);
		r->nmcis++;
	}
	r->mcis[i] = *m;
	r->mcis[i].description = "";
	r->mcis[i].labels = "{}";
}

static void
put_slot(struct rows *r, const struct lc_slot_row *row, struct arena *a)
{
	struct lc_slot_row *s = rows_slot(r, row->slot_id);

	if (!s) {
		VEC_GROW(r->slots, r->nslots, r->slots_cap);
		s = &r->slots[r->nslots++];
	}
	lc_slot_row_copy(a, s, row);
	s->labels = "{}";
}

static void
delete_slot(struct rows *r, int64_t slot)
{
	struct lc_slot_row *s = rows_slot(r, slot);

	if (s)
		*s = r->slots[--r->nslots];
}

static void
put_inst(struct rows *r, const struct lc_inst_row *row, struct arena *a)
{
	struct lc_inst_row *in = rows_inst(r, row->slot_id, row->gen);

	if (!in) {
		VEC_GROW(r->insts, r->ninsts, r->insts_cap);
		in = &r->insts[r->ninsts++];
	}
	lc_inst_row_copy(a, in, row);
}

static void
put_action(struct rows *r, const struct lc_action_row *a)
{
	size_t i = 0;

	while (i < r->nrunning && !str_eq(r->running[i], a->action_id))
		i++;
	if (a->state != LC_R_RUNNING) {
		if (i < r->nrunning && i != --r->nrunning)
			memcpy(r->running[i], r->running[r->nrunning],
			    sizeof *r->running);
		return;
	}
	if (i < r->nrunning)
		return;
	VEC_GROW(r->running, r->nrunning, r->running_cap);
	str_copy(r->running[r->nrunning++], LC_ACTION_LEN, a->action_id);
}

static void
put_orphan(struct rows *r, const struct lc_orphan *o, bool keep)
{
	size_t i = 0;

	while (i < r->norphans &&
	    !(str_eq(r->orphans[i].csp_id, o->csp_id) &&
		str_eq(r->orphans[i].connection, o->connection)))
		i++;
	if (!keep) {
		if (i < r->norphans)
			r->orphans[i] = r->orphans[--r->norphans];
		return;
	}
	if (i == r->norphans) {
		VEC_GROW(r->orphans, r->norphans, r->orphans_cap);
		r->norphans++;
	}
	r->orphans[i] = *o;
	r->orphans[i].native = r->orphans[i].vm = "";
}

void
rows_put(struct sim *w, const struct lc_row *row)
{
	struct rows *r = &w->rows;

	switch (row->kind) {
	case LC_ROW_MCIS_PUT: put_mcis(r, &row->u.mcis, true); break;
	case LC_ROW_MCIS_DELETE: put_mcis(r, &row->u.mcis, false); break;
	case LC_ROW_SLOT_PUT: put_slot(r, &row->u.slot, w->texts); break;
	case LC_ROW_SLOT_DELETE: delete_slot(r, row->u.slot.slot_id); break;
	case LC_ROW_INST_PUT:
		verbs_row(w, rows_inst(r, row->u.inst.slot_id, row->u.inst.gen),
		    &row->u.inst);
		put_inst(r, &row->u.inst, w->texts);
		check_rows(w, &row->u.inst);
		break;
	case LC_ROW_ACTION_PUT: put_action(r, &row->u.action); break;
	case LC_ROW_ORPHAN_PUT: put_orphan(r, &row->u.orphan, true); break;
	case LC_ROW_ORPHAN_DELETE: put_orphan(r, &row->u.orphan, false); break;
	case LC_ROW_NEXT_PUT:
		r->next_mcis = row->u.next.mcis_id;
		r->next_slot = row->u.next.slot_id;
		break;
	case LC_ROW_EVENT: w->told[row->u.event.kind]++; break;
	default: break;
	}
}

#define COPY(to, from, v, n, cap)                                  \
	do {                                                       \
		free((to)->v);                                     \
		(to)->v = xcalloc((from)->n + 1, sizeof *(to)->v); \
		if ((from)->n)                                     \
			memcpy((to)->v, (from)->v,                 \
			    (from)->n * sizeof *(to)->v);          \
		(to)->n = (from)->n;                               \
		(to)->cap = (from)->n + 1;                         \
	} while (0)

void
rows_copy(struct rows *to, const struct rows *from)
{
	COPY(to, from, mcis, nmcis, mcis_cap);
	COPY(to, from, slots, nslots, slots_cap);
	COPY(to, from, insts, ninsts, insts_cap);
	COPY(to, from, orphans, norphans, orphans_cap);
	COPY(to, from, running, nrunning, running_cap);
	to->next_mcis = from->next_mcis;
	to->next_slot = from->next_slot;
	to->commit = from->commit;
}

void
rows_free(struct rows *r)
{
	free(r->mcis);
	free(r->slots);
	free(r->insts);
	free(r->orphans);
	free(r->running);
	memset(r, 0, sizeof *r);
}

/* ---- I4 ------------------------------------------------------------------- */

static bool
same_slot(const struct lc_slot_row *a, const struct lc_slot_row *b)
{
	return a->mcis_id == b->mcis_id && str_eq(a->group, b->group) &&
	    a->index == b->index && a->desired == b->desired &&
	    a->drop == b->drop && a->added == b->added &&
	    str_eq(a->spec.connection, b->spec.connection) &&
	    str_eq(a->spec.spec, b->spec.spec) &&
	    str_eq(a->spec_sha256, b->spec_sha256) && a->gen == b->gen &&
	    a->fails == b->fails && a->gave_up == b->gave_up &&
	    a->replace == b->replace && str_eq(a->reason, b->reason) &&
	    str_eq(a->action_id, b->action_id) && a->member == b->member;
}

static bool
same_inst(const struct lc_inst_row *a, const struct lc_inst_row *b)
{
	return a->phase == b->phase && str_eq(a->connection, b->connection) &&
	    str_eq(a->token, b->token) && str_eq(a->csp_id, b->csp_id) &&
	    a->attempted == b->attempted && a->verb == b->verb &&
	    a->verb_sent == b->verb_sent && a->ever_ran == b->ever_ran &&
	    str_eq(a->native, b->native) && a->cls == b->cls &&
	    str_eq(a->public_ip, b->public_ip) &&
	    str_eq(a->ssh_user, b->ssh_user) &&
	    str_eq(a->host_key, b->host_key) &&
	    str_eq(a->host_key_trust, b->host_key_trust) &&
	    a->install == b->install &&
	    str_eq(a->install_step, b->install_step) &&
	    str_eq(a->install_error, b->install_error) &&
	    str_eq(a->last_error, b->last_error) && a->status == b->status;
}

void
rows_compare(struct sim *w)
{
	const struct rows *r = &w->rows;
	size_t n = 0, running = 0;

	for (const struct lc_mcis *m = lc_mcis_first(w->lc); m; m = m->next)
		n++;
	if (n != r->nmcis)
		sim_violation(w, "I4_GROUPS_LOST", 0, "%zu of %zu", n,
		    r->nmcis);
	for (size_t i = 0; i < r->nslots; i++) {
		const struct lc_slot_row *s = &r->slots[i];
		const struct lc_slot *x = lc_slot_find(w->lc, s->slot_id);
		const struct lc_inst_row *in = rows_inst(r, s->slot_id, s->gen);

		if (!x || !same_slot(&x->row, s))
			sim_violation(w, "I4_ROW_LOST", s->slot_id, "slot");
		else if (in && !same_inst(&x->inst, in))
			sim_violation(w, "I4_ROW_LOST", s->slot_id, "gen %lld",
			    (long long)s->gen);
	}
	for (size_t i = 0; i < r->nrunning; i++)
		running += lc_action_find(w->lc, r->running[i]) != NULL;
	if (running != r->nrunning)
		sim_violation(w, "I4_ACTION_LOST", 0, "%zu of %zu", running,
		    r->nrunning);
}

/* ---- for scenarios -------------------------------------------------------- */

const struct lc_slot_row *
sim_slot_row(const struct sim *w, const char *vm)
{
	for (size_t i = 0; i < w->rows.nslots; i++) {
		const struct lc_slot_row *s = &w->rows.slots[i];
		char id[LC_VM_ID_LEN];

		snprintf(id, sizeof id, "%s-%lld", s->group,
		    (long long)s->index);
		if (str_eq(id, vm))
			return s;
	}
	return NULL;
}

const struct lc_inst_row *
sim_inst_row(const struct sim *w, int64_t slot, int64_t gen)
{
	return rows_inst(&w->rows, slot, gen);
}

uint64_t
sim_told(const struct sim *w, enum lc_event_kind kind)
{
	return w->told[kind];
}

const char *
sim_orphan(const struct sim *w, const char *csp_id)
{
	for (size_t i = w->rows.norphans; i-- > 0;) {
		if (str_eq(w->rows.orphans[i].csp_id, csp_id))
			return w->rows.orphans[i].decision;
	}
	return NULL;
}
