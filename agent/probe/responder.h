/*
 * responder.h - the UDP socket that answers echo requests of armed rounds,
 * and nothing else: no valid MAC, no packet.
 */
#ifndef MW_AGENT_RESPONDER_H
#define MW_AGENT_RESPONDER_H

#include "agent/probe/echo.h"
#include "common/loop.h"

struct responder;

/* If port is taken (or 0), the kernel chooses another one. */
bool responder_new(struct loop *l, uint16_t port, bool (*is_busy)(void *arg),
    void *arg, struct responder **out, struct mw_err *err) mw_must_check;
void responder_free(struct responder *r); /* NULL is fine */
uint16_t responder_port(const struct responder *r);

/* Answers the round from now on. The round before is answered for 2 s more;
 * an older one is forgotten. Takes key. */
void responder_arm(struct responder *r, struct echo_key *take_key,
    uint64_t round, uint32_t self, uint32_t n, uint32_t sweeps);
/* Ends the round after a grace of 2 s. */
void responder_disarm(struct responder *r, uint64_t round);

#endif
