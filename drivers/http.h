/*
 * http.h - HTTP calls of the drivers: one curl multi on the loop.
 *
 * Every submitted call ends in exactly one done(), never from inside
 * http_submit(), also after cancel, close and timeout. A call that mutates is
 * sent once, on a fresh connection, because libcurl silently repeats a request
 * whose reused connection died. Reads are retried here, with full jitter,
 * inside their deadline. The waiting time in the queue counts, too.
 */
#ifndef MW_DRIVERS_HTTP_H
#define MW_DRIVERS_HTTP_H

#include "common/loop.h"
#include "common/pure/err.h"

struct http; /* the curl multi; one per process */
struct http_lane; /* one per connection: its rate, its queue */
struct http_call; /* valid until its done() was called */

#define HTTP_BODY_MAX ((size_t)16 * 1024 * 1024)
#define HTTP_READ_TRIES 8

/* Zeros take the defaults in brackets. */
struct http_lane_conf {
	const char *name; /* for logs: the connection's id */
	const char *unix_path; /* talk through this socket; NULL: TCP */
	bool allow_plain; /* http:// to this machine is fine; else https only */
	const char *ca_file; /* PEM to trust instead of the system's; NULL */
	double rate_per_s; /* token bucket; 0: no limit */
	double burst; /* [10] */
	unsigned in_flight_max; /* [8] */
	size_t queue_max; /* [10000] waiting calls; more: MW_LIMIT */
};

enum http_end {
	HTTP_ANSWERED, /* status and the complete body are there */
	HTTP_FAILED, /* refused, reset, cut, too large, bad TLS */
	HTTP_TIMED_OUT,
	HTTP_CANCELED,
	HTTP_QUEUE_FULL,
};

struct http_send;
/*
 * Called before every send, also of a retry: adds what holds only for this
 * one, e.g. a signature over the current time. Called from the loop; borrows
 * arg until done().
 */
typedef void (*http_prepare_fn)(struct http_send *send, void *arg);
void http_send_header(struct http_send *send, const char *name,
    const char *value);

/* Borrowed during http_submit(), copied. */
struct http_req {
	const char *method; /* "GET" */
	const char *url;
	const char *const
	    *headers; /* "Name: value", NULL-terminated, or NULL */
	const void *body; /* with Content-Type from the headers */
	size_t body_len;
	bool secret; /* the body is wiped when the call is over */
	bool mutates; /* sent once; else retried */
	http_prepare_fn prepare; /* or NULL; gets the arg of done() */
	const char *want_header; /* of the answer, lower case, or NULL */
	int64_t deadline_ms; /* [60 s] in all, waiting and retries included */
};

/* Lives during done(). */
struct http_answer {
	enum http_end end;
	int status; /* 0: none */
	/* Could a byte of a request have reached the server, in any try? */
	bool sent;
	unsigned tries;
	int64_t retry_after_ms; /* of Retry-After; 0: none */
	bool has_date; /* a Date came: */
	int64_t clock_off_s; /* the server's clock less ours; +-1 s */
	char request_id[80]; /* x-request-id, x-amzn-requestid, ... or "" */
	const char *header; /* value of want_header, "" if there is none */
	const char *body; /* NUL-terminated, never NULL */
	size_t body_len;
	char error[256]; /* what failed, for people; no secrets */
};

typedef void (*http_done_fn)(const struct http_answer *a, void *arg);

struct http *http_new(struct loop *l, struct mw_err *err) mw_must_check;
/* Cancels what is open: every done() is called before it returns. All lanes
 * must be closed before. */
void http_free(struct http *h);

struct http_lane *http_lane_new(struct http *h,
    const struct http_lane_conf *conf);
/* Open calls end as canceled on a later turn of the loop. */
void http_lane_close(struct http_lane *lane);
/* A cloud said "throttled": halves the rate, once a second at most, which
 * recovers slowly. */
void http_lane_throttled(struct http_lane *lane);

/* Adds what waits and flies in this lane; the rate is that of now. */
struct drv_load;
void http_lane_load(const struct http_lane *lane, struct drv_load *add);

/* The rates that drivers ask for are times so much, for lanes that are made
 * from now on: for endpoints that bear more than real clouds. */
void http_rate_scale(struct http *h, double factor);
/* Lanes that are made from now on make so many calls a second at most; 0:
 * what their drivers ask for. */
void http_rate_max(struct http *h, double rate_per_s);

struct http_call *http_submit(struct http_lane *lane,
    const struct http_req *req, http_done_fn done, void *arg);
void http_cancel(struct http_call *call); /* done() still comes */

/*
 * Where a URL leads: https anywhere, http only to this machine, which is
 * "localhost", 127.0.0.0/8 and ::1, each as the whole host. No user info: the
 * host of "http://127.0.0.1@example.com/" is another one.
 */
enum http_url {
	HTTP_URL_BAD,
	HTTP_URL_HTTPS,
	HTTP_URL_LOCAL, /* https to this machine */
	HTTP_URL_PLAIN, /* http to this machine */
};
enum http_url http_url_kind(const char *url);

/* Adds s with everything but A-Za-z0-9-._~ as %XX. */
struct str;
void http_add_escaped(struct str *out, const char *s);

#endif
