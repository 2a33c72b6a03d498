/*
 * worker.c - a pool of threads. Jobs go in under a mutex, come out through an
 * eventfd; nothing else is shared.
 */
#include "common/worker.h"

#include "common/pure/alloc.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
	struct worker_job *head, **tail;
	size_t n;
};

struct worker_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct queue todo, done; /* under lock */
	bool stop; /* under lock */
	size_t queue_max;
	int wake_fd;
	struct event *wake;
	unsigned nthreads;
	pthread_t *threads;
};

static void
queue_init(struct queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
	q->n = 0;
}

static void
queue_put(struct queue *q, struct worker_job *job)
{
	job->next = NULL;
	*q->tail = job;
	q->tail = &job->next;
	q->n++;
}

static struct worker_job *
queue_get(struct queue *q)
{
	struct worker_job *job = q->head;

	if (job == NULL)
		return NULL;
	q->head = job->next;
	if (q->head == NULL)
		q->tail = &q->head;
	q->n--;
	job->next = NULL;
	return job;
}

static void
wake_loop(struct worker_pool *p)
{
	uint64_t one = 1;

	/* It can only fail with a full counter: then a wake-up is due. */
	(void)!write(p->wake_fd, &one, sizeof one);
}

static void *
run_thread(void *arg)
{
	struct worker_pool *p = arg;
	struct worker_job *job;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->todo.head == NULL && !p->stop)
			pthread_cond_wait(&p->work, &p->lock);
		if (p->stop)
			break;
		job = queue_get(&p->todo);
		pthread_mutex_unlock(&p->lock);
		job->run(job);
		pthread_mutex_lock(&p->lock);
		queue_put(&p->done, job);
		wake_loop(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Completes all jobs of a queue; done() may submit new ones. */
static void
complete(struct worker_pool *p, struct queue *q)
{
	struct worker_job *job, *next;

	pthread_mutex_lock(&p->lock);
	job = q->head;
	queue_init(q);
	pthread_mutex_unlock(&p->lock);
	for (; job != NULL; job = next) {
		next = job->next;
		job->done(job);
	}
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct worker_pool *p = arg;
	uint64_t count;

	(void)what;
	(void)!read((int)fd, &count, sizeof count);
	complete(p, &p->done);
}

struct worker_pool *
worker_pool_new(struct loop *l, unsigned threads, size_t queue_max)
{
	struct worker_pool *p = xcalloc(1, sizeof *p);
	sigset_t all, old;

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	queue_init(&p->todo);
	queue_init(&p->done);
	p->queue_max = queue_max;
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake_fd < 0)
		abort();
	p->wake = event_new(loop_base(l), p->wake_fd, EV_READ | EV_PERSIST,
	    on_wake, p);
	if (p->wake == NULL || event_add(p->wake, NULL) != 0)
		abort();
	/* Signals belong to the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	p->threads = xcalloc(threads, sizeof *p->threads);
	for (; p->nthreads < threads; p->nthreads++)
		if (pthread_create(&p->threads[p->nthreads], NULL, run_thread,
			p) != 0)
			abort();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return p;
}

void
worker_pool_free(struct worker_pool *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nthreads; i++)
		pthread_join(p->threads[i], NULL);
	complete(p, &p->done);
	complete(p, &p->todo);
	event_free(p->wake);
	close(p->wake_fd);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}

bool
worker_submit(struct worker_pool *p, struct worker_job *take_job,
    struct mw_err *err)
{
	bool ok;

	if (!p)
		return err_set(err, MW_UNREACHABLE, 0, "stopping");
	pthread_mutex_lock(&p->lock);
	ok = !p->stop && p->todo.n < p->queue_max;
	if (ok) {
		queue_put(&p->todo, take_job);
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	if (!ok)
		err_set(err, MW_LIMIT, 0, "the work queue is full: %zu jobs",
		    p->queue_max);
	return ok;
}
