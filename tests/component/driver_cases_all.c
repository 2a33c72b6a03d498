/*
 * driver_cases_all.c - the cases that every target can show; the numbers are
 * those of the design's list of 40.
 */
#include "driver_cases.h"

#define STATE_LIMIT_NS (60 * NS_PER_S)

/* The native words of the clouds that the cases run on. */
static bool
in_list(const char *word, const char *const *list)
{
	for (; *list; list++) {
		if (str_eq(word, *list))
			return true;
	}
	return false;
}
static const char *const run_words[] = { "running", "RUNNING", "ACTIVE",
	"Running", "PowerState/running", NULL };
static const char *const stop_words[] = { "stopped", "TERMINATED", "SHUTOFF",
	"Stopped", "PowerState/deallocated", NULL };
static const char *const gone_words[] = { "terminated", "DELETED", "SHUTDOWN",
	NULL };

bool
is_gone_word(const char *native)
{
	return in_list(native, gone_words);
}

/* NULL words: until it is not found, or listed as gone. */
static bool
reaches(struct suite *s, const char *const *words)
{
	int64_t until = clock_mono_ns() + STATE_LIMIT_NS;
	struct csp_answer *a = NULL;

	while (clock_mono_ns() < until) {
		struct timespec pause = { 0, 50000000 };

		a = call(s, req(s, CSP_VM_GET));
		if (words && a->cls == CSP_OK &&
		    in_list(a->vms[0].native, words))
			return true;
		if (!words &&
		    (a->cls == CSP_NOT_FOUND ||
			(a->cls == CSP_OK &&
			    in_list(a->vms[0].native, gone_words))))
			return true;
		nanosleep(&pause, NULL);
	}
	snprintf(s->why, sizeof s->why, "stays %s",
	    a && a->nvms ? a->vms[0].native : csp_class_name(a->cls));
	return false;
}

/* Some clouds give the address after the VM runs. */
static bool
has_address(struct suite *s)
{
	int64_t until = clock_mono_ns() + STATE_LIMIT_NS;
	struct csp_answer *a;

	do {
		struct timespec pause = { 0, 200000000 };

		a = call(s, req(s, CSP_VM_GET));
		if (a->cls == CSP_OK && a->vms[0].public_ip)
			return true;
		nanosleep(&pause, NULL);
	} while (clock_mono_ns() < until);
	return says(s, false, "no address");
}

static bool
c01_verify(struct suite *s)
{
	return is(s, call(s, req(s, CSP_VERIFY)), CSP_OK, CSP_R_NONE);
}

static bool
c05_regions(struct suite *s)
{
	struct csp_answer *a = call(s, req(s, CSP_REGIONS));

	for (size_t i = 0; i < a->nregions; i++) {
		if (str_eq(a->regions[i].id, s->conf.region))
			return is(s, a, CSP_OK, CSP_R_NONE);
	}
	return says(s, false, "our region is not among them");
}

static bool
c07_specs(struct suite *s)
{
	struct csp_answer *a = call(s, req(s, CSP_SPECS));

	for (size_t i = 0; i < a->nspecs; i++) {
		const struct csp_spec *p = &a->specs[i];

		if (!str_eq(p->name, s->spec))
			continue;
		if (str_eq(p->name, "t3.micro") && /* as EC2 sells it */
		    !says(s,
			p->vcpu == 2 && p->memory_mib == 1024 &&
			    str_eq(p->arch, "x86_64"),
			"not two cores, 1 GiB, x86_64"))
			return false;
		return says(s, p->cost_per_hour_micros >= 0 || p->cost_reason,
		    "no price and no reason");
	}
	return says(s, false, "our spec is not among them");
}

static bool
c08_net(struct suite *s)
{
	struct csp_answer *a = call(s, thing(s, CSP_NET_ENSURE));
	char first[256];

	if (!is(s, a, CSP_OK, CSP_R_NONE))
		return false;
	str_copy(first, sizeof first, a->csp_id ? a->csp_id : "");
	a = call(s, thing(s, CSP_NET_ENSURE));
	if (!is(s, a, CSP_OK, CSP_R_NONE) ||
	    !says(s, str_eq(a->csp_id ? a->csp_id : "", first),
		"the second ensure names another network"))
		return false;
	str_copy(s->net, sizeof s->net, first);
	a = call(s, thing(s, CSP_SG_ENSURE));
	str_copy(s->sg, sizeof s->sg, a->csp_id ? a->csp_id : "");
	return is(s, a, CSP_OK, CSP_R_NONE);
}

struct csp_req *
key_req(struct suite *s, enum csp_op op, const char *line)
{
	struct csp_req *q = req(s, op);

	q->key_name = q->name = "conformance";
	q->public_key = line;
	return q;
}

static const char key_a[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYH"
			    "CAkKCwwNDg8QERITFBUWFxgZGhscHR4f a";
static const char key_b[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkY"
			    "FxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA b";

static bool
c11_key(struct suite *s)
{
	str_copy(s->key, sizeof s->key, "conformance");
	return is(s, call(s, key_req(s, CSP_KEY_ENSURE, key_a)), CSP_OK,
		   CSP_R_NONE) &&
	    is(s, call(s, key_req(s, CSP_KEY_ENSURE, key_a)), CSP_OK,
		CSP_R_NONE) &&
	    is(s, call(s, key_req(s, CSP_KEY_ENSURE, key_b)), CSP_CONFLICT,
		CSP_R_EXISTS);
}

static bool
c13_create(struct suite *s)
{
	struct csp_answer *a = call(s, create(s, "one"));

	if (!is(s, a, CSP_OK, CSP_R_NONE) ||
	    !says(s, a->csp_id != NULL, "no id"))
		return false;
	str_copy(s->vm, sizeof s->vm, a->csp_id);
	if (!reaches(s, run_words) || !has_address(s))
		return false;
	a = call(s, list(s));
	return is(s, a, CSP_OK, CSP_R_NONE) &&
	    says(s, a->nvms == 1, "not the only one of ours") &&
	    says(s,
		!(s->caps.flags & CSP_CAP_IDEM_TOKEN) ||
		    str_eq(a->vms[0].token, "one"),
		"another token") &&
	    says(s,
		str_eq(csp_tag_get(a->vms[0].tags, a->vms[0].ntags, "mw-slot"),
		    "one"),
		"another tag");
}

static bool
c16_same_token(struct suite *s)
{
	struct csp_answer *a;

	post(s, create(s, "one"));
	post(s, create(s, "one"));
	a = wait_all(s);
	if (!is(s, a, CSP_OK, CSP_R_NONE) ||
	    !says(s, str_eq(a->csp_id, s->vm), "a second VM for one token"))
		return false;
	a = call(s, list(s));
	return says(s, a->nvms == 1, "a second VM is listed");
}

static bool
c17_other_parameters(struct suite *s)
{
	struct csp_req *q = create(s, "one");

	if (str_eq(s->conf.driver, "static"))
		q->spec = "no-such-spec";
	else
		q->name = "other";
	return is(s, call(s, q), CSP_AMBIGUOUS, CSP_R_TOKEN_MISMATCH);
}

static bool
c20_bad_spec(struct suite *s)
{
	struct csp_req *q = create(s, "bad");
	struct csp_answer *a;

	q->spec = "no-such-spec";
	a = call(s, q);
	return says(s, a->cls == CSP_DEFINITE, csp_class_name(a->cls)) &&
	    says(s, a->reason == CSP_R_INVALID || a->reason == CSP_R_CAPACITY,
		csp_reason_name(a->reason)) &&
	    says(s, a->message != NULL, "no message");
}

static bool
c22_many(struct suite *s)
{
	size_t n = 40;

	for (size_t i = 0; i < n; i++)
		post(s, req(s, CSP_VM_GET));
	wait_all(s);
	if (!says(s, s->nanswers == n, "not one answer for each"))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is(s, s->answers[i], CSP_OK, CSP_R_NONE))
			return false;
	}
	return true;
}

static bool
c26_suspend(struct suite *s)
{
	return is(s, call(s, req(s, CSP_VM_SUSPEND)), CSP_OK, CSP_R_NONE) &&
	    reaches(s, stop_words);
}

static bool
c27_resume(struct suite *s)
{
	return is(s, call(s, req(s, CSP_VM_RESUME)), CSP_OK, CSP_R_NONE) &&
	    reaches(s, run_words);
}

static bool
c28_reboot(struct suite *s)
{
	return is(s, call(s, req(s, CSP_VM_REBOOT)), CSP_OK, CSP_R_NONE) &&
	    reaches(s, run_words);
}

static bool
c29_wrong_state(struct suite *s)
{
	struct csp_answer *a = call(s, req(s, CSP_VM_RESUME));

	/* some clouds take a start of a running VM as done */
	return says(s,
	    a->cls == CSP_OK ||
		(a->cls == CSP_CONFLICT && a->reason == CSP_R_BUSY),
	    csp_class_name(a->cls));
}

static bool
c_console(struct suite *s)
{
	struct csp_answer *a = call(s, req(s, CSP_CONSOLE));

	return is(s, a, CSP_OK, CSP_R_NONE) &&
	    says(s, strstr(a->text, "SSH HOST KEY") != NULL, "no host key");
}

static bool
c35_foreign(struct suite *s)
{
	struct csp_req *q = list(s);
	struct csp_tag *tag = arena_alloc(q->arena, sizeof *tag);
	struct csp_answer *a;

	*tag = (struct csp_tag){ "mw-deployment", "another" };
	q->tags = tag;
	a = call(s, q);
	return is(s, a, CSP_OK, CSP_R_NONE) &&
	    says(s, a->nvms == 0, "VMs of others are taken for ours");
}

static bool
c30_terminate(struct suite *s)
{
	struct csp_answer *a = call(s, req(s, CSP_VM_TERMINATE));

	if (!is(s, a, CSP_OK, CSP_R_NONE))
		return false;
	a = call(s, req(s, CSP_VM_TERMINATE));
	return says(s, a->cls == CSP_OK || a->cls == CSP_NOT_FOUND,
		   "a second terminate fails") &&
	    reaches(s, NULL);
}

static bool
c31_unknown_id(struct suite *s)
{
	str_copy(s->vm, sizeof s->vm,
	    str_eq(s->conf.driver, "aws") ? "i-00000000000000000" : "i-none");
	return is(s, call(s, req(s, CSP_VM_GET)), CSP_NOT_FOUND, CSP_R_NONE) &&
	    is(s, call(s, req(s, CSP_VM_TERMINATE)), CSP_NOT_FOUND, CSP_R_NONE);
}

static bool
c39_close(struct suite *s)
{
	struct drv_env env = { .loop = s->loop, .http = s->http };
	struct mw_err err = MW_ERR_INIT;

	for (int i = 0; i < 5; i++)
		post(s, req(s, CSP_VM_GET));
	s->driver->close(s->conn);
	wait_all(s);
	s->conn = NULL;
	return says(s, s->nanswers == 5, "not one end for each call") &&
	    s->driver->open(&env, &s->conf, &s->conn, &err);
}

static bool
is_unsent(struct suite *s)
{
	struct csp_req *q = create(s, "none");

	q->deadline_ms = 1000; /* what is read before is tried again */
	return is(s, call(s, q), CSP_DEFINITE, CSP_R_UNSENT) &&
	    says(s, !s->answers[0]->sent, "said to be sent");
}

static bool
c15_nobody_there(struct suite *s)
{
	struct drv_conf conf = s->conf;

	conf.endpoint =
	    str_eq(conf.driver, "aws") || str_eq(conf.driver, "openstack")
	    ? "http://127.0.0.1:1/"
	    : "/nonexistent/socket";
	return with_conf(s, &conf, is_unsent);
}

static bool
c12_nets_go(struct suite *s)
{
	for (int i = 0; i < 2; i++) {
		if (!is(s, call(s, thing(s, CSP_SG_DELETE)), CSP_OK,
			CSP_R_NONE) ||
		    !is(s, call(s, thing(s, CSP_NET_DELETE)), CSP_OK,
			CSP_R_NONE))
			return false;
	}
	return true;
}

static bool
c12_keys_go(struct suite *s)
{
	return is(s, call(s, key_req(s, CSP_KEY_DELETE, NULL)), CSP_OK,
		   CSP_R_NONE) &&
	    is(s, call(s, key_req(s, CSP_KEY_DELETE, NULL)), CSP_OK,
		CSP_R_NONE);
}

const struct drv_case suite_cases[] = {
	{ 1, "verify", c01_verify, 0, NULL },
	{ 5, "regions", c05_regions, 0, NULL },
	{ 7, "specs with prices or reasons", c07_specs, 0, NULL },
	{ 8, "networks and groups twice", c08_net, 0, NULL },
	{ 11, "keys: same, other", c11_key, NEEDS_KEYS, NULL },
	{ 13, "create, listed by tag", c13_create, 0, NULL },
	{ 15, "nobody there: unsent", c15_nobody_there, 0, NULL },
	{ 16, "same token, one VM", c16_same_token, NEEDS_TOKEN | BY_PROXY,
	    NULL },
	{ 17, "same token, other parameters", c17_other_parameters,
	    NEEDS_TOKEN | BY_PROXY, NULL },
	{ 20, "bad spec", c20_bad_spec, 0, NULL },
	{ 22, "many calls at once", c22_many, 0, NULL },
	{ 0, "console shows the host key", c_console,
	    NEEDS_CONSOLE | NEEDS_GUEST, NULL },
	{ 23, "state table x pending actions", NULL, 0,
	    "pure: tests/unit/test_status" },
	{ 25, "observed create", NULL, 0, "pure: tests/unit/test_status" },
	{ 26, "suspend", c26_suspend, NEEDS_POWER, NULL },
	{ 27, "resume", c27_resume, NEEDS_POWER, NULL },
	{ 28, "reboot", c28_reboot, NEEDS_POWER, NULL },
	{ 29, "action in a wrong state", c29_wrong_state, NEEDS_POWER, NULL },
	{ 32, "error state", NULL, 0,
	    "only the twin has one: tests/component/faults" },
	{ 35, "VMs of others", c35_foreign, 0, NULL },
	{ 39, "close ends every call once", c39_close, 0, NULL },
	{ 30, "terminate, twice, seen", c30_terminate, 0, NULL },
	{ 31, "unknown id", c31_unknown_id, 0, NULL },
	{ 40, "canary secret, wrong certificate", NULL, 0,
	    "for all drivers: the canary test and tests/unit/test_http" },
	/* after all others */
	{ 12, "keys go, twice", c12_keys_go, NEEDS_KEYS, NULL },
	{ 12, "networks and groups go, twice", c12_nets_go, NEEDS_NET, NULL },
};
const size_t suite_ncases = ARRAY_LEN(suite_cases);
