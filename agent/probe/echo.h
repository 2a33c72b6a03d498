/*
 * echo.h - the 72-byte UDP echo frame, its MAC, who may be answered, and the
 * order of probes in a round of the latency matrix. No sockets here.
 *
 * Frame, big-endian; request and reply have the same size:
 *	0 "MWE1" | 4 u8 version | 5 u8 type | 6 u16 flags | 8 u32 src
 *	12 u32 dst | 16 u64 round | 24 u32 seq | 28 u32 0 | 32 i64 t1
 *	40 i64 t2 | 48 i64 t3 | 56 first 16 bytes of HMAC-SHA256(key, 0..55)
 * A reply keeps src and dst of its request; seq is the number of the sweep.
 */
#ifndef MW_AGENT_ECHO_H
#define MW_AGENT_ECHO_H

#include "common/pure/mw.h"

#define ECHO_BYTES 72
#define ECHO_SWEEPS_MAX 32
#define ECHO_MEMBERS_MAX 1000

enum echo_type {
	ECHO_REQUEST = 1,
	ECHO_REPLY = 2
};

enum {
	ECHO_F_BUSY = 1 /* the responder measures something exclusive */
};

struct echo_frame {
	enum echo_type type;
	uint16_t flags;
	uint32_t src, dst; /* indexes of the member list */
	uint64_t round;
	uint32_t seq;
	int64_t t1, t2, t3; /* wall ns: sent; received and answered */
};

/* A round key with its two hash states, so that a MAC allocates nothing. */
struct echo_key;

struct echo_key *echo_key_new(const uint8_t key[32]);
void echo_key_free(struct echo_key *k); /* NULL is fine; wipes */
void echo_seal(const struct echo_key *k, const struct echo_frame *f,
    uint8_t out[ECHO_BYTES]);
/* False: wrong length, magic, version, type, reserved bytes. No MAC check. */
bool echo_parse(const uint8_t *p, size_t n, struct echo_frame *f) mw_must_check;
bool echo_authentic(const struct echo_key *k,
    const uint8_t p[ECHO_BYTES]) mw_must_check;

/* Number that stands for a round's name in frames. */
uint64_t echo_round_number(const char *round_id);

/* What a responder remembers of a round: each (src, seq) is answered once, so
 * a captured request makes at most one packet of the same size. */
struct echo_gate {
	uint64_t round;
	uint32_t self, n, sweeps;
	uint32_t *seen; /* n bit sets of sweeps */
};

void echo_gate_init(struct echo_gate *g, uint64_t round, uint32_t self,
    uint32_t n, uint32_t sweeps);
void echo_gate_free(struct echo_gate *g);
/* A parsed request for us, of this round, never seen before: true once. Call
 * after echo_authentic(). */
bool echo_gate_pass(struct echo_gate *g,
    const struct echo_frame *f) mw_must_check;

/*
 * The schedule: in step i of a sweep the member m probes (m + r) mod n, with
 * r = perm[i], the same for all members: everyone sends one and receives one.
 */
struct echo_plan {
	uint32_t n, sweeps;
	uint64_t seed;
	int64_t window_ns;
};

/* Half rounds: who of a pair probes in that sweep; the other one does in the
 * next. */
bool echo_initiates(uint32_t self, uint32_t dst, uint32_t sweep) mw_must_check;
/* perm has n - 1 elements. */
void echo_perm(const struct echo_plan *p, uint32_t sweep, uint32_t *perm);
/* When step number i (0 .. sweeps * (n - 1) - 1) of a member is due, in ns
 * after the start of the round. */
int64_t echo_due_ns(const struct echo_plan *p, uint32_t self, uint32_t i);

#endif
