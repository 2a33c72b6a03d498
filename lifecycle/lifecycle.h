/*
 * lifecycle.h - never lose a VM, never pay for two: the reconciler.
 *
 * Promises: the intent is committed before the cloud is called; only lc_move()
 * changes a phase; one pending action per VM; a VM's status is a function of
 * its native state and the pending action; terminate is always legal and
 * always ends; a restart goes on, adopts or takes back. Everything runs on the
 * caller's thread and nothing here blocks, reads a clock or draws a random
 * number on its own.
 *
 * Memory: pointers to MCIS, slots and actions are borrowed and hold until the
 * next call that changes anything (every function without const lc). Keep ids.
 */
#ifndef MW_LIFECYCLE_LIFECYCLE_H
#define MW_LIFECYCLE_LIFECYCLE_H

#include "common/pure/err.h"
#include "lifecycle/env.h"
#include "lifecycle/model.h"

struct lc;

struct lc_conf {
	char deployment[64]; /* uuid of this database */
	int64_t poll_ms; /* status poll while something is pending; 300 */
	int64_t quiet_ms; /* and when nothing is; 60,000 */
	int64_t sweep_s; /* 300 */
	int64_t create_s, power_s, reboot_s, terminate_s,
	    install_s; /* deadlines:
		600 600 300 900 300; create: 0 = the driver's */
	int64_t hello_s; /* wait for the agent after its start; 60 */
	int64_t stale_s; /* 900 */
	int64_t calls_max; /* of one connection in flight, but for lists; 16 */
	bool install; /* false: never install agents */
	bool replace_vanished; /* false: report, wait for reconcile */
};
void lc_conf_defaults(struct lc_conf *conf);

struct lc *lc_new(const struct lc_env *env, const struct lc_conf *conf);
void lc_free(struct lc *lc); /* NULL is fine; open requests are forgotten */

/* Boot: the rows of the store, parents first, then lc_start(). Strings are
 * copied. */
void lc_load_next(struct lc *lc, int64_t mcis_id, int64_t slot_id);
void lc_load_ns(struct lc *lc, const char *ns);
void lc_load_mcis(struct lc *lc, const struct lc_mcis_row *row);
void lc_load_slot(struct lc *lc, const struct lc_slot_row *row);
void lc_load_inst(struct lc *lc, const struct lc_inst_row *row); /* newest */
void lc_load_action(struct lc *lc,
    const struct lc_action_row *row); /* running */
void lc_load_region(struct lc *lc, const char *connection);
/* After a restore only: its epoch, the first slot_id of it, and the newest
 * generation of each slot in each epoch before, by slot_id and gen. The
 * generations of an epoch begin at epoch * LC_EPOCH_GENS + 1. */
#define LC_EPOCH_GENS 1000000
void lc_load_epoch(struct lc *lc, int64_t epoch, int64_t first_slot);
void lc_load_known(struct lc *lc, int64_t slot_id, int64_t gen);
void lc_load_orphan(struct lc *lc, const struct lc_orphan *o);
void lc_start(struct lc *lc);

/* Wishes ------------------------------------------------------------------ */

struct lc_wish_group {
	const char *name;
	int64_t count;
	struct lc_spec spec;
	const char *labels; /* JSON object text */
};

/* An MCIS file (docs/api.md), checked. */
struct lc_wish {
	const char *ns, *name, *description, *labels;
	bool require_agent;
	enum lc_policy policy;
	const struct lc_wish_group *groups; /* distinct names */
	size_t ngroups;
	bool replace_vanished; /* onVanish: replace, else report */
};

enum lc_answer {
	LC_GO, /* 202 */
	LC_JOIN, /* 202, the action that runs already */
	LC_NOOP, /* 200, nothing changes */
	LC_NO /* in plans only; else the call fails with MW_CONFLICT */
};

struct lc_plan_item {
	char vm_id[LC_VM_ID_LEN];
	const char *change; /* static: "create" "remove" "replace" "retry"
			       "keep", or the verb */
	enum lc_answer answer;
	char reason[LC_TEXT_LEN];
};

struct lc_reply {
	enum lc_answer answer;
	char action_id[LC_ACTION_LEN]; /* "" for NOOP and dry runs */
	uint64_t txn; /* answer the client when it is durable; 0: now */
	struct lc_plan_item *items;
	size_t n, cap;
	char revision[LC_SHA_LEN]; /* of lc_apply(): names this plan */
};
void lc_reply_free(struct lc_reply *r);

enum lc_flag {
	LC_DRY_RUN = 1 << 0, /* fill the plan, change nothing */
	LC_ALLOW_REMOVE = 1 << 1,
	LC_ALLOW_REPLACE = 1 << 2,
	LC_ONLY_NAMED = 1 << 3 /* lc_apply: groups that are not named stay */
};

/* Who asks, and the number under which it will be known if it is a GO. */
struct lc_who {
	const char *action_id; /* a fresh one */
	const char *actor;
	const char *target; /* URL path */
	const char *revision; /* of the plan he saw, or NULL: another one is
				 not carried out */
};

bool lc_ns_put(struct lc *lc, const char *ns, uint64_t *txn,
    struct mw_err *err) mw_must_check;
bool lc_ns_delete(struct lc *lc, const char *ns, uint64_t *txn,
    struct mw_err *err) mw_must_check;
bool lc_ns_exists(const struct lc *lc, const char *ns);
const char *lc_ns_at(const struct lc *lc, size_t i); /* NULL after the last */

/* Makes the MCIS what the file says. */
bool lc_apply(struct lc *lc, const struct lc_wish *wish, unsigned flags,
    const struct lc_who *who, struct lc_reply *out,
    struct mw_err *err) mw_must_check;
/* Verb on a group, or on one VM of it (vm_id not NULL). LC_A_DELETE: terminate
 * all, then forget the record. */
bool lc_do(struct lc *lc, struct lc_mcis *m, const char *vm_id, enum lc_act act,
    unsigned flags, const struct lc_who *who, struct lc_reply *out,
    struct mw_err *err) mw_must_check;
/* The same on the VMs of one group of it. */
bool lc_do_group(struct lc *lc, struct lc_mcis *m, const char *group,
    enum lc_act act, unsigned flags, const struct lc_who *who,
    struct lc_reply *out, struct mw_err *err) mw_must_check;
/* Makes groups that exist larger or smaller; each VM as those that are there.
 * Only name and count of groups are read. */
bool lc_scale(struct lc *lc, struct lc_mcis *m,
    const struct lc_wish_group *groups, size_t ngroups, unsigned flags,
    const struct lc_who *who, struct lc_reply *out,
    struct mw_err *err) mw_must_check;
/* Seconds until the last member of a running action has its deadline; -1:
 * nothing of it has one. */
int64_t lc_action_left_s(const struct lc *lc, const struct lc_action *a);
/* Cancels an action: no new calls; create takes back the slots it added. */
bool lc_abort(struct lc *lc, const char *action_id, uint64_t *txn,
    struct mw_err *err) mw_must_check;
/* Installs the agent (again) on one VM that runs. */
bool lc_reinstall(struct lc *lc, struct lc_slot *s,
    struct mw_err *err) mw_must_check;
/* Forgets the pinned host key: the next installation learns a new one. */
bool lc_accept_host_key(struct lc *lc, struct lc_slot *s, uint64_t *txn,
    struct mw_err *err) mw_must_check;

/* Answers of the world ---------------------------------------------------- */

void lc_on_timer(struct lc *lc);
void lc_on_commit(struct lc *lc, struct lc_txn *take_txn); /* durable */
void lc_on_csp(struct lc *lc, const struct csp_answer *a);
void lc_on_install_step(struct lc *lc, uint64_t id, const char *step);
/* First use of a host key during an installation: pins it. False: another one
 * is pinned, or the request is over. */
bool lc_on_host_key(struct lc *lc, uint64_t id, const char *line,
    const char *trust) mw_must_check;
void lc_on_install(struct lc *lc, const struct lc_install_result *r);
/* The agent of this generation said hello. */
void lc_on_agent(struct lc *lc, int64_t slot_id, int64_t gen,
    const char *boot_id);
/* The agent of this generation was taken away: it stays away until the next
 * lc_reinstall, also over a restart. */
void lc_on_uninstall(struct lc *lc, int64_t slot_id, int64_t gen);
/* A connection appeared or changed its capabilities. */
void lc_on_connection(struct lc *lc, const char *connection);

/* Looking ----------------------------------------------------------------- */

struct lc_mcis *lc_mcis_first(const struct lc *lc); /* then m->next */
struct lc_mcis *lc_mcis_find(const struct lc *lc, const char *ns,
    const char *name);
struct lc_slot *lc_vm_find(const struct lc_mcis *m, const char *vm_id);
struct lc_slot *lc_slot_find(const struct lc *lc, int64_t slot_id);
struct lc_action *lc_action_find(const struct lc *lc, const char *action_id);
/* VMs that a connection holds or may hold: it must not be deleted. */
size_t lc_connection_vms(const struct lc *lc, const char *connection);
/* True if nothing is under way or due (only quiet polls and the sweep). */
bool lc_at_rest(const struct lc *lc);

/* Where a pending verb leads and what ends it; NULL for LC_V_NONE. */
struct lc_way {
	enum lc_status during, done;
	const char *setting; /* its deadline */
	const char *expired; /* what is when it passes, for people */
};
const struct lc_way *lc_verb_way(enum lc_verb v);

/* Group status, e.g. "Partial-Running-(7/10)" (deck) or
 * "Partial-Running:7 (R:7/10)" (tumblebug). */
#define LC_GROUP_LEN 48
void lc_group_deck(const int64_t counts[LC_STATUS_COUNT],
    char out[LC_GROUP_LEN]);
void lc_group_tumblebug(const int64_t counts[LC_STATUS_COUNT],
    char out[LC_GROUP_LEN]);

/* VMs with our tag that no row explains; texts are borrowed. */
size_t lc_orphan_count(const struct lc *lc);
void lc_orphan_at(const struct lc *lc, size_t i, struct lc_orphan *out);
/* What becomes of one: "adopt" (its slot takes it, if it lacks a VM),
 * "terminate" or "ignore". connection may be NULL if the id is unique. */
bool lc_decide(struct lc *lc, const char *connection, const char *csp_id,
    const char *decision, const char *actor, uint64_t *txn,
    struct mw_err *err) mw_must_check;

/* The name of what belongs to an MCIS in clouds: key, group, network. Numbers
 * count from 1; so who has no database can tell whose such a name is. */
void lc_key_name(const char *deployment, int64_t mcis_id, lc_sha256_fn sha256,
    void *ctx, char out[LC_ID_LEN]);
/* What a native state of that cloud means; unknown words: LC_C_KEEP. */
enum lc_class lc_class_of(const char *csp, const char *native);

/* What is billed by what the cloud says: 1, 0, or -1 = unknown. */
struct lc_billed {
	int compute, disk, ip;
	const char *reason; /* static; NULL if all three are known */
};
/* A stopped machine's rule: compute as above. */
struct lc_bill {
	const char *csp, *native;
	int compute;
	const char *reason;
};
const struct lc_bill *lc_bill_at(size_t i); /* NULL after the last */
void lc_billed_of(const char *csp, const struct lc_slot *s,
    struct lc_billed *out);

#endif
