/*
 * sim_int.h - inside of the simulator: the world's parts see each other here,
 * scenarios and main() do not.
 */
#ifndef MW_SIM_INT_H
#define MW_SIM_INT_H

#include "common/pure/alloc.h"
#include "common/pure/csp.h"
#include "common/pure/str.h"
#include "coordinator/store/store_db.h"
#include "tests/sim/sim.h"

#define SIM_LATE_S 300 /* what drivers promise */
#define SIM_VISIBLE_S 120
#define SIM_BEYOND_S 1500
#define SIM_HIDDEN_S 580 /* below SETTLE */
#define SIM_OPENS_MAX 100 /* starts in a row that find no database */
#define SIM_TOKEN_S 86400
#define SIM_DEAD_LISTED_S 3600
#define SIM_VMS 2048
#define SIM_PAGE 3 /* VMs on one page of a list */

struct ev {
	int64_t at;
	uint64_t order;
	enum sim_event kind;
	int epoch; /* of the process; -1: the world's */
	int64_t a, b;
	void *p;
	void (*fn)(struct sim *w, void *arg);
	bool silent; /* nobody hears the answer */
};

struct vm {
	char id[24], token[64];
	char slot_tag[24], gen_tag[24];
	int64_t slot, gen; /* 0: a stranger's */
	size_t conn;
	enum lc_class cls, next;
	int64_t born, died, visible, hidden, moves_at;
	int64_t ssh_at; /* its login works from then on */
	int64_t since; /* not explained by a row, 0: explained */
	int boot; /* number of this boot */
	int reboots, reboots_wished;
	bool live, listed;
	bool untagged;
	bool agent; /* is installed and runs */
	bool newer; /* than the database that was restored */
};

struct cloud {
	enum sim_class cls;
	char name[8]; /* of the connection */
	int64_t out_from, out_until;
	int64_t quota_until;
};

/* Committed rows, or a copy of them. */
struct rows {
	struct lc_mcis_row *mcis;
	size_t nmcis, mcis_cap;
	struct lc_slot_row *slots;
	size_t nslots, slots_cap;
	struct lc_inst_row *insts;
	size_t ninsts, insts_cap;
	struct lc_orphan *orphans;
	size_t norphans, orphans_cap;
	char (*running)[LC_ACTION_LEN]; /* actions */
	size_t nrunning, running_cap;
	int64_t next_mcis, next_slot;
	uint64_t commit; /* number of the last one */
};

struct txns {
	struct lc_txn **v;
	size_t n, cap;
};

struct force {
	int64_t n; /* chances until it happens, 0: not planned */
	enum csp_op op;
	int64_t for_ns; /* -1: random */
};

struct sim {
	struct sim_opt opt;
	struct rng rng, rng_user, rng_core; /* apart: a request left out does
					       not change the weather */
	struct cloud clouds[SIM_CONNS];
	size_t nconns;
	bool faults; /* random ones happen */
	bool dead; /* died in this turn: nothing it does counts any more */
	bool up, stopping;
	bool power; /* this death takes the page cache */
	int64_t after_ns; /* next start; -1: random, -2: when asked */
	int epoch, unopened; /* starts; in a row that found no database */
	int64_t now, wall, points, crash_at, wake_at, calm_at, rest_by;
	uint32_t p_full, p_eio, p_sync;
	enum csp_op op; /* of the call that is looked at */
	uint64_t order;
	struct ev *heap;
	size_t nheap, heap_cap;
	struct vm *vms;
	size_t nvms, vms_cap;
	struct rows rows, backup;
	struct arena *texts; /* of the rows */
	bool has_backup, restored;
	int lost_epoch; /* requests of processes up to it knew more */
	int asked_by; /* process of the request that is looked at */
	bool new_epoch; /* to be written before the next load */
	int64_t db_epoch;
	struct lc *lc;
	struct db *db;
	struct txns queue, doubt; /* waiting; handed to a group that died */
	bool group_due;
	int64_t temp_names; /* of files */
	uint64_t next_commit;
	int64_t commit_at; /* the last completion */
	int64_t next_action;
	size_t asked; /* for a reconcile after the faults ended */
	size_t step;
	struct force force[SIM_FAULTS];
	uint64_t calls[CSP_OP_COUNT], told[LC_EV_COUNT];
	struct sim_result res;
};

/* sim.c */
void sim_push(struct sim *w, struct ev e);
bool sim_chance(struct sim *w, enum sim_fault f);
int64_t sim_between_ms(struct sim *w, int64_t lo, int64_t hi);
/* The time of a fault that has just happened: up to hi ms, or as forced. */
int64_t sim_fault_ns(struct sim *w, enum sim_fault f, int64_t hi_ms);
void sim_hash(struct sim *w, uint64_t v);
void sim_calm(struct sim *w);

/* sim_proc.c: the process */
extern const char *const sim_csps[SIM_CLASSES];
void sim_boot(struct sim *w);
/* A place where the process may die. False: it is dead. */
bool sim_point(struct sim *w);
/* Ends what a death left half done. Called when no code of the process is on
 * the stack. */
void sim_bury(struct sim *w);
void sim_proc_event(struct sim *w, const struct ev *e);
void sim_ev_free(const struct ev *e);

/* sim_store.c: the store without its thread */
void sim_store_init(void);
bool sim_store_open(struct sim *w); /* loads w->lc */
void sim_store_submit(struct sim *w, struct lc_txn *take_txn);
void sim_store_group(struct sim *w);
void sim_store_close(struct sim *w); /* an orderly end */
void sim_store_down(struct sim *w); /* after a death */
void sim_store_free(struct sim *w);
void sim_txn_free(struct lc_txn *t);

/* sim_rows.c: what was acknowledged */
void rows_put(struct sim *w, const struct lc_row *r);
void rows_copy(struct rows *to, const struct rows *from);
void rows_free(struct rows *r);
struct lc_slot_row *rows_slot(const struct rows *r, int64_t slot);
struct lc_inst_row *rows_inst(const struct rows *r, int64_t slot, int64_t gen);
/* I4: the process has loaded exactly these. */
void rows_compare(struct sim *w);

/* sim_disk.c, sim_vfs.c: a page cache and a disk */
extern struct sim *sim_world; /* whose process uses it */
void vfs_init(void);
void heap_init(void); /* sim_heap.c; before anything of SQLite */
void vfs_begin(struct sim *w, bool fresh); /* of a run */
void vfs_power_loss(struct sim *w);
void vfs_backup(struct sim *w);
void vfs_restore(struct sim *w);
const struct db_io *vfs_io(void);
void vfs_set_wal_pages(int pages);
/* The database that make_new() made, without faults; for all runs but the
 * fresh ones. */
void vfs_keep_image(void);
size_t vfs_image(const unsigned char **p);
/* The file as the process reads it; NULL: there is none. */
const unsigned char *vfs_file(const char *name, size_t *n);
mw_noreturn void sim_store_die(struct db *db);

/* sim_vm.c, sim_cloud.c: clouds */
struct vm *cloud_born(struct sim *w, size_t conn, int64_t slot, int64_t gen,
    const char *token);
void cloud_event(struct sim *w, const struct ev *e);
void cloud_vm_goes(struct sim *w, struct vm *v, enum lc_class now,
    enum lc_class then, int64_t after);
void cloud_vm_gone(struct sim *w, struct vm *v);
bool cloud_shown(const struct sim *w, const struct vm *v);
struct vm *cloud_vm(struct sim *w, size_t conn, const char *id);
size_t cloud_live_of(const struct sim *w, int64_t slot);
/* Nobody of ours owns it: it is newer than the restored database. */
bool cloud_lost(const struct sim *w, const struct vm *v);
bool cloud_newer(const struct sim *w, int64_t slot, int64_t gen);
const char *cloud_native(const struct sim *w, const struct vm *v);
void cloud_send(struct sim *w, struct csp_req *take_req);
void cloud_apply(struct sim *w, const struct ev *e);
size_t cloud_of(const struct sim *w, const char *connection);

/* sim_agent.c: installations and agents */
void agent_install(struct sim *w, const struct lc_install *req);
void agent_event(struct sim *w, const struct ev *e);
void agent_back(struct sim *w); /* all say hello to a new process */
void agent_booted(struct sim *w, struct vm *v);

/* sim_user.c */
void user_step(struct sim *w);
void user_plan(struct sim *w); /* what else a random run does */

/* sim_verbs.c */
void verbs_answered(struct sim *w, const struct csp_answer *a);
void verbs_row(struct sim *w, const struct lc_inst_row *old,
    const struct lc_inst_row *new); /* old may be NULL */
void verbs_rebooted(struct sim *w, struct vm *v);
void verbs_go_on(struct sim *w);

/* sim_check.c */
void check_birth(struct sim *w, struct vm *v);
void check_terminate(struct sim *w, struct vm *v);
void check_rows(struct sim *w, const struct lc_inst_row *in); /* I8 */
void check_legal(struct sim *w);
void check_bounds(struct sim *w); /* I1, I8 after the faults */
bool check_settled(struct sim *w); /* true: all is as wished */
void check_rest(struct sim *w); /* names what is not */
void check_quiet_hour(struct sim *w); /* I9 */

#endif
