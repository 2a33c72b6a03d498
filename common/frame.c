/*
 * frame.c - frames on a bufferevent. Promises: at most 64 KiB of frames per
 * callback, input and output are bounded, on_down comes once and never from
 * inside frame_send().
 */
#include "common/frame.h"

#include "common/pure/alloc.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 4
#define BYTES_PER_TURN (64 * 1024)

struct frame_link {
	struct loop *loop;
	struct bufferevent *bev;
	size_t max, queue_max;
	const struct frame_ops *ops;
	void *arg;
	struct loop_timer *later; /* rest of the input, or the bad news */
	struct mw_err why;
	bool down; /* broken; on_down is due or was called */
	bool told; /* on_down was called */
	bool closed;
};

static size_t
length_of(const uint8_t *p)
{
	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 |
	    p[3];
}

size_t
frame_scan(const uint8_t *p, size_t n, size_t max, const uint8_t **body,
    size_t *body_len)
{
	size_t len;

	if (n < HEAD)
		return 0;
	len = length_of(p);
	if (len == 0 || len > max)
		return SIZE_MAX;
	if (n - HEAD < len)
		return 0;
	*body = p + HEAD;
	*body_len = len;
	return HEAD + len;
}

/* Stops all traffic; on_down follows on the next turn. */
static void
go_down(struct frame_link *f)
{
	f->down = true;
	bufferevent_disable(f->bev, EV_READ | EV_WRITE);
	loop_timer_set(f->later, 0);
}

/* False: nothing more can be read now (or ever). */
static bool
read_one(struct frame_link *f, size_t *taken)
{
	struct evbuffer *in = bufferevent_get_input(f->bev);
	size_t have = evbuffer_get_length(in), len;
	const uint8_t *p;

	if (have < HEAD)
		return false;
	len = length_of(evbuffer_pullup(in, HEAD));
	if (len == 0 || len > f->max) {
		err_set(&f->why, MW_PROTO, 0,
		    "frame length %zu is not in 1..%zu bytes", len, f->max);
		go_down(f);
		return false;
	}
	if (have - HEAD < len)
		return false;
	p = evbuffer_pullup(in, (ev_ssize_t)(HEAD + len));
	f->ops->on_frame(f->arg, p + HEAD, len);
	evbuffer_drain(in, HEAD + len);
	*taken += HEAD + len;
	return !f->closed && !f->down;
}

static void
read_some(struct frame_link *f)
{
	size_t taken = 0;

	while (read_one(f, &taken))
		if (taken >= BYTES_PER_TURN) {
			loop_timer_set(f->later, 0);
			return;
		}
}

static void
on_later(void *arg)
{
	struct frame_link *f = arg;

	if (f->closed)
		return;
	if (!f->down) {
		read_some(f);
	} else if (!f->told) {
		f->told = true;
		f->ops->on_down(f->arg, &f->why);
	}
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct frame_link *f = arg;

	(void)bev;
	if (!f->closed && !f->down)
		read_some(f);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct frame_link *f = arg;
	unsigned long ssl;
	int sys = EVUTIL_SOCKET_ERROR();

	if (f->closed || f->down)
		return;
	if (what & BEV_EVENT_CONNECTED) {
		if (f->ops->on_up != NULL)
			f->ops->on_up(f->arg);
		return;
	}
	ssl = bufferevent_get_openssl_error(bev);
	if (ssl != 0)
		err_set(&f->why, MW_DENIED, 0, "TLS: %s",
		    ERR_reason_error_string(ssl) != NULL
			? ERR_reason_error_string(ssl)
			: "unknown error");
	else if (what & BEV_EVENT_TIMEOUT)
		err_set(&f->why, MW_TIMEOUT, 0, "the link timed out");
	else if (what & BEV_EVENT_EOF)
		err_set(&f->why, MW_UNREACHABLE, 0, "the peer closed the link");
	else
		err_set(&f->why, MW_UNREACHABLE, sys, "the link broke: %s",
		    sys != 0 ? evutil_socket_error_to_string(sys) : "unknown");
	/* Frames that came before the end still count. */
	while (!f->closed && !f->down) {
		size_t taken = 0;

		if (!read_one(f, &taken))
			break;
	}
	if (!f->closed && !f->down)
		go_down(f);
}

struct frame_link *
frame_new(struct loop *l, struct bufferevent *take_bev, size_t max,
    size_t queue_max, const struct frame_ops *ops, void *arg)
{
	struct frame_link *f = xcalloc(1, sizeof *f);

	f->loop = l;
	f->bev = take_bev;
	f->queue_max = queue_max;
	f->ops = ops;
	f->arg = arg;
	f->later = loop_timer_new(l, on_later, f);
	frame_set_max(f, max);
	/* Lengths tell a cut stream; peers that die say no TLS goodbye. */
	bufferevent_openssl_set_allow_dirty_shutdown(f->bev, 1);
	bufferevent_setcb(f->bev, on_read, NULL, on_event, f);
	bufferevent_enable(f->bev, EV_READ | EV_WRITE);
	return f;
}

bool
frame_send(struct frame_link *f, const void *p, size_t n)
{
	uint8_t head[HEAD] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };
	struct evbuffer *out = bufferevent_get_output(f->bev);

	if (f->closed || f->down || n == 0 || n > FRAME_MAX)
		return false;
	if (evbuffer_get_length(out) + HEAD + n > f->queue_max) {
		err_set(&f->why, MW_LIMIT, 0,
		    "the peer does not read: %zu bytes queued",
		    evbuffer_get_length(out));
		go_down(f);
		return false;
	}
	if (evbuffer_expand(out, HEAD + n) != 0 ||
	    evbuffer_add(out, head, HEAD) != 0 || evbuffer_add(out, p, n) != 0)
		abort();
	return true;
}

void
frame_set_max(struct frame_link *f, size_t max)
{
	f->max = max < FRAME_MAX ? max : FRAME_MAX;
	/* Room for one whole frame and the start of the next. */
	bufferevent_setwatermark(f->bev, EV_READ, 0,
	    HEAD + f->max + BYTES_PER_TURN);
}

size_t
frame_queued(const struct frame_link *f)
{
	return evbuffer_get_length(bufferevent_get_output(f->bev));
}

struct bufferevent *
frame_bev(struct frame_link *f)
{
	return f->bev;
}

static void
frame_free(void *p)
{
	struct frame_link *f = p;

	loop_timer_free(f->later);
	bufferevent_free(f->bev);
	free(f);
}

void
frame_close(struct frame_link *f)
{
	if (f == NULL || f->closed)
		return;
	f->closed = true;
	bufferevent_disable(f->bev, EV_READ | EV_WRITE);
	bufferevent_setcb(f->bev, NULL, NULL, NULL, NULL);
	loop_reap(f->loop, frame_free, f);
}
