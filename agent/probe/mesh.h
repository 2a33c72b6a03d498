/*
 * mesh.h - this agent's part in rounds of the latency matrix: a responder on
 * the echo port, and a prober that follows the schedule of echo.h.
 *
 * Times are the kernel's: transmit and receive stamps of the prober's socket,
 * minus the time that the frame spent in the responder. So replies need no
 * wake-up of their own; they are read at the next send, at the latest 25 ms
 * later.
 */
#ifndef MW_AGENT_MESH_H
#define MW_AGENT_MESH_H

#include "agent/probe/echo.h"
#include "common/loop.h"
#include "common/proto.h"

struct mesh;
struct pinger;

struct mesh_member {
	uint32_t ip; /* host byte order */
	uint16_t port;
	uint16_t ssh_port; /* 0: no TCP probe */
};

/* A checked "arm" message. */
struct mesh_arm {
	char round_id[64];
	uint8_t key[32];
	uint32_t self, n, sweeps;
	struct mesh_member *members; /* n */
	uint32_t *targets; /* indexes to probe; NULL: everybody */
	uint32_t ntargets;
	bool half; /* the ends of a pair take turns by sweep */
	int64_t window_ns, late_ns;
	int64_t extra_ns; /* for pairs that UDP does not reach; 0: none */
	uint64_t seed;
};

struct mesh_ops {
	/* The round ended by itself; row and its cells are borrowed. */
	void (*on_row)(void *arg, const struct proto_row *row);
	/* From arm until the round ends no exclusive job may start. */
	void (*on_hold)(void *arg, bool hold);
	/* An exclusive job runs: flag replies, send nothing. */
	bool (*is_busy)(void *arg);
};

/* Binds the responder; if port is taken (or 0) another one is. */
bool mesh_new(struct loop *l, uint16_t port, const struct mesh_ops *ops,
    void *arg, struct mesh **out, struct mw_err *err) mw_must_check;
void mesh_free(struct mesh *m); /* NULL is fine */
uint16_t mesh_port(const struct mesh *m);

/* For pairs that UDP does not reach; NULL is fine. Lives longer than m. */
void mesh_use_pinger(struct mesh *m, struct pinger *pinger);
/* Copies a. The round before, if any, is given up; its requests are answered
 * for 2 s more. */
void mesh_arm(struct mesh *m, const struct mesh_arm *a);
bool mesh_go(struct mesh *m, const char *round_id, int64_t delay_ns,
    struct mw_err *err) mw_must_check;
/* Before go: members whose agent is not armed. Another method than the echo
 * must not speak for them: they may run a benchmark. */
void mesh_absent(struct mesh *m, const char *round_id, const uint32_t *index,
    size_t n);
void mesh_disarm(struct mesh *m, const char *round_id);
/* A round is armed or under way. */
bool mesh_active(const struct mesh *m);

#endif
