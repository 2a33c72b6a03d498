/*
 * rules.h - how often and how long each kind is repeated, and which
 * repetitions are thrown out. Pure; the figures are explained in
 * docs/decisions/quick-profile.md.
 */
#ifndef MW_AGENT_RULES_H
#define MW_AGENT_RULES_H

#include "common/pure/result.h"

struct rules_profile {
	const char *name;
	double target_s; /* length of one repetition */
	bool by_work; /* bounded by events, not by sysbench's clock */
	size_t min_valid, max_reps; /* without the warm-up */
	double ci_stop; /* half width of the interval over the median */
	double share_min; /* own CPU share, cpu and mem kinds */
	int64_t tick_slack; /* /proc/stat counts whole ticks */
	int64_t file_mib; /* size of all files of the fio kinds */
	int tables, table_rows;
	int64_t pool_mib, db_log_mib, db_disk_mib, db_memory_mib;
};

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
};

/* Fills share, steal_pct, other_busy_pct and contended of *s. */
void rules_judge(const struct rules_profile *p, enum kind kind,
    const struct rules_window *w, struct result_sample *s);
/* Enough repetitions of this kind? */
bool rules_enough(const struct rules_profile *p, const struct result *r);
/* Work of the next repetition. rate in events/s, 0 before the warm-up. */
int64_t rules_events(const struct rules_profile *p, enum kind kind,
    unsigned threads, double rate);

#endif
