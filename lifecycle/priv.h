/*
 * priv.h - inside of the lifecycle room; nobody else includes it.
 *
 * How a turn works: an entry point of lifecycle.h changes models, marks them
 * dirty and kicks slots; lc_turn() runs one step of each kicked slot and hands
 * everything dirty to one transaction. A slot that is dirty or committing does
 * not step: its next call leaves only after its row is durable (rule R1).
 */
#ifndef MW_LIFECYCLE_PRIV_H
#define MW_LIFECYCLE_PRIV_H

#include "common/pure/alloc.h"
#include "common/pure/mutant.h"
#include "common/pure/str.h"
#include "lifecycle/lifecycle.h"

#define LC_FAILS_MAX 3 /* definite failures before a slot gives up */
#define LC_ABSENT_MIN 5 /* R5 */
#define LC_INSTALL_USERS 9
#define LC_UNKNOWN_MAX 64

enum {
	DIRTY_SLOT = 1,
	DIRTY_INST = 2
};

/* A connection that a generation used, ever: what the sweep lists. */
struct lc_conn {
	char name[LC_WORD_LEN];
	struct lc_conn *next;
	struct lc_slot *slots, *last; /* by slot_id; linked last */
	size_t nslots;
	size_t ncalls; /* of slots, in flight */
	int64_t *waiting; /* slots that want to call, first come first served */
	size_t nwaiting, waiting_at, waiting_cap;
	bool known; /* row committed or on its way */
	bool polling; /* a list is in flight */
	bool hurry; /* poll again at once */
	bool sweep; /* judge strangers in the next list */
	unsigned fails; /* lists that failed in a row */
	int64_t polled_ns, swept_ns; /* end of the last */
	int64_t settle_ns; /* as its slots were told, 0: not yet */
	int64_t wake_ns;
};

enum call_kind {
	CALL_NONE,
	CALL_CREATE,
	CALL_LIST, /* R4, R6: the VMs of one generation */
	CALL_CLEAR, /* R7: is anything left of the generations before? */
	CALL_VERB, /* suspend, resume, reboot */
	CALL_TERMINATE,
	CALL_GET,
	CALL_POLL, /* all VMs of a connection */
	CALL_ORPHAN, /* terminate of a VM that no row explains */
	CALL_KINDS
};

struct call {
	uint64_t id;
	enum call_kind kind;
	enum lc_verb verb;
	int64_t slot_id, gen;
	struct lc_conn *conn;
	size_t next_free;
	int64_t started_ns;
};

/* A VM that no row explains. */
#define LC_STRAY_VM_LEN 224
struct stray {
	struct lc_orphan o; /* its texts are these: */
	char native[LC_WORD_LEN], vm[LC_STRAY_VM_LEN];
	bool listed; /* in the list that is being read */
	unsigned absent;
	int64_t absent_ns;
};

/* A generation that this database opened before it was restored. */
struct known {
	int64_t slot_id, gen;
};

struct due {
	int64_t at_ns;
	int64_t slot_id; /* or */
	struct lc_conn *conn;
};

struct text;

struct lc_texts {
	struct text **buckets;
	size_t n, nbuckets; /* a power of two */
};

struct lc {
	struct lc_env env;
	struct lc_conf conf;
	int64_t boot_ns;
	bool started;
	char **ns;
	size_t nns, ns_cap;
	struct lc_mcis *mcis;
	struct lc_action *actions; /* running ones */
	struct lc_conn *conns;
	struct lc_slot **slots; /* by slot_id */
	size_t nslots, slots_cap;
	int64_t next_mcis, next_slot;
	bool next_dirty;
	struct lc_slot **kicked;
	size_t nkicked, kicked_at, kicked_cap; /* kicked_at: steps next */
	size_t nwaiting; /* over all connections */
	struct lc_slot **graves; /* dropped in this turn */
	size_t ngraves, graves_cap;
	struct lc_slot **dirty;
	size_t ndirty, dirty_cap;
	struct due *due; /* heap */
	size_t ndue, due_cap;
	int64_t woken_ns; /* what env->wake was asked for, 0: nothing */
	struct call *calls;
	size_t ncalls, calls_cap, free_call; /* 1 + index, 0: none is free */
	uint64_t next_call, next_txn, next_install;
	struct lc_txn *txn; /* being filled, or NULL */
	struct stray *strays; /* orphan.c */
	size_t nstrays, strays_cap;
	int64_t epoch, epoch_slot; /* of the last restore, 0: none */
	struct known *known; /* by slot_id, gen; of the epochs before */
	size_t nknown, known_cap;
	struct lc_texts texts;
	char *unknown[LC_UNKNOWN_MAX]; /* states that no table has */
	size_t nunknown;
};

/* text.c: *at becomes the text to, cut to size - 1 bytes; true if that changes
 * it. The rest takes texts of a whole row into the table, or gives them back. */
bool lc_text(struct lc *lc, const char **at, size_t size, const char *to);
void lc_slot_row_own(struct lc *lc, struct lc_slot_row *r);
void lc_inst_row_own(struct lc *lc, struct lc_inst_row *r);
void lc_action_row_own(struct lc *lc, struct lc_action_row *r);
void lc_slot_row_release(struct lc *lc, struct lc_slot_row *r);
void lc_inst_row_release(struct lc *lc, struct lc_inst_row *r);
void lc_action_row_release(struct lc *lc, struct lc_action_row *r);
void lc_texts_free(struct lc *lc);
uint32_t lc_hash(const char *s, size_t n);

/* core.c */
int64_t lc_now(const struct lc *lc);
void lc_turn(struct lc *lc);
/* As lc_turn(); the transaction that holds all changes so far, or 0. */
uint64_t lc_turn_txn(struct lc *lc);
void lc_kick(struct lc *lc, struct lc_slot *s);
void lc_dirty(struct lc *lc, struct lc_slot *s, unsigned what);
struct lc_row *lc_row(struct lc *lc, enum lc_row_kind kind);
struct lc_event *lc_event(struct lc *lc, enum lc_event_kind kind,
    const struct lc_mcis *m, const struct lc_slot *s, const char *reason);
void lc_wake(struct lc *lc, struct lc_slot *s, int64_t at_ns);
void lc_wake_conn(struct lc *lc, struct lc_conn *c, int64_t at_ns);

/* slots.c */
struct lc_conn *lc_conn_get(struct lc *lc, const char *name);
void lc_free_graves(struct lc *lc);
void lc_mcis_free(struct lc_mcis *m);
void lc_inst_put(struct lc *lc, const struct lc_slot *s); /* its row */
/* A place among the calls of its connection, or false: it waits for one. */
bool lc_room(struct lc *lc, struct lc_slot *s) mw_must_check;
void lc_admit(struct lc *lc); /* those for whom there is a place now */
void lc_attach(struct lc *lc, struct lc_slot *s);
void lc_detach(struct lc_slot *s);
int64_t lc_index(const char *vm_id); /* behind the last dash */
struct lc_slot *lc_slot_new(struct lc *lc, struct lc_mcis *m, const char *group,
    int64_t index);
void lc_slot_load(struct lc *lc, struct lc_mcis *m,
    const struct lc_slot_row *row);
/* Only when it is proved gone. */
void lc_slot_drop(struct lc *lc, struct lc_slot *s);
struct lc_mcis *lc_mcis_new(struct lc *lc, const struct lc_mcis_row *row);
void lc_mcis_drop(struct lc *lc, struct lc_mcis *m);

/* call.c */
void lc_call(struct lc *lc, enum call_kind kind, struct lc_slot *s,
    struct lc_conn *c, struct csp_req *take_req);
struct csp_req *lc_req(struct lc *lc, enum csp_op op, const struct lc_slot *s,
    const char *connection);

/* retry.c */
int64_t lc_backoff_ns(struct lc *lc, unsigned tries);
int64_t lc_settle_ns(struct lc *lc, const char *connection);
int64_t lc_deadline_ns(struct lc *lc, const struct lc_slot *s, enum lc_verb v);
void lc_verb_begin(struct lc *lc, struct lc_slot *s, enum lc_verb v);
void lc_verb_restart(struct lc *lc, struct lc_slot *s);
void lc_throttled(struct lc *lc, struct lc_slot *s, int64_t retry_after_ms);

/* fsm.c */
enum lc_move_event {
	MOVE_OPEN, /* a new generation */
	MOVE_MADE, /* its cloud id is known */
	MOVE_CLOSE, /* proved never made */
	MOVE_END, /* terminate it: not wanted, replaced or broken */
	MOVE_GONE, /* seen terminated, or absent for long enough */
	MOVE_COUNT
};
void lc_move(struct lc *lc, struct lc_slot *s, enum lc_move_event ev);
bool lc_move_legal(enum lc_phase from, enum lc_move_event ev);
enum lc_answer lc_verb_answer(enum lc_status s, bool exists, enum lc_verb v);
/* The phases, one by one; false after the last. */
bool lc_move_at(size_t i, enum lc_phase *from, enum lc_move_event *ev,
    enum lc_phase *to);

/* status.c */
/* True if a table has this word; words of unknown clouds are known. */
bool lc_word_known(const char *csp, const char *native);
/* All words, one by one: the clouds, what they say, its class; false after
 * the last. task: it is an OpenStack task_state. */
bool lc_word_at(size_t i, const char **csps, const char **native,
    enum lc_class *cls, bool *task);
enum lc_status lc_status_of(enum lc_class c, enum lc_verb v, bool ever_ran);
/* Tells once of a state that no table has. */
void lc_unknown(struct lc *lc, const struct lc_slot *s, const char *csp,
    const char *native);
/* Recomputes s->status, counts and events. */
void lc_refresh(struct lc *lc, struct lc_slot *s);
void lc_refresh_group(struct lc *lc, struct lc_mcis *m);

/* create.c */
void lc_token(const struct lc *lc, int64_t slot_id, int64_t gen,
    char out[LC_TOKEN_LEN]);
void lc_spec_sha256(const struct lc *lc, const struct lc_spec *spec,
    char out[65]);
void lc_open(struct lc *lc, struct lc_slot *s);
void lc_open_gen(struct lc *lc, struct lc_slot *s, int64_t gen,
    const char *connection);
void lc_step_creating(struct lc *lc, struct lc_slot *s);
void lc_on_create(struct lc *lc, struct lc_slot *s, const struct csp_answer *a);
void lc_on_list(struct lc *lc, struct lc_slot *s, const struct csp_answer *a);
void lc_ask_clear(struct lc *lc, struct lc_slot *s);
void lc_on_clear(struct lc *lc, struct lc_slot *s, const struct csp_answer *a);
void lc_adopt(struct lc *lc, struct lc_slot *s, const struct csp_vm *vm);
/* True if the VM carries our deployment's tags; slot_id and gen of them. */
bool lc_tags(const struct lc *lc, const struct csp_vm *vm, int64_t *slot_id,
    int64_t *gen) mw_must_check;

/* reconcile.c */
bool lc_wanted(const struct lc_slot *s);
void lc_unwant(struct lc *lc, struct lc_slot *s, bool drop);
void lc_step(struct lc *lc, struct lc_slot *s);
void lc_observe(struct lc *lc, struct lc_slot *s, const struct csp_vm *vm,
    int64_t started_ns);
void lc_absent(struct lc *lc, struct lc_slot *s, int64_t started_ns);
void lc_verb_end(struct lc *lc, struct lc_slot *s, bool ok, const char *reason);
void lc_on_verb(struct lc *lc, struct lc_slot *s, enum lc_verb verb,
    const struct csp_answer *a);
void lc_on_terminate(struct lc *lc, struct lc_slot *s,
    const struct csp_answer *a);
/* "CAPACITY: the cloud's words". */
void lc_answer_text(const struct csp_answer *a, char out[LC_TEXT_LEN]);
/* One more definite failure; gives up after enough of them. */
void lc_failed(struct lc *lc, struct lc_slot *s, const struct csp_answer *a,
    const char *reason);
void lc_give_up(struct lc *lc, struct lc_slot *s, const char *reason);

/* wish.c */
void lc_retry(struct lc *lc, struct lc_slot *s);

/* act.c */
bool lc_action_refuses(const struct lc *lc, const struct lc_action *a,
    struct mw_err *err);
/* Reconcile: looks at all members of a at once. */
void lc_look(struct lc *lc, struct lc_action *a);
/* The connection was looked at, by a call that began then. fault: why that
 * came to nothing, or NULL. */
void lc_looked(struct lc *lc, struct lc_conn *c, int64_t started_ns,
    const char *fault);
/* There is news of this slot alone. */
void lc_looked_at(struct lc *lc, struct lc_slot *s, int64_t started_ns,
    const char *fault);

/* poll.c: observation and rule R8 */
void lc_poll_due(struct lc *lc, struct lc_conn *c);
void lc_poll_soon(struct lc *lc, struct lc_conn *c);
void lc_on_poll(struct lc *lc, struct lc_conn *c, const struct csp_answer *a,
    int64_t started_ns);
void lc_on_get(struct lc *lc, struct lc_slot *s, const struct csp_answer *a,
    int64_t started_ns);

/* orphan.c: rule R8 */
/* True if no generation of that slot may be opened while this VM lives. */
bool lc_orphan(struct lc *lc, struct lc_conn *c, const struct csp_vm *vm,
    int64_t slot_id, int64_t gen);
void lc_orphan_seen(struct lc *lc, const struct lc_conn *c,
    const struct csp_vm *vm);
void lc_orphans_listed(struct lc *lc, const struct lc_conn *c);
int64_t lc_next_gen(const struct lc *lc, const struct lc_slot *s);
bool lc_restored(const struct lc *lc, const struct lc_slot *s);
bool lc_take_orphan(struct lc *lc, struct lc_slot *s);
/* True and an error: a VM of that name, which this database did not make, waits
 * for a decision; another one would be paid twice. m may be NULL. */
bool lc_orphan_blocks(const struct lc *lc, const struct lc_mcis *m,
    const char *ns, const char *mcis, const char *vm_id, struct mw_err *err);

/* install.c */
void lc_step_install(struct lc *lc, struct lc_slot *s);
/* There is nothing (more) to install: ready, or not wanted. */
bool lc_install_over(const struct lc *lc, const struct lc_inst_row *in);

/* action.c */
/* s, or a group, or both NULL: the whole MCIS. */
struct lc_action *lc_action_new(struct lc *lc, struct lc_mcis *m,
    struct lc_slot *s, const char *group, enum lc_act act,
    const struct lc_who *who);
/* Another action took what that one still had to do: its error says so. */
void lc_action_overtaken(struct lc *lc, struct lc_action *a, const char *what,
    enum lc_act by, const char *action_id);
void lc_action_add(struct lc *lc, struct lc_action *a, struct lc_slot *s);
void lc_action_seal(struct lc *lc, struct lc_action *a);
void lc_member(struct lc *lc, struct lc_slot *s, enum lc_member to,
    const char *reason);
void lc_member_check(struct lc *lc, struct lc_slot *s);
/* Ends what the action still waits for without a word about the slots. */
void lc_action_cancel(struct lc *lc, struct lc_action *a);
void lc_action_check(struct lc *lc, struct lc_action *a);
void lc_action_end(struct lc *lc, struct lc_action *a, enum lc_run_state state);

#endif
