/*
 * sim_user.c - people: random requests at random times, orderly restarts, a
 * restored backup; and the same requests one by one for scenarios.
 */
#include "tests/sim/sim_int.h"

#include <string.h>

static const char *const groups[SIM_CONNS] = { "g", "h", "i" };

static const char *
next_action(struct sim *w, char id[LC_ACTION_LEN])
{
	snprintf(id, LC_ACTION_LEN, "ac-%lld", (long long)++w->next_action);
	return id;
}

bool
sim_wish(struct sim *w, const struct sim_wish *x, struct mw_err *err)
{
	struct lc_wish_group g[SIM_CONNS];
	struct lc_wish wish = { .ns = "default",
		.name = "m",
		.description = "",
		.labels = "{}",
		.require_agent = true,
		.policy = x->policy,
		.groups = g,
		.ngroups = x->n };
	struct lc_who who = { .actor = "sim", .target = "/m" };
	char id[LC_ACTION_LEN];
	struct lc_reply r;

	if (!w->up)
		return err_set(err, MW_INTERNAL, 0, "the process is down");
	for (size_t i = 0; i < x->n; i++) {
		g[i] = (struct lc_wish_group){ groups[i], x->count[i],
			{ .image = "img" }, "{}" };
		str_copy(g[i].spec.connection, sizeof g[i].spec.connection,
		    w->clouds[i].name);
		str_copy(g[i].spec.spec, sizeof g[i].spec.spec,
		    x->spec ? x->spec : "s1");
	}
	who.action_id = next_action(w, id);
	sim_say(w, "wish %lld %lld %lld %s %s", (long long)x->count[0],
	    (long long)x->count[1], (long long)x->count[2],
	    lc_policy_name(x->policy), x->spec ? x->spec : "s1");
	if (!lc_apply(w->lc, &wish, x->flags, &who, &r, err)) {
		sim_say(w, "refused: %s", err->msg);
		return false;
	}
	lc_reply_free(&r);
	return true;
}

bool
sim_act(struct sim *w, enum lc_act act, const char *vm, struct mw_err *err)
{
	struct lc_mcis *m = w->up ? lc_mcis_find(w->lc, "default", "m") : NULL;
	struct lc_who who = { .actor = "sim", .target = "/m" };
	char id[LC_ACTION_LEN];
	struct lc_reply r;

	who.action_id = next_action(w, id);
	if (!m)
		return err_set(err, MW_NOT_FOUND, 0, "there is no group");
	sim_say(w, "%s %s", lc_act_name(act), vm ? vm : "all");
	if (!lc_do(w->lc, m, vm, act, 0, &who, &r, err)) {
		sim_say(w, "refused: %s", err->msg);
		return false;
	}
	lc_reply_free(&r);
	return true;
}

bool
sim_abort(struct sim *w, struct mw_err *err)
{
	struct lc_mcis *m = w->up ? lc_mcis_find(w->lc, "default", "m") : NULL;
	uint64_t txn;

	if (!m || !m->action)
		return err_set(err, MW_NOT_FOUND, 0, "no action runs");
	sim_say(w, "abort %s", m->action->row.action_id);
	return lc_abort(w->lc, m->action->row.action_id, &txn, err);
}

/* ---- backup --------------------------------------------------------------- */

void
sim_backup(struct sim *w)
{
	sim_say(w, "backup");
	rows_copy(&w->backup, &w->rows);
	vfs_backup(w);
	w->has_backup = true;
}

void
sim_restore(struct sim *w)
{
	if (!w->has_backup || w->up)
		return;
	sim_say(w, "an old database comes back");
	w->res.restores++;
	w->restored = w->new_epoch = true;
	w->db_epoch++;
	w->lost_epoch = w->epoch;
	vfs_restore(w);
	rows_copy(&w->rows, &w->backup);
	for (size_t i = 0; i < w->doubt.n; i++)
		sim_txn_free(w->doubt.v[i]);
	w->doubt.n = 0;
	for (size_t i = 0; i < w->nvms; i++) {
		struct vm *v = &w->vms[i];

		if (v->live && v->slot && cloud_newer(w, v->slot, v->gen))
			v->newer = true;
	}
}

static void
backup_now(struct sim *w, void *arg)
{
	(void)arg;
	if (w->faults && w->up && !w->dead)
		sim_backup(w);
}

static void
restore_now(struct sim *w, void *arg)
{
	(void)arg;
	if (!w->faults || !w->has_backup)
		return;
	w->dead = w->up;
	sim_bury(w);
	sim_restore(w);
}

/* ---- random requests ------------------------------------------------------ */

static void
next_step(struct sim *w)
{
	sim_push(w,
	    (struct ev){ .at = w->now +
		    (1000 + (int64_t)rng_below(&w->rng_user, 899001)) *
			NS_PER_MS,
		.kind = SIM_E_USER,
		.epoch = -1 });
}

static void
first_wish(struct sim *w, void *arg)
{
	struct sim_wish x = { .n = w->nconns };
	struct mw_err err = MW_ERR_INIT;

	(void)arg;
	x.count[0] = 1 + (int64_t)rng_below(&w->rng_user, 5);
	for (size_t i = 1; i < w->nconns; i++)
		x.count[i] = (int64_t)rng_below(&w->rng_user, 3);
	if (!w->up)
		sim_at(w, w->now + 10 * NS_PER_S, first_wish, NULL);
	else
		(void)sim_wish(w, &x, &err);
}

void
user_plan(struct sim *w)
{
	bool restore = sim_chance(w, SIM_F_RESTORE);
	int64_t a = sim_between_ms(w, 1000, 4000000);
	int64_t b = a + sim_between_ms(w, 1000, 2000000);

	sim_at(w, 10 * NS_PER_MS, first_wish, NULL);
	sim_push(w,
	    (struct ev){ .at = NS_PER_S, .kind = SIM_E_USER, .epoch = -1 });
	if (!restore)
		return;
	sim_at(w, a, backup_now, NULL);
	sim_at(w, b, restore_now, NULL);
}

static void
one_of_install(struct sim *w, uint64_t which, const char *vm)
{
	struct lc_mcis *m = lc_mcis_find(w->lc, "default", "m");
	struct lc_slot *s = m ? lc_vm_find(m, vm) : NULL;
	struct mw_err err = MW_ERR_INIT;
	uint64_t txn;
	bool ok = true;

	if (!s)
		return;
	sim_say(w, "install request %d of %s", (int)which, vm);
	if (which == 0)
		ok = lc_reinstall(w->lc, s, &err);
	else if (which == 1)
		ok = lc_accept_host_key(w->lc, s, &txn, &err);
	else
		lc_on_uninstall(w->lc, s->row.slot_id, s->inst.gen);
	if (!ok)
		sim_say(w, "refused: %s", err.msg);
}

/* An orderly end, as at an upgrade. */
static void
stop(struct sim *w)
{
	sim_say(w, "stops");
	sim_store_close(w);
	w->stopping = !w->dead;
	w->dead = true;
}

/* Draws the same number of random numbers whatever it does, so that a request
 * that is left out does not change the others. */
void
user_step(struct sim *w)
{
	uint64_t r = rng_below(&w->rng_user, 16);
	uint64_t n = rng_below(&w->rng_user, 6), spec, few[2], one;
	enum lc_act a =
	    (enum lc_act)(1 + rng_below(&w->rng_user, LC_A_COUNT - 1));
	struct sim_wish x = { .n = w->nconns,
		.flags = LC_ALLOW_REMOVE | LC_ALLOW_REPLACE,
		.policy = (enum lc_policy)(r % 3) };
	struct mw_err err = MW_ERR_INIT;
	size_t step = w->step++;
	char vm[16];

	spec = rng_below(&w->rng_user, 5);
	few[0] = rng_below(&w->rng_user, 3);
	few[1] = rng_below(&w->rng_user, 3);
	one = rng_below(&w->rng_user, 5);
	next_step(w);
	if (!w->up ||
	    (step < 128 && w->opt.steps_off[step / 64] >> (step % 64) & 1))
		return;
	check_legal(w);
	snprintf(vm, sizeof vm, "%s-%d", groups[few[0] % w->nconns],
	    1 + (int)one);
	x.count[0] = (int64_t)n;
	x.count[1] = (int64_t)few[0];
	x.count[2] = (int64_t)few[1];
	x.spec = spec ? "s1" : "s2";
	if (r < 4)
		(void)sim_wish(w, &x, &err);
	else if (r < 12)
		(void)sim_act(w, a, r > 8 ? vm : NULL, &err);
	else if (r == 12)
		one_of_install(w, few[1], vm);
	else if (r == 13)
		stop(w);
	else if (lc_mcis_first(w->lc) && lc_mcis_first(w->lc)->action &&
	    !sim_abort(w, &err))
		sim_violation(w, "STUCK_ABORT", 0, "%.80s", err.msg);
}
