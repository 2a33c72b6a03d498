/*
 * bench_int.h - runs and their jobs, shared by bench.c (when what runs where),
 * bench_in.c (what agents answer), db_bench.c and api_bench.c.
 */
#ifndef MW_COORDINATOR_BENCH_INT_H
#define MW_COORDINATOR_BENCH_INT_H

#include "common/pure/benchenv.h"
#include "common/pure/lane.h"
#include "common/pure/str.h"
#include "coordinator/measure/bench.h"
#include "coordinator/measure/raw.h"
#include "lifecycle/model.h"

#define BENCH_TARGETS_MAX 64

enum run_kind {
	RUN_BENCH, /* exclusive */
	RUN_RTT
};

enum run_state {
	RUN_RUNNING,
	RUN_DONE,
	RUN_FAILED, /* no VM finished */
	RUN_CANCELED,
	RUN_STATE_COUNT
};

enum job_state {
	JOB_WAIT, /* for its agent, its host, its turn */
	JOB_SENT,
	JOB_RUNNING,
	JOB_DONE,
	JOB_FAILED,
	JOB_CANCELED,
	JOB_STATE_COUNT
};

/* VMs that share a machine. */
struct host {
	char id[LC_WORD_LEN];
	int64_t slots, used;
	size_t refs;
	bool blocked; /* somebody waits for it: in this pass no one passes */
};

struct run;

struct bench_job {
	struct run *run;
	int64_t slot, gen;
	char vm[LC_VM_ID_LEN];
	struct host *host;
	int64_t need;
	enum job_state state;
	char step[84], error[200];
	unsigned got; /* lanes whose result is stored */
	bool said_done; /* the agent is through; results may be on their way */
	int64_t since_ns; /* of waiting, or of said_done */
	int64_t not_before_ns; /* sent again: first let its results come */
	int64_t deadline_ns;
	int64_t lost_ns; /* its link is down since; 0: it is not */
};

struct run {
	int64_t id;
	char name[24]; /* b-12 */
	enum run_kind kind;
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	char action[LC_ACTION_LEN];
	char profile[16];
	unsigned kinds; /* lanes, see lane.h */
	int64_t seed;
	json_t *targets; /* rtt: [{target, ip}] */
	int64_t count;
	enum run_state state;
	char reason[64];
	bool started; /* a job was sent */
	bool canceled;
	int64_t t0, t1;
	struct bench_job *jobs;
	size_t njobs, nopen;
	struct run *next; /* by id */
};

struct bench {
	struct coord *c;
	struct run *runs; /* that are not over */
	struct host **hosts;
	size_t nhosts, hosts_cap;
	int64_t next_id;
	struct loop_timer *tick; /* deadlines */
	struct loop_timer *pump;
	bool resumed;
};

const char *run_state_name(enum run_state s);
const char *job_state_name(enum job_state s);
const char *run_kind_name(enum run_kind k);
struct run *bench_find(const struct bench *b, const char *name);
struct bench_job *run_job(const struct run *r, int64_t slot, int64_t gen);
/* None was ever there or it was taken away, and none is on its way. */
bool bench_no_agent(const struct bench *b, const struct bench_job *j);
/* Ends a job; the run with its last one. */
void job_end(struct bench *b, struct bench_job *j, enum job_state to,
    const char *error);
/* Says something new about a job. */
void job_step(struct bench *b, struct bench_job *j, enum job_state to,
    const char *step);
bool job_open(const struct bench_job *j);
/* Ends a job that is through or late. */
void job_check(struct bench *b, struct bench_job *j);
/* Starts what can start. */
void bench_pump(struct bench *b);
/* rtt: targets are dotted quads. Same promise as bench_start(). */
bool bench_start_rtt(struct bench *b, const char *ns, const char *mcis,
    json_t *targets, int64_t count, char run[24], char action[24],
    struct mw_err *err) mw_must_check;
/* bench_plan.c. A set of lanes as an array of names. */
json_t *kinds_json(unsigned kinds);
/* Live state of a run, as the API shows it, without results. */
json_t *run_json(const struct run *r);
/* Frees a run that no list holds. */
void run_free(struct bench *b, struct run *r);
/* bench_save.c: rows and the action resource. */
void save_insert(struct bench *b, const struct run *r);
void save_vm(struct bench *b, const struct bench_job *j);
void save_end(struct bench *b, const struct run *r);
void act_begin(struct bench *b, struct run *r); /* fills r->action */
void act_adopt(struct bench *b, struct run *r); /* after a restart */
void act_step(struct bench *b, const struct bench_job *j);
void act_end(struct bench *b, const struct run *r);

/* Where a result comes from; NULL: unknown. */
struct bench_place {
	struct benchenv_place hashed;
	const char *region, *zone;
};
/* What is stored beside a result. */
struct bench_env {
	char hash[RAW_NAME_LEN]; /* envHash */
	char *json; /* what results of one envHash share */
	char raw_hash[RAW_NAME_LEN]; /* "": no raw output */
	void *raw;
	size_t raw_len;
};
/* The text of a result for the store, whose last member is env, without what
 * goes to *out. result loses env and raw. The caller frees both. */
char *bench_env_split(const struct result *r, json_t *result,
    const struct bench_place *p, struct bench_env *out);
void bench_env_free(struct bench_env *e);
/* Does that profile measure those lanes? */
bool bench_check_kinds(const char *profile, unsigned kinds,
    struct mw_err *err) mw_must_check;
/* The lanes of a run that asks for kinds (0: for what the profile has). */
unsigned bench_kinds_for(const char *profile, unsigned kinds);
/* How long the agent may work on what is not here yet. */
int64_t bench_deadline_ms(const struct run *r, unsigned got);
/* bench_join.c: what of it is not to be measured. */
void bench_set_have(struct run *r, const struct bench_ask *ask);
/* The host with that id; counts a reference. */
struct host *bench_host(struct bench *b, const char *id, int64_t slots);
void bench_host_unref(struct bench *b, struct host *h);

#endif
