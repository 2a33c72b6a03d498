/*
 * agent_run.c - see agent_run.h. Each run owns a copy of what it needs of its
 * VMs (ids only) and ends itself; it hangs on its timer and its jobs.
 */
#include "coordinator/agent_run.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "coordinator/agents.h"
#include "coordinator/coord.h"
#include "coordinator/login_key.h"
#include "coordinator/remote_int.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define LOOK_NS (500 * NS_PER_MS)
#define LIMIT_NS (900 * NS_PER_S)

struct agent_item {
	struct agent_run *run;
	int64_t slot_id, gen;
	char vm_id[LC_VM_ID_LEN];
	bool over;
};

struct agent_run {
	struct coord *c;
	char id[ACTION_ID_LEN];
	struct agent_item *items;
	size_t n, left, good;
	int64_t until_ns;
	struct loop_timer *timer; /* NULL: uninstall */
};

static void
run_free(void *p)
{
	struct agent_run *run = p;

	loop_timer_free(run->timer);
	free(run->items);
	free(run);
}

static void
item_over(struct agent_item *it, bool good, const char *step,
    const char *message)
{
	struct agent_run *run = it->run;

	it->over = true;
	run->left--;
	run->good += good;
	actions_step(run->c->actions, run->id, it->vm_id, step,
	    good ? ACTION_DONE : ACTION_FAILED, message);
	actions_progress(run->c->actions, run->id,
	    (int64_t)(run->n - run->left), (int64_t)run->n);
	if (run->left > 0)
		return;
	actions_end(run->c->actions, run->id,
	    run->good ? ACTION_DONE : ACTION_FAILED,
	    run->good == run->n ? "ok"
		: run->good     ? "partial"
				: "failed",
	    NULL);
	loop_reap(run->c->loop, run_free, run);
}

/* Install: the lifecycle works, we look. ------------------------------------ */

static void
look_at(struct agent_item *it, bool late)
{
	const struct lc_slot *s = lc_slot_find(it->run->c->lc, it->slot_id);

	if (!s)
		item_over(it, false, "gone", "the VM is gone");
	else if (s->inst.install == LC_I_READY)
		item_over(it, true, "ready", NULL);
	else if (s->inst.install == LC_I_FAILED)
		item_over(it, false, s->inst.install_step,
		    s->inst.install_error);
	else if (late)
		item_over(it, false, s->inst.install_step, "timeout");
	else
		actions_step(it->run->c->actions, it->run->id, it->vm_id,
		    s->inst.install_step, ACTION_RUNNING, NULL);
}

static void
on_look(void *arg)
{
	struct agent_run *run = arg;
	bool late = clock_mono_ns() >= run->until_ns;
	size_t n = run->n;

	loop_timer_set(run->timer, LOOK_NS);
	for (size_t i = 0; i < n; i++) {
		if (!run->items[i].over)
			look_at(&run->items[i], late);
	}
	if (run->left == 0)
		loop_timer_clear(run->timer);
}

/* Uninstall ----------------------------------------------------------------- */

static void
on_uninstalled(void *arg, const struct remote_end *end)
{
	struct agent_item *it = arg;

	if (it->run->c->remote->freeing) {
		/* the process ends; the restart will tell the action so */
		if (--it->run->left == 0)
			run_free(it->run);
		return;
	}
	/* its link may not have ended yet: an install must not see it as up */
	if (end->ok) {
		agents_forget(it->run->c->agents, it->slot_id, it->gen);
		lc_on_uninstall(it->run->c->lc, it->slot_id, it->gen);
	}
	item_over(it, end->ok, "uninstall", end->ok ? NULL : end->err.msg);
}

static void
uninstall(struct agent_item *it, const struct lc_slot *s)
{
	struct coord *c = it->run->c;
	const char *users[] = { s->inst.ssh_user };
	struct remote_target t = {
		.name = s->vm_id,
		.address = s->inst.public_ip,
		.port = s->inst.ssh_port,
		.users = users,
		.nusers = s->inst.ssh_user[0] ? 1 : 0,
		.host_key = s->inst.host_key,
		.wait_ms = 30000,
	};
	struct mw_err err = MW_ERR_INIT;
	struct str key = STR_INIT;

	if (!s->inst.host_key[0]) {
		item_over(it, true, "uninstall", "nothing was ever installed");
	} else if (!login_key(c, s->inst.connection, s->inst.csp_id,
		       s->mcis->row.key_id, &key, &err)) {
		item_over(it, false, "uninstall", err.msg);
	} else {
		t.private_key = str_cstr(&key);
		remote_uninstall(c->remote, &t, on_uninstalled, it);
	}
	login_key_wipe(&key);
}

/* Start --------------------------------------------------------------------- */

static bool
concerns(const struct coord *c, const struct lc_slot *s, const char *verb)
{
	if (s->inst.phase != LC_P_RUNNING || s->inst.cls != LC_C_RUN)
		return false;
	return strcmp(verb, "install") != 0 || s->inst.install != LC_I_READY ||
	    agents_state(c->agents, s->row.slot_id, s->inst.gen) != AGENT_UP;
}

static struct agent_run *
run_new(struct coord *c, const struct lc_mcis *m, const char *verb)
{
	struct agent_run *run = xcalloc(1, sizeof *run);
	char *path = xasprintf("/v1/ns/%s/mcis/%s", m->row.ns, m->row.name);

	run->c = c;
	run->items = xcalloc(m->nslots + 1, sizeof *run->items);
	for (const struct lc_slot *s = m->slots; s; s = s->next) {
		struct agent_item *it = &run->items[run->n];

		if (!concerns(c, s, verb))
			continue;
		it->run = run;
		it->slot_id = s->row.slot_id;
		it->gen = s->inst.gen;
		str_copy(it->vm_id, sizeof it->vm_id, s->vm_id);
		run->n++;
	}
	run->left = run->n;
	run->until_ns = clock_mono_ns() + LIMIT_NS;
	actions_new(c->actions, verb, path, (int64_t)run->n, run->id);
	free(path);
	return run;
}

static void
begin(struct agent_run *run, bool install)
{
	size_t n = run->n;

	for (size_t i = 0; i < n; i++) {
		struct agent_item *it = &run->items[i];
		struct lc_slot *s = lc_slot_find(run->c->lc, it->slot_id);
		struct mw_err why = MW_ERR_INIT;

		if (!s)
			item_over(it, false, "gone", "the VM is gone");
		else if (!install)
			uninstall(it, s);
		else if (!lc_reinstall(run->c->lc, s, &why))
			item_over(it, false, "waitSsh", why.msg);
	}
	if (install && run->left > 0) {
		run->timer = loop_timer_new(run->c->loop, on_look, run);
		loop_timer_set(run->timer, LOOK_NS);
	}
}

bool
agent_run_start(struct coord *c, const char *ns, const char *mcis,
    const char *verb, char id[ACTION_ID_LEN], struct mw_err *err)
{
	struct lc_mcis *m = lc_mcis_find(c->lc, ns, mcis);
	bool install = strcmp(verb, "uninstall") != 0;
	struct agent_run *run;

	if (!m)
		return err_set(err, MW_NOT_FOUND, 0, "there is no MCIS %s",
		    mcis);
	run = run_new(c, m, verb);
	str_copy(id, ACTION_ID_LEN, run->id);
	if (run->n == 0) {
		actions_end(c->actions, run->id, ACTION_DONE, "ok", NULL);
		run_free(run);
	} else {
		begin(run, install);
	}
	return true;
}
