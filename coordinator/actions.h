/*
 * actions.h - long work as a resource: 202, /v1/actions/{id}, waiting for it.
 *
 * Every module makes its actions here; they are kept in the store and the
 * newest ACTIONS_KEEP of them in memory. Those of the lifecycle (create,
 * suspend, ...) are rows of its own transactions: only env_real.c puts them.
 * Steps live in memory while an action runs and are stored when it ends.
 */
#ifndef MW_COORDINATOR_ACTIONS_H
#define MW_COORDINATOR_ACTIONS_H

#include "common/httpd.h"
#include "coordinator/store/store.h"

#define ACTION_ID_LEN 24
#define ACTIONS_KEEP 2000

struct coord;
struct actions;
struct lc_action_row;

enum action_state {
	ACTION_PENDING,
	ACTION_RUNNING,
	ACTION_DONE,
	ACTION_FAILED,
	ACTION_CANCELED
};

/* Loads the newest ones. */
struct actions *actions_open(struct coord *c, struct mw_err *err) mw_must_check;
/* All modules have claimed what goes on: the other running ones end as failed,
 * "the coordinator was restarted". */
void actions_ready(struct actions *a);
void actions_free(struct actions *a);

/* A running action; its row is queued for the store. target: URL path. total:
 * members, 0: not known yet. */
void actions_new(struct actions *a, const char *kind, const char *target,
    int64_t total, char id[ACTION_ID_LEN]);
/* After a restart: this action goes on. False: it is not known or is over. */
bool actions_claim(struct actions *a, const char *id);
/* State of one member, by its name: the last word replaces the former one.
 * step and message may be NULL. */
void actions_step(struct actions *a, const char *id, const char *target,
    const char *step, enum action_state state, const char *message);
void actions_progress(struct actions *a, const char *id, int64_t done,
    int64_t total);
/* The end. outcome "ok", "partial", "failed"; err NULL: none. Ended ones stay
 * as they are. */
void actions_end(struct actions *a, const char *id, enum action_state state,
    const char *outcome, const struct mw_err *err);
/* How actions of a kind (a literal) are canceled; none: MW_UNSUPPORTED. */
void actions_on_cancel(struct actions *a, const char *kind,
    bool (*cancel)(void *arg, const char *id, struct mw_err *err), void *arg);
bool actions_cancel(struct actions *a, const char *id,
    struct mw_err *err) mw_must_check;
/* Calls cb once, when the action has ended (at the next turn of the loop if it
 * has already). False: there is no such action. */
bool actions_watch(struct actions *a, const char *id,
    void (*cb)(void *arg, enum action_state state), void *arg);

/* How many of those in memory are in each state. */
void actions_count(const struct actions *a, size_t n[ACTION_CANCELED + 1]);
/* The resource, or NULL. */
json_t *actions_json(const struct actions *a, const char *id);
/*
 * Answers with 202, Location and the resource, after everything submitted to
 * the store so far is durable, and with ?waitS=N after the action has ended or
 * N seconds have passed (200 if it has ended). extra: fields to add, or NULL.
 */
void actions_reply(struct actions *a, struct httpd_req *req, const char *id);
void actions_reply_with(struct actions *a, struct httpd_req *req,
    const char *id, json_t *take_extra);
/* GET /v1/actions, GET and DELETE /v1/actions/{id}. */
void actions_get_all(struct httpd_req *req, void *ctx);
void actions_get_one(struct httpd_req *req, void *ctx);
void actions_delete(struct httpd_req *req, void *ctx);

/* For env_real.c and api_mcis.c: a fresh id; a lifecycle action as its
 * transaction is submitted; the stored steps of one that ends, or NULL. */
void actions_reserve(struct actions *a, char id[ACTION_ID_LEN]);
void actions_put(struct actions *a, const struct lc_action_row *row);
char *actions_steps_text(const struct actions *a, const char *id);

#endif
