/*
 * cmd.c - options and calls of the command line (cmd.h). Calls are HTTP over
 * the twin's unix socket with a deadline.
 */
#include "twin/cmd.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_MS 60000L
#define ANSWER_MAX (64 * 1024 * 1024)

/* 0: no option, 1: a flag, 2: with the next argument; -1: wrong. */
static int
match(const struct cmd_opt *o, int argc, char **argv)
{
	size_t n = strlen(o->name);

	if (strncmp(argv[0], o->name, n) != 0 ||
	    (argv[0][n] != '\0' && argv[0][n] != '='))
		return 0;
	if (o->flag) {
		*o->flag = true;
		return argv[0][n] == '=' ? -1 : 1;
	}
	if (argv[0][n] == '=') {
		*o->value = argv[0] + n + 1;
		return 1;
	}
	if (argc < 2)
		return -1;
	*o->value = argv[1];
	return 2;
}

static int
match_any(struct cmd *c, const struct cmd_opt *opts, size_t n, int argc,
    char **argv)
{
	const struct cmd_opt common[] = {
		{ "--socket", &c->socket, NULL },
		{ "--json", NULL, &c->json },
	};
	int used = 0;

	for (size_t i = 0; i < n && used == 0; i++)
		used = match(&opts[i], argc, argv);
	for (size_t i = 0; i < ARRAY_LEN(common) && used == 0; i++)
		used = match(&common[i], argc, argv);
	return used;
}

bool
cmd_options(struct cmd *c, const struct cmd_opt *opts, size_t n, bool stop)
{
	int kept = 0, i = 0;

	while (i < c->argc) {
		const char *a = c->argv[i];
		int used;

		if (strcmp(a, "--") == 0) {
			i++;
			break;
		}
		if (a[0] != '-' || a[1] == '\0') {
			if (stop)
				break;
			c->argv[kept++] = c->argv[i++];
			continue;
		}
		used = match_any(c, opts, n, c->argc - i, c->argv + i);
		if (used <= 0) {
			fprintf(stderr, "milkyway-twin: %s %s\n", a,
			    used ? "needs a value" : "is not an option here");
			return false;
		}
		i += used;
	}
	while (i < c->argc)
		c->argv[kept++] = c->argv[i++];
	c->argc = kept;
	return true;
}

int
cmd_fail(const struct mw_err *err)
{
	fprintf(stderr, "milkyway-twin: %s%s%s%s%s%s\n",
	    err->pointer[0] ? err->pointer : "", err->pointer[0] ? ": " : "",
	    err->msg, err->hint[0] ? " (" : "", err->hint,
	    err->hint[0] ? ")" : "");
	return err_exit_status(err->code);
}

int
cmd_usage(const char *text)
{
	fprintf(stderr, "usage: milkyway-twin %s\n", text);
	return 2;
}

static size_t
on_bytes(char *p, size_t size, size_t n, void *arg)
{
	struct str *s = arg;

	(void)size; /* always 1 */
	if (s->len + n > ANSWER_MAX)
		return 0;
	str_addn(s, p, n);
	return n;
}

static void
set_body(CURL *h, struct curl_slist **headers, char *text)
{
	*headers = curl_slist_append(NULL, "Content-Type: application/json");
	*headers = curl_slist_append(*headers, "Expect:");
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, *headers);
	curl_easy_setopt(h, CURLOPT_POSTFIELDS, text);
}

static bool
perform(const struct cmd *c, const char *method, const char *path, char *text,
    struct str *answer, long *status, struct mw_err *err)
{
	CURL *h = curl_easy_init();
	struct curl_slist *headers = NULL;
	char *url = xasprintf("http://twin%s", path);
	CURLcode rc;

	if (!h)
		abort();
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, CALL_MS);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, answer);
	if (text)
		set_body(h, &headers, text);
	rc = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(h);
	free(url);
	if (rc == CURLE_OK)
		return true;
	if (rc == CURLE_COULDNT_CONNECT) {
		err_set(err, MW_UNREACHABLE, 0, "no twin answers on %s",
		    c->socket);
		return err_hint(err, "start one: sudo milkyway-twin up");
	}
	return err_set(err, MW_UNREACHABLE, 0, "%s: %s", c->socket,
	    curl_easy_strerror(rc));
}

/* The twin's {"error":{code,message}} or httpd's problem+json. */
static bool
twin_error(long status, const json_t *j, struct mw_err *err)
{
	static const struct {
		const char *name;
		enum mw_code code;
	} codes[] = {
		{ "notFound", MW_NOT_FOUND },
		{ "conflictExists", MW_EXISTS },
		{ "conflictBusy", MW_CONFLICT },
		{ "invalid", MW_INVALID },
		{ "quota", MW_LIMIT },
		{ "throttled", MW_LIMIT },
		{ "auth", MW_DENIED },
	};
	const json_t *e = json_object_get(j, "error");
	const char *code = json_string_value(json_object_get(e, "code"));
	const char *text = json_string_value(json_object_get(e, "message"));
	enum mw_code mc = MW_REMOTE;

	if (!text)
		text = json_string_value(json_object_get(j, "detail"));
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (str_eq(codes[i].name, code))
			mc = codes[i].code;
	}
	if (text)
		return err_set(err, mc, 0, "%s", text);
	return err_set(err, mc, 0, "the twin answered %ld", status);
}

bool
cmd_call(const struct cmd *c, const char *method, const char *path,
    json_t *take_body, json_t **out, struct mw_err *err)
{
	char *text = take_body ? json_text(take_body, false) : NULL;
	struct str answer = STR_INIT;
	long status = 0;
	bool ok;

	*out = NULL;
	json_decref(take_body);
	ok = perform(c, method, path, text, &answer, &status, err);
	free(text);
	if (ok && answer.len > 0) {
		/* its own answers may be larger than what it takes in */
		*out = json_loadb(answer.p, answer.len, 0, NULL);
		if (!*out)
			ok = err_set(err, MW_PROTO, 0,
			    "the twin's answer is not JSON");
	}
	str_free(&answer);
	if (ok && status >= 400) {
		ok = twin_error(status, *out, err);
		json_decref(*out);
		*out = NULL;
	}
	return ok;
}

json_t *
cmd_find_vm(const struct cmd *c, const char *name, struct mw_err *err)
{
	json_t *truth, *list, *v, *found = NULL;
	size_t i;

	if (!cmd_call(c, "GET", "/v1/lab/truth", NULL, &truth, err))
		return NULL;
	list = json_object_get(truth, "items");
	json_array_foreach(list, i, v)
	{
		if (strcmp(cmd_field(v, "id"), name) == 0 ||
		    strcmp(cmd_field(v, "name"), name) == 0)
			found = v;
	}
	if (found)
		json_incref(found);
	else
		err_set(err, MW_NOT_FOUND, 0, "no living VM %.100s", name);
	json_decref(truth);
	return found;
}

void
cmd_print_json(const json_t *j)
{
	char *text = json_pretty(j);

	puts(text);
	free(text);
}

const char *
cmd_field(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "-";
}
