/*
 * store_db.h - the sqlite connection below the store: opening, durability
 * rules, statement cache. Called by store.c on the thread that owns it.
 */
#ifndef MW_COORDINATOR_STORE_DB_H
#define MW_COORDINATOR_STORE_DB_H

#include "coordinator/store/store.h"

/*
 * What the store does with files besides sqlite, and how it ends the process:
 * the only door to the disk. Production has one, the simulator another.
 */
struct db_io {
	const char *vfs; /* sqlite's name of the file system; NULL: default */
	int wal_pages; /* a longer log is folded; 0: 1,000 */
	/* 1, 0, or -1 with errno */
	int (*exists)(const char *path);
	void (*remove)(const char *path); /* a file that may not be there */
	bool (*rename)(const char *from, const char *to);
	bool (*sync_dir)(const char *path); /* the directory that holds it */
	/* Reads the file, writes the same bytes back, syncs. A file that is
	 * not there is fine. */
	bool (*rewrite)(const char *path);
	/* The disk is not to be trusted any more. db may be half open. */
	mw_noreturn void (*die)(struct db *db);
};
/* NULL: the real one. Before db_open(). */
void db_set_io(const struct db_io *io);
const struct db_io *db_real_io(void);

/* Opens the file, or makes a new one, and brings its schema up to date. */
struct db *db_open(const char *path, struct mw_err *err) mw_must_check;
/* Checkpoints and closes. */
void db_close(struct db *db);
/* Frees what the process holds, as its death would: nothing is written that
 * the file system does not refuse. For io->die() that returns to its caller.
 */
void db_forget(struct db *db);
#define DB_APPLICATION 0x4d574159 /* "MWAY" */
int db_newest_schema(void);

/* For db_backup.c: a copy goes through the same connection. */
sqlite3 *db_handle(struct db *db);
/* One transaction around jobs, one savepoint around each. */
void db_begin(struct db *db);
void db_commit(struct db *db);
void db_savepoint(struct db *db);
void db_savepoint_end(struct db *db, bool keep);
/* A passive checkpoint if the log has grown enough. */
void db_checkpoint_if_due(struct db *db);

#endif
