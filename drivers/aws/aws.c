/*
 * aws.c - the driver of AWS EC2: connection, credential and requests. What
 * their answers mean is in aws_answer.c, what is asked for in aws_vm.c,
 * aws_net.c, aws_sg.c, aws_cat.c and aws_verify.c.
 *
 * Class T: RunInstances carries ClientToken and tags. Bounds are assumptions
 * (tokens 24 h, late requests 300 s, lists 120 s behind), not promises of AWS.
 */
#include "drivers/aws/aws_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "drivers/drivers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VERSION "2016-11-15"
#define CONTENT "application/x-www-form-urlencoded; charset=utf-8"
#define DEADLINE_MS 60000
#define RATE 10.0
#define RUN_RATE 2.0
#define RUN_BURST 5.0

static void ask_cred(struct drv_conn *conn);

static const struct cred_field fields[] = {
	{ "ClientId", "AWS_ACCESS_KEY_ID", true },
	{ "ClientSecret", "AWS_SECRET_ACCESS_KEY", true },
	{ "StsToken", "AWS_SESSION_TOKEN", false },
};

static const aws_step_fn plans[CSP_OP_COUNT] = {
	[CSP_VERIFY] = aws_verify,
	[CSP_REGIONS] = aws_regions,
	[CSP_SPECS] = aws_specs,
	[CSP_IMAGES] = aws_images,
	[CSP_NET_ENSURE] = aws_net_ensure,
	[CSP_SG_ENSURE] = aws_sg_ensure,
	[CSP_KEY_ENSURE] = aws_key_ensure,
	[CSP_VM_CREATE] = aws_vm_create,
	[CSP_VM_GET] = aws_vm_get,
	[CSP_VM_LIST] = aws_vm_list,
	[CSP_VM_SUSPEND] = aws_vm_suspend,
	[CSP_VM_RESUME] = aws_vm_resume,
	[CSP_VM_REBOOT] = aws_vm_reboot,
	[CSP_VM_TERMINATE] = aws_vm_terminate,
	[CSP_CONSOLE] = aws_console,
	[CSP_NET_DELETE] = aws_net_delete,
	[CSP_SG_DELETE] = aws_sg_delete,
	[CSP_KEY_DELETE] = aws_key_delete,
	[CSP_PART_LIST] = aws_part_list,
};

/* ---- the end of a call --------------------------------------------------- */

static void
conn_unref(struct drv_conn *conn)
{
	if (!conn->closed || conn->ncalls > 0 || conn->asking)
		return;
	while (conn->images) {
		struct aws_image *im = conn->images;

		conn->images = im->next;
		free(im->alias);
		free(im->id);
		free(im);
	}
	cred_free(conn->cred);
	free(conn->id);
	free(conn->region);
	free(conn->url);
	free(conn->host);
	free(conn->credential);
	free(conn->prices);
	free(conn);
}

static void
call_end(void *p)
{
	struct aws_call *c = p;
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
		http_lane_throttled(c->lane);
	c->done(a, c->arg);
	csp_req_free(c->req);
	free(c->body);
	free(c);
	conn->ncalls--;
	conn_unref(conn);
}

void
aws_ok(struct aws_call *c)
{
	c->answer->cls = CSP_OK;
	c->answer->reason = CSP_R_NONE;
	c->answer->code = c->answer->message = NULL;
	aws_end(c);
}

void
aws_fail(struct aws_call *c, enum csp_class cls, enum csp_reason reason,
    const char *message)
{
	c->answer->cls = cls;
	c->answer->reason = reason;
	c->answer->message = arena_strdup(c->arena, message);
	aws_end(c);
}

void
aws_end(struct aws_call *c)
{
	loop_reap(c->conn->env.loop, call_end, c);
}

/* ---- requests ------------------------------------------------------------ */

void
aws_begin(struct aws_call *c, const char *action)
{
	c->nparams = 0;
	c->dry = false;
	aws_add(c, "Action", action);
	aws_add(c, "Version", VERSION);
}

void
aws_add(struct aws_call *c, const char *name, const char *value)
{
	if (!value)
		return;
	if (c->nparams == AWS_PARAMS_MAX) {
		c->full = true;
		return;
	}
	c->params[c->nparams++] =
	    (struct sign_pair){ arena_strdup(c->arena, name),
		    arena_strdup(c->arena, value) };
}

void
aws_addf(struct aws_call *c, const char *name, const char *fmt, ...)
{
	struct str s = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	aws_add(c, name, str_cstr(&s));
	str_free(&s);
}

void
aws_dry_run(struct aws_call *c)
{
	aws_add(c, "DryRun", "true");
	c->dry = true;
}

void
aws_filter(struct aws_call *c, int n, const char *name, const char *value)
{
	aws_add(c, arena_printf(c->arena, "Filter.%d.Name", n), name);
	aws_add(c, arena_printf(c->arena, "Filter.%d.Value.1", n), value);
}

int
aws_filter_tags(struct aws_call *c, int n)
{
	for (size_t i = 0; i < c->req->ntags; i++)
		aws_filter(c, n++,
		    arena_printf(c->arena, "tag:%s", c->req->tags[i].key),
		    c->req->tags[i].value);
	return n;
}

void
aws_tag_spec(struct aws_call *c, const char *resource)
{
	size_t i = 0;

	aws_add(c, "TagSpecification.1.ResourceType", resource);
	for (; i < c->req->ntags; i++) {
		aws_add(c,
		    arena_printf(c->arena, "TagSpecification.1.Tag.%zu.Key",
			i + 1),
		    c->req->tags[i].key);
		aws_add(c,
		    arena_printf(c->arena, "TagSpecification.1.Tag.%zu.Value",
			i + 1),
		    c->req->tags[i].value);
	}
	if (!c->req->name)
		return;
	aws_add(c,
	    arena_printf(c->arena, "TagSpecification.1.Tag.%zu.Key", i + 1),
	    "Name");
	aws_add(c,
	    arena_printf(c->arena, "TagSpecification.1.Tag.%zu.Value", i + 1),
	    c->req->name);
}

void
aws_send(struct aws_call *c, aws_step_fn next)
{
	aws_send_fine(c, NULL, next);
}

void
aws_send_fine(struct aws_call *c, const char *const *fine, aws_step_fn next)
{
	c->next = next;
	c->fine = fine;
	if (c->full || ++c->steps > AWS_STEPS_MAX + AWS_PAGES_MAX)
		aws_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    "the request is too large");
	else
		aws_resend(c);
}

bool
aws_more(struct aws_call *c, const struct xml_node *root, aws_step_fn start)
{
	c->page = arena_strdup(c->arena, xml_text(root, "nextToken"));
	if (!c->page)
		return false;
	if (++c->pages >= AWS_PAGES_MAX) {
		aws_fail(c, CSP_AMBIGUOUS, CSP_R_UNPARSABLE,
		    "a list without end");
		return true;
	}
	start(c, NULL);
	return true;
}

/* Reads of EC2 have names that say so, and a dry run changes nothing. */
static bool
is_read(const struct aws_call *c)
{
	const char *action = c->params[0].value;

	return str_starts(action, "Describe") || str_starts(action, "Get") ||
	    c->dry;
}

/* A signature holds for one send: the time goes into it. */
static void
sign(struct http_send *send, void *arg)
{
	struct aws_call *c = arg;
	const struct drv_conn *conn = c->conn;
	static const struct sign_pair headers[] = { { "content-type",
	    CONTENT } };
	struct sign_req r = {
		.method = "POST",
		.host = conn->host,
		.path = "/",
		.headers = headers,
		.nheaders = 1,
		.body = c->body,
		.body_len = strlen(c->body),
	};
	struct sign_key key = {
		.id = cred_value(conn->cred, "ClientId"),
		.secret = cred_value(conn->cred, "ClientSecret"),
		.token = cred_value(conn->cred, "StsToken"),
	};
	struct sign_out out;

	c->clock_off_s = conn->clock_off_s;
	sign_sigv4(c->arena, &r, &key, conn->region, "ec2",
	    clock_wall_ns() / NS_PER_S + conn->clock_off_s, &out);
	for (size_t i = 0; i < out.nheaders; i++)
		http_send_header(send, out.headers[i].name,
		    out.headers[i].value);
}

/* A form writes a blank as '+'; what is signed is the hash of this text. */
static void
add_form(struct str *out, const struct sign_pair *v, size_t n)
{
	struct str q = STR_INIT;

	sign_add_query(&q, v, n);
	for (const char *p = str_cstr(&q); *p; p++) {
		if (str_starts(p, "%20")) {
			str_addc(out, '+');
			p += 2;
		} else {
			str_addc(out, *p);
		}
	}
	str_free(&q);
}

void
aws_resend(struct aws_call *c)
{
	static const char *const headers[] = { "Content-Type: " CONTENT,
		"Accept: application/xml", NULL };
	const char *action = c->params[0].value;
	struct str body = STR_INIT;
	struct http_req req = {
		.method = "POST",
		.url = c->conn->url,
		.headers = headers,
		.mutates = !is_read(c),
		.prepare = sign,
		.deadline_ms = (c->deadline_ns - clock_mono_ns()) / NS_PER_MS,
	};

	if (c->conn->closed || req.deadline_ms <= 0) {
		aws_fail(c, CSP_DEFINITE, CSP_R_UNSENT,
		    c->conn->closed ? "the connection is closed"
				    : "no time left for the next step");
		return;
	}
	c->mutated = c->mutated || req.mutates;
	add_form(&body, c->params, c->nparams);
	free(c->body);
	c->body = str_take(&body);
	req.body = c->body;
	req.body_len = strlen(c->body);
	c->lane =
	    str_eq(action, "RunInstances") ? c->conn->run_lane : c->conn->lane;
	http_submit(c->lane, &req, aws_on_answer, c);
}

/* ---- the credential ------------------------------------------------------ */

static void
on_cred(struct cred *take_cred, const struct mw_err *err, void *arg)
{
	struct mw_err none = MW_ERR_INIT;
	struct drv_conn *conn = arg;
	struct aws_call *c;

	if (!take_cred)
		cred_none(err, &none);
	cred_free(conn->cred);
	conn->cred = take_cred;
	conn->stale = false;
	while ((c = TAILQ_FIRST(&conn->waiting))) {
		TAILQ_REMOVE(&conn->waiting, c, link);
		/* a program has its own time, not that of the call */
		c->deadline_ns += clock_mono_ns() - c->waits_ns;
		if (conn->cred && !conn->closed)
			c->start(c, NULL);
		else
			aws_fail(c, CSP_DEFINITE,
			    conn->closed ? CSP_R_UNSENT : CSP_R_AUTH,
			    conn->closed ? "the connection is closed"
					 : none.msg);
	}
	conn->asking = false;
	conn_unref(conn);
}

static void
ask_cred(struct drv_conn *conn)
{
	if (conn->asking)
		return;
	conn->asking = true;
	cred_get(conn->env.loop, conn->env.vault, conn->credential, fields,
	    ARRAY_LEN(fields), on_cred, conn);
}

void
aws_wait_cred(struct aws_call *c)
{
	c->waits_ns = clock_mono_ns();
	TAILQ_INSERT_TAIL(&c->conn->waiting, c, link);
	ask_cred(c->conn);
}

/* ---- the driver ---------------------------------------------------------- */

/* https, or http to this machine: emulators. */
static bool
check_url(const char *url, struct mw_err *err)
{
	if (http_url_kind(url) != HTTP_URL_BAD)
		return true;
	err_set(err, MW_INVALID, 0,
	    "the endpoint is an https:// address; http:// only on this "
	    "machine");
	return err_pointer(err, "/endpoint");
}

static char *
host_of(const char *url)
{
	const char *from = strstr(url, "://") + 3;
	char *host = xstrdup(from);

	host[strcspn(host, "/?")] = '\0';
	return host;
}

static bool
aws_open(const struct drv_env *env, const struct drv_conf *conf,
    struct drv_conn **out, struct mw_err *err)
{
	const char *region = conf->region ? conf->region : "us-east-1";
	char *url = conf->endpoint && conf->endpoint[0]
	    ? xstrdup(conf->endpoint)
	    : xasprintf("https://ec2.%s.amazonaws.com/", region);
	struct http_lane_conf lane = { .name = conf->id,
		.allow_plain = http_url_kind(url) == HTTP_URL_PLAIN,
		.ca_file = conf->ca_file,
		.rate_per_s = RATE };
	struct drv_conn *conn;

	if (!check_url(url, err) || !cred_check_ref(conf->credential, err)) {
		free(url);
		return false;
	}
	conn = xcalloc(1, sizeof *conn);
	conn->env = *env;
	conn->id = xstrdup(conf->id);
	conn->region = xstrdup(region);
	conn->url = url;
	conn->host = host_of(url);
	conn->credential = xstrdup(conf->credential);
	conn->prices = xstrdup(conf->prices);
	conn->lane = http_lane_new(env->http, &lane);
	lane.rate_per_s = RUN_RATE;
	lane.burst = RUN_BURST;
	conn->run_lane = http_lane_new(env->http, &lane);
	TAILQ_INIT(&conn->waiting);
	*out = conn;
	return true;
}

static void
aws_close(struct drv_conn *conn)
{
	conn->closed = true;
	http_lane_close(conn->lane);
	http_lane_close(conn->run_lane);
	conn_unref(conn);
}

static struct csp_caps
aws_caps(const struct drv_conn *conn)
{
	(void)conn;
	return (struct csp_caps){
		.flags = CSP_CAP_IDEM_TOKEN | CSP_CAP_TAG_ATOMIC |
		    CSP_CAP_LIST_BY_TAG | CSP_CAP_LIST_BY_TOKEN |
		    CSP_CAP_IMPORT_KEY | CSP_CAP_CONSOLE | CSP_CAP_CREATE |
		    CSP_CAP_NET | CSP_CAP_ZONES,
		.late_apply_max_s = 300,
		.list_visible_max_s = 120,
		.token_ttl_s = 86400,
		.create_deadline_s = 600,
	};
}

static void
submit(struct drv_conn *conn, struct csp_req *take_req, aws_step_fn start,
    int64_t deadline_ns, drv_done_fn done, void *arg)
{
	struct aws_call *c = xcalloc(1, sizeof *c);

	c->conn = conn;
	c->req = take_req;
	c->answer = csp_answer_new(take_req);
	c->arena = c->answer->arena;
	c->start = start;
	c->done = done;
	c->arg = arg;
	c->deadline_ns = deadline_ns;
	conn->ncalls++;
	if (conn->cred && !conn->stale)
		c->start(c, NULL);
	else
		aws_wait_cred(c);
}

static void
aws_submit(struct drv_conn *conn, struct csp_req *take_req, drv_done_fn done,
    void *arg)
{
	int64_t ms =
	    take_req->deadline_ms ? take_req->deadline_ms : DEADLINE_MS;

	submit(conn, take_req, plans[take_req->op],
	    clock_mono_ns() + ms * NS_PER_MS, done, arg);
}

void
aws_child(struct aws_call *parent, aws_step_fn start, drv_done_fn done,
    void *arg)
{
	submit(parent->conn, csp_req_new(parent->req->op, parent->conn->id),
	    start, parent->deadline_ns, done, arg);
}

static void
aws_load(const struct drv_conn *conn, struct drv_load *out)
{
	http_lane_load(conn->lane, out);
	http_lane_load(conn->run_lane, out);
}

const struct driver driver_aws = {
	.name = "aws",
	.image_prefix = "ami-",
	.open = aws_open,
	.close = aws_close,
	.caps = aws_caps,
	.submit = aws_submit,
	.load = aws_load,
};
