/*
 * driver_cases_ec2.c - the cases that are EC2's own, through the fault proxy.
 */
#include "driver_cases.h"

#include <stdlib.h>
#include <unistd.h>

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

#define DENY(action, code)                                           \
	"{\"kind\":\"answer\",\"status\":403,\"code\":\"" code "\"," \
	"\"action\":\"" action "\"}"

/* As EC2 says it, and as moto's own policies do. */
static bool
c01_denied(struct suite *s)
{
	const struct csp_answer *a;

	rule(s, DENY("RunInstances", "UnauthorizedOperation"));
	rule(s, DENY("StopInstances", "AccessDenied"));
	a = call(s, req(s, CSP_VERIFY));
	no_rules(s);
	if (!is(s, a, CSP_DEFINITE, CSP_R_DENIED) ||
	    !says(s,
		strstr(a->message,
		    "may not ec2:RunInstances, "
		    "ec2:StopInstances (") != NULL,
		a->message))
		return false;
	a = under(s, DENY("DescribeRegions", "UnauthorizedOperation"),
	    req(s, CSP_VERIFY));
	if (!is(s, a, CSP_DEFINITE, CSP_R_DENIED) ||
	    !says(s, strstr(a->message, "may not ec2:DescribeRegions (Unauth"),
		a->message))
		return false;
	/* what comes first is refused: the others are named as well */
	rule(s, DENY("DescribeRegions", "UnauthorizedOperation"));
	rule(s, DENY("DescribeImages", "UnauthorizedOperation"));
	rule(s, DENY("DeleteVpc", "UnauthorizedOperation"));
	a = call(s, req(s, CSP_VERIFY));
	no_rules(s);
	if (!is(s, a, CSP_DEFINITE, CSP_R_DENIED) ||
	    !says(s,
		strstr(a->message,
		    "may not ec2:DescribeRegions, ec2:DescribeImages, "
		    "ec2:DeleteVpc (UnauthorizedOperation, request "),
		a->message))
		return false;
	a = under(s, DENY("RunInstances", "UnauthorizedOperation"),
	    create(s, "denied"));
	return is(s, a, CSP_DEFINITE, CSP_R_DENIED) &&
	    says(s, strstr(a->message, "may not ec2:RunInstances") != NULL,
		a->message);
}

static bool
c01_makes_nothing(struct suite *s)
{
	size_t live = alive(s), n = seen(s, NULL, NULL);
	size_t dry = seen(s, NULL, "DryRun=true");
	size_t keys = seen(s, "ImportKeyPair", NULL);

	return is(s, call(s, req(s, CSP_VERIFY)), CSP_OK, CSP_R_NONE) &&
	    says(s, seen(s, NULL, NULL) - n < 40, "too many calls") &&
	    says(s, seen(s, NULL, "DryRun=true") - dry > 25,
		"too few dry runs") &&
	    says(s, seen(s, "ImportKeyPair", NULL) == keys + 1,
		"the key's dry run is missing") &&
	    says(s, alive(s) == live, "an instance was made");
}

/* The cloud's clock is elsewhere. moto looks at no clock: the proxy does, and
 * the signature that follows is checked by moto. */
static bool
skewed(struct suite *s)
{
	size_t n = seen(s, "RunInstances", NULL);
	size_t lists = seen(s, "DescribeInstances", NULL);

	return is(s, call(s, create(s, s->token)), CSP_OK, CSP_R_NONE) &&
	    says(s, seen(s, "RunInstances", NULL) == n + 2,
		"not corrected with one more send") &&
	    is(s, call(s, list(s)), CSP_OK, CSP_R_NONE) &&
	    says(s, seen(s, "DescribeInstances", NULL) == lists + 1,
		"the correction is forgotten");
}

static bool
c04_clock(struct suite *s)
{
	static const char *const skews[] = {
		"\"kind\":\"skew\",\"count\":0,\"seconds\":1200",
		"\"kind\":\"skew\",\"count\":0,\"seconds\":-1200,"
		"\"status\":401,\"code\":\"AuthFailure\"",
	};

	for (size_t i = 0; i < ARRAY_LEN(skews); i++) {
		size_t live = alive(s);
		bool ok;

		snprintf(s->token, sizeof s->token, "skewed%zu", i);
		rule(s, at(s, P_CREATE, skews[i]));
		rule(s, at(s, P_LIST, skews[i]));
		ok = with_conf(s, &s->conf, skewed);
		no_rules(s);
		if (!ok || !says(s, alive(s) == live + 1, "not one VM"))
			return false;
	}
	/* without a word about the time */
	return expect(s,
	    "{\"kind\":\"answer\",\"action\":\"DescribeInstances\","
	    "\"code\":\"RequestExpired\"}",
	    list(s), CSP_DEFINITE, CSP_R_CLOCK);
}

/* Nobody gets signatures for another day. */
static bool
far_off(struct suite *s)
{
	const struct csp_answer *a = call(s, create(s, "faroff"));

	return is(s, a, CSP_DEFINITE, CSP_R_CLOCK) &&
	    says(s, strstr(a->message, "clock is 3 days behind") != NULL,
		a->message) &&
	    says(s, seen(s, "RunInstances", "faroff") == 1, "sent twice");
}

static bool
c04_days(struct suite *s)
{
	bool ok;

	rule(s,
	    at(s, P_CREATE,
		"\"kind\":\"skew\",\"count\":0,\"seconds\":259300,"
		"\"code\":\"AuthFailure\""));
	ok = with_conf(s, &s->conf, far_off);
	no_rules(s);
	return ok;
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
c20_image(struct suite *s)
{
	struct csp_req *q = create(s, "noimage");

	q->image = "ami-00000000000000000";
	return is(s, call(s, q), CSP_DEFINITE, CSP_R_INVALID) &&
	    says(s, s->answers[0]->code != NULL, "the cloud's code is lost");
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

#define EC2(no, what, run, more)                        \
	{                                               \
		no, what, run, NEEDS_EC2 | (more), NULL \
	}
const struct drv_case suite_ec2[] = {
	EC2(1, "a wrong secret: AUTH, two calls at most", c01_wrong, 0),
	EC2(1, "missing permissions, all by name", c01_denied, BY_PROXY),
	EC2(1, "a check makes no instance", c01_makes_nothing, 0),
	EC2(4, "clock 20 minutes behind, ahead: corrected, one send more",
	    c04_clock, BY_PROXY),
	EC2(4, "clock off by days: told", c04_days, BY_PROXY),
	EC2(5, "a zone is down", c05_zone_down, 0),
	EC2(6, "images with a filter", c06_filter, 0),
	EC2(9, "a network cut at each step", c09_net_cut, 0),
	EC2(10, "rules: missing, surplus, same", c10_rules, 0),
	EC2(12, "a network in use", c12_busy, BY_PROXY),
	EC2(20, "bad image", c20_image, 0),
	EC2(0, "console: a wrapped boot log is read", c_boot_log, BY_PROXY),
	EC2(0, "all of these end", no_vm_left, 0),
};
const size_t suite_nec2 = ARRAY_LEN(suite_ec2);
