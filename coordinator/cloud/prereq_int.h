/*
 * prereq_int.h - inside of prereq: making (prereq.c), what groups let in
 * (prereq_rules.c), and ending (prereq_end.c).
 */
#ifndef MW_COORDINATOR_PREREQ_INT_H
#define MW_COORDINATOR_PREREQ_INT_H

#include "common/pure/csp.h"
#include "coordinator/cloud/prereq.h"

#define MEMBERS_MAX 50 /* rules of EC2's groups: 60 */
#define RULES_NS (2 * NS_PER_S) /* changes of addresses come in bursts */
#define STALE_TRIES 5

enum thing_state {
	THING_NEW, /* its row is not durable */
	THING_SAVING, /* its row is told that the cloud will be asked */
	THING_DOUBTED, /* the cloud is asked before the next create */
	THING_ASKED,
	THING_KNOWN,
	THING_ENDING, /* waits for its turn to be deleted */
	THING_DELETING, /* a delete is in flight */
	THING_FORGETTING /* gone; its row goes */
};

struct thing {
	struct prereq *p;
	struct prereq_row row;
	enum thing_state state;
	char csp_id[256]; /* what create takes; opaque */
	char network[256]; /* of a group */
	bool stale; /* the group's rules may have changed */
	uint64_t rules; /* hash of those that were asked for last */
	unsigned stale_tries, tries;
	bool unsure; /* an ensure may land yet: since then */
	int64_t unsure_ns;
	bool loaded; /* of an earlier process */
	int64_t due_ns; /* of the next delete */
	char error[256]; /* why it is not gone yet */
	struct thing *next;
};

struct need {
	struct csp_req *req;
	prereq_ready_fn ready;
	void *arg;
	struct thing *waits; /* for it */
	struct need *next;
};

struct prereq {
	struct coord *c;
	struct loop_timer *timer;
	int64_t wake_ns;
	struct thing *things; /* in the order of their making */
	struct need *needs;
	bool stopped;
};

const char *prereq_kind_name(enum prereq_kind k);
bool prereq_same(const struct prereq_row *a, const struct prereq_row *b);
struct thing *prereq_find(const struct prereq *p, const struct prereq_row *row);
void prereq_drop(struct thing *t);
struct csp_req *prereq_req(const struct thing *t, enum csp_op op);
/* Asks for it, as soon as its row says so; network: for a group. */
void prereq_ask(struct thing *t, const char *network);
struct lc_mcis *prereq_mcis(const struct prereq *p, const char *key_id);
/* A request that was given up may land so late. */
int64_t prereq_late_ns(const struct thing *t);
/* False: from where we come is not known. */
bool prereq_fill_rules(const struct thing *t, struct csp_req *q,
    struct mw_err *err) mw_must_check;
uint64_t prereq_rules_hash(const struct csp_req *q);
/* Rules that changed, as far as nobody is asking just now. */
void prereq_refresh(struct prereq *p);
void prereq_wake(struct prereq *p, int64_t at_ns);
/* Deletes what is ending and due. */
void prereq_ending(struct prereq *p);

#endif
