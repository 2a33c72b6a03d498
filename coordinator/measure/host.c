/*
 * host.c - see host.h. Owns one record per slot, sorted by slot, and the timer
 * that folds hours which are over.
 */
#include "coordinator/measure/host.h"

#include "common/clock.h"
#include "common/hostjson.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pure/alloc.h"
#include "coordinator/coord.h"
#include "coordinator/store/db_host.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS (60 * MINUTE_NS)
#define AHEAD_MIN 2 /* clocks of VMs may be so far before ours */
#define BEHIND_MIN (6 * 60) /* agents keep 3 h */
#define HOURS_MAX 8 /* that wait to be folded, of one slot */
#define FOLD_EVERY_NS (10 * NS_PER_S)
#define FOLD_AFTER_NS (5 * MINUTE_NS) /* late beats of the hour */
#define FOLDS_PER_JOB 100

struct host_slot {
	int64_t slot;
	bool known;
	struct host_rec latest;
	int64_t hours[HOURS_MAX]; /* with minutes that are not folded */
	size_t nhours;
};

struct host {
	struct coord *c;
	struct host_slot **v;
	size_t n, cap;
	struct loop_timer *timer;
	struct host_stats stats;
};

struct put_job {
	struct store_job job;
	int64_t slot;
	struct host_rec r[HOSTJSON_MAX];
	size_t n;
};

struct fold_job {
	struct store_job job;
	struct fold_one {
		int64_t slot, hour;
	} v[FOLDS_PER_JOB];
	size_t n;
};

static bool load(struct db *db, void *arg, struct mw_err *err);
static void on_timer(void *arg);

struct host *
host_new(struct coord *c, struct mw_err *err)
{
	struct host *h = xcalloc(1, sizeof *h);

	h->c = c;
	if (!store_run_now(c->store, load, h, err)) {
		host_free(h);
		return NULL;
	}
	h->timer = loop_timer_new(c->loop, on_timer, h);
	loop_timer_set(h->timer, FOLD_EVERY_NS);
	return h;
}

void
host_free(struct host *h)
{
	if (!h)
		return;
	loop_timer_free(h->timer);
	for (size_t i = 0; i < h->n; i++)
		free(h->v[i]);
	free(h->v);
	free(h);
}

/* First index that is not before the slot. */
static size_t
lower_bound(const struct host *h, int64_t slot)
{
	size_t lo = 0, hi = h->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (h->v[mid]->slot < slot)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct host_slot *
find(const struct host *h, int64_t slot)
{
	size_t i = lower_bound(h, slot);

	return i < h->n && h->v[i]->slot == slot ? h->v[i] : NULL;
}

static struct host_slot *
find_or_add(struct host *h, int64_t slot)
{
	struct host_slot *s = find(h, slot);
	size_t i;

	if (s)
		return s;
	i = lower_bound(h, slot);
	s = xcalloc(1, sizeof *s);
	s->slot = slot;
	VEC_GROW(h->v, h->n, h->cap);
	memmove(&h->v[i + 1], &h->v[i], (h->n - i) * sizeof *h->v);
	h->v[i] = s;
	h->n++;
	return s;
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	struct host *h = arg;

	for (const struct lc_mcis *m = lc_mcis_first(h->c->lc); m; m = m->next)
		for (const struct lc_slot *l = m->slots; l; l = l->next) {
			struct host_slot *s = find_or_add(h, l->row.slot_id);

			if (!db_host_newest(db, s->slot, &s->latest, &s->known,
				err) ||
			    !db_host_unfolded(db, s->slot, s->hours, HOURS_MAX,
				&s->nhours, err))
				return false;
		}
	return true;
}

static void
note_hour(struct host_slot *s, int64_t hour)
{
	for (size_t i = 0; i < s->nhours; i++)
		if (s->hours[i] == hour)
			return;
	if (s->nhours == HOURS_MAX) {
		memmove(s->hours, s->hours + 1,
		    (HOURS_MAX - 1) * sizeof *s->hours);
		s->nhours--;
	}
	s->hours[s->nhours++] = hour;
}

static bool
put_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct put_job *j = container_of(job, struct put_job, job);

	for (size_t i = 0; i < j->n; i++)
		if (!db_host_put(db, j->slot, &j->r[i], err))
			return false;
	return true;
}

static void
put_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	if (!ok)
		log_error("host", NULL, "cannot store: %s", err->msg);
	free(container_of(job, struct put_job, job));
}

/* A clock far off would put minutes where they never were. */
static bool
time_is_likely(int64_t minute)
{
	int64_t now = clock_wall_ns() / MINUTE_NS;

	return minute <= now + AHEAD_MIN && minute >= now - BEHIND_MIN;
}

static void
take(struct host *h, struct put_job *take_job)
{
	struct host_slot *s = find_or_add(h, take_job->slot);

	for (size_t i = 0; i < take_job->n; i++) {
		const struct host_rec *r = &take_job->r[i];

		note_hour(s, r->at / 60);
		if (!s->known || r->at > s->latest.at)
			s->latest = *r;
		s->known = true;
	}
	h->stats.minutes += take_job->n;
	store_submit(h->c->store, &take_job->job);
}

bool
host_on_beat(struct host *h, int64_t slot, json_t *beat, struct mw_err *err)
{
	struct put_job *j;
	struct json_at at, one;
	json_t *list;
	size_t n;

	if (!json_at_root(&at, beat, err) ||
	    !json_get_array(&at, "host", false, 0, HOSTJSON_MAX, &list, err))
		return false;
	n = json_array_size(list);
	if (n == 0)
		return true;
	j = xcalloc(1, sizeof *j);
	j->slot = slot;
	j->job.run = put_run;
	j->job.done = put_done;
	for (size_t i = 0; i < n; i++) {
		if (!json_at_index(&one, &at, "host", i, err) ||
		    !hostjson_decode(&one, &j->r[j->n], err)) {
			free(j);
			return false;
		}
		if (time_is_likely(j->r[j->n].at))
			j->n++;
		else
			h->stats.dropped++;
	}
	if (j->n > 0 && store_backlog(h->c->store) <= STORE_BACKLOG) {
		take(h, j);
		return true;
	}
	h->stats.dropped += j->n;
	free(j);
	return true;
}

const struct host_rec *
host_latest(const struct host *h, int64_t slot)
{
	const struct host_slot *s = find(h, slot);

	return s && s->known ? &s->latest : NULL;
}

void
host_stats(const struct host *h, struct host_stats *out)
{
	*out = h->stats;
}

static bool
fold_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct fold_job *j = container_of(job, struct fold_job, job);

	for (size_t i = 0; i < j->n; i++)
		if (!db_host_fold(db, j->v[i].slot, j->v[i].hour, err))
			return false;
	return true;
}

static void
fold_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	if (!ok)
		log_error("host", NULL, "cannot fold: %s", err->msg);
	free(container_of(job, struct fold_job, job));
}

static void
fold_submit(struct host *h, struct fold_job **j)
{
	if (*j)
		store_submit(h->c->store, &(*j)->job);
	*j = NULL;
}

/* Hours of this slot that are over go into *j, which is sent when full. */
static void
fold_slot(struct host *h, struct host_slot *s, int64_t now, struct fold_job **j)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->nhours; i++) {
		if ((s->hours[i] + 1) * HOUR_NS + FOLD_AFTER_NS > now) {
			s->hours[kept++] = s->hours[i];
			continue;
		}
		if (!*j) {
			*j = xcalloc(1, sizeof **j);
			(*j)->job.run = fold_run;
			(*j)->job.done = fold_done;
		}
		(*j)->v[(*j)->n++] = (struct fold_one){ s->slot, s->hours[i] };
		if ((*j)->n == FOLDS_PER_JOB)
			fold_submit(h, j);
	}
	s->nhours = kept;
}

static void
on_timer(void *arg)
{
	struct host *h = arg;
	struct fold_job *j = NULL;
	int64_t now = clock_wall_ns();
	size_t kept = 0;

	for (size_t i = 0; i < h->n; i++) {
		struct host_slot *s = h->v[i];

		/* A slot that is gone is folded to its end first. */
		fold_slot(h, s, now, &j);
		if (s->nhours == 0 && !lc_slot_find(h->c->lc, s->slot))
			free(s);
		else
			h->v[kept++] = s;
	}
	h->n = kept;
	fold_submit(h, &j);
	loop_timer_set(h->timer, FOLD_EVERY_NS);
}
