/*
 * facade_int.h - what the files of the facade share. Nobody else includes it.
 *
 * facade.c        process, HTTP, queue, end
 * facade_allow.c  where the allow list comes from
 * facade_bench.c  sysbench and the private database
 * facade_rtt.c    names and round-trip times
 */
#ifndef MW_AGENT_FACADE_INT_H
#define MW_AGENT_FACADE_INT_H

#include "agent/bench/dbbench.h"
#include "agent/facade/facade.h"
#include "agent/probe/rtt.h"
#include "agent/host/sysinfo.h"
#include "common/child.h"
#include "common/httpd.h"

#define FACADE_LOOKUPS 8 /* names looked up at once */

struct facade_task {
	struct facade *f;
	enum facade_action action;
	struct httpd_req *req;
	struct facade_hosts hosts; /* of rtt and mrtt */
	struct facade_task *next;
	int64_t start_ns; /* monotonic, when its turn came */
};

struct facade_lookup {
	struct facade *f;
	struct child *child;
	struct facade_host *host;
};

struct facade {
	struct facade_conf conf;
	struct loop *loop;
	struct httpd *httpd;
	struct pinger *pinger;
	struct facade_params params;
	char sysbench[256], dir[200]; /* dir/work holds all files */
	char work[220];
	int lock; /* on dir */
	bool folder_ours;
	struct facade_task *queue, *current;
	size_t waiting;
	bool stopping;
	struct loop_timer *stop_by;
	/* facade_bench.c */
	struct child *child;
	struct dbbench *db;
	bool db_ready, db_stopping;
	/* facade_rtt.c */
	struct facade_lookup lookups[FACADE_LOOKUPS];
	size_t looked_up, looking; /* hosts begun; children under way */
	struct rtt *rtt;
	bool second_try, rtt_ended; /* ended: a reaper is on its way */
	double rtt_ms; /* of rtt; NAN: none, rtt_why says why */
	char rtt_why[80];
	json_t *results;
};

/* facade.c: each of them answers the current task and starts the next one. */
void facade_done(struct facade *f, const char *result);
void facade_done_json(struct facade *f, json_t *take_body);
void facade_failed(struct facade *f, const char *what, const char *why);
/* Called when something of ours ended while the facade ends. */
void facade_stop_step(struct facade *f);
double facade_elapsed_s(const struct facade *f); /* of the current task */

/* facade_bench.c */
void facade_bench_start(struct facade *f);
void facade_bench_cancel(struct facade *f);

/* facade_rtt.c */
void facade_rtt_start(struct facade *f);
void facade_rtt_cancel(struct facade *f);

#endif
