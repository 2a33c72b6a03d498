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

/* One repetition. Rates in the kind's unit. */
struct result_sample {
	int64_t at_wall_ns;
	double value;
	double wall_s, cpu_s; /* cpu_s: of the benchmark's own process */
	double share; /* cpu_s / (wall_s x usable cpus asked for) */
	double steal_pct, other_busy_pct;
	bool warmup, contended;
};

#define RESULT_MAX_SAMPLES 64

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
	bool replay; /* numbers replayed by the twin, not measured */
};

const struct kind_info *kind_info(enum kind k);
bool kind_parse(const char *name, enum kind *out) mw_must_check;
const char *result_validity_name(enum result_validity v);
bool result_validity_parse(const char *name,
    enum result_validity *out) mw_must_check;
/* Fills n, n_valid, q, value and validity from the samples. */
void result_fold(struct result *r);
/* Ranges, finite numbers, counts that agree. */
bool result_validate(const struct result *r, struct mw_err *err) mw_must_check;

#endif
