/*
 * store.h - the database: one sqlite file, one thread that owns it, jobs in,
 * completions out.
 *
 * A job's run() is called on the store's thread inside a group transaction;
 * its done() on the loop, after the transaction is durable (WAL, FULL). run()
 * that returns false rolls back this job alone (savepoint); the others commit.
 * SQL lives in db_*.c files, one per domain, called from run() only. Any error
 * of the disk ends the process (exit 70): what was acknowledged is on disk,
 * and a restart is a tested path.
 *
 * schema.sql holds all tables; store_open() creates a new file under another
 * name and renames it into place when it is complete.
 */
#ifndef MW_COORDINATOR_STORE_H
#define MW_COORDINATOR_STORE_H

#include "common/loop.h"

#include <sqlite3.h>

struct store;

/* The connection as run() sees it; statements are prepared once and cached. */
struct db;

struct store_job {
	bool (*run)(struct db *db, struct store_job *job, struct mw_err *err);
	/* Owns and frees the job. ok = committed. */
	void (*done)(struct store_job *job, bool ok, const struct mw_err *err);
	struct store_job *next;
	bool ok; /* the store's own */
	struct mw_err err;
};

struct store *store_open(struct loop *l, const char *path,
    struct mw_err *err) mw_must_check;
/* Finishes all queued jobs (done() is called), checkpoints, closes. */
void store_close(struct store *s);
/* Jobs run in the order of submission. */
void store_submit(struct store *s, struct store_job *take_job);
/*
 * A copy of the whole database as a file of its own, made in steps between the
 * groups: nobody waits for more than one step. done() on the loop, as that of a
 * job, when the copy is on disk or was given up (its file is removed). One at a
 * time, else MW_CONFLICT at once. The database at the end of the copy is what
 * is copied.
 */
struct store_copy {
	struct store_job job; /* set its done() */
	const char *path; /* the caller's, until done() */
};
void store_copy(struct store *s, struct store_copy *take_copy);
/* Calls cb on the loop when everything submitted so far is durable. */
void store_after(struct store *s, void (*cb)(void *arg), void *arg);
/* Runs on the caller's thread before the loop starts: for loading at boot. */
bool store_run_now(struct store *s,
    bool (*run)(struct db *db, void *arg, struct mw_err *err), void *arg,
    struct mw_err *err) mw_must_check;
/* Jobs that wait or run: callers that can wait (results, bulk requests) stop
 * asking for more above STORE_BACKLOG. */
#define STORE_BACKLOG 20000
size_t store_backlog(struct store *s);
/* Commits so far, and the longest one, for /metrics. */
void store_stats(const struct store *s, uint64_t *commits, int64_t *worst_ns);

/*
 * A prepared statement for this SQL (a literal: the pointer is the cache key),
 * reset and with all bindings cleared. A statement that does not compile is our
 * bug: aborts.
 */
sqlite3_stmt *db_stmt(struct db *db, const char *sql);
/* Binds by type letters: i int64_t, d double, s const char * (NULL: NULL),
 * b const void * and size_t, n NULL. E.g. db_bind(st, "isb", id, name, p, n). */
void db_bind(sqlite3_stmt *st, const char *types, ...);
/* Steps a statement that returns no row. */
bool db_exec(struct db *db, sqlite3_stmt *st, struct mw_err *err) mw_must_check;
/* True while there is a row; *err is set on an error (check err->code after). */
bool db_row(struct db *db, sqlite3_stmt *st, struct mw_err *err) mw_must_check;
/* Column text, "" for NULL; valid until the next step. */
const char *db_text(sqlite3_stmt *st, int col);
int64_t db_last_id(struct db *db);
int64_t db_changes(struct db *db);

#endif
