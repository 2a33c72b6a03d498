/*
 * http.c - the API client: one call at a time over libcurl, problem+json
 * turned into errors, the token read from its file (never from argv).
 */
#include "cli/cli.h"

#include "common/file.h"
#include "common/pure/alloc.h"
#include "drivers/http.h"

#include <curl/curl.h>
#include <string.h>

#define ANSWER_MAX (64u << 20)

struct stream {
	struct str line;
	char event[64];
	bool (*fn)(const char *event, const char *data, void *arg);
	void *arg;
};

static const char *
base_of(const struct cli *c)
{
	return c->url ? c->url : "http://127.0.0.1:7470";
}

static bool
is_local(const char *url)
{
	enum http_url kind = http_url_kind(url);

	return kind == HTTP_URL_LOCAL || kind == HTTP_URL_PLAIN;
}

/* The second lock, after cli_path(): what is called is what was meant. */
static char *
url_of(const struct cli *c, const char *path, struct mw_err *err)
{
	if (cli_path_clean(path))
		return xasprintf("%s%s", base_of(c), path);
	err_set(err, MW_INVALID, 0, "no path of the API: %.200s", path);
	return NULL;
}

static bool token_load(struct cli *c, struct mw_err *err);
static bool problem(const struct str *body, long status, struct mw_err *err);

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct str *s = arg;

	(void)size;
	if (s->len + n > ANSWER_MAX)
		return 0;
	str_addn(s, p, n);
	return n;
}

static int
on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t d, curl_off_t e)
{
	(void)arg, (void)a, (void)b, (void)d, (void)e;
	return cli_interrupted();
}

static CURL *
handle(struct cli *c)
{
	CURL *h;

	if (!c->curl)
		c->curl = curl_easy_init();
	h = c->curl;
	if (!h)
		abort();
	curl_easy_reset(h);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	/* no proxy of the environment gets the token for this machine */
	if (is_local(base_of(c)))
		curl_easy_setopt(h, CURLOPT_PROXY, "");
	/* no "../" is taken away: another resource would be named */
	curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, 120000L);
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "milkyway/" MW_VERSION);
	return h;
}

/* Performs and maps transport errors; the answer's status is in *status. */
static bool
perform(CURL *h, const char *where, long *status, struct mw_err *err)
{
	char what[CURL_ERROR_SIZE] = "";
	CURLcode rc;

	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, what);
	rc = curl_easy_perform(h);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, status);
	if (rc == CURLE_OK)
		return true;
	if (rc == CURLE_ABORTED_BY_CALLBACK)
		return err_set(err, MW_CANCELED, 0, "interrupted");
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return err_set(err, MW_TIMEOUT, 0, "%s: %s", where, what);
	if (!str_starts(where, "http")) { /* a socket, the twin's */
		err_set(err, MW_UNREACHABLE, 0, "no twin answers at %s", where);
		return err_hint(err, "milkyway up --world FILE");
	}
	err_set(err, MW_UNREACHABLE, 0, "%s: %s", where,
	    what[0] ? what : curl_easy_strerror(rc));
	return err_hint(err,
	    "start a coordinator with: milkyway up "
	    "(or name one with --url)");
}

static bool
call(struct cli *c, CURL *h, const char *where, const char *method,
    json_t *take_body, json_t **out, struct str *plain, struct mw_err *err)
{
	struct curl_slist *heads = NULL;
	struct str body = STR_INIT;
	char *text = NULL, *auth = NULL;
	bool ok = false;
	long status = 0;

	heads = curl_slist_append(heads,
	    plain ? "Accept: text/plain" : "Accept: application/json");
	heads = curl_slist_append(heads, "Expect:");
	if (c->token) {
		auth = xasprintf("Authorization: Bearer %s", c->token);
		heads = curl_slist_append(heads, auth);
	}
	if (take_body) {
		text = json_text(take_body, false);
		heads =
		    curl_slist_append(heads, "Content-Type: application/json");
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)strlen(text));
		curl_easy_setopt(h, CURLOPT_COPYPOSTFIELDS, text);
		json_decref(take_body);
	} else if (str_eq(method, "POST") || str_eq(method, "PUT")) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
	}
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, heads);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &body);
	if (out)
		*out = NULL;
	if (!perform(h, where, &status, err))
		goto out;
	if (status >= 400) {
		problem(&body, status, err);
		goto out;
	}
	if (plain)
		str_addn(plain, body.p, body.len);
	if (out && body.len &&
	    !(*out = json_parse(body.p, body.len, ANSWER_MAX, err))) {
		err_wrap(err, "%s", where);
		goto out;
	}
	ok = true;
out:
	curl_slist_free_all(heads);
	free(text);
	free(auth);
	str_free(&body);
	return ok;
}

static bool
problem(const struct str *body, long status, struct mw_err *err)
{
	struct mw_err ignore = MW_ERR_INIT;
	json_t *j = body->len
	    ? json_parse(body->p, body->len, ANSWER_MAX, &ignore)
	    : NULL;
	json_t *e = json_is_object(j) ? json_object_get(j, "error") : NULL;
	const json_t *list = j ? ja(j, "errors") : NULL;
	const char *code = js(j, "code"), *detail = js(j, "detail");

	if (json_is_object(e)) /* the twin's form */
		detail = js(e, "message");
	err_set(err,
	    code[0]             ? err_code_parse(code)
		: status == 404 ? MW_NOT_FOUND
				: MW_REMOTE,
	    0, "%s", detail[0] ? detail : js(j, "title"));
	if (!err->msg[0])
		err_set(err, MW_REMOTE, 0, "HTTP status %ld without a reason",
		    status);
	if (js(j, "hint")[0])
		err_hint(err, "%s", js(j, "hint"));
	if (json_array_size(list) > 0)
		err_pointer(err, "%s", js(json_array_get(list, 0), "pointer"));
	json_decref(j);
	return false;
}

bool
cli_call(struct cli *c, const char *method, const char *path, json_t *take_body,
    json_t **out, struct mw_err *err)
{
	const char *base = base_of(c);
	char *url;
	CURL *h;
	bool ok;

	url = url_of(c, path, err);
	if (!url || !token_load(c, err)) {
		json_decref(take_body);
		free(url);
		return false;
	}
	h = handle(c);
	curl_easy_setopt(h, CURLOPT_URL, url);
	ok = call(c, h, base, method, take_body, out, NULL, err);
	free(url);
	return ok;
}

bool
cli_text(struct cli *c, const char *path, struct str *out, struct mw_err *err)
{
	const char *base = base_of(c);
	char *url;
	CURL *h;
	bool ok;

	url = url_of(c, path, err);
	if (!url || !token_load(c, err)) {
		free(url);
		return false;
	}
	h = handle(c);
	curl_easy_setopt(h, CURLOPT_URL, url);
	ok = call(c, h, base, "GET", NULL, NULL, out, err);
	free(url);
	return ok;
}

struct sink {
	struct str head; /* of an answer that is a problem, or of the file */
	CURL *h;
	int fd;
};

static size_t
on_file(char *p, size_t size, size_t n, void *arg)
{
	struct sink *s = arg;
	long status = 0;

	(void)size;
	curl_easy_getinfo(s->h, CURLINFO_RESPONSE_CODE, &status);
	if (status < 400)
		return file_write_all(s->fd, p, n) ? n : 0;
	if (s->head.len + n > 65536)
		return 0;
	str_addn(&s->head, p, n);
	return n;
}

bool
cli_download(struct cli *c, const char *path, int fd, struct mw_err *err)
{
	const char *base = base_of(c);
	struct curl_slist *heads = NULL;
	struct sink s = { .head = STR_INIT, .fd = fd };
	char *url, *auth;
	long status = 0;
	bool ok;

	url = url_of(c, path, err);
	if (!url || !token_load(c, err)) {
		free(url);
		return false;
	}
	s.h = handle(c);
	auth = xasprintf("Authorization: Bearer %s", c->token);
	heads = curl_slist_append(heads, auth);
	curl_easy_setopt(s.h, CURLOPT_URL, url);
	curl_easy_setopt(s.h, CURLOPT_TIMEOUT_MS, 0L);
	curl_easy_setopt(s.h, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(s.h, CURLOPT_LOW_SPEED_TIME, 60L);
	curl_easy_setopt(s.h, CURLOPT_HTTPHEADER, heads);
	curl_easy_setopt(s.h, CURLOPT_WRITEFUNCTION, on_file);
	curl_easy_setopt(s.h, CURLOPT_WRITEDATA, &s);
	ok = perform(s.h, base, &status, err);
	if (ok && status >= 400)
		ok = problem(&s.head, status, err);
	curl_slist_free_all(heads);
	str_free(&s.head);
	free(url);
	free(auth);
	return ok;
}

bool
cli_call_unix(struct cli *c, const char *socket, const char *method,
    const char *path, json_t *take_body, json_t **out, struct mw_err *err)
{
	char *url = xasprintf("http://localhost%s", path), *token = c->token;
	CURL *h = handle(c);
	bool ok;

	c->token = NULL; /* the token is the coordinator's alone */
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	ok = call(c, h, socket, method, take_body, out, NULL, err);
	c->token = token;
	free(url);
	return ok;
}

static bool
token_load(struct cli *c, struct mw_err *err)
{
	struct str s = STR_INIT;
	char *path;

	if (c->token)
		return true;
	path = c->token_file ? xstrdup(c->token_file)
			     : xasprintf("%s/token", c->dir);
	if (!file_read(path, 4096, &s, err)) {
		err_wrap(err, "API token");
		err_hint(err,
		    "run \"milkyway up\" first, or name the file "
		    "with --token-file");
		free(path);
		return false;
	}
	while (s.len && (s.p[s.len - 1] == '\n' || s.p[s.len - 1] == ' '))
		s.p[--s.len] = 0;
	c->token = str_take(&s);
	free(path);
	return true;
}

/* Server-sent events: lines "event: X", "data: Y", a blank line ends one. */
static size_t
on_stream(char *p, size_t size, size_t n, void *arg)
{
	struct stream *s = arg;

	(void)size;
	for (size_t i = 0; i < n; i++) {
		if (p[i] != '\n') {
			if (s->line.len < 65536)
				str_addc(&s->line, p[i]);
			continue;
		}
		if (str_starts(str_cstr(&s->line), "event: "))
			str_copy(s->event, sizeof s->event, s->line.p + 7);
		else if (str_starts(str_cstr(&s->line), "data: ") &&
		    !s->fn(s->event, s->line.p + 6, s->arg))
			return 0;
		str_reset(&s->line);
	}
	return n;
}

bool
cli_stream(struct cli *c, const char *path,
    bool (*fn)(const char *event, const char *data, void *arg), void *arg,
    struct mw_err *err)
{
	const char *base = base_of(c);
	struct stream s = { .line = STR_INIT, .fn = fn, .arg = arg };
	struct curl_slist *heads = NULL;
	char *url, *auth;
	long status = 0;
	CURL *h;
	bool ok;

	url = url_of(c, path, err);
	if (!url || !token_load(c, err)) {
		free(url);
		return false;
	}
	h = handle(c);
	auth = xasprintf("Authorization: Bearer %s", c->token);
	heads = curl_slist_append(heads, auth);
	heads = curl_slist_append(heads, "Accept: text/event-stream");
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, 0L);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, heads);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_stream);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &s);
	ok = perform(h, base, &status, err);
	if (ok && status >= 400)
		ok = err_set(err, MW_REMOTE, 0, "%s: HTTP %ld", path, status);
	curl_slist_free_all(heads);
	str_free(&s.line);
	free(url);
	free(auth);
	return ok;
}

void
cli_close(struct cli *c)
{
	if (c->curl)
		curl_easy_cleanup(c->curl);
	free(c->token);
}
