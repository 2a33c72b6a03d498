/*
 * conns_check.c - see conns_check.h. Owns the checks under way, each with a
 * driver connection of its own.
 */
#include "coordinator/cloud/conns_check.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns_import.h"
#include "drivers/cred.h"

#include <string.h>

#define MARGIN_MS 500 /* for the driver to tell by itself what it is */
#define TEXT_MAX 300 /* of an answer's message that is told */
#define MAY_NOT "the credential may not " /* a list of actions (code) */
#define TAIL_MAX 120 /* of its end in brackets */
#define MORE_MAX 16 /* " and 28 more " */

struct check {
	struct conn_own own;
	struct loop_timer *timer;
	bool told; /* done() was called */
	struct loop *loop;
	struct conns_check result;
	int64_t from_ns;
	void (*done)(void *arg, const struct conns_check *r);
	void *arg;
};

/* The first fitting row says what an answer means. NULL: any. What a
 * credential's program says may hold any of these words: it comes first. */
static const struct {
	int reason; /* enum csp_reason, or -1 */
	const char *word; /* in the message */
	const char *hint;
} meanings[] = {
	{ CSP_R_AUTH, CRED_NONE,
	    "the cloud was not asked; docs/connections.md has the forms of a "
	    "credential" },
	{ -1, "resolve host",
	    "the endpoint's name is not known: is the region right? does this "
	    "machine have DNS (getent hosts NAME)?" },
	{ -1, "certificate",
	    "the endpoint's TLS certificate is not trusted here: name a "
	    "private CA with --ca-file (or is a proxy in between?), and the "
	    "endpoint as the certificate does; TLS is never switched off" },
	{ -1, "SSL",
	    "TLS with the endpoint failed: is it an https address? is a proxy "
	    "in between?" },
	{ -1, "refused",
	    "nothing listens at the endpoint: is --endpoint right?" },
	{ -1, "Failed to connect",
	    "the endpoint cannot be reached: a firewall or a missing route?" },
	{ -1, "timed out",
	    "no answer in time: a firewall, a proxy, or a cloud in trouble" },
	{ CSP_R_CLOCK, NULL,
	    "set this machine's clock: timedatectl; signatures hold for some "
	    "minutes" },
	{ CSP_R_AUTH, NULL,
	    "key unknown, expired or wrong; milkyway connection add NAME ... "
	    "--credential-stdin" },
	{ CSP_R_DENIED, NULL,
	    "give the account that permission: docs/connections.md has the "
	    "whole list" },
	{ CSP_R_TIMEOUT, NULL,
	    "no answer in time: a firewall, a proxy, or a cloud in trouble" },
	{ CSP_R_RESET, NULL,
	    "what is at the endpoint cut the line: is --endpoint right?" },
	{ CSP_R_UNPARSABLE, NULL,
	    "what is at the endpoint does not speak this cloud's language: is "
	    "--endpoint right? is a proxy in between?" },
	{ CSP_R_SERVER, NULL,
	    "what is at the endpoint fails: the cloud is in trouble, or "
	    "--endpoint is not that of this cloud" },
};

/* The last one: a program may say the same words. */
static const char *
find_way(const char *text)
{
	const char *last = NULL;

	for (const char *p = text; (p = strstr(p, CRED_WAY)); p++)
		last = p;
	return last;
}

/* What has many parts and ends in brackets: as many as fit, how many more there
 * are, and the end. */
static void
add_shortened(struct str *s, const char *text)
{
	const char *tail = strrchr(text, '('), *cut = text, *p;
	size_t room, more = 0;

	if (!tail || strlen(tail) > TAIL_MAX) {
		str_add_escaped(s, text, strlen(text), TEXT_MAX);
		return;
	}
	room = TEXT_MAX - MORE_MAX - strlen(tail);
	for (p = text; p < tail; p++) {
		if (*p == ',' && (size_t)(p - text) < room)
			cut = p;
		more += *p == ',' && (size_t)(p - text) >= room;
	}
	more++; /* behind the last comma */
	str_add_escaped(s, text, (size_t)(cut - text), TEXT_MAX);
	str_addf(s, " and %zu more ", more);
	str_add_escaped(s, tail, strlen(tail), TAIL_MAX);
}

void
conns_check_words(const struct csp_answer *a, struct mw_err *err)
{
	const char *text = a->message ? a->message : "", *way;
	struct mw_err plain = MW_ERR_INIT;
	struct str s = STR_INIT;
	bool long_list;

	if (a->cls == CSP_OK)
		return;
	conns_answer_err(a, &plain);
	way = str_starts(text, CRED_NONE) ? find_way(text) : NULL;
	long_list = a->reason == CSP_R_DENIED && strlen(text) > TEXT_MAX &&
	    str_starts(text, MAY_NOT) && text[strlen(text) - 1] == ')';
	if (long_list)
		add_shortened(&s, text);
	else
		str_add_escaped(&s, text,
		    way ? (size_t)(way - text) : strlen(text), TEXT_MAX);
	err_set(err, plain.code, 0, "%s",
	    s.len ? str_cstr(&s) : csp_class_name(a->cls));
	str_free(&s);
	if (way) {
		err_hint(err, "%s", way + strlen(CRED_WAY));
		return;
	}
	if (long_list) {
		err_hint(err,
		    "milkyway connection check NAME names all; the policy is "
		    "in docs/connections.md");
		return;
	}
	if (a->cls == CSP_THROTTLED) {
		err_hint(err, "the cloud asks for fewer calls: wait a minute");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		if (meanings[i].reason >= 0 &&
		    meanings[i].reason != (int)a->reason)
			continue;
		if (meanings[i].word && !strstr(text, meanings[i].word))
			continue;
		err_hint(err, "%s", meanings[i].hint);
		return;
	}
}

static void
free_later(void *p)
{
	struct check *k = p;

	loop_timer_free(k->timer);
	conn_free(k->own.cn);
	free(k);
}

static void
tell(struct check *k)
{
	k->result.took_ns = clock_mono_ns() - k->from_ns;
	if (!k->told)
		k->done(k->arg, &k->result);
	k->told = true;
}

static void
end(struct check *k)
{
	conn_own_end(&k->own);
	tell(k);
	/* its driver may be on the stack */
	loop_reap(k->loop, free_later, k);
}

/* Drivers have deadlines of their own for what comes before the call, e.g. a
 * token. */
static void
on_late(void *arg)
{
	struct check *k = arg;

	err_set(&k->result.err, MW_TIMEOUT, 0, "no answer in %d s",
	    CONNS_CHECK_MS / 1000);
	err_hint(&k->result.err,
	    "is --endpoint right? a firewall, a proxy, or a cloud in trouble");
	tell(k);
	if (k->own.cn->dc)
		k->own.cn->drv->close(k->own.cn->dc);
	k->own.cn->dc = NULL;
}

static void
end_later(void *p)
{
	end(p);
}

/* The address that reached the cloud just now decides. */
static void
see_ends(struct check *k)
{
	struct conns_check *r = &k->result;

	if (!k->own.cs)
		return;
	conn_look(k->own.cs, k->own.cn);
	conns_ssh_from(k->own.cs, r->connection, r->ssh_from, &r->err);
}

static void
on_answer(struct csp_answer *take_a, void *arg)
{
	struct check *k = arg;

	k->result.answer = take_a;
	if (!k->told)
		conns_check_words(take_a, &k->result.err);
	if (!k->told && k->result.err.code == MW_OK)
		see_ends(k);
	end(k);
	csp_answer_free(take_a);
}

void
conns_check(struct conns *cs, const char *id,
    void (*done)(void *arg, const struct conns_check *r), void *arg)
{
	struct conn *cn = conns_find(cs, id);
	struct check *k = xcalloc(1, sizeof *k);
	struct csp_req *q;

	k->loop = cs->env.loop;
	k->timer = loop_timer_new(k->loop, on_late, k);
	k->done = done;
	k->arg = arg;
	k->from_ns = clock_mono_ns();
	k->result.connection = "";
	k->result.err = (struct mw_err)MW_ERR_INIT;
	conn_own_add(cs, &k->own, cn ? conn_new(&cn->row) : NULL);
	if (!cn) {
		err_set(&k->result.err, MW_NOT_FOUND, 0, "no connection %s",
		    id);
		loop_reap(cs->env.loop, end_later, k);
		return;
	}
	k->result.connection = k->own.cn->row.id;
	conn_stats_unref(k->own.cn->stats);
	k->own.cn->stats = conn_stats_ref(cn->stats);
	if (!conn_open(cs, k->own.cn, &k->result.err)) {
		loop_reap(cs->env.loop, end_later, k);
		return;
	}
	q = csp_req_new(CSP_VERIFY, k->own.cn->row.id);
	q->deadline_ms = CONNS_CHECK_MS;
	loop_timer_set(k->timer,
	    (CONNS_CHECK_MS + MARGIN_MS +
		(str_starts(cn->row.credential ? cn->row.credential : "",
		     "exec:")
			? CRED_WAIT_MS
			: 0)) *
		NS_PER_MS);
	conn_submit(k->own.cn, q, on_answer, k);
}
