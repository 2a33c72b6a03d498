/*
 * rig_httpd.c - an HTTP server with a few routes and a client beside it on the
 * same loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rig_httpd.h"

#include "common/pure/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig *
rig_of(void *ctx)
{
	return ctx;
}

static void
h_echo(struct httpd_req *req, void *ctx)
{
	json_t *j = json_object();
	size_t n;
	const char *body = httpd_body(req, &n);

	rig_of(ctx)->calls++;
	json_put_str(j, "method", httpd_method(req));
	json_put_str(j, "id", httpd_param(req, "id"));
	json_put_str(j, "q", httpd_query(req, "q"));
	json_put_str(j, "peer", httpd_peer(req));
	json_put_int(j, "bodyLen", (int64_t)n);
	json_put_str(j, "body", n < 100 ? body : "(long)");
	httpd_reply_header(req, "X-Test", "yes");
	httpd_reply_json(req, 200, j);
}

static void
h_literal(struct httpd_req *req, void *ctx)
{
	(void)ctx;
	httpd_reply(req, 200, "text/plain", "literal", 7);
}

static void
h_json(struct httpd_req *req, void *ctx)
{
	struct mw_err err = MW_ERR_INIT;
	struct json_at at;
	int64_t v;
	json_t *j;

	(void)ctx;
	if (!httpd_json(req, &j, &err) || !json_at_root(&at, j, &err) ||
	    !json_get_int(&at, "n", false, 0, 1, 10, &v, &err))
		httpd_reply_err(req, &err);
	else
		httpd_reply(req, 204, NULL, NULL, 0);
}

static void
on_gone(void *arg)
{
	rig_of(arg)->gone++;
}

static void
h_late(struct httpd_req *req, void *ctx)
{
	rig_of(ctx)->late = req;
	httpd_on_gone(req, on_gone, ctx);
}

static void
h_stream(struct httpd_req *req, void *ctx)
{
	rig_of(ctx)->stream = httpd_stream_open(req);
	httpd_stream_on_gone(rig_of(ctx)->stream, on_gone, ctx);
}

static const struct httpd_route routes[] = {
	{ "GET", "/v1/things/{id}", h_echo, 0 },
	{ "POST", "/v1/things/{id}", h_echo, 0 },
	{ "GET", "/v1/things/special", h_literal, 0 },
	{ "POST", "/v1/json", h_json, 0 },
	{ "GET", "/v1/late", h_late, 0 },
	{ "GET", "/v1/stream", h_stream, 0 },
	{ "GET", "/v1/secret", h_literal, 1 },
};

static bool
admit(struct httpd_req *req, const struct httpd_route *route, void *ctx,
    struct mw_err *err)
{
	const char *token = httpd_header(req, "Authorization");

	if (route->role == 0)
		return true;
	if (str_eq(token, "Bearer low"))
		httpd_set_user(req, ctx);
	return err_set(err, MW_DENIED, 0, "not for you");
}

static const char *const hosts[] = { "127.0.0.1", "localhost:80", NULL };

const struct httpd_conf rig_conf = {
	.address = "127.0.0.1",
	.hosts = hosts,
	.routes = routes,
	.nroutes = ARRAY_LEN(routes),
	.admit = admit,
	.body_max = 4096,
	.head_deadline_ms = 200,
	.body_deadline_ms = 200,
	.reply_deadline_ms = 200,
};

void
rig_start(struct rig *f, const struct httpd_conf *conf)
{
	struct httpd_conf c = *conf;
	struct mw_err err;

	*f = (struct rig){ 0 };
	f->loop = loop_new();
	c.ctx = f;
	f->h = httpd_new(f->loop, &c, &err);
	assert_non_null(f->h);
}

void
rig_stop(struct rig *f)
{
	httpd_free(f->h);
	loop_free(f->loop);
}

void
rig_turn(struct rig *f)
{
	event_base_loop(loop_base(f->loop), EVLOOP_NONBLOCK);
	usleep(200);
}

int
rig_dial(const struct rig *f)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(httpd_port(f->h)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

void
rig_send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
	    (ssize_t)strlen(text));
}

/* Reads what is there. False: the server has closed the connection. */
bool
rig_read_some(int fd, struct str *in)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof buf, 0);

	if (n > 0)
		str_addn(in, buf, (size_t)n);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Is a whole reply with Content-Length (or 204) in? */
static bool
complete(const struct str *in)
{
	const char *end = strstr(str_cstr(in), "\r\n\r\n");
	const char *len = strstr(str_cstr(in), "Content-Length: ");

	if (end == NULL)
		return false;
	if (len == NULL || len > end)
		return str_starts(in->p, "HTTP/1.1 204");
	return in->len >=
	    (size_t)(end + 4 - in->p) + (size_t)strtoul(len + 16, NULL, 10);
}

void
rig_await_reply(struct rig *f, int fd, struct str *in)
{
	str_reset(in);
	AWAIT(f, !rig_read_some(fd, in) || complete(in));
}

/* Sends one request on a new connection; returns the reply (static). */
const char *
rig_ask(struct rig *f, const char *request)
{
	static struct str in;
	int fd = rig_dial(f);

	rig_send_text(fd, request);
	rig_await_reply(f, fd, &in);
	close(fd);
	return str_cstr(&in);
}
