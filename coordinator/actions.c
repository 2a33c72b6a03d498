/*
 * actions.c - the table of actions and what the store keeps of it.
 */
#include "coordinator/actions_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "coordinator/store/db_actions.h"
#include "coordinator/events.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define STEPS_MAX 10000
#define STORED_MAX ((size_t)8 * 1024 * 1024) /* steps of ended actions */

struct save_job {
	struct store_job job;
	struct db_action row;
	char *strings[10];
	size_t nstrings;
};

static const char *const state_names[] = { "pending", "running", "done",
	"failed", "canceled" };

static struct action *add(struct actions *a, int64_t n);
static void evict(struct actions *a);
static void load_one(void *arg, const struct db_action *row);
static void save(struct actions *a, const struct action *x);
static json_t *steps_json(const struct action *x);
static char *steps_text(const struct action *x);
static void trim_stored(struct actions *a);
static void ended(struct actions *a, struct action *x);

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	return db_action_load(db, ACTIONS_KEEP, load_one, arg, err);
}

const char *
action_state_name(enum action_state s)
{
	return state_names[s];
}

struct actions *
actions_open(struct coord *c, struct mw_err *err)
{
	struct actions *a = xcalloc(1, sizeof *a);

	a->c = c;
	a->next_n = 1;
	if (!store_run_now(c->store, load, a, err)) {
		actions_free(a);
		err_wrap(err, "actions");
		return NULL;
	}
	return a;
}

static void
steps_free(struct action *x)
{
	for (size_t i = 0; i < x->nsteps; i++) {
		free(x->steps[i].target);
		free(x->steps[i].step);
		free(x->steps[i].message);
	}
	free(x->steps);
	free(x->index);
	x->steps = NULL;
	x->index = NULL;
	x->nsteps = x->steps_cap = x->nindex = 0;
}

static void
action_free(struct action *x)
{
	steps_free(x);
	free(x->stored);
	free(x->watches);
	free(x->kind);
	free(x->target);
	free(x->error_code);
	free(x->error);
	free(x->hint);
	free(x);
}

void
actions_free(struct actions *a)
{
	if (!a)
		return;
	waiters_free(a);
	while (a->list) {
		struct action *x = a->list;

		a->list = x->next;
		action_free(x);
	}
	free(a);
}

static enum action_state
state_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(state_names); i++) {
		if (str_eq(state_names[i], name))
			return (enum action_state)i;
	}
	return ACTION_FAILED;
}

static const char *
outcome_parse(const char *name)
{
	static const char *const known[] = { "ok", "partial", "failed" };

	for (size_t i = 0; name && i < ARRAY_LEN(known); i++) {
		if (str_eq(known[i], name))
			return known[i];
	}
	return NULL;
}

static void
load_one(void *arg, const struct db_action *row)
{
	struct actions *a = arg;
	struct action *x = add(a, row->n);

	x->kind = xstrdup(row->kind);
	x->target = xstrdup(row->target);
	x->state = state_parse(row->state);
	x->outcome = outcome_parse(row->outcome);
	x->done = row->done;
	x->failed = row->failed;
	x->total = row->total;
	x->error_code = xstrdup(row->error_code);
	x->error = xstrdup(row->error);
	x->hint = xstrdup(row->hint);
	x->started = row->started;
	x->ended = row->ended;
	x->lifecycle = row->act != NULL;
	x->stored = xstrdup(row->steps);
}

void
actions_ready(struct actions *a)
{
	struct mw_err err = MW_ERR_INIT;

	err_set(&err, MW_CANCELED, 0, "the coordinator was restarted");
	err_hint(&err, "start it again");
	for (struct action *x = a->list; x; x = x->next) {
		if (x->state > ACTION_RUNNING || x->claimed ||
		    (x->lifecycle && lc_action_find(a->c->lc, x->id)))
			continue;
		x->lifecycle = false;
		actions_end(a, x->id, ACTION_FAILED, "failed", &err);
	}
}

/* ---- the table ----------------------------------------------------------- */

struct action *
action_find(const struct actions *a, const char *id)
{
	struct action *x = a->list;

	while (x && !str_eq(x->id, id))
		x = x->next;
	return x;
}

static struct action *
add(struct actions *a, int64_t n)
{
	struct action *x = xcalloc(1, sizeof *x);
	struct str id = STR_INIT;

	x->n = n;
	str_addf(&id, "ac-%lld", (long long)n);
	str_copy(x->id, sizeof x->id, str_cstr(&id));
	str_free(&id);
	x->state = ACTION_RUNNING;
	x->started = clock_wall_ns();
	if (a->next_n <= n)
		a->next_n = n + 1;
	x->next = a->list;
	a->list = x;
	a->n++;
	if (a->n > ACTIONS_KEEP)
		evict(a);
	return x;
}

/* The oldest one that has ended. */
static void
evict(struct actions *a)
{
	struct action **last = NULL, *x;

	for (struct action **at = &a->list; *at; at = &(*at)->next) {
		if ((*at)->state > ACTION_RUNNING)
			last = at;
	}
	if (!last)
		return;
	x = *last;
	*last = x->next;
	a->n--;
	action_free(x);
}

void
actions_reserve(struct actions *a, char id[ACTION_ID_LEN])
{
	struct str t = STR_INIT;

	str_addf(&t, "ac-%lld", (long long)a->next_n++);
	str_copy(id, ACTION_ID_LEN, str_cstr(&t));
	str_free(&t);
}

void
actions_new(struct actions *a, const char *kind, const char *target,
    int64_t total, char id[ACTION_ID_LEN])
{
	struct action *x = add(a, a->next_n);

	x->kind = xstrdup(kind);
	x->target = xstrdup(target);
	x->total = total;
	str_copy(id, ACTION_ID_LEN, x->id);
	save(a, x);
}

bool
actions_claim(struct actions *a, const char *id)
{
	struct action *x = action_find(a, id);

	if (!x || x->state > ACTION_RUNNING)
		return false;
	x->claimed = true;
	return true;
}

/* The place of a target in the index, or the free one where it belongs. The
 * index is never more than half full. */
static uint32_t *
place_of(const struct action *x, const char *target)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	size_t i;

	for (const char *p = target; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	i = h & (x->nindex - 1);
	while (x->index[i] && !str_eq(x->steps[x->index[i] - 1].target, target))
		i = (i + 1) & (x->nindex - 1);
	return &x->index[i];
}

static uint32_t *
index_at(struct action *x, const char *target)
{
	if (2 * (x->nsteps + 1) > x->nindex) {
		free(x->index);
		x->nindex = x->nindex ? 2 * x->nindex : 16;
		x->index = xcalloc(x->nindex, sizeof *x->index);
		for (size_t i = 0; i < x->nsteps; i++)
			*place_of(x, x->steps[i].target) = (uint32_t)(i + 1);
	}
	return place_of(x, target);
}

static struct step *
step_of(struct action *x, const char *target)
{
	struct step *s;

	uint32_t *at = index_at(x, target);

	if (*at)
		return &x->steps[*at - 1];
	if (x->nsteps == STEPS_MAX)
		return NULL;
	VEC_GROW(x->steps, x->nsteps, x->steps_cap);
	s = &x->steps[x->nsteps++];
	*at = (uint32_t)x->nsteps;
	memset(s, 0, sizeof *s);
	s->target = xstrdup(target);
	return s;
}

void
actions_step(struct actions *a, const char *id, const char *target,
    const char *step, enum action_state state, const char *message)
{
	struct action *x = action_find(a, id);
	struct step *s;

	if (!x || x->state > ACTION_RUNNING)
		return;
	s = step_of(x, target);
	if (!s)
		return;
	if (step) {
		free(s->step);
		s->step = xstrdup(step);
	}
	free(s->message);
	s->message = xstrdup(message);
	s->state = state;
	if (!x->lifecycle) {
		struct event ev = { .type = "action.step",
			.action = x->id,
			.vm = target,
			.to = step ? step : state_names[state],
			.reason = message };

		events_emit(a->c->events, &ev);
	}
}

void
actions_count(const struct actions *a, size_t n[ACTION_CANCELED + 1])
{
	memset(n, 0, (ACTION_CANCELED + 1) * sizeof *n);
	for (const struct action *x = a->list; x; x = x->next)
		n[x->state]++;
}

void
actions_progress(struct actions *a, const char *id, int64_t done, int64_t total)
{
	struct action *x = action_find(a, id);

	if (!x || x->state > ACTION_RUNNING)
		return;
	x->done = done;
	x->total = total;
}

void
actions_end(struct actions *a, const char *id, enum action_state state,
    const char *outcome, const struct mw_err *err)
{
	struct action *x = action_find(a, id);
	struct event ev = { .type = "action.end" };

	if (!x || x->state > ACTION_RUNNING)
		return;
	x->state = state;
	x->outcome = outcome_parse(outcome);
	x->ended = clock_wall_ns();
	if (err && err->code != MW_OK) {
		x->error_code = xstrdup(err_code_name(err->code));
		x->error = xstrdup(err->msg);
		x->hint = err->hint[0] ? xstrdup(err->hint) : NULL;
	}
	save(a, x);
	if (a->c->events) {
		ev.action = x->id;
		ev.to = state_names[state];
		ev.reason = x->error;
		events_emit(a->c->events, &ev);
	}
	ended(a, x);
}

void
actions_put(struct actions *a, const struct lc_action_row *row)
{
	static const enum action_state states[] = { ACTION_RUNNING, ACTION_DONE,
		ACTION_FAILED, ACTION_CANCELED };
	struct action *x = action_find(a, row->action_id);
	int64_t n = 0;

	if (!x) {
		if (!num_parse_i64(row->action_id + 3,
			strlen(row->action_id + 3), 1, INT64_MAX, &n))
			return;
		x = add(a, n);
		x->kind = xstrdup(lc_act_name(row->act));
		x->target = xstrdup(row->target);
		x->lifecycle = true;
		x->started = row->started_at;
	}
	x->done = row->done;
	x->failed = row->failed;
	x->total = row->total;
	if (row->error[0] && !x->error) {
		x->error_code =
		    xstrdup(strstr(row->error, " took its place") ? "CONFLICT"
								  : "REMOTE");
		x->error = xstrdup(row->error);
	}
	if (row->state == LC_R_RUNNING || x->state > ACTION_RUNNING)
		return;
	x->state = states[row->state];
	x->ended = row->ended_at;
	x->outcome = row->failed == 0 && !row->undo    ? "ok"
	    : row->done > 0 && row->state == LC_R_DONE ? "partial"
						       : "failed";
	ended(a, x);
}

static void
ended(struct actions *a, struct action *x)
{
	for (size_t i = 0; i < x->nwatches; i++)
		x->watches[i].cb(x->watches[i].arg, x->state);
	x->nwatches = 0;
	for (struct waiter *w = a->waiters, *next; w; w = next) {
		next = w->next;
		if (str_eq(w->id, x->id))
			waiter_pump(w);
	}
	if (x->nsteps == 0)
		return;
	free(x->stored);
	x->stored = steps_text(x);
	steps_free(x);
	trim_stored(a);
}

/* The newest ones keep their steps here, as many as there is room for; the
 * database keeps them all. */
static void
trim_stored(struct actions *a)
{
	size_t room = STORED_MAX;

	for (struct action *x = a->list; x; x = x->next) {
		size_t n = x->stored ? strlen(x->stored) : 0;

		if (n > room) {
			free(x->stored);
			x->stored = NULL;
		} else {
			room -= n;
		}
	}
}

struct late_watch {
	struct watch w;
	enum action_state state;
};

static void
tell_late(void *p)
{
	struct late_watch *l = p;

	l->w.cb(l->w.arg, l->state);
	free(l);
}

bool
actions_watch(struct actions *a, const char *id,
    void (*cb)(void *arg, enum action_state state), void *arg)
{
	struct action *x = action_find(a, id);
	struct late_watch *l;

	if (!x)
		return false;
	if (x->state > ACTION_RUNNING) {
		l = xcalloc(1, sizeof *l);
		*l = (struct late_watch){ { cb, arg }, x->state };
		loop_reap(a->c->loop, tell_late, l);
		return true;
	}
	VEC_GROW(x->watches, x->nwatches, x->watches_cap);
	x->watches[x->nwatches++] = (struct watch){ cb, arg };
	return true;
}

void
actions_on_cancel(struct actions *a, const char *kind,
    bool (*cancel)(void *arg, const char *id, struct mw_err *err), void *arg)
{
	if (a->ncancelers < ACTION_KINDS_MAX)
		a->cancelers[a->ncancelers++] =
		    (struct canceler){ kind, cancel, arg };
}

bool
actions_cancel(struct actions *a, const char *id, struct mw_err *err)
{
	struct action *x = action_find(a, id);
	uint64_t txn;

	if (!x)
		return err_set(err, MW_NOT_FOUND, 0, "no action %s", id);
	if (x->state > ACTION_RUNNING)
		return err_set(err, MW_CONFLICT, 0, "%s has ended: %s", id,
		    state_names[x->state]);
	if (x->lifecycle)
		return lc_abort(a->c->lc, id, &txn, err);
	for (size_t i = 0; i < a->ncancelers; i++) {
		if (str_eq(a->cancelers[i].kind, x->kind))
			return a->cancelers[i].cancel(a->cancelers[i].arg, id,
			    err);
	}
	return err_set(err, MW_UNSUPPORTED, 0, "%s cannot be canceled",
	    x->kind);
}

/* ---- the store ----------------------------------------------------------- */

static bool
save_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	return db_action_put(db, &container_of(job, struct save_job, job)->row,
	    err);
}

static void
save_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct save_job *s = container_of(job, struct save_job, job);

	if (!ok)
		log_error("actions", NULL, "cannot store an action: %s",
		    err->msg);
	for (size_t i = 0; i < s->nstrings; i++)
		free(s->strings[i]);
	free(s);
}

static const char *
keep(struct save_job *s, const char *text)
{
	if (!text)
		return NULL;
	return s->strings[s->nstrings++] = xstrdup(text);
}

static void
save(struct actions *a, const struct action *x)
{
	struct save_job *s = xcalloc(1, sizeof *s);
	char *steps =
	    x->state > ACTION_RUNNING ? actions_steps_text(a, x->id) : NULL;

	s->job.run = save_run;
	s->job.done = save_done;
	s->row = (struct db_action){
		.n = x->n,
		.kind = keep(s, x->kind),
		.target = keep(s, x->target),
		.actor = "",
		.state = state_names[x->state],
		.outcome = x->outcome,
		.done = x->done,
		.failed = x->failed,
		.total = x->total,
		.error_code = keep(s, x->error_code),
		.error = keep(s, x->error),
		.hint = keep(s, x->hint),
		.steps = keep(s, steps),
		.started = x->started,
		.ended = x->ended,
	};
	free(steps);
	store_submit(a->c->store, &s->job);
}

/* ---- JSON ---------------------------------------------------------------- */

static json_t *
steps_json(const struct action *x)
{
	json_t *out;

	struct mw_err err = MW_ERR_INIT;

	if (x->nsteps == 0 && x->stored &&
	    (out = json_parse(x->stored, strlen(x->stored), STORED_MAX, &err)))
		return out;
	out = json_array();
	for (size_t i = 0; i < x->nsteps; i++) {
		const struct step *s = &x->steps[i];
		json_t *j = json_object();

		json_put_str(j, "target", s->target);
		json_put_str(j, "step", s->step);
		json_put_str(j, "state", state_names[s->state]);
		json_put_str(j, "message", s->message ? s->message : "");
		json_array_append_new(out, j);
	}
	return out;
}

char *
actions_steps_text(const struct actions *a, const char *id)
{
	const struct action *x = action_find(a, id);

	return x && x->nsteps > 0 ? steps_text(x) : NULL;
}

/* Ten thousand of them: no tree. */
static char *
steps_text(const struct action *x)
{
	struct str out = STR_INIT;

	for (size_t i = 0; i < x->nsteps; i++) {
		const struct step *s = &x->steps[i];

		str_add(&out, i ? ",{\"message\":" : "[{\"message\":");
		json_add_str(&out, s->message ? s->message : "");
		str_addf(&out,
		    ",\"state\":\"%s\",\"step\":", state_names[s->state]);
		json_add_str(&out, s->step);
		str_add(&out, ",\"target\":");
		json_add_str(&out, s->target);
		str_addc(&out, '}');
	}
	str_addc(&out, ']');
	return str_take(&out);
}

json_t *
action_json(const struct action *x, bool steps)
{
	json_t *j = json_object(), *p = json_object(), *e = NULL;

	json_put_str(j, "actionId", x->id);
	json_put_str(j, "kind", x->kind);
	json_put_str(j, "target", x->target);
	json_put_str(j, "state", state_names[x->state]);
	json_put_str(j, "outcome", x->outcome);
	json_put_int(p, "done", x->done + x->failed);
	json_put_int(p, "total", x->total);
	json_put(j, "progress", p);
	if (steps)
		json_put(j, "steps", steps_json(x));
	json_put_bool(j, "changed", true);
	if (x->error) {
		e = json_object();
		json_put_str(e, "code", x->error_code);
		json_put_str(e, "message", x->error);
		json_put_str(e, "hint", x->hint);
	}
	json_put(j, "error", e);
	json_put_time(j, "startedAt", x->started);
	json_put_time(j, "endedAt", x->ended);
	return j;
}

json_t *
actions_json(const struct actions *a, const char *id)
{
	const struct action *x = action_find(a, id);

	return x ? action_json(x, true) : NULL;
}
