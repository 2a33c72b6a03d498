/*
 * remote_int.h - what remote.c (connections, limits, retries) and its
 * operations (install_run.c, exec.c) share. Not for others.
 */
#ifndef MW_COORDINATOR_REMOTE_INT_H
#define MW_COORDINATOR_REMOTE_INT_H

#include "common/pure/rng.h"
#include "coordinator/remote/remote.h"
#include "coordinator/remote/ssh.h"

#include <sys/queue.h>

struct remote_pack;

enum job_state {
	JOB_WAITING, /* for a connection */
	JOB_CONNECTING,
	JOB_KEX_WAIT, /* connected, waits for its key exchange */
	JOB_LOGIN,
	JOB_WORK,
	JOB_BACKOFF,
	JOB_ENDED,
};

/* What is done once the login works. Only job_*() calls end a job. */
struct remote_op {
	void (*begin)(struct remote_job *job);
	void (*data)(struct remote_job *job, bool is_stderr, const char *p,
	    size_t n);
	void (*exec_end)(struct remote_job *job, int code);
	/* The connection broke, or a phase took too long. True: log in again
	 * and begin anew. */
	bool (*cut)(struct remote_job *job, bool timed_out);
	/* Calls the owner's done(), frees the job with everything in it. */
	void (*deliver)(struct remote_job *job);
};

/* First member of an operation's own struct. */
struct remote_job {
	struct remote *remote;
	const struct remote_op *op;
	enum job_state state;
	TAILQ_ENTRY(remote_job) all, link;
	struct ssh *ssh;
	struct loop_timer *timer; /* back-off, or deadline of a phase */
	bool has_conn, has_kex;
	char *name, *address, *private_key, *pinned;
	int64_t port;
	char **users;
	size_t nusers, user;
	bool (*pin)(void *arg, const char *host_key);
	void *pin_arg;
	int64_t wait_until_ns, refused_since_ns;
	unsigned tries, work_tries, odd;
	void (*on_step)(void *arg, enum remote_step s);
	void *arg; /* of on_step and done */
	struct remote_end end;
};
TAILQ_HEAD(remote_jobs, remote_job);

struct remote {
	struct remote_conf conf;
	char *agent_dir;
	struct remote_jobs all, waiting, kex_waiting, ended;
	size_t conns, kexes;
	struct loop_timer *deliver;
	struct rng rng;
	bool pumping, freeing;
	struct remote_pack *pack; /* newest; NULL: none yet */
	bool packing;
	struct mw_err pack_err;
	TAILQ_HEAD(, pack_waiter) pack_waiters;
	struct exec_runs *runs; /* exec.c */
	void (*runs_free)(struct exec_runs *runs);
};

/* Fills the zeroed head of an operation's struct and lets it start. */
void job_start(struct remote *r, struct remote_job *job,
    const struct remote_op *op, const struct remote_target *t);
void job_free_head(struct remote_job *job);
/* A step begins and may take ms. */
void job_phase(struct remote_job *job, enum remote_step s, int64_t ms);
void job_succeed(struct remote_job *job);
void job_fail(struct remote_job *job, bool definite, const char *reason,
    enum mw_code code, const char *fmt, ...) mw_printf(5, 6);
/* The work was cut, or should be: tries again or fails. */
void job_again(struct remote_job *job, bool timed_out);
/* A constant text as one shell word behind "sh -c": the caller frees. */
char *job_command(const char *script);

/* remote_pack.c: the agent's binaries, packed once for all VMs. */
struct remote_pack {
	unsigned refs;
	char arch[16]; /* as uname -m says it */
	char agent_sha[65], ping_sha[65];
	size_t agent_size, ping_size;
	void *gz; /* gzip of both, one behind the other */
	size_t gz_len;
	char lite_sha[65]; /* milkyway-dblite; "": it is not there */
	void *lite_gz;
	size_t lite_gz_len;
	int64_t stamp; /* changes with the files */
};
struct pack_waiter {
	TAILQ_ENTRY(pack_waiter) link;
	/* pack NULL: err says why; else a reference for the waiter. */
	void (*done)(struct pack_waiter *w, struct remote_pack *pack,
	    const struct mw_err *err);
};
/* done() comes at once or later; a waiter may leave the list before. */
void pack_get(struct remote *r, struct pack_waiter *w);
void pack_unref(struct remote_pack *p);

#endif
