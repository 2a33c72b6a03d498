/*
 * prereq.c - see prereq.h. A create that waits is a need; it goes through the
 * kinds in their order and leaves when all are known. Whatever changes, the
 * needs are looked at again.
 */
#include "coordinator/prereq_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/ca.h"
#include "coordinator/conns.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

struct row_job {
	struct store_job job;
	struct prereq *p;
	struct prereq_row row;
};

/* An answer of our own, for the next turn of the loop. */
struct refusal {
	struct thing *thing;
	struct csp_answer *answer;
};

static void pump(struct thing *t);
static void on_ensured(struct csp_answer *a, void *arg);

static const struct {
	enum csp_op ensure;
	unsigned cap;
	const char *name; /* for people */
} kinds[PREREQ_KINDS] = {
	[PREREQ_NET] = { CSP_NET_ENSURE, CSP_CAP_NET, "network" },
	[PREREQ_SG] = { CSP_SG_ENSURE, CSP_CAP_NET, "security group" },
	[PREREQ_KEY] = { CSP_KEY_ENSURE, CSP_CAP_IMPORT_KEY, "SSH key" },
};

const char *
prereq_kind_name(enum prereq_kind k)
{
	return kinds[k].name;
}

/* ---- things -------------------------------------------------------------- */

bool
prereq_same(const struct prereq_row *a, const struct prereq_row *b)
{
	return a->kind == b->kind && str_eq(a->connection, b->connection) &&
	    str_eq(a->key_id, b->key_id) && str_eq(a->zone, b->zone);
}

struct thing *
prereq_find(const struct prereq *p, const struct prereq_row *row)
{
	struct thing *t = p->things;

	while (t && !prereq_same(&t->row, row))
		t = t->next;
	return t;
}

static struct thing *
thing_new(struct prereq *p, const struct prereq_row *row, enum thing_state st)
{
	struct thing *t = xcalloc(1, sizeof *t), **at = &p->things;

	t->p = p;
	t->row = *row;
	t->state = st;
	while (*at)
		at = &(*at)->next;
	*at = t;
	return t;
}

void
prereq_drop(struct thing *t)
{
	struct thing **at = &t->p->things;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	free(t);
}

static void
on_load(void *arg, const struct prereq_row *row)
{
	struct thing *t =
	    thing_new(arg, row, row->ending ? THING_ENDING : THING_DOUBTED);

	/* what the process before this one asked for may be on its way */
	t->unsure = true;
	t->unsure_ns = clock_mono_ns();
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	return db_prereq_load(db, on_load, arg, err);
}

/* ---- asking -------------------------------------------------------------- */

static bool
row_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct row_job *j = container_of(job, struct row_job, job);

	return db_prereq_put(db, &j->row, err);
}

/* The row is durable: now the cloud may be asked. */
static void
row_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct row_job *j = container_of(job, struct row_job, job);
	struct thing *t = prereq_find(j->p, &j->row);

	if (!ok)
		log_error("prereq", j->row.connection,
		    "a row was refused: %s\taction=again", err->msg);
	if (t && t->state == THING_SAVING && !j->p->stopped) {
		t->state = !ok      ? THING_NEW
		    : t->row.ending ? THING_ENDING
				    : THING_DOUBTED;
		pump(t);
		prereq_ending(j->p);
	}
	free(j);
}

static void
save(struct thing *t)
{
	struct row_job *j = xcalloc(1, sizeof *j);

	t->state = THING_SAVING;
	j->p = t->p;
	j->row = t->row;
	j->job.run = row_run;
	j->job.done = row_done;
	store_submit(t->p->c->store, &j->job);
}

static struct lc_mcis *
mcis_of(const struct prereq *p, const char *key_id)
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

/* SSH from us; the echo port from the other members, or from everywhere if
 * they are more than a group of rules can hold. */
static void
fill_rules(const struct prereq *p, struct csp_req *q, const char *key_id)
{
	struct csp_rule *r = arena_array(q->arena, MEMBERS_MAX + 2, sizeof *r);
	const struct lc_mcis *m = mcis_of(p, key_id);
	const char *from = p->c->conf.ssh_from;
	size_t members = 0;

	q->rules = r;
	add_rule(q, r, "tcp", 22, from && from[0] ? from : "0.0.0.0/0");
	for (const struct lc_slot *s = m ? m->slots : NULL; s; s = s->next)
		members += is_member(s);
	if (members > MEMBERS_MAX) {
		add_rule(q, r, "udp", ECHO_PORT, "0.0.0.0/0");
		return;
	}
	for (const struct lc_slot *s = m ? m->slots : NULL; s; s = s->next) {
		if (is_member(s))
			add_rule(q, r, "udp", ECHO_PORT,
			    arena_printf(q->arena, "%s/32", s->inst.public_ip));
	}
}

/* FNV-1a over what the rules say. */
static uint64_t
rules_hash(const struct csp_req *q)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < q->nrules; i++) {
		for (const char *c = q->rules[i].cidr; *c; c++)
			h = (h ^ (uint8_t)*c) * 1099511628211u;
		h = (h ^ (uint64_t)q->rules[i].from) * 1099511628211u;
	}
	return h;
}

/* False: there is no key to show, e.g. because the disk is full. */
static bool
fill_key(const struct prereq *p, struct csp_req *q, const char *key_id,
    struct mw_err *err)
{
	struct str line = STR_INIT;
	bool ok = ca_ssh_key(p->c->ca, key_id, &line, NULL, err);

	if (ok)
		q->public_key = arena_strdup(q->arena, str_cstr(&line));
	else
		log_error("prereq", q->connection,
		    "no SSH key: %s\taction=\"create later\"", err->msg);
	str_free(&line);
	return ok;
}

static void
refuse_now(void *p)
{
	struct refusal *r = p;

	on_ensured(r->answer, r->thing);
	free(r);
}

/* An answer of our own, on the next turn: nothing was sent, so that who needs
 * the thing asks again. */
static void
refuse(struct thing *t, struct csp_req *take_req, const char *why)
{
	struct refusal *r = xcalloc(1, sizeof *r);

	r->thing = t;
	r->answer = csp_answer_new(take_req);
	r->answer->cls = CSP_DEFINITE;
	r->answer->reason = CSP_R_UNSENT;
	r->answer->message = arena_strdup(r->answer->arena, why);
	csp_req_free(take_req);
	loop_reap(t->p->c->loop, refuse_now, r);
}

/* The request that names a thing: for ensure and for delete. */
struct csp_req *
prereq_req(const struct thing *t, enum csp_op op)
{
	struct csp_req *q = csp_req_new(op, t->row.connection);
	struct csp_tag *tags = arena_array(q->arena, 2, sizeof *tags);

	tags[0].key = "mw-deployment";
	tags[0].value = arena_strdup(q->arena, t->p->c->deployment);
	tags[1].key = "mw-key";
	tags[1].value = arena_strdup(q->arena, t->row.key_id);
	q->tags = tags;
	q->ntags = 2;
	q->name = arena_strdup(q->arena, t->row.key_id);
	q->key_name = q->name;
	q->zone = t->row.zone[0] ? arena_strdup(q->arena, t->row.zone) : NULL;
	return q;
}

static void
ask(struct thing *t, const char *network)
{
	struct csp_req *q = prereq_req(t, kinds[t->row.kind].ensure);
	struct mw_err err = MW_ERR_INIT;

	t->state = THING_ASKED;
	t->stale = false;
	if (t->row.kind == PREREQ_SG) {
		str_copy(t->network, sizeof t->network, network);
		q->network = arena_strdup(q->arena, t->network);
		fill_rules(t->p, q, t->row.key_id);
		t->rules = rules_hash(q);
	}
	if (t->row.kind == PREREQ_KEY &&
	    !fill_key(t->p, q, t->row.key_id, &err))
		refuse(t, q, err.msg);
	else
		conns_submit(t->p->c->conns, q, on_ensured, t);
}

/* Ends the needs that wait for this thing. */
static void
fail_needs(struct thing *t, const struct csp_answer *a)
{
	struct prereq *p = t->p;
	char *why = xasprintf("%s: %s", kinds[t->row.kind].name,
	    a->message ? a->message : csp_class_name(a->cls));
	struct need *hit = NULL, **at = &p->needs;

	while (*at) {
		struct need *n = *at;

		if (n->waits != t) {
			at = &n->next;
			continue;
		}
		*at = n->next;
		n->next = hit;
		hit = n;
	}
	while (hit) {
		struct need *n = hit;

		hit = n->next;
		n->ready(n->req, a, why, n->arg);
		free(n);
	}
	free(why);
}

static void
on_ensured(struct csp_answer *a, void *arg)
{
	struct thing *t = arg;
	struct prereq *p = t->p;

	if (p->stopped) {
		csp_answer_free(a);
		return;
	}
	if (a->cls == CSP_AMBIGUOUS) {
		t->unsure = true;
		t->unsure_ns = clock_mono_ns();
	}
	if (t->row.ending) {
		t->state = THING_ENDING;
		prereq_ending(p);
	} else if (a->cls == CSP_OK) {
		t->state = THING_KNOWN;
		str_copy(t->csp_id, sizeof t->csp_id,
		    a->csp_id ? a->csp_id : "");
		pump(t);
	} else if (t->csp_id[0] && t->stale_tries++ < STALE_TRIES) {
		/* an update of the rules failed: once more with the next */
		t->state = THING_KNOWN;
		t->stale = true;
		t->rules = 0;
		prereq_wake(p, clock_mono_ns() + RULES_NS);
	} else {
		t->state = THING_DOUBTED;
		fail_needs(t, a);
	}
	csp_answer_free(a);
}

/* ---- needs --------------------------------------------------------------- */

/* The network of the same MCIS that is being asked for in another zone: two at
 * a time would both find none and make two. Or NULL. */
static struct thing *
asked_elsewhere(const struct thing *t)
{
	struct thing *o = t->row.kind == PREREQ_NET ? t->p->things : NULL;

	while (o &&
	    (o->row.kind != PREREQ_NET || o->state != THING_ASKED ||
		!str_eq(o->row.connection, t->row.connection) ||
		!str_eq(o->row.key_id, t->row.key_id)))
		o = o->next;
	return o;
}

/* The thing a need waits for, or NULL: it has all. */
static struct thing *
advance(struct prereq *p, struct need *n)
{
	struct csp_req *q = n->req;
	struct csp_caps caps = conns_caps(p->c->conns, q->connection);
	const char *network = NULL;

	for (int k = 0; k < PREREQ_KINDS; k++) {
		struct prereq_row row = { .kind = (enum prereq_kind)k };
		struct thing *t;

		if (!(caps.flags & kinds[k].cap))
			continue;
		str_copy(row.connection, sizeof row.connection, q->connection);
		str_copy(row.key_id, sizeof row.key_id, q->key_name);
		if (k == PREREQ_NET && q->zone)
			str_copy(row.zone, sizeof row.zone, q->zone);
		t = prereq_find(p, &row);
		if (!t)
			t = thing_new(p, &row, THING_NEW);
		if (t->state == THING_NEW)
			save(t);
		if (t->state == THING_DOUBTED && asked_elsewhere(t))
			return asked_elsewhere(t);
		if (t->state == THING_DOUBTED)
			ask(t, network ? network : "");
		if (t->state != THING_KNOWN)
			return t;
		if (k == PREREQ_NET)
			network = t->csp_id;
		if (k == PREREQ_NET)
			q->network = arena_strdup(q->arena, t->csp_id);
		if (k == PREREQ_SG)
			q->security_group = arena_strdup(q->arena, t->csp_id);
	}
	return NULL;
}

/* What waited for this thing goes on. */
static void
pump(struct thing *t)
{
	struct prereq *p = t->p;
	struct need *ready = NULL, **tail = &ready, **at = &p->needs;

	while (*at) {
		struct need *n = *at;

		if (n->waits == t)
			n->waits = advance(p, n);
		if (n->waits) {
			at = &n->next;
			continue;
		}
		*at = n->next;
		n->next = NULL;
		*tail = n;
		tail = &n->next;
	}
	/* ready() may come back to us */
	while (ready) {
		struct need *n = ready;

		ready = n->next;
		n->ready(n->req, NULL, NULL, n->arg);
		free(n);
	}
}

void
prereq_need(struct prereq *p, struct csp_req *take_create,
    prereq_ready_fn ready, void *arg)
{
	struct need *n, **at = &p->needs;

	if (!take_create->key_name || !mcis_of(p, take_create->key_name)) {
		ready(take_create, NULL, NULL, arg);
		return;
	}
	n = xcalloc(1, sizeof *n);
	n->req = take_create;
	n->ready = ready;
	n->arg = arg;
	n->waits = advance(p, n);
	if (!n->waits) {
		ready(take_create, NULL, NULL, arg);
		free(n);
		return;
	}
	while (*at)
		at = &(*at)->next;
	*at = n;
}

void
prereq_doubt(struct prereq *p)
{
	for (struct thing *t = p->things; t; t = t->next) {
		if (t->state == THING_KNOWN)
			t->state = THING_DOUBTED;
	}
}

void
prereq_members(struct prereq *p, const char *key_id)
{
	for (struct thing *t = p->things; t; t = t->next) {
		if (t->row.kind != PREREQ_SG || t->row.ending ||
		    !str_eq(t->row.key_id, key_id) || t->stale)
			continue;
		t->stale = true;
		t->stale_tries = 0;
		prereq_wake(p, clock_mono_ns() + RULES_NS);
	}
}

static bool
rules_changed(const struct thing *t)
{
	struct csp_req *q = prereq_req(t, CSP_SG_ENSURE);
	bool changed;

	fill_rules(t->p, q, t->row.key_id);
	changed = rules_hash(q) != t->rules;
	csp_req_free(q);
	return changed;
}

/* Rules that changed, as far as nobody is asking just now. */
static void
refresh_rules(struct prereq *p)
{
	for (struct thing *t = p->things; t; t = t->next) {
		if (!t->stale || t->row.ending)
			continue;
		if (t->state != THING_KNOWN)
			prereq_wake(p, clock_mono_ns() + RULES_NS);
		else if (rules_changed(t))
			ask(t, t->network);
		else
			t->stale = false;
	}
}

/* ---- life of the module -------------------------------------------------- */

void
prereq_wake(struct prereq *p, int64_t at_ns)
{
	int64_t now = clock_mono_ns();

	if (p->wake_ns && p->wake_ns <= at_ns)
		return;
	p->wake_ns = at_ns;
	loop_timer_set(p->timer, at_ns > now ? at_ns - now : 0);
}

static void
on_timer(void *arg)
{
	struct prereq *p = arg;

	p->wake_ns = 0;
	if (p->stopped)
		return;
	refresh_rules(p);
	prereq_ending(p);
}

struct prereq *
prereq_new(struct coord *c, struct mw_err *err)
{
	struct prereq *p = xcalloc(1, sizeof *p);

	p->c = c;
	p->timer = loop_timer_new(c->loop, on_timer, p);
	if (!store_run_now(c->store, load, p, err)) {
		err_wrap(err, "prereq");
		prereq_free(p);
		return NULL;
	}
	return p;
}

void
prereq_start(struct prereq *p)
{
	prereq_ending(p);
}

void
prereq_stop(struct prereq *p)
{
	if (!p)
		return;
	p->stopped = true;
	loop_timer_clear(p->timer);
}

void
prereq_free(struct prereq *p)
{
	if (!p)
		return;
	while (p->needs) {
		struct need *n = p->needs;

		p->needs = n->next;
		csp_req_free(n->req);
		free(n);
	}
	while (p->things)
		prereq_drop(p->things);
	loop_timer_free(p->timer);
	free(p);
}

size_t
prereq_count(const struct prereq *p, const char *connection)
{
	size_t n = 0;

	for (const struct thing *t = p->things; t; t = t->next)
		n += str_eq(t->row.connection, connection);
	return n;
}

const struct prereq_row *
prereq_at(const struct prereq *p, size_t i, const char **last_error)
{
	const struct thing *t = p->things;

	while (t && i-- > 0)
		t = t->next;
	if (!t)
		return NULL;
	*last_error = t->error;
	return &t->row;
}
