/*
 * coord.h - the coordinator's wiring: one struct that knows every module. The
 * modules know each other only through it and through their own headers; all
 * run on one loop, so nothing here is locked.
 */
#ifndef MW_COORDINATOR_COORD_H
#define MW_COORDINATOR_COORD_H

#include "common/httpd.h"
#include "common/loop.h"
#include "common/worker.h"
#include "coordinator/store/db_retain.h"
#include "coordinator/store/store.h"

struct coord_conf {
	char *state_dir; /* database, CA, keys: 0700 */
	char *api_address;
	int64_t api_port;
	int64_t api_connections, api_per_address; /* limits */
	int64_t api_rate; /* requests a second with one token */
	bool api_behind_proxy; /* something else speaks TLS for us */
	char *link_address; /* where agents dial in */
	int64_t link_port;
	char *advertise; /* address that agents are told; "" = api's view */
	char *agent_dir; /* milkyway-agent and milkyway-ping lie here */
	bool agent_install; /* false: VMs without agents */
	char *log_level;
	bool cred_exec; /* exec: credentials are run */
	char *cred_dir; /* file: credentials lie here */
	char *ssh_from; /* from where VMs let SSH in: ssh_from.h */
	int64_t late_apply_s, list_visible_s; /* -1: the driver's */
	int64_t cloud_rate_percent; /* of the drivers' own rates */
	int64_t cloud_rate; /* calls/s of a connection, 0: the driver's */
	int64_t ssh_max, ssh_kex_max;
	int64_t place_hold_ms; /* longer searches are answered with 202 */
	int64_t sweep_s;
	int64_t poll_ms; /* status poll while something is pending */
	int64_t create_s, power_s, reboot_s, terminate_s, install_s;
	int64_t matrix_k, matrix_window_ms, matrix_full_max;
	char *schedule_defaults; /* matrix, all, none */
	int64_t rtt_round_bytes, rtt_day_bytes; /* budgets of matrix rounds */
	int64_t metrics_per_vm; /* VMs with series of their own */
	bool metrics_pairs;
	int64_t agent_ttl_ms; /* agents beat so often; 3 missed: silent */
	struct retain_conf retain; /* how long what is kept */
};

struct coord {
	struct coord_conf conf;
	int lock_fd; /* of the state directory */
	struct loop *loop;
	struct httpd *httpd;
	struct store *store;
	struct worker_pool *pool;
	char deployment[64]; /* uuid of this database */
	char start_id[17]; /* new at every start */

	struct auth *auth; /* auth.h: API tokens, roles */
	struct events *events; /* events.h: ring, SSE hub, history */
	struct conns *conns; /* conns.h: connections, catalogue, drivers */
	struct prereq *prereq; /* prereq.h: networks, groups, keys of VMs */
	struct env_real *env; /* env_real.h: the lifecycle's world */
	struct lc *lc; /* lifecycle/lifecycle.h */
	struct actions *actions; /* actions.h: 202 and its resource */
	struct quotas *quotas; /* quota.h: limits of namespaces */
	struct ca *ca; /* ca.h: private CA, MCIS SSH keys */
	struct host *host; /* host.h: host metrics */
	struct metrics *metrics; /* metrics.h: GET /metrics */
	struct link *link; /* link.h: agent link server */
	struct agents *agents; /* agents.h: registry, liveness */
	struct bench *bench; /* bench.h: runs and results */
	struct snap *snap; /* snap.h: newest matrices, in memory */
	struct mesh *mesh; /* mesh.h: matrix rounds */
	struct retain *retain; /* retain.h: forgets in time */
	struct sched *sched; /* sched.h: runs that start on their own */
	struct places *places; /* api_place.h: placements */
	struct drift *drift; /* drift.h: placements that are watched */
	struct backup *backup; /* backup.h: copies of the database */
	struct remote *remote; /* remote.h: SSH installs, exec, uninstall */
};

/* Opens the store, loads every module, starts listening. */
struct coord *coord_new(const struct coord_conf *conf,
    struct mw_err *err) mw_must_check;
void coord_free(struct coord *c);
/* Nobody else works in that directory until the descriptor is closed.
 * MW_CONFLICT: somebody does. */
bool coord_lock_dir(const char *dir, int *fd, struct mw_err *err) mw_must_check;

#endif
