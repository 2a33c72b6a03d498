/*
 * orphan.c - VMs with our tag that no row explains (rule R8), and what is
 * decided about them.
 *
 * A generation is ours if this database opened it. Ours and over: the VM is
 * ended. Not ours: this database is an older copy of what the cloud has seen
 * (a backup was restored), so the VM is left alone and told until somebody
 * decides. After a restore generations begin at a number that no other copy
 * used: a token of the lost time never comes back.
 */
#include "lifecycle/priv.h"

#include <string.h>

static const char *const decisions[] = { "quarantine", "terminate", "ignore",
	"adopt" };

void
lc_load_epoch(struct lc *lc, int64_t epoch, int64_t first_slot)
{
	lc->epoch = epoch;
	lc->epoch_slot = first_slot;
}

void
lc_load_known(struct lc *lc, int64_t slot_id, int64_t gen)
{
	VEC_GROW(lc->known, lc->nknown, lc->known_cap);
	lc->known[lc->nknown++] = (struct known){ slot_id, gen };
}

/* The newest generation of that slot that was opened in that epoch, or 0. */
static int64_t
newest_of(const struct lc *lc, int64_t slot_id, int64_t epoch)
{
	size_t lo = 0, hi = lc->nknown;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct known *k = &lc->known[mid];

		if (k->slot_id < slot_id ||
		    (k->slot_id == slot_id && k->gen / LC_EPOCH_GENS < epoch))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < lc->nknown && lc->known[lo].slot_id == slot_id &&
		lc->known[lo].gen / LC_EPOCH_GENS == epoch
	    ? lc->known[lo].gen
	    : 0;
}

static bool
ours(const struct lc *lc, int64_t slot_id, int64_t gen)
{
	const struct lc_slot *s = lc_slot_find(lc, slot_id);
	int64_t epoch = gen / LC_EPOCH_GENS;

	if (slot_id >= lc->next_slot)
		return false;
	if (epoch == lc->epoch)
		return !s || gen <= s->row.gen;
	return gen <= newest_of(lc, slot_id, epoch);
}

int64_t
lc_next_gen(const struct lc *lc, const struct lc_slot *s)
{
	int64_t base = lc->epoch * LC_EPOCH_GENS;

	return (s->row.gen > base ? s->row.gen : base) + 1;
}

/* A slot that was restored, and has made nothing since, may have a VM that
 * this copy does not know: it is looked for before another one is made. */
bool
lc_restored(const struct lc *lc, const struct lc_slot *s)
{
	return lc->epoch > 0 && s->row.slot_id < lc->epoch_slot &&
	    s->row.gen <= lc->epoch * LC_EPOCH_GENS;
}

static struct stray *
find(struct lc *lc, const char *connection, const char *csp_id)
{
	for (size_t i = 0; i < lc->nstrays; i++) {
		struct stray *x = &lc->strays[i];

		if (str_eq(x->o.csp_id, csp_id) &&
		    str_eq(x->o.connection, connection))
			return x;
	}
	return NULL;
}

static struct stray *
add(struct lc *lc, const struct lc_orphan *o)
{
	struct stray *x;

	VEC_GROW(lc->strays, lc->nstrays, lc->strays_cap);
	x = &lc->strays[lc->nstrays++];
	memset(x, 0, sizeof *x);
	x->o = *o;
	x->o.native = x->o.vm = NULL;
	str_copy(x->native, sizeof x->native, o->native ? o->native : "");
	str_copy(x->vm, sizeof x->vm, o->vm ? o->vm : "");
	return x;
}

void
lc_load_orphan(struct lc *lc, const struct lc_orphan *o)
{
	add(lc, o);
}

static void
put(struct lc *lc, enum lc_row_kind kind, const struct stray *x)
{
	struct lc_row *r = lc_row(lc, kind);

	r->u.orphan = x->o;
	r->u.orphan.native = arena_strdup(lc->txn->arena, x->native);
	r->u.orphan.vm = arena_strdup(lc->txn->arena, x->vm);
}

/* Event and row of what is decided now. */
static void
tell(struct lc *lc, const struct stray *x)
{
	const struct lc_slot *s = lc_slot_find(lc, x->o.slot_id);
	struct lc_event *e;

	put(lc, LC_ROW_ORPHAN_PUT, x);
	e = lc_event(lc, LC_EV_ORPHAN, NULL, s, x->o.csp_id);
	str_copy(e->to, sizeof e->to, x->o.decision);
	str_copy(e->from, sizeof e->from, x->o.connection);
	e->actor = arena_strdup(lc->txn->arena, x->o.actor);
}

static void
forget(struct lc *lc, struct stray *x)
{
	put(lc, LC_ROW_ORPHAN_DELETE, x);
	*x = lc->strays[--lc->nstrays];
}

/* "ns/mcis/vm" of the VM's tags, if it has them. */
static void
name_of(const struct csp_vm *vm, char out[LC_STRAY_VM_LEN])
{
	static const char *const keys[] = { "mw-ns", "mw-mcis", "mw-vm" };
	struct str t = STR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *v = csp_tag_get(vm->tags, vm->ntags, keys[i]);

		str_addf(&t, "%s%s", i ? "/" : "", v ? v : "");
	}
	str_copy(out, LC_STRAY_VM_LEN, t.len > 2 ? str_cstr(&t) : "");
	str_free(&t);
}

static void
end(struct lc *lc, struct lc_conn *c, const char *csp_id)
{
	struct csp_req *q = lc_req(lc, CSP_VM_TERMINATE, NULL, c->name);

	q->csp_id = arena_strdup(q->arena, csp_id);
	lc_call(lc, CALL_ORPHAN, NULL, c, q);
	lc_poll_soon(lc, c);
}

bool
lc_orphan(struct lc *lc, struct lc_conn *c, const struct csp_vm *vm,
    int64_t slot_id, int64_t gen)
{
	bool mine = ours(lc, slot_id, gen);
	struct lc_orphan o = { .slot_id = slot_id, .gen = gen };
	struct stray *x = find(lc, c->name, vm->csp_id);
	int64_t now = lc->env.wall_ns(lc->env.ctx);

	if (!x) {
		str_copy(o.connection, sizeof o.connection, c->name);
		str_copy(o.csp_id, sizeof o.csp_id, vm->csp_id);
		str_copy(o.decision, sizeof o.decision,
		    mine ? "terminate" : "quarantine");
		o.first_seen_at = o.seen_at = now;
		x = add(lc, &o);
		str_copy(x->native, sizeof x->native,
		    vm->native ? vm->native : "");
		name_of(vm, x->vm);
		tell(lc, x);
	}
	x->o.seen_at = now;
	x->absent = 0;
	if (str_eq(x->o.decision, "ignore"))
		return false;
	if (str_eq(x->o.decision, "terminate") || mutant(MUT_NO_QUARANTINE))
		end(lc, c, vm->csp_id);
	/* Another time's VM of a number that was given again: not this slot's. */
	return gen / LC_EPOCH_GENS == lc->epoch || slot_id < lc->epoch_slot;
}

void
lc_orphan_seen(struct lc *lc, const struct lc_conn *c, const struct csp_vm *vm)
{
	struct stray *x = lc->nstrays ? find(lc, c->name, vm->csp_id) : NULL;

	if (!x)
		return;
	x->listed = true;
	x->o.seen_at = lc->env.wall_ns(lc->env.ctx);
	str_copy(x->native, sizeof x->native, vm->native ? vm->native : "");
}

/* As for our own VMs (R5): gone only after it was missed often and long. */
void
lc_orphans_listed(struct lc *lc, const struct lc_conn *c)
{
	int64_t now = lc_now(lc);

	for (size_t i = lc->nstrays; i-- > 0;) {
		struct stray *x = &lc->strays[i];
		bool seen = x->listed;

		x->listed = false;
		if (!str_eq(x->o.connection, c->name))
			continue;
		if (seen) {
			x->absent = 0;
			continue;
		}
		if (x->absent++ == 0)
			x->absent_ns = now;
		if (x->absent < LC_ABSENT_MIN ||
		    now - x->absent_ns < lc_settle_ns(lc, c->name))
			continue;
		str_copy(x->o.decision, sizeof x->o.decision, "gone");
		tell(lc, x);
		forget(lc, x);
	}
}

bool
lc_orphan_blocks(const struct lc *lc, const struct lc_mcis *m, const char *ns,
    const char *mcis, const char *vm_id, struct mw_err *err)
{
	const struct lc_slot *s = m ? lc_vm_find(m, vm_id) : NULL;
	struct str name = STR_INIT;
	bool blocks = false;

	if (!lc->nstrays)
		return false;
	str_addf(&name, "%s/%s/%s", ns, mcis, vm_id);
	for (size_t i = 0; i < lc->nstrays && !blocks; i++) {
		const struct stray *x = &lc->strays[i];

		/* A slot that knows of it waits by itself (lc_restored()). */
		if (!str_eq(x->o.decision, "quarantine") ||
		    !str_eq(x->vm, str_cstr(&name)) ||
		    (s && s->row.slot_id == x->o.slot_id))
			continue;
		err_set(err, MW_CONFLICT, 0,
		    "%s is there already: %s (%s) is billed and waits for "
		    "your word",
		    vm_id, x->o.csp_id, x->o.connection);
		err_hint(err,
		    "milkyway orphans lists such VMs; then milkyway orphans "
		    "terminate %s, or ignore it",
		    x->o.csp_id);
		blocks = true;
	}
	str_free(&name);
	return blocks;
}

/* ---- decisions ----------------------------------------------------------- */

static bool
may_adopt(struct lc *lc, const struct stray *x, struct mw_err *err)
{
	struct lc_slot *s = lc_slot_find(lc, x->o.slot_id);
	bool none;

	if (!s || !s->row.desired) {
		err_set(err, MW_CONFLICT, 0,
		    "no VM that this database knows lacks %s", x->o.csp_id);
		return err_hint(err,
		    "its group is not known any more: "
		    "terminate it, or ignore it");
	}
	if (x->o.gen <= s->row.gen) {
		err_set(err, MW_CONFLICT, 0, "%s went on with a newer VM",
		    s->vm_id);
		return err_hint(err, "terminate it, or ignore it");
	}
	none = s->inst.phase == LC_P_NONE || s->inst.phase == LC_P_DEAD;
	if (!none &&
	    !(s->inst.phase == LC_P_RUNNING && s->inst.cls == LC_C_GONE)) {
		err_set(err, MW_CONFLICT, 0, "%s still has %s (%s)", s->vm_id,
		    s->inst.csp_id[0] ? s->inst.csp_id : "another VM",
		    lc_status_name(s->status));
		return err_hint(err,
		    "terminate that VM first, or wait until its end is proved");
	}
	return true;
}

/* The slot ends what it has (it is gone already) and then takes the VM. */
static void
adopt(struct lc *lc, const struct stray *x)
{
	struct lc_slot *s = lc_slot_find(lc, x->o.slot_id);

	if (s->inst.phase == LC_P_RUNNING)
		s->row.replace = true;
	s->row.gave_up = false;
	s->retry_ns = 0;
	lc_dirty(lc, s, DIRTY_SLOT);
	lc_kick(lc, s);
}

bool
lc_decide(struct lc *lc, const char *connection, const char *csp_id,
    const char *decision, const char *actor, uint64_t *txn, struct mw_err *err)
{
	struct stray *x = NULL;
	struct lc_slot *s;
	bool known = false;

	*txn = 0;
	for (size_t i = 1; i < ARRAY_LEN(decisions); i++)
		known |= str_eq(decision, decisions[i]);
	if (!known)
		return err_set(err, MW_INVALID, 0,
		    "a decision is adopt, terminate or ignore");
	for (size_t i = 0; i < lc->nstrays; i++) {
		struct stray *y = &lc->strays[i];

		if (!str_eq(y->o.csp_id, csp_id) ||
		    (connection && !str_eq(y->o.connection, connection)))
			continue;
		if (x)
			return err_set(err, MW_CONFLICT, 0,
			    "%s is in more than one connection: name it",
			    csp_id);
		x = y;
	}
	if (!x)
		return err_set(err, MW_NOT_FOUND, 0, "no orphan %s", csp_id);
	if (str_eq(decision, "adopt") && !may_adopt(lc, x, err))
		return false;
	str_copy(x->o.decision, sizeof x->o.decision, decision);
	str_copy(x->o.actor, sizeof x->o.actor, actor);
	tell(lc, x);
	if (str_eq(decision, "adopt"))
		adopt(lc, x);
	else if (str_eq(decision, "terminate"))
		end(lc, lc_conn_get(lc, x->o.connection), x->o.csp_id);
	s = lc_slot_find(lc, x->o.slot_id);
	if (s) {
		s->retry_ns = 0; /* it may have waited for this word */
		lc_kick(lc, s);
	}
	*txn = lc_turn_txn(lc);
	return true;
}

/* The slot is free: the VM that was adopted becomes its generation. */
bool
lc_take_orphan(struct lc *lc, struct lc_slot *s)
{
	for (size_t i = 0; i < lc->nstrays; i++) {
		struct stray *x = &lc->strays[i];

		if (x->o.slot_id != s->row.slot_id ||
		    !str_eq(x->o.decision, "adopt"))
			continue;
		if (x->o.gen > s->row.gen) {
			lc_open_gen(lc, s, x->o.gen, x->o.connection);
			/* Listed by its token, and adopted: never made. */
			s->inst.unresolved = true;
			s->unresolved_ns = lc_now(lc);
			s->list_now = true;
			lc_load_known(lc, s->row.slot_id, x->o.gen);
			for (size_t k = lc->nknown - 1; k > 0 &&
			     (lc->known[k - 1].slot_id > s->row.slot_id ||
				 (lc->known[k - 1].slot_id == s->row.slot_id &&
				     lc->known[k - 1].gen > x->o.gen));
			     k--) {
				struct known t = lc->known[k];

				lc->known[k] = lc->known[k - 1];
				lc->known[k - 1] = t;
			}
		}
		forget(lc, x);
		return true;
	}
	return false;
}

size_t
lc_orphan_count(const struct lc *lc)
{
	return lc->nstrays;
}

void
lc_orphan_at(const struct lc *lc, size_t i, struct lc_orphan *out)
{
	*out = lc->strays[i].o;
	out->native = lc->strays[i].native;
	out->vm = lc->strays[i].vm;
}
