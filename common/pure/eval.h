/*
 * eval.h - what a spec is worth, from the results of all its VMs: one number
 * per (cloud, region, spec, kind, variant), with how sure it is; how many
 * cores the vCPUs are; which VM is far worse than its siblings.
 *
 * Rules (docs/evaluation.md):
 * - The value is the median over VMs of each VM's newest usable result. Usable
 *   is `ok`, and what the question includes besides.
 * - Profiles are never mixed: the one that was asked for, else the most
 *   thorough one that has a usable result (deep, standard, quick, others).
 * - Environments are never mixed: a VM belongs to the environment of its
 *   newest usable result, the one with most VMs wins (then the newest), the
 *   others are listed. Measured results win over replayed ones.
 * - The order of the input changes nothing.
 *
 * The strings of the input are borrowed: they must outlive the evaluation.
 */
#ifndef MW_COMMON_PURE_EVAL_H
#define MW_COMMON_PURE_EVAL_H

#include "common/pure/result.h"

#define EVAL_KINDS (KIND_DBW + 1) /* the kinds that are evaluated */
#define EVAL_FEW_VMS 3 /* below, one VM decides */
#define EVAL_SIBLINGS 4 /* the lemon detector needs so many */
#define EVAL_LEMON_Z 3.5 /* Iglewicz and Hoaglin 1993 */
#define EVAL_LEMON_PCT 10.0 /* and at least so much worse */
#define EVAL_MAD_FLOOR 0.015 /* of the median: equal siblings make no lemon */

/* One result, or the newest of `count` that agree in all of csp to validity
 * and in vm. */
struct eval_in {
	const char *csp, *region, *spec;
	int64_t vcpu; /* 0: unknown */
	int64_t cost_micros; /* an hour; -1: unknown, cost_reason says why */
	const char *currency, *cost_reason; /* may be NULL */
	const char *ns, *mcis, *vm; /* names, for lemons */
	int64_t slot; /* the VM: what is the same VM has the same slot */
	enum kind kind;
	const char *variant, *profile;
	const char *env; /* its hash; "" if it was not told */
	bool replay; /* not measured but replayed by an emulated cloud */
	enum result_validity validity;
	bool has_value;
	double value, ci_lo, ci_hi, mad_cv; /* NAN: unknown */
	int64_t at, id; /* newest: the largest at, then id */
	int64_t count;
	bool mine; /* in what was asked for; others are siblings only */
	bool live; /* the VM still runs: it can be a lemon */
};

struct eval_ask {
	const char *profile; /* NULL: the most thorough */
	unsigned include; /* bits 1 << validity, besides RESULT_OK */
	int64_t now, max_age_ns; /* older results are not seen */
	int64_t stale_ns; /* flag EVAL_STALE above it */
};

enum { /* struct eval_cell.flags */
	EVAL_F_FEW_VMS = 1,
	EVAL_F_STALE = 2,
	EVAL_F_MIXED_ENV = 4,
	EVAL_F_REPLAY = 8, /* replayed, not measured */
};

enum eval_ci {
	EVAL_CI_NONE, /* some VM has no interval of its own */
	EVAL_CI_ORDER, /* order statistics over at least 6 VMs */
	EVAL_CI_HULL, /* the widest hull of the VMs' own intervals */
};

struct eval_env {
	const char *hash;
	bool replay;
	size_t nvms;
	double value;
	int64_t newest;
};

struct eval_cell {
	const struct eval_in *of; /* names, kind, variant, profile, env */
	bool has_value;
	double value;
	const char *reason; /* why there is no value: a literal */
	bool has_flagged; /* without a value: what is not fully valid says */
	double flagged;
	enum result_validity flagged_validity; /* of the most VMs */
	size_t nvms;
	int64_t nresults;
	enum eval_ci ci;
	double ci_lo, ci_hi; /* NAN: unknown */
	double mad_cv; /* over VMs; of one VM: over its repetitions */
	int64_t oldest, newest;
	unsigned flags;
	struct eval_env *others; /* environments that are not in it */
	size_t nothers, others_cap;
};

struct eval_spec {
	const struct eval_in *of; /* csp, region, spec */
	int64_t vcpu, cost_micros;
	const char *currency, *cost_reason;
	const struct eval_cell *cells[EVAL_KINDS]; /* variant std, or NULL */
	/* Scaling, NAN if unknown. */
	double cores; /* cpum / cpus */
	double efficiency; /* cores / vcpu */
	bool scaling_flagged; /* from values that are not fully valid */
	const char *scaling_reason; /* why it is unknown: a literal */
	int64_t cost_per_core_micros; /* an hour; -1: unknown */
};

/* One VM that is a lemon in one kind. */
struct eval_lemon {
	const struct eval_in *of; /* its newest usable result */
	double median; /* of its siblings, itself included */
	double z, worse_pct;
	size_t siblings;
	bool other_env; /* its environment is not that of most siblings */
};

struct eval {
	struct eval_cell *cells; /* by csp, region, spec, kind, variant */
	size_t ncells, cells_cap;
	struct eval_spec *specs; /* by csp, region, spec */
	size_t nspecs, specs_cap;
	struct eval_lemon *lemons; /* by ns, mcis, vm, kind, variant */
	size_t nlemons, lemons_cap;
};

struct eval *eval_new(const struct eval_in *in, size_t n,
    const struct eval_ask *ask);
void eval_free(struct eval *e); /* NULL is fine */

/* The value, or else the flagged one; false: neither. */
bool eval_best(const struct eval_cell *c, double *v, bool *flagged);
/* One sentence about cores, without a dot: "8 vCPU here are 4 cores". vcpu 0
 * or a NAN: false. */
bool eval_cores_text(int64_t vcpu, double cores, char *out, size_t size);
/* Micro units of money an hour for one unit of performance, rounded; -1 if a
 * part is unknown or it does not fit. */
int64_t eval_cost_per_unit(int64_t cost_micros, double value);
/* Units of performance for one unit of money an hour; NAN if unknown or
 * nothing is paid. */
double eval_units_per_cost(int64_t cost_micros, double value);
const char *eval_ci_name(enum eval_ci ci); /* NULL for NONE */

#endif
