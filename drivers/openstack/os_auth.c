/*
 * os_auth.c - Keystone v3: a token by password or application credential, and
 * the catalogue that comes with it. The token is renewed before it ends, beside
 * the calls that still use it, and whenever a service refuses it.
 */
#include "drivers/openstack/os_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/pure/when.h"

#include <openssl/crypto.h>
#include <string.h>

#define LIFE_NS (3600 * NS_PER_S) /* unless the token says */
#define LIFE_MIN_NS (10 * NS_PER_S)
#define AUTH_MS 60000
#define AUTH_LEFT_MS 100 /* what is left to tell why there is none */
#define REGIONS_MAX 256

static const struct cred_field fields[] = {
	{ "Username", "OS_USERNAME", false },
	{ "Password", "OS_PASSWORD", false },
	{ "DomainName", "OS_USER_DOMAIN_NAME", false },
	{ "ProjectID", "OS_PROJECT_ID", false },
	{ "ProjectName", "OS_PROJECT_NAME", false },
	{ "ProjectDomainName", "OS_PROJECT_DOMAIN_NAME", false },
	{ "ApplicationCredentialId", "OS_APPLICATION_CREDENTIAL_ID", false },
	{ "ApplicationCredentialSecret", "OS_APPLICATION_CREDENTIAL_SECRET",
	    false },
};

static const struct {
	const char *type, *suffix;
} services[OS_SERVICES] = {
	[OS_COMPUTE] = { "compute", "" },
	[OS_NETWORK] = { "network", "/v2.0" },
	[OS_IMAGE] = { "image", "/v2" },
};

void
os_auth_forget(struct drv_conn *conn)
{
	if (conn->token)
		OPENSSL_cleanse(conn->token, strlen(conn->token));
	free(conn->token);
	conn->token = NULL;
}

static void
failed(struct drv_conn *conn, enum csp_reason reason, const char *why,
    const char *what)
{
	struct mw_err err = MW_ERR_INIT;
	char *text = xasprintf("%s%s", why, what);

	err_set(&err, MW_REMOTE, 0, "%s", text);
	free(text);
	os_ready(conn, &err, reason);
}

/* ---- asking -------------------------------------------------------------- */

static json_t *
text_or_default(const struct cred *c, const char *name, const char *other)
{
	const char *v = cred_value(c, name);

	return json_string(v ? v : other);
}

/* NULL: the credential is of neither form. */
static json_t *
auth_body(const struct cred *c)
{
	const char *app = cred_value(c, "ApplicationCredentialId");
	const char *secret = cred_value(c, "ApplicationCredentialSecret");
	const char *user = cred_value(c, "Username");
	const char *password = cred_value(c, "Password");
	const char *id = cred_value(c, "ProjectID");
	const char *name = cred_value(c, "ProjectName");
	json_t *project;

	if (app && secret)
		return json_pack("{s:{s:{s:[s],s:{s:s,s:s}}}}", "auth",
		    "identity", "methods", "application_credential",
		    "application_credential", "id", app, "secret", secret);
	if (!user || !password || (!id && !name))
		return NULL;
	project = id
	    ? json_pack("{s:s}", "id", id)
	    : json_pack("{s:s,s:{s:o}}", "name", name, "domain", "name",
		  text_or_default(c, "ProjectDomainName",
		      cred_value(c, "DomainName") ? cred_value(c, "DomainName")
						  : "Default"));
	return json_pack("{s:{s:{s:[s],s:{s:{s:s,s:s,s:{s:o}}}},s:{s:o}}}",
	    "auth", "identity", "methods", "password", "password", "user",
	    "name", user, "password", password, "domain", "name",
	    text_or_default(c, "DomainName", "Default"), "scope", "project",
	    project);
}

/* As long as one of those that wait for it has time. */
static int64_t
patience_ms(const struct drv_conn *conn)
{
	int64_t last = 0, ms;
	const struct os_call *c;

	TAILQ_FOREACH(c, &conn->waiting, link)
	{
		if (c->deadline_ns > last)
			last = c->deadline_ns;
	}
	ms = (last - clock_mono_ns()) / NS_PER_MS - AUTH_LEFT_MS;
	if (TAILQ_EMPTY(&conn->waiting) || ms > AUTH_MS)
		return AUTH_MS;
	return ms > AUTH_LEFT_MS ? ms : AUTH_LEFT_MS;
}

static void
incomplete(struct drv_conn *conn)
{
	const char *others = conn->cred->others;
	char *text = xasprintf("the credential is not complete%s%s",
	    others ? "; none of the fields is " : "", others ? others : "");
	struct mw_err err = MW_ERR_INIT, none = MW_ERR_INIT;

	err_set(&err, MW_INVALID, 0, "%s", text);
	err_hint(&err,
	    "Username, Password and ProjectID or ProjectName, or "
	    "ApplicationCredentialId and ApplicationCredentialSecret");
	cred_none(&err, &none);
	free(text);
	os_ready(conn, &none, CSP_R_AUTH);
}

static void
ask_token(struct drv_conn *conn)
{
	static const char *const headers[] = { "Content-Type: application/json",
		"Accept: application/json", NULL };
	json_t *j = auth_body(conn->cred);
	char *body, *url;
	struct http_req req = {
		.method = "POST",
		.headers = headers,
		.want_header = "x-subject-token",
		.deadline_ms = patience_ms(conn),
	};

	if (!j) {
		incomplete(conn);
		return;
	}
	body = json_text(j, false);
	json_decref(j);
	url = xasprintf("%s/auth/tokens", conn->auth_url);
	req.url = url;
	req.body = body;
	req.secret = true;
	req.body_len = strlen(body);
	conn->token_asked_ns = clock_mono_ns();
	http_submit(conn->lane, &req, os_auth_answer, conn);
	OPENSSL_cleanse(body, strlen(body));
	free(body);
	free(url);
}

static void
on_cred(struct cred *take_cred, const struct mw_err *err, void *arg)
{
	struct drv_conn *conn = arg;
	struct mw_err none = MW_ERR_INIT;
	int64_t took_ns = clock_mono_ns() - conn->cred_from_ns;
	struct os_call *c;

	cred_free(conn->cred);
	conn->cred = take_cred;
	conn->cred_stale = false;
	conn->cred_from_ns = 0;
	TAILQ_FOREACH(c, &conn->waiting, link)
	{
		c->deadline_ns += took_ns;
	}
	os_rearm(conn);
	if (!conn->cred)
		cred_none(err, &none);
	if (conn->closed || !conn->cred)
		os_ready(conn, &none, CSP_R_AUTH);
	else
		ask_token(conn);
}

void
os_auth(struct drv_conn *conn)
{
	if (conn->asking)
		return;
	conn->asking = true;
	if (conn->cred && !conn->cred_stale) {
		ask_token(conn);
		return;
	}
	conn->cred_from_ns = clock_mono_ns();
	cred_get(conn->env.loop, conn->env.vault, conn->credential, fields,
	    ARRAY_LEN(fields), on_cred, conn);
}

/* ---- the answer ---------------------------------------------------------- */

static bool
has_suffix(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && strcmp(s + n - k, end) == 0;
}

/* A region of the catalogue, once. */
static void
note_region(struct drv_conn *conn, const char *id)
{
	for (size_t i = 0; i < conn->nregions; i++) {
		if (str_eq(conn->regions[i].id, id))
			return;
	}
	if (conn->nregions == REGIONS_MAX || strlen(id) > 63)
		return;
	conn->regions[conn->nregions++] = (struct csp_region){
		.id = arena_strdup(conn->catalog, id),
		.csp = "openstack",
		.display = arena_strdup(conn->catalog, id),
	};
}

/* The token goes there: the rule is that of the connection's own address. */
static bool
may_call(const struct drv_conn *conn, const char *url)
{
	enum http_url kind = http_url_kind(url);

	return kind != HTTP_URL_BAD && (kind != HTTP_URL_PLAIN || conn->plain);
}

static void
take_endpoint(struct drv_conn *conn, int service, const json_t *e)
{
	const char *face = json_string_value(json_object_get(e, "interface"));
	const char *region = json_string_value(json_object_get(e, "region_id"));
	const char *url = json_string_value(json_object_get(e, "url"));
	size_t n = url ? strlen(url) : 0;

	if (!face || !region || !url || strcmp(face, "public") != 0 || n > 2048)
		return;
	note_region(conn, region);
	if (conn->region && strcmp(region, conn->region) != 0)
		return;
	if (!may_call(conn, url)) {
		conn->refused = true;
		log_warn("drivers", conn->id,
		    "the cloud's catalogue names a service by an address "
		    "that is not https://\taction=ignore");
		return;
	}
	while (n > 0 && url[n - 1] == '/')
		n--;
	free(conn->url[service]);
	conn->url[service] = xasprintf("%.*s", (int)n, url);
	if (!has_suffix(conn->url[service], services[service].suffix)) {
		char *longer = xasprintf("%s%s", conn->url[service],
		    services[service].suffix);

		free(conn->url[service]);
		conn->url[service] = longer;
	}
}

static void
take_catalog(struct drv_conn *conn, const json_t *catalog)
{
	size_t i, k;
	json_t *s, *e;

	arena_free(conn->catalog);
	conn->catalog = arena_new();
	conn->regions =
	    arena_array(conn->catalog, REGIONS_MAX, sizeof *conn->regions);
	conn->nregions = 0;
	conn->refused = false;
	for (i = 0; i < OS_SERVICES; i++) {
		free(conn->url[i]);
		conn->url[i] = NULL;
	}
	json_array_foreach(catalog, i, s)
	{
		const char *type =
		    json_string_value(json_object_get(s, "type"));

		for (int n = 0; type && n < OS_SERVICES; n++) {
			if (strcmp(type, services[n].type) != 0)
				continue;
			json_array_foreach(json_object_get(s, "endpoints"), k,
			    e) take_endpoint(conn, n, e);
		}
	}
}

/* By the token's own two times, as our clock may differ; renewed when four
 * fifths are over. A token that ends earlier is found out by a 401. */
static void
take_life(struct drv_conn *conn, const json_t *token)
{
	const char *issued =
	    json_string_value(json_object_get(token, "issued_at"));
	const char *ends =
	    json_string_value(json_object_get(token, "expires_at"));
	int64_t from = 0, to = 0, life = LIFE_NS;

	if (issued && ends && when_parse(issued, &from) &&
	    when_parse(ends, &to))
		life = to - from;
	if (life < LIFE_MIN_NS)
		life = LIFE_MIN_NS;
	conn->token_until_ns = conn->token_asked_ns + life / 5 * 4;
	conn->token_end_ns = conn->token_asked_ns + life;
}

/* A token that is still good serves while Keystone is in trouble. */
static void
no_answer(struct drv_conn *conn, const char *why, const char *what)
{
	if (conn->token && clock_mono_ns() >= conn->token_end_ns)
		os_auth_forget(conn);
	failed(conn, CSP_R_UNSENT, why, what);
}

static void
no_contact(struct drv_conn *conn, const char *what)
{
	bool tls = strstr(what, "SSL") || strstr(what, "certificate");

	no_answer(conn,
	    tls ? "Keystone's certificate is not accepted: "
		: "Keystone does not answer: ",
	    what);
}

static void
refused(struct drv_conn *conn, const struct http_answer *h)
{
	char *what = xasprintf("%s (HTTP %d%s%s)",
	    h->status == 404 ? conn->auth_url : "wrong name, secret or project",
	    h->status, h->request_id[0] ? ", request " : "", h->request_id);

	failed(conn, CSP_R_AUTH,
	    h->status == 404 ? "there is no Keystone at the endpoint: "
			     : "Keystone refuses the credential: ",
	    what);
	free(what);
}

void
os_auth_answer(const struct http_answer *h, void *arg)
{
	struct drv_conn *conn = arg;
	struct mw_err err = MW_ERR_INIT;
	const json_t *token;
	json_t *j = NULL;

	if (h->end != HTTP_ANSWERED) {
		no_contact(conn, h->error);
		return;
	}
	j = json_parse(h->body, h->body_len, HTTP_BODY_MAX, &err);
	token = json_object_get(j, "token");
	if (h->status == 401 || h->status == 403 || h->status == 404) {
		conn->cred_stale = true;
		os_auth_forget(conn);
		refused(conn, h);
	} else if (h->status != 201 || !json_is_object(token) ||
	    !h->header[0]) {
		no_answer(conn, "Keystone gives no token",
		    h->status >= 500 ? " (it fails itself)" : "");
	} else {
		os_auth_forget(conn);
		take_catalog(conn, json_object_get(token, "catalog"));
		conn->token = xstrdup(h->header);
		conn->token_no++;
		take_life(conn, token);
		os_ready(conn, &err, CSP_R_NONE);
	}
	json_decref(j);
}
