/*
 * sched.c - admission of jobs by class. Promises: at most one exclusive job,
 * no quiet job beside it, order of arrival within what waits. Called by
 * jobs.c only.
 */
#include "agent/sched.h"

#include "common/pure/str.h"

#include <assert.h>
#include <string.h>

void
sched_init(struct sched *s, const struct sched_ops *ops, void *arg)
{
	memset(s, 0, sizeof *s);
	s->ops = ops;
	s->arg = arg;
}

static size_t
running(const struct sched *s, enum sched_class cls)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->jobs[i].state == SCHED_RUNNING && s->jobs[i].cls == cls;
	return n;
}

bool
sched_busy(const struct sched *s)
{
	return running(s, SCHED_EXCLUSIVE) > 0;
}

static bool
may_start(const struct sched *s, const struct sched_job *j)
{
	switch (j->cls) {
	case SCHED_EXCLUSIVE:
		return !sched_busy(s) && running(s, SCHED_QUIET) == 0 &&
		    s->holds == 0;
	case SCHED_QUIET: return !sched_busy(s);
	case SCHED_ANY: return true;
	}
	return false;
}

static struct sched_job *
find(struct sched *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->jobs[i].id, id) == 0)
			return &s->jobs[i];
	return NULL;
}

static void
forget(struct sched *s, struct sched_job *j)
{
	size_t i = (size_t)(j - s->jobs);

	memmove(j, j + 1, (s->n - i - 1) * sizeof *j);
	s->n--;
}

static void
drop_expired(struct sched *s, int64_t now_ns)
{
	for (size_t i = 0; i < s->n;) {
		struct sched_job gone = s->jobs[i];

		if (gone.state == SCHED_QUEUED && gone.deadline_ns <= now_ns) {
			forget(s, &s->jobs[i]);
			s->ops->expired(s->arg, &gone);
		} else {
			i++;
		}
	}
}

/* A waiting job that may not start stops those behind it that would take
 * its place for ever: everything but class any. */
static struct sched_job *
next_to_start(struct sched *s)
{
	bool blocked = false;

	for (size_t i = 0; i < s->n; i++) {
		struct sched_job *j = &s->jobs[i];

		if (j->state != SCHED_QUEUED ||
		    (blocked && j->cls != SCHED_ANY))
			continue;
		if (may_start(s, j))
			return j;
		blocked = true;
	}
	return NULL;
}

void
sched_tick(struct sched *s, int64_t now_ns)
{
	struct sched_job *j;

	drop_expired(s, now_ns);
	while ((j = next_to_start(s)) != NULL) {
		j->state = SCHED_RUNNING;
		s->ops->start(s->arg, j);
	}
}

bool
sched_submit(struct sched *s, const char *id, enum sched_class cls,
    int64_t deadline_ns, void *payload, int64_t now_ns, struct mw_err *err)
{
	struct sched_job *j;

	assert(strlen(id) < SCHED_ID_MAX);
	if (find(s, id) != NULL)
		return err_set(err, MW_EXISTS, 0, "job %s is already here", id);
	if (s->n == SCHED_JOBS_MAX)
		return err_set(err, MW_LIMIT, 0, "%d jobs wait already",
		    SCHED_JOBS_MAX);
	j = &s->jobs[s->n++];
	*j = (struct sched_job){ .cls = cls,
		.state = SCHED_QUEUED,
		.deadline_ns = deadline_ns,
		.payload = payload };
	str_copy(j->id, sizeof j->id, id);
	sched_tick(s, now_ns);
	return true;
}

enum sched_state
sched_find(const struct sched *s, const char *id, void **payload)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->jobs[i].id, id) == 0) {
			if (payload != NULL)
				*payload = s->jobs[i].payload;
			return s->jobs[i].state;
		}
	return SCHED_NONE;
}

void
sched_end(struct sched *s, const char *id, int64_t now_ns)
{
	struct sched_job *j = find(s, id);

	if (j == NULL)
		return;
	forget(s, j);
	sched_tick(s, now_ns);
}

void
sched_hold(struct sched *s)
{
	s->holds++;
}

void
sched_release(struct sched *s, int64_t now_ns)
{
	assert(s->holds > 0);
	s->holds--;
	sched_tick(s, now_ns);
}

int64_t
sched_next_ns(const struct sched *s)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < s->n; i++)
		if (s->jobs[i].state == SCHED_QUEUED &&
		    s->jobs[i].deadline_ns < next)
			next = s->jobs[i].deadline_ns;
	return next;
}
