/*
 * actions_int.h - inside of the actions: actions.c and actions_api.c.
 */
#ifndef MW_COORDINATOR_ACTIONS_INT_H
#define MW_COORDINATOR_ACTIONS_INT_H

#include "coordinator/actions.h"
#include "coordinator/coord.h"

#define ACTION_KINDS_MAX 16

struct step {
	char *target, *step, *message;
	enum action_state state;
};

struct watch {
	void (*cb)(void *arg, enum action_state state);
	void *arg;
};

struct action {
	int64_t n;
	char id[ACTION_ID_LEN];
	char *kind, *target;
	enum action_state state;
	const char *outcome; /* static; NULL while it runs */
	int64_t done, failed, total, started, ended;
	char *error_code, *error, *hint;
	char *stored; /* steps as JSON text, once it has ended; or NULL */
	struct step *steps; /* while it runs */
	size_t nsteps, steps_cap;
	uint32_t *index; /* hash of target: 1 + place in steps; 0: empty */
	size_t nindex; /* a power of two */
	struct watch *watches;
	size_t nwatches, watches_cap;
	bool lifecycle, claimed;
	struct action *next; /* newest first */
};

/* A request that waits for the store, then for the end of an action. */
struct waiter {
	struct actions *a;
	struct httpd_req *req; /* NULL: the client left */
	char id[ACTION_ID_LEN];
	json_t *extra;
	int64_t wait_ns;
	bool durable, over;
	struct loop_timer *timer;
	struct waiter *next;
};

struct canceler {
	const char *kind;
	bool (*cancel)(void *arg, const char *id, struct mw_err *err);
	void *arg;
};

struct actions {
	struct coord *c;
	struct action *list;
	size_t n;
	int64_t next_n;
	struct waiter *waiters;
	struct canceler cancelers[ACTION_KINDS_MAX];
	size_t ncancelers;
};

const char *action_state_name(enum action_state s); /* "running" */
struct action *action_find(const struct actions *a, const char *id);
json_t *action_json(const struct action *x, bool steps);
/* actions_api.c: goes on as far as it can. */
void waiter_pump(struct waiter *w);
void waiters_free(struct actions *a);

#endif
