/*
 * httpd.h - an HTTP/1.1 server (libmicrohttpd) on the process's loop, with the
 * guards that the library lacks: absolute deadlines per request, one Host on an
 * allow list, framing checks, a path decoded once, limits per address.
 *
 * A handler answers at once or later, exactly once per request. The request
 * object lives until it is answered and the reply was sent or the client left;
 * answering a client that left is harmless. A request that is not answered
 * within reply_deadline_ms gets 504.
 */
#ifndef MW_COMMON_HTTPD_H
#define MW_COMMON_HTTPD_H

#include "common/json.h"
#include "common/loop.h"

struct httpd;
struct httpd_req;
struct httpd_stream;

struct httpd_route {
	const char *method; /* "GET" */
	const char *path; /* "/v1/ns/{ns}/mcis/{mcis}" */
	void (*handler)(struct httpd_req *req, void *ctx);
	int role; /* the program's own meaning */
};

struct httpd_conf {
	const char *unix_path; /* listen here (0600), or */
	const char *address; /* numeric IPv4 */
	uint16_t port; /* 0: any; httpd_port() tells */
	const char *const
	    *hosts; /* allowed Host values, NULL-terminated; NULL: any.
		     * A value without a port allows all ports. */
	const struct httpd_route *routes;
	size_t nroutes;
	void *ctx;
	/* Called before the handler and before the body is read. False: err is
	 * the answer; MW_DENIED is 401 until httpd_set_user() was called, 403
	 * after. NULL: all may pass. */
	bool (*admit)(struct httpd_req *req, const struct httpd_route *route,
	    void *ctx, struct mw_err *err);
	/* Called for each new connection, with its IPv4 address in host byte
	 * order; false closes it without a byte. NULL: all may connect. */
	bool (*accept)(uint32_t ip, void *ctx);
	/* The body (freed by the server) and its type of an answer that the
	 * server gives by itself: bad requests, unknown routes, late answers.
	 * It may add headers. NULL: a problem document. */
	char *(*problem)(struct httpd_req *req, int status,
	    const struct mw_err *err, const char **type, void *ctx);
	size_t body_max; /* 0: 1 MiB */
	unsigned connections, per_address; /* 0: 1024, 64 */
	int64_t head_deadline_ms, body_deadline_ms, reply_deadline_ms;
	/* 0: 5 s, 30 s, 30 s */
};

struct httpd *httpd_new(struct loop *l, const struct httpd_conf *conf,
    struct mw_err *err) mw_must_check; /* conf's arrays must live on */
void httpd_free(struct httpd *h); /* open requests are cut */
uint16_t httpd_port(const struct httpd *h);

const char *httpd_method(const struct httpd_req *req);
const char *httpd_path(const struct httpd_req *req);
const char *httpd_param(const struct httpd_req *req,
    const char *name); /* {name} */
const char *httpd_query(const struct httpd_req *req,
    const char *name); /* or NULL */
/* Parameter i in the order of the query; false behind the last one. */
bool httpd_query_at(const struct httpd_req *req, size_t i, const char **name,
    const char **value);
const char *httpd_header(const struct httpd_req *req,
    const char *name); /* or NULL */
const char *httpd_peer(const struct httpd_req *req); /* "127.0.0.1" or "unix" */
const void *httpd_body(const struct httpd_req *req, size_t *len);
/* The body as an object, or false: err says where it is wrong. Borrowed. */
bool httpd_json(struct httpd_req *req, json_t **out,
    struct mw_err *err) mw_must_check;
void httpd_set_user(struct httpd_req *req, void *user); /* admit's finding */
void *httpd_user(const struct httpd_req *req);
/* Called once if the client leaves before the answer or got 504 instead; NULL
 * clears. The request must still be answered: that frees it. A client that
 * leaves is noticed at the reply deadline at the latest. */
void httpd_on_gone(struct httpd_req *req, void (*cb)(void *arg), void *arg);
/* The client has closed its side, as far as the kernel knows. While a request
 * waits nobody else looks. */
bool httpd_left(const struct httpd_req *req);
/* Makes the reply deadline of this request longer, e.g. for ?waitS=. */
void httpd_extend(struct httpd_req *req, int64_t reply_deadline_ms);

void httpd_reply(struct httpd_req *req, int status, const char *type,
    const void *body, size_t len); /* copied */
void httpd_reply_json(struct httpd_req *req, int status, json_t *take_body);
/* The body comes in pieces, when the client can take them: pull() appends one
 * to out, and nothing behind the last. done() frees arg; it is always called,
 * also if the client leaves. */
void httpd_reply_pull(struct httpd_req *req, int status, const char *type,
    void (*pull)(void *arg, struct str *out), void (*done)(void *arg),
    void *arg);
/* 200 with size bytes of the file, which is closed afterwards. */
void httpd_reply_file(struct httpd_req *req, const char *type, int take_fd,
    uint64_t size);
/* application/problem+json from the error (RFC 9457). */
void httpd_reply_err(struct httpd_req *req, const struct mw_err *err);
/* Closes the connection without an answer, which counts as the answer: what a
 * client sees of a lost request. */
void httpd_cut(struct httpd_req *req);
/* Adds a header to the coming reply. */
void httpd_reply_header(struct httpd_req *req, const char *name,
    const char *value);

/* Server-sent events. A reader more than 1 MiB behind is dropped. */
struct httpd_stream *httpd_stream_open(struct httpd_req *req);
/* False: the reader is gone; the stream is dead, close it. */
bool httpd_stream_send(struct httpd_stream *s, const char *event, uint64_t id,
    const char *data);
void httpd_stream_comment(struct httpd_stream *s); /* heartbeat */
void httpd_stream_on_gone(struct httpd_stream *s, void (*cb)(void *arg),
    void *arg);
void httpd_stream_close(struct httpd_stream *s);

#endif
