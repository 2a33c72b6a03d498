/*
 * metrics_text.h - what a scrape shows, as a copy that a pool thread may read,
 * and its text. Pure but for the allocator.
 */
#ifndef MW_COORDINATOR_METRICS_TEXT_H
#define MW_COORDINATOR_METRICS_TEXT_H

#include "common/pure/csp.h"
#include "common/pure/hostrec.h"
#include "common/pure/matrix.h"
#include "common/pure/promtext.h"
#include "common/pure/result.h"
#include "lifecycle/model.h"

#define METRICS_SERIES_MAX 100000 /* of one page, whatever the settings */
#define METRICS_MCIS_MAX 500
#define METRICS_SCHEDULES_MAX 1000
#define METRICS_CONNS_MAX 500
#define METRICS_VALUES_MAX 1000 /* newest benchmark results */
#define METRICS_PAIRS_VMS 50 /* larger matrices have no series of pairs */
#define METRICS_STALE_NS (5 * 60 * NS_PER_S) /* older host metrics: absent */

/* One figure that stands alone, or a state of one. */
struct metrics_plain {
	const char *name, *type, *help; /* name NULL: one more of the former */
	const char *label, *state; /* NULL: none */
	double value;
};

struct metrics_vm {
	char ns[LC_ID_LEN], mcis[LC_ID_LEN], vm[LC_VM_ID_LEN];
	char connection[LC_WORD_LEN], spec[LC_WORD_LEN];
	enum lc_status status;
	bool agent, agent_up; /* agent: it was heard once */
	int64_t seen_ns; /* wall clock; 0: not since start */
	bool has_host;
	struct host_rec host;
};

struct metrics_mcis {
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	int64_t vms[LC_STATUS_COUNT];
	struct matrix *matrix; /* a reference, or NULL */
};

struct metrics_schedule {
	char ns[LC_ID_LEN], mcis[LC_ID_LEN], id[LC_ID_LEN];
	int64_t next_ns; /* 0: paused */
	bool late;
};

struct metrics_conn {
	char connection[LC_WORD_LEN], driver[32];
	uint64_t by_class[CSP_CLASS_COUNT], open;
	double p50_s, p95_s; /* NAN: no calls */
	double queued; /* NAN: unknown */
	bool verified;
};

struct metrics_value { /* newest of its kind */
	char connection[LC_WORD_LEN], spec[LC_WORD_LEN], variant[16];
	enum kind kind;
	double value;
	int64_t at_ns;
};

#define METRICS_PLAIN_MAX 64

struct metrics_page {
	int64_t now_ns; /* wall clock */
	bool pairs;
	struct metrics_plain plain[METRICS_PLAIN_MAX];
	size_t nplain;
	uint64_t results[KIND_COUNT][RESULT_VALIDITY_COUNT];
	struct metrics_vm *vms;
	struct metrics_mcis *mcis;
	struct metrics_schedule *schedules;
	struct metrics_conn *conns;
	size_t nconns, conns_left;
	const struct metrics_value *values; /* borrowed */
	size_t nvms, nmcis, nschedules, nvalues;
	size_t vms_left, mcis_left, schedules_left; /* over the limits */
};

void metrics_text(const struct metrics_page *page, struct str *out);

#endif
