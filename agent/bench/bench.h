/*
 * bench.h - one benchmark job: prepares, repeats all asked kinds in seeded
 * random order, judges, folds, cleans up. One result per kind.
 */
#ifndef MW_AGENT_BENCH_H
#define MW_AGENT_BENCH_H

#include "agent/host/sysinfo.h"
#include "common/loop.h"
#include "common/pure/lane.h"

struct bench;

struct bench_conf {
	struct loop *loop;
	const struct sysinfo_facts *facts; /* outlives the job */
	struct sysinfo_monitor *monitor; /* same */
	const char *dir; /* a folder is made in it, and removed */
	const char *run_id, *profile;
	unsigned kinds; /* lanes; a kind of profile legacy is its legacy lane */
	uint64_t seed;
	int64_t deadline_ns; /* monotonic */
};

struct bench_ops {
	void (*on_step)(void *arg, const char *text);
	/* r->raw.base64 lives until it returns. */
	void (*on_result)(void *arg, const struct result *r);
	/* Everything is cleaned up; b is freed after the call. MW_OK: each
	 * kind has a result (which may say failed). */
	void (*on_end)(void *arg, const struct mw_err *err);
};

bool bench_start(const struct bench_conf *conf, const struct bench_ops *ops,
    void *arg, struct bench **out, struct mw_err *err) mw_must_check;
/* No results; on_end follows with MW_CANCELED. */
void bench_cancel(struct bench *b);
/* Kinds whose programs are here; *missing gets the names of absent ones. */
unsigned bench_possible(char *missing, size_t size);

#endif
