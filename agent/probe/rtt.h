/*
 * rtt.h - one job of kind rtt: round-trip times to numeric addresses, by the
 * methods of reach.h.
 */
#ifndef MW_AGENT_RTT_H
#define MW_AGENT_RTT_H

#include "agent/probe/pinger.h"
#include "agent/probe/reach.h"

#include <jansson.h>

#define RTT_TARGETS_MAX 4096
#define RTT_COUNT_MAX REACH_COUNT_MAX

struct rtt;

struct rtt_target {
	char name[128];
	uint32_t ip;
	uint16_t tcp_port; /* 0: no handshake */
	uint8_t methods; /* REACH_x; 0: all */
	bool refused; /* never probed, whatever the list says */
};

struct rtt_conf {
	struct loop *loop;
	struct pinger *pinger; /* may be NULL */
	char job_id[64];
	struct rtt_target *targets; /* taken */
	size_t n;
	int64_t count, gap_ms, timeout_ms;
	int64_t deadline_ns; /* monotonic */
	/* The "rtt" object of a result message (docs/link.md); borrowed. Free
	 * the job afterwards, not inside. */
	void (*on_done)(void *arg, json_t *rtt);
	void *arg;
};

struct rtt *rtt_start(const struct rtt_conf *take_conf);
void rtt_free(struct rtt *r); /* NULL is fine; no callback follows */

#endif
