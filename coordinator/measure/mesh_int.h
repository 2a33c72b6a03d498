/*
 * mesh_int.h - a matrix round as mesh.c and mesh_msg.c see it.
 */
#ifndef MW_COORDINATOR_MESH_INT_H
#define MW_COORDINATOR_MESH_INT_H

#include "coordinator/actions.h"
#include "coordinator/store/db_mesh.h"
#include "coordinator/measure/mesh.h"
#include "coordinator/measure/mesh_plan.h"
#include "lifecycle/lifecycle.h"

#define MESH_GO_DELAY_MS 200
#define MESH_LATE_MS 1000
#define MESH_SSH_PORT 22

enum round_state {
	ROUND_WAIT, /* for a benchmark to end */
	ROUND_ARM,
	ROUND_GO,
	ROUND_SAVE
};

struct member {
	int64_t slot, gen;
	char vm[LC_VM_ID_LEN];
	char ip[LC_ADDR_LEN];
	int64_t port, ssh_port;
	bool asked, armed, row;
	void (*done)(void *arg, bool ok); /* acknowledges its row */
	void *arg;
};

struct round {
	struct mesh *mesh;
	int64_t id, k, window_ms, seed;
	char name[24], ns[LC_ID_LEN], mcis[LC_ID_LEN];
	char action[ACTION_ID_LEN];
	uint8_t key[32];
	enum round_state state;
	int64_t deadline_ns, t0;
	struct member *members;
	size_t n, nrows;
	struct mesh_plan plan;
	struct matrix *m;
	struct db_known known; /* with this round, read in the same job */
	struct store_job job;
	struct round *next;
};

struct mesh {
	struct coord *c;
	struct round *rounds;
	struct mesh_budget *budget;
	int64_t next_id;
	struct loop_timer *tick;
};

/* Time for pairs that UDP does not reach. */
int64_t mesh_extra_ms(const struct round *r);
/* {"type":type,"roundId":..}: for disarm, and the head of the others. */
json_t *mesh_message(const struct round *r, const char *type);
/* The message for member i; members is made once by mesh_members_json(). */
json_t *mesh_arm_message(const struct round *r, size_t i, const char *key,
    json_t *members);
json_t *mesh_members_json(const struct round *r);
/* The indexes of members that are not armed. */
json_t *mesh_absent_json(const struct round *r);
json_t *mesh_go_message(const struct round *r, json_t *absent);

#endif
