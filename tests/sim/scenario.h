/*
 * scenario.h - a story about a cloud, a process and its user as text: steps,
 * each at its time, and what must be so then. docs/simulator.md describes the
 * format; tests/scenarios/ holds the stories.
 */
#ifndef MW_SIM_SCENARIO_H
#define MW_SIM_SCENARIO_H

#include "common/pure/err.h"
#include "tests/sim/sim.h"

#define SCN_STEPS_MAX 256
#define SCN_BYTES_MAX 16384
#define SCN_TIME_MAX (100 * 3600 * NS_PER_S)

enum scn_when {
	SCN_NOW, /* right after the step before */
	SCN_AT,
	SCN_AFTER, /* the step before */
	SCN_BY, /* an expectation comes true until then, at the latest */
	SCN_WITHIN /* the same, from the step before */
};

enum scn_do {
	SCN_WISH,
	SCN_ACT,
	SCN_ABORT,
	SCN_FAULT,
	SCN_KILL,
	SCN_START,
	SCN_CLOCK,
	SCN_PORTAL,
	SCN_HIDE,
	SCN_OUTAGE,
	SCN_BACKUP,
	SCN_RESTORE,
	SCN_MARK,
	/* expectations */
	SCN_VM,
	SCN_WHY,
	SCN_PHASE,
	SCN_GEN,
	SCN_GROUP,
	SCN_LIVE,
	SCN_CALLS,
	SCN_TOLD,
	SCN_ORPHANS,
	SCN_ACTION,
	SCN_PROCESS,
	SCN_DOS
};

enum scn_cmp {
	SCN_EQ,
	SCN_LE,
	SCN_GE
};

struct scn_step {
	int line;
	enum scn_when when;
	int64_t t; /* ns */
	enum scn_do what;
	bool refused; /* wish, act, abort: must be */
	bool power;
	bool none; /* vm: there is no such VM; group: no such MCIS */
	char vm[LC_VM_ID_LEN]; /* "" : all */
	char word[64]; /* group status, reason, decision, spec */
	int64_t n[SIM_CONNS]; /* counts, n-th chance, expected number */
	size_t nn;
	int64_t ns; /* how long, by how much; -1: not given */
	enum scn_cmp cmp;
	/* as the verb needs it */
	enum lc_act act;
	enum lc_policy policy;
	unsigned flags;
	enum sim_fault fault;
	enum csp_op op;
	enum lc_class cls;
	enum lc_status status;
	enum lc_phase phase;
	enum lc_event_kind event;
};

struct scenario {
	struct sim_opt opt;
	struct scn_step steps[SCN_STEPS_MAX];
	size_t n;
};

/* Of n bytes of text. The error's message begins with "file:line: ". */
bool scn_parse(const char *file, const char *text, size_t n,
    struct scenario *out, struct mw_err *err) mw_must_check;

/* Plays it and checks, at the end, that everything comes to rest. False: an
 * expectation or an invariant is broken; *err says where and what was seen. */
bool scn_play(const char *file, const struct scenario *s, bool trace,
    struct mw_err *err) mw_must_check;

/* Reads, parses and plays one file. */
bool scn_run_file(const char *file, bool trace,
    struct mw_err *err) mw_must_check;

#endif
