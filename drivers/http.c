/*
 * http.c - the calls of all lanes on one curl multi.
 * Owns the multi, its sockets and timer, and every call from submit to done.
 * Rates and queues are in http_lane.c. Promises: see http.h.
 */
#include "drivers/http_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define CONNECT_MS 10000
#define DEADLINE_MS 60000
#define RETRY_BASE_NS (500 * NS_PER_MS)
#define HEADER_MAX 16384
#define RETRY_MAX_NS (20 * NS_PER_S)
#define DELIVER_NS NS_PER_MS /* of one turn of the loop */
#define IDLE_MAX 256L /* connections that are kept, of all lanes */

/* One socket of the multi. */
struct http_sock {
	struct http *http;
	struct event *ev;
};

/* One try of a call, while its headers are made. */
struct http_send {
	struct http_call *call;
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user,
    void *sock);
static int on_timer(CURLM *multi, long timeout_ms, void *user);
static void on_socket_event(evutil_socket_t fd, short what, void *arg);
static void on_timer_event(void *arg);
static void on_deliver(void *arg);
static void deliver_one(struct http *h);
static void on_call_timer(void *arg);
static size_t on_body(char *p, size_t size, size_t n, void *arg);
static size_t on_header(char *p, size_t size, size_t n, void *arg);
static void drain(struct http *h);
static void try_ended(struct http_call *c, CURLcode rc);

struct http *
http_new(struct loop *l, struct mw_err *err)
{
	struct http *h = xcalloc(1, sizeof *h);

	h->loop = l;
	TAILQ_INIT(&h->ended);
	TAILQ_INIT(&h->open);
	TAILQ_INIT(&h->starved);
	rng_seed(&h->rng, clock_random_u64());
	h->multi = curl_multi_init();
	if (!h->multi) {
		free(h);
		err_set(err, MW_INTERNAL, 0, "cannot start libcurl");
		return NULL;
	}
	h->timer = loop_timer_new(l, on_timer_event, h);
	h->deliver = loop_timer_new(l, on_deliver, h);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, IDLE_MAX);
	return h;
}

void
http_free(struct http *h)
{
	if (!h)
		return;
	while (!TAILQ_EMPTY(&h->open))
		http_cancel(TAILQ_FIRST(&h->open));
	while (!TAILQ_EMPTY(&h->ended))
		deliver_one(h);
	loop_timer_free(h->deliver);
	curl_multi_cleanup(h->multi);
	loop_timer_free(h->timer);
	free(h);
}

struct http_call *
http_submit(struct http_lane *lane, const struct http_req *req,
    http_done_fn done, void *arg)
{
	struct http *h = lane->http;
	struct http_call *c = xcalloc(1, sizeof *c);
	int64_t ms = req->deadline_ms > 0 ? req->deadline_ms : DEADLINE_MS;

	c->http = h;
	c->lane = lane;
	c->prepare = req->prepare;
	c->done = done;
	c->arg = arg;
	c->method = xstrdup(req->method);
	c->want_header = xstrdup(req->want_header);
	c->url = xstrdup(req->url);
	if (req->body) {
		c->req_body = xmemdup(req->body, req->body_len);
		c->req_len = req->body_len;
	}
	for (size_t i = 0; req->headers && req->headers[i]; i++)
		c->headers = curl_slist_append(c->headers, req->headers[i]);
	/* libcurl would wait for "100 Continue" before large bodies */
	c->headers = curl_slist_append(c->headers, "Expect:");
	c->secret = req->secret;
	c->mutates = req->mutates;
	c->deadline_ns = clock_mono_ns() + ms * NS_PER_MS;
	c->timer = loop_timer_new(h->loop, on_call_timer, c);
	c->state = CALL_OPEN;
	c->a.end = HTTP_FAILED;
	TAILQ_INSERT_TAIL(&h->open, c, all);
	lane->calls++;
	http_lane_enqueue(lane, c);
	return c;
}

/* The call is over; done() comes on the next turn. */
void
http_call_end(struct http_call *c, enum http_end end)
{
	struct http *h = c->http;

	if (c->state == CALL_ENDED)
		return;
	if (c->state == CALL_QUEUED) {
		TAILQ_REMOVE(&c->lane->queue, c, link);
		c->lane->nqueue--;
	}
	c->state = CALL_ENDED;
	c->a.end = end;
	loop_timer_clear(c->timer);
	TAILQ_REMOVE(&h->open, c, all);
	TAILQ_INSERT_TAIL(&h->ended, c, link);
	loop_timer_set(h->deliver, 0);
}

/* Who talked to whom, as far as a connection came about. */
static void
note_ends(const struct http_call *c)
{
	struct http_lane *lane = c->lane;
	const char *local = NULL, *peer = NULL;
	long tunnel = 0, port = 0, proxy = http_proxy_port(c->url);

	curl_easy_getinfo(c->easy, CURLINFO_LOCAL_IP, &local);
	curl_easy_getinfo(c->easy, CURLINFO_PRIMARY_IP, &peer);
	curl_easy_getinfo(c->easy, CURLINFO_PRIMARY_PORT, &port);
	curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
	if (!local || !local[0] || !peer || !peer[0])
		return;
	str_copy(lane->local_ip, sizeof lane->local_ip, local);
	str_copy(lane->peer_ip, sizeof lane->peer_ip, peer);
	/* a kept connection tells of no tunnel, and SOCKS never does: who talks
	 * to the proxy's port is taken to talk to the proxy */
	lane->proxied = tunnel != 0 || (proxy != 0 && port == proxy);
}

static void
stop_flight(struct http_call *c)
{
	long sent = 0;

	if (!c->easy)
		return;
	curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &sent);
	c->a.sent = c->a.sent || sent > 0;
	note_ends(c);
	curl_multi_remove_handle(c->http->multi, c->easy);
	curl_easy_cleanup(c->easy);
	c->easy = NULL;
	curl_slist_free_all(c->sent_headers);
	c->sent_headers = NULL;
	http_lane_landed(c->lane);
}

void
http_cancel(struct http_call *c)
{
	struct http_lane *lane = c->lane;

	if (c->state == CALL_ENDED)
		return;
	stop_flight(c);
	str_copy(c->a.error, sizeof c->a.error, "canceled");
	http_call_end(c, HTTP_CANCELED);
	http_lane_pump(lane);
}

static void
deliver_one(struct http *h)
{
	struct http_call *c = TAILQ_FIRST(&h->ended);
	struct http_lane *lane = c->lane;

	TAILQ_REMOVE(&h->ended, c, link);
	c->a.header = str_cstr(&c->header);
	c->a.body = str_cstr(&c->body);
	c->a.body_len = c->body.len;
	c->done(&c->a, c->arg);
	str_free(&c->body);
	str_free(&c->header);
	free(c->want_header);
	curl_slist_free_all(c->headers);
	loop_timer_free(c->timer);
	if (c->secret && c->req_body)
		explicit_bzero(c->req_body, c->req_len);
	free(c->req_body);
	free(c->method);
	free(c->url);
	free(c);
	http_lane_call_gone(lane);
}

/* A hundred lists of a hundred VMs may end at once: others have their turns
 * in between. */
static void
on_deliver(void *arg)
{
	struct http *h = arg;
	int64_t end = clock_mono_ns() + DELIVER_NS;

	while (!TAILQ_EMPTY(&h->ended)) {
		deliver_one(h);
		if (clock_mono_ns() >= end)
			break;
	}
	if (!TAILQ_EMPTY(&h->ended))
		loop_timer_set(h->deliver, 0);
}

/* A queued call reached its deadline, or a waiting one its next try. */
static void
on_call_timer(void *arg)
{
	struct http_call *c = arg;

	if (clock_mono_ns() < c->deadline_ns && c->state == CALL_WAITING) {
		http_lane_enqueue(c->lane, c);
		return;
	}
	if (!c->a.error[0])
		str_copy(c->a.error, sizeof c->a.error,
		    "no free slot within the deadline");
	http_call_end(c, HTTP_TIMED_OUT);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/*
 * The CA file is read for each connection; libcurl would keep it for a day.
 * A connection that began before the file changed is not used again: one that
 * is older than the change, in the whole seconds in which libcurl counts.
 */
static void
set_ca(struct http_lane *lane, CURL *e)
{
	int64_t now = clock_mono_ns(), age_s;
	struct stat st;

	if (stat(lane->ca_file, &st) != 0)
		memset(&st, 0, sizeof st); /* libcurl says what is wrong */
	if (!lane->ca_ns || !same_file(&st, &lane->ca))
		lane->ca_ns = now;
	lane->ca = st;
	age_s = (now - lane->ca_ns) / NS_PER_S;
	if (age_s < 2)
		curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	else
		curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN,
		    (long)(age_s - 1));
	curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(e, CURLOPT_CAINFO, lane->ca_file);
	curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
}

static void
set_target(struct http_call *c, CURL *e)
{
	const struct http_lane *lane = c->lane;
	enum http_url kind = http_url_kind(c->url);

	curl_easy_setopt(e, CURLOPT_URL, c->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR,
	    lane->unix_path || (lane->allow_plain && kind == HTTP_URL_PLAIN)
		? "http,https"
		: "https");
	/* this machine is not behind any proxy, whatever the environment says:
	 * the proxy would get the credential */
	if (kind == HTTP_URL_LOCAL || kind == HTTP_URL_PLAIN)
		curl_easy_setopt(e, CURLOPT_PROXY, "");
	if (lane->unix_path) {
		curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, lane->unix_path);
		curl_easy_setopt(e, CURLOPT_PROXY, "");
	}
	if (lane->ca_file)
		set_ca(c->lane, e);
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, c->method);
	if (strcmp(c->method, "HEAD") == 0)
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	if (c->req_body) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)c->req_len);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, c->req_body);
	}
	/* libcurl repeats a request whose reused connection died before the
	 * first byte of the answer: a second VM. A fresh one is not repeated. */
	if (c->mutates) {
		curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
		/* nor kept: the pool is looked through by every call */
		curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
	}
}

/* What this try sends: the request's headers and those prepared for it. */
static void
set_headers(struct http_call *c)
{
	struct http_send send = { .call = c };

	for (struct curl_slist *h = c->headers; h; h = h->next)
		c->sent_headers = curl_slist_append(c->sent_headers, h->data);
	if (c->prepare)
		c->prepare(&send, c->arg);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->sent_headers);
}

void
http_send_header(struct http_send *send, const char *name, const char *value)
{
	char *line = xasprintf("%s: %s", name, value);

	send->call->sent_headers =
	    curl_slist_append(send->call->sent_headers, line);
	free(line);
}

/* The lane lets it go: one try. */
void
http_call_start(struct http_call *c)
{
	struct http *h = c->http;
	int64_t left_ms = (c->deadline_ns - clock_mono_ns()) / NS_PER_MS;
	CURL *e = curl_easy_init();

	if (!e)
		abort();
	if (left_ms < 1)
		left_ms = 1;
	loop_timer_clear(c->timer);
	c->state = CALL_FLYING;
	c->easy = e;
	c->a.tries++;
	c->a.status = 0;
	c->a.retry_after_ms = 0;
	c->a.has_date = false;
	c->a.request_id[0] = '\0';
	c->too_large = false;
	str_reset(&c->body);
	str_reset(&c->header);
	c->error[0] = '\0';
	set_target(c, e);
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* bodies are small, and 64 KiB for each call are not */
	curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)(left_ms < CONNECT_MS ? left_ms : CONNECT_MS));
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)left_ms);
	set_headers(c);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	if (curl_multi_add_handle(h->multi, e) != CURLM_OK)
		abort();
}

static bool
worth_a_retry(const struct http_call *c, CURLcode rc)
{
	static const int statuses[] = { 429, 500, 502, 503, 504 };

	if (c->mutates || c->a.tries >= HTTP_READ_TRIES || c->too_large)
		return false;
	if (rc != CURLE_OK)
		return rc != CURLE_PEER_FAILED_VERIFICATION &&
		    rc != CURLE_SSL_CACERT_BADFILE &&
		    rc != CURLE_UNSUPPORTED_PROTOCOL &&
		    rc != CURLE_URL_MALFORMAT;
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		if (c->a.status == statuses[i])
			return true;
	}
	return false;
}

/* Full jitter, with the cloud's Retry-After as the lower bound. */
static int64_t
retry_wait_ns(struct http_call *c)
{
	unsigned n = c->a.tries - 1;
	int64_t top = RETRY_BASE_NS << (n < 6 ? n : 6);
	int64_t wait;

	if (top > RETRY_MAX_NS)
		top = RETRY_MAX_NS;
	wait = (int64_t)rng_below(&c->http->rng, (uint64_t)top + 1);
	if (wait < c->a.retry_after_ms * NS_PER_MS)
		wait = c->a.retry_after_ms * NS_PER_MS;
	return wait;
}

static void
note_error(struct http_call *c, CURLcode rc)
{
	struct str s = STR_INIT;

	if (c->too_large)
		str_addf(&s, "the answer is larger than %zu MiB",
		    HTTP_BODY_MAX >> 20);
	else if (rc != CURLE_OK)
		str_add(&s, c->error[0] ? c->error : curl_easy_strerror(rc));
	str_copy(c->a.error, sizeof c->a.error, str_cstr(&s));
	str_free(&s);
}

static void
try_ended(struct http_call *c, CURLcode rc)
{
	struct http_lane *lane = c->lane;
	long status = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	c->a.status = (int)status;
	stop_flight(c);
	note_error(c, rc);
	if (c->a.status == 429)
		http_lane_throttled(lane);
	if (worth_a_retry(c, rc)) {
		int64_t wait = retry_wait_ns(c);

		if (clock_mono_ns() + wait < c->deadline_ns) {
			c->state = CALL_WAITING;
			loop_timer_set(c->timer, wait);
			http_lane_pump(lane);
			return;
		}
	}
	if (rc == CURLE_OK)
		http_call_end(c, HTTP_ANSWERED);
	else if (rc == CURLE_OPERATION_TIMEDOUT)
		http_call_end(c, HTTP_TIMED_OUT);
	else
		http_call_end(c, HTTP_FAILED);
	http_lane_pump(lane);
}

static void
drain(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		struct http_call *c = NULL;
		CURLcode rc = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
		try_ended(c, rc);
	}
}

static void
on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;
	int flags = 0, running;

	if (what & EV_READ)
		flags |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(h->multi, fd, flags, &running);
	drain(h);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *sock)
{
	struct http *h = user;
	struct http_sock *s = sock;
	short events = EV_PERSIST;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s) {
			event_free(s->ev);
			free(s);
		}
		curl_multi_assign(h->multi, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events = (short)(events | EV_READ);
	if (what & CURL_POLL_OUT)
		events = (short)(events | EV_WRITE);
	if (!s) {
		s = xcalloc(1, sizeof *s);
		s->http = h;
		s->ev = event_new(loop_base(h->loop), fd, events,
		    on_socket_event, h);
		curl_multi_assign(h->multi, fd, s);
	} else {
		event_del(s->ev);
		event_assign(s->ev, loop_base(h->loop), fd, events,
		    on_socket_event, h);
	}
	event_add(s->ev, NULL);
	return 0;
}

/* Must not call curl_multi_socket_action() from here: libcurl recurses. */
static int
on_timer(CURLM *multi, long timeout_ms, void *user)
{
	struct http *h = user;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_clear(h->timer);
	else
		loop_timer_set(h->timer, timeout_ms * NS_PER_MS);
	return 0;
}

static void
on_timer_event(void *arg)
{
	struct http *h = arg;
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	drain(h);
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;

	(void)size; /* always 1 */
	if (c->body.len + n > HTTP_BODY_MAX) {
		c->too_large = true;
		return 0;
	}
	str_addn(&c->body, p, n);
	return n;
}

/* "Name: value CRLF" with that name: the value's place, else NULL. */
static const char *
header_value(const char *p, size_t n, const char *name, size_t *len)
{
	size_t k = strlen(name);

	if (n <= k || strncasecmp(p, name, k) != 0 || p[k] != ':')
		return NULL;
	for (k++; k < n && (p[k] == ' ' || p[k] == '\t'); k++)
		;
	while (
	    n > k && (p[n - 1] == '\r' || p[n - 1] == '\n' || p[n - 1] == ' '))
		n--;
	*len = n - k;
	return p + k;
}

/* Unix time of an HTTP date, -1 if it is none. */
static int64_t
parse_date(const char *v, size_t n)
{
	char date[64];

	if (n >= sizeof date)
		return -1;
	memcpy(date, v, n);
	date[n] = '\0';
	return (int64_t)curl_getdate(date, NULL);
}

/* Seconds, or a date. */
int64_t
http_retry_after_ms(const char *v, size_t n, int64_t wall_ns)
{
	int64_t s, t;

	if (num_parse_i64(v, n, 0, 86400, &s))
		return s * 1000;
	t = parse_date(v, n);
	s = t - wall_ns / NS_PER_S;
	return t == -1 || s <= 0 ? 0 : (s > 86400 ? 86400 : s) * 1000;
}

static void
take_date(struct http_call *c, const char *v, size_t n)
{
	int64_t t = parse_date(v, n);

	c->a.has_date = t > 0;
	if (t > 0)
		c->a.clock_off_s = t - clock_wall_ns() / NS_PER_S;
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	static const char *const ids[] = { "x-request-id", "x-amzn-requestid",
		"x-openstack-request-id", "x-ms-request-id" };
	struct http_call *c = arg;
	const char *v;
	size_t len;

	(void)size;
	v = header_value(p, n, "retry-after", &len);
	if (v)
		c->a.retry_after_ms =
		    http_retry_after_ms(v, len, clock_wall_ns());
	v = header_value(p, n, "date", &len);
	if (v)
		take_date(c, v, len);
	if (c->want_header && (v = header_value(p, n, c->want_header, &len)) &&
	    len <= HEADER_MAX) {
		str_reset(&c->header);
		str_addn(&c->header, v, len);
	}
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		v = header_value(p, n, ids[i], &len);
		if (v && len < sizeof c->a.request_id) {
			memcpy(c->a.request_id, v, len);
			c->a.request_id[len] = '\0';
		}
	}
	return n;
}

void
http_add_escaped(struct str *out, const char *s)
{
	static const char keep[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *s; s++) {
		if (strchr(keep, *s))
			str_addc(out, *s);
		else
			str_addf(out, "%%%02X", (unsigned)(unsigned char)*s);
	}
}
