/*
 * driver_cases_proxy.c - the cases that need the fault proxy in front of the
 * target, in whatever dialect it speaks. Each sets its rules and clears them.
 */
#include "driver_cases.h"

#define SEE_LIMIT_NS (20 * NS_PER_S)

/* ---- cases --------------------------------------------------------------- */

static bool
c02_expired(struct suite *s)
{
	char m[160];

	snprintf(m, sizeof m, "\"kind\":\"answer\",%s", s->speaks->expired);
	if (!expect(s, at(s, P_LIST, m), list(s), CSP_OK, CSP_R_NONE))
		return false;
	snprintf(m, sizeof m, "\"kind\":\"answer\",\"count\":2,%s",
	    s->speaks->expired);
	return expect(s, at(s, P_LIST, m), list(s), CSP_DEFINITE, CSP_R_AUTH);
}

/* Where requests are signed the target checks the second signature. */
static bool
c03_retried(struct suite *s)
{
	size_t n = seen_at(s, P_LIST, NULL);

	return expect(s,
		   at(s, P_LIST,
		       "\"kind\":\"answer\",\"status\":503,"
		       "\"headers\":{\"Retry-After\":\"1\"}"),
		   list(s), CSP_OK, CSP_R_NONE) &&
	    says(s, seen_at(s, P_LIST, NULL) == n + 2, "not sent twice");
}

/* One send of this token; so many more VMs than before. */
static bool
made(struct suite *s, const char *token, size_t sends, size_t live)
{
	return says(s, seen_at(s, P_CREATE, token) == sends,
		   "not sent as often as asked") &&
	    says(s, alive(s) == live, "not as many VMs as asked for");
}

static bool
c14_answer_lost(struct suite *s)
{
	size_t live = alive(s);

	return expect(s, at(s, P_CREATE, "\"kind\":\"dropAfter\""),
		   create(s, "lost"), CSP_AMBIGUOUS, CSP_R_RESET) &&
	    made(s, "lost", 1, live + 1);
}

static bool
c14_request_lost(struct suite *s)
{
	size_t live = alive(s);

	return expect(s, at(s, P_CREATE, "\"kind\":\"dropBefore\""),
		   create(s, "never"), CSP_AMBIGUOUS, CSP_R_RESET) &&
	    made(s, "never", 1, live) &&
	    is(s, call(s, create(s, "never")), CSP_OK, CSP_R_NONE) &&
	    made(s, "never", 2, live + 1);
}

/* It lands when nobody waits for it any more; and is asked for again. */
static bool
c14_late(struct suite *s)
{
	struct csp_req *q = create(s, "late");
	int64_t until = clock_mono_ns() + SEE_LIMIT_NS;
	size_t live = alive(s);

	q->deadline_ms = 500;
	if (!expect(s, at(s, P_CREATE, "\"kind\":\"delay\",\"seconds\":1.2"), q,
		CSP_AMBIGUOUS, CSP_R_TIMEOUT))
		return false;
	while (alive(s) == live && clock_mono_ns() < until)
		;
	return is(s, call(s, create(s, "late")), CSP_OK, CSP_R_NONE) &&
	    made(s, "late", 2, live + 1);
}

/* The network delivers it twice, one after the other and both at once. */
static bool
c16_double(struct suite *s)
{
	size_t live = alive(s);

	return expect(s, at(s, P_CREATE, "\"kind\":\"double\""),
		   create(s, "twice"), CSP_OK, CSP_R_NONE) &&
	    expect(s, at(s, P_CREATE, "\"kind\":\"double\",\"at\":\"once\""),
		create(s, "twins"), CSP_OK, CSP_R_NONE) &&
	    made(s, "twice", 1, live + 2);
}

bool
refusals(struct suite *s, int no)
{
	for (const struct refusal *r = s->speaks->refusals; r->code; r++) {
		const struct csp_answer *a;
		char m[160];

		if (r->no != no)
			continue;
		snprintf(m, sizeof m,
		    "\"kind\":\"answer\",\"status\":%d,\"code\":\"%s\"",
		    r->status, r->code);
		a = under(s, at(s, P_CREATE, m), create(s, "refused"));
		if (!is(s, a, r->cls, r->reason) ||
		    !says(s, str_eq(a->code, r->code),
			"the cloud's code is lost") ||
		    !says(s, a->request_id && a->message,
			"the request's id or the cloud's words are lost"))
			return false;
	}
	return made(s, "refused", seen_at(s, P_CREATE, "refused"), alive(s));
}

static bool
c18_quota(struct suite *s)
{
	return refusals(s, 18);
}

static bool
c19_capacity(struct suite *s)
{
	return refusals(s, 19);
}

static bool
c21_not_visible(struct suite *s)
{
	return refusals(s, 21);
}

#define MANY 50

/* At the rate of the driver, if it has one: its burst goes at once. */
static bool
c22_creates(struct suite *s)
{
	size_t n = seen_at(s, P_CREATE, NULL), live = alive(s), good = 0;
	double rate = s->create_rate, burst = s->create_burst;
	int64_t began = clock_mono_ns();

	for (int i = 0; i < MANY; i++) {
		char token[32];
		struct csp_req *q;

		snprintf(token, sizeof token, "many%d", i);
		q = create(s, token);
		q->deadline_ms = 60000;
		post(s, q);
	}
	wait_all(s);
	began = clock_mono_ns() - began;
	for (size_t i = 0; i < s->nanswers; i++)
		good += s->answers[i]->cls == CSP_OK;
	return says(s, s->nanswers == MANY, "not one answer for each") &&
	    says(s, good == MANY, "not all were made") &&
	    says(s, seen_at(s, P_CREATE, NULL) == n + MANY,
		"not one send each") &&
	    says(s, alive(s) == live + MANY, "not one VM each") &&
	    says(s,
		rate <= 0 ||
		    (double)began >
			(MANY - burst) / rate * 0.9 * (double)NS_PER_S,
		"faster than the rate of creates");
}

static bool
c24_unknown_state(struct suite *s)
{
	const struct csp_answer *a;
	bool dreaming = false;
	char m[200];

	snprintf(m, sizeof m, "\"kind\":\"replace\",%s", s->speaks->dream);
	a = under(s, at(s, P_LIST, m), list(s));
	for (size_t i = 0; i < a->nvms; i++)
		dreaming = dreaming || str_eq(a->vms[i].native, "dreaming");
	return is(s, a, CSP_OK, CSP_R_NONE) &&
	    says(s, dreaming, "the cloud's word is not passed on");
}

/* Lists that lag behind, and a VM that is not there yet when it is asked for:
 * told as it is, nothing is made because of it. */
static bool
c33_stale(struct suite *s)
{
	size_t live = alive(s), now;
	struct csp_req *q;
	char m[120], id[64];
	bool ok;

	rule(s, at(s, P_LIST, "\"kind\":\"stale\",\"count\":2"));
	ok = is(s, call(s, create(s, "stale")), CSP_OK, CSP_R_NONE);
	str_copy(id, sizeof id, ok ? s->answers[0]->csp_id : "");
	now = alive(s) + alive(s);
	no_rules(s);
	if (!ok || !says(s, now == 2 * live, "the list is not stale") ||
	    !says(s, alive(s) == live + 1, "it does not appear"))
		return false;
	snprintf(m, sizeof m, "\"kind\":\"answer\",%s", s->speaks->unknown_vm);
	for (int i = 0; i < 2; i++) {
		q = csp_req_new(CSP_VM_GET, s->conf.id);
		q->csp_id = arena_strdup(q->arena, id);
		if (i == 0 &&
		    !expect(s, at(s, P_GET, m), q, CSP_NOT_FOUND, CSP_R_NONE))
			return false;
		if (i == 1 && !is(s, call(s, q), CSP_OK, CSP_R_NONE))
			return false;
	}
	return made(s, "stale", 1, live + 1);
}

static bool
c34_pages(struct suite *s)
{
	struct csp_answer *a = call(s, list(s));
	static const char *const whole[] = { "\"kind\":\"pages\",\"count\":0",
		"\"kind\":\"pages\",\"count\":0,\"overlap\":true",
		"\"kind\":\"pages\",\"count\":0,\"refuse\":2",
		"\"kind\":\"reorder\"", "\"kind\":\"repeat\"" };
	static const char *const cut[] = {
		"\"kind\":\"pages\",\"count\":0,\"refuse\":9",
		"\"kind\":\"pages\",\"count\":0,\"lose\":1",
	};
	size_t n = a->nvms, size = n * 2 / 5 + 1;
	char m[120];

	if (!says(s, n >= 10, "too few VMs to page"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
		snprintf(m, sizeof m, "%s,\"size\":%zu", whole[i], size);
		a = under(s, at(s, P_LIST, m), list(s));
		if (!is(s, a, CSP_OK, CSP_R_NONE) ||
		    !says(s, a->nvms == n, whole[i]))
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(cut); i++) {
		struct csp_req *q = list(s);

		q->deadline_ms = 1500;
		snprintf(m, sizeof m, "%s,\"size\":%zu", cut[i], size);
		a = under(s, at(s, P_LIST, m), q);
		if (!says(s, a->cls != CSP_OK && a->nvms == 0, cut[i]))
			return false;
	}
	return true;
}

static double
rate_now(const struct suite *s)
{
	struct drv_load load = { 0 };

	s->driver->load(s->conn, &load);
	return load.rate_per_s;
}

/* Each code; Retry-After as seconds and as a date; the limiter slower. */
static bool
throttled(struct suite *s)
{
	const struct refusal *r = s->speaks->refusals;
	const struct csp_answer *a;
	double before;
	char m[200];

	is(s, call(s, list(s)), CSP_OK, CSP_R_NONE);
	before = rate_now(s);
	if (!refusals(s, 36))
		return false;
	if (!says(s, before > 0 ? rate_now(s) < before : rate_now(s) > 0,
		"the limiter is no slower"))
		return false;
	while (r->no != 36)
		r++;
	for (int date = 0; date < 2; date++) {
		snprintf(m, sizeof m,
		    "\"kind\":\"answer\",\"status\":%d,\"code\":\"%s\",%s",
		    r->status, r->code,
		    date ? "\"retryAfterDateS\":90"
			 : "\"headers\":{\"Retry-After\":\"7\"}");
		a = under(s, at(s, P_CREATE, m), create(s, "refused"));
		if (!is(s, a, CSP_THROTTLED, CSP_R_NONE) ||
		    !says(s,
			date ? a->retry_after_ms > 60000 &&
				a->retry_after_ms <= 91000
			     : a->retry_after_ms == 7000,
			"Retry-After is lost"))
			return false;
	}
	return true;
}

/* On a connection of its own: it stays slow for a while. */
static bool
c36_throttled(struct suite *s)
{
	return with_conf(s, &s->conf, throttled);
}

static bool
c37_5xx(struct suite *s)
{
	static const int status[] = { 500, 502, 503, 504 };
	size_t live = alive(s);
	char m[120];

	for (size_t i = 0; i < ARRAY_LEN(status); i++) {
		snprintf(m, sizeof m,
		    "\"kind\":\"answer\",\"status\":%d,\"body_is\":\"<html>\"",
		    status[i]);
		if (!expect(s, at(s, P_CREATE, m), create(s, "fivexx"),
			CSP_AMBIGUOUS, CSP_R_SERVER) ||
		    !says(s, seen_at(s, P_CREATE, "fivexx") == i + 1,
			"sent twice"))
			return false;
		snprintf(m, sizeof m, "\"kind\":\"answer\",\"status\":%d",
		    status[i]);
		if (!expect(s, at(s, P_LIST, m), list(s), CSP_OK, CSP_R_NONE))
			return false;
	}
	return expect(s,
		   at(s, P_CREATE,
		       "\"kind\":\"after\",\"status\":503,"
		       "\"body_is\":\"<html>\""),
		   create(s, "done5xx"), CSP_AMBIGUOUS, CSP_R_SERVER) &&
	    made(s, "done5xx", 1, live + 1) &&
	    is(s, call(s, create(s, "done5xx")), CSP_OK, CSP_R_NONE) &&
	    made(s, "done5xx", 2, live + 1);
}

static bool
bad_list(struct suite *s, const char *members)
{
	struct csp_req *q = list(s);
	const struct csp_answer *a;

	q->deadline_ms = 700;
	a = under(s, at(s, P_LIST, members), q);
	return says(s, a->cls == CSP_AMBIGUOUS && a->nvms == 0, members);
}

static bool
c38_bad_lists(struct suite *s)
{
	static const char *const members[] = {
		"\"kind\":\"answer\",\"count\":0,\"body_is\":\"\"",
		"\"kind\":\"answer\",\"count\":0,\"body_is\":\"<html><p>hi\"",
		"\"kind\":\"answer\",\"count\":0,\"bytes\":20000000",
		"\"kind\":\"truncate\",\"count\":0",
		"\"kind\":\"cut\",\"count\":0",
	};

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (!bad_list(s, members[i]))
			return false;
	}
	for (size_t i = 0; s->speaks->bodies[i]; i++) {
		char m[300];

		snprintf(m, sizeof m,
		    "\"kind\":\"answer\",\"count\":0,\"body_is\":\"%s\"",
		    s->speaks->bodies[i]);
		if (!bad_list(s, m))
			return false;
	}
	return true;
}

/* It is made, and what is said of it cannot be read. */
static bool
c38_bad_creates(struct suite *s)
{
	static const struct {
		const char *token, *members;
	} v[] = {
		{ "torn", "\"kind\":\"truncate\"" },
		{ "cut", "\"kind\":\"cut\"" },
		{ "html", "\"kind\":\"after\",\"body_is\":\"<html><p>hi\"" },
		{ "empty", "\"kind\":\"after\",\"body_is\":\"\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		size_t live = alive(s);

		if (!says(s,
			under(s, at(s, P_CREATE, v[i].members),
			    create(s, v[i].token))
				->cls == CSP_AMBIGUOUS,
			v[i].members) ||
		    !made(s, v[i].token, 1, live + 1) ||
		    !is(s, call(s, create(s, v[i].token)), CSP_OK,
			CSP_R_NONE) ||
		    !made(s, v[i].token, 2, live + 1))
			return false;
	}
	return true;
}

/* The end of each stall is its deadline. */
static bool
c39_stalls(struct suite *s)
{
	size_t live = alive(s);
	struct csp_req *q = create(s, "stalled");
	int64_t began = clock_mono_ns();

	q->deadline_ms = 500;
	if (!expect(s,
		at(s, P_CREATE, "\"kind\":\"delayAnswer\",\"seconds\":2"), q,
		CSP_AMBIGUOUS, CSP_R_TIMEOUT) ||
	    !made(s, "stalled", 1, live + 1))
		return false;
	q = list(s);
	q->deadline_ms = 500;
	if (!expect(s, at(s, P_LIST, "\"kind\":\"hang\",\"count\":0"), q,
		CSP_AMBIGUOUS, CSP_R_TIMEOUT))
		return false;
	q = list(s);
	q->deadline_ms = 500;
	return expect(s, at(s, P_LIST, "\"kind\":\"trickle\",\"bytesPerS\":2"),
		   q, CSP_AMBIGUOUS, CSP_R_TIMEOUT) &&
	    says(s, clock_mono_ns() - began < 10 * NS_PER_S,
		"the deadlines were not kept");
}

static void
close_target(void *arg)
{
	struct suite *s = arg;

	s->driver->close(s->conn);
	s->conn = NULL;
}

/* Closed while a create and a list are under way: one end for each, which says
 * that the create may have been carried out. */
static bool
c39_cancel(struct suite *s)
{
	static const char *const stalls[] = {
		"\"kind\":\"delayAnswer\",\"seconds\":1.5",
		"\"kind\":\"trickle\",\"bytesPerS\":20",
	};
	struct drv_env env = { .loop = s->loop, .http = s->http };
	struct mw_err err = MW_ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(stalls); i++) {
		struct loop_timer *t = loop_timer_new(s->loop, close_target, s);
		char token[32];
		bool ok;

		snprintf(token, sizeof token, "canceled%zu", i);
		rule(s, at(s, P_CREATE, stalls[i]));
		rule(s, at(s, P_LIST, stalls[i]));
		/* opens what is opened on demand */
		call(s, req(s, CSP_REGIONS));
		post(s, create(s, token));
		post(s, list(s));
		loop_timer_set(t, NS_PER_S / 2);
		wait_all(s);
		no_rules(s);
		loop_timer_free(t);
		ok = says(s, s->nanswers == 2, "not one end for each");
		for (size_t k = 0; k < s->nanswers; k++)
			ok = ok &&
			    is(s, s->answers[k], CSP_AMBIGUOUS, CSP_R_CANCELED);
		if (!s->driver->open(&env, &s->conf, &s->conn, &err) || !ok ||
		    !says(s, seen_at(s, P_CREATE, token) == 1, "sent twice"))
			return false;
	}
	return true;
}

/* libcurl would send a create once more, without a word. */
static bool
c39_reused_dies(struct suite *s)
{
	size_t live = alive(s);

	rule(s,
	    at(s, P_ANY, "\"kind\":\"dropAfter\",\"reused\":true,\"count\":0"));
	call(s, list(s));
	is(s, call(s, create(s, "reused")), CSP_OK, CSP_R_NONE);
	no_rules(s);
	return is(s, s->answers[0], CSP_OK, CSP_R_NONE) &&
	    made(s, "reused", 1, live + 1);
}

/* Asks with one token until it has an answer, as the lifecycle does. */
static bool
insist(struct suite *s, const char *token)
{
	for (int i = 0; i < 50; i++) {
		const struct csp_answer *a = call(s, create(s, token));

		if (a->cls == CSP_OK)
			return true;
		if (!says(s, a->cls == CSP_AMBIGUOUS, csp_class_name(a->cls)))
			return false;
	}
	return says(s, false, "never an answer");
}

static bool
c_by_chance(struct suite *s)
{
	static const char *const kinds[] = { "\"kind\":\"dropAfter\"",
		"\"kind\":\"dropBefore\"", "\"kind\":\"double\"",
		"\"kind\":\"truncate\"", "\"kind\":\"cut\"",
		"\"kind\":\"after\",\"status\":503",
		"\"kind\":\"answer\",\"status\":500",
		"\"kind\":\"delayAnswer\",\"seconds\":0.05" };
	size_t live = alive(s);
	bool ok = true;
	char m[120];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		snprintf(m, sizeof m,
		    "%s,\"count\":0,\"probability\":0.15,\"seed\":%zu",
		    kinds[i], i + 1);
		rule(s, at(s, P_CREATE, m));
	}
	for (int i = 0; i < 12 && ok; i++) {
		char token[32];

		snprintf(token, sizeof token, "chance%d", i);
		ok = insist(s, token);
	}
	no_rules(s);
	return ok && says(s, alive(s) == live + 12, "not one VM each") &&
	    says(s, seen_at(s, P_CREATE, "chance") > 12, "no fault at all");
}

/* static: what a host greets with. The suite's first VM is asked for. */
static bool
greets(struct suite *s, const char *members, const char *native)
{
	const struct csp_answer *a = under(s, at(s, P_ANY, members), list(s));

	return is(s, a, CSP_OK, CSP_R_NONE) &&
	    says(s, a->nvms == 1, "not one host") &&
	    says(s, str_eq(a->vms[0].native, native), members);
}

static bool
c37_greetings(struct suite *s)
{
	return is(s, call(s, create(s, "greets")), CSP_OK, CSP_R_NONE) &&
	    greets(s, "\"kind\":\"dropBefore\"", "unreachable") &&
	    greets(s, "\"kind\":\"cut\",\"at\":2", "unreachable") &&
	    greets(s, "\"kind\":\"answer\",\"body_is\":\"HTTP/1.1 400 Bad\"",
		"unreachable") &&
	    greets(s, "\"kind\":\"trickle\",\"bytesPerS\":20", "running") &&
	    greets(s, "\"kind\":\"delay\",\"seconds\":0.3", "running") &&
	    ends(s, s->answers[0]->vms[0].csp_id);
}

#define C(no, what, run, needs)            \
	{                                  \
		no, what, run, needs, NULL \
	}
const struct drv_case suite_proxy[] = {
	C(2, "one 401, two", c02_expired, NEEDS_PROXY | BY_PROXY),
	C(3, "a read retried is signed anew", c03_retried, NEEDS_PROXY),
	C(14, "answer lost: one send, one VM", c14_answer_lost, NEEDS_PROXY),
	C(14, "request lost: asked again", c14_request_lost, NEEDS_PROXY),
	C(14, "carried out late", c14_late, NEEDS_PROXY | NEEDS_TOKEN),
	C(16, "delivered twice, one VM", c16_double,
	    NEEDS_PROXY | NEEDS_TOKEN | BY_PROXY),
	C(18, "quota", c18_quota, NEEDS_PROXY | BY_PROXY),
	C(19, "no capacity", c19_capacity, NEEDS_PROXY | BY_PROXY),
	C(21, "group or key not visible yet", c21_not_visible,
	    NEEDS_PROXY | BY_PROXY),
	C(33, "lists and look-ups that lag", c33_stale, NEEDS_PROXY),
	C(24, "unknown native state", c24_unknown_state, NEEDS_PROXY),
	C(37, "500 502 503 504, and 503 though done", c37_5xx, NEEDS_PROXY),
	C(38, "bad lists", c38_bad_lists, NEEDS_PROXY),
	C(38, "bad answers to a create", c38_bad_creates,
	    NEEDS_PROXY | NEEDS_TOKEN),
	C(39, "stalls of head and body", c39_stalls, NEEDS_PROXY),
	C(39, "closed in the middle", c39_cancel, NEEDS_PROXY),
	C(39, "a reused connection dies", c39_reused_dies, NEEDS_PROXY),
	C(36, "each throttle code, Retry-After in both forms", c36_throttled,
	    NEEDS_PROXY | BY_PROXY),
	C(0, "faults by chance: one VM for each token", c_by_chance,
	    NEEDS_PROXY | NEEDS_TOKEN),
	C(34, "pages: moved, refused, lost", c34_pages, NEEDS_PROXY),
	/* lists are long and slow from here on */
	C(22, "fifty creates at once", c22_creates, NEEDS_PROXY),
	C(0, "all of these end", no_vm_left, NEEDS_PROXY),
	C(37, "hosts that reset, greet slowly or wrongly", c37_greetings,
	    NEEDS_RAW),
};
const size_t suite_nproxy = ARRAY_LEN(suite_proxy);
