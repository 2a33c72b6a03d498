/*
 * fault.h - faults that a tester asked for, and the draw that decides which
 * of them an API call meets.
 *
 * A draw is a hash of (seed, fault, cloud, op, n-th call of that op in that
 * cloud): the same calls meet the same faults however clouds interleave. A
 * fault ends after count hits or outside fromS..toS (seconds since the twin
 * started); it stays listed until deleted.
 */
#ifndef MW_TWIN_FAULT_H
#define MW_TWIN_FAULT_H

#include "common/json.h"
#include "twin/world.h"

#define FAULT_MAX 1000

enum fault_op {
	FAULT_OP_REGIONS,
	FAULT_OP_SPECS,
	FAULT_OP_IMAGES,
	FAULT_OP_KEY_PUT,
	FAULT_OP_KEY_DELETE,
	FAULT_OP_CREATE,
	FAULT_OP_LIST,
	FAULT_OP_GET,
	FAULT_OP_CONSOLE,
	FAULT_OP_STOP,
	FAULT_OP_START,
	FAULT_OP_REBOOT,
	FAULT_OP_SUSPEND,
	FAULT_OP_RESUME,
	FAULT_OP_TERMINATE,
	FAULT_OP_COUNT
};

enum fault_kind {
	/* of the call */
	FAULT_THROTTLE,
	FAULT_CAPACITY,
	FAULT_QUOTA,
	FAULT_AUTH_EXPIRED,
	FAULT_REQUEST_LOST,
	FAULT_ANSWER_LOST,
	FAULT_ERROR_BUT_DONE,
	FAULT_LATE_APPLY, /* afterS */
	/* of what the cloud then does */
	FAULT_ACCEPTED_THEN_FAILED, /* text */
	FAULT_QUOTA_RACE, /* accepted, then failed with the quota's text */
	FAULT_STUCK,
	FAULT_SLOW, /* factor */
	FAULT_TERMINATE_IGNORED,
	FAULT_TOKEN_IGNORED,
	FAULT_VANISH, /* afterS */
	/* of what the cloud tells */
	FAULT_LIST_LAG, /* forS */
	FAULT_STALE_NOT_FOUND, /* forS */
	FAULT_GHOST, /* forS */
	FAULT_LATE_IP, /* forS */
	FAULT_UNKNOWN_STATE, /* text */
	/* of the machine, at create */
	FAULT_SSH_REFUSE,
	FAULT_SSH_SLOW_BANNER, /* delayMs */
	FAULT_SSH_KEY_LATE, /* forS */
	FAULT_SSH_DROP_AFTER, /* kib */
	FAULT_HOST_KEY_CHANGE, /* afterS */
	FAULT_NO_SUDO,
	FAULT_DISK_FULL,
	FAULT_KIND_COUNT
};

struct fault_params {
	double after_s, for_s, retry_after_s, factor;
	int64_t delay_ms, kib;
	char text[120]; /* "" or what the world's tester wrote */
};

/* What one call meets: copies, so that a deleted fault does no harm. */
struct fault_hits {
	bool on[FAULT_KIND_COUNT];
	struct fault_params p[FAULT_KIND_COUNT];
};

struct faults;

struct faults *faults_new(const struct world *w, int64_t now_ns);
void faults_free(struct faults *f);
/* Adds one from the body of POST /v1/lab/faults; *id tells its number. */
bool faults_add(struct faults *f, json_t *body, uint64_t *id,
    struct mw_err *err) mw_must_check;
bool faults_del(struct faults *f, uint64_t id);
json_t *faults_json(const struct faults *f); /* array; new reference */
json_t *faults_one_json(const struct faults *f, uint64_t id); /* or NULL */

/* Counts the call and draws. region and spec are indexes or WORLD_NONE. */
void faults_draw(struct faults *f, size_t cloud, size_t region,
    const char *spec, enum fault_op op, int64_t now_ns, struct fault_hits *out);
uint64_t faults_calls(const struct faults *f, size_t cloud, enum fault_op op);

const char *fault_op_name(enum fault_op op);
const char *fault_kind_name(enum fault_kind kind);

#endif
