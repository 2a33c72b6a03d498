/*
 * test_httpd.c - the HTTP server over real sockets, client and server on one
 * loop in one thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/httpd.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_NS (10 * NS_PER_S)

struct fixture {
	struct loop *loop;
	struct httpd *h;
	struct httpd_req *late; /* answered by the test */
	struct httpd_stream *stream;
	unsigned gone, calls;
};

static struct fixture *
of(void *ctx)
{
	return ctx;
}

static void
h_echo(struct httpd_req *req, void *ctx)
{
	json_t *j = json_object();
	size_t n;
	const char *body = httpd_body(req, &n);

	of(ctx)->calls++;
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
	of(arg)->gone++;
}

static void
h_late(struct httpd_req *req, void *ctx)
{
	of(ctx)->late = req;
	httpd_on_gone(req, on_gone, ctx);
}

static void
h_stream(struct httpd_req *req, void *ctx)
{
	of(ctx)->stream = httpd_stream_open(req);
	httpd_stream_on_gone(of(ctx)->stream, on_gone, ctx);
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

static const struct httpd_conf base_conf = {
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

static void
start(struct fixture *f, const struct httpd_conf *conf)
{
	struct httpd_conf c = *conf;
	struct mw_err err;

	*f = (struct fixture){ 0 };
	f->loop = loop_new();
	c.ctx = f;
	f->h = httpd_new(f->loop, &c, &err);
	assert_non_null(f->h);
}

static void
stop(struct fixture *f)
{
	httpd_free(f->h);
	loop_free(f->loop);
}

static void
turn(struct fixture *f)
{
	event_base_loop(loop_base(f->loop), EVLOOP_NONBLOCK);
	usleep(200);
}

/* Turns the loop until the condition holds; fails the test if it never does. */
#define AWAIT(f, cond)                                              \
	do {                                                        \
		int64_t end_ = clock_mono_ns() + PATIENCE_NS;       \
		while (!(cond)) {                                   \
			if (clock_mono_ns() > end_)                 \
				fail_msg("waited in vain: " #cond); \
			turn(f);                                    \
		}                                                   \
	} while (0)

static int
dial(const struct fixture *f)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(httpd_port(f->h)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void
send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
	    (ssize_t)strlen(text));
}

/* Reads what is there. False: the server has closed the connection. */
static bool
read_some(int fd, struct str *in)
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

static void
await_reply(struct fixture *f, int fd, struct str *in)
{
	str_reset(in);
	AWAIT(f, !read_some(fd, in) || complete(in));
}

/* Sends one request on a new connection; returns the reply (static). */
static const char *
ask(struct fixture *f, const char *request)
{
	static struct str in;
	int fd = dial(f);

	send_text(fd, request);
	await_reply(f, fd, &in);
	close(fd);
	return str_cstr(&in);
}

#define HOST "Host: 127.0.0.1\r\n"

static void
routes_by_method_path_and_letter(void **state)
{
	struct fixture f;
	const char *r;

	(void)state;
	start(&f, &base_conf);
	r = ask(&f,
	    "GET /v1/things/a%2Bb?q=x%20y+z&q=2 HTTP/1.1\r\n" HOST "\r\n");
	assert_true(str_starts(r, "HTTP/1.1 200 "));
	assert_non_null(strstr(r, "\"id\":\"a+b\""));
	assert_non_null(strstr(r, "\"q\":\"x y z\""));
	assert_non_null(strstr(r, "\"peer\":\"127.0.0.1\""));
	assert_non_null(strstr(r, "X-Test: yes"));
	assert_non_null(strstr(r, "Cache-Control: no-store"));
	r = ask(&f, "GET /v1/things/special HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(r, "literal"));
	r = ask(&f, "GET /v1/nothing HTTP/1.1\r\n" HOST "\r\n");
	assert_true(str_starts(r, "HTTP/1.1 404 "));
	assert_non_null(strstr(r, "application/problem+json"));
	assert_non_null(strstr(r, "\"code\":\"NOT_FOUND\""));
	r = ask(&f, "DELETE /v1/things/x HTTP/1.1\r\n" HOST "\r\n");
	assert_true(str_starts(r, "HTTP/1.1 405 "));
	assert_non_null(strstr(r, "Allow: GET, POST"));
	stop(&f);
}

static void
refuses_bad_targets_and_framing(void **state)
{
	static const char *const bad[] = {
		"GET /v1/things/%00 HTTP/1.1\r\n" HOST "\r\n",
		"GET /v1/things/.. HTTP/1.1\r\n" HOST "\r\n",
		"GET /v1/things/%2e%2e HTTP/1.1\r\n" HOST "\r\n",
		"GET /v1/things/a%2fb HTTP/1.1\r\n" HOST "\r\n",
		"GET /v1/things/%zz HTTP/1.1\r\n" HOST "\r\n",
		"GET /v1/things/%e4 HTTP/1.1\r\n" HOST "\r\n",
		"GET /v1/things/a?q=%0 HTTP/1.1\r\n" HOST "\r\n",
		"GET http://127.0.0.1/v1/things/a HTTP/1.1\r\n" HOST "\r\n",
		"GET /v1/things/a HTTP/1.1\r\n\r\n",
		"GET /v1/things/a HTTP/1.1\r\nHost: evil\r\n\r\n",
		"GET /v1/things/a HTTP/1.1\r\nHost: localhost:81\r\n\r\n",
		"GET /v1/things/a HTTP/1.1\r\n" HOST HOST "\r\n",
		"GET /v1/things/a HTTP/1.1\r\n" HOST "Foo : x\r\n\r\n",
		"POST /v1/things/a HTTP/1.1\r\n" HOST
		"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"POST /v1/things/a HTTP/1.1\r\n" HOST
		"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /v1/things/a HTTP/1.1\r\n" HOST
		"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	};
	struct fixture f;

	(void)state;
	start(&f, &base_conf);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *r = ask(&f, bad[i]);

		if (!str_starts(r, "HTTP/1.1 400 "))
			fail_msg("%s gave %s", bad[i], r);
	}
	assert_int_equal(f.calls, 0);
	assert_true(str_starts(
	    ask(&f, "GET /v1/things/a HTTP/1.1\r\nHost: LOCALHOST:80\r\n\r\n"),
	    "HTTP/1.1 200 "));
	stop(&f);
}

static void
limits_bodies(void **state)
{
	struct fixture f;
	struct str req = STR_INIT;
	const char *r;

	(void)state;
	start(&f, &base_conf);
	r = ask(&f,
	    "POST /v1/things/a HTTP/1.1\r\n" HOST
	    "Content-Length: 5\r\n\r\nhello");
	assert_non_null(strstr(r, "\"body\":\"hello\""));
	r = ask(&f,
	    "POST /v1/things/a HTTP/1.1\r\n" HOST
	    "Transfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	assert_non_null(strstr(r, "\"body\":\"abcde\""));
	r = ask(&f,
	    "POST /v1/things/a HTTP/1.1\r\n" HOST
	    "Content-Length: 4097\r\n\r\n");
	assert_true(str_starts(r, "HTTP/1.1 413 "));
	str_add(&req,
	    "POST /v1/things/a HTTP/1.1\r\n" HOST
	    "Transfer-Encoding: chunked\r\n\r\n1400\r\n");
	for (int i = 0; i < 0x1400; i++)
		str_addc(&req, 'x');
	str_add(&req, "\r\n0\r\n\r\n");
	f.calls = 0;
	r = ask(&f, str_cstr(&req));
	assert_true(str_starts(r, "HTTP/1.1 413 "));
	assert_int_equal(f.calls, 0);
	str_free(&req);
	stop(&f);
}

static void
json_bodies_name_the_wrong_field(void **state)
{
	struct fixture f;
	const char *r;

	(void)state;
	start(&f, &base_conf);
	r = ask(&f,
	    "POST /v1/json HTTP/1.1\r\n" HOST
	    "Content-Type: application/json; charset=utf-8\r\n"
	    "Content-Length: 7\r\n\r\n{\"n\":3}");
	assert_true(str_starts(r, "HTTP/1.1 204 "));
	r = ask(&f,
	    "POST /v1/json HTTP/1.1\r\n" HOST
	    "Content-Type: application/json\r\n"
	    "Content-Length: 8\r\n\r\n{\"n\":30}");
	assert_true(str_starts(r, "HTTP/1.1 400 "));
	assert_non_null(strstr(r, "\"pointer\":\"/n\""));
	r = ask(&f,
	    "POST /v1/json HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\n"
	    "Content-Length: 7\r\n\r\n{\"n\":3}");
	assert_true(str_starts(r, "HTTP/1.1 415 "));
	stop(&f);
}

static void
admission_comes_before_the_body(void **state)
{
	struct fixture f;
	const char *r;

	(void)state;
	start(&f, &base_conf);
	/* No body follows: an answer proves that none was waited for. */
	r = ask(&f,
	    "GET /v1/secret HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n");
	assert_true(str_starts(r, "HTTP/1.1 401 "));
	assert_non_null(strstr(r, "WWW-Authenticate: Bearer"));
	r = ask(&f,
	    "GET /v1/secret HTTP/1.1\r\n" HOST
	    "Authorization: Bearer low\r\n\r\n");
	assert_true(str_starts(r, "HTTP/1.1 403 "));
	stop(&f);
}

static void
answers_late_and_keeps_the_connection(void **state)
{
	struct fixture f;
	struct str in = STR_INIT;
	int fd;

	(void)state;
	start(&f, &base_conf);
	fd = dial(&f);
	for (int i = 0; i < 3; i++) {
		f.late = NULL;
		send_text(fd, "GET /v1/late HTTP/1.1\r\n" HOST "\r\n");
		AWAIT(&f, f.late != NULL);
		httpd_reply(f.late, 200, "text/plain", "now", 3);
		await_reply(&f, fd, &in);
		assert_true(str_starts(str_cstr(&in), "HTTP/1.1 200 "));
	}
	assert_int_equal(f.gone, 0);
	close(fd);
	str_free(&in);
	stop(&f);
}

static void
gives_504_and_takes_the_answer_after_it(void **state)
{
	struct fixture f;
	const char *r;

	(void)state;
	start(&f, &base_conf);
	r = ask(&f, "GET /v1/late HTTP/1.1\r\n" HOST "\r\n");
	assert_true(str_starts(r, "HTTP/1.1 504 "));
	assert_int_equal(f.gone, 1);
	httpd_reply(f.late, 200, "text/plain", "too late", 8);
	/* And when the server has gone before the answer. */
	stop(&f);
	start(&f, &base_conf);
	{
		int fd = dial(&f);

		send_text(fd, "GET /v1/late HTTP/1.1\r\n" HOST "\r\n");
		AWAIT(&f, f.late != NULL);
		stop(&f);
		assert_int_equal(f.gone, 1);
		httpd_reply(f.late, 200, "text/plain", "too late", 8);
		close(fd);
	}
}

/* Sends a byte every few turns; true if the server cut us. */
static bool
drip(struct fixture *f, int fd, const char *text)
{
	int64_t end = clock_mono_ns() + PATIENCE_NS;
	struct str in = STR_INIT;
	bool cut = false;

	while (!cut && clock_mono_ns() < end) {
		if (*text != '\0')
			send(fd, text++, 1, MSG_NOSIGNAL);
		for (int i = 0; i < 40 && !cut; i++) {
			turn(f);
			cut = !read_some(fd, &in);
		}
	}
	str_free(&in);
	return cut;
}

static void
cuts_slow_heads_and_bodies(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	start(&f, &base_conf);
	fd = dial(&f);
	assert_true(drip(&f, fd,
	    "GET /v1/things/aaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	close(fd);
	fd = dial(&f);
	send_text(fd, "GET /v1/things/a HTTP/1.1\r\n" HOST);
	assert_true(drip(&f, fd,
	    "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	close(fd);
	fd = dial(&f);
	send_text(fd,
	    "POST /v1/things/a HTTP/1.1\r\n" HOST
	    "Content-Length: 4000\r\n\r\n");
	assert_true(drip(&f, fd,
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	close(fd);
	assert_int_equal(f.calls, 0);
	stop(&f);
}

static void
streams_events(void **state)
{
	struct fixture f;
	struct str in = STR_INIT;
	int fd;

	(void)state;
	start(&f, &base_conf);
	fd = dial(&f);
	send_text(fd, "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f, f.stream != NULL);
	AWAIT(&f, read_some(fd, &in) && in.len > 0);
	assert_non_null(strstr(str_cstr(&in), "text/event-stream"));
	for (uint64_t i = 1; i <= 3; i++) {
		char want[32];

		snprintf(want, sizeof want, "id: %d\n", (int)i);
		assert_true(httpd_stream_send(f.stream, "vm.status", i,
		    "{\"a\":1}\nline two"));
		AWAIT(&f,
		    read_some(fd, &in) && strstr(str_cstr(&in), want) != NULL);
	}
	assert_non_null(strstr(str_cstr(&in),
	    "event: vm.status\ndata: {\"a\":1}\ndata: line two\n\n"));
	httpd_stream_comment(f.stream);
	httpd_stream_close(f.stream);
	AWAIT(&f, read_some(fd, &in) && strstr(str_cstr(&in), ":\n\n") != NULL);
	AWAIT(&f,
	    read_some(fd, &in) && strstr(str_cstr(&in), "\r\n0\r\n") != NULL);
	assert_int_equal(f.gone, 0);
	close(fd);
	str_free(&in);
	stop(&f);
}

static void
drops_a_stream_that_is_not_read(void **state)
{
	char data[1001];
	struct fixture f;
	int fd, small = 4096;

	(void)state;
	memset(data, 'x', sizeof data - 1);
	data[sizeof data - 1] = '\0';
	start(&f, &base_conf);
	fd = dial(&f);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	send_text(fd, "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f, f.stream != NULL);
	for (int i = 0; i < 100000; i++) {
		if (!httpd_stream_send(f.stream, "x", 1, data))
			break;
		if (i % 64 == 0)
			event_base_loop(loop_base(f.loop), EVLOOP_NONBLOCK);
	}
	assert_false(httpd_stream_send(f.stream, "x", 1, data));
	AWAIT(&f, f.gone == 1);
	httpd_stream_close(f.stream);
	close(fd);
	stop(&f);
}

static void
notices_that_a_reader_left(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	start(&f, &base_conf);
	fd = dial(&f);
	send_text(fd, "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f, f.stream != NULL);
	close(fd);
	AWAIT(&f, (httpd_stream_comment(f.stream), f.gone == 1));
	assert_false(httpd_stream_send(f.stream, "x", 1, "y"));
	httpd_stream_close(f.stream);
	stop(&f);
	/* A stream that outlives the server. */
	start(&f, &base_conf);
	fd = dial(&f);
	send_text(fd, "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f, f.stream != NULL);
	stop(&f);
	assert_int_equal(f.gone, 1);
	httpd_stream_close(f.stream);
	close(fd);
}

static void
serves_on_a_unix_socket(void **state)
{
	char dir[] = "/tmp/mw-httpd-XXXXXX";
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct httpd_conf conf = base_conf;
	struct str in = STR_INIT;
	struct mw_err err;
	struct fixture f;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s/s", dir);
	conf.unix_path = sun.sun_path;
	conf.hosts = NULL;
	start(&f, &conf);
	assert_int_equal(stat(sun.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* A living socket is not taken over. */
	assert_null(httpd_new(f.loop, &conf, &err));
	assert_int_equal(err.code, MW_EXISTS);
	for (int i = 0; i < 3; i++) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&sun,
				     sizeof sun),
		    0);
		fcntl(fd, F_SETFL, O_NONBLOCK);
		send_text(fd, "GET /v1/things/a HTTP/1.1\r\nHost: x\r\n\r\n");
		await_reply(&f, fd, &in);
		assert_non_null(strstr(str_cstr(&in), "\"peer\":\"unix\""));
		close(fd);
	}
	stop(&f);
	assert_int_not_equal(stat(sun.sun_path, &st), 0);
	assert_int_equal(rmdir(dir), 0);
	str_free(&in);
}

static void
serves_pipelined_and_many_connections(void **state)
{
	struct fixture f;
	struct str in = STR_INIT;
	int fd, fds[40];

	(void)state;
	start(&f, &base_conf);
	fd = dial(&f);
	send_text(fd,
	    "GET /v1/things/a HTTP/1.1\r\n" HOST "\r\n"
	    "GET /v1/things/b HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f,
	    read_some(fd, &in) &&
		strstr(str_cstr(&in), "\"id\":\"b\"") != NULL);
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial(&f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		send_text(fds[i], "HEAD /v1/things/a HTTP/1.1\r\n" HOST "\r\n");
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		str_reset(&in);
		AWAIT(&f,
		    read_some(fds[i], &in) &&
			strstr(str_cstr(&in), "\r\n\r\n") != NULL);
		assert_null(strstr(str_cstr(&in), "\"id\""));
		close(fds[i]);
	}
	str_free(&in);
	stop(&f);
}

static bool
nobody(uint32_t ip, void *ctx)
{
	of(ctx)->calls++;
	assert_int_equal(ip, INADDR_LOOPBACK);
	return false;
}

static void
closes_a_peer_that_may_not_connect(void **state)
{
	struct httpd_conf conf = base_conf;
	struct fixture f;

	(void)state;
	conf.accept = nobody;
	start(&f, &conf);
	assert_string_equal(
	    ask(&f, "GET /v1/things/special HTTP/1.1\r\n" HOST "\r\n"), "");
	assert_int_equal(f.calls, 1);
	stop(&f);
}

static char *
own_words(struct httpd_req *req, int status, const struct mw_err *err,
    const char **type, void *ctx)
{
	(void)ctx;
	assert_int_not_equal(err->code, MW_OK);
	*type = "text/plain";
	httpd_reply_header(req, "X-Own", "yes");
	return xasprintf("own %d", status);
}

static void
words_its_own_errors(void **state)
{
	struct httpd_conf conf = base_conf;
	struct fixture f;
	const char *r;

	(void)state;
	conf.problem = own_words;
	start(&f, &conf);
	r = ask(&f, "GET /v1/nothing HTTP/1.1\r\n" HOST "\r\n");
	assert_true(str_starts(r, "HTTP/1.1 404 "));
	assert_non_null(strstr(r, "\r\n\r\nown 404"));
	assert_non_null(strstr(r, "Content-Type: text/plain"));
	assert_non_null(strstr(r, "X-Own: yes"));
	r = ask(&f, "PUT /v1/late HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(r, "\r\n\r\nown 405"));
	r = ask(&f, "GET /v1/late HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(r, "\r\n\r\nown 504"));
	httpd_reply(f.late, 200, NULL, NULL, 0);
	stop(&f);
}

static void
tells_whether_the_client_left(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	start(&f, &base_conf);
	fd = dial(&f);
	send_text(fd, "GET /v1/late HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f, f.late != NULL);
	assert_false(httpd_left(f.late));
	close(fd);
	AWAIT(&f, httpd_left(f.late));
	httpd_reply(f.late, 200, NULL, NULL, 0);
	stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closes_a_peer_that_may_not_connect),
		cmocka_unit_test(words_its_own_errors),
		cmocka_unit_test(tells_whether_the_client_left),
		cmocka_unit_test(routes_by_method_path_and_letter),
		cmocka_unit_test(refuses_bad_targets_and_framing),
		cmocka_unit_test(limits_bodies),
		cmocka_unit_test(json_bodies_name_the_wrong_field),
		cmocka_unit_test(admission_comes_before_the_body),
		cmocka_unit_test(answers_late_and_keeps_the_connection),
		cmocka_unit_test(gives_504_and_takes_the_answer_after_it),
		cmocka_unit_test(cuts_slow_heads_and_bodies),
		cmocka_unit_test(streams_events),
		cmocka_unit_test(drops_a_stream_that_is_not_read),
		cmocka_unit_test(notices_that_a_reader_left),
		cmocka_unit_test(serves_on_a_unix_socket),
		cmocka_unit_test(serves_pipelined_and_many_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
