/*
 * msg.h - messages of the coordinator (docs/link.md) as checked values: enums,
 * bounded integers, numeric addresses. Never command text, paths or URLs.
 * Fields that we do not know are ignored, so that a newer coordinator can
 * talk to an older agent.
 */
#ifndef MW_AGENT_MSG_H
#define MW_AGENT_MSG_H

#include "agent/probe/mesh.h"
#include "agent/probe/rtt.h"

enum msg_type {
	MSG_WELCOME,
	MSG_ACK,
	MSG_BENCH,
	MSG_RTT,
	MSG_CANCEL,
	MSG_ARM,
	MSG_GO,
	MSG_DISARM,
	MSG_CERT,
	MSG_BYE
};

struct msg {
	enum msg_type type;
	char id[64]; /* job or round; welcome: agent; ack: spool id */
	int64_t ttl_ms, not_before_ms; /* welcome */
	uint64_t seq; /* ack */
	unsigned kinds; /* bench */
	char run_id[64], profile[16];
	uint64_t seed;
	int64_t deadline_ms; /* bench, rtt */
	struct rtt_target *targets; /* rtt */
	size_t ntargets;
	int64_t count, gap_ms, timeout_ms;
	struct mesh_arm arm;
	int64_t delay_ms; /* go */
	uint32_t *absent; /* go: members without an armed agent */
	size_t nabsent;
	char *cert, *ca; /* PEM */
	char code[32], message[200]; /* bye */
	int64_t reconnect_after_ms;
};

/*
 * False: nothing is owned. If the message was a job with a readable id, m->id
 * holds it (else ""), so that the job can be answered instead of the link
 * being closed.
 */
bool msg_parse(const char *p, size_t n, struct msg *m,
    struct mw_err *err) mw_must_check;
void msg_free(struct msg *m);

#endif
