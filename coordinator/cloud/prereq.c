/*
 * prereq.c - see prereq.h. A create that waits is a need; it goes through the
 * kinds in their order and leaves when all are known. Whatever changes, the
 * needs are looked at again.
 */
#include "coordinator/cloud/prereq_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/ca.h"
#include "coordinator/cloud/conns.h"

#include <string.h>

struct row_job {
	struct store_job job;
	struct prereq *p;
	struct prereq_row row;
};

/* A create that is refused on the next turn of the loop. */
struct no {
	struct prereq *p;
	struct csp_req *req;
	prereq_ready_fn ready;
	void *arg;
	char why[320];
};

/* An answer of our own, for the next turn of the loop. */
struct refusal {
	struct thing *thing;
	struct csp_answer *answer;
};

static void pump(struct thing *t);
static void on_ensured(struct csp_answer *a, void *arg);
static void on_seen(struct csp_answer *a, void *arg);

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
	t->unsure = row->asked;
	t->unsure_ns = clock_mono_ns();
	t->loaded = true;
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
		t->row.asked = t->row.asked || ok;
		t->state = !ok      ? THING_NEW
		    : t->row.ending ? THING_ENDING
				    : THING_DOUBTED;
		pump(t);
		if (t->state == THING_DOUBTED && t->stale)
			prereq_ask(t, t->network);
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

static bool
sure_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	return db_prereq_sure(db, &container_of(job, struct row_job, job)->row,
	    err);
}

static void
sure_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct row_job *j = container_of(job, struct row_job, job);

	if (!ok)
		log_warn("prereq", j->row.connection, "a row stays asked: %s",
		    err->msg);
	free(j);
}

/* An answer came that proves what became of the request, and no other request
 * is owed one: a process after this one need not wait for any. */
static void
settle(struct thing *t)
{
	int64_t late = prereq_late_ns(t), now = clock_mono_ns();
	struct row_job *j;

	if ((t->unsure && now - t->unsure_ns < late) || !t->row.asked)
		return;
	t->unsure = t->row.asked = false;
	t->row.sure_ns = clock_wall_ns();
	j = xcalloc(1, sizeof *j);
	j->row = t->row;
	j->job.run = sure_run;
	j->job.done = sure_done;
	store_submit(t->p->c->store, &j->job);
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
refuse(struct thing *t, struct csp_req *take_req, enum csp_reason reason,
    const char *why)
{
	struct refusal *r = xcalloc(1, sizeof *r);

	r->thing = t;
	r->answer = csp_answer_new(take_req);
	r->answer->cls = CSP_DEFINITE;
	r->answer->reason = reason;
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

/* A network without knowing from where its VMs let SSH in would be for nothing.
 * False: the cloud is asked something first, so that our address is seen, or
 * the network is refused. */
static bool
may_be_reached(struct thing *t)
{
	struct prereq *p = t->p;
	struct mw_err err = MW_ERR_INIT;
	char from[SSH_FROM_LEN];
	enum ssh_from how;

	how = conns_ssh_from(p->c->conns, t->row.connection, from, &err);
	if (how == SSH_FROM_HIDDEN)
		refuse(t, prereq_req(t, CSP_NET_ENSURE), CSP_R_INVALID,
		    err.msg);
	else if (how == SSH_FROM_UNSEEN)
		conns_submit(p->c->conns,
		    csp_req_new(CSP_REGIONS, t->row.connection), on_seen, t);
	return how == SSH_FROM_KNOWN;
}

static void
ask_now(struct thing *t)
{
	struct csp_req *q = prereq_req(t, kinds[t->row.kind].ensure);
	struct mw_err err = MW_ERR_INIT;

	t->stale = false;
	if (t->row.kind == PREREQ_SG) {
		q->network = arena_strdup(q->arena, t->network);
		if (!prereq_fill_rules(t, q, &err)) {
			refuse(t, q, CSP_R_INVALID, err.msg);
			return;
		}
		t->rules = prereq_rules_hash(q);
	}
	if (t->row.kind == PREREQ_KEY &&
	    !fill_key(t->p, q, t->row.key_id, &err))
		refuse(t, q, CSP_R_UNSENT, err.msg);
	else
		conns_submit(t->p->c->conns, q, on_ensured, t);
}

/* Once its row says that an answer is owed. */
void
prereq_ask(struct thing *t, const char *network)
{
	if (t->row.kind == PREREQ_SG && network != t->network)
		str_copy(t->network, sizeof t->network, network);
	if (!t->row.asked) {
		save(t);
		return;
	}
	t->state = THING_ASKED;
	if (t->row.kind != PREREQ_NET || may_be_reached(t))
		ask_now(t);
}

static void
on_seen(struct csp_answer *a, void *arg)
{
	struct thing *t = arg;
	struct mw_err err = MW_ERR_INIT;
	char from[SSH_FROM_LEN];

	if (t->p->stopped) {
		csp_answer_free(a);
		return;
	}
	if (a->cls == CSP_OK &&
	    conns_ssh_from(t->p->c->conns, t->row.connection, from, &err) ==
		SSH_FROM_KNOWN) {
		csp_answer_free(a);
		ask_now(t);
		return;
	}
	if (a->cls == CSP_OK) {
		a->reason = CSP_R_INVALID;
		a->message = arena_strdup(a->arena,
		    err.code != MW_OK ? err.msg
				      : "no address of ours was seen");
	} else {
		a->reason = CSP_R_UNSENT;
	}
	a->cls = CSP_DEFINITE; /* nothing was asked for */
	on_ensured(a, t);
}

/* Why, and the way out where it is ours to tell: a key whose files are lost is
 * made anew here, but the cloud has the one before under its name. */
static char *
reason_of(const struct thing *t, const struct csp_answer *a)
{
	const char *said = a->message ? a->message : csp_class_name(a->cls);
	const char *key = t->row.key_id;

	if (t->row.kind == PREREQ_KEY && a->cls == CSP_CONFLICT &&
	    a->reason == CSP_R_EXISTS)
		return xasprintf("%s: %s: put ssh/%s.* of the state directory "
				 "back, or delete the key pair %s in the cloud "
				 "(docs/backup.md, \"Keys\"), then again",
		    kinds[t->row.kind].name, said, key, key);
	return xasprintf("%s: %s", kinds[t->row.kind].name, said);
}

/* Ends the needs that wait for this thing. */
static void
fail_needs(struct thing *t, const struct csp_answer *a)
{
	struct prereq *p = t->p;
	char *why = reason_of(t, a);
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
	} else {
		settle(t);
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
			prereq_ask(t, network ? network : "");
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

static void
no_now(void *arg)
{
	struct no *no = arg;
	struct csp_answer *a = csp_answer_new(no->req);

	a->cls = CSP_DEFINITE;
	a->reason = CSP_R_INVALID;
	if (no->p->stopped)
		csp_req_free(no->req);
	else
		no->ready(no->req, a, no->why, no->arg);
	csp_answer_free(a);
	free(no);
}

/* Nobody could log in to that VM: it is not made. */
static bool
out_of_reach(struct prereq *p, struct csp_req *take_create,
    prereq_ready_fn ready, void *arg)
{
	struct mw_err err = MW_ERR_INIT;
	char from[SSH_FROM_LEN];
	struct no *no;

	if (conns_ssh_from(p->c->conns, take_create->connection, from, &err) !=
	    SSH_FROM_HIDDEN)
		return false;
	no = xcalloc(1, sizeof *no);
	no->p = p;
	no->req = take_create;
	no->ready = ready;
	no->arg = arg;
	str_copy(no->why, sizeof no->why, err.msg);
	loop_reap(p->c->loop, no_now, no);
	return true;
}

void
prereq_need(struct prereq *p, struct csp_req *take_create,
    prereq_ready_fn ready, void *arg)
{
	struct need *n, **at = &p->needs;

	if (!take_create->key_name || !prereq_mcis(p, take_create->key_name)) {
		ready(take_create, NULL, NULL, arg);
		return;
	}
	if (out_of_reach(p, take_create, ready, arg))
		return;
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
	prereq_refresh(p);
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
