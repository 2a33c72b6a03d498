/*
 * reach.h - round-trip times to addresses where nothing of ours answers, or
 * nothing can: ICMP by a datagram socket; if the kernel does not permit one,
 * ICMP by milkyway-ping; then for those that did not answer, the TCP
 * handshake. Each address has the figures of one method, and says which.
 */
#ifndef MW_AGENT_REACH_H
#define MW_AGENT_REACH_H

#include "agent/probe/sample.h"
#include "common/pure/matrix.h"

#define REACH_COUNT_MAX 100
/* Handshakes with one port: more of them look like an attack to sshd (its
 * MaxStartups and PerSourcePenalties). */
#define REACH_TCP_MAX 5

enum { /* which methods may be used */
	REACH_ICMP = 1,
	REACH_ICMP_RAW = 2,
	REACH_TCP = 4,
	REACH_ALL = 7
};

struct reach;
struct pinger;

struct reach_target {
	uint32_t ip; /* host byte order; all different */
	uint16_t tcp_port; /* 0: no handshake */
	uint8_t methods; /* REACH_x */
};

struct reach_result {
	bool asked; /* by any method */
	uint8_t method; /* enum matrix_method */
	uint8_t flags; /* MATRIX_F_x */
	bool refused, skipped; /* some probe was */
	uint32_t n, lost; /* a refused one is lost, a skipped one neither */
	int64_t *rtt_ns; /* n, in order of sending */
};

struct reach_conf {
	struct loop *loop;
	struct pinger *pinger; /* may be NULL */
	const struct reach_target *targets; /* copied */
	size_t n;
	uint32_t count; /* <= REACH_COUNT_MAX */
	int64_t gap_ns, timeout_ns;
	int64_t deadline_ns; /* monotonic: the answer comes until then */
	bool (*is_busy)(void *arg); /* may be NULL */
	/* n results, borrowed. Free the object afterwards, not inside. */
	void (*on_done)(void *arg, struct reach_result *results, bool late);
	void *arg;
};

struct reach *reach_start(const struct reach_conf *conf);
void reach_free(struct reach *r); /* NULL is fine; no callback follows */

/* "icmp", "icmpRaw", "tcpInfo" to REACH_x; 0: unknown. Pure. */
unsigned reach_method(const char *name);

#endif
