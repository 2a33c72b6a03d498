/*
 * actions_api.c - who waits for actions, and their routes.
 */
#include "coordinator/actions_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/api/api.h"

#define WAIT_MAX_S 25

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
waiters_free(struct actions *a)
{
	while (a->waiters) {
		struct waiter *w = a->waiters;

		a->waiters = w->next;
		if (w->req)
			httpd_on_gone(w->req, NULL, NULL);
		waiter_free(w);
	}
}

/* ---- answering ----------------------------------------------------------- */

static void
waiter_end(struct waiter *w)
{
	waiter_unlink(w);
	loop_reap(w->a->c->loop, waiter_free, w);
}

void
waiter_pump(struct waiter *w)
{
	struct action *x = action_find(w->a, w->id);
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
	body = x ? action_json(x, true) : json_object();
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

static void
waiter_durable(void *arg)
{
	struct waiter *w = arg;

	w->durable = true;
	waiter_pump(w);
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
	store_after(a->c->store, waiter_durable, w);
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
		if (!state || str_eq(state, action_state_name(x->state)))
			json_array_append_new(items, action_json(x, false));
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
	struct action *x = action_find(c->actions, id);

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
	httpd_reply_json(req, 200, action_json(x, true));
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
