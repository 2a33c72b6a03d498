/*
 * boot.c - what the store remembers becomes the model again, and lookups.
 *
 * No stored time takes part in a decision: deadlines and SETTLE begin anew
 * when the process starts, and a create that was attempted counts as
 * unresolved (rule R4).
 */
#include "lifecycle/priv.h"

#include <assert.h>
#include <string.h>

void
lc_load_next(struct lc *lc, int64_t mcis_id, int64_t slot_id)
{
	lc->next_mcis = mcis_id;
	lc->next_slot = slot_id;
}

static void
ns_add(struct lc *lc, const char *ns)
{
	size_t i = lc->nns;

	VEC_GROW(lc->ns, lc->nns, lc->ns_cap);
	while (i > 0 && strcmp(lc->ns[i - 1], ns) > 0) {
		lc->ns[i] = lc->ns[i - 1];
		i--;
	}
	lc->ns[i] = xstrdup(ns);
	lc->nns++;
}

void
lc_load_ns(struct lc *lc, const char *ns)
{
	if (!lc_ns_exists(lc, ns))
		ns_add(lc, ns);
}

void
lc_load_mcis(struct lc *lc, const struct lc_mcis_row *row)
{
	lc_mcis_new(lc, row);
}

static struct lc_mcis *
mcis_by_id(const struct lc *lc, int64_t mcis_id)
{
	struct lc_mcis *m = lc->mcis;

	while (m && m->row.mcis_id != mcis_id)
		m = m->next;
	return m;
}

void
lc_load_slot(struct lc *lc, const struct lc_slot_row *row)
{
	struct lc_mcis *m = mcis_by_id(lc, row->mcis_id);

	assert(m);
	lc_slot_load(lc, m, row);
}

void
lc_load_inst(struct lc *lc, const struct lc_inst_row *row)
{
	struct lc_slot *s = lc_slot_find(lc, row->slot_id);

	if (!s || row->gen < s->inst.gen)
		return;
	lc_inst_row_release(lc, &s->inst);
	s->inst = *row;
	lc_inst_row_own(lc, &s->inst);
	s->inst.unresolved =
	    s->inst.attempted && s->inst.phase == LC_P_CREATING;
	s->unresolved_ns = lc->boot_ns;
	s->stop_until_ns = lc->boot_ns + lc_settle_ns(lc, s->inst.connection);
	s->mcis->counts[s->status]--;
	s->status = row->status;
	s->mcis->counts[s->status]++;
	if (s->inst.phase != LC_P_DEAD)
		lc_attach(lc, s);
	else if (s->inst.csp_id[0] && s->inst.cls != LC_C_GONE &&
	    !mutant(MUT_CLEAR_FORGOTTEN)) {
		s->clear_boot = true;
		s->clear_ns =
		    lc->boot_ns + lc_settle_ns(lc, s->inst.connection);
	}
}

void
lc_load_action(struct lc *lc, const struct lc_action_row *row)
{
	struct lc_action *a;

	if (row->state != LC_R_RUNNING)
		return;
	a = xcalloc(1, sizeof *a);
	a->row = *row;
	lc_action_row_own(lc, &a->row);
	a->mcis = mcis_by_id(lc, row->mcis_id);
	if (a->mcis && row->slot_id == 0)
		a->mcis->action = a;
	a->next = lc->actions;
	lc->actions = a;
}

void
lc_load_region(struct lc *lc, const char *connection)
{
	lc_conn_get(lc, connection)->known = true;
}

/* Something waits for the bounds of this driver: ask it anything. */
static void
look_first(struct lc *lc, struct lc_conn *c)
{
	c->polled_ns = lc_now(lc) - lc->conf.sweep_s * NS_PER_S;
	lc_wake_conn(lc, c, lc_now(lc));
}

void
lc_start(struct lc *lc)
{
	struct lc_action *next;

	lc->started = true;
	if (!lc_ns_exists(lc, "default"))
		ns_add(lc, "default");
	for (size_t i = 0; i < lc->nslots; i++) {
		struct lc_slot *s = lc->slots[i];

		s->begun_ns = lc->boot_ns;
		if (mutant(MUT_VERB_FORGOTTEN) && s->inst.phase == LC_P_RUNNING)
			s->inst.verb = LC_V_NONE;
		if (s->inst.verb != LC_V_NONE)
			lc_verb_begin(lc, s, s->inst.verb);
		/* R4: its next call leaves only after SETTLE. */
		if (s->inst.verb == LC_V_CREATE && s->inst.unresolved)
			s->deadline_ns += lc_settle_ns(lc, s->inst.connection);
		s->install_ns = lc->boot_ns;
		if (s->clear_boot)
			look_first(lc, lc_conn_get(lc, s->inst.connection));
		lc_refresh(lc, s);
		lc_kick(lc, s);
	}
	for (struct lc_conn *c = lc->conns; c; c = c->next) {
		lc_poll_soon(lc, c);
		if (lc->epoch == 0)
			continue;
		/* At once: what does this copy not know? */
		c->polled_ns -= lc->conf.sweep_s * NS_PER_S;
		lc_wake_conn(lc, c, lc_now(lc));
	}
	for (struct lc_action *a = lc->actions; a; a = next) {
		next = a->next;
		if (a->row.act != LC_A_RECONCILE)
			continue;
		lc_look(lc, a);
		lc_action_seal(lc, a);
	}
	lc_turn(lc);
	/* An action whose last member ended together with the process. */
	for (struct lc_action *a = lc->actions; a; a = next) {
		next = a->next;
		lc_action_check(lc, a);
	}
	lc_turn(lc);
}

/* ---- namespaces ---------------------------------------------------------- */

bool
lc_ns_exists(const struct lc *lc, const char *ns)
{
	for (size_t i = 0; i < lc->nns; i++) {
		if (str_eq(lc->ns[i], ns))
			return true;
	}
	return false;
}

const char *
lc_ns_at(const struct lc *lc, size_t i)
{
	return i < lc->nns ? lc->ns[i] : NULL;
}

bool
lc_ns_put(struct lc *lc, const char *ns, uint64_t *txn, struct mw_err *err)
{
	*txn = 0;
	if (!id_valid(ns))
		return err_set(err, MW_INVALID, 0,
		    "a namespace is [a-z]([-a-z0-9]*[a-z0-9])?, "
		    "at most %d characters",
		    ID_MAX);
	if (lc_ns_exists(lc, ns))
		return true;
	ns_add(lc, ns);
	str_copy(lc_row(lc, LC_ROW_NS_PUT)->u.ns, LC_ID_LEN, ns);
	*txn = lc_turn_txn(lc);
	return true;
}

bool
lc_ns_delete(struct lc *lc, const char *ns, uint64_t *txn, struct mw_err *err)
{
	size_t i = 0;

	*txn = 0;
	while (i < lc->nns && !str_eq(lc->ns[i], ns))
		i++;
	if (i == lc->nns)
		return err_set(err, MW_NOT_FOUND, 0, "no namespace %s", ns);
	if (str_eq(ns, "default"))
		return err_set(err, MW_CONFLICT, 0,
		    "the default namespace stays");
	for (struct lc_mcis *m = lc->mcis; m; m = m->next) {
		if (!str_eq(m->row.ns, ns))
			continue;
		err_set(err, MW_CONFLICT, 0, "%s still holds %s", ns,
		    m->row.name);
		return err_hint(err, "delete its MCIS first");
	}
	free(lc->ns[i]);
	memmove(&lc->ns[i], &lc->ns[i + 1], (lc->nns - i - 1) * sizeof *lc->ns);
	lc->nns--;
	str_copy(lc_row(lc, LC_ROW_NS_DELETE)->u.ns, LC_ID_LEN, ns);
	*txn = lc_turn_txn(lc);
	return true;
}

/* ---- looking ------------------------------------------------------------- */

struct lc_mcis *
lc_mcis_first(const struct lc *lc)
{
	return lc->mcis;
}

struct lc_mcis *
lc_mcis_find(const struct lc *lc, const char *ns, const char *name)
{
	for (struct lc_mcis *m = lc->mcis; m; m = m->next) {
		if (str_eq(m->row.ns, ns) && str_eq(m->row.name, name))
			return m;
	}
	return NULL;
}

struct lc_action *
lc_action_find(const struct lc *lc, const char *action_id)
{
	struct lc_action *a = lc->actions;

	while (a && !str_eq(a->row.action_id, action_id))
		a = a->next;
	return a;
}

size_t
lc_connection_vms(const struct lc *lc, const char *connection)
{
	size_t n = 0;

	for (size_t i = 0; i < lc->nslots; i++) {
		const struct lc_slot *s = lc->slots[i];

		n += (s->conn && str_eq(s->conn->name, connection)) ||
		    (s->row.desired &&
			str_eq(s->row.spec.connection, connection));
	}
	return n;
}

bool
lc_at_rest(const struct lc *lc)
{
	if (lc->actions || lc->txn || lc->nkicked || lc->ndirty)
		return false;
	for (size_t i = 0; i < lc->nslots; i++) {
		const struct lc_slot *s = lc->slots[i];
		enum lc_phase p = s->inst.phase;
		bool gone = p == LC_P_NONE || p == LC_P_DEAD;

		if (s->busy || s->dirty || s->committing || s->installing ||
		    s->inst.verb != LC_V_NONE || s->absent > 0 ||
		    s->row.replace)
			return false;
		if (lc_wanted(s) ? !(p == LC_P_RUNNING || s->row.gave_up)
				 : !gone)
			return false;
		if (s->row.gave_up && !gone && p != LC_P_RUNNING)
			return false;
	}
	return true;
}

void
lc_on_connection(struct lc *lc, const char *connection)
{
	for (size_t i = 0; i < lc->nslots; i++) {
		struct lc_slot *s = lc->slots[i];

		if (!str_eq(s->row.spec.connection, connection))
			continue;
		s->retry_ns = 0;
		lc_kick(lc, s);
	}
	for (struct lc_conn *c = lc->conns; c; c = c->next) {
		if (str_eq(c->name, connection))
			lc_poll_soon(lc, c);
	}
	lc_turn(lc);
}
