/*
 * sched_run.c - one run of a schedule: may it start, starting it, its end.
 */
#include "coordinator/measure/sched.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/actions.h"
#include "coordinator/link/agents.h"
#include "coordinator/measure/bench.h"
#include "coordinator/coord.h"
#include "coordinator/measure/host.h"
#include "coordinator/measure/mesh.h"
#include "lifecycle/lifecycle.h"

#include <math.h>
#include <string.h>

#define FAST_K 3
#define MINUTE_NS (60 * NS_PER_S)
#define PSI_MIN 5 /* minutes: an older figure says nothing of now */
#define FAST_WINDOW_MS 1500

/* The schedule may be gone or changed when its action ends. */
struct sched_watch {
	struct sched *s;
	char ns[LC_ID_LEN], mcis[LC_ID_LEN], id[SCHED_ID_LEN];
	char action[LC_ACTION_LEN];
	struct sched_watch *next;
};

static bool ready(struct sched_item *it, const char **why);
static bool vm_busy(const struct sched_item *it, const struct lc_slot *s,
    const struct agent *a, char text[120]);
static double recent_psi(const struct coord *c, const struct lc_slot *s);
static bool start(struct sched_item *it, bool by_hand, struct mw_err *err);
static struct bench_ask ask_of(const struct sched_item *it);
static void begun(struct sched_item *it, bool by_hand, const char *run,
    const char *action);
static void skip(struct sched_item *it, int64_t now, const char *outcome,
    const char *reason);
static void on_end(void *arg, enum action_state state);
static void ended(struct sched_item *it, enum action_state state);
static void read_end(struct sched_item *it, enum action_state state);

/* Its time has come. */
void
sched_fire(struct sched_item *it, int64_t now)
{
	struct sched *s = it->owner;
	struct mw_err err = MW_ERR_INIT;
	const char *why = NULL;

	if (!ready(it, &why)) {
		skip(it, now, "skipped", why);
	} else if (*it->wait) { /* a VM is busy */
		char text[sizeof it->wait];

		str_copy(text, sizeof text, it->wait);
		if (sched_busy(&it->rule, &it->state, now)) {
			sched_save(it);
			return;
		}
		it->wait[0] = 0;
		str_copy(it->outcome, sizeof it->outcome, "skippedBusy");
		str_copy(it->reason, sizeof it->reason, text);
		sched_save(it);
		sched_tell(it, "schedule.skipped", text);
	} else if (it->rule.mrtt &&
	    mesh_over_budget(s->c->mesh, it->ns, it->mcis)) {
		skip(it, now, "skipped", "byteBudget");
	} else if (!start(it, false, &err)) {
		skip(it, now, "failed", err.msg);
	}
}

bool
sched_run_now(struct sched *s, struct sched_item *it, struct mw_err *err)
{
	(void)s;
	return it->state.running || start(it, true, err);
}

/*
 * False: it cannot run, *why says the reason. True with it->wait set: a VM is
 * busy with its own work, which a benchmark would disturb and measure.
 */
static bool
ready(struct sched_item *it, const char **why)
{
	const struct coord *c = it->owner->c;
	const struct lc_mcis *m = lc_mcis_find(c->lc, it->ns, it->mcis);
	size_t up = 0, need = it->rule.mrtt ? 2 : 1;

	it->wait[0] = 0;
	for (const struct lc_slot *s = m ? m->slots : NULL; s; s = s->next) {
		const struct agent *a =
		    agents_get(c->agents, s->row.slot_id, s->inst.gen);

		if (s->status != LC_RUNNING || !a || a->state != AGENT_UP)
			continue;
		up++;
		if (!*it->wait)
			(void)vm_busy(it, s, a, it->wait);
	}
	*why = it->rule.mrtt ? "fewer than two VMs run with an agent"
			     : "no VM runs with an agent";
	return up >= need;
}

static bool
vm_busy(const struct sched_item *it, const struct lc_slot *s,
    const struct agent *a, char text[120])
{
	const struct sched_rule *r = &it->rule;
	double load = a->vcpus > 0 ? a->load1 / (double)a->vcpus : 0;
	double psi = recent_psi(it->owner->c, s);

	/* Numbers that are replayed do not feel the load of the machine. */
	if (str_eq(a->emulated, "replay"))
		return false;
	if (r->max_load1_per_cpu > 0 && load > r->max_load1_per_cpu)
		snprintf(text, 120,
		    "%.40s is busy: load %.2f per CPU, limit %.2f", s->vm_id,
		    load, r->max_load1_per_cpu);
	else if (r->max_psi_cpu_pct > 0 && psi > r->max_psi_cpu_pct)
		snprintf(text, 120,
		    "%.40s is busy: tasks wait %.0f %% of the time for a CPU, "
		    "limit %.0f %%",
		    s->vm_id, psi, r->max_psi_cpu_pct);
	return *text != 0;
}

/* CPU pressure of a minute of late that no benchmark of ours made; 0 if there
 * is none. */
static double
recent_psi(const struct coord *c, const struct lc_slot *s)
{
	const struct host_rec *h = host_latest(c->host, s->row.slot_id);
	double psi;

	if (!h || h->bench_s || clock_wall_ns() / MINUTE_NS - h->at > PSI_MIN)
		return 0;
	psi = host_value(h, HOST_PSI_CPU);
	return isnan(psi) ? 0 : psi;
}

static bool
start(struct sched_item *it, bool by_hand, struct mw_err *err)
{
	struct coord *c = it->owner->c;
	struct bench_ask ask = ask_of(it);
	char action[24], run[24] = "";
	int64_t k = it->rule.k ? it->rule.k : c->conf.matrix_k;
	int64_t window =
	    it->rule.window_ms ? it->rule.window_ms : c->conf.matrix_window_ms;
	bool ok;

	if (it->rule.mrtt)
		ok = mesh_start_scheduled(c->mesh, it->ns, it->mcis,
		    it->rule.fast ? FAST_K : k,
		    it->rule.fast ? FAST_WINDOW_MS : window, action, err);
	else
		ok = bench_join(c->bench, &ask, run, action) ||
		    bench_start(c->bench, &ask, run, action, err);
	if (ok)
		begun(it, by_hand, run, action);
	return ok;
}

/*
 * A run that the former process began and could not note here goes on in this
 * one: it is joined before it can end, not started a second time.
 */
void
sched_adopt(struct sched_item *it)
{
	struct bench_ask ask = ask_of(it);
	char action[24], run[24];

	if (!it->rule.mrtt && it->rule.enabled && !it->state.running &&
	    it->state.due && it->state.at <= clock_wall_ns() &&
	    bench_join(it->owner->c->bench, &ask, run, action))
		begun(it, false, run, action);
}

static struct bench_ask
ask_of(const struct sched_item *it)
{
	return (struct bench_ask){ .ns = it->ns,
		.mcis = it->mcis,
		.kinds = it->rule.lanes,
		.profile = it->rule.profile };
}

/* It runs: from here on what was due is dealt with. */
static void
begun(struct sched_item *it, bool by_hand, const char *run, const char *action)
{
	sched_started(&it->rule, &it->state, clock_wall_ns(), by_hand);
	str_copy(it->action, sizeof it->action, action);
	str_copy(it->run, sizeof it->run, run);
	it->outcome[0] = it->reason[0] = it->wait[0] = 0;
	it->cut = false;
	sched_save(it);
	log_info("sched", it->rule.id,
	    "started\tmcis=%s action=%s run=%s missed=%lld", it->mcis,
	    it->action, *run ? run : "-", (long long)it->state.last_missed);
	sched_tell(it, "schedule.run", by_hand ? "asked for" : NULL);
	if (it->state.last_missed > 0)
		sched_tell(it, "schedule.missed", "made up by one run");
	sched_follow(it);
}

static void
skip(struct sched_item *it, int64_t now, const char *outcome,
    const char *reason)
{
	sched_skip(&it->rule, &it->state, now);
	it->wait[0] = 0;
	str_copy(it->outcome, sizeof it->outcome, outcome);
	str_copy(it->reason, sizeof it->reason, reason);
	sched_save(it);
	/* The first of a row: a group that sleeps for a week is one event. */
	if (it->state.skipped == 1)
		sched_tell(it, "schedule.skipped", it->reason);
}

void
sched_follow(struct sched_item *it)
{
	struct sched_watch *w = xcalloc(1, sizeof *w);

	w->s = it->owner;
	str_copy(w->ns, sizeof w->ns, it->ns);
	str_copy(w->mcis, sizeof w->mcis, it->mcis);
	str_copy(w->id, sizeof w->id, it->rule.id);
	str_copy(w->action, sizeof w->action, it->action);
	if (actions_watch(it->owner->c->actions, it->action, on_end, w)) {
		w->next = w->s->watches;
		w->s->watches = w;
		return;
	}
	free(w);
	ended(it, ACTION_FAILED);
}

void
sched_cut(struct sched_item *it)
{
	struct mw_err err = MW_ERR_INIT;

	if (it->cut)
		return;
	it->cut = true;
	log_warn("sched", it->rule.id, "runs longer than %lld s; is ended",
	    (long long)it->rule.max_run_s);
	if (!actions_cancel(it->owner->c->actions, it->action, &err))
		log_warn("sched", it->rule.id, "cannot end %s: %s", it->action,
		    err.msg);
}

void
sched_unwatch(struct sched *s)
{
	while (s->watches) {
		struct sched_watch *w = s->watches;

		s->watches = w->next;
		free(w);
	}
}

static void
on_end(void *arg, enum action_state state)
{
	struct sched_watch *w = arg, **at = &w->s->watches;
	struct sched_item *it = sched_find(w->s, w->ns, w->mcis, w->id);

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (it && it->state.running && str_eq(it->action, w->action))
		ended(it, state);
	free(w);
}

static void
ended(struct sched_item *it, enum action_state state)
{
	sched_ended(&it->rule, &it->state, clock_wall_ns());
	read_end(it, state);
	sched_save(it);
}

/* What came out of it, in the words of the action. */
static void
read_end(struct sched_item *it, enum action_state state)
{
	json_t *a = actions_json(it->owner->c->actions, it->action), *step;
	const char *outcome = json_string_value(json_object_get(a, "outcome"));
	const char *why = json_string_value(
	    json_object_get(json_object_get(a, "error"), "message"));
	size_t i;

	json_array_foreach(json_object_get(a, "steps"), i, step)
	{
		const char *t =
		    json_string_value(json_object_get(step, "target"));

		if (it->rule.mrtt && t && str_starts(t, "m-"))
			str_copy(it->run, sizeof it->run, t);
	}
	if (state == ACTION_CANCELED)
		outcome = "canceled";
	else if (state == ACTION_FAILED || !outcome)
		outcome = "failed";
	if (!a)
		why = "nothing is known of its end";
	if (it->cut)
		why = "maxRunS";
	str_copy(it->outcome, sizeof it->outcome, outcome);
	str_copy(it->reason, sizeof it->reason, why ? why : "");
	json_decref(a);
}
