/*
 * driver_cases_rules.c - talks to the fault proxy (tests/lib/faultproxy.py) in
 * front of the target: rules in the target's terms, counts from its log.
 */
#include "driver_cases.h"

#include "common/json.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define END_LIMIT_NS (60 * NS_PER_S)
#define LOG_MAX ((size_t)64 * 1024 * 1024)

/* ---- dialects ------------------------------------------------------------ */

static const struct refusal ec2_refusals[] = {
	{ 18, 400, "VcpuLimitExceeded", CSP_DEFINITE, CSP_R_QUOTA },
	{ 18, 400, "InstanceLimitExceeded", CSP_DEFINITE, CSP_R_QUOTA },
	{ 19, 500, "InsufficientInstanceCapacity", CSP_DEFINITE,
	    CSP_R_CAPACITY },
	{ 21, 400, "InvalidGroup.NotFound", CSP_CONFLICT, CSP_R_BUSY },
	{ 21, 400, "InvalidKeyPair.NotFound", CSP_CONFLICT, CSP_R_BUSY },
	{ 36, 503, "RequestLimitExceeded", CSP_THROTTLED, CSP_R_NONE },
	{ 36, 400, "Throttling", CSP_THROTTLED, CSP_R_NONE },
	{ 36, 400, "ThrottlingException", CSP_THROTTLED, CSP_R_NONE },
	{ 36, 503, "EC2ThrottledException", CSP_THROTTLED, CSP_R_NONE },
	{ 0, 0, NULL, CSP_OK, CSP_R_NONE },
};

static const struct refusal twin_refusals[] = {
	{ 18, 403, "quota", CSP_DEFINITE, CSP_R_QUOTA },
	{ 19, 409, "capacity", CSP_DEFINITE, CSP_R_CAPACITY },
	{ 21, 409, "conflictBusy", CSP_CONFLICT, CSP_R_BUSY },
	{ 36, 429, "throttled", CSP_THROTTLED, CSP_R_NONE },
	{ 36, 503, "throttled", CSP_THROTTLED, CSP_R_NONE },
	{ 0, 0, NULL, CSP_OK, CSP_R_NONE },
};

static const struct dialect dialects[] = {
	{
	    .driver = "aws",
	    .places = {
		[P_CREATE] = { "\"action\":\"RunInstances\"", "RunInstances",
		    NULL, NULL },
		[P_LIST] = { "\"action\":\"DescribeInstances\","
			     "\"body\":\"Filter.1.Name=\"",
		    "DescribeInstances", NULL, NULL },
		[P_GET] = { "\"action\":\"DescribeInstances\","
			    "\"body\":\"InstanceId.1=\"",
		    "DescribeInstances", NULL, NULL },
		[P_ANY] = { "\"path\":\"\"", NULL, NULL, NULL },
	    },
	    .refusals = ec2_refusals,
	    .expired = "\"status\":401,\"code\":\"ExpiredToken\"",
	    .unknown_vm = "\"code\":\"InvalidInstanceID.NotFound\"",
	    .dream = "\"pattern\":\"<name>(running|pending)</name>\","
		     "\"by\":\"<name>dreaming</name>\"",
	    .bodies = { "<a/>", "<DescribeInstancesResponse>\xc3\xbf\xc3\xbe",
		"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>" },
	},
	{
	    .driver = "twin",
	    .places = {
		[P_CREATE] = { "\"method\":\"POST\",\"path\":\"/vms$\"", NULL,
		    "POST", "/vms" },
		[P_LIST] = { "\"method\":\"GET\",\"path\":\"/vms[?]\"", NULL,
		    "GET", "/vms?" },
		[P_GET] = { "\"method\":\"GET\",\"path\":\"/vms/[^/]+$\"",
		    NULL, "GET", "/vms/" },
		[P_ANY] = { "\"path\":\"\"", NULL, NULL, NULL },
	    },
	    .refusals = twin_refusals,
	    .expired = "\"status\":401,\"code\":\"auth\"",
	    .unknown_vm = "\"status\":404,\"code\":\"notFound\"",
	    .dream = "\"pattern\":\"\\\"nativeState\\\": *\\\"[^\\\"]*\\\"\","
		     "\"by\":\"\\\"nativeState\\\":\\\"dreaming\\\"\"",
	    .bodies = { "{}", "{\\\"items\\\":7}",
		"{\\\"items\\\":[{\\\"id\\\":\\\"\xc3\xbf\xc3\xbe\\\"}]}",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[" },
	},
};

const struct dialect *
dialect_of(const char *driver)
{
	for (size_t i = 0; i < ARRAY_LEN(dialects); i++) {
		if (str_eq(dialects[i].driver, driver))
			return &dialects[i];
	}
	return NULL;
}

/* ---- the proxy ----------------------------------------------------------- */

static int
proxy_connect(const char *where)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct sockaddr_un su = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	bool path = where[0] == '/';
	int fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM, 0), rc;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (path) {
		str_copy(su.sun_path, sizeof su.sun_path, where);
		rc = connect(fd, (struct sockaddr *)&su, sizeof su);
	} else {
		inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
		sa.sin_port =
		    htons((uint16_t)strtol(strchr(where, ':') + 1, NULL, 10));
		rc = connect(fd, (struct sockaddr *)&sa, sizeof sa);
	}
	if (rc == 0)
		return fd;
	close(fd);
	return -1;
}

/* One request to the proxy itself; the body of its answer. The tool is local
 * and answers at once, so that blocking is fine. */
static char *
control(const struct suite *s, const char *method, const char *path,
    const char *body)
{
	struct str in = STR_INIT, out = STR_INIT;
	char buf[65536], *end;
	int fd = proxy_connect(s->proxy);
	ssize_t n;

	str_addf(&out,
	    "%s /_proxy/%s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s", method,
	    path, strlen(body), body);
	if (fd >= 0 && write(fd, out.p, out.len) == (ssize_t)out.len) {
		while (in.len < LOG_MAX && (n = read(fd, buf, sizeof buf)) > 0)
			str_addn(&in, buf, (size_t)n);
	}
	if (fd >= 0)
		close(fd);
	str_free(&out);
	end = strstr(str_cstr(&in), "\r\n\r\n");
	end = xstrdup(end ? end + 4 : "");
	str_free(&in);
	return end;
}

/* A rule that the proxy does not take is a mistake of the case. */
void
rule(const struct suite *s, const char *json)
{
	char *said = control(s, "POST", "rules", json);

	if (!str_eq(said, "{}")) {
		fprintf(stderr, "the proxy does not take %s\n", json);
		abort();
	}
	free(said);
}

void
no_rules(const struct suite *s)
{
	free(control(s, "DELETE", "rules", ""));
}

const char *
at(struct suite *s, enum place p, const char *members)
{
	snprintf(s->rule, sizeof s->rule, "{%s,%s}", s->speaks->places[p].rule,
	    members);
	return s->rule;
}

static bool
of(const json_t *line, const char *key, const char *want, bool part)
{
	const char *v = json_string_value(json_object_get(line, key));

	return !want ||
	    (v && (part ? strstr(v, want) != NULL : str_eq(v, want)));
}

static size_t
count(const struct suite *s, const char *action, const char *method,
    const char *path, const char *text)
{
	struct mw_err err = MW_ERR_INIT;
	char *log = control(s, "GET", "log", "");
	json_t *v = json_parse(log, strlen(log), LOG_MAX, &err), *line;
	size_t i, n = 0;

	json_array_foreach(v, i, line)
	{
		n += of(line, "action", action, false) &&
		    of(line, "method", method, false) &&
		    of(line, "path", path, true) &&
		    of(line, "body", text, true);
	}
	json_decref(v);
	free(log);
	return n;
}

size_t
seen(const struct suite *s, const char *action, const char *text)
{
	return count(s, action, NULL, NULL, text);
}

size_t
seen_at(const struct suite *s, enum place p, const char *text)
{
	return count(s, s->speaks->places[p].action,
	    s->speaks->places[p].method, s->speaks->places[p].path, text);
}

struct csp_answer *
under(struct suite *s, const char *json, struct csp_req *q)
{
	struct csp_answer *a;

	rule(s, json);
	a = call(s, q);
	no_rules(s);
	return a;
}

bool
expect(struct suite *s, const char *json, struct csp_req *q, enum csp_class cls,
    enum csp_reason reason)
{
	return is(s, under(s, json, q), cls, reason);
}

size_t
alive(struct suite *s)
{
	struct csp_answer *a = call(s, list(s));
	size_t n = 0;

	for (size_t i = 0; i < a->nvms; i++)
		n += !is_gone_word(a->vms[i].native);
	return n;
}

/* A terminate for each that lives; how many there were. */
static size_t
end_all(struct suite *s)
{
	struct csp_answer *a = call(s, list(s));
	char ids[128][64];
	size_t n = 0;

	for (size_t i = 0; i < a->nvms && n < ARRAY_LEN(ids); i++) {
		if (!is_gone_word(a->vms[i].native))
			str_copy(ids[n++], sizeof ids[0], a->vms[i].csp_id);
	}
	for (size_t i = 0; i < n; i++) {
		struct csp_req *q = csp_req_new(CSP_VM_TERMINATE, s->conf.id);

		q->csp_id = arena_strdup(q->arena, ids[i]);
		post(s, q);
	}
	if (n > 0)
		wait_all(s);
	return n;
}

bool
no_vm_left(struct suite *s)
{
	int64_t until = clock_mono_ns() + END_LIMIT_NS;

	end_all(s);
	while (alive(s) > 0) {
		struct timespec pause = { 0, 100000000 };

		if (clock_mono_ns() > until)
			return says(s, false, "VMs are left");
		nanosleep(&pause, NULL);
	}
	return true;
}
