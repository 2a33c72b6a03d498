/*
 * bench.h - benchmark runs over an MCIS and RTT jobs to addresses.
 *
 * A run gives each VM one job. VMs that share a machine (host_id) never use
 * more than its host_slots at once; a job has a deadline; an agent that is
 * lost makes its VM fail, not the run hang. Results are stored before they
 * are acknowledged, exactly once per (slot, gen, boot, seq).
 */
#ifndef MW_COORDINATOR_BENCH_H
#define MW_COORDINATOR_BENCH_H

#include "common/proto.h"
#include "coordinator/store/store.h"

struct coord;
struct bench;

/* Loads open runs; what ran when the coordinator died goes on. */
struct bench *bench_new(struct coord *c, struct mw_err *err) mw_must_check;
/* After all modules exist and agents may come. */
void bench_resume(struct bench *b);
void bench_free(struct bench *b);

struct bench_ask {
	const char *ns, *mcis;
	/* Lanes (lane.h; 1u << enum kind is one); 0: what the profile has. */
	unsigned kinds;
	const char *profile; /* quick, standard, deep, legacy */
	const char *const *vms; /* NULL: all running VMs */
	size_t nvms;
	int64_t seed; /* 0: chosen */
	/* Lanes of each of vms that need not be measured, or NULL. */
	const unsigned *have;
};
/* Starts a run: run and action receive the ids of the run and of its action
 * resource. Both are committed before the reply of any later store job. */
bool bench_start(struct bench *b, const struct bench_ask *ask, char run[24],
    char action[24], struct mw_err *err) mw_must_check;
/* bench_join.c: a run under way that measures all that is asked for, in the
 * same profile and on at least these VMs. False: there is none. */
bool bench_join(const struct bench *b, const struct bench_ask *ask,
    char run[24], char action[24]) mw_must_check;
/* The array /kinds of a request: names of kinds and variants. Absent: 0. */
bool bench_read_kinds(const struct json_at *at, unsigned *kinds,
    struct mw_err *err) mw_must_check;
bool bench_cancel(struct bench *b, const char *run,
    struct mw_err *err) mw_must_check;
/* An exclusive run works in that MCIS now. */
bool bench_busy(const struct bench *b, const char *ns, const char *mcis);

/*
 * From the link. done(arg, ok) when the result is committed (or was already
 * there): the link acknowledges. result is copied.
 */
void bench_on_result(struct bench *b, int64_t slot, int64_t gen,
    const char *boot, int64_t seq, const struct result *r,
    void (*done)(void *arg, bool ok), void *arg);
/* rtt: the object of docs/link.md, validated here; borrowed. */
void bench_on_rtt(struct bench *b, int64_t slot, int64_t gen, const char *boot,
    int64_t seq, json_t *rtt, void (*done)(void *arg, bool ok), void *arg);
void bench_on_job_state(struct bench *b, int64_t slot, int64_t gen,
    const char *job, const char *state, const char *step, const char *code,
    const char *message);
void bench_on_agent(struct bench *b, int64_t slot, int64_t gen, bool up);

#endif
