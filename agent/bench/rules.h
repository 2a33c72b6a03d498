/*
 * rules.h - how often and how long each kind is repeated, and which
 * repetitions are thrown out. Pure; the figures are explained in
 * docs/decisions/quick-profile.md.
 */
#ifndef MW_AGENT_RULES_H
#define MW_AGENT_RULES_H

#include "common/pure/lane.h"

struct rules_profile {
	const char *name;
	double target_s; /* length of one repetition */
	bool by_work; /* bounded by events, not by sysbench's clock */
	bool warmup; /* the first repetition is one */
	size_t min_valid, max_reps; /* without the warm-up */
	double ci_stop; /* half width of the interval over the median */
	double share_min; /* own CPU share, cpu and mem kinds */
	int64_t tick_slack; /* /proc/stat counts whole ticks */
	int64_t file_mib; /* size of all files of the fio kinds */
	int tables, table_rows;
	int64_t pool_mib, db_log_mib, db_disk_mib, db_memory_mib;
	/* After it, no repetition that is only for a narrower interval. */
	int64_t cap_s;
};

#define RULES_SUSTAINED_S 300

/* NULL: no such profile. */
const struct rules_profile *rules_profile(const char *name);

/* What was seen around one repetition. Ticks of all CPUs together. */
struct rules_window {
	double wall_s, cpu_s; /* of sysbench, and of the server for db */
	unsigned threads;
	double cpu_quota; /* cores; 0: none */
	bool host_counters; /* /proc/stat and PSI are our own machine's */
	int64_t ticks, busy_ticks, steal_ticks; /* 0 ticks: unknown */
	double ticks_per_s; /* of one CPU */
	double psi_pct; /* < 0: unknown */
	double min_ms, p99_ms; /* of events; NAN: unknown */
	double throttled_s; /* stopped by the cgroup's quota; < 0: unknown */
};

/* Fills all of *s but at, value, events and warmup: what was seen, and which
 * signals reject it. */
void rules_judge(const struct rules_profile *p, enum kind kind,
    const struct rules_window *w, struct result_sample *s);
/* Enough repetitions of this kind? elapsed_s is that of the whole job. */
bool rules_enough(const struct rules_profile *p, const struct result *r,
    double elapsed_s);
/* Of a lane that was repeated, after the last repetition. */
enum result_convergence rules_convergence(const struct rules_profile *p,
    const struct result *r);
/* Work of the next repetition. rate in events/s, 0 before the warm-up. */
int64_t rules_events(const struct rules_profile *p, enum kind kind,
    unsigned threads, double rate);

enum rules_slope {
	RULES_STEADY,
	RULES_SLOWER, /* but something else may have caused it */
	RULES_THROTTLED /* the CPU was ours all the time */
};
/*
 * Do later repetitions get slower by themselves, as with burst credits that
 * run out? Valid ones in the order of time: the median of the last third is
 * more than 10 % below that of the first third, and (from 6 on) Mann-Kendall's
 * S has z < -1.645. Throttled if steal rises too, or if the own CPU share did
 * not fall (cpu; for files nothing else disturbs, or they were rejected). H. B.
 * Mann, Nonparametric tests against trend, Econometrica 13 (1945).
 */
enum rules_slope rules_slope(const struct rules_profile *p,
    const struct result *r);
/* Flags of a result that follow from the machine and the rate. */
unsigned rules_flags(unsigned lane, const struct result *r, bool direct);

#endif
