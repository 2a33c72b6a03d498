/*
 * actions.c - the table of actions, who waits for their end, and their routes.
 */
#include "coordinator/actions.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "coordinator/api.h"
#include "coordinator/db_actions.h"
#include "coordinator/events.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define WAIT_MAX_S 25
#define STEPS_MAX 10000
#define KINDS_MAX 16

struct step {
	char *target, *step, *message;
	enum action_state state;
};

struct watch {
	void (*cb)(void *arg, enum action_state state);
	void *arg;
};

struct action {
	int64_t n;
	char id[ACTION_ID_LEN];
	char *kind, *target;
	enum action_state state;
	const char *outcome; /* static; NULL while it runs */
	int64_t done, failed, total, started, ended;
	char *error_code, *error, *hint;
	json_t *stored; /* steps of an earlier process */
	struct step *steps;
	size_t nsteps, steps_cap;
	struct watch *watches;
	size_t nwatches, watches_cap;
	bool lifecycle, claimed;
	struct action *next; /* newest first */
};

/* A request that waits for the store, then for the end of an action. */
struct waiter {
	struct actions *a;
	struct httpd_req *req; /* NULL: the client left */
	char id[ACTION_ID_LEN];
	json_t *extra;
	int64_t wait_ns;
	bool durable, over;
	struct loop_timer *timer;
	struct waiter *next;
};

struct canceler {
	const char *kind;
	bool (*cancel)(void *arg, const char *id, struct mw_err *err);
	void *arg;
};

struct actions {
	struct coord *c;
	struct action *list;
	size_t n;
	int64_t next_n;
	struct waiter *waiters;
	struct canceler cancelers[KINDS_MAX];
	size_t ncancelers;
};

struct save_job {
	struct store_job job;
	struct db_action row;
	char *strings[10];
	size_t nstrings;
};

struct barrier_job {
	struct store_job job;
	struct waiter *w;
};

static const char *const state_names[] = { "pending", "running", "done",
	"failed", "canceled" };

static struct action *find(const struct actions *a, const char *id);
static struct action *add(struct actions *a, int64_t n);
static void evict(struct actions *a);
static void load_one(void *arg, const struct db_action *row);
static void save(struct actions *a, const struct action *x);
static json_t *to_json(const struct action *x, bool steps);
static json_t *steps_json(const struct action *x);
static void ended(struct actions *a, struct action *x);
static void waiter_pump(struct waiter *w);

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	return db_action_load(db, ACTIONS_KEEP, load_one, arg, err);
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
action_free(struct action *x)
{
	for (size_t i = 0; i < x->nsteps; i++) {
		free(x->steps[i].target);
		free(x->steps[i].step);
		free(x->steps[i].message);
	}
	json_decref(x->stored);
	free(x->steps);
	free(x->watches);
	free(x->kind);
	free(x->target);
	free(x->error_code);
	free(x->error);
	free(x->hint);
	free(x);
}

static void
waiter_unlink(struct waiter *w)
{
	struct waiter **at = &w->a->waiters;

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
}

static void
waiter_free(void *p)
{
	struct waiter *w = p;

	loop_timer_free(w->timer);
	json_decref(w->extra);
	free(w);
}

void
actions_free(struct actions *a)
{
	if (!a)
		return;
	while (a->waiters) {
		struct waiter *w = a->waiters;

		a->waiters = w->next;
		if (w->req)
			httpd_on_gone(w->req, NULL, NULL);
		waiter_free(w);
	}
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
	struct mw_err err = MW_ERR_INIT;

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
	if (row->steps)
		x->stored = json_parse(row->steps, strlen(row->steps),
		    (size_t)16 * 1024 * 1024, &err);
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

static struct action *
find(const struct actions *a, const char *id)
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
	struct action *x = find(a, id);

	if (!x || x->state > ACTION_RUNNING)
		return false;
	x->claimed = true;
	return true;
}

static struct step *
step_of(struct action *x, const char *target)
{
	struct step *s;

	for (size_t i = 0; i < x->nsteps; i++) {
		if (str_eq(x->steps[i].target, target))
			return &x->steps[i];
	}
	if (x->nsteps == STEPS_MAX)
		return NULL;
	VEC_GROW(x->steps, x->nsteps, x->steps_cap);
	s = &x->steps[x->nsteps++];
	memset(s, 0, sizeof *s);
	s->target = xstrdup(target);
	return s;
}

void
actions_step(struct actions *a, const char *id, const char *target,
    const char *step, enum action_state state, const char *message)
{
	struct action *x = find(a, id);
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
actions_progress(struct actions *a, const char *id, int64_t done, int64_t total)
{
	struct action *x = find(a, id);

	if (!x || x->state > ACTION_RUNNING)
		return;
	x->done = done;
	x->total = total;
}

void
actions_end(struct actions *a, const char *id, enum action_state state,
    const char *outcome, const struct mw_err *err)
{
	struct action *x = find(a, id);
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
	struct action *x = find(a, row->action_id);
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
		x->error_code = xstrdup("REMOTE");
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
	struct action *x = find(a, id);
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
	if (a->ncancelers < KINDS_MAX)
		a->cancelers[a->ncancelers++] =
		    (struct canceler){ kind, cancel, arg };
}

bool
actions_cancel(struct actions *a, const char *id, struct mw_err *err)
{
	struct action *x = find(a, id);
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

	if (x->nsteps == 0 && x->stored)
		return json_incref(x->stored);
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
	const struct action *x = find(a, id);
	json_t *j;
	char *text;

	if (!x || x->nsteps == 0)
		return NULL;
	j = steps_json(x);
	text = json_text(j, false);
	json_decref(j);
	return text;
}

static json_t *
to_json(const struct action *x, bool steps)
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
	const struct action *x = find(a, id);

	return x ? to_json(x, true) : NULL;
}

/* ---- answering ----------------------------------------------------------- */

static void
waiter_end(struct waiter *w)
{
	waiter_unlink(w);
	loop_reap(w->a->c->loop, waiter_free, w);
}

static void
waiter_pump(struct waiter *w)
{
	struct action *x = find(w->a, w->id);
	json_t *body;
	char *where;

	if (!w->durable)
		return;
	if (!w->req) {
		waiter_end(w);
		return;
	}
	if (x && x->state <= ACTION_RUNNING && w->wait_ns > 0 && !w->over)
		return;
	body = x ? to_json(x, true) : json_object();
	if (w->extra)
		json_object_update(body, w->extra);
	where = xasprintf("/v1/actions/%s", w->id);
	httpd_on_gone(w->req, NULL, NULL);
	httpd_reply_header(w->req, "Location", where);
	httpd_reply_json(w->req,
	    x && x->state > ACTION_RUNNING && w->wait_ns > 0 ? 200 : 202, body);
	free(where);
	w->req = NULL;
	waiter_end(w);
}

static void
waiter_over(void *arg)
{
	struct waiter *w = arg;

	w->over = true;
	waiter_pump(w);
}

static void
waiter_gone(void *arg)
{
	struct waiter *w = arg;

	w->req = NULL;
	waiter_pump(w);
}

static bool
barrier_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	(void)db;
	(void)job;
	(void)err;
	return true;
}

static void
barrier_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct barrier_job *b = container_of(job, struct barrier_job, job);

	(void)ok;
	(void)err;
	b->w->durable = true;
	waiter_pump(b->w);
	free(b);
}

void
actions_reply(struct actions *a, struct httpd_req *req, const char *id)
{
	actions_reply_with(a, req, id, NULL);
}

void
actions_reply_with(struct actions *a, struct httpd_req *req, const char *id,
    json_t *take_extra)
{
	struct mw_err err = MW_ERR_INIT;
	struct barrier_job *b;
	struct waiter *w;
	int64_t wait_s;

	if (!api_query_int(req, "waitS", 0, 0, WAIT_MAX_S, &wait_s, &err)) {
		json_decref(take_extra);
		httpd_reply_err(req, &err);
		return;
	}
	w = xcalloc(1, sizeof *w);
	w->a = a;
	w->req = req;
	str_copy(w->id, sizeof w->id, id);
	w->extra = take_extra;
	w->wait_ns = wait_s * NS_PER_S;
	w->next = a->waiters;
	a->waiters = w;
	httpd_on_gone(req, waiter_gone, w);
	if (wait_s > 0) {
		httpd_extend(req, (wait_s + 10) * 1000);
		w->timer = loop_timer_new(a->c->loop, waiter_over, w);
		loop_timer_set(w->timer, w->wait_ns);
	}
	b = xcalloc(1, sizeof *b);
	b->job.run = barrier_run;
	b->job.done = barrier_done;
	b->w = w;
	store_submit(a->c->store, &b->job);
}

/* ---- routes -------------------------------------------------------------- */

void
actions_get_all(struct httpd_req *req, void *ctx)
{
	const struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const char *state = httpd_query(req, "state");
	json_t *out, *items;
	int64_t limit;

	if (!api_query_int(req, "limit", 100, 1, ACTIONS_KEEP, &limit, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	out = json_object();
	items = json_array();
	for (const struct action *x = c->actions->list;
	     x && json_array_size(items) < (size_t)limit; x = x->next) {
		if (!state || str_eq(state, state_names[x->state]))
			json_array_append_new(items, to_json(x, false));
	}
	json_put(out, "items", items);
	httpd_reply_json(req, 200, out);
}

void
actions_get_one(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *id = httpd_param(req, "id");
	struct mw_err err = MW_ERR_INIT;
	struct action *x = find(c->actions, id);

	if (!x) {
		err_set(&err, MW_NOT_FOUND, 0, "no action %s", id);
		err_hint(&err, "the newest %d are kept: GET /v1/actions",
		    ACTIONS_KEEP);
		httpd_reply_err(req, &err);
		return;
	}
	if (x->state <= ACTION_RUNNING && httpd_query(req, "waitS")) {
		actions_reply(c->actions, req, id);
		return;
	}
	httpd_reply_json(req, 200, to_json(x, true));
}

void
actions_delete(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *id = httpd_param(req, "id");
	struct mw_err err = MW_ERR_INIT;

	if (!actions_cancel(c->actions, id, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	actions_reply(c->actions, req, id);
}
