/*
 * msg.c - decoder of the coordinator's messages. Promises: every number is
 * within its range, every address numeric, or the message is refused whole.
 * Called by agent.c.
 */
#include "agent/link/msg.h"

#include "agent/bench/bench.h"
#include "agent/bench/rules.h"
#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"

#include <string.h>

#define PEM_MAX 16384
#define SEED_MAX (INT64_C(1) << 53)
#define DEADLINE_MAX_MS (7 * 86400 * INT64_C(1000))
#define SSH_PORT 22
#define RATE_MAX_PER_S 2000 /* packets of one agent, whatever is asked */

/* A word like "b-01" or "01J..": what ids look like, without blanks. */
static bool
get_word(const struct json_at *at, const char *key, char *dst, size_t size,
    struct mw_err *err)
{
	const char *s;

	if (!json_get_str(at, key, true, size - 1, &s, err))
		return false;
	if (!id_word_valid(s, size - 1)) {
		err_set(err, MW_INVALID, 0, "%s is not a plain word", key);
		return err_pointer(err, "%s/%s", at->pointer, key);
	}
	str_copy(dst, size, s);
	return true;
}

static bool
welcome(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	return json_get_int(at, "ttlMs", false, 0, 100, 3600000, &m->ttl_ms,
		   err) &&
	    json_get_int(at, "notBeforeMs", true, 0, 0, 3600000,
		&m->not_before_ms, err);
}

static bool
ack(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	int64_t seq;

	if (!get_word(at, "boot", m->id, sizeof m->id, err) ||
	    !json_get_int(at, "seq", false, 0, 0, INT64_MAX, &seq, err))
		return false;
	m->seq = (uint64_t)seq;
	return true;
}

static bool
bench_kinds(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	json_t *list;

	if (!json_get_array(at, "kinds", true, 1, LANE_COUNT, &list, err))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		unsigned lane;

		if (name == NULL || !lane_parse(name, &lane) ||
		    !(LANES_BENCH & LANE_BIT(lane))) {
			err_set(err, MW_INVALID, 0, "unknown kind");
			return err_pointer(err, "/kinds/%zu", i);
		}
		m->kinds |= LANE_BIT(lane);
	}
	return true;
}

static bool
job_bench(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	const char *profile;
	int64_t seed;

	m->type = MSG_BENCH;
	if (!get_word(at, "runId", m->run_id, sizeof m->run_id, err) ||
	    !bench_kinds(at, m, err) ||
	    !json_get_str(at, "profile", true, sizeof m->profile - 1, &profile,
		err) ||
	    !json_get_int(at, "seed", true, 0, 0, SEED_MAX, &seed, err))
		return false;
	if (rules_profile(profile) == NULL) {
		err_set(err, MW_INVALID, 0, "unknown profile");
		return err_pointer(err, "/profile");
	}
	str_copy(m->profile, sizeof m->profile, profile);
	m->seed = (uint64_t)seed;
	return true;
}

/* Which methods of reach.h; all of them if the field is not there. */
static bool
rtt_methods(const struct json_at *at, struct rtt_target *t, struct mw_err *err)
{
	json_t *list;

	t->methods = REACH_ALL;
	if (!json_get_array(at, "methods", false, 1, 3, &list, err))
		return false;
	if (list == NULL)
		return true;
	t->methods = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		unsigned m =
		    reach_method(json_string_value(json_array_get(list, i)));

		if (m == 0) {
			err_set(err, MW_INVALID, 0, "unknown method");
			return err_pointer(err, "%s/methods/%zu", at->pointer,
			    i);
		}
		t->methods |= (uint8_t)m;
	}
	return true;
}

static bool
rtt_target(const struct json_at *at, struct rtt_target *t, struct mw_err *err)
{
	const char *name, *ip;
	int64_t port;

	if (!json_get_str(at, "target", true, sizeof t->name - 1, &name, err) ||
	    !json_get_str(at, "ip", true, 15, &ip, err) ||
	    !json_get_int(at, "tcpPort", true, SSH_PORT, 0, 65535, &port,
		err) ||
	    !rtt_methods(at, t, err))
		return false;
	if (!id_word_valid(name, sizeof t->name - 1) ||
	    !id_ipv4_parse(ip, &t->ip)) {
		err_set(err, MW_INVALID, 0, "bad target or address");
		return err_pointer(err, "%s", at->pointer);
	}
	str_copy(t->name, sizeof t->name, name);
	t->tcp_port = (uint16_t)port;
	t->refused = id_ipv4_refused(t->ip);
	return true;
}

static bool
job_rtt(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	json_t *list;

	m->type = MSG_RTT;
	if (!json_get_int(at, "count", true, 10, 1, RTT_COUNT_MAX, &m->count,
		err) ||
	    /* At most 20 packets a second to one target. */
	    !json_get_int(at, "gapMs", true, 100, 50, 60000, &m->gap_ms, err) ||
	    !json_get_int(at, "timeoutMs", true, 1000, 10, 10000,
		&m->timeout_ms, err) ||
	    !json_get_array(at, "targets", true, 1, RTT_TARGETS_MAX, &list,
		err))
		return false;
	m->ntargets = json_array_size(list);
	m->targets = xcalloc(m->ntargets, sizeof *m->targets);
	for (size_t i = 0; i < m->ntargets; i++) {
		struct json_at t;

		if (!json_at_index(&t, at, "targets", i, err) ||
		    !rtt_target(&t, &m->targets[i], err))
			return false;
	}
	return true;
}

static bool
job(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	const char *kind;

	if (!get_word(at, "jobId", m->id, sizeof m->id, err) ||
	    !json_get_str(at, "kind", true, 16, &kind, err) ||
	    !json_get_int(at, "deadlineMs", false, 0, 1, DEADLINE_MAX_MS,
		&m->deadline_ms, err))
		return false;
	if (strcmp(kind, "bench") == 0)
		return job_bench(at, m, err);
	if (strcmp(kind, "rtt") == 0)
		return job_rtt(at, m, err);
	return err_set(err, MW_INVALID, 0, "unknown kind of job");
}

static bool
cancel(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	return get_word(at, "jobId", m->id, sizeof m->id, err);
}

/* [ip, port] */
static bool
arm_member(json_t *j, size_t i, struct mesh_member *out, struct mw_err *err)
{
	const char *ip = json_string_value(json_array_get(j, 0));
	json_int_t port = json_integer_value(json_array_get(j, 1));

	if (json_array_size(j) != 2 || ip == NULL ||
	    !id_ipv4_parse(ip, &out->ip) || id_ipv4_refused(out->ip) ||
	    port < 1 || port > 65535) {
		err_set(err, MW_INVALID, 0, "bad address or port");
		return err_pointer(err, "/members/%zu", i);
	}
	out->port = (uint16_t)port;
	out->ssh_port = SSH_PORT;
	return true;
}

static bool
arm_members(const struct json_at *at, struct mesh_arm *a, struct mw_err *err)
{
	json_t *list;

	if (!json_get_array(at, "members", true, 2, ECHO_MEMBERS_MAX, &list,
		err))
		return false;
	a->n = (uint32_t)json_array_size(list);
	a->members = xcalloc(a->n, sizeof *a->members);
	for (uint32_t i = 0; i < a->n; i++)
		if (!arm_member(json_array_get(list, i), i, &a->members[i],
			err))
			return false;
	return true;
}

/* Different member indexes, or NULL if the field is not there. */
static bool
indexes(const struct json_at *at, const char *key, uint32_t **out, size_t *n,
    struct mw_err *err)
{
	json_t *list;

	if (!json_get_array(at, key, false, 0, ECHO_MEMBERS_MAX, &list, err))
		return false;
	if (list == NULL)
		return true;
	*n = json_array_size(list);
	*out = xcalloc(*n + 1, sizeof **out);
	for (size_t i = 0; i < *n; i++) {
		json_t *v = json_array_get(list, i);
		json_int_t x = json_integer_value(v);

		/* In ascending order, so that they are different. */
		if (!json_is_integer(v) || x < 0 || x >= ECHO_MEMBERS_MAX ||
		    (i > 0 && x <= (json_int_t)(*out)[i - 1])) {
			err_set(err, MW_INVALID, 0, "bad member index");
			return err_pointer(err, "/%s/%zu", key, i);
		}
		(*out)[i] = (uint32_t)x;
	}
	return true;
}

/* One for each member, if not all are 22; 0: that one has none. */
static bool
ssh_ports(const struct json_at *at, struct mesh_arm *a, struct mw_err *err)
{
	json_t *list;

	if (!json_get_array(at, "sshPorts", false, a->n, a->n, &list, err))
		return false;
	for (uint32_t i = 0; list != NULL && i < a->n; i++) {
		json_t *v = json_array_get(list, i);
		json_int_t port = json_integer_value(v);

		if (!json_is_integer(v) || port < 0 || port > 65535) {
			err_set(err, MW_INVALID, 0, "bad port");
			return err_pointer(err, "/sshPorts/%u", i);
		}
		a->members[i].ssh_port = (uint16_t)port;
	}
	return true;
}

/* What a coordinator may ask besides: a part of the members, half rounds, and
 * another method for pairs that UDP does not reach. */
static bool
arm_options(const struct json_at *at, struct mesh_arm *a, struct mw_err *err)
{
	int64_t extra;
	size_t n = 0;

	if (!ssh_ports(at, a, err) ||
	    !indexes(at, "targets", &a->targets, &n, err) ||
	    !json_get_bool(at, "half", true, false, &a->half, err) ||
	    !json_get_int(at, "extraMs", true, 0, 0, 60000, &extra, err))
		return false;
	a->extra_ns = extra * NS_PER_MS;
	a->ntargets = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		if (a->targets[i] >= a->n || a->targets[i] == a->self)
			return err_set(err, MW_INVALID, 0,
			    "a target that is no other member");
	return true;
}

static bool
arm(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	struct mesh_arm *a = &m->arm;
	int64_t index, k, window, late, seed;
	const char *key;

	if (!get_word(at, "roundId", m->id, sizeof m->id, err) ||
	    !json_get_str(at, "key", true, 64, &key, err) ||
	    !arm_members(at, a, err) ||
	    !json_get_int(at, "index", false, 0, 0, (int64_t)a->n - 1, &index,
		err) ||
	    !json_get_int(at, "k", false, 0, 1, ECHO_SWEEPS_MAX, &k, err) ||
	    !json_get_int(at, "windowMs", false, 0, 100, 300000, &window,
		err) ||
	    !json_get_int(at, "lateMs", false, 0, 0, 60000, &late, err) ||
	    !json_get_int(at, "seed", false, 0, 0, INT64_MAX, &seed, err))
		return false;
	if (strlen(key) != 64 || !str_unhex(key, a->key, 32))
		return err_set(err, MW_INVALID, 0, "key is not 64 hex digits");
	a->self = (uint32_t)index;
	if (!arm_options(at, a, err))
		return false;
	if (k * (a->targets ? a->ntargets : (int64_t)a->n - 1) * 1000 / window >
	    RATE_MAX_PER_S)
		return err_set(err, MW_INVALID, 0,
		    "more than %d packets a second", RATE_MAX_PER_S);
	str_copy(a->round_id, sizeof a->round_id, m->id);
	a->sweeps = (uint32_t)k;
	a->window_ns = window * NS_PER_MS;
	a->late_ns = late * NS_PER_MS;
	a->seed = (uint64_t)seed;
	return true;
}

static bool
go(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	return get_word(at, "roundId", m->id, sizeof m->id, err) &&
	    json_get_int(at, "delayMs", true, 0, 0, 60000, &m->delay_ms, err) &&
	    indexes(at, "absent", &m->absent, &m->nabsent, err);
}

static bool
disarm(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	return get_word(at, "roundId", m->id, sizeof m->id, err);
}

static bool
cert(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	const char *c, *ca;

	if (!json_get_str(at, "cert", true, PEM_MAX, &c, err) ||
	    !json_get_str(at, "ca", true, PEM_MAX, &ca, err))
		return false;
	m->cert = xstrdup(c);
	m->ca = xstrdup(ca);
	return true;
}

static bool
bye(const struct json_at *at, struct msg *m, struct mw_err *err)
{
	const char *code, *message;

	if (!json_get_str(at, "code", false, sizeof m->code - 1, &code, err) ||
	    !json_get_str(at, "message", false, sizeof m->message - 1, &message,
		err) ||
	    !json_get_int(at, "reconnectAfterMs", true, -1, -1, 86400000,
		&m->reconnect_after_ms, err))
		return false;
	str_copy(m->code, sizeof m->code, code != NULL ? code : "");
	str_copy(m->message, sizeof m->message, message != NULL ? message : "");
	return true;
}

static const struct {
	const char *name;
	enum msg_type type;
	bool (*parse)(const struct json_at *at, struct msg *m,
	    struct mw_err *err);
} types[] = {
	{ "welcome", MSG_WELCOME, welcome },
	{ "ack", MSG_ACK, ack },
	{ "job", MSG_BENCH, job },
	{ "cancel", MSG_CANCEL, cancel },
	{ "arm", MSG_ARM, arm },
	{ "go", MSG_GO, go },
	{ "disarm", MSG_DISARM, disarm },
	{ "cert", MSG_CERT, cert },
	{ "bye", MSG_BYE, bye },
};

static bool
parse_object(json_t *j, struct msg *m, struct mw_err *err)
{
	struct json_at at;
	const char *type;

	if (!json_at_root(&at, j, err) ||
	    !json_get_str(&at, "type", true, 16, &type, err))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		bool is_job = types[i].parse == job;

		if (strcmp(types[i].name, type) != 0)
			continue;
		m->type = types[i].type;
		if (types[i].parse(&at, m, err))
			return true;
		if (!is_job)
			m->id[0] = '\0';
		return err_wrap(err, "%s", types[i].name);
	}
	return err_set(err, MW_PROTO, 0, "unknown type of message");
}

bool
msg_parse(const char *p, size_t n, struct msg *m, struct mw_err *err)
{
	json_t *j;
	char id[sizeof m->id];
	bool ok;

	memset(m, 0, sizeof *m);
	j = json_parse(p, n, JSON_BODY_MAX, err);
	if (j == NULL)
		return false;
	ok = parse_object(j, m, err);
	json_decref(j);
	if (!ok) {
		str_copy(id, sizeof id, m->id);
		msg_free(m);
		str_copy(m->id, sizeof m->id, id);
	}
	return ok;
}

void
msg_free(struct msg *m)
{
	free(m->targets);
	free(m->arm.members);
	free(m->arm.targets);
	free(m->absent);
	free(m->cert);
	free(m->ca);
	memset(m, 0, sizeof *m);
}
