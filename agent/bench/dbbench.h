/*
 * dbbench.h - a private database for the database kinds: own data folder, own
 * unix socket in a folder that only our user can enter, no network, no
 * accounts; gone after the run. The user's databases are not touched. Which
 * one it is: dbengine.h.
 */
#ifndef MW_AGENT_DBBENCH_H
#define MW_AGENT_DBBENCH_H

#include "agent/bench/dbengine.h"
#include "common/loop.h"

struct dbbench;

struct dbbench_conf {
	struct loop *loop;
	const struct dbengine *engine; /* NULL: mariadb */
	const char *dir; /* a folder named as the engine is made in it */
	int64_t pool_mib; /* buffer pool */
	int64_t log_mib; /* redo log */
	unsigned clients; /* connections at a time */
	int64_t life_ms; /* the server is killed after it */
};

struct dbbench_ops {
	/* The database answers. */
	void (*on_ready)(void *arg);
	/* Instead of on_ready, or later if the server dies. Call
	 * dbbench_stop(). why: a substatus. */
	void (*on_failed)(void *arg, const char *why, const struct mw_err *err);
	/* After dbbench_stop(): all files are gone, d is freed. */
	void (*on_gone)(void *arg);
};

/* False with MW_UNSUPPORTED: its programs are not installed; err names the
 * package. Callbacks never come from inside this call. */
bool dbbench_start(const struct dbbench_conf *conf,
    const struct dbbench_ops *ops, void *arg, struct dbbench **out,
    struct mw_err *err) mw_must_check;
void dbbench_stop(struct dbbench *d); /* on_gone follows */
/* What sysbench connects to: the socket, or its folder, or a file. */
const char *dbbench_socket(const struct dbbench *d);
const char *dbbench_user(const struct dbbench *d);
/* The program that makes the load; NULL: sysbench. */
const char *dbbench_program(const struct dbbench *d);
/* CPU time that the server and its children have used; 0: unknown, or there is
 * no server. */
int64_t dbbench_cpu_ns(const struct dbbench *d);
/* mariadbd is there. */
bool dbbench_available(void);

/* Pure: utime, stime and those of waited-for children in /proc/PID/stat. */
bool dbbench_parse_stat(const char *p, size_t n, int64_t *own_ticks,
    int64_t *waited_ticks) mw_must_check;

#endif
