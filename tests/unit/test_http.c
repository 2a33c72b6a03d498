/*
 * Calls over the shared multi against a small server on the same loop: what
 * was sent, how often, and that every call ends once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "drivers/driver.h"
#include "drivers/http.h"
#include "drivers/http_int.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

struct world {
	struct loop *loop;
	struct http *http;
	struct http_lane *lane;
	struct evconnlistener *listener;
	struct loop_timer *limit;
	unsigned requests, connections;
	unsigned fails; /* so many answers are 503 first */
	unsigned prepared; /* so many sends */
	char stamps[64]; /* the values of x-stamp that came in */
	unsigned open, most; /* unanswered requests */
	char base[64];
	size_t left;
	struct http_answer last;
	char body[256];
};

struct peer {
	struct world *w;
	struct bufferevent *bev;
	struct loop_timer *later;
};

static void
peer_free(void *p)
{
	struct peer *peer = p;

	bufferevent_free(peer->bev);
	loop_timer_free(peer->later);
	free(peer);
}

static void
say(struct peer *p, const char *status, const char *more, size_t n)
{
	struct evbuffer *out = bufferevent_get_output(p->bev);

	evbuffer_add_printf(out,
	    "HTTP/1.1 %s\r\nContent-Length: %zu\r\nX-Request-Id: r7\r\n%s\r\n",
	    status, n, more);
	for (size_t i = 0; i < n; i += 4096) {
		static const char block[4096] = { 'a' };

		evbuffer_add(out, block, n - i < 4096 ? n - i : 4096);
	}
	p->w->open--;
}

static void
say_later(void *arg)
{
	say(arg, "200 OK", "", 1);
}

static void
answer(struct peer *p, const char *path)
{
	struct world *w = p->w;

	w->requests++;
	if (++w->open > w->most)
		w->most = w->open;
	if (w->fails > 0) {
		w->fails--;
		say(p, "503 Busy", "", 0);
	} else if (str_starts(path, "/slow")) {
		loop_timer_set(p->later, 50 * NS_PER_MS);
	} else if (str_starts(path, "/drop")) {
		w->open--;
		loop_reap(w->loop, peer_free, p);
	} else if (str_starts(path, "/stall")) {
		;
	} else if (str_starts(path, "/big")) {
		say(p, "200 OK", "", HTTP_BODY_MAX + 1);
	} else if (str_starts(path, "/throttled")) {
		say(p, "429 Slow", "Retry-After: 7\r\n", 0);
	} else if (str_starts(path, "/dated")) {
		say(p, "400 No", "Date: Sat, 01 Jan 2050 00:00:00 GMT\r\n", 0);
	} else {
		say(p, "200 OK", "", 3);
	}
}

static void
note_stamp(struct world *w, struct evbuffer *in)
{
	const char *head = (const char *)evbuffer_pullup(in, -1);
	size_t n = evbuffer_get_length(in), have = strlen(w->stamps);
	const char *at = memmem(head, n, "x-stamp: ", 9);

	if (at && have + 3 < sizeof w->stamps)
		snprintf(w->stamps + have, sizeof w->stamps - have, "%c,",
		    at[9]);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct peer *p = arg;

	for (;;) {
		struct evbuffer_ptr end =
		    evbuffer_search(in, "\r\n\r\n", 4, NULL);
		char *line;

		if (end.pos < 0)
			return;
		line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);
		note_stamp(p->w, in);
		/* bodies of these tests are sent with the head */
		evbuffer_drain(in, evbuffer_get_length(in));
		answer(p, strchr(line, ' ') + 1);
		free(line);
	}
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct peer *p = arg;

	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		loop_reap(p->w->loop, peer_free, p);
}

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
    int len, void *arg)
{
	struct peer *p = xcalloc(1, sizeof *p);

	(void)l;
	(void)sa;
	(void)len;
	p->w = arg;
	p->w->connections++;
	p->later = loop_timer_new(p->w->loop, say_later, p);
	p->bev = bufferevent_socket_new(loop_base(p->w->loop), fd,
	    BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(p->bev, on_read, NULL, on_event, p);
	bufferevent_enable(p->bev, EV_READ | EV_WRITE);
}

static void
too_long(void *arg)
{
	(void)arg;
	fail_msg("no end within 30 s");
}

static int
set_up(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct http_lane_conf conf = { .name = "test", .allow_plain = true };
	struct world *w = xcalloc(1, sizeof *w);
	struct mw_err err = MW_ERR_INIT;
	socklen_t len = sizeof sin;

	log_init("test", LOG_ERROR);
	w->loop = loop_new();
	w->http = http_new(w->loop, &err);
	assert_non_null(w->http);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	w->listener = evconnlistener_new_bind(loop_base(w->loop), on_accept, w,
	    LEV_OPT_CLOSE_ON_FREE, 64, (struct sockaddr *)&sin, sizeof sin);
	assert_non_null(w->listener);
	getsockname(evconnlistener_get_fd(w->listener), (struct sockaddr *)&sin,
	    &len);
	snprintf(w->base, sizeof w->base, "http://127.0.0.1:%d",
	    ntohs(sin.sin_port));
	w->lane = http_lane_new(w->http, &conf);
	w->limit = loop_timer_new(w->loop, too_long, w);
	loop_timer_set(w->limit, 30 * NS_PER_S);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	http_lane_close(w->lane);
	http_free(w->http);
	if (w->listener)
		evconnlistener_free(w->listener);
	loop_timer_free(w->limit);
	/* the server's ends see theirs closed */
	for (int i = 0; i < 20; i++)
		event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
	loop_free(w->loop);
	free(w);
	return 0;
}

static void
done(const struct http_answer *a, void *arg)
{
	struct world *w = arg;

	assert_true(w->left > 0);
	w->last = *a;
	w->last.body = NULL;
	snprintf(w->body, sizeof w->body, "%.200s", a->body);
	if (--w->left == 0)
		loop_stop(w->loop);
}

static struct http_call *
submit(struct world *w, const char *method, const char *path, bool mutates,
    int64_t deadline_ms)
{
	char url[128];
	struct http_req req = { .method = method,
		.url = url,
		.mutates = mutates,
		.deadline_ms = deadline_ms };

	if (mutates) {
		req.body = "{}";
		req.body_len = 2;
	}
	snprintf(url, sizeof url, "%s%s", w->base, path);
	w->left++;
	return http_submit(w->lane, &req, done, w);
}

static void
reads_get_their_answer(void **state)
{
	struct world *w = *state;

	submit(w, "GET", "/ok", false, 0);
	assert_int_equal(w->left, 1); /* never from inside */
	loop_run(w->loop);
	assert_int_equal(w->last.end, HTTP_ANSWERED);
	assert_int_equal(w->last.status, 200);
	assert_int_equal(w->last.body_len, 3);
	assert_string_equal(w->last.request_id, "r7");
	assert_true(w->last.sent);
}

static void
reads_are_tried_again(void **state)
{
	struct world *w = *state;

	w->fails = 2;
	submit(w, "GET", "/ok", false, 20000);
	loop_run(w->loop);
	assert_int_equal(w->last.status, 200);
	assert_int_equal(w->last.tries, 3);
	assert_int_equal(w->requests, 3);
}

static void
stamp(struct http_send *send, void *arg)
{
	struct world *w = arg;
	char text[2] = { (char)('a' + w->prepared++), '\0' };

	http_send_header(send, "x-stamp", text);
}

/* A signature holds for one send. */
static void
each_try_is_prepared_anew(void **state)
{
	struct world *w = *state;
	char url[128];
	struct http_req req = { .method = "GET", .url = url, .prepare = stamp };

	w->fails = 2;
	snprintf(url, sizeof url, "%s/ok", w->base);
	w->left++;
	http_submit(w->lane, &req, done, w);
	loop_run(w->loop);
	assert_int_equal(w->last.status, 200);
	assert_int_equal(w->last.tries, 3);
	assert_string_equal(w->stamps, "a,b,c,");
}

static void
mutations_are_sent_once(void **state)
{
	struct world *w = *state;

	w->fails = 1;
	submit(w, "POST", "/ok", true, 0);
	loop_run(w->loop);
	assert_int_equal(w->last.status, 503);
	assert_int_equal(w->requests, 1);
	submit(w, "POST", "/drop", true, 0);
	loop_run(w->loop);
	assert_int_equal(w->last.end, HTTP_FAILED);
	assert_true(w->last.sent);
	assert_int_equal(w->requests, 2);
}

/* A reused connection that dies makes libcurl repeat the request: a POST must
 * not take one. */
static void
mutations_take_a_fresh_connection(void **state)
{
	struct world *w = *state;

	submit(w, "GET", "/ok", false, 0);
	loop_run(w->loop);
	submit(w, "GET", "/ok", false, 0);
	loop_run(w->loop);
	assert_int_equal(w->connections, 1);
	submit(w, "POST", "/ok", true, 0);
	loop_run(w->loop);
	assert_int_equal(w->connections, 2);
}

static void
refused_was_not_sent(void **state)
{
	struct world *w = *state;

	evconnlistener_free(w->listener);
	w->listener = NULL;
	submit(w, "POST", "/ok", true, 0);
	loop_run(w->loop);
	assert_int_equal(w->last.end, HTTP_FAILED);
	assert_false(w->last.sent);
}

static void
deadlines_hold(void **state)
{
	struct world *w = *state;

	submit(w, "POST", "/stall", true, 200);
	loop_run(w->loop);
	assert_int_equal(w->last.end, HTTP_TIMED_OUT);
	assert_true(w->last.sent);
	/* waiting for a try counts, too: Retry-After is beyond the deadline */
	submit(w, "GET", "/throttled", false, 1000);
	loop_run(w->loop);
	assert_int_equal(w->last.status, 429);
	assert_int_equal(w->last.retry_after_ms, 7000);
	assert_int_equal(w->last.tries, 1);
}

static void
a_date_tells_how_far_our_clock_is_off(void **state)
{
	const int64_t then = 2524608000;
	struct world *w = *state;
	int64_t off;

	submit(w, "GET", "/dated", false, 0);
	loop_run(w->loop);
	assert_true(w->last.has_date);
	off = then - clock_wall_ns() / NS_PER_S;
	assert_in_range(w->last.clock_off_s, off - 5, off + 5);
	submit(w, "GET", "/", false, 0);
	loop_run(w->loop);
	assert_false(w->last.has_date);
}

static void
rates_of_drivers_are_scaled(void **state)
{
	const struct http_lane_conf conf = { .name = "x", .rate_per_s = 10 };
	struct world *w = *state;
	struct drv_load load = { 0 };
	struct http_lane *lane;

	http_rate_scale(w->http, 3);
	lane = http_lane_new(w->http, &conf);
	http_lane_load(lane, &load);
	assert_true(load.rate_per_s > 29.9 && load.rate_per_s < 30.1);
	http_lane_close(lane);
}

static void
huge_answers_are_cut(void **state)
{
	struct world *w = *state;

	submit(w, "GET", "/big", false, 0);
	loop_run(w->loop);
	assert_int_equal(w->last.end, HTTP_FAILED);
	assert_non_null(strstr(w->last.error, "16 MiB"));
	assert_int_equal(w->requests, 1);
}

static void
canceled_calls_end_once(void **state)
{
	struct world *w = *state;
	struct http_call *c = submit(w, "POST", "/stall", true, 0);

	while (w->requests == 0)
		event_base_loop(loop_base(w->loop), EVLOOP_ONCE);
	http_cancel(c);
	http_cancel(c);
	assert_int_equal(w->left, 1);
	loop_run(w->loop);
	assert_int_equal(w->last.end, HTTP_CANCELED);
	assert_true(w->last.sent);
	c = submit(w, "POST", "/ok", true, 0);
	http_cancel(c);
	loop_run(w->loop);
	assert_false(w->last.sent);
}

static void
closing_ends_all(void **state)
{
	struct http_lane_conf conf = { .name = "other", .allow_plain = true };
	struct world *w = *state;

	submit(w, "GET", "/stall", false, 0);
	submit(w, "POST", "/stall", true, 0);
	http_lane_close(w->lane);
	loop_run(w->loop);
	assert_int_equal(w->left, 0);
	assert_int_equal(w->last.end, HTTP_CANCELED);
	w->lane = http_lane_new(w->http, &conf);
}

static void
lanes_limit_concurrency_and_queue(void **state)
{
	struct http_lane_conf conf = { .name = "narrow",
		.allow_plain = true,
		.in_flight_max = 3,
		.queue_max = 4 };
	struct world *w = *state;

	http_lane_close(w->lane);
	w->lane = http_lane_new(w->http, &conf);
	for (int i = 0; i < 8; i++)
		submit(w, "GET", "/slow", false, 0);
	loop_run(w->loop);
	assert_int_equal(w->requests, 7); /* 3 fly, 4 wait, one is refused */
	assert_int_equal(w->most, 3);
}

/* All others together have 253 calls in flight, of 256. */
static void
lanes_share_the_places_of_all(void **state)
{
	struct http_lane_conf conf = { .name = "other", .allow_plain = true };
	struct world *w = *state;
	struct http_lane *mine = w->lane, *other;

	other = http_lane_new(w->http, &conf);
	w->http->in_flight = 253;
	for (int i = 0; i < 6; i++)
		submit(w, "GET", "/slow", false, 0);
	assert_int_equal(mine->in_flight, 3);
	w->lane = other;
	for (int i = 0; i < 6; i++)
		submit(w, "GET", "/slow", false, 0);
	assert_int_equal(other->in_flight, 2); /* what it is sure of */
	assert_true(mine->starved && other->starved);
	loop_run(w->loop);
	assert_int_equal(w->requests, 12);
	assert_in_range(w->most, 3, 5);
	assert_int_equal(w->http->in_flight, 253);
	assert_false(mine->starved || other->starved);
	w->http->in_flight = 0;
	http_lane_close(other);
	w->lane = mine;
}

static void
a_lower_rate_can_be_set_for_all(void **state)
{
	struct http_lane_conf conf = { .name = "rated", .rate_per_s = 100 };
	struct world *w = *state;

	http_lane_close(w->lane);
	http_rate_max(w->http, 20);
	w->lane = http_lane_new(w->http, &conf);
	assert_true(w->lane->rate <= 20 && w->lane->rate >= 20);
	http_lane_close(w->lane);
	conf.rate_per_s = 0;
	w->lane = http_lane_new(w->http, &conf);
	assert_true(w->lane->rate <= 20 && w->lane->rate >= 20);
	http_lane_close(w->lane);
	conf.rate_per_s = 10;
	w->lane = http_lane_new(w->http, &conf);
	assert_true(w->lane->rate <= 10 && w->lane->rate >= 10);
	http_rate_max(w->http, 0);
}

static void
rates_hold(void **state)
{
	struct http_lane_conf conf = { .name = "rated",
		.allow_plain = true,
		.rate_per_s = 100,
		.burst = 2 };
	struct world *w = *state;

	http_lane_close(w->lane);
	w->lane = http_lane_new(w->http, &conf);
	for (int i = 0; i < 5; i++)
		submit(w, "GET", "/slow", false, 0);
	/* the burst leaves at once, the rest waits for tokens */
	assert_int_equal(w->lane->in_flight, 2);
	assert_int_equal(w->lane->nqueue, 3);
	loop_run(w->loop);
	assert_int_equal(w->requests, 5);
	http_lane_throttled(w->lane);
	assert_true(w->lane->rate < 51);
	/* the rest of the same crowd */
	http_lane_throttled(w->lane);
	assert_true(w->lane->rate > 49);
}

static void
unix_sockets_work(void **state)
{
	struct http_lane_conf conf = { .name = "unix" };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct world *w = *state;

	snprintf(sun.sun_path, sizeof sun.sun_path, "/tmp/mw-http-%d",
	    (int)getpid());
	unlink(sun.sun_path);
	evconnlistener_free(w->listener);
	w->listener = evconnlistener_new_bind(loop_base(w->loop), on_accept, w,
	    LEV_OPT_CLOSE_ON_FREE, 64, (struct sockaddr *)&sun, sizeof sun);
	conf.unix_path = sun.sun_path;
	http_lane_close(w->lane);
	w->lane = http_lane_new(w->http, &conf);
	str_copy(w->base, sizeof w->base, "http://localhost");
	submit(w, "GET", "/ok", false, 0);
	loop_run(w->loop);
	assert_int_equal(w->last.status, 200);
	unlink(sun.sun_path);
	evconnlistener_free(w->listener);
	w->listener = NULL;
	submit(w, "POST", "/ok", true, 0);
	loop_run(w->loop);
	assert_int_equal(w->last.end, HTTP_FAILED);
	assert_false(w->last.sent);
}

/* Nothing listens at the proxy's port. */
static void
loopback_needs_no_proxy(void **state)
{
	static const char *const names[] = { "http_proxy", "all_proxy",
		"ALL_PROXY" };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		setenv(names[i], "http://127.0.0.1:1", 1);
		submit(w, "POST", "/x", true, 0); /* a fresh connection */
		loop_run(w->loop);
		unsetenv(names[i]);
		assert_int_equal(w->last.end, HTTP_ANSWERED);
		assert_int_equal(w->last.status, 200);
	}
	assert_int_equal(w->requests, ARRAY_LEN(names));
	assert_false(w->lane->proxied);
}

/* SOCKS tells nothing of itself; the server here never greets. */
static void
socks_is_a_proxy(void **state)
{
	struct http_req req = { .method = "GET",
		.url = "https://cloud.example/",
		.deadline_ms = 200 };
	struct world *w = *state;
	char proxy[80];

	snprintf(proxy, sizeof proxy, "socks5h%s", strchr(w->base, ':'));
	setenv("ALL_PROXY", proxy, 1);
	w->left++;
	http_submit(w->lane, &req, done, w);
	loop_run(w->loop);
	assert_int_equal(w->last.end, HTTP_TIMED_OUT);
	assert_string_equal(w->lane->local_ip, "127.0.0.1");
	assert_true(w->lane->proxied);
	submit(w, "GET", "/ok", false, 0); /* this machine, without it */
	loop_run(w->loop);
	unsetenv("ALL_PROXY");
	assert_int_equal(w->last.status, 200);
	assert_false(w->lane->proxied);
}

static void
plain_http_needs_leave(void **state)
{
	struct http_lane_conf conf = { .name = "tls only" };
	struct world *w = *state;

	http_lane_close(w->lane);
	w->lane = http_lane_new(w->http, &conf);
	submit(w, "GET", "/ok", false, 0);
	loop_run(w->loop);
	assert_int_equal(w->last.end, HTTP_FAILED);
	assert_int_equal(w->requests, 0);
}

static void
retry_after_has_two_forms(void **state)
{
	static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
	int64_t wall = INT64_C(784111777) * NS_PER_S;

	(void)state;
	assert_int_equal(http_retry_after_ms("7", 1, wall), 7000);
	assert_int_equal(http_retry_after_ms("-7", 2, wall), 0);
	assert_int_equal(http_retry_after_ms(date, sizeof date - 1,
			     wall - 5 * NS_PER_S),
	    5000);
	assert_int_equal(http_retry_after_ms(date, sizeof date - 1, wall), 0);
	assert_int_equal(http_retry_after_ms("soon", 4, wall), 0);
}

static void
escaping_keeps_what_may_stay(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	http_add_escaped(&s, "aZ9-._~ /?&=%\xc3\xa4");
	assert_string_equal(str_cstr(&s), "aZ9-._~%20%2F%3F%26%3D%25%C3%A4");
	str_free(&s);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(reads_get_their_answer),
		WITH_WORLD(reads_are_tried_again),
		WITH_WORLD(each_try_is_prepared_anew),
		WITH_WORLD(mutations_are_sent_once),
		WITH_WORLD(mutations_take_a_fresh_connection),
		WITH_WORLD(refused_was_not_sent),
		WITH_WORLD(deadlines_hold),
		WITH_WORLD(huge_answers_are_cut),
		WITH_WORLD(canceled_calls_end_once),
		WITH_WORLD(closing_ends_all),
		WITH_WORLD(lanes_limit_concurrency_and_queue),
		WITH_WORLD(lanes_share_the_places_of_all),
		WITH_WORLD(a_lower_rate_can_be_set_for_all),
		WITH_WORLD(rates_hold),
		WITH_WORLD(unix_sockets_work),
		WITH_WORLD(loopback_needs_no_proxy),
		WITH_WORLD(socks_is_a_proxy),
		WITH_WORLD(plain_http_needs_leave),
		WITH_WORLD(a_date_tells_how_far_our_clock_is_off),
		WITH_WORLD(rates_of_drivers_are_scaled),
		cmocka_unit_test(retry_after_has_two_forms),
		cmocka_unit_test(escaping_keeps_what_may_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
