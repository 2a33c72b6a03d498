/*
 * sim.h - the world around the lifecycle: clouds, a disk, agents, users and a
 * process that dies, in virtual time, from one seed.
 *
 * Real are the lifecycle core, store_db.c, db_lifecycle.c and SQLite. The
 * world replaces what they stand on: struct lc_env, the file system (struct
 * db_io and an SQLite VFS) and the store's thread. One world at a time: SQLite
 * and the VFS are the process's. docs/simulator.md tells what is simulated
 * how; sim_int.h is for the files of the simulator itself.
 *
 * A run is sim_run(), or, step by step: sim_new(), things planned with
 * sim_at(), sim_go() until a time, looks and expectations, sim_end(),
 * sim_free(). The same options give the same run, event by event.
 *
 * Times are ns of the virtual monotonic clock, which begins at 0.
 */
#ifndef MW_SIM_H
#define MW_SIM_H

#include "common/pure/rng.h"
#include "lifecycle/lifecycle.h"

#include <stdio.h>

#define SIM_CONNS 3
#define SIM_REST_NS (12000 * NS_PER_S) /* I10 */
#define SIM_EVENTS_MAX 60000 /* liveness bound of a run */

/* What a cloud promises. */
enum sim_class {
	SIM_T, /* idempotency tokens; the dead stay listed for an hour */
	SIM_N, /* unique names */
	SIM_L, /* neither */
	SIM_G, /* tokens; no word for deleting */
	SIM_CLASSES
};

/*
 * What can go wrong. Each chance of a fault draws one random number whether or
 * not its kind is on, so that switching kinds off changes little else. Rates
 * are in sim_faults[].
 */
enum sim_fault {
	/* a call */
	SIM_F_LOST, /* the request never arrives: AMBIGUOUS */
	SIM_F_THROTTLE, /* not applied */
	SIM_F_ANSWER_LOST, /* applied, AMBIGUOUS */
	SIM_F_OUTAGE, /* all are lost, or late, for up to 1,500 s */
	SIM_F_LATE, /* given up: AMBIGUOUS; applied up to 300 s later */
	SIM_F_DEFINITE, /* a create is refused, three times of four for a
			   reason that may pass */
	SIM_F_QUOTA, /* the quota is taken by somebody else for a while */
	SIM_F_VERB_REFUSED, /* suspend, resume, reboot: DEFINITE */
	SIM_F_STALE, /* one verb or terminate of a live VM: NOT_FOUND */
	SIM_F_PAGE_CUT, /* a list ends at one of its pages: AMBIGUOUS */
	SIM_F_PAGE_TWICE, /* pages move: one VM comes twice */
	SIM_F_PAGE_MISS, /* and one of a long list not at all */
	/* a VM */
	SIM_F_INVISIBLE, /* a new VM is not listed for up to 120 s */
	SIM_F_HIDDEN, /* a live VM is not listed for up to 580 s */
	SIM_F_VM_ERROR, /* its boot ends in ERROR */
	SIM_F_VM_DIES,
	SIM_F_TERM_LOST, /* terminate accepted, never executed */
	SIM_F_PORTAL, /* somebody stops or starts it by hand */
	/* the way to its agent */
	SIM_F_SSH, /* an installation fails at one of its steps */
	SIM_F_HELLO_LOST, /* installed, and never heard of */
	/* the process and its disk */
	SIM_F_CRASH, /* dies at the n-th write, sync, call or callback */
	SIM_F_POWER, /* ... and the page cache with it */
	SIM_F_ENOSPC,
	SIM_F_EIO,
	SIM_F_FSYNC, /* fails; the pages are marked clean nevertheless */
	SIM_F_DOWNTIME, /* up to 55 h to the next start */
	SIM_F_WALL, /* the wall clock jumps by ten years */
	SIM_F_RESTORE, /* an old copy of the database is put in place */
	SIM_FAULTS
};

struct sim_fault_kind {
	const char *name; /* "answer-lost" */
	const char *text; /* for --help */
	uint32_t one_in; /* of its chances */
};
extern const struct sim_fault_kind sim_faults[SIM_FAULTS];
/* SIM_FAULTS: there is none of that name. */
enum sim_fault sim_fault_of(const char *name);

/* What moves the world, one at a time, in the order of time. */
enum sim_event {
	SIM_E_WAKE, /* the core's timer */
	SIM_E_GROUP, /* the store takes what waits in its queue */
	SIM_E_COMMIT, /* a durable transaction comes back to the core */
	SIM_E_APPLY, /* a request reaches its cloud */
	SIM_E_ANSWER, /* and its answer the core */
	SIM_E_VM, /* a VM moves to its next state */
	SIM_E_VM_DIES,
	SIM_E_PORTAL,
	SIM_E_STEP, /* an installation moves on */
	SIM_E_INSTALL, /* and ends */
	SIM_E_HELLO,
	SIM_E_START, /* the process */
	SIM_E_USER, /* a random request */
	SIM_E_AT, /* sim_at() */
	SIM_EVENTS
};

struct sim;

struct sim_opt {
	uint64_t seed;
	/* The class of each connection, SIM_CLASSES: by the seed. The number
	 * of connections, 0: by the seed. */
	enum sim_class cls[SIM_CONNS];
	size_t nconns;
	uint64_t faults_off; /* bits: these kinds never happen by chance */
	uint64_t steps_off[2]; /* bits: these random requests are left out */
	bool plain; /* no random faults, requests, or restarts: a scenario */
	bool fresh; /* no database yet; else by the seed */
	uint32_t fsync_in; /* in every second start 1/n of the fsyncs fail */
	bool beyond; /* late requests up to 1,500 s: past the bounds */
	bool trace; /* on stdout */
	bool replace_vanished; /* plain runs; else by the seed */
};
void sim_opt_defaults(struct sim_opt *o);

/* Which promise is broken; the names begin with the invariant's number. */
struct sim_bad {
	const char *what; /* "I1_DUPLICATE", NULL: nothing */
	char text[160];
	int64_t at;
};

struct sim_result {
	struct sim_bad bad;
	uint64_t hash; /* of all events */
	uint64_t events, deaths, starts, points, commits, calls;
	uint64_t power_losses, sync_errors, restores, steps;
	int64_t now; /* simulated ns */
	int64_t unexplained_ns; /* VM time of class N and L, I8 */
};

/* A whole random run, with all checks. False: a promise is broken. */
bool sim_run(const struct sim_opt *opt, struct sim_result *out);

/* Step by step ------------------------------------------------------------ */

struct sim *sim_new(const struct sim_opt *opt); /* the process runs */
/* Until that time, or until a promise is broken (false). */
bool sim_go(struct sim *w, int64_t until);
/* Faults end; everything must come to rest, then all checks of rest. */
bool sim_end(struct sim *w);
const struct sim_bad *sim_bad(const struct sim *w);
void sim_result(const struct sim *w, struct sim_result *out);
void sim_free(struct sim *w);

int64_t sim_now(const struct sim *w);
struct lc *sim_lc(struct sim *w); /* NULL while the process is down */
bool sim_up(const struct sim *w);
void sim_at(struct sim *w, int64_t at, void (*fn)(struct sim *w, void *arg),
    void *arg);
/* A broken promise, of a scenario or a check. The first one counts. */
void sim_violation(struct sim *w, const char *what, int64_t slot,
    const char *fmt, ...) mw_printf(4, 5);
/* A line of the trace. */
void sim_say(struct sim *w, const char *fmt, ...) mw_printf(2, 3);

/* Requests of a user, at once; false: refused, *err says why. */

/* MCIS "m" of namespace "default" with one group on each of the first n
 * connections, "g", "h", "i", of that many VMs. */
struct sim_wish {
	size_t n;
	int64_t count[SIM_CONNS];
	const char *spec; /* NULL: "s1" */
	enum lc_policy policy;
	unsigned flags; /* enum lc_flag */
};
bool sim_wish(struct sim *w, const struct sim_wish *wish, struct mw_err *err);
/* vm NULL: the whole group; else e.g. "g-1". */
bool sim_act(struct sim *w, enum lc_act act, const char *vm,
    struct mw_err *err);
bool sim_abort(struct sim *w, struct mw_err *err); /* the running action */

/* The process and its disk. */

/* Dies now; power: the page cache is lost too. Starts again after_ns later;
 * negative: only by sim_start(). */
void sim_kill(struct sim *w, bool power, int64_t after_ns);
/* Dies at its n-th point from now on (1: the next): a write, a sync, a call or
 * a callback. */
void sim_kill_at(struct sim *w, int64_t n, bool power, int64_t after_ns);
void sim_start(struct sim *w); /* if it is down */
void sim_wall_jump(struct sim *w, int64_t by_ns);
/* The database as it is now, and that copy back in its place: only while the
 * process is down. */
void sim_backup(struct sim *w);
void sim_restore(struct sim *w);

/* This fault happens at its n-th chance from now on (1: the next), whatever
 * the rates; of op only, CSP_OP_COUNT: of any. One of a kind at a time. E.g.
 * sim_force(w, SIM_F_LATE, CSP_VM_CREATE, 2): the second create from now on
 * lands late. Faults that fail an operation of the disk have any op. */
void sim_force(struct sim *w, enum sim_fault f, enum csp_op op, int64_t n);
/* Where the range of a time is random (late, hidden, down ...): this time is
 * taken at the next chance of that fault. */
void sim_force_for(struct sim *w, enum sim_fault f, int64_t ns);

/* Clouds. */

struct sim_vm {
	const char *id, *native;
	int64_t slot, gen; /* 0: a stranger's */
	size_t conn;
	enum lc_class cls;
	bool live, listed; /* listed: would be in a list now */
};
/* False after the last; by age, all connections, the dead too. */
bool sim_vm_at(const struct sim *w, size_t i, struct sim_vm *out);
/* Live VMs of that vm ("g-1"), of all its generations. */
size_t sim_live(struct sim *w, const char *vm);
/* Somebody does it by hand at the cloud: LC_C_GONE ends it, LC_C_STOPPED stops
 * it, LC_C_RUN starts it, LC_C_ERROR breaks it. */
void sim_vm_set(struct sim *w, size_t i, enum lc_class cls);
void sim_vm_hide(struct sim *w, size_t i, int64_t for_ns);
/* Between these times all requests of the connection are lost. */
void sim_outage(struct sim *w, size_t conn, int64_t from, int64_t until);
/* Calls of that operation that left the process so far, since the start of
 * the world. */
uint64_t sim_calls(const struct sim *w, enum csp_op op);
/* Acknowledged events of that kind, likewise. */
uint64_t sim_told(const struct sim *w, enum lc_event_kind kind);

/* Committed rows, as far as they are acknowledged. NULL: none. */
const struct lc_slot_row *sim_slot_row(const struct sim *w, const char *vm);
const struct lc_inst_row *sim_inst_row(const struct sim *w, int64_t slot,
    int64_t gen);
/* Of VMs that no row explains: "terminate", "quarantine", NULL: not told. */
const char *sim_orphan(const struct sim *w, const char *csp_id);

/* Leaves out faults and requests while the run still breaks the same promise;
 * opt becomes the smallest one found. */
void sim_shrink(struct sim_opt *opt);
/* The command line that replays it. */
void sim_opt_print(const struct sim_opt *opt, FILE *f);

#endif
