/*
 * httpd_int.h - what the files of httpd share. Nobody else includes it.
 *
 * httpd.c         daemon, pump, connection deadlines, the request's course
 * httpd_req.c     guards, path, query, routes, getters
 * httpd_reply.c   replies and problems
 * httpd_stream.c  server-sent events
 */
#ifndef MW_COMMON_HTTPD_INT_H
#define MW_COMMON_HTTPD_INT_H

#include "common/httpd.h"
#include "common/pure/str.h"

#include <microhttpd.h>

#define HTTPD_PARAMS_MAX 8
#define HTTPD_QUERY_MAX 64
#define HTTPD_SEGMENTS_MAX 16

struct httpd_pair {
	char *name, *value;
};

enum httpd_phase {
	PHASE_HEAD, /* the head is coming in */
	PHASE_BODY, /* admitted; the body is coming in */
	PHASE_WORK, /* the handler has it */
	PHASE_REPLY /* a reply is queued */
};

struct httpd_req {
	struct httpd *httpd; /* NULL: the server is gone */
	struct MHD_Connection *mhd; /* NULL: the client is gone */
	struct httpd_req *prev, *next; /* all requests of the server */
	enum httpd_phase phase;
	char *method, *target; /* as sent */
	char *path; /* without query, not decoded */
	char peer[16];
	const struct httpd_route *route;
	struct httpd_pair params[HTTPD_PARAMS_MAX];
	size_t nparams;
	struct httpd_pair *query;
	size_t nquery, query_cap;
	struct str body;
	bool body_too_large;
	json_t *json;
	void *user;
	void (*on_gone)(void *arg);
	void *gone_arg;
	struct loop_timer *deadline; /* of the reply */
	bool suspended;
	bool answered; /* the handler has done its duty */
	bool ended; /* MHD has done with it */
	int fail_status; /* of the next httpd_reply_err(), or 0 */
	/* The reply. */
	int status; /* 0: none yet */
	struct MHD_Response *response;
	struct httpd_pair *headers;
	size_t nheaders, headers_cap;
	struct httpd_stream *stream;
};

/* httpd.c */
void httpd_wake(struct httpd_req *req); /* resumes it if it is suspended */
/* Hands a finished response over; the first one wins. Takes response. */
void httpd_queue(struct httpd_req *req, int status,
    struct MHD_Response *take_response);
void httpd_cut(struct httpd_req *req); /* drops the connection */
const struct httpd_conf *httpd_conf(const struct httpd *h);

/* httpd_req.c: each false has err and req->fail_status set. */
bool httpd_guard_head(struct httpd_req *req, const char *const *hosts,
    size_t body_max, struct mw_err *err) mw_must_check;
bool httpd_parse_target(struct httpd_req *req,
    struct mw_err *err) mw_must_check;
bool httpd_route_find(struct httpd_req *req, const struct httpd_route *routes,
    size_t n, struct mw_err *err) mw_must_check;
void httpd_req_free(struct httpd_req *req);

/* httpd_reply.c */
void httpd_problem(struct httpd_req *req, const struct mw_err *err);
void httpd_add_header(struct httpd_req *req, const char *name,
    const char *value);
void httpd_apply_headers(struct httpd_req *req, struct MHD_Response *r);

/* httpd_stream.c */
void httpd_stream_gone(struct httpd_stream *s); /* the client left */

#endif
