/*
 * model.h - what lifecycle knows: namespaces, MCIS, slots, generations,
 * actions. The *_row structs are exactly what the store keeps; the structs
 * around them add what is learnt again after a start.
 *
 * A slot is a VM that somebody wants, (mcis, group, index). A generation is
 * one attempt to have it; its number is never reused and at most one of a
 * slot's generations is not DEAD.
 *
 * Texts of slots, generations and actions are never NULL, as long as the
 * lengths above say, and shared (lifecycle/text.c): only lifecycle/ writes
 * them, and who keeps a row copies it (lc_inst_row_copy() and its like).
 * Readers outside lifecycle/ may look at every
 * field and write none. Times named *_at are wall-clock ns for display, times
 * named *_ns are monotonic and decide.
 */
#ifndef MW_LIFECYCLE_MODEL_H
#define MW_LIFECYCLE_MODEL_H

#include "common/pure/csp.h"
#include "common/pure/ids.h"
#include "common/pure/mw.h"

#define LC_ID_LEN (ID_MAX + 1)
#define LC_VM_ID_LEN 80 /* "{group}-{index}" */
#define LC_WORD_LEN 128 /* names that clouds give */
#define LC_ADDR_LEN 48
#define LC_KEY_LEN 1024 /* an OpenSSH public key line */
#define LC_TEXT_LEN 200 /* reasons */
#define LC_TOKEN_LEN 53 /* base32 of 32 bytes and the NUL */
#define LC_ACTION_LEN 24 /* "ac-123" */
#define LC_SHA_LEN 65
#define LC_TRUST_LEN 16
#define LC_STEP_LEN 32
#define LC_TARGET_LEN 256
#define LC_LABELS_LEN (1 << 20)
#define LC_COUNT_MAX 1000 /* VMs of one group */
#define LC_GROUPS_MAX 1000

enum lc_status {
	LC_CREATING,
	LC_RUNNING,
	LC_SUSPENDING,
	LC_SUSPENDED,
	LC_RESUMING,
	LC_REBOOTING,
	LC_TERMINATING,
	LC_TERMINATED,
	LC_FAILED,
	LC_UNDEFINED,
	LC_STATUS_COUNT
};

/* What a native state means (lifecycle/status.c, one table per cloud). */
enum lc_class {
	LC_C_KEEP, /* no opinion: the last known state stays */
	LC_C_BOOT,
	LC_C_RUN,
	LC_C_STOPPING,
	LC_C_STOPPED,
	LC_C_REBOOT,
	LC_C_DELETING,
	LC_C_GONE,
	LC_C_ERROR,
	LC_C_COUNT
};

/* The pending action of one VM. */
enum lc_verb {
	LC_V_NONE,
	LC_V_CREATE,
	LC_V_SUSPEND,
	LC_V_RESUME,
	LC_V_REBOOT,
	LC_V_TERMINATE,
	LC_V_COUNT
};

enum lc_phase {
	LC_P_NONE,
	LC_P_CREATING, /* the intent is open: a create may be out there */
	LC_P_RUNNING, /* a cloud id is known */
	LC_P_TERMINATING,
	LC_P_DEAD, /* proved gone, or proved never made */
	LC_P_COUNT
};

enum lc_policy { /* onPartialFailure */
	LC_CONTINUE,
	LC_ROLLBACK,
	LC_REFINE,
	LC_POLICY_COUNT
};

/* What a whole group, or one VM of it, is asked to do. */
enum lc_act {
	LC_A_CREATE, /* also scale */
	LC_A_SUSPEND,
	LC_A_RESUME,
	LC_A_REBOOT,
	LC_A_TERMINATE,
	LC_A_RECONCILE,
	LC_A_REFINE,
	LC_A_DELETE,
	LC_A_COUNT
};

enum lc_member { /* a slot's part in its action */
	LC_M_NONE,
	LC_M_RUNNING,
	LC_M_DONE,
	LC_M_FAILED
};

enum lc_install_state {
	LC_I_NONE,
	LC_I_RUNNING,
	LC_I_READY,
	LC_I_FAILED
};

enum lc_run_state { /* of an action */
	LC_R_RUNNING,
	LC_R_DONE,
	LC_R_FAILED,
	LC_R_CANCELED
};

/* What makes a VM another VM: a change of it needs a new generation. */
struct lc_spec {
	char connection[LC_WORD_LEN];
	char spec[LC_WORD_LEN], image[LC_WORD_LEN], zone[LC_WORD_LEN];
};

/* The same of a slot. */
struct lc_spec_row {
	const char *connection, *spec, *image, *zone;
};

struct lc_mcis_row {
	int64_t mcis_id; /* never reused */
	char ns[LC_ID_LEN], name[LC_ID_LEN];
	const char *description; /* never NULL */
	const char *labels; /* JSON object, never NULL */
	bool require_agent;
	enum lc_policy policy;
	bool replace_vanished; /* onVanish: replace, else report */
	bool forget; /* drop the record once all is proved gone */
	char key_id[LC_ID_LEN]; /* names the SSH key pair of this MCIS */
	int64_t created_at;
};

struct lc_slot_row {
	int64_t slot_id, mcis_id;
	const char *group;
	int64_t index; /* from 1 */
	bool desired;
	bool drop; /* forget this slot once it is proved gone */
	bool added; /* by action_id: abort and rollback take it away */
	struct lc_spec_row spec;
	const char *spec_sha256;
	const char *labels; /* JSON object */
	int64_t gen; /* newest generation, 0: none yet */
	int64_t fails; /* definite failures in a row */
	bool gave_up; /* Failed until somebody asks again */
	bool replace; /* end this generation, then make a new one */
	const char *reason; /* why it failed, "" if it did not */
	char action_id[LC_ACTION_LEN]; /* the last action that moved it */
	enum lc_member member;
};

struct lc_inst_row {
	int64_t slot_id, gen;
	enum lc_phase phase;
	const char *connection; /* where it was created */
	char token[LC_TOKEN_LEN];
	const char *csp_id;
	bool attempted; /* a create of this generation may have left */
	bool unresolved; /* an attempt ended AMBIGUOUS */
	enum lc_verb verb;
	bool verb_sent;
	bool ever_ran;
	const char *native;
	enum lc_class cls;
	const char *public_ip, *private_ip;
	const char *zone;
	const char *ssh_user; /* proved by a login, else "" */
	int64_t ssh_port;
	const char *host_key; /* pinned OpenSSH line, "" until known */
	const char *host_key_trust; /* "console", "firstUse", "accepted" */
	const char *host_id; /* VMs that share hardware, "" = own */
	int64_t host_slots, host_need;
	enum lc_install_state install;
	const char *install_step, *install_error;
	const char *last_error;
	enum lc_status status;
	int64_t status_at;
};

struct lc_action_row {
	char action_id[LC_ACTION_LEN];
	enum lc_act act;
	int64_t mcis_id;
	int64_t slot_id; /* 0: the whole MCIS, -1: one group of it */
	const char *target; /* URL path */
	const char *actor;
	enum lc_policy policy;
	bool undo; /* create failed in part: taking back what it made */
	bool canceled; /* somebody aborted it */
	enum lc_run_state state;
	int64_t done, failed, total;
	const char *error; /* the first failure */
	int64_t started_at, ended_at;
};

struct lc_conn;
struct lc_mcis;

struct lc_slot {
	struct lc_slot_row row;
	struct lc_inst_row inst; /* newest generation; phase NONE if none */
	struct lc_mcis *mcis;
	struct lc_slot *next, **link; /* of the same MCIS: by group, index */
	struct lc_slot *id_next; /* with a vm_id of the same hash */
	const char *vm_id;
	enum lc_status status; /* as the world is told */
	const char *status_reason;
	const char *ssh_user_hint; /* what the cloud says */
	const char *boot_id; /* of the last agent hello */
	bool reboot_confirmed;

	/* below: the protocol's own */
	struct lc_conn *conn; /* of the newest generation */
	struct lc_slot *conn_next, **conn_link; /* of that connection */
	uint64_t committing; /* transaction that must be durable first */
	unsigned dirty; /* rows that changed since the last one */
	bool kicked; /* waits for its next step */
	bool dropped; /* freed at the end of the turn */
	bool busy; /* a call of this slot is in flight */
	bool waiting; /* for a place among the calls of its connection */
	bool called; /* and its turn has come */
	bool getting; /* a vm_get of this slot is in flight */
	bool looking; /* its reconcile waits for news of it */
	bool closing; /* R9: ends after SETTLE and an empty list */
	bool accepted; /* the pending verb was accepted in this process */
	bool deleting_seen; /* DELETING observed after our terminate */
	bool end_missed; /* the last terminate found no VM */
	unsigned absent_late; /* of them after SETTLE */
	bool clear; /* listed: nothing is left of older generations */
	bool list_now; /* R6: list by tag and adopt, without waiting */
	bool overdue; /* terminate takes longer than its deadline */
	bool stale; /* no trusted observation for long */
	bool send_now; /* reboot: its sent mark is on its way to disk */
	bool listed; /* seen by the list that is being read */
	bool installing; /* a request to env->install is open */
	bool agent_up; /* said hello in this process */
	bool clear_boot; /* clear_ns counts from the start of the process */
	uint64_t install_id;
	unsigned tries, install_tries, absent;
	int64_t absent_ns; /* first of the NOT_FOUNDs in a row */
	int64_t absent_last_ns;
	int64_t last_try_ns; /* last create of this process, -1: none */
	int64_t unresolved_ns; /* when, or the start of the process */
	int64_t retry_ns; /* no call before */
	int64_t stop_until_ns; /* until then a suspend may be on its way */
	int64_t
	    clear_ns; /* no new generation before: the old one may end yet */
	int64_t answered_ns; /* older observations are stale */
	int64_t begun_ns; /* when the pending verb began */
	int64_t deadline_ns; /* of the pending verb, 0: none */
	int64_t install_ns, install_retry_ns; /* begun; not before */
	int64_t seen_ns; /* last trusted observation */
	int64_t wake_ns; /* entry in the timer heap, 0: none */
};

struct lc_mcis {
	struct lc_mcis_row row;
	struct lc_mcis *next; /* by ns, name */
	struct lc_slot *slots; /* by group, index */
	struct lc_slot *last; /* linked last: the next one is often behind it */
	struct lc_slot **ids; /* hash table of vm_id */
	size_t nslots, nids;
	int64_t counts[LC_STATUS_COUNT];
	int64_t told[LC_STATUS_COUNT]; /* counts that status was made of */
	struct lc_action *action; /* the running group action, or NULL */
	bool dirty;
	char status[48]; /* last group status that was told */
};

struct lc_action {
	struct lc_action_row row;
	int64_t look_ns; /* reconcile: what is older is not enough */
	struct lc_action *next;
	struct lc_mcis *mcis;
	bool dirty;
};

const char *lc_status_name(enum lc_status s); /* "Running" */
const char *lc_class_name(enum lc_class c); /* "RUN" */
const char *lc_verb_name(enum lc_verb v); /* "suspend"; "" for none */
const char *lc_act_name(enum lc_act a); /* "suspend" */
const char *lc_policy_name(enum lc_policy p); /* "continue" */
const char *lc_install_state_name(enum lc_install_state s); /* "ready" */
bool lc_act_parse(const char *name, enum lc_act *out) mw_must_check;
bool lc_policy_parse(const char *name, enum lc_policy *out) mw_must_check;

#endif
