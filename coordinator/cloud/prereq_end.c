/*
 * prereq_end.c - the end of networks, groups and keys: in order, again and
 * again, until the cloud says that nothing is there. A make request that was
 * given up may still land, so a thing is forgotten only when a delete found
 * nothing after that bound has passed.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/cloud/prereq_int.h"

#define RETRY_BASE_NS (2 * NS_PER_S)
#define RETRY_MAX_NS (120 * NS_PER_S)
#define LOUD_TRIES 5 /* then one line in the log */

struct end_job {
	struct store_job job;
	struct prereq *p;
	struct prereq_row row;
};

static const enum csp_op deletes[PREREQ_KINDS] = {
	[PREREQ_NET] = CSP_NET_DELETE,
	[PREREQ_SG] = CSP_SG_DELETE,
	[PREREQ_KEY] = CSP_KEY_DELETE,
};

/* A network goes after what lives in it; and its zones one after another: a
 * delete looks for all that has our tags. */
static bool
blocked(const struct thing *t)
{
	if (t->row.kind != PREREQ_NET)
		return false;
	for (const struct thing *o = t->p->things; o; o = o->next) {
		bool other_zone = o != t && o->row.kind == PREREQ_NET &&
		    o->state == THING_DELETING;

		if ((o->row.kind == PREREQ_SG || other_zone) &&
		    str_eq(o->row.connection, t->row.connection) &&
		    str_eq(o->row.key_id, t->row.key_id))
			return true;
	}
	return false;
}

static bool
end_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	return db_prereq_delete(db,
	    &container_of(job, struct end_job, job)->row, err);
}

static void
end_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct end_job *j = container_of(job, struct end_job, job);
	struct thing *t = prereq_find(j->p, &j->row);

	if (!ok)
		log_error("prereq", j->row.connection, "a row stays: %s",
		    err->msg);
	if (t)
		prereq_drop(t);
	if (!j->p->stopped)
		prereq_ending(j->p);
	free(j);
}

static void
forget(struct thing *t)
{
	struct end_job *j = xcalloc(1, sizeof *j);

	t->state = THING_FORGETTING;
	log_info("prereq", t->row.connection, "%s %s is gone",
	    prereq_kind_name(t->row.kind), t->row.key_id);
	j->p = t->p;
	j->row = t->row;
	j->job.run = end_run;
	j->job.done = end_done;
	store_submit(t->p->c->store, &j->job);
}

static void
again(struct thing *t, int64_t wait_ns)
{
	t->state = THING_ENDING;
	t->due_ns = clock_mono_ns() + wait_ns;
	prereq_wake(t->p, t->due_ns);
}

/* Full jitter over a doubling top. */
static int64_t
backoff_ns(const struct thing *t)
{
	unsigned n = t->tries < 7 ? t->tries : 7;
	int64_t top = RETRY_BASE_NS << n;

	if (top > RETRY_MAX_NS)
		top = RETRY_MAX_NS;
	return top / 2 +
	    (int64_t)(clock_random_u64() % (uint64_t)(top / 2 + 1));
}

int64_t
prereq_late_ns(const struct thing *t)
{
	return conns_caps(t->p->c->conns, t->row.connection).late_apply_max_s *
	    NS_PER_S;
}

/* "Nothing is there" counts after so long: when no request can land any more,
 * and what a process before us made a moment ago must be visible. */
static int64_t
still_ns(const struct thing *t)
{
	int64_t shown =
	    conns_caps(t->p->c->conns, t->row.connection).list_visible_max_s *
	    NS_PER_S;
	int64_t mono = clock_mono_ns() - t->unsure_ns, wall;

	if (t->unsure)
		return prereq_late_ns(t) - mono;
	if (!t->loaded || !t->row.sure_ns)
		return 0;
	wall = clock_wall_ns() - t->row.sure_ns;
	return shown - (wall > mono ? wall : mono);
}

static void
on_deleted(struct csp_answer *a, void *arg)
{
	struct thing *t = arg;
	struct prereq *p = t->p;
	int64_t wait;

	if (p->stopped) {
		csp_answer_free(a);
		return;
	}
	if (a->cls == CSP_OK || a->cls == CSP_NOT_FOUND) {
		t->error[0] = '\0';
		wait = still_ns(t);
		if (wait <= 0)
			forget(t);
		else
			again(t, wait);
		csp_answer_free(a);
		return;
	}
	str_copy(t->error, sizeof t->error,
	    a->message ? a->message : csp_class_name(a->cls));
	wait = backoff_ns(t);
	if (wait < a->retry_after_ms * NS_PER_MS)
		wait = a->retry_after_ms * NS_PER_MS;
	if (++t->tries == LOUD_TRIES)
		log_warn("prereq", t->row.connection,
		    "%s %s is still in the cloud: %s\taction=again",
		    prereq_kind_name(t->row.kind), t->row.key_id, t->error);
	again(t, wait);
	csp_answer_free(a);
}

void
prereq_ending(struct prereq *p)
{
	int64_t now = clock_mono_ns();

	for (struct thing *t = p->things; t && !p->stopped; t = t->next) {
		if (t->state != THING_ENDING || blocked(t))
			continue;
		if (t->due_ns > now) {
			prereq_wake(p, t->due_ns);
			continue;
		}
		t->state = THING_DELETING;
		conns_submit(p->c->conns, prereq_req(t, deletes[t->row.kind]),
		    on_deleted, t);
	}
}

void
prereq_end(struct prereq *p, const char *key_id)
{
	for (struct thing *t = p->things; t; t = t->next) {
		if (!str_eq(t->row.key_id, key_id))
			continue;
		t->row.ending = true;
		t->stale = false;
		/* what is on its way comes first */
		if (t->state != THING_ASKED && t->state != THING_SAVING)
			t->state = THING_ENDING;
	}
	prereq_ending(p);
}
