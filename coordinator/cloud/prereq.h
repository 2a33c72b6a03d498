/*
 * prereq.h - what a VM needs in its cloud before it can be made: a network, a
 * security group and the SSH key of its MCIS; and the end of these.
 *
 * Promises: the row of a thing is durable before the cloud is asked for it, so
 * nothing is made that nobody remembers; names and tags are derived from the
 * deployment and the MCIS's key, so asking again makes no second one. When the
 * MCIS is forgotten its things are marked as ending in the same transaction;
 * they are deleted in order (group and key, then network), again and again
 * until the cloud says they are gone, also over restarts. A row also tells
 * whether an answer is owed: only then a process that starts has to wait for
 * what may land late. A group lets in SSH from the coordinator and the echo
 * port from the MCIS's other VMs, and follows when addresses change; nothing
 * is made as long as it is not known from where SSH would come.
 *
 * Everything runs on the loop.
 */
#ifndef MW_COORDINATOR_PREREQ_H
#define MW_COORDINATOR_PREREQ_H

#include "coordinator/coord.h"
#include "coordinator/store/db_prereq.h"

#define ECHO_PORT 7472 /* udp, where agents answer probes */

struct csp_answer;
struct csp_req;
struct prereq;

struct prereq *prereq_new(struct coord *c, struct mw_err *err) mw_must_check;
/* Goes on with what was ending. The lifecycle must be loaded. */
void prereq_start(struct prereq *p);
/* No call leaves any more; what waits is forgotten. */
void prereq_stop(struct prereq *p);
void prereq_free(struct prereq *p);

/* why: the answer that stands in the way (borrowed), or NULL: the request is
 * complete and may be sent. The callee takes the request. */
typedef void (*prereq_ready_fn)(struct csp_req *take_create,
    const struct csp_answer *why, const char *message, void *arg);
/* Asks for what is missing and completes the create. ready() may be called
 * from inside. */
void prereq_need(struct prereq *p, struct csp_req *take_create,
    prereq_ready_fn ready, void *arg);
/* A create was refused as invalid: somebody may have deleted our things. They
 * are asked for again before the next create. */
void prereq_doubt(struct prereq *p);
/* The MCIS with that key is forgotten, durably. */
void prereq_end(struct prereq *p, const char *key_id);
/* Addresses of this MCIS's VMs changed. */
void prereq_members(struct prereq *p, const char *key_id);
/* We reach the clouds of that connection from another address, or it says
 * otherwise from where SSH comes. */
void prereq_moved(struct prereq *p, const char *connection);

/* Things that may be in that cloud: its connection must stay. */
size_t prereq_count(const struct prereq *p, const char *connection);
/* Each thing, for the API; NULL after the last. ending: with the last error. */
const struct prereq_row *prereq_at(const struct prereq *p, size_t i,
    const char **last_error);

#endif
