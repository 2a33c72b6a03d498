/*
 * driver_cases_ec2.c - the cases that need the fault proxy (tests/lib/
 * faultproxy.py) in front of EC2's dialect. Each asks for its rules and clears
 * them; counts of requests come from the proxy's log.
 */
#include "driver_cases.h"

#include "common/json.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_MAX ((size_t)64 * 1024 * 1024)

/* ---- the proxy ----------------------------------------------------------- */

/* One request to the proxy itself; the body of its answer. The tool is local
 * and answers at once, so that blocking is fine. */
static char *
control(const struct suite *s, const char *method, const char *path,
    const char *body)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct timeval limit = { .tv_sec = 10 };
	struct str in = STR_INIT, out = STR_INIT;
	char buf[65536], *end;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t n;

	inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
	sa.sin_port =
	    htons((uint16_t)strtol(strchr(s->proxy, ':') + 1, NULL, 10));
	str_addf(&out,
	    "%s /_proxy/%s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s", method,
	    path, strlen(body), body);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0 &&
	    write(fd, out.p, out.len) == (ssize_t)out.len) {
		while (in.len < LOG_MAX && (n = read(fd, buf, sizeof buf)) > 0)
			str_addn(&in, buf, (size_t)n);
	}
	close(fd);
	str_free(&out);
	end = strstr(str_cstr(&in), "\r\n\r\n");
	end = xstrdup(end ? end + 4 : "");
	str_free(&in);
	return end;
}

static void
rule(const struct suite *s, const char *json)
{
	free(control(s, "POST", "rules", json));
}

static void
no_rules(const struct suite *s)
{
	free(control(s, "DELETE", "rules", ""));
}

/* How many requests with that action (NULL: all) and that text in the body
 * (NULL: any) the proxy has seen. */
static size_t
seen(const struct suite *s, const char *action, const char *text)
{
	struct mw_err err = MW_ERR_INIT;
	char *log = control(s, "GET", "log", "");
	json_t *v = json_parse(log, strlen(log), LOG_MAX, &err), *line;
	size_t i, n = 0;

	json_array_foreach(v, i, line)
	{
		const char *a =
		    json_string_value(json_object_get(line, "action"));
		const char *b =
		    json_string_value(json_object_get(line, "body"));

		n += (!action || str_eq(a, action)) &&
		    (!text || strstr(b, text));
	}
	json_decref(v);
	free(log);
	return n;
}

/* Sends with those rules in place. */
static struct csp_answer *
under(struct suite *s, const char *json, struct csp_req *q)
{
	struct csp_answer *a;

	rule(s, json);
	a = call(s, q);
	no_rules(s);
	return a;
}

static bool
expect(struct suite *s, const char *json, struct csp_req *q, enum csp_class cls,
    enum csp_reason reason)
{
	return is(s, under(s, json, q), cls, reason);
}

/* How many of ours live, by the list. */
static size_t
alive(struct suite *s)
{
	struct csp_answer *a = call(s, list(s));
	size_t n = 0;

	for (size_t i = 0; i < a->nvms; i++)
		n += !str_eq(a->vms[i].native, "terminated");
	return n;
}

static void
end_all(struct suite *s)
{
	struct csp_answer *a = call(s, list(s));
	char ids[64][64];
	size_t n = 0;

	for (size_t i = 0; i < a->nvms && n < ARRAY_LEN(ids); i++) {
		if (!str_eq(a->vms[i].native, "terminated"))
			str_copy(ids[n++], sizeof ids[0], a->vms[i].csp_id);
	}
	while (n > 0)
		ends(s, ids[--n]);
}

/* ---- cases --------------------------------------------------------------- */

static bool
is_auth(struct suite *s)
{
	return is(s, call(s, req(s, CSP_VERIFY)), CSP_DEFINITE, CSP_R_AUTH);
}

static bool
c01_wrong(struct suite *s)
{
	static const char secret[] =
	    "{\"ClientId\":\"AKIDNOBODY\",\"ClientSecret\":\"nothing\"}";
	struct drv_conf conf = s->conf;
	char path[] = "/tmp/mw-cases-XXXXXX", ref[64];
	size_t n = seen(s, NULL, NULL);
	int fd = mkstemp(path);
	bool ok = fd >= 0 &&
	    write(fd, secret, sizeof secret - 1) == sizeof secret - 1;

	snprintf(ref, sizeof ref, "file:%s", path);
	conf.credential = ref;
	ok = says(s, ok, "no file") && with_conf(s, &conf, is_auth) &&
	    says(s, seen(s, NULL, NULL) - n <= 2, "asked more than twice");
	close(fd);
	unlink(path);
	return ok;
}

#define LIST "\"action\":\"DescribeInstances\""
#define RUN "\"action\":\"RunInstances\""

static bool
c02_expired(struct suite *s)
{
	return expect(s,
		   "{\"kind\":\"answer\"," LIST ",\"status\":401,"
		   "\"code\":\"ExpiredToken\"}",
		   list(s), CSP_OK, CSP_R_NONE) &&
	    expect(s,
		"{\"kind\":\"answer\"," LIST ",\"status\":401,"
		"\"code\":\"ExpiredToken\",\"count\":2}",
		list(s), CSP_DEFINITE, CSP_R_AUTH);
}

/* The target checks the signature of the second send. */
static bool
c03_retried(struct suite *s)
{
	size_t n = seen(s, "DescribeInstances", NULL);

	return expect(s,
		   "{\"kind\":\"answer\"," LIST ",\"status\":503,"
		   "\"code\":\"Unavailable\",\"headers\":{\"Retry-After\":"
		   "\"2\"}}",
		   list(s), CSP_OK, CSP_R_NONE) &&
	    says(s, seen(s, "DescribeInstances", NULL) == n + 2,
		"not sent twice");
}

static bool
c04_clock(struct suite *s)
{
	return expect(s,
	    "{\"kind\":\"answer\"," LIST ",\"code\":\"RequestExpired\"}",
	    list(s), CSP_DEFINITE, CSP_R_CLOCK);
}

static bool
c05_zone_down(struct suite *s)
{
	struct csp_answer *a = call(s, req(s, CSP_REGIONS));
	size_t up[2] = { 0 };

	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < a->nregions; i++)
			up[k] += a->regions[i].nzones;
		a = under(s,
		    "{\"kind\":\"replace\",\"action\":"
		    "\"DescribeAvailabilityZones\",\"pattern\":"
		    "\"<zoneState>available\",\"by\":\"<zoneState>impaired\","
		    "\"times\":1}",
		    req(s, CSP_REGIONS));
	}
	return says(s, up[0] > 1 && up[1] + 1 == up[0],
	    "the zone that is down is not flagged");
}

static bool
c06_filter(struct suite *s)
{
	size_t n = seen(s, "DescribeImages", NULL);
	size_t f = seen(s, "DescribeImages", "Owner.1=");

	return is(s, call(s, req(s, CSP_IMAGES)), CSP_OK, CSP_R_NONE) &&
	    says(s,
		seen(s, "DescribeImages", NULL) - n ==
		    seen(s, "DescribeImages", "Owner.1=") - f,
		"images were asked for without a filter");
}

static bool
c09_net_cut(struct suite *s)
{
	static const char *const steps[] = { "CreateVpc",
		"CreateInternetGateway", "AttachInternetGateway",
		"CreateSubnet", "ModifySubnetAttribute" };
	size_t n = seen(s, "CreateVpc", NULL);

	is(s, call(s, thing(s, CSP_SG_DELETE)), CSP_OK, CSP_R_NONE);
	if (!is(s, call(s, thing(s, CSP_NET_DELETE)), CSP_OK, CSP_R_NONE))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		char json[128];

		snprintf(json, sizeof json,
		    "{\"kind\":\"dropAfter\",\"action\":\"%s\"}", steps[i]);
		if (!expect(s, json, thing(s, CSP_NET_ENSURE), CSP_AMBIGUOUS,
			CSP_R_RESET))
			return false;
	}
	if (!is(s, call(s, thing(s, CSP_NET_ENSURE)), CSP_OK, CSP_R_NONE))
		return false;
	str_copy(s->net, sizeof s->net, s->answers[0]->csp_id);
	if (!is(s, call(s, thing(s, CSP_SG_ENSURE)), CSP_OK, CSP_R_NONE))
		return false;
	str_copy(s->sg, sizeof s->sg, s->answers[0]->csp_id);
	return says(s, seen(s, "CreateVpc", NULL) == n + 1, "made twice");
}

static bool
sg_with(struct suite *s, int64_t a, int64_t b)
{
	struct csp_req *q = thing(s, CSP_SG_ENSURE);
	struct csp_rule *r = arena_array(q->arena, 2, sizeof *r);

	r[0] = (struct csp_rule){ "udp", a, a, "198.51.100.1/32" };
	r[1] = (struct csp_rule){ "tcp", b, b, "0.0.0.0/0" };
	q->rules = r;
	q->nrules = 2;
	return is(s, call(s, q), CSP_OK, CSP_R_NONE);
}

static bool
c10_rules(struct suite *s)
{
	size_t add = seen(s, "AuthorizeSecurityGroupIngress", NULL);
	size_t cut = seen(s, "RevokeSecurityGroupIngress", NULL);

	return sg_with(s, 7472, 22) && sg_with(s, 7473, 22) &&
	    sg_with(s, 7473, 22) &&
	    says(s, seen(s, "AuthorizeSecurityGroupIngress", NULL) == add + 2,
		"not added twice") &&
	    says(s, seen(s, "RevokeSecurityGroupIngress", NULL) == cut + 1,
		"not removed once");
}

static bool
c12_busy(struct suite *s)
{
	return expect(s,
	    "{\"kind\":\"answer\",\"action\":\"DeleteSubnet\","
	    "\"code\":\"DependencyViolation\"}",
	    thing(s, CSP_NET_DELETE), CSP_CONFLICT, CSP_R_BUSY);
}

static bool
c14_lost(struct suite *s)
{
	size_t n = seen(s, "RunInstances", NULL), live = alive(s);

	return expect(s, "{\"kind\":\"dropAfter\"," RUN "}", create(s, "lost"),
		   CSP_AMBIGUOUS, CSP_R_RESET) &&
	    says(s, seen(s, "RunInstances", NULL) == n + 1, "sent twice") &&
	    says(s, alive(s) == live + 1, "the list does not find it");
}

static bool
refused(struct suite *s, const char *code, enum csp_class cls,
    enum csp_reason reason)
{
	char json[160];
	const struct csp_answer *a;

	snprintf(json, sizeof json,
	    "{\"kind\":\"answer\"," RUN ",\"code\":\"%s\"}", code);
	a = under(s, json, create(s, "refused"));
	return is(s, a, cls, reason) &&
	    says(s, str_eq(a->code, code), "the cloud's code is lost") &&
	    says(s, a->request_id && strstr(a->message, a->request_id),
		"the request's id is lost");
}

static bool
c18_quota(struct suite *s)
{
	return refused(s, "VcpuLimitExceeded", CSP_DEFINITE, CSP_R_QUOTA) &&
	    refused(s, "InstanceLimitExceeded", CSP_DEFINITE, CSP_R_QUOTA);
}

static bool
c19_capacity(struct suite *s)
{
	return refused(s, "InsufficientInstanceCapacity", CSP_DEFINITE,
	    CSP_R_CAPACITY);
}

static bool
c20_image(struct suite *s)
{
	struct csp_req *q = create(s, "noimage");

	q->image = "ami-00000000000000000";
	return is(s, call(s, q), CSP_DEFINITE, CSP_R_INVALID) &&
	    says(s, s->answers[0]->code != NULL, "the cloud's code is lost");
}

static bool
c21_not_visible(struct suite *s)
{
	return refused(s, "InvalidGroup.NotFound", CSP_CONFLICT, CSP_R_BUSY) &&
	    refused(s, "InvalidKeyPair.NotFound", CSP_CONFLICT, CSP_R_BUSY);
}

static bool
c22_creates(struct suite *s)
{
	int64_t began = clock_mono_ns();
	size_t n = seen(s, "RunInstances", NULL), count = 9, good = 0;

	for (size_t i = 0; i < count; i++) {
		char token[16];

		snprintf(token, sizeof token, "many%zu", i);
		post(s, create(s, token));
	}
	wait_all(s);
	for (size_t i = 0; i < s->nanswers; i++)
		good += s->answers[i]->cls == CSP_OK;
	return says(s, good == count, "not all were made") &&
	    says(s, seen(s, "RunInstances", NULL) == n + count,
		"not one send each") &&
	    says(s, clock_mono_ns() - began > 3 * NS_PER_S / 2,
		"faster than two a second");
}

static bool
c24_unknown_state(struct suite *s)
{
	const struct csp_answer *a = under(s,
	    "{\"kind\":\"replace\"," LIST ",\"pattern\":"
	    "\"<name>(running|pending)</name>\",\"by\":\"<name>dreaming"
	    "</name>\"}",
	    list(s));

	return is(s, a, CSP_OK, CSP_R_NONE) &&
	    says(s, a->nvms > 0 && str_eq(a->vms[0].native, "dreaming"),
		"the cloud's word is not passed on");
}

static bool
c33_stale(struct suite *s)
{
	struct csp_req *q = req(s, CSP_VM_GET);

	q->csp_id = "i-00000000000000001";
	return expect(s,
	    "{\"kind\":\"answer\"," LIST
	    ",\"code\":\"InvalidInstanceID.NotFound\"}",
	    q, CSP_NOT_FOUND, CSP_R_NONE);
}

static bool
c34_pages(struct suite *s)
{
	struct csp_answer *a = call(s, list(s));
	static const char *const whole[] = { "{\"kind\":\"pages\",\"count\":0,"
					     "\"size\":4}",
		"{\"kind\":\"pages\",\"count\":0,\"size\":4,\"overlap\":true}",
		"{\"kind\":\"pages\",\"count\":0,\"size\":4,\"refuse\":2}",
		"{\"kind\":\"reorder\",\"action\":\"DescribeInstances\"}",
		"{\"kind\":\"repeat\",\"action\":\"DescribeInstances\"}" };
	static const char *const cut[] = { "{\"kind\":\"pages\",\"count\":0,"
					   "\"size\":4,\"refuse\":9}",
		"{\"kind\":\"pages\",\"count\":0,\"size\":4,\"lose\":1}" };
	size_t n = a->nvms;

	if (!says(s, n >= 10, "too few VMs to page"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
		a = under(s, whole[i], list(s));
		if (!is(s, a, CSP_OK, CSP_R_NONE) ||
		    !says(s, a->nvms == n, whole[i]))
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(cut); i++) {
		struct csp_req *q = list(s);

		q->deadline_ms = 3000;
		a = under(s, cut[i], q);
		if (!says(s, a->cls != CSP_OK && a->nvms == 0, cut[i]))
			return false;
	}
	return true;
}

static bool
c36_throttled(struct suite *s)
{
	static const char *const codes[] = { "RequestLimitExceeded",
		"Throttling", "ThrottlingException", "EC2ThrottledException" };
	struct csp_answer *a;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (!refused(s, codes[i], CSP_THROTTLED, CSP_R_NONE))
			return false;
	}
	a = under(s,
	    "{\"kind\":\"answer\"," RUN ",\"status\":503,"
	    "\"code\":\"RequestLimitExceeded\","
	    "\"headers\":{\"Retry-After\":\"7\"}}",
	    create(s, "refused"));
	return is(s, a, CSP_THROTTLED, CSP_R_NONE) &&
	    says(s, a->retry_after_ms == 7000, "Retry-After is lost");
}

static bool
c37_5xx(struct suite *s)
{
	static const int status[] = { 500, 502, 503, 504 };

	for (size_t i = 0; i < ARRAY_LEN(status); i++) {
		size_t n = seen(s, "RunInstances", NULL);
		char json[120];

		snprintf(json, sizeof json,
		    "{\"kind\":\"answer\"," RUN ",\"status\":%d,"
		    "\"body_is\":\"<html>\"}",
		    status[i]);
		if (!expect(s, json, create(s, "fivexx"), CSP_AMBIGUOUS,
			CSP_R_SERVER) ||
		    !says(s, seen(s, "RunInstances", NULL) == n + 1,
			"sent twice"))
			return false;
		snprintf(json, sizeof json,
		    "{\"kind\":\"answer\"," LIST ",\"status\":%d}", status[i]);
		if (!expect(s, json, list(s), CSP_OK, CSP_R_NONE))
			return false;
	}
	return true;
}

#define BODY(b) "{\"kind\":\"answer\"," LIST ",\"count\":0,\"body_is\":" b "}"

static bool
c38_bad_bodies(struct suite *s)
{
	static const char *const bodies[] = {
		BODY("\"<html><p>hello\""),
		BODY("\"\""),
		BODY("\"<a/>\""),
		BODY("\"<DescribeInstancesResponse>\xc3\xbf\xc3\xbe\""),
		BODY("\"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>\""),
		"{\"kind\":\"answer\"," LIST ",\"count\":0,\"bytes\":20000000}",
		"{\"kind\":\"truncate\"," LIST ",\"count\":0}",
		"{\"kind\":\"cut\"," LIST ",\"count\":0}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct csp_req *q = list(s);
		const struct csp_answer *a;

		q->deadline_ms = 2000;
		a = under(s, bodies[i], q);
		if (!says(s, a->cls == CSP_AMBIGUOUS && a->nvms == 0,
			bodies[i]))
			return false;
	}
	return true;
}

static bool
c39_stalls(struct suite *s)
{
	size_t n = seen(s, "RunInstances", NULL);
	struct csp_req *q = create(s, "stalled");
	int64_t began = clock_mono_ns();

	q->deadline_ms = 1000;
	if (!expect(s, "{\"kind\":\"delayAnswer\"," RUN ",\"seconds\":3}", q,
		CSP_AMBIGUOUS, CSP_R_TIMEOUT) ||
	    !says(s, seen(s, "RunInstances", NULL) == n + 1, "sent twice"))
		return false;
	q = list(s);
	q->deadline_ms = 1000;
	return expect(s, "{\"kind\":\"trickle\"," LIST ",\"bytesPerS\":2}", q,
		   CSP_AMBIGUOUS, CSP_R_TIMEOUT) &&
	    says(s, clock_mono_ns() - began < 5 * NS_PER_S,
		"the deadline was not kept");
}

/* moto's guests write nothing: the text is ours, the wrapping is EC2's. */
static bool
c_boot_log(struct suite *s)
{
	static const char json[] =
	    "{\"kind\":\"replace\",\"action\":\"GetConsoleOutput\","
	    "\"pattern\":\"<output>.*</output>\",\"by\":\"<output>"
	    "Ym9vdAotLS0tLUJFR0lOIFNTSCBIT1NUIEtFWSBLRVlTLS0tLS0Kc3No\\n"
	    "LWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUFBQkFnTUVC\\n"
	    "UVlIQ0FrS0N3d05EZzhRRVJJVEZCVVdGeGdaR2hzY0hSNGYgcm9vdEB4\\n"
	    "Ci0tLS0tRU5EIFNTSCBIT1NUIEtFWSBLRVlTLS0tLS0K\\n"
	    "</output>\"}";
	const struct csp_answer *a = call(s, list(s));
	struct csp_req *q = req(s, CSP_CONSOLE);

	if (!says(s, a->nvms > 0, "no VM"))
		return false;
	q->csp_id = arena_strdup(q->arena, a->vms[0].csp_id);
	a = under(s, json, q);
	return is(s, a, CSP_OK, CSP_R_NONE) &&
	    says(s, strstr(a->text, "END SSH HOST KEY") != NULL,
		"the boot log is not whole");
}

static bool
all_end(struct suite *s)
{
	end_all(s);
	return says(s, alive(s) == 0, "VMs are left");
}

#define EC2(no, what, run)                     \
	{                                      \
		no, what, run, NEEDS_EC2, NULL \
	}
const struct drv_case suite_ec2[] = {
	EC2(1, "a wrong secret: AUTH, two calls at most", c01_wrong),
	EC2(2, "one 401, two", c02_expired),
	EC2(3, "a read retried is signed anew", c03_retried),
	EC2(4, "the clock is off", c04_clock),
	EC2(5, "a zone is down", c05_zone_down),
	EC2(6, "images with a filter", c06_filter),
	EC2(9, "a network cut at each step", c09_net_cut),
	EC2(10, "rules: missing, surplus, same", c10_rules),
	EC2(12, "a network in use", c12_busy),
	EC2(14, "create, answer lost: one send, one VM", c14_lost),
	EC2(18, "quota", c18_quota),
	EC2(19, "no capacity", c19_capacity),
	EC2(20, "bad image", c20_image),
	EC2(21, "group or key not visible yet", c21_not_visible),
	EC2(22, "nine creates at once", c22_creates),
	EC2(24, "unknown native state", c24_unknown_state),
	EC2(33, "not found after create", c33_stale),
	EC2(34, "pages: moved, refused, lost", c34_pages),
	EC2(37, "500 502 503 504", c37_5xx),
	EC2(38, "bad bodies", c38_bad_bodies),
	EC2(39, "stalls", c39_stalls),
	EC2(36, "each throttle code, Retry-After", c36_throttled),
	EC2(0, "console: a wrapped boot log is read", c_boot_log),
	EC2(0, "all of these end", all_end),
};
const size_t suite_nec2 = ARRAY_LEN(suite_ec2);
