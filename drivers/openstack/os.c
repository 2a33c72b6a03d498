/*
 * os.c - the driver of OpenStack: connection, requests and their errors.
 * Tokens are in os_auth.c, what is asked for in the other files.
 *
 * Class L: Nova knows no client token and names are not unique, so a create is
 * sent once and found again by its metadata. A 503 may have made a VM and is
 * AMBIGUOUS. A server that was accepted can still end in ERROR.
 */
#include "drivers/openstack/os_int.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "drivers/drivers.h"

#include <string.h>

#define DEADLINE_MS 90000 /* fresh services need seconds for each request */
#define RATE 5.0

static void send_now(struct os_call *c);
static void on_patience(void *arg);
static void on_answer(const struct http_answer *h, void *arg);

/* By status and the name of the error object; Neutron: its type. */
static const struct classify_row codes[] = {
	{ 0, "OverQuota", CSP_DEFINITE, CSP_R_QUOTA },
	{ 0, "ExternalIpAddressExhausted", CSP_DEFINITE, CSP_R_QUOTA },
	{ 0, "IpAddressGenerationFailure", CSP_DEFINITE, CSP_R_QUOTA },
	{ 413, NULL, CSP_THROTTLED, CSP_R_NONE },
	{ 429, NULL, CSP_THROTTLED, CSP_R_NONE },
	{ 400, NULL, CSP_DEFINITE, CSP_R_INVALID },
	{ 401, NULL, CSP_DEFINITE, CSP_R_AUTH },
	{ 403, NULL, CSP_DEFINITE, CSP_R_DENIED },
	{ 404, NULL, CSP_NOT_FOUND, CSP_R_NONE },
	{ 405, NULL, CSP_DEFINITE, CSP_R_INVALID },
	{ 409, NULL, CSP_CONFLICT, CSP_R_BUSY },
	{ 410, NULL, CSP_NOT_FOUND, CSP_R_NONE },
};

static const os_step_fn plans[CSP_OP_COUNT] = {
	[CSP_VERIFY] = os_verify,
	[CSP_REGIONS] = os_regions,
	[CSP_SPECS] = os_specs,
	[CSP_IMAGES] = os_images,
	[CSP_NET_ENSURE] = os_net_ensure,
	[CSP_SG_ENSURE] = os_sg_ensure,
	[CSP_KEY_ENSURE] = os_key_ensure,
	[CSP_VM_CREATE] = os_vm_create,
	[CSP_VM_GET] = os_vm_get,
	[CSP_VM_LIST] = os_vm_list,
	[CSP_VM_SUSPEND] = os_vm_suspend,
	[CSP_VM_RESUME] = os_vm_resume,
	[CSP_VM_REBOOT] = os_vm_reboot,
	[CSP_VM_TERMINATE] = os_vm_terminate,
	[CSP_CONSOLE] = os_console,
	[CSP_NET_DELETE] = os_net_delete,
	[CSP_SG_DELETE] = os_sg_delete,
	[CSP_KEY_DELETE] = os_key_delete,
	[CSP_PART_LIST] = os_part_list,
};

/* ---- the end of a call --------------------------------------------------- */

static void
conn_unref(struct drv_conn *conn)
{
	if (!conn->closed || conn->ncalls > 0 || conn->asking)
		return;
	os_auth_forget(conn);
	os_names_free(&conn->flavors);
	os_names_free(&conn->images);
	os_names_free(&conn->floating);
	os_seen_free(conn->seen);
	loop_timer_free(conn->patience);
	for (int i = 0; i < OS_SERVICES; i++)
		free(conn->url[i]);
	arena_free(conn->catalog);
	cred_free(conn->cred);
	free(conn->id);
	free(conn->region);
	free(conn->auth_url);
	free(conn->credential);
	free(conn->prices);
	free(conn);
}

static void
call_end(void *p)
{
	struct os_call *c = p;
	struct drv_conn *conn = c->conn;
	struct csp_answer *a = c->answer;

	/* only looked so far */
	if (a->cls == CSP_AMBIGUOUS && !c->mutated &&
	    csp_op_mutates(c->req->op)) {
		a->cls = CSP_DEFINITE;
		a->reason = CSP_R_UNSENT;
	}
	if (a->cls != CSP_OK)
		a->nvms = a->nspecs = a->nregions = a->nimages = 0;
	if (a->cls == CSP_THROTTLED && !conn->closed)
		http_lane_throttled(conn->lane);
	if (c->done) {
		c->done(a, c->arg);
	} else {
		os_float_end(c);
		csp_answer_free(a);
	}
	csp_req_free(c->req);
	free(c->body);
	free(c);
	conn->ncalls--;
	conn_unref(conn);
}

void
os_ok(struct os_call *c)
{
	c->answer->cls = CSP_OK;
	c->answer->reason = CSP_R_NONE;
	c->answer->code = c->answer->message = NULL;
	loop_reap(c->conn->env.loop, call_end, c);
}

void
os_fail(struct os_call *c, enum csp_class cls, enum csp_reason reason,
    const char *message)
{
	c->answer->cls = cls;
	c->answer->reason = reason;
	c->answer->message = arena_strdup(c->arena, message);
	loop_reap(c->conn->env.loop, call_end, c);
}

void
os_unreadable(struct os_call *c, const char *what)
{
	os_fail(c, CSP_AMBIGUOUS, CSP_R_UNPARSABLE, what);
}

/* ---- small helpers of the plans ------------------------------------------ */

const char *
os_text(struct os_call *c, const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s && strlen(s) < 4096 ? arena_strdup(c->arena, s) : NULL;
}

const char *
os_first_id(struct os_call *c, json_t *root, const char *key)
{
	return os_text(c, json_array_get(json_object_get(root, key), 0), "id");
}

const char *
os_path(struct os_call *c, const char *prefix, const char *name)
{
	struct str s = STR_INIT;
	const char *made;

	str_add(&s, prefix);
	http_add_escaped(&s, name ? name : "");
	made = arena_strdup(c->arena, str_cstr(&s));
	str_free(&s);
	return made;
}

/* ---- requests ------------------------------------------------------------ */

void
os_get(struct os_call *c, enum os_service service, const char *path,
    os_step_fn next)
{
	os_send(c, "GET", service, path, NULL, next);
}

void
os_send(struct os_call *c, const char *method, enum os_service service,
    const char *path, json_t *take_body, os_step_fn next)
{
	os_send_fine(c, method, service, path, take_body, NULL, next);
}

void
os_send_fine(struct os_call *c, const char *method, enum os_service service,
    const char *path, json_t *take_body, const int *fine, os_step_fn next)
{
	free(c->body);
	c->body = take_body ? json_text(take_body, false) : NULL;
	json_decref(take_body);
	c->method = method;
	c->service = service;
	c->path = arena_strdup(c->arena, path);
	c->fine = fine;
	c->next = next;
	if (++c->steps > OS_STEPS_MAX)
		os_fail(c, CSP_AMBIGUOUS, CSP_R_UNPARSABLE,
		    "a plan without end");
	else
		send_now(c);
}

static void
add_token(struct http_send *send, void *arg)
{
	struct os_call *c = arg;

	http_send_header(send, "X-Auth-Token", c->conn->token);
}

static void
send_now(struct os_call *c)
{
	static const char *const headers[] = { "Content-Type: application/json",
		"Accept: application/json",
		"OpenStack-API-Version: compute 2.1", NULL };
	struct drv_conn *conn = c->conn;
	const char *base = conn->url[c->service];
	struct http_req req = {
		.method = c->method,
		.headers = headers,
		.body = c->body,
		.body_len = c->body ? strlen(c->body) : 0,
		.mutates = strcmp(c->method, "GET") != 0,
		.prepare = add_token,
		.deadline_ms = (c->deadline_ns - clock_mono_ns()) / NS_PER_MS,
	};
	char *url;

	if (conn->closed || !conn->token || !base || req.deadline_ms <= 0) {
		os_fail(c, CSP_DEFINITE, CSP_R_UNSENT,
		    conn->closed ? "the connection is closed"
			: !base  ? conn->refused
			     ? "the cloud's catalogue names a service by an "
			       "address without TLS"
			     : "the cloud's catalogue lacks a service we need"
				 : "no time left for the next step");
		return;
	}
	c->mutated = c->mutated || req.mutates;
	c->token_no = conn->token_no;
	url = xasprintf("%s%s", base, c->path);
	req.url = url;
	http_submit(conn->lane, &req, on_answer, c);
	free(url);
}

/* ---- answers ------------------------------------------------------------- */

/* {"badRequest": {"message": ..}}, {"NeutronError": {"type": .., ..}} */
static void
read_error(struct os_call *c, json_t *root)
{
	struct csp_answer *a = c->answer;
	const char *key;
	json_t *v;

	json_object_foreach(root, key, v)
	{
		const char *type = os_text(c, v, "type");

		if (!json_is_object(v))
			continue;
		a->code = type && type[0] ? type : arena_strdup(c->arena, key);
		a->message = os_text(c, v, "message");
		return;
	}
}

static void
take_error(struct os_call *c, json_t *root)
{
	struct csp_answer *a = c->answer;

	a->code = a->message = NULL;
	read_error(c, root);
	classify_code(codes, ARRAY_LEN(codes), a->http_status, a->code, &a->cls,
	    &a->reason);
	if (a->http_status == 403 && a->message &&
	    strstr(a->message, "uota exceeded"))
		a->reason = CSP_R_QUOTA;
	if (a->http_status == 409 && a->reason == CSP_R_BUSY && a->message &&
	    strstr(a->message, "already exists"))
		a->reason = CSP_R_EXISTS;
	os_fail(c, a->cls, a->reason,
	    arena_printf(c->arena, "%s%s%s (HTTP %d%s%s)",
		a->message ? a->code : "the cloud refuses",
		a->message ? ": " : "", a->message ? a->message : "",
		a->http_status, a->request_id ? ", request " : "",
		a->request_id ? a->request_id : ""));
}

/* Waits for a token, but not beyond its deadline. */
static void
wait_for_token(struct os_call *c)
{
	TAILQ_INSERT_TAIL(&c->conn->waiting, c, link);
	os_rearm(c->conn);
	os_auth(c->conn);
}

/* Refused for its token: nothing was executed; once more with a new one, which
 * another call may have asked for meanwhile. */
static bool
replay(struct os_call *c)
{
	struct drv_conn *conn = c->conn;

	if (c->token_no == conn->token_no)
		os_auth_forget(conn);
	if (c->replayed || conn->closed)
		return false;
	c->replayed = true;
	if (conn->token) {
		send_now(c);
		return true;
	}
	conn->cred_stale = true;
	wait_for_token(c);
	return true;
}

static bool
is_fine(const struct os_call *c, int status)
{
	for (size_t i = 0; c->fine && c->fine[i]; i++) {
		if (c->fine[i] == status)
			return true;
	}
	return false;
}

static void
on_answer(const struct http_answer *h, void *arg)
{
	struct os_call *c = arg;
	struct mw_err err = MW_ERR_INIT;
	bool good = h->status >= 200 && h->status < 300;
	json_t *j = NULL;

	if (!classify_transport(h, c->answer)) {
		loop_reap(c->conn->env.loop, call_end, c);
		return;
	}
	if (h->status != 401)
		c->replayed = false; /* the next request of the plan may be */
	if (h->body_len > 0)
		j = json_parse(h->body, h->body_len, HTTP_BODY_MAX, &err);
	if (good && (j || h->body_len == 0)) {
		c->next(c, j);
	} else if (good) {
		classify_unparsable(c->answer, err.msg);
		loop_reap(c->conn->env.loop, call_end, c);
	} else if (is_fine(c, h->status)) {
		c->next(c, NULL);
	} else if (h->status != 401 || !replay(c)) {
		take_error(c, j);
	}
	json_decref(j);
}

/* ---- the driver ---------------------------------------------------------- */

/* The deadline that comes first, of those that wait. */
void
os_rearm(struct drv_conn *conn)
{
	int64_t first = INT64_MAX;
	const struct os_call *c;

	TAILQ_FOREACH(c, &conn->waiting, link)
	{
		if (c->deadline_ns < first)
			first = c->deadline_ns;
	}
	first -= clock_mono_ns();
	/* the credential's own time does not count */
	if (TAILQ_EMPTY(&conn->waiting) || conn->cred_from_ns)
		loop_timer_clear(conn->patience);
	else
		loop_timer_set(conn->patience, first > 0 ? first : 0);
}

static void
on_patience(void *arg)
{
	struct drv_conn *conn = arg;
	struct os_call *c = TAILQ_FIRST(&conn->waiting), *next;

	for (; c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->deadline_ns > clock_mono_ns())
			continue;
		TAILQ_REMOVE(&conn->waiting, c, link);
		os_fail(c, CSP_DEFINITE, CSP_R_UNSENT,
		    "Keystone gave no token in time");
	}
	os_rearm(conn);
}

void
os_ready(struct drv_conn *conn, const struct mw_err *err,
    enum csp_reason reason)
{
	struct os_call *c;

	while ((c = TAILQ_FIRST(&conn->waiting))) {
		TAILQ_REMOVE(&conn->waiting, c, link);
		if (conn->token && !conn->closed && c->path)
			send_now(c); /* the request that was refused */
		else if (conn->token && !conn->closed)
			c->start(c, NULL);
		else
			os_fail(c, CSP_DEFINITE,
			    conn->closed ? CSP_R_UNSENT : reason,
			    conn->closed ? "the connection is closed"
					 : err->msg);
	}
	loop_timer_clear(conn->patience);
	conn->asking = false;
	conn_unref(conn);
}

static struct os_call *
call_new(struct drv_conn *conn, struct csp_req *take_req, os_step_fn start)
{
	struct os_call *c = xcalloc(1, sizeof *c);
	int64_t ms =
	    take_req->deadline_ms ? take_req->deadline_ms : DEADLINE_MS;

	c->conn = conn;
	c->req = take_req;
	c->answer = csp_answer_new(take_req);
	c->arena = c->answer->arena;
	c->start = start;
	c->deadline_ns = clock_mono_ns() + ms * NS_PER_MS;
	conn->ncalls++;
	return c;
}

static void
call_go(struct os_call *c)
{
	struct drv_conn *conn = c->conn;
	int64_t now = clock_mono_ns();

	if (!conn->token || now >= conn->token_end_ns) {
		wait_for_token(c);
		return;
	}
	if (now >= conn->token_until_ns)
		os_auth(conn); /* this call needs not wait for it */
	c->start(c, NULL);
}

void
os_background(struct drv_conn *conn, struct csp_req *take_req, os_step_fn start)
{
	call_go(call_new(conn, take_req, start));
}

static void
os_submit(struct drv_conn *conn, struct csp_req *take_req, drv_done_fn done,
    void *arg)
{
	struct os_call *c = call_new(conn, take_req, plans[take_req->op]);

	c->done = done;
	c->arg = arg;
	if (c->req->csp_id)
		os_seen_put(conn->seen, c->req->csp_id, NULL);
	call_go(c);
}

static bool
os_open(const struct drv_env *env, const struct drv_conf *conf,
    struct drv_conn **out, struct mw_err *err)
{
	const char *url = conf->endpoint ? conf->endpoint : "";
	struct http_lane_conf lane = { .name = conf->id,
		.allow_plain = http_url_kind(url) == HTTP_URL_PLAIN,
		.ca_file = conf->ca_file,
		.rate_per_s = RATE };
	struct drv_conn *conn;
	size_t n = strlen(url);

	if (http_url_kind(url) == HTTP_URL_BAD) {
		err_set(err, MW_INVALID, 0,
		    "the endpoint is Keystone's https:// address, e.g. "
		    "https://cloud.example:5000/v3; http:// only on this "
		    "machine");
		return err_pointer(err, "/endpoint");
	}
	if (!cred_check_ref(conf->credential, err))
		return false;
	conn = xcalloc(1, sizeof *conn);
	conn->env = *env;
	conn->id = xstrdup(conf->id);
	conn->region = xstrdup(conf->region);
	while (n > 0 && url[n - 1] == '/')
		n--;
	conn->auth_url = xasprintf("%.*s", (int)n, url);
	conn->credential = xstrdup(conf->credential);
	conn->prices = xstrdup(conf->prices);
	conn->plain = lane.allow_plain;
	conn->lane = http_lane_new(env->http, &lane);
	conn->catalog = arena_new();
	conn->ended_ns = clock_mono_ns(); /* what ran before us may have */
	TAILQ_INIT(&conn->waiting);
	conn->patience = loop_timer_new(env->loop, on_patience, conn);
	conn->seen = os_seen_new();
	*out = conn;
	return true;
}

static void
os_close(struct drv_conn *conn)
{
	conn->closed = true;
	http_lane_close(conn->lane);
	conn_unref(conn);
}

static struct csp_caps
os_caps(const struct drv_conn *conn)
{
	(void)conn;
	return (struct csp_caps){
		.flags = CSP_CAP_TAG_ATOMIC | CSP_CAP_LIST_BY_TAG |
		    CSP_CAP_IMPORT_KEY | CSP_CAP_CONSOLE | CSP_CAP_CREATE |
		    CSP_CAP_NET,
		.late_apply_max_s = 300,
		.list_visible_max_s = 120,
		.create_deadline_s = 600,
	};
}

static void
os_load(const struct drv_conn *conn, struct drv_load *out)
{
	http_lane_load(conn->lane, out);
}

const struct driver driver_openstack = {
	.name = "openstack",
	.open = os_open,
	.close = os_close,
	.caps = os_caps,
	.submit = os_submit,
	.load = os_load,
};
