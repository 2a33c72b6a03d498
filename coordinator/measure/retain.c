/*
 * retain.c - when to forget.
 */
#include "coordinator/measure/retain.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "coordinator/coord.h"

#define FIRST_NS (60 * NS_PER_S)
#define EVERY_NS (3600 * NS_PER_S)
/* Between two steps: others get the store, too. */
#define PAUSE_NS (20 * NS_PER_MS)

struct retain {
	struct coord *c;
	struct loop_timer *timer;
	struct retain_work work;
	struct store_job job;
	bool busy, more;
};

static void on_timer(void *arg);
static bool step_run(struct db *db, struct store_job *job, struct mw_err *err);
static void step_done(struct store_job *job, bool ok, const struct mw_err *err);

struct retain *
retain_new(struct coord *c)
{
	struct retain *r = xcalloc(1, sizeof *r);

	r->c = c;
	r->work.conf = c->conf.retain;
	r->timer = loop_timer_new(c->loop, on_timer, r);
	loop_timer_set(r->timer, FIRST_NS);
	return r;
}

/* The store completed its jobs before: none is under way. */
void
retain_free(struct retain *r)
{
	if (!r)
		return;
	loop_timer_free(r->timer);
	free(r);
}

static void
on_timer(void *arg)
{
	struct retain *r = arg;

	if (r->busy)
		return;
	r->busy = true;
	r->job = (struct store_job){ .run = step_run, .done = step_done };
	store_submit(r->c->store, &r->job);
}

static bool
step_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct retain *r = container_of(job, struct retain, job);
	struct retain_work w = r->work;

	/* What a step counted and where it went is kept if it is committed. */
	if (!db_retain_step(db, &w, clock_wall_ns(), &r->more, err))
		return false;
	r->work = w;
	return true;
}

static void
step_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct retain *r = container_of(job, struct retain, job);
	struct retain_work *w = &r->work;

	r->busy = false;
	if (ok && r->more) {
		loop_timer_set(r->timer, PAUSE_NS);
		return;
	}
	if (!ok)
		log_warn("retain", NULL,
		    "old data was not put away\terror=\"%s\" action=retry",
		    err->msg);
	if (w->rounds || w->days || w->results || w->raws || w->hosts ||
	    w->actions)
		log_info("retain", NULL,
		    "old data put away\trounds_folded=%llu days_dropped=%llu "
		    "results_slimmed=%llu raw_dropped=%llu host_dropped=%llu "
		    "actions_dropped=%llu",
		    (unsigned long long)w->rounds, (unsigned long long)w->days,
		    (unsigned long long)w->results, (unsigned long long)w->raws,
		    (unsigned long long)w->hosts,
		    (unsigned long long)w->actions);
	*w = (struct retain_work){ .conf = w->conf };
	loop_timer_set(r->timer, EVERY_NS);
}
