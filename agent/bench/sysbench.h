/*
 * sysbench.h - what we ask of sysbench, as argv, and what it answers, as
 * numbers. Pure: no process is started here.
 *
 * Two dialects: 1.0.x, and 0.4.12 of old images. A repetition is bounded by
 * work (events) if events is set, else by whole seconds; the value is always
 * finished work / total time, never the rounded rate that is printed.
 */
#ifndef MW_AGENT_SYSBENCH_H
#define MW_AGENT_SYSBENCH_H

#include "common/pure/err.h"
#include "common/pure/lane.h"

#define SYSBENCH_ARGS 32
#define SYSBENCH_BLOCK_MIB 64 /* of the memory kinds */

enum sysbench_dialect {
	SYSBENCH_1_0,
	SYSBENCH_0_4
};

enum sysbench_step {
	SYSBENCH_PREPARE, /* fio and db kinds */
	SYSBENCH_RUN
};

struct sysbench_plan {
	unsigned lane;
	enum sysbench_dialect dialect;
	enum sysbench_step step;
	unsigned threads; /* usable CPUs, at least 1 */
	int64_t events; /* 0: bounded by seconds */
	int64_t seconds; /* with events: a guard */
	int64_t file_total_mib;
	int tables, table_rows;
	const char *program; /* path of sysbench, or milkyway-dblite */
	/* mysql: the socket; pgsql: its folder; lite: the file. */
	const char *db_socket, *db_user;
};

/* The strings live in text. */
struct sysbench_argv {
	const char *v[SYSBENCH_ARGS];
	size_t n, used;
	char text[1024];
};

#define SYSBENCH_HIST_ROWS 1024 /* buckets of sysbench's histogram */

struct sysbench_hist {
	double value[SYSBENCH_HIST_ROWS]; /* ms, rising */
	int64_t count[SYSBENCH_HIST_ROWS];
	size_t n; /* 0: none was printed */
	int64_t total;
};

struct sysbench_out {
	double total_s;
	int64_t events; /* transactions for db */
	bool has_marker; /* the line that only this kind of test prints */
	double min_ms, avg_ms, max_ms, p99_ms; /* NAN: not printed */
	double hist_p50_ms, hist_p95_ms, hist_p99_ms; /* NAN: no histogram */
	struct sysbench_hist hist;
};

/* Threads that the lane runs with. */
unsigned sysbench_threads(const struct sysbench_plan *p);
/* False: that dialect cannot do the lane. */
bool sysbench_argv(const struct sysbench_plan *p, struct sysbench_argv *out,
    struct mw_err *err) mw_must_check;
/* "sysbench 1.0.20" to dialect and version text. */
bool sysbench_version(const char *p, size_t n, enum sysbench_dialect *dialect,
    char version[32], struct mw_err *err) mw_must_check;
/* Standard output of a run. False: no complete result, err says why. */
bool sysbench_parse(unsigned lane, enum sysbench_dialect dialect, const char *p,
    size_t n, struct sysbench_out *out, struct mw_err *err) mw_must_check;
/* Rates of the seconds of a run with --report-interval=1, in the kind's unit;
 * how many were found, at most max. */
size_t sysbench_intervals(unsigned lane, const char *p, size_t n, double *rate,
    size_t max);
/* Percentile of a histogram, nearest rank; NAN: it is empty. */
double sysbench_hist_pct(const struct sysbench_hist *h, int pct);
void sysbench_hist_add(struct sysbench_hist *to, const struct sysbench_hist *h);
/* In the unit of the kind; out comes from sysbench_parse. */
double sysbench_value(unsigned lane, const struct sysbench_out *out);

#endif
