/*
 * db_backup.h - a copy of the open database, made in steps while it is used:
 * pages that are written meanwhile are copied again by sqlite itself, because
 * they are written through the same connection. Called on the store's thread,
 * outside of transactions.
 */
#ifndef MW_COORDINATOR_DB_BACKUP_H
#define MW_COORDINATOR_DB_BACKUP_H

#include "coordinator/store/store.h"

struct db_copy;

/* Makes the file (0600; one that is there is replaced). */
struct db_copy *db_copy_begin(struct db *db, const char *path,
    struct mw_err *err) mw_must_check;
/* Some pages more. *more = false: the copy is complete and on disk. A false
 * return ends it, too; call db_copy_end() in any case. */
bool db_copy_step(struct db_copy *c, bool *more,
    struct mw_err *err) mw_must_check;
/* Removes the file unless keep. */
void db_copy_end(struct db_copy *c, bool keep);

#endif
