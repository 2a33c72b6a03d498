/*
 * httpd_reply.c - replies, and errors as problem documents (RFC 9457).
 */
#include "common/httpd_int.h"

#include "common/log.h"
#include "common/pure/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PULL_BLOCK (16 * 1024)

void
httpd_add_header(struct httpd_req *req, const char *name, const char *value)
{
	VEC_GROW(req->headers, req->nheaders, req->headers_cap);
	req->headers[req->nheaders++] =
	    (struct httpd_pair){ xstrdup(name), xstrdup(value) };
}

void
httpd_reply_header(struct httpd_req *req, const char *name, const char *value)
{
	httpd_add_header(req, name, value);
}

void
httpd_apply_headers(struct httpd_req *req, struct MHD_Response *r)
{
	bool cache = false;

	for (size_t i = 0; i < req->nheaders; i++) {
		const struct httpd_pair *h = &req->headers[i];

		cache = cache || strcasecmp(h->name, "Cache-Control") == 0;
		/* MHD refuses a value with a line break. */
		if (MHD_add_response_header(r, h->name, h->value) != MHD_YES)
			log_warn("httpd", NULL,
			    "a reply header is not valid, left out\tname=%s",
			    h->name);
	}
	if (!cache)
		MHD_add_response_header(r, "Cache-Control", "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
}

/* Takes body. */
static void
queue_bytes(struct httpd_req *req, int status, const char *type,
    void *take_body, size_t len)
{
	struct MHD_Response *r;

	if (req->ended || req->response != NULL) {
		free(take_body);
		return;
	}
	r = MHD_create_response_from_buffer(len, take_body,
	    MHD_RESPMEM_MUST_FREE);
	if (r == NULL)
		abort();
	if (type != NULL)
		MHD_add_response_header(r, "Content-Type", type);
	httpd_apply_headers(req, r);
	httpd_queue(req, status, r);
}

/* The handler has answered; if the client left before, nothing needs req. */
static void
answered(struct httpd_req *req)
{
	req->answered = true;
	req->on_gone = NULL;
	if (req->ended)
		httpd_req_free(req);
}

void
httpd_reply(struct httpd_req *req, int status, const char *type,
    const void *body, size_t len)
{
	queue_bytes(req, status, type, xmemdup(len > 0 ? body : "", len), len);
	answered(req);
}

void
httpd_reply_json(struct httpd_req *req, int status, json_t *take_body)
{
	char *text = json_text(take_body, true);

	json_decref(take_body);
	queue_bytes(req, status, "application/json", text, strlen(text));
	answered(req);
}

struct pulled {
	void (*pull)(void *arg, struct str *out);
	void (*done)(void *arg);
	void *arg;
	struct str piece;
	size_t sent; /* of it */
};

static ssize_t
on_pull(void *cls, uint64_t pos, char *out, size_t max)
{
	struct pulled *p = cls;
	size_t n;

	(void)pos;
	if (p->sent == p->piece.len) {
		str_reset(&p->piece);
		p->sent = 0;
		p->pull(p->arg, &p->piece);
	}
	n = p->piece.len - p->sent;
	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	n = n < max ? n : max;
	memcpy(out, p->piece.p + p->sent, n);
	p->sent += n;
	return (ssize_t)n;
}

static void
on_pulled(void *cls)
{
	struct pulled *p = cls;

	p->done(p->arg);
	str_free(&p->piece);
	free(p);
}

void
httpd_reply_pull(struct httpd_req *req, int status, const char *type,
    void (*pull)(void *arg, struct str *out), void (*done)(void *arg),
    void *arg)
{
	struct MHD_Response *r;
	struct pulled *p;

	if (req->ended || req->response != NULL) {
		done(arg);
		answered(req);
		return;
	}
	p = xcalloc(1, sizeof *p);
	*p = (struct pulled){ .pull = pull, .done = done, .arg = arg };
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PULL_BLOCK,
	    on_pull, p, on_pulled);
	if (r == NULL)
		abort();
	MHD_add_response_header(r, "Content-Type", type);
	httpd_apply_headers(req, r);
	httpd_queue(req, status, r);
	answered(req);
}

void
httpd_reply_file(struct httpd_req *req, const char *type, int take_fd,
    uint64_t size)
{
	struct MHD_Response *r;

	if (req->ended || req->response != NULL) {
		close(take_fd);
	} else {
		r = MHD_create_response_from_fd64(size, take_fd);
		if (r == NULL)
			abort();
		MHD_add_response_header(r, "Content-Type", type);
		httpd_apply_headers(req, r);
		httpd_queue(req, 200, r);
	}
	answered(req);
}

static json_t *
problem_of(const struct httpd_req *req, const struct mw_err *err, int status)
{
	const char *title = MHD_get_reason_phrase_for((unsigned)status);
	json_t *j = json_object(), *errors, *one;

	json_put_str(j, "type", "about:blank");
	json_put_str(j, "title", title != NULL ? title : "Error");
	json_put_int(j, "status", status);
	json_put_str(j, "detail", err->msg);
	json_put_str(j, "instance", req->path);
	json_put_str(j, "code", err_code_name(err->code));
	json_put_str(j, "hint", err->hint[0] != '\0' ? err->hint : NULL);
	errors = json_array();
	if (err->pointer[0] != '\0') {
		one = json_object();
		json_put_str(one, "pointer", err->pointer);
		json_put_str(one, "reason", err_code_name(err->code));
		json_put_str(one, "detail", err->msg);
		json_array_append_new(errors, one);
	}
	json_put(j, "errors", errors);
	return j;
}

void
httpd_problem(struct httpd_req *req, const struct mw_err *err)
{
	int status = req->fail_status != 0 ? req->fail_status
					   : err_http_status(err->code);
	const struct httpd_conf *conf =
	    req->httpd != NULL ? httpd_conf(req->httpd) : NULL;
	const char *type = "application/problem+json";
	char *text;

	if (conf != NULL && conf->problem != NULL) {
		text = conf->problem(req, status, err, &type, conf->ctx);
	} else {
		json_t *j = problem_of(req, err, status);

		text = json_text(j, true);
		json_decref(j);
	}
	queue_bytes(req, status, type, text, strlen(text));
}

void
httpd_reply_err(struct httpd_req *req, const struct mw_err *err)
{
	if (err->code == MW_INTERNAL || err->code == MW_PROTO)
		log_error("httpd", NULL, "request failed: %s\tcode=%s",
		    err->msg, err_code_name(err->code));
	httpd_problem(req, err);
	answered(req);
}
