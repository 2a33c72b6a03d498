/*
 * sched.c - all schedules: the list, the store, the clock.
 *
 * Looks at the wall clock every second, so that a clock that jumps is noticed
 * as soon as one that walks.
 */
#include "coordinator/measure/sched.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"
#include "coordinator/link/agents.h"
#include "coordinator/coord.h"
#include "coordinator/store/db_sched.h"
#include "coordinator/events.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define TICK_NS NS_PER_S
#define START_BEATS 3
#define LATE_NS (60 * NS_PER_S)
#define LATE_SKIPS 3

/* Defaults as a user would put them. */
static const char *const defaults[] = {
	"{\"id\":\"matrix\",\"kinds\":[\"mrtt\"],\"everyS\":300}",
	"{\"id\":\"cpu-mem\",\"kinds\":[\"cpus\",\"cpum\",\"memR\",\"memW\"],"
	"\"cron\":\"10 3 * * *\",\"maxRunS\":7200}",
	"{\"id\":\"fio-db\",\"kinds\":[\"fioR\",\"fioW\",\"dbR\",\"dbW\"],"
	"\"profile\":\"standard\",\"cron\":\"10 4 * * sun\","
	"\"maxRunS\":14400}",
};

struct save_job {
	struct store_job job;
	enum {
		SAVE_PUT,
		SAVE_DELETE,
		SAVE_SEEN
	} what;
	char ns[LC_ID_LEN], mcis[LC_ID_LEN], id[SCHED_ID_LEN];
	char action[LC_ACTION_LEN], run[24], outcome[16], reason[120];
	struct sched_state state;
	bool enabled;
	char *json;
	int64_t seen;
};

static bool load(struct db *db, void *arg, struct mw_err *err);
static void load_one(void *arg, const struct db_sched *row);
static struct sched_item *item_new(struct sched *s, const char *ns,
    const char *mcis, const struct sched_rule *rule);
static void item_drop(struct sched *s, struct sched_item *it);
static void on_tick(void *arg);
static bool mcis_there(struct sched *s, struct sched_item *it);
static void offer(struct sched *s);
static void offer_to(struct sched *s, const struct lc_mcis *m);
static struct save_job *save_new(const struct sched_item *it);
static bool save_run(struct db *db, struct store_job *job, struct mw_err *err);
static void save_done(struct store_job *job, bool ok, const struct mw_err *err);

struct sched *
sched_new(struct coord *c, struct mw_err *err)
{
	struct sched *s = xcalloc(1, sizeof *s);

	s->c = c;
	if (!store_run_now(c->store, load, s, err)) {
		sched_free(s);
		return NULL;
	}
	s->tick = loop_timer_new(c->loop, on_tick, s);
	return s;
}

void
sched_resume(struct sched *s)
{
	struct sched_item *it, *next;

	for (it = s->items; it; it = next) {
		next = it->next;
		if (!mcis_there(s, it))
			continue;
		if (it->state.running)
			sched_follow(it);
		else
			sched_adopt(it);
	}
	/* The agents of a former process need a moment to come back. */
	s->quiet_ns = clock_mono_ns() +
	    START_BEATS * agents_ttl_ms(s->c->agents) * NS_PER_MS;
	on_tick(s);
}

void
sched_free(struct sched *s)
{
	if (!s)
		return;
	loop_timer_free(s->tick);
	while (s->items)
		item_drop(s, s->items);
	sched_unwatch(s);
	free(s);
}

const struct sched_item *
sched_first(const struct sched *s)
{
	return s->items;
}

struct sched_item *
sched_find(const struct sched *s, const char *ns, const char *mcis,
    const char *id)
{
	for (struct sched_item *it = s->items; it; it = it->next)
		if (str_eq(it->rule.id, id) && str_eq(it->mcis, mcis) &&
		    str_eq(it->ns, ns))
			return it;
	return NULL;
}

bool
sched_put(struct sched *s, const char *ns, const char *mcis,
    const struct sched_rule *rule, bool *created, bool *changed,
    struct mw_err *err)
{
	struct sched_item *it = sched_find(s, ns, mcis, rule->id);
	int64_t now = clock_wall_ns();
	json_t *was, *is;
	size_t n = 0;

	*created = !it;
	*changed = true;
	for (const struct sched_item *x = s->items; !it && x; x = x->next)
		n += str_eq(x->ns, ns) && str_eq(x->mcis, mcis);
	if (n >= SCHED_PER_MCIS) {
		err_set(err, MW_LIMIT, 0, "%s has %d schedules already", mcis,
		    SCHED_PER_MCIS);
		return err_hint(err, "one schedule can measure several kinds");
	}
	if (!it) {
		it = item_new(s, ns, mcis, rule);
		it->state.created = it->state.anchor = now;
		sched_plan(&it->rule, &it->state, now);
	} else {
		was = sched_rule_json(&it->rule);
		is = sched_rule_json(rule);
		*changed = !json_equal(was, is);
		json_decref(was);
		json_decref(is);
		if (!*changed)
			return true;
		if (it->rule.every_s != rule->every_s)
			it->state.anchor = now;
		n = !sched_rule_same_times(&it->rule, rule);
		it->rule = *rule;
		it->wait[0] = 0;
		if (n)
			sched_plan(&it->rule, &it->state, now);
	}
	(void)mcis_there(s, it);
	sched_save(it);
	return true;
}

void
sched_delete(struct sched *s, struct sched_item *it)
{
	struct save_job *j = save_new(it);

	j->what = SAVE_DELETE;
	store_submit(s->c->store, &j->job);
	item_drop(s, it);
}

bool
sched_enable(struct sched *s, struct sched_item *it, bool on)
{
	(void)s;
	if (it->rule.enabled == on)
		return false;
	it->rule.enabled = on;
	it->wait[0] = 0;
	sched_plan(&it->rule, &it->state, clock_wall_ns());
	sched_save(it);
	return true;
}

size_t
sched_defaults(struct sched_rule *out, size_t max)
{
	struct mw_err err = MW_ERR_INIT;
	size_t n = 0;

	for (; n < ARRAY_LEN(defaults) && n < max; n++) {
		json_t *j = json_loads(defaults[n], 0, NULL);
		const char *id = json_string_value(json_object_get(j, "id"));

		if (!sched_rule_parse(id, j, 0, &out[n], &err))
			abort(); /* ours */
		json_decref(j);
	}
	return n;
}

bool
sched_late(const struct sched_item *it, int64_t now)
{
	if (!it->rule.enabled || it->state.running)
		return false;
	return it->state.skipped >= LATE_SKIPS ||
	    now - it->state.at > LATE_NS || str_eq(it->outcome, "failed");
}

json_t *
sched_json(const struct sched_item *it)
{
	json_t *j = sched_rule_json(&it->rule);
	const struct sched_state *t = &it->state;
	bool off = !it->rule.enabled;

	json_put_time(j, "nextAt", off ? 0 : t->at);
	json_put_str(j, "nextReason",
	    off              ? "paused"
		: t->running ? "after the run that is under way"
		: *it->wait  ? it->wait
			     : NULL);
	json_put_bool(j, "running", t->running);
	json_put_str(j, "actionId", *it->action ? it->action : NULL);
	json_put_time(j, "lastAt", t->last);
	json_put_time(j, "lastEndAt", t->last_end);
	json_put_str(j, "lastRunId", *it->run ? it->run : NULL);
	json_put_str(j, "lastOutcome", *it->outcome ? it->outcome : NULL);
	json_put_str(j, "lastReason", *it->reason ? it->reason : NULL);
	json_put_int(j, "lastMissed", t->last_missed);
	json_put_int(j, "runs", t->runs);
	json_put_int(j, "missed", t->missed);
	json_put_int(j, "skipped", t->skipped);
	json_put_time(j, "createdAt", t->created);
	return j;
}

void
sched_save(const struct sched_item *it)
{
	struct save_job *j = save_new(it);
	json_t *rule = sched_rule_json(&it->rule);

	j->json = json_text(rule, false);
	json_decref(rule);
	store_submit(it->owner->c->store, &j->job);
}

void
sched_tell(const struct sched_item *it, const char *type, const char *reason)
{
	json_t *detail = json_object();

	json_put_str(detail, "scheduleId", it->rule.id);
	json_put_str(detail, "runId", *it->run ? it->run : NULL);
	json_put_int(detail, "missed", it->state.last_missed);
	json_put_int(detail, "skipped", it->state.skipped);
	events_emit(it->owner->c->events,
	    &(struct event){ .type = type,
		.ns = it->ns,
		.mcis = it->mcis,
		.to = it->rule.id,
		.reason = reason,
		.action = it->state.running ? it->action : NULL,
		.detail = detail });
	json_decref(detail);
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	struct sched *s = arg;

	return db_sched_seen(db, &s->seen, err) &&
	    db_sched_each(db, load_one, s, err);
}

static void
load_one(void *arg, const struct db_sched *row)
{
	struct sched *s = arg;
	struct mw_err err = MW_ERR_INIT;
	struct sched_rule rule;
	struct sched_item *it;
	json_t *j = json_loads(row->json, 0, NULL);
	uint64_t seed;

	if (!j || !sched_rule_parse(row->id, j, clock_wall_ns(), &rule, &err)) {
		log_error("sched", row->id, "is not readable: %s", err.msg);
		json_decref(j);
		return;
	}
	json_decref(j);
	rule.enabled = row->enabled;
	it = item_new(s, row->ns, row->mcis, &rule);
	seed = it->state.seed;
	it->state = row->state;
	it->state.seed = seed;
	it->state.running = it->state.last && !it->state.last_end;
	str_copy(it->action, sizeof it->action, row->action);
	str_copy(it->run, sizeof it->run, row->run);
	str_copy(it->outcome, sizeof it->outcome, row->outcome);
	str_copy(it->reason, sizeof it->reason, row->reason);
}

/* In its place by ns, mcis, id. */
static struct sched_item *
item_new(struct sched *s, const char *ns, const char *mcis,
    const struct sched_rule *rule)
{
	struct sched_item *it = xcalloc(1, sizeof *it), **at = &s->items;
	const char *const parts[] = { ns, "/", mcis, "/", rule->id };

	it->owner = s;
	it->rule = *rule;
	str_copy(it->ns, sizeof it->ns, ns);
	str_copy(it->mcis, sizeof it->mcis, mcis);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (const char *p = parts[i]; *p; p++)
			it->state.seed =
			    rng_mix(it->state.seed ^ (unsigned char)*p);
	for (; *at; at = &(*at)->next) {
		int d = strcmp((*at)->ns, ns);

		d = d ? d : strcmp((*at)->mcis, mcis);
		d = d ? d : strcmp((*at)->rule.id, rule->id);
		if (d > 0)
			break;
	}
	it->next = *at;
	*at = it;
	return it;
}

static void
item_drop(struct sched *s, struct sched_item *it)
{
	struct sched_item **at = &s->items;

	while (*at != it)
		at = &(*at)->next;
	*at = it->next;
	free(it);
}

static void
on_tick(void *arg)
{
	struct sched *s = arg;
	struct sched_item *it, *next;
	int64_t now = clock_wall_ns();
	bool quiet = clock_mono_ns() < s->quiet_ns;

	sched_sweep(s);
	offer(s);
	for (it = s->items; it; it = next) {
		next = it->next;
		if (it->state.running && it->rule.max_run_s &&
		    now - it->state.last > it->rule.max_run_s * NS_PER_S)
			sched_cut(it);
		else if (!quiet && sched_due(&it->rule, &it->state, now))
			sched_fire(it, now);
	}
	loop_timer_set(s->tick, TICK_NS);
}

void
sched_sweep(struct sched *s)
{
	struct sched_item *it, *next;

	for (it = s->items; it; it = next) {
		next = it->next;
		if (!mcis_there(s, it))
			sched_delete(s, it);
	}
}

/* The very MCIS, not another one that took its name. */
static bool
mcis_there(struct sched *s, struct sched_item *it)
{
	const struct lc_mcis *m = lc_mcis_find(s->c->lc, it->ns, it->mcis);

	if (m && !it->mcis_id)
		it->mcis_id = m->row.mcis_id;
	return m && m->row.mcis_id == it->mcis_id;
}

/* Every MCIS once: what a user takes away stays away. */
static void
offer(struct sched *s)
{
	const char *which = s->c->conf.schedule_defaults;
	bool first = s->seen < 0;
	int64_t newest = s->seen;
	struct save_job *j;

	for (const struct lc_mcis *m = lc_mcis_first(s->c->lc); m;
	     m = m->next) {
		if (m->row.mcis_id <= s->seen)
			continue;
		if (m->row.mcis_id > newest)
			newest = m->row.mcis_id;
		/* those of an older version keep what they have: nothing */
		if (!first && m->row.require_agent && which &&
		    !str_eq(which, "none"))
			offer_to(s, m);
	}
	if (first && newest < 0)
		newest = 0;
	if (newest == s->seen)
		return;
	s->seen = newest;
	j = xcalloc(1, sizeof *j);
	j->job.run = save_run;
	j->job.done = save_done;
	j->what = SAVE_SEEN;
	j->seen = newest;
	store_submit(s->c->store, &j->job);
}

static void
offer_to(struct sched *s, const struct lc_mcis *m)
{
	bool all = str_eq(s->c->conf.schedule_defaults, "all"), made, changed;
	struct sched_rule rules[ARRAY_LEN(defaults)];
	size_t n = sched_defaults(rules, ARRAY_LEN(rules));
	struct mw_err err = MW_ERR_INIT;

	for (size_t i = 0; i < n; i++)
		if ((all || rules[i].mrtt) &&
		    !sched_find(s, m->row.ns, m->row.name, rules[i].id) &&
		    !sched_put(s, m->row.ns, m->row.name, &rules[i], &made,
			&changed, &err))
			log_warn("sched", rules[i].id, "%s", err.msg);
}

static struct save_job *
save_new(const struct sched_item *it)
{
	struct save_job *j = xcalloc(1, sizeof *j);

	j->job.run = save_run;
	j->job.done = save_done;
	str_copy(j->ns, sizeof j->ns, it->ns);
	str_copy(j->mcis, sizeof j->mcis, it->mcis);
	str_copy(j->id, sizeof j->id, it->rule.id);
	str_copy(j->action, sizeof j->action, it->action);
	str_copy(j->run, sizeof j->run, it->run);
	str_copy(j->outcome, sizeof j->outcome, it->outcome);
	str_copy(j->reason, sizeof j->reason, it->reason);
	j->state = it->state;
	j->enabled = it->rule.enabled;
	return j;
}

static bool
save_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	const struct save_job *j = container_of(job, struct save_job, job);
	struct db_sched row = { .ns = j->ns,
		.mcis = j->mcis,
		.id = j->id,
		.json = j->json,
		.state = j->state,
		.enabled = j->enabled,
		.action = j->action,
		.run = j->run,
		.outcome = j->outcome,
		.reason = j->reason };

	if (j->what == SAVE_SEEN)
		return db_sched_seen_put(db, j->seen, err);
	if (j->what == SAVE_DELETE)
		return db_sched_delete(db, j->ns, j->mcis, j->id, err);
	return db_sched_put(db, &row, err);
}

static void
save_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct save_job *j = container_of(job, struct save_job, job);

	if (!ok)
		log_error("sched", j->id, "cannot store a schedule: %s",
		    err->msg);
	free(j->json);
	free(j);
}
