/*
 * test_httpd.c - the HTTP server: routes, framing, bodies, admission, who may
 * connect, its own words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rig_httpd.h"

#include "common/pure/alloc.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void
routes_by_method_path_and_letter(void **state)
{
	struct rig f;
	const char *r;

	(void)state;
	rig_start(&f, &rig_conf);
	r = rig_ask(&f,
	    "GET /v1/things/a%2Bb?q=x%20y+z&q=2 HTTP/1.1\r\n" HOST "\r\n");
	assert_true(str_starts(r, "HTTP/1.1 200 "));
	assert_non_null(strstr(r, "\"id\":\"a+b\""));
	assert_non_null(strstr(r, "\"q\":\"x y z\""));
	assert_non_null(strstr(r, "\"peer\":\"127.0.0.1\""));
	assert_non_null(strstr(r, "X-Test: yes"));
	assert_non_null(strstr(r, "Cache-Control: no-store"));
	r = rig_ask(&f, "GET /v1/things/special HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(r, "literal"));
	r = rig_ask(&f, "GET /v1/nothing HTTP/1.1\r\n" HOST "\r\n");
	assert_true(str_starts(r, "HTTP/1.1 404 "));
	assert_non_null(strstr(r, "application/problem+json"));
	assert_non_null(strstr(r, "\"code\":\"NOT_FOUND\""));
	r = rig_ask(&f, "DELETE /v1/things/x HTTP/1.1\r\n" HOST "\r\n");
	assert_true(str_starts(r, "HTTP/1.1 405 "));
	assert_non_null(strstr(r, "Allow: GET, POST"));
	rig_stop(&f);
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
	struct rig f;

	(void)state;
	rig_start(&f, &rig_conf);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *r = rig_ask(&f, bad[i]);

		if (!str_starts(r, "HTTP/1.1 400 "))
			fail_msg("%s gave %s", bad[i], r);
	}
	assert_int_equal(f.calls, 0);
	assert_true(str_starts(
	    rig_ask(&f,
		"GET /v1/things/a HTTP/1.1\r\nHost: LOCALHOST:80\r\n\r\n"),
	    "HTTP/1.1 200 "));
	rig_stop(&f);
}

static void
limits_bodies(void **state)
{
	struct rig f;
	struct str req = STR_INIT;
	const char *r;

	(void)state;
	rig_start(&f, &rig_conf);
	r = rig_ask(&f,
	    "POST /v1/things/a HTTP/1.1\r\n" HOST
	    "Content-Length: 5\r\n\r\nhello");
	assert_non_null(strstr(r, "\"body\":\"hello\""));
	r = rig_ask(&f,
	    "POST /v1/things/a HTTP/1.1\r\n" HOST
	    "Transfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	assert_non_null(strstr(r, "\"body\":\"abcde\""));
	r = rig_ask(&f,
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
	r = rig_ask(&f, str_cstr(&req));
	assert_true(str_starts(r, "HTTP/1.1 413 "));
	assert_int_equal(f.calls, 0);
	str_free(&req);
	rig_stop(&f);
}

static void
json_bodies_name_the_wrong_field(void **state)
{
	struct rig f;
	const char *r;

	(void)state;
	rig_start(&f, &rig_conf);
	r = rig_ask(&f,
	    "POST /v1/json HTTP/1.1\r\n" HOST
	    "Content-Type: application/json; charset=utf-8\r\n"
	    "Content-Length: 7\r\n\r\n{\"n\":3}");
	assert_true(str_starts(r, "HTTP/1.1 204 "));
	r = rig_ask(&f,
	    "POST /v1/json HTTP/1.1\r\n" HOST
	    "Content-Type: application/json\r\n"
	    "Content-Length: 8\r\n\r\n{\"n\":30}");
	assert_true(str_starts(r, "HTTP/1.1 400 "));
	assert_non_null(strstr(r, "\"pointer\":\"/n\""));
	r = rig_ask(&f,
	    "POST /v1/json HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\n"
	    "Content-Length: 7\r\n\r\n{\"n\":3}");
	assert_true(str_starts(r, "HTTP/1.1 415 "));
	rig_stop(&f);
}

static void
admission_comes_before_the_body(void **state)
{
	struct rig f;
	const char *r;

	(void)state;
	rig_start(&f, &rig_conf);
	/* No body follows: an answer proves that none was waited for. */
	r = rig_ask(&f,
	    "GET /v1/secret HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n");
	assert_true(str_starts(r, "HTTP/1.1 401 "));
	assert_non_null(strstr(r, "WWW-Authenticate: Bearer"));
	r = rig_ask(&f,
	    "GET /v1/secret HTTP/1.1\r\n" HOST
	    "Authorization: Bearer low\r\n\r\n");
	assert_true(str_starts(r, "HTTP/1.1 403 "));
	rig_stop(&f);
}

static void
serves_on_a_unix_socket(void **state)
{
	char dir[] = "/tmp/mw-httpd-XXXXXX";
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct httpd_conf conf = rig_conf;
	struct str in = STR_INIT;
	struct mw_err err;
	struct rig f;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s/s", dir);
	conf.unix_path = sun.sun_path;
	conf.hosts = NULL;
	rig_start(&f, &conf);
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
		rig_send_text(fd,
		    "GET /v1/things/a HTTP/1.1\r\nHost: x\r\n\r\n");
		rig_await_reply(&f, fd, &in);
		assert_non_null(strstr(str_cstr(&in), "\"peer\":\"unix\""));
		close(fd);
	}
	rig_stop(&f);
	assert_int_not_equal(stat(sun.sun_path, &st), 0);
	assert_int_equal(rmdir(dir), 0);
	str_free(&in);
}

static void
serves_pipelined_and_many_connections(void **state)
{
	struct rig f;
	struct str in = STR_INIT;
	int fd, fds[40];

	(void)state;
	rig_start(&f, &rig_conf);
	fd = rig_dial(&f);
	rig_send_text(fd,
	    "GET /v1/things/a HTTP/1.1\r\n" HOST "\r\n"
	    "GET /v1/things/b HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f,
	    rig_read_some(fd, &in) &&
		strstr(str_cstr(&in), "\"id\":\"b\"") != NULL);
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = rig_dial(&f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		rig_send_text(fds[i],
		    "HEAD /v1/things/a HTTP/1.1\r\n" HOST "\r\n");
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		str_reset(&in);
		AWAIT(&f,
		    rig_read_some(fds[i], &in) &&
			strstr(str_cstr(&in), "\r\n\r\n") != NULL);
		assert_null(strstr(str_cstr(&in), "\"id\""));
		close(fds[i]);
	}
	str_free(&in);
	rig_stop(&f);
}

static bool
nobody(uint32_t ip, void *ctx)
{
	rig_of(ctx)->calls++;
	assert_int_equal(ip, INADDR_LOOPBACK);
	return false;
}

static void
closes_a_peer_that_may_not_connect(void **state)
{
	struct httpd_conf conf = rig_conf;
	struct rig f;

	(void)state;
	conf.accept = nobody;
	rig_start(&f, &conf);
	assert_string_equal(
	    rig_ask(&f, "GET /v1/things/special HTTP/1.1\r\n" HOST "\r\n"), "");
	assert_int_equal(f.calls, 1);
	rig_stop(&f);
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
	struct httpd_conf conf = rig_conf;
	struct rig f;
	const char *r;

	(void)state;
	conf.problem = own_words;
	rig_start(&f, &conf);
	r = rig_ask(&f, "GET /v1/nothing HTTP/1.1\r\n" HOST "\r\n");
	assert_true(str_starts(r, "HTTP/1.1 404 "));
	assert_non_null(strstr(r, "\r\n\r\nown 404"));
	assert_non_null(strstr(r, "Content-Type: text/plain"));
	assert_non_null(strstr(r, "X-Own: yes"));
	r = rig_ask(&f, "PUT /v1/late HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(r, "\r\n\r\nown 405"));
	r = rig_ask(&f, "GET /v1/late HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(r, "\r\n\r\nown 504"));
	httpd_reply(f.late, 200, NULL, NULL, 0);
	rig_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_by_method_path_and_letter),
		cmocka_unit_test(refuses_bad_targets_and_framing),
		cmocka_unit_test(limits_bodies),
		cmocka_unit_test(json_bodies_name_the_wrong_field),
		cmocka_unit_test(admission_comes_before_the_body),
		cmocka_unit_test(serves_on_a_unix_socket),
		cmocka_unit_test(serves_pipelined_and_many_connections),
		cmocka_unit_test(closes_a_peer_that_may_not_connect),
		cmocka_unit_test(words_its_own_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
