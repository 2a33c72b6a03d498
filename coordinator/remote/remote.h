/*
 * remote.h - work on VMs over SSH: install, uninstall, commands.
 *
 * One connection per job, non-blocking on the loop; the number of connections
 * and of key exchanges at a time is limited, the rest waits. Every job ends in
 * exactly one done(), never from inside the call that started it, also after
 * remote_cancel() and remote_free(). Nothing is sent to a VM whose host key
 * differs from its pin. Failures of the way (refused, cut, no banner) are
 * tried again inside wait_ms; what the VM definitely cannot do is not.
 */
#ifndef MW_COORDINATOR_REMOTE_H
#define MW_COORDINATOR_REMOTE_H

#include "common/loop.h"
#include "common/pure/str.h"
#include "common/worker.h"
#include "coordinator/remote/ssh_key.h"

struct remote;
struct remote_job; /* valid until its done() was called */

struct remote_conf {
	struct loop *loop;
	struct worker_pool *pool; /* packs the agent's binaries */
	const char *agent_dir; /* milkyway-agent and milkyway-ping lie here */
	int64_t ssh_max; /* connections at a time; 0: 128 */
	int64_t ssh_kex_max; /* key exchanges at a time; 0: 16 */
};

struct remote *remote_new(const struct remote_conf *conf);
void remote_free(struct remote *r); /* jobs end as canceled, at once */

/* Where, as whom, and how it is known. Borrowed during the call, copied. */
struct remote_target {
	const char *name; /* for logs: "demo17/web-1" */
	const char *address; /* numeric IPv4 */
	int64_t port; /* 0: 22 */
	const char *const *users; /* logins, tried in this order */
	size_t nusers; /* 0: the usual ones */
	const char *private_key; /* OpenSSH PEM, ed25519 */
	const char *host_key; /* pin "ssh-ed25519 AAAA..."; NULL: first use */
	/* Asked at first use, before anything else is sent: pins the key. False
	 * if another one was pinned meanwhile. NULL: any key is fine. */
	bool (*pin)(void *arg, const char *host_key);
	void *pin_arg;
	int64_t wait_ms; /* for an answering sshd; 0: 300 s */
};

enum remote_step {
	REMOTE_WAIT_SSH,
	REMOTE_HOST_KEY,
	REMOTE_LOGIN,
	REMOTE_PROBE,
	REMOTE_UPLOAD,
	REMOTE_ENROLL,
	REMOTE_START,
	REMOTE_TOOLS, /* programs for benchmarks */
	REMOTE_RUN, /* commands, uninstall */
	REMOTE_STEP_COUNT
};
const char *remote_step_name(enum remote_step s); /* "waitSsh" */

/* How a job ended; lives during done(). */
struct remote_end {
	bool ok;
	bool changed; /* install: something was written on the VM */
	bool definite; /* trying again is useless until someone acts */
	bool host_key_changed; /* err names both fingerprints */
	bool canceled;
	enum remote_step step; /* where it ended */
	char reason[32]; /* "noSpace", "noSudo", "refused", ... or "" */
	char user[64]; /* the login that worked, or "" */
	char host_key[SSH_HOST_KEY_MAX]; /* as seen, or "" */
	/* tools: the packages that were added, also if it failed in the end;
	 * uninstall: those that stay. Separated by blanks; or "". */
	const char *packages;
	struct mw_err err;
};

struct remote_install_req {
	struct remote_target target;
	const char *agent_json; /* text of agent.json, see docs/link.md */
	const char *ca_pem; /* what the agent trusts */
	bool force; /* enroll and restart even if nothing changed */
	/* Signs the VM's request; called on the loop. */
	bool (*sign)(void *arg, const char *csr_pem, struct str *cert_pem,
	    struct mw_err *err);
	/* A step begins; may be NULL. */
	void (*step)(void *arg, enum remote_step s);
	void (*done)(void *arg, const struct remote_end *end);
	void *arg;
};

struct remote_job *remote_install(struct remote *r,
    const struct remote_install_req *req);

/* Installs sysbench and a MariaDB server with the VM's package manager, and
 * milkyway-dblite; what is there stays as it is. */
struct remote_job *remote_tools(struct remote *r,
    const struct remote_target *target,
    void (*done)(void *arg, const struct remote_end *end), void *arg);

/* Stops the agent and removes every file of it. remove_tools: also the
 * packages that remote_tools() added. */
struct remote_job *remote_uninstall(struct remote *r,
    const struct remote_target *target, bool remove_tools,
    void (*done)(void *arg, const struct remote_end *end), void *arg);

#define REMOTE_COMMAND_MAX 65536
#define REMOTE_OUTPUT_MAX 262144

struct remote_output {
	int exit_code; /* -1: ended by a signal or not at all */
	bool timed_out, truncated;
	struct str out, err; /* at most REMOTE_OUTPUT_MAX each */
	int64_t elapsed_ns; /* of the command, without the login */
};

/* Runs command with sh. output lives during done(); end->ok: it ran to its
 * end, with any exit code. timeout_ms counts from its start. */
struct remote_job *remote_exec(struct remote *r,
    const struct remote_target *target, const char *command, int64_t timeout_ms,
    void (*done)(void *arg, const struct remote_end *end,
	const struct remote_output *output),
    void *arg);

void remote_cancel(struct remote_job *job);

/* Connections now, for /metrics. */
void remote_stats(const struct remote *r, size_t *open, size_t *waiting);

#endif
