/*
 * prereq_rules.c - what the groups let in: SSH from the coordinator, the echo
 * port from the MCIS's other VMs; and that they follow when addresses change,
 * ours or theirs.
 */
#include "coordinator/cloud/prereq_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns.h"
#include "lifecycle/lifecycle.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#define SSH_MAX 8 /* addresses of ours */

struct lc_mcis *
prereq_mcis(const struct prereq *p, const char *key_id)
{
	struct lc_mcis *m = lc_mcis_first(p->c->lc);

	while (m && !str_eq(m->row.key_id, key_id))
		m = m->next;
	return m;
}

static void
add_rule(struct csp_req *q, struct csp_rule *r, const char *proto, int64_t port,
    const char *cidr)
{
	r[q->nrules++] = (struct csp_rule){ proto, port, port,
		arena_strdup(q->arena, cidr) };
}

static bool
is_member(const struct lc_slot *s)
{
	return s->inst.public_ip[0] &&
	    (s->inst.phase == LC_P_CREATING || s->inst.phase == LC_P_RUNNING);
}

/* The source address of the way to a VM; nothing is sent. */
static bool
source_to(const char *vm, char out[INET_ADDRSTRLEN])
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(9) };
	socklen_t len = sizeof sa;
	int fd;
	bool ok;

	if (inet_pton(AF_INET, vm, &sa.sin_addr) != 1)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	ok = connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0 &&
	    getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
	    inet_ntop(AF_INET, &sa.sin_addr, out, INET_ADDRSTRLEN);
	close(fd);
	return ok;
}

/* VMs may be reached from another address of ours than their cloud. */
static void
add_source(struct csp_req *q, struct csp_rule *r, const char *vm)
{
	char source[INET_ADDRSTRLEN], net[SSH_FROM_LEN];

	if (q->nrules >= SSH_MAX || !source_to(vm, source) ||
	    !ssh_from_member(source, vm, net))
		return;
	for (size_t i = 0; i < q->nrules; i++)
		if (str_eq(r[i].cidr, net))
			return;
	add_rule(q, r, "tcp", 22, net);
}

static bool
add_ssh(const struct thing *t, struct csp_req *q, struct csp_rule *r,
    const struct lc_mcis *m, struct mw_err *err)
{
	struct conns *cs = t->p->c->conns;
	char from[SSH_FROM_LEN];
	enum ssh_from how;

	how = conns_ssh_from(cs, t->row.connection, from, err);
	if (how == SSH_FROM_UNSEEN)
		return err_set(err, MW_UNREACHABLE, 0,
		    "no address of ours was seen yet");
	if (how == SSH_FROM_HIDDEN)
		return false;
	add_rule(q, r, "tcp", 22, from);
	if (!conns_ssh_auto(cs, t->row.connection))
		return true;
	for (const struct lc_slot *s = m ? m->slots : NULL; s; s = s->next)
		if (is_member(s))
			add_source(q, r, s->inst.public_ip);
	return true;
}

/* The echo port is open to everywhere if the members are more than a group of
 * rules can hold: it answers only those who have the round's key. */
bool
prereq_fill_rules(const struct thing *t, struct csp_req *q, struct mw_err *err)
{
	struct csp_rule *r =
	    arena_array(q->arena, MEMBERS_MAX + SSH_MAX, sizeof *r);
	const struct lc_mcis *m = prereq_mcis(t->p, t->row.key_id);
	size_t members = 0;

	q->rules = r;
	if (!add_ssh(t, q, r, m, err))
		return false;
	for (const struct lc_slot *s = m ? m->slots : NULL; s; s = s->next)
		members += is_member(s);
	if (members > MEMBERS_MAX) {
		add_rule(q, r, "udp", ECHO_PORT, "0.0.0.0/0");
		return true;
	}
	for (const struct lc_slot *s = m ? m->slots : NULL; s; s = s->next) {
		if (is_member(s))
			add_rule(q, r, "udp", ECHO_PORT,
			    arena_printf(q->arena, "%s/32", s->inst.public_ip));
	}
	return true;
}

/* FNV-1a over what the rules say. */
uint64_t
prereq_rules_hash(const struct csp_req *q)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < q->nrules; i++) {
		for (const char *c = q->rules[i].cidr; *c; c++)
			h = (h ^ (uint8_t)*c) * 1099511628211u;
		h = (h ^ (uint64_t)q->rules[i].from) * 1099511628211u;
	}
	return h;
}

/* ---- following ----------------------------------------------------------- */

static void
touch(struct thing *t)
{
	if (t->row.kind != PREREQ_SG || t->row.ending || t->stale)
		return;
	t->stale = true;
	t->stale_tries = 0;
	prereq_wake(t->p, clock_mono_ns() + RULES_NS);
}

void
prereq_members(struct prereq *p, const char *key_id)
{
	for (struct thing *t = p->things; t; t = t->next)
		if (str_eq(t->row.key_id, key_id))
			touch(t);
}

void
prereq_moved(struct prereq *p, const char *connection)
{
	for (struct thing *t = p->things; t; t = t->next)
		if (str_eq(t->row.connection, connection))
			touch(t);
}

static void
on_renewed(struct csp_req *take_req, const struct csp_answer *why,
    const char *message, void *arg)
{
	(void)arg;
	if (why)
		log_warn("prereq", take_req->connection,
		    "the rules of %s stay as they are: %s", take_req->key_name,
		    message);
	csp_req_free(take_req);
}

/* A group of an earlier process: its network is looked up first, as for a
 * create. Without a VM there is nobody to be reached. */
static void
renew(struct thing *t)
{
	const struct lc_mcis *m = prereq_mcis(t->p, t->row.key_id);
	const struct lc_slot *s = m ? m->slots : NULL;
	const struct thing *net = t->p->things;
	struct csp_req *q;

	t->stale = false;
	while (s && !is_member(s))
		s = s->next;
	while (net &&
	    (net->row.kind != PREREQ_NET || net->row.ending ||
		!str_eq(net->row.connection, t->row.connection) ||
		!str_eq(net->row.key_id, t->row.key_id)))
		net = net->next;
	if (!s || !net)
		return;
	q = csp_req_new(CSP_VM_CREATE, t->row.connection);
	q->key_name = arena_strdup(q->arena, t->row.key_id);
	if (net->row.zone[0])
		q->zone = arena_strdup(q->arena, net->row.zone);
	prereq_need(t->p, q, on_renewed, NULL);
}

/* Others than were asked for last? Rules that cannot be told stay. */
static bool
changed(struct thing *t)
{
	struct csp_req *q = prereq_req(t, CSP_SG_ENSURE);
	struct mw_err err = MW_ERR_INIT;
	bool is = false;

	if (prereq_fill_rules(t, q, &err))
		is = prereq_rules_hash(q) != t->rules;
	else
		log_warn("prereq", t->row.connection,
		    "the rules of %s stay as they are: %s", t->row.key_id,
		    err.msg);
	csp_req_free(q);
	return is;
}

void
prereq_refresh(struct prereq *p)
{
	for (struct thing *t = p->things; t; t = t->next) {
		if (!t->stale || t->row.ending)
			continue;
		if (t->state == THING_DOUBTED || t->state == THING_NEW)
			renew(t);
		else if (t->state != THING_KNOWN)
			prereq_wake(p, clock_mono_ns() + RULES_NS);
		else if (changed(t))
			prereq_ask(t, t->network);
		else
			t->stale = false;
	}
}
