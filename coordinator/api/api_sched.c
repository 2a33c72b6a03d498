/*
 * api_sched.c - schedules over HTTP. A change is answered after it is durable.
 */
#include "coordinator/api/api.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/actions.h"
#include "coordinator/measure/sched.h"
#include "lifecycle/lifecycle.h"

/* An answer that waits for the store. */
struct answer {
	struct httpd_req *req;
	json_t *body;
	int status;
};

static void get_all(struct httpd_req *req, void *ctx);
static void get_one(struct httpd_req *req, void *ctx);
static void put(struct httpd_req *req, void *ctx);
static void delete_one(struct httpd_req *req, void *ctx);
static void post_defaults(struct httpd_req *req, void *ctx);
static void post_run(struct httpd_req *req, void *ctx);
static void post_pause(struct httpd_req *req, void *ctx);
static void post_resume(struct httpd_req *req, void *ctx);
static void enable(struct httpd_req *req, struct coord *c, bool on);
static struct sched_item *item_of(struct httpd_req *req, struct coord *c,
    struct mw_err *err);
static bool mcis_of(struct httpd_req *req, struct coord *c, struct mw_err *err);
static json_t *list(struct httpd_req *req, const struct coord *c);
static void answer(struct httpd_req *req, struct coord *c, int status,
    json_t *take_body);
static void answer_now(void *arg);

#define S "/v1/ns/{ns}/mcis/{mcis}/schedules"
static const struct httpd_route routes[] = {
	{ "GET", S, get_all, ROLE_VIEWER },
	{ "POST", S, post_defaults, ROLE_BENCH },
	{ "GET", S "/{id}", get_one, ROLE_VIEWER },
	{ "PUT", S "/{id}", put, ROLE_BENCH },
	{ "DELETE", S "/{id}", delete_one, ROLE_BENCH },
	{ "POST", S "/{id}/run", post_run, ROLE_BENCH },
	{ "POST", S "/{id}/pause", post_pause, ROLE_BENCH },
	{ "POST", S "/{id}/resume", post_resume, ROLE_BENCH },
};
const struct api_routes api_sched_routes = { routes, ARRAY_LEN(routes) };

static void
get_all(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;

	if (!mcis_of(req, c, &err))
		httpd_reply_err(req, &err);
	else
		httpd_reply_json(req, 200, list(req, c));
}

static void
get_one(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const struct sched_item *it = item_of(req, c, &err);

	if (!it)
		httpd_reply_err(req, &err);
	else
		httpd_reply_json(req, 200, sched_json(it));
}

static void
put(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *ns = httpd_param(req, "ns");
	const char *mcis = httpd_param(req, "mcis");
	const char *id = httpd_param(req, "id");
	struct mw_err err = MW_ERR_INIT;
	struct sched_rule rule;
	bool created, changed;
	json_t *body;

	if (!mcis_of(req, c, &err) || !httpd_json(req, &body, &err) ||
	    !sched_rule_parse(id, body, clock_wall_ns(), &rule, &err) ||
	    !sched_put(c->sched, ns, mcis, &rule, &created, &changed, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	body = sched_json(sched_find(c->sched, ns, mcis, id));
	json_put_bool(body, "changed", changed);
	answer(req, c, created ? 201 : 200, body);
}

/* {"defaults":true}: puts those of the defaults whose names are free. */
static void
post_defaults(struct httpd_req *req, void *ctx)
{
	static const char *const known[] = { "defaults", NULL };
	struct coord *c = ctx;
	const char *ns = httpd_param(req, "ns");
	const char *mcis = httpd_param(req, "mcis");
	struct sched_rule rules[8];
	struct mw_err err = MW_ERR_INIT;
	bool created, changed, yes;
	struct json_at at;
	json_t *body;
	size_t n;

	if (!mcis_of(req, c, &err) || !httpd_json(req, &body, &err) ||
	    !json_at_root(&at, body, &err) ||
	    !json_no_others(&at, known, &err) ||
	    !json_get_bool(&at, "defaults", false, false, &yes, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	n = sched_defaults(rules, ARRAY_LEN(rules));
	for (size_t i = 0; yes && i < n; i++)
		if (!sched_find(c->sched, ns, mcis, rules[i].id) &&
		    !sched_put(c->sched, ns, mcis, &rules[i], &created,
			&changed, &err)) {
			httpd_reply_err(req, &err);
			return;
		}
	answer(req, c, 200, list(req, c));
}

static void
delete_one(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	struct sched_item *it = item_of(req, c, &err);
	json_t *body;

	if (!it) {
		httpd_reply_err(req, &err);
		return;
	}
	body = json_object();
	json_put_str(body, "id", it->rule.id);
	json_put_bool(body, "deleted", true);
	sched_delete(c->sched, it);
	answer(req, c, 200, body);
}

static void
post_run(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	struct sched_item *it = item_of(req, c, &err);
	json_t *extra;

	if (!it || !sched_run_now(c->sched, it, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	extra = json_object();
	json_put_str(extra, "scheduleId", it->rule.id);
	json_put_str(extra, "runId", *it->run ? it->run : NULL);
	actions_reply_with(c->actions, req, it->action, extra);
}

static void
post_pause(struct httpd_req *req, void *ctx)
{
	enable(req, ctx, false);
}

static void
post_resume(struct httpd_req *req, void *ctx)
{
	enable(req, ctx, true);
}

static void
enable(struct httpd_req *req, struct coord *c, bool on)
{
	struct mw_err err = MW_ERR_INIT;
	struct sched_item *it = item_of(req, c, &err);
	json_t *body;
	bool changed;

	if (!it) {
		httpd_reply_err(req, &err);
		return;
	}
	changed = sched_enable(c->sched, it, on);
	body = sched_json(it);
	json_put_bool(body, "changed", changed);
	answer(req, c, 200, body);
}

static bool
mcis_of(struct httpd_req *req, struct coord *c, struct mw_err *err)
{
	const char *mcis = httpd_param(req, "mcis");

	/* Not those of a former MCIS of this name. */
	sched_sweep(c->sched);
	if (lc_mcis_find(c->lc, httpd_param(req, "ns"), mcis))
		return true;
	err_set(err, MW_NOT_FOUND, 0, "no MCIS %s in %s", mcis,
	    httpd_param(req, "ns"));
	return err_hint(err, "milkyway mcis list");
}

static struct sched_item *
item_of(struct httpd_req *req, struct coord *c, struct mw_err *err)
{
	const char *mcis = httpd_param(req, "mcis");
	const char *id = httpd_param(req, "id");
	struct sched_item *it;

	if (!mcis_of(req, c, err))
		return NULL;
	it = sched_find(c->sched, httpd_param(req, "ns"), mcis, id);
	if (!it) {
		err_set(err, MW_NOT_FOUND, 0, "%s has no schedule %s", mcis,
		    id);
		err_hint(err, "milkyway schedule list %s", mcis);
	}
	return it;
}

static json_t *
list(struct httpd_req *req, const struct coord *c)
{
	json_t *out = json_object(), *items = json_array();

	for (const struct sched_item *it = sched_first(c->sched); it;
	     it = it->next)
		if (str_eq(it->ns, httpd_param(req, "ns")) &&
		    str_eq(it->mcis, httpd_param(req, "mcis")))
			json_array_append_new(items, sched_json(it));
	json_put(out, "items", items);
	return out;
}

static void
answer(struct httpd_req *req, struct coord *c, int status, json_t *take_body)
{
	struct answer *a = xcalloc(1, sizeof *a);

	a->req = req;
	a->status = status;
	a->body = take_body;
	store_after(c->store, answer_now, a);
}

static void
answer_now(void *arg)
{
	struct answer *a = arg;

	httpd_reply_json(a->req, a->status, a->body);
	free(a);
}
