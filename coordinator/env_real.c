/*
 * env_real.c - struct lc_env on the real things: one loop timer, transactions
 * as store jobs with their events inside, calls through conns, installations
 * through remote. Every answer comes back on a later turn of the loop.
 */
#include "coordinator/env_real.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/actions.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/coord.h"
#include "coordinator/store/db_events.h"
#include "coordinator/store/db_lifecycle.h"
#include "coordinator/env_int.h"
#include "coordinator/events.h"

#include <string.h>

struct txn_job {
	struct store_job job;
	struct env_real *e;
	struct lc_txn *txn;
	size_t nevents;
	uint64_t first; /* number of the first of them */
	struct db_event **newest; /* by number modulo */
	size_t nnewest;
	char **steps; /* of actions that end */
};

/* Names of event types; NULL: "lifecycle." and the kind. */
static const struct {
	const char *type, *kind;
} event_types[LC_EV_COUNT] = {
	[LC_EV_DESIRED] = { "lifecycle.desired", "desired" },
	[LC_EV_INTENT] = { "lifecycle.intent", "intent" },
	[LC_EV_ANSWER] = { "lifecycle.answer", "answer" },
	[LC_EV_STATUS] = { "vm.status", "status" },
	[LC_EV_GROUP] = { "mcis.status", "status" },
	[LC_EV_DEADLINE] = { "lifecycle.deadline", "deadline" },
	[LC_EV_ADOPT] = { "lifecycle.adopt", "adopt" },
	[LC_EV_FENCE] = { "lifecycle.fence", "fence" },
	[LC_EV_ORPHAN] = { "lifecycle.orphan", "orphan" },
	[LC_EV_INSTALL] = { "install.step", "install" },
	[LC_EV_INSTALL_FAILED] = { "install.failed", "install" },
	[LC_EV_HOST_KEY] = { "hostkey.changed", "install" },
	[LC_EV_EXTERNAL] = { "lifecycle.external", "external" },
	[LC_EV_UNKNOWN] = { "lifecycle.unknown", "answer" },
	[LC_EV_THROTTLED] = { "driver.throttled", "answer" },
	[LC_EV_ACTION_STEP] = { "action.step", "action" },
	[LC_EV_ACTION_END] = { "action.end", "action" },
};

static int64_t
env_mono(void *ctx)
{
	(void)ctx;
	return clock_mono_ns();
}

static int64_t
env_wall(void *ctx)
{
	(void)ctx;
	return clock_wall_ns();
}

static uint64_t
env_rand(void *ctx)
{
	(void)ctx;
	return clock_random_u64();
}

static void
env_sha256(void *ctx, const void *p, size_t n, uint8_t out[32])
{
	(void)ctx;
	digest_sha256(p, n, out);
}

static bool
env_caps(void *ctx, const char *connection, struct csp_caps *out)
{
	struct env_real *e = ctx;

	if (!conns_get(e->c->conns, connection))
		return false;
	*out = conns_caps(e->c->conns, connection);
	return true;
}

static const char *
env_csp_of(void *ctx, const char *connection)
{
	struct env_real *e = ctx;
	const struct conn_row *row = conns_get(e->c->conns, connection);

	/* A driver has the words of its cloud, by whatever name that is
	 * known here; only the twin speaks for many. */
	if (row && !str_eq(row->driver, "twin"))
		return row->driver;
	return row ? row->csp : "";
}

static void
env_wake(void *ctx, int64_t at_ns)
{
	struct env_real *e = ctx;
	int64_t after = at_ns - clock_mono_ns();

	loop_timer_set(e->timer, after > 0 ? after : 0);
}

static void
on_timer(void *arg)
{
	struct env_real *e = arg;

	if (!e->stopped)
		lc_on_timer(e->c->lc);
}

/* ---- transactions -------------------------------------------------------- */

static void
add_word(struct str *out, const char *key, const char *text)
{
	str_add(out, ",\"");
	str_add(out, key);
	str_add(out, "\":");
	json_add_str(out, text[0] ? text : NULL);
}

/* On any thread. */
static struct db_event *
make_event(uint64_t number, const struct lc_event *ev)
{
	struct str detail = STR_INIT;
	struct event out = {
		.type = event_types[ev->kind].type,
		.ns = ev->ns[0] ? ev->ns : NULL,
		.mcis = ev->mcis[0] ? ev->mcis : NULL,
		.vm = ev->vm_id[0] ? ev->vm_id : NULL,
		.from = ev->from[0] ? ev->from : NULL,
		.to = ev->to[0] ? ev->to : NULL,
		.reason = ev->reason[0] ? ev->reason : NULL,
		.action = ev->action_id[0] ? ev->action_id : NULL,
	};
	struct db_event *made;

	str_addf(&detail, "{\"kind\":\"%s\"", event_types[ev->kind].kind);
	if (ev->slot_id) {
		str_addf(&detail, ",\"slot\":%lld,\"gen\":%lld",
		    (long long)ev->slot_id, (long long)ev->gen);
		add_word(&detail, "native", ev->native);
		add_word(&detail, "targetAction", ev->verb);
	}
	if (ev->actor[0])
		add_word(&detail, "actor", ev->actor);
	str_addc(&detail, '}');
	out.detail_text = str_cstr(&detail);
	made = events_text(number, ev->at, &out);
	str_free(&detail);
	return made;
}

/* Members of an action: what they do now, and how it ended for them. */
static void
note_step(struct env_real *e, const struct lc_event *ev)
{
	enum action_state st = ACTION_RUNNING;

	if (!ev->action_id[0] || !ev->vm_id[0])
		return;
	if (ev->kind == LC_EV_INSTALL) {
		actions_step(e->c->actions, ev->action_id, ev->vm_id, ev->to,
		    st, NULL);
	} else if (ev->kind == LC_EV_ACTION_STEP) {
		bool done = str_eq(ev->to, "done");
		bool failed = str_eq(ev->to, "failed");

		if (done || failed)
			st = done ? ACTION_DONE : ACTION_FAILED;
		actions_step(e->c->actions, ev->action_id, ev->vm_id,
		    done || failed ? NULL : ev->to, st,
		    ev->reason[0] ? ev->reason : NULL);
	}
}

/* The texts of a large transaction's events would be most of its memory: kept
 * are the newest, as many as the ring holds. */
static bool
put_event(struct db *db, struct txn_job *j, uint64_t number,
    const struct lc_event *ev, struct mw_err *err)
{
	struct db_event **place = &j->newest[number % j->nnewest];

	free(*place);
	*place = make_event(number, ev);
	return db_event_put(db, *place, err);
}

static bool
txn_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct txn_job *j = container_of(job, struct txn_job, job);
	uint64_t number = j->first;

	for (size_t i = 0; i < j->txn->n; i++) {
		const struct lc_row *r = &j->txn->rows[i];

		if (r->kind == LC_ROW_EVENT &&
		    !put_event(db, j, number++, &r->u.event, err))
			return false;
		if (!db_lifecycle_put(db, r, j->steps[i], err))
			return false;
	}
	return true;
}

/* Readers get all; who comes later gets what the ring holds. */
static void
publish(struct txn_job *j, uint64_t number, const struct lc_event *ev)
{
	struct events *all = j->e->c->events;
	struct db_event *made = j->newest[number % j->nnewest];

	if (made && made->seq == number)
		j->newest[number % j->nnewest] = NULL;
	else
		made = events_readers(all) > 0 ? make_event(number, ev) : NULL;
	if (made)
		events_publish(all, made);
}

static void
txn_free(struct lc_txn *t)
{
	arena_free(t->arena);
	free(t->rows);
	free(t->slots);
	free(t);
}

/* A row that sqlite refuses is our own bug: what was decided on it cannot be
 * taken back, so the process starts again from what is on the disk. */
static void
txn_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct txn_job *j = container_of(job, struct txn_job, job);
	struct env_real *e = j->e;
	uint64_t number = j->first;

	if (!ok) {
		log_error("lifecycle", NULL,
		    "a transaction was refused: %s\taction=restart", err->msg);
		abort();
	}
	for (size_t i = 0; i < j->txn->n; i++) {
		if (j->txn->rows[i].kind == LC_ROW_EVENT)
			publish(j, number++, &j->txn->rows[i].u.event);
		free(j->steps[i]);
		if (!e->stopped)
			env_row_durable(e, &j->txn->rows[i]);
	}
	if (e->stopped)
		txn_free(j->txn);
	else
		lc_on_commit(e->c->lc, j->txn);
	free(j->newest);
	free(j->steps);
	free(j);
}

static void
log_event(const struct lc_event *ev)
{
	if (ev->kind == LC_EV_STATUS)
		log_info("lifecycle", ev->vm_id,
		    "%s\tfrom=%s native=\"%s\" mcis=%s reason=\"%s\"", ev->to,
		    ev->from, ev->native, ev->mcis, ev->reason);
	else if (ev->kind == LC_EV_ORPHAN)
		log_warn("lifecycle", ev->reason,
		    "a VM that nobody explains\taction=%s connection=%s",
		    ev->to, ev->from);
	else if (ev->kind == LC_EV_UNKNOWN)
		log_warn("lifecycle", ev->vm_id,
		    "a native state that is not known: \"%s\"\taction=kept the "
		    "last one",
		    ev->reason);
	else if (ev->kind == LC_EV_ANSWER || ev->kind == LC_EV_DEADLINE ||
	    ev->kind == LC_EV_INSTALL_FAILED || ev->kind == LC_EV_HOST_KEY)
		log_warn("lifecycle", ev->vm_id, "%s\tmcis=%s reason=\"%s\"",
		    event_types[ev->kind].type, ev->mcis, ev->reason);
}

static void
env_commit(void *ctx, struct lc_txn *t)
{
	struct env_real *e = ctx;
	struct txn_job *j;

	if (e->stopped) {
		txn_free(t);
		return;
	}
	j = xcalloc(1, sizeof *j);
	j->job.run = txn_run;
	j->job.done = txn_done;
	j->e = e;
	j->txn = t;
	j->steps = xcalloc(t->n + 1, sizeof *j->steps);
	/* Members first: an action that ends stores their last words. */
	for (size_t i = 0; i < t->n; i++) {
		if (t->rows[i].kind == LC_ROW_ACTION_PUT &&
		    t->rows[i].u.action.state == LC_R_RUNNING)
			actions_put(e->c->actions, &t->rows[i].u.action);
	}
	for (size_t i = 0; i < t->n; i++) {
		const struct lc_row *r = &t->rows[i];

		if (r->kind == LC_ROW_EVENT) {
			log_event(&r->u.event);
			note_step(e, &r->u.event);
			j->nevents++;
		} else if (r->kind == LC_ROW_INST_PUT) {
			env_inst_changed(e, &r->u.inst);
		} else if (r->kind == LC_ROW_ACTION_PUT &&
		    r->u.action.state != LC_R_RUNNING) {
			j->steps[i] = actions_steps_text(e->c->actions,
			    r->u.action.action_id);
			actions_put(e->c->actions, &r->u.action);
		}
	}
	j->first = events_numbers(e->c->events, j->nevents);
	j->nnewest = j->nevents < EVENTS_RING ? j->nevents : EVENTS_RING;
	j->newest = xcalloc(j->nnewest + 1, sizeof(struct db_event *));
	store_submit(e->c->store, &j->job);
}

/* ---- life of the module -------------------------------------------------- */

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	return db_lifecycle_load(db, arg, err);
}

struct env_real *
env_real_new(struct coord *c, struct mw_err *err)
{
	struct env_real *e = xcalloc(1, sizeof *e);
	const struct lc_env env = {
		.ctx = e,
		.mono_ns = env_mono,
		.wall_ns = env_wall,
		.rand64 = env_rand,
		.sha256 = env_sha256,
		.caps = env_caps,
		.csp_of = env_csp_of,
		.wake = env_wake,
		.commit = env_commit,
		.csp = env_csp,
		.install = env_install,
	};
	struct lc_conf conf;

	e->c = c;
	e->timer = loop_timer_new(c->loop, on_timer, e);
	lc_conf_defaults(&conf);
	str_copy(conf.deployment, sizeof conf.deployment, c->deployment);
	if (c->conf.poll_ms > 0)
		conf.poll_ms = c->conf.poll_ms;
	if (c->conf.sweep_s > 0)
		conf.sweep_s = c->conf.sweep_s;
	conf.install = c->conf.agent_install;
	conf.create_s = c->conf.create_s;
	if (c->conf.power_s > 0)
		conf.power_s = c->conf.power_s;
	if (c->conf.reboot_s > 0)
		conf.reboot_s = c->conf.reboot_s;
	if (c->conf.terminate_s > 0)
		conf.terminate_s = c->conf.terminate_s;
	if (c->conf.install_s > 0)
		conf.install_s = c->conf.install_s;
	c->lc = lc_new(&env, &conf);
	if (!store_run_now(c->store, load, c->lc, err)) {
		err_wrap(err, "lifecycle");
		env_real_free(e);
		return NULL;
	}
	return e;
}

void
env_real_start(struct env_real *e)
{
	lc_start(e->c->lc);
}

void
env_real_stop(struct env_real *e)
{
	e->stopped = true;
	env_stop_calls(e);
}

void
env_real_free(struct env_real *e)
{
	if (!e)
		return;
	e->stopped = true;
	env_free_calls(e);
	loop_timer_free(e->timer);
	lc_free(e->c->lc);
	e->c->lc = NULL;
	free(e);
}

void
env_real_agent_up(struct env_real *e, int64_t slot, int64_t gen,
    const char *boot_id)
{
	if (!e->stopped)
		lc_on_agent(e->c->lc, slot, gen, boot_id);
}

void
env_real_connection(struct env_real *e, const char *connection)
{
	if (!e->stopped)
		lc_on_connection(e->c->lc, connection);
}
