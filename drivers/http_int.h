/*
 * http_int.h - what http.c (calls, libcurl) and http_lane.c (rate, queue)
 * share. Not for drivers.
 */
#ifndef MW_DRIVERS_HTTP_INT_H
#define MW_DRIVERS_HTTP_INT_H

#include "common/pure/rng.h"
#include "common/pure/str.h"
#include "drivers/http.h"

#include <curl/curl.h>
#include <sys/queue.h>
#include <sys/stat.h>

enum call_state {
	CALL_OPEN, /* between two states, inside one function */
	CALL_QUEUED, /* in the lane's queue */
	CALL_FLYING, /* in the multi */
	CALL_WAITING, /* for its next try */
	CALL_ENDED, /* done() comes */
};

struct http_call {
	struct http *http;
	struct http_lane *lane;
	enum call_state state;
	TAILQ_ENTRY(http_call) link; /* lane's queue, or http's ended */
	TAILQ_ENTRY(http_call) all; /* http's open */
	CURL *easy; /* while flying */
	struct curl_slist *headers; /* of every try */
	struct curl_slist *sent_headers; /* of this try */
	struct loop_timer *timer;
	http_prepare_fn prepare;
	http_done_fn done;
	void *arg;
	char *method, *url, *want_header;
	struct str header;
	void *req_body;
	size_t req_len;
	bool secret, mutates, too_large;
	int64_t deadline_ns;
	struct str body;
	struct http_answer a;
	char error[CURL_ERROR_SIZE];
};
TAILQ_HEAD(http_calls, http_call);

TAILQ_HEAD(http_lanes, http_lane);

struct http {
	struct loop *loop;
	unsigned in_flight; /* of all lanes */
	struct http_lanes starved; /* wait for a place among them */
	double rate_scale; /* 0: 1 */
	double rate_max; /* of each lane; 0: what its driver asks for */
	CURLM *multi;
	struct loop_timer *timer; /* libcurl's */
	struct loop_timer *deliver;
	struct http_calls open, ended;
	struct rng rng;
};

struct http_lane {
	struct http *http;
	char *name, *unix_path, *ca_file;
	bool allow_plain, closed;
	double base_rate, rate, burst, tokens; /* per s; rate 0: no limit */
	int64_t filled_ns, quiet_ns; /* last refill, last throttle or rise */
	int64_t cut_ns; /* last halving, 0: never */
	unsigned in_flight, in_flight_max;
	size_t queue_max, nqueue;
	size_t calls; /* not yet done */
	struct http_calls queue;
	struct loop_timer *timer; /* next token */
	bool starved;
	TAILQ_ENTRY(http_lane) starved_link;
	char local_ip[46], peer_ip[46]; /* of the newest connection, or "" */
	bool proxied;
	/* the CA file as it was when connections began to be trusted */
	struct stat ca;
	int64_t ca_ns; /* monotonic; 0: not looked at yet */
};

/* The port of the proxy that the environment names for calls of this URL, 0 if
 * it names none. Its list of exceptions is not read. */
long http_proxy_port(const char *url);
void http_call_start(struct http_call *c);
void http_call_end(struct http_call *c, enum http_end end);
int64_t http_retry_after_ms(const char *v, size_t n, int64_t wall_ns);
/* Puts a call in the queue and lets go what may go. */
void http_lane_enqueue(struct http_lane *lane, struct http_call *c);
void http_lane_pump(struct http_lane *lane);
/* A call of the lane has landed: its place is free. */
void http_lane_landed(struct http_lane *lane);
/* One call of the lane was delivered: a closed lane goes with its last. */
void http_lane_call_gone(struct http_lane *lane);

#endif
