/*
 * driver_cases.c - the conformance cases of a driver, one table for all of
 * them, against a real target. Prints "ok - what", "not ok - what" or
 * "skip - what, why" per case.
 *
 *   driver_cases DRIVER ENDPOINT CSP REGION SPEC IMAGE [OP TOKEN]
 *
 * With an OP that alone is done and told: "create" prints class, reason, sent
 * and id; "count" the number of VMs with that token; "end" terminates them.
 *
 * The target holds no VM of the deployment "conformance" before, nor after.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "drivers/driver.h"
#include "drivers/http.h"

#include <stdio.h>
#include <string.h>

#define STATE_LIMIT_NS (60 * NS_PER_S)

struct suite {
	struct loop *loop;
	struct http *http;
	const struct driver *driver;
	struct drv_conn *conn;
	struct drv_conf conf;
	const char *spec, *image;
	struct csp_caps caps;
	size_t left;
	struct csp_answer *answers[64];
	size_t nanswers;
	char key[128], vm[256], why[200];
	bool failed;
};

static void
on_answer(struct csp_answer *a, void *arg)
{
	struct suite *s = arg;

	s->answers[s->nanswers++] = a;
	if (--s->left == 0)
		loop_stop(s->loop);
}

static void
post(struct suite *s, struct csp_req *q)
{
	s->left++;
	s->driver->submit(s->conn, q, on_answer, s);
}

static void
forget(struct suite *s)
{
	while (s->nanswers > 0)
		csp_answer_free(s->answers[--s->nanswers]);
}

/* Runs all that was sent; the first answer is returned, owned by s. */
static struct csp_answer *
wait_all(struct suite *s)
{
	forget(s);
	loop_run(s->loop);
	return s->answers[0];
}

static struct csp_answer *
call(struct suite *s, struct csp_req *q)
{
	post(s, q);
	return wait_all(s);
}

static struct csp_req *
req(const struct suite *s, enum csp_op op)
{
	struct csp_req *q = csp_req_new(op, s->conf.id);

	q->csp_id = s->vm[0] ? arena_strdup(q->arena, s->vm) : NULL;
	q->deadline_ms = 15000;
	return q;
}

static struct csp_req *
create(const struct suite *s, const char *token)
{
	struct csp_req *q = csp_req_new(CSP_VM_CREATE, s->conf.id);
	struct csp_tag *tags = arena_array(q->arena, 2, sizeof *tags);

	tags[0] = (struct csp_tag){ "mw-deployment", "conformance" };
	tags[1] = (struct csp_tag){ "mw-slot", arena_strdup(q->arena, token) };
	q->tags = tags;
	q->ntags = 2;
	q->token = arena_strdup(q->arena, token);
	q->name = arena_printf(q->arena, "mw%s", token);
	q->spec = s->spec;
	q->image = s->image;
	q->key_name = s->key[0] ? "conformance" : NULL;
	q->deadline_ms = 15000;
	return q;
}

static struct csp_req *
list(const struct suite *s)
{
	struct csp_req *q = csp_req_new(CSP_VM_LIST, s->conf.id);
	struct csp_tag *tags = arena_array(q->arena, 1, sizeof *tags);

	tags[0] = (struct csp_tag){ "mw-deployment", "conformance" };
	q->tags = tags;
	q->ntags = 1;
	return q;
}

static bool
is(struct suite *s, const struct csp_answer *a, enum csp_class cls,
    enum csp_reason reason)
{
	if (a->cls == cls && a->reason == reason)
		return true;
	snprintf(s->why, sizeof s->why, "%s is %s/%s, not %s/%s: %.80s",
	    csp_op_name(a->op), csp_class_name(a->cls),
	    csp_reason_name(a->reason), csp_class_name(cls),
	    csp_reason_name(reason), a->message ? a->message : "");
	return false;
}

static bool
says(struct suite *s, bool good, const char *why)
{
	if (!good)
		str_copy(s->why, sizeof s->why, why);
	return good;
}

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

/* Cases; the numbers are those of the design's list of 40. ----------------- */

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

		if (str_eq(p->name, s->spec))
			return says(s,
			    p->cost_per_hour_micros >= 0 || p->cost_reason,
			    "no price and no reason");
	}
	return says(s, false, "our spec is not among them");
}

static bool
c08_net(struct suite *s)
{
	return is(s, call(s, req(s, CSP_NET_ENSURE)), CSP_OK, CSP_R_NONE) &&
	    is(s, call(s, req(s, CSP_NET_ENSURE)), CSP_OK, CSP_R_NONE) &&
	    is(s, call(s, req(s, CSP_SG_ENSURE)), CSP_OK, CSP_R_NONE);
}

static struct csp_req *
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
	if (!reaches(s, run_words) ||
	    !says(s, s->answers[0]->vms[0].public_ip != NULL, "no address"))
		return false;
	a = call(s, list(s));
	return is(s, a, CSP_OK, CSP_R_NONE) &&
	    says(s, a->nvms == 1, "not the only one of ours") &&
	    says(s, str_eq(a->vms[0].token, "one"), "another token") &&
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
	str_copy(s->vm, sizeof s->vm, "i-none");
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
c15_nobody_there(struct suite *s)
{
	struct drv_env env = { .loop = s->loop, .http = s->http };
	struct drv_conf conf = s->conf;
	struct drv_conn *mine = s->conn;
	struct mw_err err = MW_ERR_INIT;
	bool ok;

	conf.endpoint = "/nonexistent/socket";
	if (!s->driver->open(&env, &conf, &s->conn, &err))
		return says(s, false, err.msg);
	ok = is(s, call(s, create(s, "none")), CSP_DEFINITE, CSP_R_UNSENT) &&
	    says(s, !s->answers[0]->sent, "said to be sent");
	s->driver->close(s->conn);
	s->conn = mine;
	return ok;
}

static bool
c12_keys_go(struct suite *s)
{
	return is(s, call(s, key_req(s, CSP_KEY_DELETE, NULL)), CSP_OK,
		   CSP_R_NONE) &&
	    is(s, call(s, key_req(s, CSP_KEY_DELETE, NULL)), CSP_OK,
		CSP_R_NONE);
}

enum { /* why a driver cannot show a case */
	NEEDS_KEYS = 1,
	NEEDS_POWER = 2,
	NEEDS_CONSOLE = 4,
};

static const struct {
	const char *what;
	bool (*run)(struct suite *s);
	unsigned needs;
} cases[] = {
	{ "1 verify", c01_verify, 0 },
	{ "5 regions", c05_regions, 0 },
	{ "7 specs with prices or reasons", c07_specs, 0 },
	{ "8 networks twice", c08_net, 0 },
	{ "11 keys: same, other", c11_key, NEEDS_KEYS },
	{ "13 create, listed by tag", c13_create, 0 },
	{ "15 nobody there: unsent", c15_nobody_there, 0 },
	{ "16 same token, one VM", c16_same_token, 0 },
	{ "17 same token, other parameters", c17_other_parameters, 0 },
	{ "20 bad spec", c20_bad_spec, 0 },
	{ "22 many calls at once", c22_many, 0 },
	{ "4.1 console shows the host key", c_console, NEEDS_CONSOLE },
	{ "26 suspend", c26_suspend, NEEDS_POWER },
	{ "27 resume", c27_resume, NEEDS_POWER },
	{ "28 reboot", c28_reboot, NEEDS_POWER },
	{ "29 action in a wrong state", c29_wrong_state, NEEDS_POWER },
	{ "35 VMs of others", c35_foreign, 0 },
	{ "39 close ends every call once", c39_close, 0 },
	{ "30 terminate, twice, seen", c30_terminate, 0 },
	{ "31 unknown id", c31_unknown_id, 0 },
	{ "12 keys go, twice", c12_keys_go, NEEDS_KEYS },
};

static void
run_cases(struct suite *s)
{
	bool is_static = strcmp(s->conf.driver, "static") == 0;
	unsigned lacks = is_static ? NEEDS_POWER : 0;

	s->caps = s->driver->caps(s->conn);
	if (!(s->caps.flags & CSP_CAP_IMPORT_KEY))
		lacks |= NEEDS_KEYS;
	if (!(s->caps.flags & CSP_CAP_CONSOLE))
		lacks |= NEEDS_CONSOLE;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		s->why[0] = '\0';
		if (cases[i].needs & lacks) {
			printf("skip - %s %s, the driver has no such thing\n",
			    s->conf.driver, cases[i].what);
		} else if (cases[i].run(s)) {
			printf("ok - %s %s\n", s->conf.driver, cases[i].what);
		} else {
			printf("not ok - %s %s: %s\n", s->conf.driver,
			    cases[i].what, s->why);
			s->failed = true;
		}
		fflush(stdout);
	}
}

static void
tell(struct suite *s, const char *op, const char *token)
{
	struct csp_answer *a;
	struct csp_req *q;

	if (str_eq(op, "create")) {
		a = call(s, create(s, token));
		printf("%s %s sent=%d %s\n", csp_class_name(a->cls),
		    csp_reason_name(a->reason), a->sent,
		    a->csp_id ? a->csp_id : "-");
		return;
	}
	q = list(s);
	q->token = arena_strdup(q->arena, token);
	a = call(s, q);
	printf("%s %zu\n", csp_class_name(a->cls), a->nvms);
	if (str_eq(op, "end") && a->nvms > 0) {
		str_copy(s->vm, sizeof s->vm, a->vms[0].csp_id);
		call(s, req(s, CSP_VM_TERMINATE));
	}
}

int
main(int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	struct suite s = { .left = 0 };
	struct drv_env env;

	if (argc != 7 && argc != 9)
		return 2;
	log_init("driver_cases", LOG_ERROR);
	s.driver = driver_find(argv[1]);
	if (!s.driver)
		return 2;
	s.conf = (struct drv_conf){ .id = "conformance",
		.driver = argv[1],
		.endpoint = argv[2],
		.csp = argv[3],
		.region = argv[4] };
	s.spec = argv[5];
	s.image = argv[6];
	s.loop = loop_new();
	s.http = http_new(s.loop, &err);
	env = (struct drv_env){ .loop = s.loop, .http = s.http };
	if (!s.http || !s.driver->open(&env, &s.conf, &s.conn, &err)) {
		printf("not ok - open: %s\n", err.msg);
		return 1;
	}
	if (argc == 9)
		tell(&s, argv[7], argv[8]);
	else
		run_cases(&s);
	forget(&s);
	s.driver->close(s.conn);
	http_free(s.http);
	loop_free(s.loop);
	return s.failed;
}
