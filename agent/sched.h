/*
 * sched.h - which job of this agent may run now.
 *
 * Classes: exclusive (sysbench kinds) runs alone; quiet (round-trip times)
 * not beside an exclusive one; any at once. First come, first served among
 * those that wait; a job that waits past its deadline is dropped. Pure: time
 * is given, starting is a callback.
 */
#ifndef MW_AGENT_SCHED_H
#define MW_AGENT_SCHED_H

#include "common/pure/err.h"

#define SCHED_JOBS_MAX 32
#define SCHED_ID_MAX 64

enum sched_class {
	SCHED_EXCLUSIVE,
	SCHED_QUIET,
	SCHED_ANY
};

enum sched_state {
	SCHED_NONE, /* no such job */
	SCHED_QUEUED,
	SCHED_RUNNING
};

struct sched_job {
	char id[SCHED_ID_MAX];
	enum sched_class cls;
	enum sched_state state;
	int64_t deadline_ns; /* monotonic */
	void *payload; /* the caller's */
};

struct sched_ops {
	/* The job runs now; ends by sched_end(), not from inside the call. */
	void (*start)(void *arg, struct sched_job *job);
	/* It waited past its deadline and is forgotten after the call. */
	void (*expired)(void *arg, struct sched_job *job);
};

struct sched {
	struct sched_job jobs[SCHED_JOBS_MAX]; /* in order of arrival */
	size_t n;
	unsigned holds;
	const struct sched_ops *ops;
	void *arg;
};

void sched_init(struct sched *s, const struct sched_ops *ops, void *arg);
/* MW_EXISTS: that id waits or runs. MW_LIMIT: the queue is full. The job may
 * start before this returns. */
bool sched_submit(struct sched *s, const char *id, enum sched_class cls,
    int64_t deadline_ns, void *payload, int64_t now_ns,
    struct mw_err *err) mw_must_check;
enum sched_state sched_find(const struct sched *s, const char *id,
    void **payload);
/* A running job ended, or a waiting one is withdrawn. */
void sched_end(struct sched *s, const char *id, int64_t now_ns);
/* A matrix round is armed: no exclusive job starts until it is released. */
void sched_hold(struct sched *s);
void sched_release(struct sched *s, int64_t now_ns);
/* Drops what waited too long, starts what may start. */
void sched_tick(struct sched *s, int64_t now_ns);
/* An exclusive job runs. */
bool sched_busy(const struct sched *s);
/* When sched_tick must be called at the latest; INT64_MAX: never. */
int64_t sched_next_ns(const struct sched *s);

#endif
