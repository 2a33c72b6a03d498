/*
 * store.c - the store's thread: jobs in, group transactions, completions out.
 *
 * Owns the queue, the thread and the eventfd that wakes the loop. A group is
 * whatever waits, up to GROUP_MAX jobs or GROUP_NS: while one group is being
 * made durable the next one gathers, so nobody waits for a timer. The lock
 * guards the two lists and the flags, nothing else; db_lock is held by whoever
 * uses the connection.
 */
#include "coordinator/store/store.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "coordinator/store/db_backup.h"
#include "coordinator/store/store_db.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define GROUP_MAX 500
#define GROUP_NS (5 * NS_PER_MS)
#define DONE_BATCH 500 /* completions in one turn of the loop */

struct jobs {
	struct store_job *head, **tail;
};

struct store {
	struct db *db;
	struct event *wake_ev;
	int wake_fd;
	pthread_t thread;
	pthread_mutex_t lock, db_lock;
	pthread_cond_t work;
	struct jobs todo, done; /* guarded by lock */
	struct store_copy *copy; /* the same */
	struct db_copy *copying; /* the thread's */
	size_t open; /* submitted and not yet completed; loop only */
	bool stop;
	_Atomic uint64_t commits;
	_Atomic int64_t worst_ns;
};

static void *thread_main(void *arg);
static void run_group(struct store *s);
static void copy_some(struct store *s);
static void run_job(struct db *db, struct store_job *j);
static void on_wake(evutil_socket_t fd, short what, void *arg);
static bool complete_some(struct store *s, size_t max);
static void jobs_init(struct jobs *q);
static void jobs_push(struct jobs *q, struct store_job *j);
static struct store_job *jobs_pop(struct jobs *q);
static void wake(struct store *s);

struct store *
store_open(struct loop *l, const char *path, struct mw_err *err)
{
	struct db *db = db_open(path, err);
	struct store *s;

	if (!db)
		return NULL;
	s = xcalloc(1, sizeof *s);
	s->db = db;
	jobs_init(&s->todo);
	jobs_init(&s->done);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->db_lock, NULL);
	pthread_cond_init(&s->work, NULL);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0 ||
	    pthread_create(&s->thread, NULL, thread_main, s) != 0)
		abort();
	s->wake_ev = event_new(loop_base(l), s->wake_fd, EV_READ | EV_PERSIST,
	    on_wake, s);
	if (!s->wake_ev || event_add(s->wake_ev, NULL) < 0)
		abort();
	return s;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	/* A completion may submit more; the last ones are done when none does.
	 */
	while (s->open) {
		struct pollfd p = { .fd = s->wake_fd, .events = POLLIN };
		uint64_t n;

		if (complete_some(s, SIZE_MAX))
			continue;
		if (poll(&p, 1, 1000) > 0 && read(s->wake_fd, &n, sizeof n) < 0)
			continue;
	}
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	event_free(s->wake_ev);
	close(s->wake_fd);
	db_close(s->db);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->db_lock);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void
store_submit(struct store *s, struct store_job *take_job)
{
	take_job->ok = false;
	take_job->err = (struct mw_err)MW_ERR_INIT;
	s->open++;
	pthread_mutex_lock(&s->lock);
	jobs_push(&s->todo, take_job);
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

void
store_copy(struct store *s, struct store_copy *take_copy)
{
	struct store_job *j = &take_copy->job;

	j->ok = false;
	j->err = (struct mw_err)MW_ERR_INIT;
	s->open++;
	pthread_mutex_lock(&s->lock);
	if (s->copy) {
		err_set(&j->err, MW_CONFLICT, 0,
		    "the database is being copied already");
		jobs_push(&s->done, j);
	} else {
		s->copy = take_copy;
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
	wake(s);
}

struct after_job {
	struct store_job job;
	void (*cb)(void *arg);
	void *arg;
};

static bool
after_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	(void)db;
	(void)job;
	(void)err;
	return true;
}

static void
after_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct after_job *j = container_of(job, struct after_job, job);

	(void)ok;
	(void)err;
	j->cb(j->arg);
	free(j);
}

void
store_after(struct store *s, void (*cb)(void *arg), void *arg)
{
	struct after_job *j = xcalloc(1, sizeof *j);

	j->job.run = after_run;
	j->job.done = after_done;
	j->cb = cb;
	j->arg = arg;
	store_submit(s, &j->job);
}

bool
store_run_now(struct store *s,
    bool (*run)(struct db *db, void *arg, struct mw_err *err), void *arg,
    struct mw_err *err)
{
	bool ok;

	err->code = MW_OK;
	pthread_mutex_lock(&s->db_lock);
	db_begin(s->db);
	db_savepoint(s->db);
	ok = run(s->db, arg, err);
	db_savepoint_end(s->db, ok);
	db_commit(s->db);
	pthread_mutex_unlock(&s->db_lock);
	return ok;
}

size_t
store_backlog(struct store *s)
{
	return s->open;
}

void
store_stats(const struct store *s, uint64_t *commits, int64_t *worst_ns)
{
	*commits = s->commits;
	*worst_ns = s->worst_ns;
}

static void *
thread_main(void *arg)
{
	struct store *s = arg;
	bool work, copy;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		while (!s->todo.head && !s->copy && !s->stop)
			pthread_cond_wait(&s->work, &s->lock);
		work = s->todo.head != NULL;
		copy = s->copy != NULL;
		pthread_mutex_unlock(&s->lock);
		if (work)
			run_group(s);
		if (copy)
			copy_some(s);
		if (!work && !copy)
			return NULL;
	}
}

static void
run_group(struct store *s)
{
	struct jobs ran;
	struct store_job *j;
	size_t n = 0;
	int64_t t0, took;

	jobs_init(&ran);
	pthread_mutex_lock(&s->db_lock);
	t0 = clock_mono_ns();
	db_begin(s->db);
	while (n < GROUP_MAX && clock_mono_ns() - t0 < GROUP_NS) {
		pthread_mutex_lock(&s->lock);
		j = jobs_pop(&s->todo);
		pthread_mutex_unlock(&s->lock);
		if (!j)
			break;
		run_job(s->db, j);
		jobs_push(&ran, j);
		n++;
	}
	db_commit(s->db);
	took = clock_mono_ns() - t0;
	s->commits++;
	if (took > s->worst_ns)
		s->worst_ns = took;
	pthread_mutex_lock(&s->lock);
	while ((j = jobs_pop(&ran)))
		jobs_push(&s->done, j);
	pthread_mutex_unlock(&s->lock);
	wake(s);
	/* After the answer: folding the log is nobody's latency. */
	db_checkpoint_if_due(s->db);
	pthread_mutex_unlock(&s->db_lock);
}

/* One step of the copy; its end is told like that of a job. */
static void
copy_some(struct store *s)
{
	struct store_job *j = &s->copy->job;
	bool more = true;

	pthread_mutex_lock(&s->db_lock);
	if (!s->copying)
		s->copying = db_copy_begin(s->db, s->copy->path, &j->err);
	j->ok = s->copying && db_copy_step(s->copying, &more, &j->err);
	if (s->copying && (!j->ok || !more)) {
		db_copy_end(s->copying, j->ok);
		s->copying = NULL;
	}
	pthread_mutex_unlock(&s->db_lock);
	if (j->ok && more)
		return;
	pthread_mutex_lock(&s->lock);
	s->copy = NULL;
	jobs_push(&s->done, j);
	pthread_mutex_unlock(&s->lock);
	wake(s);
}

static void
run_job(struct db *db, struct store_job *j)
{
	db_savepoint(db);
	j->ok = j->run(db, j, &j->err);
	db_savepoint_end(db, j->ok);
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct store *s = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN)
		abort();
	/* A long list yields to the rest of the loop. */
	complete_some(s, DONE_BATCH);
	pthread_mutex_lock(&s->lock);
	n = s->done.head != NULL;
	pthread_mutex_unlock(&s->lock);
	if (n)
		wake(s);
}

static bool
complete_some(struct store *s, size_t max)
{
	struct store_job *j;
	size_t n;

	for (n = 0; n < max; n++) {
		struct mw_err err;

		pthread_mutex_lock(&s->lock);
		j = jobs_pop(&s->done);
		pthread_mutex_unlock(&s->lock);
		if (!j)
			break;
		s->open--;
		err = j->err; /* done() frees the job */
		j->done(j, j->ok, &err);
	}
	return n > 0;
}

static void
jobs_init(struct jobs *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void
jobs_push(struct jobs *q, struct store_job *j)
{
	j->next = NULL;
	*q->tail = j;
	q->tail = &j->next;
}

static struct store_job *
jobs_pop(struct jobs *q)
{
	struct store_job *j = q->head;

	if (!j)
		return NULL;
	q->head = j->next;
	if (!q->head)
		q->tail = &q->head;
	return j;
}

static void
wake(struct store *s)
{
	uint64_t one = 1;

	while (write(s->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}
