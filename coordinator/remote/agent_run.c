/*
 * agent_run.c - see agent_run.h. Each run owns a copy of what it needs of its
 * VMs (ids only) and ends itself; it hangs on its timer and its jobs.
 */
#include "coordinator/remote/agent_run.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "coordinator/link/agents.h"
#include "coordinator/coord.h"
#include "coordinator/remote/login_key.h"
#include "coordinator/remote/remote_int.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define LOOK_NS (500 * NS_PER_MS)
#define LIMIT_NS (900 * NS_PER_S)

struct agent_item {
	struct agent_run *run;
	int64_t slot_id, gen;
	char vm_id[LC_VM_ID_LEN];
	bool over, at_tools;
};

struct agent_run {
	struct coord *c;
	char id[ACTION_ID_LEN];
	struct agent_item *items;
	size_t n, left, good;
	int64_t until_ns;
	bool tools;
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

/* Logins of our own ---------------------------------------------------------- */

/* The VM as SSH reaches it; users[0] is where its login is kept. False: err
 * says why not. key must live as long as t is used. */
static bool
target_of(const struct coord *c, const struct lc_slot *s, struct str *key,
    const char *users[1], struct remote_target *t, struct mw_err *err)
{
	if (!login_key((struct coord *)c, s->inst.connection, s->inst.csp_id,
		s->mcis->row.key_id, key, err))
		return false;
	users[0] = s->inst.ssh_user;
	*t = (struct remote_target){
		.name = s->vm_id,
		.address = s->inst.public_ip,
		.port = s->inst.ssh_port,
		.users = users,
		.nusers = s->inst.ssh_user[0] ? 1 : 0,
		.private_key = str_cstr(key),
		.host_key = s->inst.host_key,
		.wait_ms = 30000,
	};
	return true;
}

/* The process ends: the restart will tell the action so. */
static bool
is_freeing(struct agent_item *it)
{
	struct agent_run *run = it->run;

	if (!run->c->remote->freeing)
		return false;
	if (--run->left == 0)
		run_free(run);
	return true;
}

/* Tools: an agent that is there stays there, whatever comes of them. ---------- */

static void
on_tools(void *arg, const struct remote_end *end)
{
	struct agent_item *it = arg;
	char *text;

	if (is_freeing(it))
		return;
	if (!end->ok)
		text = xasprintf("%s%s%s%s%s", end->reason,
		    end->reason[0] ? ": " : "", end->err.msg,
		    end->packages[0] ? "; installed before that: " : "",
		    end->packages);
	else if (end->packages[0])
		text = xasprintf("installed: %s", end->packages);
	else
		text = xstrdup("all tools were there");
	log_info("agent", it->vm_id, "tools\tok=%d %s", end->ok, text);
	item_over(it, end->ok, "tools", text);
	free(text);
}

static void
start_tools(struct agent_item *it, const struct lc_slot *s)
{
	struct coord *c = it->run->c;
	struct mw_err err = MW_ERR_INIT;
	struct str key = STR_INIT;
	struct remote_target t;
	const char *users[1];

	if (!target_of(c, s, &key, users, &t, &err)) {
		item_over(it, false, "tools", err.msg);
	} else {
		it->at_tools = true;
		actions_step(c->actions, it->run->id, it->vm_id, "tools",
		    ACTION_RUNNING, NULL);
		remote_tools(c->remote, &t, on_tools, it);
	}
	login_key_wipe(&key);
}

/* Install: the lifecycle works, we look. ------------------------------------ */

static void
look_at(struct agent_item *it, bool late)
{
	const struct lc_slot *s = lc_slot_find(it->run->c->lc, it->slot_id);

	if (!s)
		item_over(it, false, "gone", "the VM is gone");
	else if (s->inst.install == LC_I_READY && it->run->tools)
		start_tools(it, s);
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
		if (!run->items[i].over && !run->items[i].at_tools)
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
	char *text = NULL;

	if (is_freeing(it))
		return;
	/* its link may not have ended yet: an install must not see it as up */
	if (end->ok) {
		agents_forget(it->run->c->agents, it->slot_id, it->gen);
		lc_on_uninstall(it->run->c->lc, it->slot_id, it->gen);
	}
	if (end->ok && end->packages[0])
		text = xasprintf("packages that --install-tools added stay: %s",
		    end->packages);
	item_over(it, end->ok, "uninstall", end->ok ? text : end->err.msg);
	free(text);
}

static void
uninstall(struct agent_item *it, const struct lc_slot *s)
{
	struct coord *c = it->run->c;
	struct mw_err err = MW_ERR_INIT;
	struct str key = STR_INIT;
	struct remote_target t;
	const char *users[1];

	if (!s->inst.host_key[0])
		item_over(it, true, "uninstall", "nothing was ever installed");
	else if (!target_of(c, s, &key, users, &t, &err))
		item_over(it, false, "uninstall", err.msg);
	else
		remote_uninstall(c->remote, &t, it->run->tools, on_uninstalled,
		    it);
	login_key_wipe(&key);
}

/* Start --------------------------------------------------------------------- */

/* The agent is installed and talks to us. */
static bool
is_there(const struct coord *c, const struct lc_slot *s)
{
	return s->inst.install == LC_I_READY &&
	    agents_state(c->agents, s->row.slot_id, s->inst.gen) == AGENT_UP;
}

static bool
concerns(const struct coord *c, const struct lc_slot *s, const char *verb,
    bool tools)
{
	if (s->inst.phase != LC_P_RUNNING || s->inst.cls != LC_C_RUN)
		return false;
	return strcmp(verb, "install") != 0 || tools || !is_there(c, s);
}

static struct agent_run *
run_new(struct coord *c, const struct lc_mcis *m, const char *verb, bool tools)
{
	struct agent_run *run = xcalloc(1, sizeof *run);
	char *path = xasprintf("/v1/ns/%s/mcis/%s", m->row.ns, m->row.name);

	run->c = c;
	run->tools = tools;
	run->items = xcalloc(m->nslots + 1, sizeof *run->items);
	for (const struct lc_slot *s = m->slots; s; s = s->next) {
		struct agent_item *it = &run->items[run->n];

		if (!concerns(c, s, verb, tools))
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
begin(struct agent_run *run, const char *verb)
{
	bool install = strcmp(verb, "uninstall") != 0;
	bool upgrade = strcmp(verb, "upgrade") == 0;
	size_t n = run->n;

	for (size_t i = 0; i < n; i++) {
		struct agent_item *it = &run->items[i];
		struct lc_slot *s = lc_slot_find(run->c->lc, it->slot_id);
		struct mw_err why = MW_ERR_INIT;

		if (!s)
			item_over(it, false, "gone", "the VM is gone");
		else if (!install)
			uninstall(it, s);
		else if (run->tools && !upgrade && is_there(run->c, s))
			start_tools(it, s);
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
    const char *verb, bool tools, char id[ACTION_ID_LEN], struct mw_err *err)
{
	struct lc_mcis *m = lc_mcis_find(c->lc, ns, mcis);
	struct agent_run *run;

	if (!m)
		return err_set(err, MW_NOT_FOUND, 0, "there is no MCIS %s",
		    mcis);
	run = run_new(c, m, verb, tools);
	str_copy(id, ACTION_ID_LEN, run->id);
	if (run->n == 0) {
		actions_end(c->actions, run->id, ACTION_DONE, "ok", NULL);
		run_free(run);
	} else {
		begin(run, verb);
	}
	return true;
}
