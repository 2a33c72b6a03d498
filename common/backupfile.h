/*
 * backupfile.h - a backup as one file: a tar archive of manifest.json and
 * milkyway.db, in this order, so that the tools of every system can look into
 * it. The manifest names size and SHA-256 of the database.
 */
#ifndef MW_COMMON_BACKUPFILE_H
#define MW_COMMON_BACKUPFILE_H

#include "common/pure/err.h"
#include "common/pure/mw.h"

#define BACKUPFILE_FORMAT 1

struct backup_info {
	char deployment[64];
	char version[32]; /* of the Milkyway that made it */
	char made_at[32]; /* RFC 3339 */
	int64_t schema; /* of the database */
	int64_t epoch; /* restores that it has behind it */
	int64_t db_bytes;
	char db_sha256[65];
};

/* Packs the database; the file (0600) appears complete or not at all. info's
 * size and hash are filled in. Blocks. */
bool backupfile_write(const char *path, const char *db_path,
    struct backup_info *info, struct mw_err *err) mw_must_check;
/* Reads the manifest and checks the database against it; its bytes go to
 * out_fd unless that is -1. MW_INVALID: no backup, or a damaged one. */
bool backupfile_read(const char *path, int out_fd, struct backup_info *info,
    struct mw_err *err) mw_must_check;

#endif
