/*
 * result.h - benchmark kinds and one benchmark result (one kind, one VM, one
 * run). Agent and coordinator validate with the same code.
 */
#ifndef MW_COMMON_PURE_RESULT_H
#define MW_COMMON_PURE_RESULT_H

#include "common/pure/err.h"
#include "common/pure/mw.h"
#include "common/pure/quant.h"

enum kind {
	KIND_CPUS,
	KIND_CPUM,
	KIND_MEMR,
	KIND_MEMW,
	KIND_FIOR,
	KIND_FIOW,
	KIND_DBR,
	KIND_DBW,
	KIND_RTT,
	KIND_MRTT,
	KIND_COUNT
};

enum result_validity {
	RESULT_OK,
	RESULT_CONTENDED,
	RESULT_STOLEN,
	RESULT_THROTTLED,
	RESULT_TOO_FEW,
	RESULT_FAILED,
	RESULT_VALIDITY_COUNT
};

struct kind_info {
	const char *name; /* "cpus" */
	const char *unit; /* "events/s" */
	bool higher_is_better;
	bool exclusive; /* one at a time per host */
	double max; /* a larger value cannot be true */
	const char *what; /* one line for --help */
};

/* Why the median's interval was or was not narrow enough. */
enum result_convergence {
	RESULT_CONV_UNKNOWN, /* an older agent */
	RESULT_CONVERGED,
	RESULT_UNCONVERGED,
	RESULT_CONV_NONE, /* one long run: nothing to converge */
	RESULT_CONVERGENCE_COUNT
};

/* What is to be known about a result; it does not enter its validity. */
enum result_flag {
	RESULT_F_QUOTA = 1 << 0, /* the cgroup stopped it for > 1 % of a run */
	RESULT_F_CACHE_SUSPECT = 1 << 1, /* L3 holds the memory kinds' block */
	RESULT_F_CACHED = 1 << 2, /* the page cache answered, not the disk */
	RESULT_F_OVERLAY = 1 << 3, /* files lie on an overlay filesystem */
	RESULT_F_SLOPE = 1 << 4, /* later repetitions are slower, see rules.h */
	RESULT_F_RAW_TRUNCATED = 1 << 5, /* the tool's output is not whole */
	RESULT_F_COUNT = 6
};

/* Why a repetition was thrown out; "quota" alone throws nothing out. */
enum sample_flag {
	SAMPLE_SHARE = 1 << 0, /* own CPU share */
	SAMPLE_TAIL = 1 << 1, /* p99 over min of events */
	SAMPLE_OTHER_BUSY = 1 << 2,
	SAMPLE_PSI = 1 << 3,
	SAMPLE_STOLEN = 1 << 4,
	SAMPLE_QUOTA = 1 << 5,
	SAMPLE_F_COUNT = 6
};

/* One repetition. Rates in the kind's unit. */
struct result_sample {
	int64_t at_wall_ns;
	double value;
	double wall_s, cpu_s; /* cpu_s: of the benchmark's own process */
	double share; /* cpu_s / (wall_s x usable cpus asked for) */
	double steal_pct, other_busy_pct;
	double psi_pct; /* NAN: unknown; so the next two */
	double min_ms, p99_ms; /* of events */
	int64_t events; /* 0: unknown */
	unsigned flags; /* enum sample_flag */
	bool warmup, contended;
};

/* Of events, over all valid repetitions; NAN: unknown. */
struct result_latency {
	double min, avg, p50, p95, p99, max;
};

/* What the agent knows of the machine. Texts "" and numbers < 0 (or NAN):
 * unknown. */
struct result_env {
	char kernel[65], cpu_model[96], virt[24], fs[16], disk[32];
	char io_scheduler[24], thp[16], governor[24], clock_source[24];
	char boot_id[40], agent_version[24];
	double cpu_mhz, cpu_quota;
	int64_t vcpus, smt /* 0, 1 */, numa_nodes, l3_kib, memory_mib;
	int64_t uptime_s, file_mib; /* file_mib: of the file kinds */
};

#define RESULT_MAX_SAMPLES 64
#define RESULT_ARGV_MAX 640
/* Of one result; a frame of the link holds 1 MiB. */
#define RESULT_RAW_MAX (2 * 1024 * 1024) /* bytes of text */
#define RESULT_RAW_PACKED_MAX (192 * 1024) /* deflated */

/* What the tool printed. */
struct result_raw {
	char hash[72]; /* "sha256:" and 64 hex digits of the text; "": none */
	int64_t bytes; /* of the text */
	const char *base64; /* deflated (zlib); borrowed, NULL: not here */
};

struct result {
	enum kind kind;
	char run_id[64];
	char variant[16]; /* "std" */
	char profile[16];
	bool has_value; /* false: why says it */
	double value; /* median of the valid repetitions */
	char why[32]; /* "TOOL_MISSING", "TIMEOUT", ... if failed */
	char detail[200]; /* one sentence for a person, escaped */
	enum result_validity validity;
	struct quant q; /* over valid repetitions */
	size_t n, n_valid, n_contended;
	size_t nsamples;
	struct result_sample samples[RESULT_MAX_SAMPLES];
	double elapsed_s;
	int64_t at_wall_ns;
	char tool[32], tool_version[32];
	char argv[RESULT_ARGV_MAX]; /* of a repetition, one blank between */
	enum result_convergence convergence;
	unsigned flags; /* enum result_flag */
	uint64_t seed;
	double per_own_cpu_s; /* median of value / cpu_s; NAN, 0: unknown */
	struct result_latency latency;
	struct result_env env; /* if has_env */
	bool has_env, has_latency;
	struct result_raw raw;
	bool replay; /* numbers replayed by the twin, not measured */
};

const struct kind_info *kind_info(enum kind k);
bool kind_parse(const char *name, enum kind *out) mw_must_check;
const char *result_validity_name(enum result_validity v);
bool result_validity_parse(const char *name,
    enum result_validity *out) mw_must_check;
const char *result_convergence_name(enum result_convergence c); /* or NULL */
bool result_convergence_parse(const char *name,
    enum result_convergence *out) mw_must_check;
/* The i-th flag, i < RESULT_F_COUNT, SAMPLE_F_COUNT. */
const char *result_flag_name(size_t i);
const char *sample_flag_name(size_t i);
/* Fills n, n_valid, q, value and validity from the samples. */
void result_fold(struct result *r);
/* Ranges, finite numbers, counts that agree. */
bool result_validate(const struct result *r, struct mw_err *err) mw_must_check;

#endif
