/*
 * sample.h - the words that probers of foreign addresses (icmp.h, tcpinfo.h)
 * share: what to probe, at which pace, and what came of each probe.
 *
 * The pace: probe number s of target t is due gap * s + gap * t / n after the
 * start, so that each target sees one every gap and we send evenly.
 */
#ifndef MW_AGENT_SAMPLE_H
#define MW_AGENT_SAMPLE_H

#include "common/loop.h"

#include <netinet/in.h>

enum { /* instead of a round-trip time */
	SAMPLE_LOST = -1,
	SAMPLE_REFUSED = -2, /* an ICMP error, a reset, no route */
	SAMPLE_SKIPPED = -3, /* an exclusive benchmark, or a clock step */
};

struct sample_target {
	uint32_t ip; /* host byte order */
	uint16_t port; /* of TCP */
};

struct sample_conf {
	struct loop *loop;
	const struct sample_target *targets; /* n; live as long as the prober */
	size_t n;
	uint32_t count; /* probes of each target */
	int64_t gap_ns, timeout_ns; /* the latter after the last probe */
	bool (*is_busy)(void *arg); /* may be NULL */
	/* rtt_ns[t * count + s], borrowed; flags[t] are MATRIX_F_x. Free the
	 * prober afterwards, not inside. */
	void (*on_done)(void *arg, const int64_t *rtt_ns, const uint8_t *flags);
	void *arg;
};

static inline int64_t
sample_due_ns(const struct sample_conf *c, size_t i)
{
	return (int64_t)(i / c->n) * c->gap_ns +
	    (int64_t)(i % c->n) * (c->gap_ns / (int64_t)c->n);
}

static inline struct sockaddr_in
sample_address(const struct sample_target *t)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(t->port),
		.sin_addr.s_addr = htonl(t->ip) };
}

#endif
