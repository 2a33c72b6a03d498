/*
 * test_reach.c - methods one after the other, over the loopback: a handshake
 * with an open port, a refusal, nobody there; and the answer at the deadline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/probe/icmp.h"
#include "agent/probe/reach.h"
#include "common/clock.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_NS (20 * NS_PER_S)
#define LOCAL 0x7f000001
#define FILLERS 4

static struct loop *loop;
static struct reach_result got[4];
static int64_t got_rtt[4][REACH_COUNT_MAX];
static size_t ngot;
static bool ended, was_late, busy;

static void
on_done(void *arg, struct reach_result *results, bool late)
{
	ended = true;
	was_late = late;
	ngot = *(size_t *)arg;
	for (size_t i = 0; i < ngot; i++) {
		got[i] = results[i];
		memcpy(got_rtt[i], results[i].rtt_ns,
		    results[i].n * sizeof(int64_t));
	}
	loop_stop(loop);
}

static void
too_long(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static bool
is_busy(void *arg)
{
	(void)arg;
	return busy;
}

static void
run(const struct reach_target *t, size_t n, uint32_t count, int64_t deadline_ns)
{
	struct reach_conf conf;
	struct loop_timer *stop;
	struct reach *r;

	loop = loop_new();
	conf = (struct reach_conf){ .loop = loop,
		.targets = t,
		.n = n,
		.count = count,
		.gap_ns = 5 * NS_PER_MS,
		.timeout_ns = 300 * NS_PER_MS,
		.deadline_ns = clock_mono_ns() + deadline_ns,
		.is_busy = is_busy,
		.on_done = on_done,
		.arg = &n };
	ended = was_late = false;
	stop = loop_timer_new(loop, too_long, NULL);
	loop_timer_set(stop, DEADLINE_NS);
	r = reach_start(&conf);
	loop_run(loop);
	reach_free(r);
	loop_timer_free(stop);
	loop_free(loop);
	assert_true(ended);
	assert_int_equal(ngot, n);
}

/* A port of ours: open for handshakes, or bound only, so that it refuses. */
static uint16_t
port_of(int *fd, bool open)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;

	*fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(*fd >= 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&a, sizeof a), 0);
	if (open)
		assert_int_equal(listen(*fd, 64), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin_port);
}

static void
handshakes(void **state)
{
	int open, closed;
	struct reach_target t[] = { { LOCAL, port_of(&open, true), REACH_TCP },
		{ LOCAL + 1, port_of(&closed, false), REACH_TCP },
		{ LOCAL + 2, 0, REACH_TCP } };

	(void)state;
	run(t, 3, 9, DEADLINE_NS);
	assert_false(was_late);
	/* No more than REACH_TCP_MAX, whatever was asked. */
	assert_int_equal(got[0].n, REACH_TCP_MAX);
	assert_int_equal(got[0].lost, 0);
	assert_int_equal(got[0].method, MATRIX_TCP_INFO);
	assert_int_equal(got[0].flags, 0); /* ICMP was not tried */
	for (uint32_t i = 0; i < got[0].n; i++)
		assert_in_range(got_rtt[0][i], 1, NS_PER_S);
	assert_true(got[1].asked && got[1].refused);
	assert_int_equal(got[1].n, 0);
	assert_int_equal(got[1].lost, REACH_TCP_MAX);
	assert_false(got[2].asked); /* no port */
	close(open);
	close(closed);
}

static void
busy_is_no_loss(void **state)
{
	int open;
	struct reach_target t = { LOCAL, port_of(&open, true), REACH_ALL };

	(void)state;
	busy = true;
	run(&t, 1, 3, DEADLINE_NS);
	busy = false;
	assert_int_equal(got[0].n, 0);
	assert_int_equal(got[0].lost, 0);
	assert_true(got[0].skipped);
	close(open);
}

/* The datagram socket if the kernel permits it here. */
static void
icmp_first(void **state)
{
	struct reach_target t[] = { { LOCAL, 0, REACH_ALL } };
	struct mw_err err = MW_ERR_INIT;
	struct sample_target one = { LOCAL, 0 };
	struct sample_conf conf = { .targets = &one, .n = 1, .count = 1 };
	struct icmp *x;
	bool permitted;

	(void)state;
	conf.loop = loop_new();
	permitted = icmp_start(&conf, &x, &err);
	if (permitted)
		icmp_free(x);
	loop_free(conf.loop);
	run(t, 1, 4, DEADLINE_NS);
	if (!permitted) {
		assert_int_equal(err.code, MW_DENIED);
		assert_false(got[0].asked);
		print_message("ping_group_range forbids ICMP here\n");
		return;
	}
	assert_int_equal(got[0].n, 4);
	assert_int_equal(got[0].method, MATRIX_ICMP);
	assert_int_equal(got[0].flags & MATRIX_F_TX_USER, 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_in_range(got_rtt[0][i], 1, NS_PER_S);
}

/* A listener that never accepts and has a full queue drops handshakes. */
static uint16_t
silent_port(int fds[FILLERS + 1])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(LOCAL) };
	socklen_t size = sizeof a;

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fds[0], (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fds[0], 0), 0);
	assert_int_equal(getsockname(fds[0], (struct sockaddr *)&a, &size), 0);
	for (size_t i = 1; i <= FILLERS; i++) {
		fds[i] = socket(AF_INET,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(fds[i], (struct sockaddr *)&a, sizeof a);
	}
	return ntohs(a.sin_port);
}

static void
deadline_answers(void **state)
{
	int fds[FILLERS + 1];
	struct reach_target t = { LOCAL, silent_port(fds), REACH_TCP };

	(void)state;
	run(&t, 1, 3, 30 * NS_PER_MS);
	assert_int_equal(got[0].n, 0);
	assert_true(was_late);
	for (size_t i = 0; i <= FILLERS; i++)
		close(fds[i]);
}

static void
method_names(void **state)
{
	(void)state;
	assert_int_equal(reach_method("icmp"), REACH_ICMP);
	assert_int_equal(reach_method("icmpRaw"), REACH_ICMP_RAW);
	assert_int_equal(reach_method("tcpInfo"), REACH_TCP);
	assert_int_equal(reach_method("udpEcho"), 0);
	assert_int_equal(reach_method(""), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes),
		cmocka_unit_test(busy_is_no_loss),
		cmocka_unit_test(icmp_first),
		cmocka_unit_test(deadline_answers),
		cmocka_unit_test(method_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
