/*
 * icmp.h - ICMP echo over a datagram socket (IPPROTO_ICMP): no privilege, but
 * the kernel's net.ipv4.ping_group_range must allow our group. Frames are pure;
 * the prober around them works like prober.c: kernel stamps, no wake-up for a
 * reply.
 */
#ifndef MW_AGENT_ICMP_H
#define MW_AGENT_ICMP_H

#include "agent/probe/sample.h"

#define ICMP_BYTES 64 /* of the message, RFC 792; 84 with the IPv4 header */

/* Our echo messages: a random cookie names the run, index the probe. */
struct icmp_echo {
	bool reply;
	uint64_t cookie;
	uint32_t index;
};

void icmp_build(const struct icmp_echo *e, uint8_t out[ICMP_BYTES]);
/* An echo request or reply as icmp_build() makes it; what the kernel sets
 * (checksum, identifier) is not looked at. */
bool icmp_parse(const uint8_t *p, size_t n, struct icmp_echo *e) mw_must_check;

struct icmp;

/* MW_DENIED: the kernel does not permit such sockets to us. */
bool icmp_start(const struct sample_conf *conf, struct icmp **out,
    struct mw_err *err) mw_must_check;
void icmp_free(struct icmp *x); /* NULL is fine; no callback follows */

#endif
