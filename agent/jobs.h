/*
 * jobs.h - jobs of the coordinator: admission by sched.h, execution by bench.h
 * and rtt.h, states told back, results handed out.
 */
#ifndef MW_AGENT_JOBS_H
#define MW_AGENT_JOBS_H

#include "agent/link/msg.h"
#include "agent/host/sysinfo.h"

struct jobs;

struct jobs_conf {
	struct loop *loop;
	const char *dir; /* working folder */
	const struct sysinfo_facts *facts;
	struct sysinfo_monitor *monitor;
	struct pinger *pinger; /* may be NULL */
};

struct jobs_ops {
	/* One message for the link; lost if there is none. */
	void (*send)(void *arg, json_t *take_msg);
	/* One result for the spool, under "bench" or "rtt". */
	void (*result)(void *arg, const char *key, json_t *take_body);
};

struct jobs *jobs_new(const struct jobs_conf *conf, const struct jobs_ops *ops,
    void *arg);
/* Kills what runs; no callback follows. Run the loop until jobs_idle() for
 * an orderly end. */
void jobs_free(struct jobs *j);
/* MSG_BENCH or MSG_RTT; what it needs is moved out of m. */
void jobs_submit(struct jobs *j, struct msg *m);
void jobs_refuse(struct jobs *j, const char *id, const struct mw_err *err);
void jobs_cancel(struct jobs *j, const char *id);
void jobs_cancel_all(struct jobs *j);
bool jobs_idle(const struct jobs *j);
bool jobs_busy(const struct jobs *j); /* an exclusive one runs */
/* A matrix round is armed: no exclusive job starts. */
void jobs_hold(struct jobs *j, bool hold);
/* A new link: tells again what runs and how the last jobs ended. */
void jobs_resend(struct jobs *j);

#endif
