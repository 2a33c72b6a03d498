/*
 * httpd_stream.c - server-sent events. The reply is pulled by MHD out of a
 * bounded buffer; while the buffer is empty the connection is suspended. A
 * reader that is more than 1 MiB behind is dropped.
 */
#include "common/httpd_int.h"

#include "common/pure/alloc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_MAX ((size_t)1024 * 1024)
#define BLOCK 4096

struct httpd_stream {
	struct httpd_req *req; /* NULL: the client is gone */
	struct str buf;
	size_t sent; /* of buf */
	void (*on_gone)(void *arg);
	void *gone_arg;
	bool dead; /* dropped or gone */
	bool closed; /* by its owner */
	bool released; /* by MHD */
};

static void
maybe_free(struct httpd_stream *s)
{
	if (!s->closed || !s->released)
		return;
	str_free(&s->buf);
	free(s);
}

static ssize_t
on_pull(void *cls, uint64_t pos, char *out, size_t max)
{
	struct httpd_stream *s = cls;
	size_t n = s->buf.len - s->sent;

	(void)pos;
	if (n == 0) {
		if (s->closed || s->dead)
			return MHD_CONTENT_READER_END_OF_STREAM;
		s->req->suspended = true;
		MHD_suspend_connection(s->req->mhd);
		return 0;
	}
	if (n > max)
		n = max;
	memcpy(out, s->buf.p + s->sent, n);
	s->sent += n;
	if (s->sent == s->buf.len) {
		str_reset(&s->buf);
		s->sent = 0;
	} else if (s->sent >= BUFFER_MAX / 4) {
		str_consume(&s->buf, s->sent);
		s->sent = 0;
	}
	return (ssize_t)n;
}

static void
on_release(void *cls)
{
	struct httpd_stream *s = cls;

	/* MHD may release the response before it completes the request. */
	if (s->req != NULL)
		httpd_stream_gone(s);
	s->released = true;
	maybe_free(s);
}

struct httpd_stream *
httpd_stream_open(struct httpd_req *req)
{
	struct httpd_stream *s = xcalloc(1, sizeof *s);
	struct MHD_Response *r;

	req->answered = true;
	req->on_gone = NULL;
	if (req->ended || req->response != NULL) {
		s->dead = s->released = true;
		if (req->ended)
			httpd_req_free(req);
		return s;
	}
	s->req = req;
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_pull,
	    s, on_release);
	if (r == NULL)
		abort();
	MHD_add_response_header(r, "Content-Type", "text/event-stream");
	httpd_apply_headers(req, r);
	req->stream = s;
	httpd_queue(req, MHD_HTTP_OK, r);
	return s;
}

static bool
put(struct httpd_stream *s, const char *bytes, size_t n)
{
	if (s->dead || s->closed)
		return false;
	if (s->buf.len - s->sent + n > BUFFER_MAX) {
		/* MHD waits for a socket that does not drain. */
		s->dead = true;
		httpd_cut(s->req);
		return false;
	}
	str_addn(&s->buf, bytes, n);
	httpd_wake(s->req);
	return true;
}

bool
httpd_stream_send(struct httpd_stream *s, const char *event, uint64_t id,
    const char *data)
{
	struct str text = STR_INIT;
	bool ok;

	if (id != 0)
		str_addf(&text, "id: %" PRIu64 "\n", id);
	if (event != NULL)
		str_addf(&text, "event: %s\n", event);
	for (;;) {
		size_t n = strcspn(data, "\r\n");

		str_add(&text, "data: ");
		str_addn(&text, data, n);
		str_addc(&text, '\n');
		data += n;
		if (*data == '\0')
			break;
		data++;
	}
	str_addc(&text, '\n');
	ok = put(s, text.p, text.len);
	str_free(&text);
	return ok;
}

void
httpd_stream_comment(struct httpd_stream *s)
{
	put(s, ":\n\n", 3);
}

void
httpd_stream_on_gone(struct httpd_stream *s, void (*cb)(void *arg), void *arg)
{
	s->on_gone = cb;
	s->gone_arg = arg;
}

void
httpd_stream_gone(struct httpd_stream *s)
{
	void (*cb)(void *arg) = s->on_gone;

	if (s->req != NULL)
		s->req->stream = NULL;
	s->req = NULL;
	s->dead = true;
	s->on_gone = NULL;
	if (cb != NULL && !s->closed)
		cb(s->gone_arg);
}

void
httpd_stream_close(struct httpd_stream *s)
{
	if (s == NULL || s->closed)
		return;
	s->closed = true;
	s->on_gone = NULL;
	if (s->req != NULL)
		httpd_wake(s->req); /* to send the end */
	maybe_free(s);
}
