/*
 * link_msg.c - what agents say, one function per type in one table. Default
 * deny: a type that is not in the table ends the link. Results are
 * acknowledged when everything up to them is committed.
 */
#include "coordinator/link/link_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/proto.h"
#include "coordinator/link/agents.h"
#include "coordinator/measure/bench.h"
#include "coordinator/ca.h"
#include "coordinator/coord.h"
#include "coordinator/measure/host.h"
#include "coordinator/measure/mesh.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define BAD_PER_MIN 20
#define RENEWALS_MAX 8 /* of one link: certificates live for days */
#define BACKLOG_PAUSE_MS 500
#define RESEND_AFTER_MS 2000 /* by a new link */

/* Comes back from the store; the link may be gone by then. */
struct receipt {
	struct link *l;
	int64_t slot, gen, seq;
	uint64_t serial;
	uint64_t number; /* in the ring */
};

struct message {
	const char *type;
	enum peer_state state; /* only then */
	bool (*fn)(struct peer *p, json_t *msg, struct mw_err *err);
};

static bool on_hello(struct peer *p, json_t *msg, struct mw_err *err);
static bool on_beat(struct peer *p, json_t *msg, struct mw_err *err);
static bool on_result(struct peer *p, json_t *msg, struct mw_err *err);
static bool on_job_state(struct peer *p, json_t *msg, struct mw_err *err);
static bool on_armed(struct peer *p, json_t *msg, struct mw_err *err);
static bool on_cert_renew(struct peer *p, json_t *msg, struct mw_err *err);
static bool hand_over(struct peer *p, const struct json_at *at,
    struct receipt *r, struct mw_err *err);
static struct pending *place(struct peer *p, uint64_t number);
static bool under_way(struct peer *p, int64_t seq);
static void grow(struct peer *p);
static struct receipt *receipt_new(struct peer *p, int64_t seq);
static void on_stored(void *arg, bool ok);
static void ack(struct peer *p);
static bool bad(struct peer *p);

static const struct message messages[] = {
	{ "hello", PEER_HELLO, on_hello },
	{ "beat", PEER_READY, on_beat },
	{ "result", PEER_READY, on_result },
	{ "jobState", PEER_READY, on_job_state },
	{ "armed", PEER_READY, on_armed },
	{ "certRenew", PEER_READY, on_cert_renew },
};

void
peer_message(struct peer *p, const uint8_t *bytes, size_t n)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *msg = json_parse((const char *)bytes, n, FRAME_MAX, &err);
	const char *type = json_string_value(json_object_get(msg, "type"));
	bool ok = false;

	for (size_t i = 0; type && i < ARRAY_LEN(messages); i++)
		if (strcmp(messages[i].type, type) == 0 &&
		    messages[i].state == p->state) {
			ok = messages[i].fn(p, msg, &err);
			goto out;
		}
	if (err.code == MW_OK)
		err_set(&err, MW_PROTO, 0, "no such message now");
out:
	json_decref(msg);
	if (ok)
		return;
	p->l->stats.broken++;
	log_warn("link", p->ip, "closing: %s\tslot=%lld gen=%lld", err.msg,
	    (long long)p->slot, (long long)p->gen);
	if (p->state == PEER_HELLO || p->state == PEER_READY)
		peer_bye(p, err_code_name(err.code), err.msg, 30000);
}

static bool
on_hello(struct peer *p, json_t *msg, struct mw_err *err)
{
	struct coord *c = p->l->c;
	int64_t ttl = agents_ttl_ms(c->agents);
	const struct agent *ag;
	json_t *j;
	char *id;

	peer_ready(p);
	if (!agents_on_hello(c->agents, p->slot, p->gen, msg, err))
		return false;
	ag = agents_get(c->agents, p->slot, p->gen);
	id = xasprintf("a-%lld-%lld", (long long)p->slot, (long long)p->gen);
	j = json_object();
	json_put_str(j, "type", "welcome");
	json_put_str(j, "agentId", id);
	json_put_str(j, "vmId", ag->vm);
	json_put_int(j, "ttlMs", ttl);
	/* Spreads the beats of agents that came back together. */
	json_put_int(j, "notBeforeMs",
	    (int64_t)(clock_random_u64() % (uint64_t)ttl));
	json_put_time(j, "serverAt", clock_wall_ns());
	free(id);
	peer_send(p, j);
	return true;
}

static bool
on_beat(struct peer *p, json_t *msg, struct mw_err *err)
{
	return agents_on_beat(p->l->c->agents, p->slot, p->gen, msg, err) &&
	    host_on_beat(p->l->c->host, p->slot, msg, err);
}

static bool
on_result(struct peer *p, json_t *msg, struct mw_err *err)
{
	struct json_at at;
	struct receipt *r;
	const char *boot;
	int64_t seq;

	if (!json_at_root(&at, msg, err) ||
	    !json_get_str(&at, "boot", true, sizeof p->boot - 1, &boot, err) ||
	    !json_get_int(&at, "seq", false, 0, 1, INT64_MAX, &seq, err))
		return false;
	if (strspn(boot, "0123456789abcdef") != strlen(boot) || !*boot)
		return err_set(err, MW_PROTO, 0, "boot is not hexadecimal");
	if (strcmp(boot, p->boot) != 0) {
		if (p->npending)
			return err_set(err, MW_PROTO, 0,
			    "a new spool before the old one was acknowledged");
		str_copy(p->boot, sizeof p->boot, boot);
		p->acked = 0;
	}
	if (under_way(p, seq))
		return true;
	if (p->npending >= LINK_PENDING_MAX)
		return err_set(err, MW_LIMIT, 0, "too many results at once");
	r = receipt_new(p, seq);
	if (!hand_over(p, &at, r, err)) {
		/* Acknowledged all the same: it would come again for ever. */
		log_warn("link", p->ip, "result dropped: %s", err->msg);
		p->l->stats.dropped++;
		on_stored(r, true);
		*err = (struct mw_err)MW_ERR_INIT;
		if (bad(p))
			return err_set(err, MW_PROTO, 0,
			    "too many results that nobody asked for");
	}
	if (store_backlog(p->l->c->store) > STORE_BACKLOG && !p->paused)
		peer_pause(p, BACKLOG_PAUSE_MS);
	return true;
}

static bool
hand_over(struct peer *p, const struct json_at *at, struct receipt *r,
    struct mw_err *err)
{
	struct coord *c = p->l->c;
	json_t *bench = json_object_get(at->obj, "bench");
	json_t *row = json_object_get(at->obj, "row");
	json_t *rtt = json_object_get(at->obj, "rtt");
	struct proto_row pr = { .n = 0 };
	struct result *res;
	bool ok;

	if (!!bench + !!row + !!rtt != 1)
		return err_set(err, MW_PROTO, 0,
		    "a result is one of bench, row, rtt");
	if (rtt) {
		bench_on_rtt(c->bench, p->slot, p->gen, p->boot, r->seq, rtt,
		    on_stored, r);
		return true;
	}
	if (row) {
		if (!proto_row_decode(row, &pr, err))
			return false;
		mesh_on_row(c->mesh, p->slot, p->gen, &pr, on_stored, r);
		return true;
	}
	res = xcalloc(1, sizeof *res);
	ok = proto_result_decode(bench, res, err);
	if (ok) {
		p->l->stats.results[res->kind][res->validity]++;
		bench_on_result(c->bench, p->slot, p->gen, p->boot, r->seq, res,
		    on_stored, r);
	}
	free(res);
	return ok;
}

static bool
on_job_state(struct peer *p, json_t *msg, struct mw_err *err)
{
	const char *job, *state, *step, *code, *message;
	struct json_at at;

	if (!json_at_root(&at, msg, err) ||
	    !json_get_str(&at, "jobId", true, 80, &job, err) ||
	    !json_get_str(&at, "state", true, 16, &state, err) ||
	    !json_get_str(&at, "step", false, 80, &step, err) ||
	    !json_get_str(&at, "code", false, 32, &code, err) ||
	    !json_get_str(&at, "message", false, 400, &message, err))
		return false;
	bench_on_job_state(p->l->c->bench, p->slot, p->gen, job, state, step,
	    code, message);
	return true;
}

static bool
on_armed(struct peer *p, json_t *msg, struct mw_err *err)
{
	const char *round, *code, *message;
	struct json_at at;
	int64_t port;

	if (!json_at_root(&at, msg, err) ||
	    !json_get_str(&at, "roundId", true, 63, &round, err) ||
	    !json_get_int(&at, "port", true, 0, 0, 65535, &port, err) ||
	    !json_get_str(&at, "code", false, 32, &code, err) ||
	    !json_get_str(&at, "message", false, 400, &message, err))
		return false;
	mesh_on_armed(p->l->c->mesh, p->slot, p->gen, round, port, code,
	    message);
	return true;
}

static bool
on_cert_renew(struct peer *p, json_t *msg, struct mw_err *err)
{
	struct coord *c = p->l->c;
	const struct agent *ag = agents_get(c->agents, p->slot, p->gen);
	struct str cert = STR_INIT;
	char serial[33], *uri;
	struct json_at at;
	const char *csr;
	json_t *j;
	bool ok;

	if (!json_at_root(&at, msg, err) ||
	    !json_get_str(&at, "csr", true, 8192, &csr, err))
		return false;
	if (++p->renewals > RENEWALS_MAX || !ag)
		return err_set(err, MW_LIMIT, 0, "too many renewals");
	uri = ca_agent_uri(c->ca, ag->ns, ag->mcis, p->slot, p->gen);
	ok = ca_sign_csr(c->ca, csr, uri, &cert, serial, err);
	free(uri);
	if (ok) {
		j = json_object();
		json_put_str(j, "type", "cert");
		json_put_str(j, "cert", str_cstr(&cert));
		json_put_str(j, "ca", ca_bundle(c->ca));
		peer_send(p, j);
		log_info("link", ag->vm, "certificate renewed\tserial=%s",
		    serial);
	}
	str_free(&cert);
	return ok;
}

static struct pending *
place(struct peer *p, uint64_t number)
{
	return &p->pending[number % p->pending_cap];
}

/* It came on this link and is not committed yet: the agent asks again. */
static bool
under_way(struct peer *p, int64_t seq)
{
	for (uint64_t n = p->first; n < p->first + p->npending; n++)
		if (place(p, n)->seq == seq && !place(p, n)->done)
			return true;
	return false;
}

static void
grow(struct peer *p)
{
	size_t cap = p->pending_cap ? 2 * p->pending_cap : 8;
	struct pending *v = xcalloc(cap, sizeof *v);

	for (uint64_t n = p->first; n < p->first + p->npending; n++)
		v[n % cap] = *place(p, n);
	free(p->pending);
	p->pending = v;
	p->pending_cap = cap;
}

static struct receipt *
receipt_new(struct peer *p, int64_t seq)
{
	struct receipt *r = xcalloc(1, sizeof *r);

	if (p->npending == p->pending_cap)
		grow(p);
	r->l = p->l;
	r->slot = p->slot;
	r->gen = p->gen;
	r->seq = seq;
	r->serial = p->serial;
	r->number = p->first + p->npending++;
	*place(p, r->number) = (struct pending){ seq, false };
	return r;
}

/* ok = false: not stored and not to be acknowledged, and nothing after it
 * either: the link ends, and it comes again with the next one. */
static void
on_stored(void *arg, bool ok)
{
	struct receipt *r = arg;
	struct peer *p = link_find(r->l, r->slot, r->gen);

	if (p && p->serial == r->serial && ok) {
		place(p, r->number)->done = true;
		ack(p);
	} else if (p && p->serial == r->serial) {
		log_info("link", p->ip,
		    "closing: a result is not stored\tslot=%lld seq=%lld",
		    (long long)p->slot, (long long)r->seq);
		peer_bye(p, err_code_name(MW_INTERNAL),
		    "a result is not stored: send it again", RESEND_AFTER_MS);
	}
	free(r);
}

/* Everything up to the first result that is still under way. */
static void
ack(struct peer *p)
{
	bool some = false;
	json_t *j;

	while (p->npending && place(p, p->first)->done) {
		if (place(p, p->first)->seq > p->acked)
			p->acked = place(p, p->first)->seq;
		p->first++;
		p->npending--;
		some = true;
	}
	if (!some)
		return;
	j = json_object();
	json_put_str(j, "type", "ack");
	json_put_str(j, "boot", p->boot);
	json_put_int(j, "seq", p->acked);
	peer_send(p, j);
}

/* True: more than BAD_PER_MIN in the last minute. */
static bool
bad(struct peer *p)
{
	int64_t now = clock_mono_ns();

	if (now - p->bad_since > 60 * NS_PER_S) {
		p->bad_since = now;
		p->bad = 0;
	}
	return ++p->bad > BAD_PER_MIN;
}
