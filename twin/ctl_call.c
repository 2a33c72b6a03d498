/*
 * ctl_call.c - what every call of a cloud's API has in common: faults on the
 * way in and out, the rate limit, the time an answer takes, errors in the
 * words of the imitated cloud. Owns what is answered or done later.
 */
#include "twin/ctl_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdio.h>

#define LATE_MAX 10000
#define REPLY_MS 30000

/* An answer that is on its way, or an effect that comes late. */
struct ctl_later {
	struct ctl *ctl;
	struct loop_timer *timer;
	LIST_ENTRY(ctl_later) link;
	struct httpd_req *req; /* NULL: an effect */
	bool cut; /* the answer is lost */
	int status;
	json_t *body;
	double retry_after_s;
	void (*fn)(void *arg);
	void (*release)(void *arg);
	void *arg;
};

static void
later_free(void *p)
{
	struct ctl_later *l = p;

	loop_timer_free(l->timer);
	json_decref(l->body);
	if (l->release)
		l->release(l->arg);
	free(l);
}

void
ctl_later_free_all(struct ctl *c)
{
	struct ctl_later *l;

	while ((l = LIST_FIRST(&c->later)) != NULL) {
		LIST_REMOVE(l, link);
		later_free(l);
	}
}

static void
send_reply(struct httpd_req *req, int status, json_t *take_body,
    double retry_after_s)
{
	char text[32];

	if (retry_after_s > 0) {
		snprintf(text, sizeof text, "%.0f", ceil(retry_after_s));
		httpd_reply_header(req, "Retry-After", text);
	}
	if (take_body)
		httpd_reply_json(req, status, take_body);
	else
		httpd_reply(req, status, "application/json", "", 0);
}

static void
on_later(void *arg)
{
	struct ctl_later *l = arg;
	json_t *body = l->body;

	LIST_REMOVE(l, link);
	l->body = NULL;
	if (!l->req) {
		l->ctl->nlate--;
		l->fn(l->arg);
	} else if (l->cut) {
		json_decref(body);
		httpd_cut(l->req);
	} else {
		send_reply(l->req, l->status, body, l->retry_after_s);
	}
	loop_reap(l->ctl->conf.loop, later_free, l);
}

static struct ctl_later *
later_new(struct ctl *c, int64_t after_ns)
{
	struct ctl_later *l = xcalloc(1, sizeof *l);

	l->ctl = c;
	l->timer = loop_timer_new(c->conf.loop, on_later, l);
	loop_timer_set(l->timer, after_ns);
	LIST_INSERT_HEAD(&c->later, l, link);
	return l;
}

static json_t *
error_json(const char *code, const char *message, const char *native, int http,
    double retry_after_s)
{
	json_t *j = json_object(), *e = json_object();

	json_put_str(e, "code", code);
	json_put_str(e, "message", message);
	json_put_str(e, "nativeCode", native);
	json_put_int(e, "httpStatus", http);
	json_put_num(e, "retryAfterS", retry_after_s > 0 ? retry_after_s : NAN);
	json_put(j, "error", e);
	return j;
}

void
ctl_reply_error(struct httpd_req *req, const struct mw_err *err)
{
	static const struct {
		enum mw_code code;
		const char *name;
	} names[] = {
		{ MW_NOT_FOUND, "notFound" },
		{ MW_EXISTS, "conflictExists" },
		{ MW_CONFLICT, "conflictBusy" },
		{ MW_INVALID, "invalid" },
		{ MW_LIMIT, "quota" },
		{ MW_DENIED, "auth" },
	};
	struct str text = STR_INIT;
	const char *name = "internal";
	int http = err_http_status(err->code);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].code == err->code)
			name = names[i].name;
	}
	if (err->pointer[0])
		str_addf(&text, "%s: ", err->pointer);
	str_add(&text, err->msg);
	httpd_reply_json(req, http,
	    error_json(name, str_cstr(&text), NULL, http, 0));
	str_free(&text);
}

bool
ctl_cloud(struct ctl *c, struct httpd_req *req, size_t *cloud)
{
	struct mw_err err = MW_ERR_INIT;
	const char *id = httpd_param(req, "c");

	*cloud = world_cloud_find(c->conf.world, id);
	if (*cloud != WORLD_NONE)
		return true;
	err_set(&err, MW_NOT_FOUND, 0, "no cloud %s in this world", id);
	ctl_reply_error(req, &err);
	return false;
}

/* Answers after delay_ns, with the faults of the way back. */
static void
answer(struct ctl_call *call, int status, json_t *take_body,
    double retry_after_s)
{
	struct ctl *c = call->ctl;
	int64_t delay = cloud_api_delay_ns(c->conf.clouds, call->cloud);
	struct ctl_later *l = later_new(c, delay);

	httpd_extend(call->req, delay / NS_PER_MS + REPLY_MS);
	l->req = call->req;
	l->status = status;
	l->body = take_body;
	l->retry_after_s = retry_after_s;
	l->cut = call->hits.on[FAULT_ANSWER_LOST];
}

static void
answer_native(struct ctl_call *call, enum native_code code, const char *message,
    double retry_after_s)
{
	const struct native *nat =
	    call->ctl->conf.world->clouds[call->cloud].native;
	const struct native_error *e = &nat->errors[code];
	/* a cloud that answers errors with 200 would need its own dialect */
	int status = e->http < 300 ? 400 : e->http;

	if (!nat->retry_after)
		retry_after_s = 0;
	answer(call, status,
	    error_json(native_code_name(code), message, e->code, e->http,
		retry_after_s),
	    retry_after_s);
}

void
ctl_call_fail(struct ctl_call *call, const struct cloud_err *err)
{
	answer_native(call, err->code, err->msg, err->retry_after_s);
}

void
ctl_call_invalid(struct ctl_call *call, const struct mw_err *err)
{
	char text[sizeof err->msg + sizeof err->pointer + 4];

	snprintf(text, sizeof text, "%s%s%s", err->pointer,
	    err->pointer[0] ? ": " : "", err->msg);
	answer_native(call, NATIVE_INVALID, text, 0);
}

void
ctl_call_end(struct ctl_call *call, int status, json_t *take_body)
{
	if (call->hits.on[FAULT_ERROR_BUT_DONE]) {
		json_decref(take_body);
		answer_native(call, NATIVE_INTERNAL,
		    "an internal error has occurred", 0);
		return;
	}
	answer(call, status, take_body, 0);
}

/* The faults that refuse a call before anything happens. */
static bool
refused(struct ctl_call *call)
{
	static const struct {
		enum fault_kind kind;
		enum native_code code;
		const char *text;
	} refusals[] = {
		{ FAULT_AUTH_EXPIRED, NATIVE_AUTH, "the token has expired" },
		{ FAULT_THROTTLE, NATIVE_THROTTLED, "rate exceeded" },
		{ FAULT_QUOTA, NATIVE_QUOTA, "quota exceeded" },
		{ FAULT_CAPACITY, NATIVE_CAPACITY,
		    "not enough capacity for this spec here" },
	};

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		enum fault_kind k = refusals[i].kind;

		if (!call->hits.on[k])
			continue;
		answer_native(call, refusals[i].code, refusals[i].text,
		    k == FAULT_THROTTLE ? call->hits.p[k].retry_after_s : 0);
		return true;
	}
	return false;
}

bool
ctl_call_begin(struct ctl_call *call, struct ctl *c, struct httpd_req *req,
    size_t cloud, enum fault_op op, size_t region, const char *spec)
{
	struct cloud_err err;

	*call = (struct ctl_call){
		.ctl = c,
		.req = req,
		.cloud = cloud,
		.op = op,
	};
	faults_draw(c->conf.faults, cloud, region, spec, op, clock_mono_ns(),
	    &call->hits);
	if (call->hits.on[FAULT_REQUEST_LOST]) {
		httpd_cut(req);
		return false;
	}
	if (refused(call))
		return false;
	if (!cloud_admit(c->conf.clouds, cloud, &err)) {
		ctl_call_fail(call, &err);
		return false;
	}
	return true;
}

void
ctl_call_apply_late(struct ctl_call *call, void (*fn)(void *arg),
    void (*release)(void *arg), void *take_arg)
{
	double after_s = call->hits.p[FAULT_LATE_APPLY].after_s;
	struct ctl_later *l;

	httpd_cut(call->req);
	if (call->ctl->nlate >= LATE_MAX) { /* then it is lost */
		release(take_arg);
		return;
	}
	call->ctl->nlate++;
	l = later_new(call->ctl, (int64_t)(after_s * 1e9));
	l->fn = fn;
	l->release = release;
	l->arg = take_arg;
}
