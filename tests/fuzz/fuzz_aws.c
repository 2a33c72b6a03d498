/*
 * Answers of EC2, any bytes, through the whole driver: the first byte picks the
 * operation, the rest is the answer to every request of its plan. The HTTP core
 * is a fake that answers at once, at most so often.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "drivers/drivers.h"
#include "drivers/http.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWERS_MAX 200

struct http_lane {
	int dummy;
};

static const char *body;
static size_t body_len;
static int status;
static int64_t clock_off_s; /* of the Date in every answer */
static unsigned answers;
static struct loop *the_loop;

struct pending {
	http_done_fn done;
	void *arg;
};

struct http_lane *
http_lane_new(struct http *h, const struct http_lane_conf *conf)
{
	(void)h;
	(void)conf;
	return xcalloc(1, sizeof(struct http_lane));
}

void
http_lane_close(struct http_lane *lane)
{
	free(lane);
}

void
http_lane_throttled(struct http_lane *lane)
{
	if (!lane)
		__builtin_trap();
}

void
http_lane_load(const struct http_lane *lane, struct drv_load *add)
{
	(void)lane;
	(void)add;
}

void
http_send_header(struct http_send *send, const char *name, const char *value)
{
	(void)send;
	if (!name || !value)
		__builtin_trap();
}

static void
deliver(void *p)
{
	struct pending *w = p;
	struct http_answer a = { .end = HTTP_ANSWERED,
		.status = status,
		.sent = true,
		.tries = 1,
		.has_date = true,
		.clock_off_s = clock_off_s,
		.header = "",
		.body = body,
		.body_len = body_len };

	if (++answers > ANSWERS_MAX)
		a.end = HTTP_FAILED;
	w->done(&a, w->arg);
	free(w);
}

struct http_call *
http_submit(struct http_lane *lane, const struct http_req *req,
    http_done_fn done, void *arg)
{
	struct pending *w = xcalloc(1, sizeof *w);

	(void)lane;
	if (req->prepare)
		req->prepare(NULL, arg);
	w->done = done;
	w->arg = arg;
	loop_reap(the_loop, deliver, w);
	return NULL;
}

/* What every answer owes, whatever the cloud said. */
static void
on_answer(struct csp_answer *a, void *arg)
{
	size_t len = 0;

	(void)arg;
	if (a->cls >= CSP_CLASS_COUNT || a->reason >= CSP_REASON_COUNT ||
	    (a->cls != CSP_OK && (a->nvms || a->nspecs || a->nregions)) ||
	    (a->cls != CSP_OK && !a->message && a->reason != CSP_R_UNSENT))
		__builtin_trap();
	for (size_t i = 0; i < a->nvms; i++)
		len += strlen(a->vms[i].csp_id) + strlen(a->vms[i].native) +
		    a->vms[i].ntags;
	for (size_t i = 0; i < a->nspecs; i++)
		len += strlen(a->specs[i].name) + strlen(a->specs[i].arch);
	for (size_t i = 0; i < a->nregions; i++)
		len += strlen(a->regions[i].id) + a->regions[i].nzones;
	if (a->text)
		len += strlen(a->text);
	if (len > ((size_t)1 << 32))
		__builtin_trap();
	csp_answer_free(a);
	loop_stop(the_loop);
}

static struct csp_req *
request(enum csp_op op)
{
	static const struct csp_tag tags[] = { { "mw-deployment", "d" },
		{ "mw-key", "k" } };
	static const struct csp_rule rules[] = {
		{ "tcp", 22, 22, "0.0.0.0/0" },
		{ "icmp", 0, 0, "198.51.100.1/32" },
	};
	struct csp_req *q = csp_req_new(op, "c");

	q->csp_id = "i-1";
	q->name = q->key_name = "n";
	q->public_key = "ssh-ed25519 AAAA x";
	q->token = "t";
	q->spec = "t3.micro";
	q->image = "debian-12";
	q->network = "vpc-1/subnet-1";
	q->security_group = "sg-1";
	q->tags = tags;
	q->ntags = ARRAY_LEN(tags);
	q->rules = rules;
	q->nrules = ARRAY_LEN(rules);
	return q;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = { 200, 400, 401, 500, 503 };
	static const int64_t offs[] = { 0, 1200, -1200, 300000 };
	struct drv_conf conf = { .id = "c",
		.driver = "aws",
		.csp = "aws",
		.region = "us-east-1",
		.endpoint = "http://127.0.0.1:1/",
		.credential = "env:" };
	struct mw_err err = MW_ERR_INIT;
	struct drv_env env = { 0 };
	struct drv_conn *conn;
	char *text;

	if (size < 2)
		return 0;
	log_init("fuzz", LOG_ERROR);
	setenv("AWS_ACCESS_KEY_ID", "id", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	text = xcalloc(size, 1); /* one byte more than the body */
	memcpy(text, data + 2, size - 2);
	body = text;
	body_len = size - 2;
	status = statuses[data[1] % ARRAY_LEN(statuses)];
	clock_off_s = offs[data[1] / 64];
	answers = 0;
	the_loop = env.loop = loop_new();
	if (!driver_aws.open(&env, &conf, &conn, &err))
		__builtin_trap();
	driver_aws.submit(conn, request((enum csp_op)(data[0] % CSP_OP_COUNT)),
	    on_answer, NULL);
	loop_run(the_loop);
	driver_aws.close(conn);
	loop_free(the_loop);
	free(text);
	return 0;
}
