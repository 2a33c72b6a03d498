/*
 * test_frame.c - frames on socket pairs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/frame.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct side {
	struct loop *loop;
	struct frame_link *link;
	struct str got; /* lengths and first bytes */
	size_t frames, bytes;
	bool down, close_on_frame;
	struct mw_err why;
};

static void
on_frame(void *arg, const uint8_t *p, size_t n)
{
	struct side *s = arg;

	s->frames++;
	s->bytes += n;
	str_addf(&s->got, "%zu:%c ", n, p[0]);
	if (s->close_on_frame)
		frame_close(s->link);
}

static void
on_down(void *arg, const struct mw_err *why)
{
	struct side *s = arg;

	assert_false(s->down);
	s->down = true;
	s->why = *why;
}

static const struct frame_ops ops = { on_frame, on_down, NULL };

static void
open_side(struct side *s, size_t max, size_t queue, int *peer)
{
	int fd[2];

	*s = (struct side){ .loop = loop_new() };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
			     fd),
	    0);
	s->link = frame_new(s->loop,
	    bufferevent_socket_new(loop_base(s->loop), fd[0],
		BEV_OPT_CLOSE_ON_FREE),
	    max, queue, &ops, s);
	*peer = fd[1];
}

static void
close_side(struct side *s, int peer)
{
	frame_close(s->link);
	loop_free(s->loop);
	str_free(&s->got);
	if (peer >= 0)
		close(peer);
}

#define AWAIT(s, cond)                                              \
	do {                                                        \
		int64_t end_ = clock_mono_ns() + 10 * NS_PER_S;     \
		while (!(cond)) {                                   \
			if (clock_mono_ns() > end_)                 \
				fail_msg("waited in vain: " #cond); \
			event_base_loop(loop_base((s)->loop),       \
			    EVLOOP_NONBLOCK);                       \
		}                                                   \
	} while (0)

static void
joins_frames_split_at_every_byte(void **state)
{
	static const char bytes[] = "\0\0\0\1a\0\0\0\3bcd\0\0\0\2ef";
	struct side s;
	int peer;

	(void)state;
	for (size_t cut = 0; cut < sizeof bytes - 1; cut++) {
		open_side(&s, 100, 100, &peer);
		send(peer, bytes, cut, 0);
		for (int i = 0; i < 3; i++)
			event_base_loop(loop_base(s.loop), EVLOOP_NONBLOCK);
		send(peer, bytes + cut, sizeof bytes - 1 - cut, 0);
		AWAIT(&s, s.frames == 3);
		assert_string_equal(str_cstr(&s.got), "1:a 3:b 2:e ");
		assert_false(s.down);
		close_side(&s, peer);
	}
}

static void
broken_lengths_end_the_link(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = { { "\0\0\0\0", 4 }, { "\0\0\0\x65", 4 },
		{ "\xff\xff\xff\xff", 4 }, { "GET / HTTP/1.1\r\n", 16 } };
	struct side s;
	int peer;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		open_side(&s, 100, 100, &peer);
		send(peer, bad[i].bytes, bad[i].n, 0);
		AWAIT(&s, s.down);
		assert_int_equal(s.why.code, MW_PROTO);
		assert_int_equal(s.frames, 0);
		assert_false(frame_send(s.link, "x", 1));
		close_side(&s, peer);
	}
}

static void
hears_that_the_peer_left(void **state)
{
	struct side s;
	int peer;

	(void)state;
	open_side(&s, 100, 100, &peer);
	send(peer, "\0\0\0\1a\0\0", 7, 0);
	close(peer);
	AWAIT(&s, s.down);
	assert_int_equal(s.frames, 1);
	assert_int_equal(s.why.code, MW_UNREACHABLE);
	close_side(&s, -1);
}

static size_t
receive(int fd, char *buf, size_t size, size_t *have)
{
	ssize_t n = recv(fd, buf + *have, size - *have, 0);

	*have += n > 0 ? (size_t)n : 0;
	return *have;
}

static void
sends_frames(void **state)
{
	struct side s;
	char buf[64];
	int peer;
	size_t have = 0;

	(void)state;
	open_side(&s, 100, 100, &peer);
	assert_true(frame_send(s.link, "abc", 3));
	assert_int_equal(frame_queued(s.link), 7);
	assert_false(frame_send(s.link, "", 0));
	AWAIT(&s, receive(peer, buf, sizeof buf, &have) >= 7);
	assert_memory_equal(buf, "\0\0\0\3abc", 7);
	close_side(&s, peer);
}

static void
a_peer_that_does_not_read_is_dropped(void **state)
{
	static char big[60000];
	struct side s;
	int peer, sent = 0;

	(void)state;
	open_side(&s, 100, 200000, &peer);
	while (frame_send(s.link, big, sizeof big) && sent < 1000) {
		sent++;
		event_base_loop(loop_base(s.loop), EVLOOP_NONBLOCK);
	}
	assert_true(sent < 1000);
	assert_false(s.down); /* not from inside frame_send() */
	AWAIT(&s, s.down);
	assert_int_equal(s.why.code, MW_LIMIT);
	close_side(&s, peer);
}

static void
may_be_closed_inside_its_callback(void **state)
{
	struct side s;
	int peer;

	(void)state;
	open_side(&s, 100, 100, &peer);
	s.close_on_frame = true;
	send(peer, "\0\0\0\1a\0\0\0\1b", 10, 0);
	AWAIT(&s, s.frames == 1);
	for (int i = 0; i < 10; i++)
		event_base_loop(loop_base(s.loop), EVLOOP_NONBLOCK);
	assert_int_equal(s.frames, 1);
	assert_false(s.down);
	s.link = NULL;
	close_side(&s, peer);
}

enum {
	FEED_FRAMES = 300,
	FEED_LEN = 3000
};

struct feed {
	int fd;
	uint8_t frame[FEED_LEN + 4];
	size_t sent, off;
};

/* Sends as much as the socket takes. */
static void
push(struct feed *f)
{
	while (f->sent < FEED_FRAMES) {
		ssize_t n =
		    send(f->fd, f->frame + f->off, sizeof f->frame - f->off, 0);

		if (n <= 0)
			return;
		f->off += (size_t)n;
		if (f->off == sizeof f->frame) {
			f->off = 0;
			f->sent++;
		}
	}
}

static void
large_input_takes_several_turns(void **state)
{
	static struct feed feed = { .frame = { 0, 0, FEED_LEN >> 8,
					FEED_LEN & 255, 'x' } };
	struct side s;
	int peer, turns = 0;

	(void)state;
	open_side(&s, FEED_LEN, 100, &peer);
	feed.fd = peer;
	AWAIT(&s, (turns++, push(&feed), s.frames == FEED_FRAMES));
	assert_int_equal(s.bytes, FEED_FRAMES * FEED_LEN);
	assert_true(turns > FEED_FRAMES * FEED_LEN / (128 * 1024));
	close_side(&s, peer);
}

static void
scan_is_exact(void **state)
{
	const uint8_t *body;
	size_t len;

	(void)state;
	assert_int_equal(frame_scan((const uint8_t *)"\0\0\0", 3, 9, &body,
			     &len),
	    0);
	assert_int_equal(frame_scan((const uint8_t *)"\0\0\0\2a", 5, 9, &body,
			     &len),
	    0);
	assert_int_equal(frame_scan((const uint8_t *)"\0\0\0\2ab!", 7, 9, &body,
			     &len),
	    6);
	assert_memory_equal(body, "ab", 2);
	assert_int_equal(len, 2);
	assert_true(frame_scan((const uint8_t *)"\0\0\0\x0a", 4, 9, &body,
			&len) == SIZE_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_frames_split_at_every_byte),
		cmocka_unit_test(broken_lengths_end_the_link),
		cmocka_unit_test(hears_that_the_peer_left),
		cmocka_unit_test(sends_frames),
		cmocka_unit_test(a_peer_that_does_not_read_is_dropped),
		cmocka_unit_test(may_be_closed_inside_its_callback),
		cmocka_unit_test(large_input_takes_several_turns),
		cmocka_unit_test(scan_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
