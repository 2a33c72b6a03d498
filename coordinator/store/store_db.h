/*
 * store_db.h - the sqlite connection below the store: opening, durability
 * rules, statement cache. Called by store.c on the thread that owns it.
 */
#ifndef MW_COORDINATOR_STORE_DB_H
#define MW_COORDINATOR_STORE_DB_H

#include "coordinator/store/store.h"

/* Opens the file, or makes a new one, and brings its schema up to date. */
struct db *db_open(const char *path, struct mw_err *err) mw_must_check;
/* Checkpoints and closes. */
void db_close(struct db *db);
/* One transaction around jobs, one savepoint around each. */
void db_begin(struct db *db);
void db_commit(struct db *db);
void db_savepoint(struct db *db);
void db_savepoint_end(struct db *db, bool keep);
/* A passive checkpoint if the log has grown enough. */
void db_checkpoint_if_due(struct db *db);

#endif
