/*
 * driver_cases.c - the conformance cases of a driver, one table for all of
 * them, against a real target. Prints "ok - what", "not ok - what" or
 * "skip - what, why" per case; "n/a - ..." where there is nothing to show: the
 * driver has no such thing, or the case belongs to another target.
 *
 *   driver_cases DRIVER ENDPOINT CSP REGION SPEC IMAGE [OP TOKEN]
 *
 * With an OP that alone is done and told: "create" prints class, reason, sent
 * and id; "count" the number of VMs with that token; "end" terminates them.
 * MW_CASES_CREDENTIAL names the credential (a reference); MW_CASES_PROXY where
 * the fault proxy that stands in front of the target takes its rules (an address
 * or a path); MW_CASES_TLS see struct suite.
 *
 * The target holds no VM of the deployment "conformance" before, nor after.
 */
#include "driver_cases.h"

#include "common/log.h"

#include <stdlib.h>

/* The rates of drivers are those of real clouds; the targets bear more. */
#define RATE_SCALE 10

static void
on_answer(struct csp_answer *a, void *arg)
{
	struct suite *s = arg;

	s->answers[s->nanswers++] = a;
	if (--s->left == 0)
		loop_stop(s->loop);
}

void
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
struct csp_answer *
wait_all(struct suite *s)
{
	forget(s);
	loop_run(s->loop);
	return s->answers[0];
}

struct csp_answer *
call(struct suite *s, struct csp_req *q)
{
	post(s, q);
	return wait_all(s);
}

struct csp_req *
req(const struct suite *s, enum csp_op op)
{
	struct csp_req *q = csp_req_new(op, s->conf.id);

	q->csp_id = s->vm[0] ? arena_strdup(q->arena, s->vm) : NULL;
	q->deadline_ms = 15000;
	return q;
}

struct csp_req *
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
	q->network = s->net[0] ? arena_strdup(q->arena, s->net) : NULL;
	q->security_group = s->sg[0] ? arena_strdup(q->arena, s->sg) : NULL;
	q->deadline_ms = 15000;
	return q;
}

struct csp_req *
list(const struct suite *s)
{
	struct csp_req *q = csp_req_new(CSP_VM_LIST, s->conf.id);
	struct csp_tag *tags = arena_array(q->arena, 1, sizeof *tags);

	tags[0] = (struct csp_tag){ "mw-deployment", "conformance" };
	q->tags = tags;
	q->ntags = 1;
	return q;
}

bool
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

bool
says(struct suite *s, bool good, const char *why)
{
	if (!good)
		str_copy(s->why, sizeof s->why, why);
	return good;
}

struct csp_req *
thing(const struct suite *s, enum csp_op op)
{
	struct csp_req *q = csp_req_new(op, s->conf.id);
	struct csp_tag *tags = arena_array(q->arena, 2, sizeof *tags);
	struct csp_rule *rule = arena_array(q->arena, 1, sizeof *rule);

	tags[0] = (struct csp_tag){ "mw-deployment", "conformance" };
	tags[1] = (struct csp_tag){ "mw-key", "conformance" };
	rule[0] = (struct csp_rule){ "tcp", 22, 22, "0.0.0.0/0" };
	q->tags = tags;
	q->ntags = 2;
	q->name = q->key_name = "conformance";
	q->network = s->net[0] ? arena_strdup(q->arena, s->net) : NULL;
	q->rules = rule;
	q->nrules = 1;
	q->deadline_ms = 15000;
	return q;
}

bool
ends(struct suite *s, const char *vm)
{
	struct csp_req *q = csp_req_new(CSP_VM_TERMINATE, s->conf.id);

	q->csp_id = arena_strdup(q->arena, vm);
	return is(s, call(s, q), CSP_OK, CSP_R_NONE);
}

bool
with_conf(struct suite *s, const struct drv_conf *conf,
    bool (*run)(struct suite *s))
{
	struct drv_env env = { .loop = s->loop, .http = s->http };
	struct drv_conn *mine = s->conn;
	struct mw_err err = MW_ERR_INIT;
	bool ok;

	if (!s->driver->open(&env, conf, &s->conn, &err)) {
		s->conn = mine;
		return says(s, false, err.msg);
	}
	ok = run(s);
	s->driver->close(s->conn);
	s->conn = mine;
	return ok;
}

/* Why it has nothing to show here, or NULL. */
static const char *
lacking(const struct suite *s, const struct drv_case *c)
{
	const struct {
		unsigned need;
		bool there;
		const char *why;
	} v[] = {
		{ NEEDS_POWER, strcmp(s->conf.driver, "static") != 0,
		    "hosts of a file are not switched off" },
		{ NEEDS_KEYS, s->caps.flags & CSP_CAP_IMPORT_KEY,
		    "the driver imports no keys" },
		{ NEEDS_CONSOLE, s->caps.flags & CSP_CAP_CONSOLE,
		    "the driver has no boot log" },
		{ NEEDS_NET, s->caps.flags & CSP_CAP_NET,
		    "VMs there need no network of ours" },
		{ NEEDS_EC2, s->speaks && str_eq(s->conf.driver, "aws"),
		    "the fault proxy's rule is EC2's" },
		{ NEEDS_PROXY, s->speaks && s->speaks->refusals,
		    "no fault proxy in front of the target" },
		{ NEEDS_RAW, s->speaks && !s->speaks->refusals,
		    "not hosts behind the fault proxy" },
		{ NEEDS_HTTP,
		    str_eq(s->conf.driver, "aws") ||
			str_eq(s->conf.driver, "openstack"),
		    "the endpoint is no address" },
		{ NEEDS_TLS, s->tls != NULL, "no TLS in front of the target" },
		{ NEEDS_GUEST,
		    !str_eq(s->conf.driver, "aws") &&
			!str_eq(s->conf.driver, "openstack"),
		    "nothing boots in the target" },
		{ NEEDS_TOKEN, s->caps.flags & CSP_CAP_IDEM_TOKEN,
		    "the cloud knows no tokens" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		if (c->needs & v[i].need && !v[i].there)
			return v[i].why;
	}
	return NULL;
}

/* One line: what, how it ended; "by contract" where the proxy plays a part of
 * the target's. */
static void
run_case(struct suite *s, const struct drv_case *c)
{
	const char *why = lacking(s, c), *name = s->conf.driver;
	const char *played =
	    c->needs & BY_PROXY && str_eq(name, "aws") ? ", by contract" : "";
	int64_t began = clock_mono_ns();

	s->why[0] = '\0';
	if (!c->run) {
		printf("# - %s %d %s: %s\n", name, c->no, c->what,
		    c->elsewhere);
	} else if (why) {
		printf("%s - %s %d %s, %s\n",
		    c->needs & NEEDS_GUEST ? "skip" : "n/a", name, c->no,
		    c->what, why);
	} else if (c->run(s)) {
		printf("ok - %s %d %s%s\n", name, c->no, c->what, played);
	} else {
		printf("not ok - %s %d %s: %s\n", name, c->no, c->what, s->why);
		s->failed = true;
	}
	if (clock_mono_ns() - began > NS_PER_S)
		printf("# %.1f s\n",
		    (double)(clock_mono_ns() - began) / (double)NS_PER_S);
	fflush(stdout);
}

static void
run_cases(struct suite *s, const struct drv_case *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_case(s, &v[i]);
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

static void
run_all(struct suite *s)
{
	s->caps = s->driver->caps(s->conn);
	if (s->proxy)
		s->speaks = dialect_of(s->conf.driver);
	if (str_eq(s->conf.driver, "aws")) {
		s->create_rate = 2 * RATE_SCALE;
		s->create_burst = 5;
	}
	run_cases(s, suite_cases, suite_ncases - SUITE_ENDING);
	run_cases(s, suite_net, suite_nnet);
	run_cases(s, suite_ec2, suite_nec2);
	run_cases(s, suite_proxy, suite_nproxy);
	run_cases(s, suite_cases + suite_ncases - SUITE_ENDING, SUITE_ENDING);
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
		.region = argv[4],
		.credential = getenv("MW_CASES_CREDENTIAL") };
	s.proxy = getenv("MW_CASES_PROXY");
	s.tls = getenv("MW_CASES_TLS");
	s.spec = argv[5];
	s.image = argv[6];
	s.loop = loop_new();
	s.http = http_new(s.loop, &err);
	if (s.http)
		http_rate_scale(s.http, RATE_SCALE);
	env = (struct drv_env){ .loop = s.loop, .http = s.http };
	if (!s.http || !s.driver->open(&env, &s.conf, &s.conn, &err)) {
		printf("not ok - open: %s\n", err.msg);
		return 1;
	}
	if (argc == 9)
		tell(&s, argv[7], argv[8]);
	else
		run_all(&s);
	forget(&s);
	s.driver->close(s.conn);
	http_free(s.http);
	loop_free(s.loop);
	return s.failed;
}
