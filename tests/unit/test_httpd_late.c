/*
 * test_httpd_late.c - the HTTP server and time: late replies, deadlines,
 * streams, clients that leave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rig_httpd.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
answers_late_and_keeps_the_connection(void **state)
{
	struct rig f;
	struct str in = STR_INIT;
	int fd;

	(void)state;
	rig_start(&f, &rig_conf);
	fd = rig_dial(&f);
	for (int i = 0; i < 3; i++) {
		f.late = NULL;
		rig_send_text(fd, "GET /v1/late HTTP/1.1\r\n" HOST "\r\n");
		AWAIT(&f, f.late != NULL);
		httpd_reply(f.late, 200, "text/plain", "now", 3);
		rig_await_reply(&f, fd, &in);
		assert_true(str_starts(str_cstr(&in), "HTTP/1.1 200 "));
	}
	assert_int_equal(f.gone, 0);
	close(fd);
	str_free(&in);
	rig_stop(&f);
}

static void
gives_504_and_takes_the_answer_after_it(void **state)
{
	struct rig f;
	const char *r;

	(void)state;
	rig_start(&f, &rig_conf);
	r = rig_ask(&f, "GET /v1/late HTTP/1.1\r\n" HOST "\r\n");
	assert_true(str_starts(r, "HTTP/1.1 504 "));
	assert_int_equal(f.gone, 1);
	httpd_reply(f.late, 200, "text/plain", "too late", 8);
	/* And when the server has gone before the answer. */
	rig_stop(&f);
	rig_start(&f, &rig_conf);
	{
		int fd = rig_dial(&f);

		rig_send_text(fd, "GET /v1/late HTTP/1.1\r\n" HOST "\r\n");
		AWAIT(&f, f.late != NULL);
		rig_stop(&f);
		assert_int_equal(f.gone, 1);
		httpd_reply(f.late, 200, "text/plain", "too late", 8);
		close(fd);
	}
}

/* Sends a byte every few turns; true if the server cut us. */
static bool
drip(struct rig *f, int fd, const char *text)
{
	int64_t end = clock_mono_ns() + PATIENCE_NS;
	struct str in = STR_INIT;
	bool cut = false;

	while (!cut && clock_mono_ns() < end) {
		if (*text != '\0')
			send(fd, text++, 1, MSG_NOSIGNAL);
		for (int i = 0; i < 40 && !cut; i++) {
			rig_turn(f);
			cut = !rig_read_some(fd, &in);
		}
	}
	str_free(&in);
	return cut;
}

static void
cuts_slow_heads_and_bodies(void **state)
{
	struct rig f;
	int fd;

	(void)state;
	rig_start(&f, &rig_conf);
	fd = rig_dial(&f);
	assert_true(drip(&f, fd,
	    "GET /v1/things/aaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	close(fd);
	fd = rig_dial(&f);
	rig_send_text(fd, "GET /v1/things/a HTTP/1.1\r\n" HOST);
	assert_true(drip(&f, fd,
	    "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	close(fd);
	fd = rig_dial(&f);
	rig_send_text(fd,
	    "POST /v1/things/a HTTP/1.1\r\n" HOST
	    "Content-Length: 4000\r\n\r\n");
	assert_true(drip(&f, fd,
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	close(fd);
	assert_int_equal(f.calls, 0);
	rig_stop(&f);
}

static void
streams_events(void **state)
{
	struct rig f;
	struct str in = STR_INIT;
	int fd;

	(void)state;
	rig_start(&f, &rig_conf);
	fd = rig_dial(&f);
	rig_send_text(fd, "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f, f.stream != NULL);
	AWAIT(&f, rig_read_some(fd, &in) && in.len > 0);
	assert_non_null(strstr(str_cstr(&in), "text/event-stream"));
	for (uint64_t i = 1; i <= 3; i++) {
		char want[32];

		snprintf(want, sizeof want, "id: %d\n", (int)i);
		assert_true(httpd_stream_send(f.stream, "vm.status", i,
		    "{\"a\":1}\nline two"));
		AWAIT(&f,
		    rig_read_some(fd, &in) &&
			strstr(str_cstr(&in), want) != NULL);
	}
	assert_non_null(strstr(str_cstr(&in),
	    "event: vm.status\ndata: {\"a\":1}\ndata: line two\n\n"));
	httpd_stream_comment(f.stream);
	httpd_stream_close(f.stream);
	AWAIT(&f,
	    rig_read_some(fd, &in) && strstr(str_cstr(&in), ":\n\n") != NULL);
	AWAIT(&f,
	    rig_read_some(fd, &in) &&
		strstr(str_cstr(&in), "\r\n0\r\n") != NULL);
	assert_int_equal(f.gone, 0);
	close(fd);
	str_free(&in);
	rig_stop(&f);
}

static void
drops_a_stream_that_is_not_read(void **state)
{
	char data[1001];
	struct rig f;
	int fd, small = 4096;

	(void)state;
	memset(data, 'x', sizeof data - 1);
	data[sizeof data - 1] = '\0';
	rig_start(&f, &rig_conf);
	fd = rig_dial(&f);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	rig_send_text(fd, "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
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
	rig_stop(&f);
}

static void
notices_that_a_reader_left(void **state)
{
	struct rig f;
	int fd;

	(void)state;
	rig_start(&f, &rig_conf);
	fd = rig_dial(&f);
	rig_send_text(fd, "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f, f.stream != NULL);
	close(fd);
	AWAIT(&f, (httpd_stream_comment(f.stream), f.gone == 1));
	assert_false(httpd_stream_send(f.stream, "x", 1, "y"));
	httpd_stream_close(f.stream);
	rig_stop(&f);
	/* A stream that outlives the server. */
	rig_start(&f, &rig_conf);
	fd = rig_dial(&f);
	rig_send_text(fd, "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f, f.stream != NULL);
	rig_stop(&f);
	assert_int_equal(f.gone, 1);
	httpd_stream_close(f.stream);
	close(fd);
}

static void
tells_whether_the_client_left(void **state)
{
	struct rig f;
	int fd;

	(void)state;
	rig_start(&f, &rig_conf);
	fd = rig_dial(&f);
	rig_send_text(fd, "GET /v1/late HTTP/1.1\r\n" HOST "\r\n");
	AWAIT(&f, f.late != NULL);
	assert_false(httpd_left(f.late));
	close(fd);
	AWAIT(&f, httpd_left(f.late));
	httpd_reply(f.late, 200, NULL, NULL, 0);
	rig_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_late_and_keeps_the_connection),
		cmocka_unit_test(gives_504_and_takes_the_answer_after_it),
		cmocka_unit_test(cuts_slow_heads_and_bodies),
		cmocka_unit_test(streams_events),
		cmocka_unit_test(drops_a_stream_that_is_not_read),
		cmocka_unit_test(notices_that_a_reader_left),
		cmocka_unit_test(tells_whether_the_client_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
