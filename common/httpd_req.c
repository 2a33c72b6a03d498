/*
 * httpd_req.c - what a request says: guards on its head, path and query
 * (decoded once), the route, and the getters of handlers.
 */
#include "common/httpd_int.h"

#include "common/pure/alloc.h"
#include "common/pure/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LENGTH_MAX (INT64_C(1) << 62)

/* What the headers that decide framing and identity look like. */
struct head {
	unsigned hosts, lengths, encodings;
	const char *host, *length, *encoding;
	bool bad_name;
};

static bool
refuse(struct httpd_req *req, int status, struct mw_err *err, enum mw_code code,
    const char *why)
{
	req->fail_status = status;
	return err_set(err, code, 0, "%s", why);
}

static bool
is_token(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (*s <= 0x20 || *s >= 0x7f ||
		    strchr("\"(),/:;<=>?@[\\]{}", *s) != NULL)
			return false;
	return true;
}

static enum MHD_Result
look_at(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct head *h = cls;

	(void)kind;
	if (!is_token(name))
		h->bad_name = true;
	if (strcasecmp(name, "Host") == 0) {
		h->hosts++;
		h->host = value;
	} else if (strcasecmp(name, "Content-Length") == 0) {
		h->lengths++;
		h->length = value;
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		h->encodings++;
		h->encoding = value;
	}
	return MHD_YES;
}

/* An entry without a port allows all ports. */
static bool
host_allowed(const char *host, const char *const *allowed)
{
	const char *colon;
	size_t n;

	if (allowed == NULL)
		return true;
	colon = strrchr(host, ':');
	n = colon != NULL ? (size_t)(colon - host) : strlen(host);
	for (; *allowed != NULL; allowed++)
		if (strcasecmp(host, *allowed) == 0 ||
		    (strlen(*allowed) == n &&
			strncasecmp(host, *allowed, n) == 0))
			return true;
	return false;
}

bool
httpd_guard_head(struct httpd_req *req, const char *const *hosts,
    size_t body_max, struct mw_err *err)
{
	struct head h = { 0 };
	int64_t length = 0;

	MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, look_at, &h);
	if (h.bad_name)
		return refuse(req, 400, err, MW_INVALID,
		    "a header name is not a token");
	if (h.hosts != 1 || h.host == NULL)
		return refuse(req, 400, err, MW_INVALID,
		    "exactly one Host header is needed");
	if (!host_allowed(h.host, hosts))
		return refuse(req, 400, err, MW_DENIED,
		    "this Host is not served here");
	/* Two lengths, or a length beside chunks, is request smuggling. */
	if (h.lengths > 1 || h.encodings > 1 ||
	    (h.lengths > 0 && h.encodings > 0))
		return refuse(req, 400, err, MW_INVALID,
		    "the length of the body is ambiguous");
	if (h.encodings > 0 &&
	    (h.encoding == NULL || strcasecmp(h.encoding, "chunked") != 0))
		return refuse(req, 400, err, MW_INVALID,
		    "Transfer-Encoding must be chunked");
	if (h.lengths > 0 &&
	    (h.length == NULL ||
		!num_parse_i64(h.length, strlen(h.length), 0, LENGTH_MAX,
		    &length)))
		return refuse(req, 400, err, MW_INVALID,
		    "Content-Length is not a number");
	if ((uint64_t)length > body_max)
		return refuse(req, 413, err, MW_LIMIT, "the body is too large");
	return true;
}

/*
 * Decodes %XX of s[0..n-1]; NULL if that gives a control byte, or (unless
 * utf8) a byte that is not ASCII. plus: '+' is a blank. The caller frees.
 */
static char *
httpd_decode(const char *s, size_t n, bool plus, bool utf8)
{
	char *out = xmalloc(n + 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '+' && plus) {
			c = ' ';
		} else if (c == '%') {
			char hex[3] = { 0 };

			if (n - i < 3)
				goto bad;
			memcpy(hex, s + i + 1, 2);
			if (!str_unhex(hex, &c, 1))
				goto bad;
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || (c > 0x7f && !utf8))
			goto bad;
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return out;
bad:
	free(out);
	return NULL;
}

/* name=value&... ; the first of equal names counts. */
static bool
parse_query(struct httpd_req *req, const char *p)
{
	while (*p != '\0') {
		size_t n = strcspn(p, "&"), name_len = 0;
		struct httpd_pair *pair;

		while (name_len < n && p[name_len] != '=')
			name_len++;
		if (n > 0) {
			size_t at = name_len < n ? name_len + 1 : n;

			if (req->nquery == HTTPD_QUERY_MAX)
				return false;
			VEC_GROW(req->query, req->nquery, req->query_cap);
			pair = &req->query[req->nquery++];
			pair->name = httpd_decode(p, name_len, true, true);
			pair->value = httpd_decode(p + at, n - at, true, true);
			if (pair->name == NULL || pair->value == NULL)
				return false;
		}
		p += n + (p[n] == '&');
	}
	return true;
}

/* Refuses what could mean another path to somebody behind us. */
static bool
path_ok(const char *path)
{
	while (*path == '/') {
		size_t n = strcspn(++path, "/");
		char *seg = httpd_decode(path, n, false, false);
		bool ok = seg != NULL && strcmp(seg, ".") != 0 &&
		    strcmp(seg, "..") != 0 && strchr(seg, '/') == NULL &&
		    strchr(seg, '\\') == NULL;

		free(seg);
		if (!ok)
			return false;
		path += n;
	}
	return *path == '\0';
}

bool
httpd_parse_target(struct httpd_req *req, struct mw_err *err)
{
	const char *t = req->target;
	size_t n = strcspn(t, "?");

	req->path = xstrndup(t, n);
	if (t[0] != '/' || !path_ok(req->path))
		return refuse(req, 400, err, MW_INVALID,
		    "the path has bytes or parts that are not allowed");
	if (t[n] == '?' && !parse_query(req, t + n + 1))
		return refuse(req, 400, err, MW_INVALID,
		    "the query is not well-formed");
	return true;
}

/* Does the path match? *literal: bits of the parts that match by letter, the
 * first part highest, so that a larger value is the closer match. */
static bool
route_matches(const char *pattern, const char *path, unsigned *literal)
{
	unsigned bit = 1u << HTTPD_SEGMENTS_MAX;

	*literal = 0;
	while (*pattern == '/' && *path == '/') {
		size_t n = strcspn(++pattern, "/"), m = strcspn(++path, "/");

		bit >>= 1;
		if (pattern[0] == '{') {
			if (m == 0)
				return false;
		} else if (n == m && memcmp(pattern, path, n) == 0) {
			*literal |= bit;
		} else {
			return false;
		}
		pattern += n;
		path += m;
	}
	return *pattern == '\0' && *path == '\0';
}

static void
take_params(struct httpd_req *req, const char *pattern)
{
	const char *path = req->path;

	while (*pattern == '/') {
		size_t n = strcspn(++pattern, "/"), m = strcspn(++path, "/");

		if (pattern[0] == '{' && req->nparams < HTTPD_PARAMS_MAX) {
			struct httpd_pair *p = &req->params[req->nparams++];

			p->name = xstrndup(pattern + 1, n - 2);
			p->value = httpd_decode(path, m, false, false);
		}
		pattern += n;
		path += m;
	}
}

/* A HEAD request takes the route of GET; MHD leaves the body out. */
static bool
method_matches(const char *method, const struct httpd_route *r)
{
	return strcmp(method, r->method) == 0 ||
	    (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
}

bool
httpd_route_find(struct httpd_req *req, const struct httpd_route *routes,
    size_t n, struct mw_err *err)
{
	unsigned best = 0, literal;
	struct str allow = STR_INIT;

	for (size_t i = 0; i < n; i++) {
		const struct httpd_route *r = &routes[i];

		if (!route_matches(r->path, req->path, &literal))
			continue;
		str_addf(&allow, "%s%s", allow.len > 0 ? ", " : "", r->method);
		if (method_matches(req->method, r) &&
		    (req->route == NULL || literal > best)) {
			req->route = r;
			best = literal;
		}
	}
	if (req->route != NULL) {
		take_params(req, req->route->path);
	} else if (allow.len > 0) {
		httpd_add_header(req, "Allow", str_cstr(&allow));
		refuse(req, 405, err, MW_UNSUPPORTED,
		    "this method is not possible here");
	} else {
		refuse(req, 404, err, MW_NOT_FOUND, "there is nothing here");
	}
	str_free(&allow);
	return req->route != NULL;
}

static void
free_pairs(struct httpd_pair *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(p[i].name);
		free(p[i].value);
	}
}

void
httpd_req_free(struct httpd_req *req)
{
	free_pairs(req->params, req->nparams);
	free_pairs(req->query, req->nquery);
	free_pairs(req->headers, req->nheaders);
	free(req->query);
	free(req->headers);
	free(req->method);
	free(req->target);
	free(req->path);
	str_free(&req->body);
	json_decref(req->json);
	if (req->response != NULL && req->phase != PHASE_REPLY)
		MHD_destroy_response(req->response);
	free(req);
}

const char *
httpd_method(const struct httpd_req *req)
{
	return req->method;
}

const char *
httpd_path(const struct httpd_req *req)
{
	return req->path;
}

static const char *
pair_get(const struct httpd_pair *p, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(p[i].name, name) == 0)
			return p[i].value;
	return NULL;
}

const char *
httpd_param(const struct httpd_req *req, const char *name)
{
	return pair_get(req->params, req->nparams, name);
}

const char *
httpd_query(const struct httpd_req *req, const char *name)
{
	return pair_get(req->query, req->nquery, name);
}

bool
httpd_query_at(const struct httpd_req *req, size_t i, const char **name,
    const char **value)
{
	if (i >= req->nquery)
		return false;
	*name = req->query[i].name;
	*value = req->query[i].value;
	return true;
}

const char *
httpd_header(const struct httpd_req *req, const char *name)
{
	if (req->mhd == NULL)
		return NULL;
	return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name);
}

const char *
httpd_peer(const struct httpd_req *req)
{
	return req->peer;
}

const void *
httpd_body(const struct httpd_req *req, size_t *len)
{
	*len = req->body.len;
	return str_cstr(&req->body);
}

bool
httpd_json(struct httpd_req *req, json_t **out, struct mw_err *err)
{
	static const char want[] = "application/json";
	const char *type = httpd_header(req, "Content-Type");

	if (req->json == NULL) {
		/* Also what a foreign web page cannot send unasked. */
		if (type == NULL ||
		    strncasecmp(type, want, sizeof want - 1) != 0 ||
		    (type[sizeof want - 1] != '\0' &&
			strchr("; \t", type[sizeof want - 1]) == NULL)) {
			refuse(req, 415, err, MW_UNSUPPORTED,
			    "the body must be JSON");
			return err_hint(err,
			    "send Content-Type: application/json");
		}
		req->json = json_parse(str_cstr(&req->body), req->body.len,
		    req->body.len, err);
		if (req->json == NULL) {
			if (err->code == MW_LIMIT)
				req->fail_status = 413;
			return false;
		}
	}
	if (!json_is_object(req->json))
		return err_set(err, MW_INVALID, 0,
		    "the body must be a JSON object");
	*out = req->json;
	return true;
}

void
httpd_set_user(struct httpd_req *req, void *user)
{
	req->user = user;
}

void *
httpd_user(const struct httpd_req *req)
{
	return req->user;
}

void
httpd_on_gone(struct httpd_req *req, void (*cb)(void *arg), void *arg)
{
	req->on_gone = cb;
	req->gone_arg = arg;
}
