/*
 * dbbench.h - a private MariaDB for the database kinds: own data folder, own
 * unix socket in a folder that only our user can enter, no network, no
 * accounts; gone after the run. The user's databases are not touched.
 */
#ifndef MW_AGENT_DBBENCH_H
#define MW_AGENT_DBBENCH_H

#include "common/loop.h"

struct dbbench;

struct dbbench_conf {
	struct loop *loop;
	const char *dir; /* made inside it: "db"; must be ours, 0700 */
	int64_t pool_mib; /* InnoDB buffer pool */
	int64_t log_mib; /* InnoDB redo log */
	int64_t life_ms; /* the server is killed after it */
};

struct dbbench_ops {
	/* The server answers; the database "sbtest" exists. */
	void (*on_ready)(void *arg);
	/* Instead of on_ready, or later if the server dies. Call
	 * dbbench_stop(). why: a substatus. */
	void (*on_failed)(void *arg, const char *why, const struct mw_err *err);
	/* After dbbench_stop(): all files are gone, d is freed. */
	void (*on_gone)(void *arg);
};

/* False with MW_UNSUPPORTED: mariadbd is not installed. */
bool dbbench_start(const struct dbbench_conf *conf,
    const struct dbbench_ops *ops, void *arg, struct dbbench **out,
    struct mw_err *err) mw_must_check;
void dbbench_stop(struct dbbench *d); /* on_gone follows */
const char *dbbench_socket(const struct dbbench *d);
const char *dbbench_user(const struct dbbench *d);
/* CPU time that the server has used; 0: unknown. */
int64_t dbbench_cpu_ns(const struct dbbench *d);
/* mariadbd is there. */
bool dbbench_available(void);

#endif
