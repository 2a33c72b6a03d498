/*
 * backup.h - backups of the database while it is in use, and putting one back.
 *
 * In a backup: the database. Not in it: private keys (ca.key.sealed, ssh/), API
 * tokens (the database has their hashes), secrets of clouds. See
 * docs/backup.md.
 */
#ifndef MW_COORDINATOR_BACKUP_H
#define MW_COORDINATOR_BACKUP_H

#include "common/backupfile.h"

struct coord;
struct backup;

/* Removes what an earlier process left. */
struct backup *backup_new(struct coord *c);
/* NULL is fine. After the store: nothing is under way then. */
void backup_free(struct backup *b);

/* restore.c: offline. Puts the backup's database into the state directory,
 * complete or not at all, as the beginning of a new epoch: the clouds may know
 * VMs that it does not. A database that is there is kept under another name if
 * replace, else MW_EXISTS. MW_CONFLICT: a coordinator works there. */
bool restore_run(const char *state_dir, const char *file, bool replace,
    struct backup_info *info, struct mw_err *err) mw_must_check;
/* A restore into that directory did not come to its end. */
bool restore_unfinished(const char *state_dir);

#endif
