/*
 * conn_stats.h - how the calls of one connection go: counts by class, time by a
 * histogram of fixed size, what failed last. Since the start of the
 * coordinator; a new import of the connection goes on counting.
 *
 * References are counted, because calls outlive the connection's row.
 */
#ifndef MW_COORDINATOR_CONN_STATS_H
#define MW_COORDINATOR_CONN_STATS_H

#include "common/pure/csp.h"
#include "common/pure/str.h"
#include "drivers/driver.h"

/* Bucket i ends at 1 ms * 2^(i/4), the last has no end: 1 ms to 18 minutes,
 * each 19 % wide, so a quantile is at most that much too large. */
#define CONN_BUCKETS 82

struct conn_stats {
	unsigned refs;
	uint64_t calls, by_class[CSP_CLASS_COUNT]; /* ended */
	uint64_t by_reason[CSP_REASON_COUNT]; /* of those that failed */
	uint64_t open; /* under way */
	uint64_t time[CONN_BUCKETS];
	int64_t longest_ns;
	int64_t ok_at_ns, failed_at_ns; /* wall clock; 0: never */
	struct {
		enum csp_op op;
		enum csp_class cls;
		enum csp_reason reason;
		int http_status;
		char code[64], message[256], request_id[80];
	} last; /* failure */
};

struct conn_stats *conn_stats_new(void); /* one reference */
struct conn_stats *conn_stats_ref(struct conn_stats *s);
void conn_stats_unref(struct conn_stats *s); /* NULL is fine */

/* One call ended after ns, at that wall clock. Texts are escaped. */
void conn_stats_add(struct conn_stats *s, const struct csp_answer *a,
    int64_t ns, int64_t wall_ns);
/* The time within which that share (0..1) of all calls ended, in ns; -1: there
 * was none. An upper bound: the end of its bucket, the longest at most. */
int64_t conn_stats_quantile(const struct conn_stats *s, double q);

/* Counts a call: the wrapped done to hand to the driver, its arg in *arg. */
drv_done_fn conn_stats_wrap(struct conn_stats *s, drv_done_fn done, void **arg);

#endif
