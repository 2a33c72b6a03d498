/*
 * httpd.c - libmicrohttpd on the loop. Owns the daemon and its pump, the
 * absolute deadlines of connections, and the course of a request: head,
 * guards, admission, body, handler, late reply.
 *
 * libmicrohttpd has no absolute deadlines, does not watch a suspended
 * connection, and does nothing after a resume until it is run again. Hence
 * the timers and httpd_wake() here.
 */
#include "common/httpd_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BODY_MAX_DEFAULT ((size_t)1024 * 1024)
#define CONNECTIONS_DEFAULT 1024
#define PER_ADDRESS_DEFAULT 64
#define HEAD_MS_DEFAULT 5000
#define BODY_MS_DEFAULT 30000
#define REPLY_MS_DEFAULT 30000
#define IDLE_S 60
#define POOL_BYTES (24 * 1024) /* of a connection: head 16 KiB and reply head */
#define BACKLOG 1024
#define PUMPS 4 /* in one go */
#define REST_LEAST_NS (100 * NS_PER_US)

struct httpd {
	struct loop *loop;
	struct httpd_conf conf;
	struct MHD_Daemon *mhd;
	struct event *ready; /* MHD's epoll descriptor; goes before others */
	struct event *again; /* the end of a rest */
	struct loop_timer *pump_timer;
	struct httpd_req *reqs;
	char *unix_path;
	uint16_t port;
};

enum conn_wait { /* what the connection's timer waits for */
	WAIT_BYTE,
	WAIT_HEAD,
	WAIT_BODY,
	WAIT_NOTHING
};

struct conn {
	struct httpd *httpd;
	int fd; /* owned by MHD: shutdown() only */
	enum conn_wait wait;
	struct loop_timer *timer;
	struct event *first_byte;
};

static void
pump(void *arg)
{
	struct httpd *h = arg;
	MHD_UNSIGNED_LONG_LONG ms = 1;

	/* An answer takes two or three of them. */
	for (int i = 0; i < PUMPS; i++) {
		MHD_run(h->mhd);
		if (MHD_get_timeout(h->mhd, &ms) != MHD_YES)
			return;
		if (ms > 0)
			break;
	}
	loop_timer_set(h->pump_timer, (int64_t)ms * NS_PER_MS);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct httpd *h = arg;
	int64_t began = clock_mono_ns(), took;
	struct timeval rest = { 0 };

	(void)fd;
	(void)what;
	pump(h);
	if (!loop_waits(h->loop))
		return;
	/* Others wait: they get as much time as this took. */
	took = clock_mono_ns() - began + REST_LEAST_NS;
	rest.tv_sec = took / NS_PER_S;
	rest.tv_usec = took % NS_PER_S / NS_PER_US;
	event_del(h->ready);
	event_add(h->again, &rest);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct httpd *h = arg;

	(void)fd;
	(void)what;
	event_add(h->ready, NULL);
}

/* Never from inside of MHD_run(): pump on the next turn. */
static void
pump_later(struct httpd *h)
{
	loop_timer_set(h->pump_timer, 0);
}

/* Connections and their deadlines. */

static void
conn_wait(struct conn *c, enum conn_wait wait)
{
	const struct httpd_conf *conf = &c->httpd->conf;
	const int64_t after_ms[] = {
		[WAIT_BYTE] = IDLE_S * 1000,
		[WAIT_HEAD] = conf->head_deadline_ms,
		[WAIT_BODY] = conf->body_deadline_ms,
	};

	c->wait = wait;
	if (wait == WAIT_BYTE)
		event_add(c->first_byte, NULL);
	else
		event_del(c->first_byte);
	if (wait == WAIT_NOTHING)
		loop_timer_clear(c->timer);
	else
		loop_timer_set(c->timer, after_ms[wait] * NS_PER_MS);
}

static void
on_conn_deadline(void *arg)
{
	struct conn *c = arg;

	shutdown(c->fd, SHUT_RDWR);
}

static void
on_first_byte(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->wait == WAIT_BYTE)
		conn_wait(c, WAIT_HEAD);
}

static void
on_connection(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	struct httpd *h = cls;
	struct conn *c = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		c = xcalloc(1, sizeof *c);
		c->httpd = h;
		c->fd = MHD_get_connection_info(mhd,
		    MHD_CONNECTION_INFO_CONNECTION_FD)
			    ->connect_fd;
		c->timer = loop_timer_new(h->loop, on_conn_deadline, c);
		c->first_byte = event_new(loop_base(h->loop), c->fd, EV_READ,
		    on_first_byte, c);
		if (c->first_byte == NULL)
			abort();
		conn_wait(c, WAIT_BYTE);
		*context = c;
	} else if (c != NULL) {
		loop_timer_free(c->timer);
		event_free(c->first_byte);
		free(c);
		*context = NULL;
	}
}

static struct conn *
conn_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
	    ->socket_context;
}

void
httpd_cut(struct httpd_req *req)
{
	if (req->mhd != NULL)
		shutdown(conn_of(req->mhd)->fd, SHUT_RDWR);
}

/* The course of a request. */

static void
tell_gone(struct httpd_req *req)
{
	void (*cb)(void *arg) = req->on_gone;

	req->on_gone = NULL;
	if (cb != NULL && !req->answered)
		cb(req->gone_arg);
}

static void
on_reply_deadline(void *arg)
{
	struct httpd_req *req = arg;
	struct mw_err err;

	err_set(&err, MW_TIMEOUT, 0, "the answer took too long");
	err_hint(&err, "ask again; nothing was canceled");
	httpd_problem(req, &err);
	tell_gone(req);
}

static void
peer_name(struct MHD_Connection *mhd, char out[16])
{
	const struct sockaddr *sa =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
		->client_addr;
	struct sockaddr_in sin;

	if (sa == NULL || sa->sa_family != AF_INET) {
		str_copy(out, 16, "unix");
		return;
	}
	memcpy(&sin, sa, sizeof sin);
	inet_ntop(AF_INET, &sin.sin_addr, out, 16);
}

/* The request line is complete. What this returns is the request's context. */
static void *
on_request_line(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct httpd *h = cls;
	struct httpd_req *req = xcalloc(1, sizeof *req);
	struct conn *c = conn_of(mhd);

	if (c->wait != WAIT_HEAD)
		conn_wait(c, WAIT_HEAD);
	req->httpd = h;
	req->mhd = mhd;
	req->target = xstrdup(uri);
	peer_name(mhd, req->peer);
	req->next = h->reqs;
	if (h->reqs != NULL)
		h->reqs->prev = req;
	h->reqs = req;
	return req;
}

static void
req_unlink(struct httpd_req *req)
{
	if (req->prev != NULL)
		req->prev->next = req->next;
	else
		req->httpd->reqs = req->next;
	if (req->next != NULL)
		req->next->prev = req->prev;
	req->prev = req->next = NULL;
}

/* MHD has done with the request: sent, or the client left. */
static void
on_completed(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_RequestTerminationCode why)
{
	struct httpd_req *req = *context;

	(void)cls;
	(void)why;
	*context = NULL;
	if (req == NULL)
		return;
	conn_wait(conn_of(mhd), WAIT_BYTE);
	req_unlink(req);
	req->httpd = NULL;
	req->mhd = NULL;
	req->suspended = false;
	loop_timer_free(req->deadline);
	req->deadline = NULL;
	/* What no handler has seen needs no answer. */
	if (req->phase < PHASE_WORK)
		req->answered = true;
	tell_gone(req);
	if (req->stream != NULL)
		httpd_stream_gone(req->stream);
	/* Only now: an answer given inside the callbacks must not free it. */
	req->ended = true;
	if (req->answered)
		httpd_req_free(req);
}

void
httpd_wake(struct httpd_req *req)
{
	if (!req->suspended || req->mhd == NULL)
		return;
	req->suspended = false;
	MHD_resume_connection(req->mhd);
	pump_later(req->httpd);
}

void
httpd_queue(struct httpd_req *req, int status,
    struct MHD_Response *take_response)
{
	if (req->response != NULL || req->ended) {
		MHD_destroy_response(take_response);
		return;
	}
	req->status = status;
	req->response = take_response;
	httpd_wake(req);
}

static enum MHD_Result
send_reply(struct httpd_req *req)
{
	enum MHD_Result r;

	req->phase = PHASE_REPLY;
	if (req->deadline != NULL)
		loop_timer_clear(req->deadline);
	conn_wait(conn_of(req->mhd), WAIT_NOTHING);
	r = MHD_queue_response(req->mhd, (unsigned)req->status, req->response);
	MHD_destroy_response(req->response); /* MHD holds its own count */
	return r;
}

/* The head is complete: all that can be refused is refused before the body. */
static enum MHD_Result
take_head(struct httpd *h, struct httpd_req *req, const char *method)
{
	const struct httpd_conf *conf = &h->conf;
	struct mw_err err = MW_ERR_INIT;

	req->method = xstrdup(method);
	if (!httpd_guard_head(req, conf->hosts, conf->body_max, &err) ||
	    !httpd_parse_target(req, &err)) {
		httpd_add_header(req, "Connection", "close");
	} else if (httpd_route_find(req, conf->routes, conf->nroutes, &err)) {
		if (conf->admit == NULL ||
		    conf->admit(req, req->route, conf->ctx, &err)) {
			req->phase = PHASE_BODY;
			conn_wait(conn_of(req->mhd), WAIT_BODY);
			return MHD_YES;
		}
		/* Unknown is 401, known but not allowed is 403. */
		if (err.code == MW_DENIED && req->user == NULL) {
			req->fail_status = MHD_HTTP_UNAUTHORIZED;
			httpd_add_header(req, "WWW-Authenticate", "Bearer");
		}
	}
	req->answered = true; /* by us */
	httpd_problem(req, &err);
	return send_reply(req);
}

static enum MHD_Result
take_body(struct httpd *h, struct httpd_req *req, const char *data, size_t *n)
{
	/* MHD takes no reply while the body comes: it is read to its end,
	 * within the deadline, and thrown away. */
	if (req->body_too_large || *n > h->conf.body_max - req->body.len) {
		req->body_too_large = true;
		str_free(&req->body);
	} else {
		str_addn(&req->body, data, *n);
	}
	*n = 0;
	return MHD_YES;
}

static enum MHD_Result
take_end(struct httpd *h, struct httpd_req *req)
{
	struct mw_err err;

	conn_wait(conn_of(req->mhd), WAIT_NOTHING);
	req->phase = PHASE_WORK;
	if (req->body_too_large) {
		req->answered = true;
		req->fail_status = MHD_HTTP_CONTENT_TOO_LARGE;
		err_set(&err, MW_LIMIT, 0, "the body is larger than %zu bytes",
		    h->conf.body_max);
		httpd_problem(req, &err);
		return send_reply(req);
	}
	req->deadline = loop_timer_new(h->loop, on_reply_deadline, req);
	loop_timer_set(req->deadline, h->conf.reply_deadline_ms * NS_PER_MS);
	req->route->handler(req, h->conf.ctx);
	if (req->response != NULL)
		return send_reply(req);
	req->suspended = true;
	MHD_suspend_connection(req->mhd);
	return MHD_YES;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *n,
    void **context)
{
	struct httpd *h = cls;
	struct httpd_req *req = *context;

	(void)mhd;
	(void)url;
	(void)version;
	switch (req->phase) {
	case PHASE_HEAD: return take_head(h, req, method);
	case PHASE_BODY:
		return *n > 0 ? take_body(h, req, data, n) : take_end(h, req);
	case PHASE_WORK:
		if (req->response != NULL)
			return send_reply(req);
		req->suspended = true;
		MHD_suspend_connection(mhd);
		return MHD_YES;
	case PHASE_REPLY: break;
	}
	return MHD_NO;
}

static enum MHD_Result
on_accept(void *cls, const struct sockaddr *sa, socklen_t len)
{
	const struct httpd *h = cls;
	struct sockaddr_in sin;

	if (h->conf.accept == NULL || sa->sa_family != AF_INET ||
	    len < sizeof sin)
		return MHD_YES;
	memcpy(&sin, sa, sizeof sin);
	return h->conf.accept(ntohl(sin.sin_addr.s_addr), h->conf.ctx) ? MHD_YES
								       : MHD_NO;
}

/* Leaves the target as it was sent: our router decodes it, once. */
static size_t
keep_escaped(void *cls, struct MHD_Connection *mhd, char *s)
{
	(void)cls;
	(void)mhd;
	return strlen(s);
}

static void mw_printf(2, 0) on_mhd_log(void *cls, const char *fmt, va_list ap)
{
	struct str raw = STR_INIT, text = STR_INIT;

	(void)cls;
	str_vaddf(&raw, fmt, ap);
	while (raw.len > 0 && raw.p[raw.len - 1] == '\n')
		raw.p[--raw.len] = '\0';
	str_add_escaped(&text, str_cstr(&raw), raw.len, 200);
	log_debug("httpd", NULL, "%s", str_cstr(&text));
	str_free(&raw);
	str_free(&text);
}

/* Start and end of the server. */

static int
listen_unix(const char *path, struct mw_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t old;
	int fd, bound;

	if (strlen(path) >= sizeof sun.sun_path) {
		err_set(err, MW_INVALID, 0, "socket path too long: %s", path);
		return -1;
	}
	str_copy(sun.sun_path, sizeof sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		err_set(err, MW_INTERNAL, errno, "socket: %s", strerror(errno));
		return -1;
	}
	/* One that still accepts is in use; else it is a leftover. */
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0) {
		err_set(err, MW_EXISTS, EADDRINUSE, "%s is in use", path);
		close(fd);
		return -1;
	}
	if (errno == ECONNREFUSED)
		unlink(path);
	old = umask(0177);
	bound = bind(fd, (struct sockaddr *)&sun, sizeof sun);
	umask(old);
	if (bound != 0 || listen(fd, BACKLOG) != 0) {
		err_set(err, MW_INTERNAL, errno, "listen on %s: %s", path,
		    strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static int
listen_tcp(const char *address, uint16_t port, uint16_t *bound,
    struct mw_err *err)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	socklen_t len = sizeof sin;
	int fd, one = 1;

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1) {
		err_set(err, MW_INVALID, 0, "not a numeric IPv4 address: %s",
		    address);
		return -1;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
	    bind(fd, (struct sockaddr *)&sin, sizeof sin) != 0 ||
	    listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0) {
		err_set(err, errno == EADDRINUSE ? MW_EXISTS : MW_INTERNAL,
		    errno, "listen on %s:%u: %s", address, port,
		    strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*bound = ntohs(sin.sin_port);
	return fd;
}

static void
set_defaults(struct httpd_conf *c)
{
	if (c->body_max == 0)
		c->body_max = BODY_MAX_DEFAULT;
	if (c->connections == 0)
		c->connections = CONNECTIONS_DEFAULT;
	if (c->per_address == 0)
		c->per_address = PER_ADDRESS_DEFAULT;
	if (c->unix_path != NULL) /* all of them have one address */
		c->per_address = c->connections;
	if (c->head_deadline_ms == 0)
		c->head_deadline_ms = HEAD_MS_DEFAULT;
	if (c->body_deadline_ms == 0)
		c->body_deadline_ms = BODY_MS_DEFAULT;
	if (c->reply_deadline_ms == 0)
		c->reply_deadline_ms = REPLY_MS_DEFAULT;
}

static struct MHD_Daemon *
start_daemon(struct httpd *h, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
		MHD_USE_ERROR_LOG,
	    0, on_accept, h, on_request, h, MHD_OPTION_EXTERNAL_LOGGER,
	    on_mhd_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
	    h->conf.connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    h->conf.per_address, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)POOL_BYTES, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
	    MHD_OPTION_URI_LOG_CALLBACK, on_request_line, h,
	    MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL, MHD_OPTION_END);
}

struct httpd *
httpd_new(struct loop *l, const struct httpd_conf *conf, struct mw_err *err)
{
	struct httpd *h;
	uint16_t port = 0;
	int fd;

	fd = conf->unix_path != NULL
	    ? listen_unix(conf->unix_path, err)
	    : listen_tcp(conf->address, conf->port, &port, err);
	if (fd < 0)
		return NULL;
	h = xcalloc(1, sizeof *h);
	h->loop = l;
	h->conf = *conf;
	set_defaults(&h->conf);
	h->port = port;
	h->unix_path = xstrdup(conf->unix_path);
	h->mhd = start_daemon(h, fd);
	if (h->mhd == NULL) {
		err_set(err, MW_INTERNAL, 0, "cannot start the HTTP server");
		close(fd);
		free(h->unix_path);
		free(h);
		return NULL;
	}
	h->pump_timer = loop_timer_new(l, pump, h);
	fd = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	h->ready =
	    event_new(loop_base(l), fd, EV_READ | EV_PERSIST, on_ready, h);
	h->again = evtimer_new(loop_base(l), on_again, h);
	if (h->ready == NULL || h->again == NULL)
		abort();
	loop_urgent(h->ready);
	loop_urgent(h->again);
	if (event_add(h->ready, NULL) != 0)
		abort();
	pump_later(h);
	return h;
}

void
httpd_free(struct httpd *h)
{
	if (h == NULL)
		return;
	event_free(h->ready);
	event_free(h->again);
	/* MHD aborts if it is stopped with suspended connections. */
	for (struct httpd_req *r = h->reqs; r != NULL; r = r->next)
		httpd_wake(r);
	MHD_stop_daemon(h->mhd); /* completes all requests */
	loop_timer_free(h->pump_timer);
	if (h->unix_path != NULL)
		unlink(h->unix_path);
	free(h->unix_path);
	free(h);
}

uint16_t
httpd_port(const struct httpd *h)
{
	return h->port;
}

const struct httpd_conf *
httpd_conf(const struct httpd *h)
{
	return &h->conf;
}

bool
httpd_left(const struct httpd_req *req)
{
	struct pollfd p = { .events = POLLRDHUP };

	if (req->mhd == NULL)
		return true;
	p.fd = conn_of(req->mhd)->fd;
	return poll(&p, 1, 0) == 1 &&
	    (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void
httpd_extend(struct httpd_req *req, int64_t reply_deadline_ms)
{
	if (req->deadline != NULL && req->response == NULL)
		loop_timer_set(req->deadline, reply_deadline_ms * NS_PER_MS);
}
