/*
 * twin.c - the driver of milkyway-twin: JSON over its unix socket
 * (docs/twin-api.md). Owns the connection's lane and its open calls.
 *
 * A connection names a cloud by the twin's id of it or by the cloud it
 * imitates, plus a region; without a cloud it can only verify and list the
 * regions of all clouds. The cloud and its bounds are asked for before the
 * first call; a call that waits for that was never sent.
 */
#include "drivers/driver.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "drivers/classify.h"
#include "drivers/drivers.h"
#include "drivers/twin_int.h"

#include <string.h>

#define PAGES_MAX 1000
#define LIST_RESTARTS 2
#define ANSWER_MAX HTTP_BODY_MAX

static void call_send(struct twin_call *c);
static void call_end(struct twin_call *c);
static void on_answer(const struct http_answer *h, void *arg);

static const struct classify_row words[] = {
	{ 0, "notFound", CSP_NOT_FOUND, CSP_R_NONE },
	{ 0, "conflictExists", CSP_CONFLICT, CSP_R_EXISTS },
	{ 0, "conflictBusy", CSP_CONFLICT, CSP_R_BUSY },
	{ 0, "throttled", CSP_THROTTLED, CSP_R_NONE },
	{ 0, "invalid", CSP_DEFINITE, CSP_R_INVALID },
	{ 0, "quota", CSP_DEFINITE, CSP_R_QUOTA },
	{ 0, "capacity", CSP_DEFINITE, CSP_R_CAPACITY },
	{ 0, "auth", CSP_DEFINITE, CSP_R_AUTH },
	{ 0, "tokenMismatch", CSP_AMBIGUOUS, CSP_R_TOKEN_MISMATCH },
	{ 0, "internal", CSP_AMBIGUOUS, CSP_R_SERVER },
};

/* Answers ----------------------------------------------------------------- */

static bool
parse_verify(struct twin_call *c, json_t *j, struct mw_err *err)
{
	struct csp_answer *a = c->answer;

	if (!twin_parse_regions(j, a, err))
		return false;
	for (size_t i = 0; i < a->nregions; i++) {
		if (str_eq(a->regions[i].id, c->conn->region))
			return true;
	}
	if (c->conn->region) {
		a->cls = CSP_DEFINITE;
		a->reason = CSP_R_INVALID;
		a->message = "the cloud has no such region";
	}
	return true;
}

/* Without a cloud: one after the other. */
static bool
parse_regions(struct twin_call *c, json_t *j, struct mw_err *err)
{
	if (!twin_parse_regions(j, c->answer, err))
		return false;
	if (!c->conn->cloud && ++c->cloud < c->conn->nclouds)
		c->answer->cls = CSP_CLASS_COUNT; /* go on */
	return true;
}

static bool
parse_specs(struct twin_call *c, json_t *j, struct mw_err *err)
{
	return twin_parse_specs(j, c->answer, err);
}

static bool
parse_images(struct twin_call *c, json_t *j, struct mw_err *err)
{
	return twin_parse_images(j, c->answer, err);
}

static bool
parse_keys(struct twin_call *c, json_t *j, struct mw_err *err)
{
	return twin_parse_keys(j, c->answer, err);
}

static bool
parse_vm(struct twin_call *c, json_t *j, struct mw_err *err)
{
	return twin_parse_vm(j, c->answer, err);
}

static bool
parse_page(struct twin_call *c, json_t *j, struct mw_err *err)
{
	if (!twin_parse_vms(j, c->answer, &c->marker, err))
		return false;
	if (!c->marker)
		return true;
	if (++c->pages >= PAGES_MAX)
		return err_set(err, MW_LIMIT, 0, "more than %d pages",
		    PAGES_MAX);
	c->answer->cls = CSP_CLASS_COUNT; /* go on */
	return true;
}

static bool
parse_id(struct twin_call *c, json_t *j, struct mw_err *err)
{
	struct json_at root;
	const char *id;

	if (!json_at_root(&root, j, err) ||
	    !json_get_str(&root, "id", true, 256, &id, err))
		return false;
	c->answer->csp_id = arena_strdup(c->answer->arena, id);
	return true;
}

static bool
parse_console(struct twin_call *c, json_t *j, struct mw_err *err)
{
	struct json_at root;
	const char *text;

	if (!json_at_root(&root, j, err) ||
	    !json_get_str(&root, "text", true, 1024 * 1024, &text, err))
		return false;
	c->answer->text = arena_strdup(c->answer->arena, text);
	return true;
}

#define GET(u, p)                                         \
	{                                                 \
		.method = "GET", .url = (u), .parse = (p) \
	}
#define ACTION(name)                                       \
	{                                                  \
		.method = "POST", .url = twin_url_vm,      \
		.body = twin_body_action, .action = (name) \
	}

static const struct twin_op ops[CSP_OP_COUNT] = {
	[CSP_VERIFY] = { .method = "GET",
	    .url = twin_url_regions,
	    .parse = parse_verify,
	    .any_cloud = true },
	[CSP_REGIONS] = { .method = "GET",
	    .url = twin_url_regions,
	    .parse = parse_regions,
	    .any_cloud = true },
	[CSP_SPECS] = GET(twin_url_specs, parse_specs),
	[CSP_IMAGES] = GET(twin_url_images, parse_images),
	[CSP_KEY_ENSURE] = { .method = "PUT",
	    .url = twin_url_key,
	    .body = twin_body_key,
	    .parse = parse_id },
	[CSP_KEY_DELETE] = { .method = "DELETE",
	    .url = twin_url_key,
	    .gone_is_ok = true },
	[CSP_PART_LIST] = GET(twin_url_keys, parse_keys),
	[CSP_VM_CREATE] = { .method = "POST",
	    .url = twin_url_create,
	    .body = twin_body_create,
	    .parse = parse_vm },
	[CSP_VM_GET] = GET(twin_url_vm, parse_vm),
	[CSP_VM_LIST] = GET(twin_url_list, parse_page),
	/* "suspend" of the twin keeps the memory: billed, as in gcp */
	[CSP_VM_SUSPEND] = ACTION("stop"),
	[CSP_VM_RESUME] = ACTION("start"),
	[CSP_VM_REBOOT] = ACTION("reboot"),
	[CSP_VM_TERMINATE] = { .method = "DELETE",
	    .url = twin_url_vm,
	    .parse = parse_vm },
	[CSP_CONSOLE] = GET(twin_url_vm, parse_console),
};

/* Calls ------------------------------------------------------------------- */

static void
conn_free(struct drv_conn *conn)
{
	arena_free(conn->arena);
	free(conn->id);
	free(conn->csp);
	free(conn->region);
	free(conn);
}

static void
conn_unref(struct drv_conn *conn)
{
	if (conn->closed && conn->ncalls == 0 && !conn->resolving)
		conn_free(conn);
}

/* Never from inside submit(). */
static void
call_end(struct twin_call *c)
{
	struct drv_conn *conn = c->conn;

	if (c->answer->cls != CSP_OK) {
		c->answer->nvms = c->answer->nregions = 0;
		c->answer->nspecs = c->answer->nimages = 0;
	}
	if (c->answer->cls == CSP_THROTTLED && !conn->closed)
		http_lane_throttled(conn->lane);
	c->done(c->answer, c->arg);
	csp_req_free(c->req);
	free(c);
	conn->ncalls--;
	conn_unref(conn);
}

static void
on_reap_call(void *p)
{
	call_end(p);
}

/* Ends without the cloud: on the next turn. */
static void
call_end_later(struct twin_call *c, enum csp_class cls, enum csp_reason reason,
    const char *message)
{
	c->answer->cls = cls;
	c->answer->reason = reason;
	c->answer->sent = false;
	c->answer->message = arena_strdup(c->answer->arena, message);
	loop_reap(c->conn->env.loop, on_reap_call, c);
}

static void
call_send(struct twin_call *c)
{
	static const char *const headers[] = { "Content-Type: application/json",
		"Accept: application/json", NULL };
	struct http_req req = {
		.method = c->op->method,
		.headers = headers,
		.mutates = csp_op_mutates(c->req->op),
		.deadline_ms = c->req->deadline_ms,
	};
	struct str url = STR_INIT;
	char *body = NULL;

	if (!c->conn->cloud && !c->op->any_cloud) {
		call_end_later(c, CSP_DEFINITE, CSP_R_INVALID,
		    "the connection names no cloud and region");
		return;
	}
	str_add(&url, "http://localhost");
	if (!c->op->url(c, &url)) {
		call_end_later(c, CSP_DEFINITE, CSP_R_INVALID,
		    "a field of the request is missing");
		goto out;
	}
	if (c->op->body) {
		json_t *j = c->op->body(c);

		body = json_text(j, false);
		json_decref(j);
		req.body = body;
		req.body_len = strlen(body);
	}
	req.url = str_cstr(&url);
	http_submit(c->conn->lane, &req, on_answer, c);
out:
	free(body);
	str_free(&url);
}

static bool
good_status(int status)
{
	return status >= 200 && status < 300;
}

static void
take_success(struct twin_call *c, json_t *j)
{
	struct mw_err err = MW_ERR_INIT;

	c->answer->cls = CSP_OK;
	c->answer->reason = CSP_R_NONE;
	if (c->op->parse && !c->op->parse(c, j, &err))
		classify_unparsable(c->answer, err.msg);
}

static void
take_error(struct twin_call *c, json_t *j)
{
	struct csp_answer *a = c->answer;
	struct mw_err err = MW_ERR_INIT;
	const char *word = NULL;

	if (!j || !twin_parse_error(j, a, &word, &err)) {
		a->cls = CSP_AMBIGUOUS;
		a->reason = CSP_R_SERVER;
		a->message =
		    arena_printf(a->arena, "HTTP status %d", a->http_status);
		return;
	}
	classify_code(words, ARRAY_LEN(words), a->http_status, word, &a->cls,
	    &a->reason);
	if (a->cls == CSP_NOT_FOUND && c->op->gone_is_ok)
		a->cls = CSP_OK;
}

/* A cursor that is refused: the walk starts anew, twice. */
static bool
restart_list(struct twin_call *c)
{
	const struct csp_answer *a = c->answer;

	if (!c->marker || c->restarts >= LIST_RESTARTS ||
	    (a->cls != CSP_DEFINITE && a->cls != CSP_NOT_FOUND))
		return false;
	c->restarts++;
	c->pages = 0;
	c->marker = NULL;
	c->answer->nvms = 0;
	return true;
}

static void
on_answer(const struct http_answer *h, void *arg)
{
	struct twin_call *c = arg;
	struct mw_err err = MW_ERR_INIT;
	json_t *j = NULL;

	if (!classify_transport(h, c->answer)) {
		call_end(c);
		return;
	}
	if (h->body_len > 0)
		j = json_parse(h->body, h->body_len, ANSWER_MAX, &err);
	if (!good_status(h->status))
		take_error(c, j);
	else if (!j && c->op->parse)
		classify_unparsable(c->answer,
		    err.msg[0] ? err.msg : "empty body");
	else
		take_success(c, j);
	json_decref(j);
	/* 401 proves that nothing was executed: once more */
	if (c->answer->cls == CSP_DEFINITE && c->answer->reason == CSP_R_AUTH &&
	    !c->replayed) {
		c->replayed = true;
		call_send(c);
	} else if (c->answer->cls == CSP_CLASS_COUNT || restart_list(c)) {
		call_send(c);
	} else {
		call_end(c);
	}
}

/* The cloud behind the connection ----------------------------------------- */

static void
pick_cloud(struct drv_conn *conn)
{
	if (!conn->csp)
		return;
	for (size_t i = 0; i < conn->nclouds && !conn->cloud; i++) {
		if (str_eq(conn->clouds[i].id, conn->csp))
			conn->cloud = &conn->clouds[i];
	}
	for (size_t i = 0; i < conn->nclouds && !conn->cloud; i++) {
		if (str_eq(conn->clouds[i].csp, conn->csp))
			conn->cloud = &conn->clouds[i];
	}
	if (conn->cloud)
		conn->caps = conn->cloud->caps;
}

static void
resolve_answer(struct drv_conn *conn, const struct http_answer *h,
    struct mw_err *err)
{
	json_t *j = NULL;

	if (h->end != HTTP_ANSWERED) {
		err_set(err, MW_UNREACHABLE, 0, "the twin does not answer: %s",
		    h->error);
		return;
	}
	if (!good_status(h->status)) {
		err_set(err, MW_REMOTE, 0, "the twin answers HTTP status %d",
		    h->status);
		return;
	}
	j = json_parse(h->body, h->body_len, ANSWER_MAX, err);
	if (!j)
		return;
	arena_free(conn->arena);
	conn->arena = arena_new();
	conn->cloud = NULL;
	if (twin_parse_clouds(j, conn->arena, &conn->clouds, &conn->nclouds,
		err)) {
		pick_cloud(conn);
		if (conn->csp && !conn->cloud)
			err_set(err, MW_NOT_FOUND, 0,
			    "the twin's world has no cloud %s", conn->csp);
		else
			conn->ready = true;
	}
	json_decref(j);
}

static void
on_clouds(const struct http_answer *h, void *arg)
{
	struct drv_conn *conn = arg;
	struct mw_err err = MW_ERR_INIT;
	struct twin_call *c;

	resolve_answer(conn, h, &err);
	/* still "resolving": the connection stays while calls end */
	while ((c = TAILQ_FIRST(&conn->waiting))) {
		TAILQ_REMOVE(&conn->waiting, c, link);
		if (conn->ready && !conn->closed)
			call_send(c);
		else if (err.code == MW_NOT_FOUND)
			call_end_later(c, CSP_DEFINITE, CSP_R_INVALID, err.msg);
		else
			call_end_later(c, CSP_DEFINITE, CSP_R_UNSENT, err.msg);
	}
	conn->resolving = false;
	conn_unref(conn);
}

static void
resolve(struct drv_conn *conn)
{
	static const struct http_req req = {
		.method = "GET",
		.url = "http://localhost/v1/clouds",
		.deadline_ms = 5000,
	};

	if (conn->resolving)
		return;
	conn->resolving = true;
	http_submit(conn->lane, &req, on_clouds, conn);
}

static bool
twin_open(const struct drv_env *env, const struct drv_conf *conf,
    struct drv_conn **out, struct mw_err *err)
{
	struct http_lane_conf lane = {
		.name = conf->id,
		.unix_path = conf->endpoint,
	};
	struct drv_conn *conn;

	if (!conf->endpoint || conf->endpoint[0] != '/') {
		err_set(err, MW_INVALID, 0,
		    "the endpoint of a twin is the path of its socket");
		return err_pointer(err, "/endpoint");
	}
	if (conf->csp && !conf->region) {
		err_set(err, MW_INVALID, 0, "a cloud without region");
		return err_pointer(err, "/region");
	}
	conn = xcalloc(1, sizeof *conn);
	conn->env = *env;
	conn->id = xstrdup(conf->id);
	conn->csp = xstrdup(conf->csp);
	conn->region = xstrdup(conf->region);
	conn->caps = (struct csp_caps){
		.flags = CSP_CAP_IDEM_TOKEN | CSP_CAP_TAG_ATOMIC |
		    CSP_CAP_LIST_BY_TAG | CSP_CAP_LIST_BY_TOKEN |
		    CSP_CAP_IMPORT_KEY | CSP_CAP_CONSOLE | CSP_CAP_CREATE,
		.late_apply_max_s = 300,
		.list_visible_max_s = 120,
		.create_deadline_s = 600,
	};
	conn->lane = http_lane_new(env->http, &lane);
	TAILQ_INIT(&conn->waiting);
	*out = conn;
	return true;
}

static void
twin_close(struct drv_conn *conn)
{
	conn->closed = true;
	http_lane_close(conn->lane);
	conn_unref(conn);
}

static struct csp_caps
twin_caps(const struct drv_conn *conn)
{
	return conn->caps;
}

static void
twin_submit(struct drv_conn *conn, struct csp_req *take_req, drv_done_fn done,
    void *arg)
{
	struct twin_call *c = xcalloc(1, sizeof *c);

	c->conn = conn;
	c->req = take_req;
	c->answer = csp_answer_new(take_req);
	c->done = done;
	c->arg = arg;
	c->op = &ops[take_req->op];
	conn->ncalls++;
	if (!c->op->method) {
		/* every VM of a twin reaches every other */
		c->answer->csp_id = "twin";
		call_end_later(c, CSP_OK, CSP_R_NONE, NULL);
	} else if (conn->ready) {
		call_send(c);
	} else {
		TAILQ_INSERT_TAIL(&conn->waiting, c, link);
		resolve(conn);
	}
}

static void
twin_load(const struct drv_conn *conn, struct drv_load *out)
{
	http_lane_load(conn->lane, out);
}

const struct driver driver_twin = {
	.name = "twin",
	.open = twin_open,
	.close = twin_close,
	.caps = twin_caps,
	.submit = twin_submit,
	.load = twin_load,
};
