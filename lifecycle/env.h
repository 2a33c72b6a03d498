/*
 * env.h - all that lifecycle may ask of the world. Production binds it to
 * drivers, store, SSH and loop (coordinator/env_real.c), the simulator to
 * virtual ones.
 *
 * A request is answered later by the lc_on_*() function of lifecycle.h, never
 * from inside the request, exactly once, and in any order except commits,
 * which become durable in the order they were asked for.
 */
#ifndef MW_LIFECYCLE_ENV_H
#define MW_LIFECYCLE_ENV_H

#include "common/pure/arena.h"
#include "common/pure/csp.h"
#include "lifecycle/model.h"

enum lc_row_kind {
	LC_ROW_NS_PUT,
	LC_ROW_NS_DELETE,
	LC_ROW_MCIS_PUT,
	LC_ROW_MCIS_DELETE,
	LC_ROW_SLOT_PUT,
	LC_ROW_SLOT_DELETE, /* its generations stay: tokens never come back */
	LC_ROW_INST_PUT,
	LC_ROW_ACTION_PUT,
	LC_ROW_REGION_PUT, /* region_used: what the sweep lists */
	LC_ROW_NEXT_PUT, /* the next free mcis_id and slot_id */
	LC_ROW_EVENT,
	LC_ROW_ORPHAN_PUT,
	LC_ROW_ORPHAN_DELETE
};

enum lc_event_kind {
	LC_EV_DESIRED, /* somebody wishes something */
	LC_EV_INTENT, /* a generation was opened */
	LC_EV_ANSWER, /* a cloud's answer that is not OK */
	LC_EV_STATUS, /* a VM's status changed: from, to */
	LC_EV_GROUP, /* a group's status changed: from, to */
	LC_EV_DEADLINE,
	LC_EV_ADOPT,
	LC_EV_FENCE,
	LC_EV_ORPHAN, /* the sweep found a VM nobody explains */
	LC_EV_INSTALL, /* a step of the installation; to = step */
	LC_EV_INSTALL_FAILED,
	LC_EV_HOST_KEY, /* the host key is not the pinned one */
	LC_EV_EXTERNAL, /* changed by others */
	LC_EV_UNKNOWN, /* a native state that no table has; once a word */
	LC_EV_THROTTLED,
	LC_EV_ACTION_STEP, /* a member of an action moved: to = its status */
	LC_EV_ACTION_END,
	LC_EV_COUNT
};

struct lc_event {
	enum lc_event_kind kind;
	int64_t at; /* wall clock */
	const char *ns, *mcis, *vm_id; /* "" if it is about none */
	int64_t slot_id, gen;
	char action_id[LC_ACTION_LEN];
	char from[48], to[48];
	const char *actor, *native, *reason;
	const char *verb; /* pending action of the VM, "": none */
};

struct lc_orphan {
	char connection[LC_WORD_LEN], csp_id[LC_WORD_LEN];
	int64_t slot_id, gen;
	/* "quarantine" until "adopt", "terminate" or "ignore"; then "gone" */
	char decision[16];
	char actor[LC_ID_LEN]; /* who decided; "": the sweep */
	int64_t first_seen_at, seen_at;
	const char *native; /* state at the last look; NULL: unknown */
	const char *vm; /* "ns/mcis/vm" of its tags; NULL, "": none */
};

struct lc_row {
	enum lc_row_kind kind;
	union {
		char ns[LC_ID_LEN];
		struct lc_mcis_row mcis; /* DELETE: without texts */
		struct lc_slot_row slot; /* DELETE: slot_id counts */
		struct lc_inst_row inst;
		struct lc_action_row action;
		char connection[LC_WORD_LEN];
		struct {
			int64_t mcis_id, slot_id;
		} next;
		struct lc_event event;
		struct lc_orphan orphan;
	} u;
};

/* Rows to commit together, in this order; all texts live in the arena, also
 * those of the rows: who keeps a row longer copies it. The transaction goes back to lc_on_commit(), which frees it. */
struct lc_txn {
	uint64_t id; /* 1, 2, 3 ... in this process */
	struct arena *arena;
	struct lc_row *rows;
	size_t n, cap;
	int64_t *slots; /* that wait for it */
	size_t nslots, slots_cap;
};

/* *src with its texts copied into the arena; NULL becomes "". */
void lc_slot_row_copy(struct arena *a, struct lc_slot_row *dst,
    const struct lc_slot_row *src);
void lc_inst_row_copy(struct arena *a, struct lc_inst_row *dst,
    const struct lc_inst_row *src);
void lc_action_row_copy(struct arena *a, struct lc_action_row *dst,
    const struct lc_action_row *src);

/*
 * One attempt to bring the agent onto a VM: wait for sshd, check or learn the
 * host key, log in, probe, upload, enroll, start. All strings are borrowed for
 * the duration of the call. Every step may be repeated on the same VM.
 */
struct lc_install {
	uint64_t id; /* echoed */
	int64_t slot_id, gen;
	const char *ns, *mcis, *vm_id;
	const char *connection, *csp_id; /* e.g. for the console */
	const char *address; /* numeric */
	int64_t port;
	const char *const *users; /* to try, in this order */
	size_t nusers;
	const char *key_id; /* names the MCIS's private key */
	const char *pinned; /* OpenSSH line; NULL: learn it */
	int64_t deadline_ns; /* monotonic: the answer comes before */
};

struct lc_install_result {
	uint64_t id; /* of the request */
	bool ok;
	bool definite; /* trying again is of no use */
	const char *step; /* where it failed: waitSsh hostKey login probe
			     upload enroll start */
	const char *reason; /* for people, "" if ok */
	const char *host_key; /* seen OpenSSH line, or NULL */
	const char *trust; /* "console", "firstUse", or NULL */
	const char *user; /* that could log in, or NULL */
};

typedef void (
    *lc_sha256_fn)(void *ctx, const void *p, size_t n, uint8_t out[32]);

struct lc_env {
	void *ctx;
	int64_t (*mono_ns)(void *ctx);
	int64_t (*wall_ns)(void *ctx); /* display only */
	uint64_t (*rand64)(void *ctx);
	lc_sha256_fn sha256;
	/* False: there is no such connection (yet). */
	bool (*caps)(void *ctx, const char *connection, struct csp_caps *out);
	/* The cloud whose state words this connection speaks: "aws". */
	const char *(*csp_of)(void *ctx, const char *connection);
	/* Call lc_on_timer() then; only the last request counts. */
	void (*wake)(void *ctx, int64_t at_mono_ns);
	void (*commit)(void *ctx, struct lc_txn *take_txn);
	void (*csp)(void *ctx, struct csp_req *take_req);
	void (*install)(void *ctx, const struct lc_install *req);
};

#endif
