/*
 * restore.c - puts a backup back; see backup.h.
 *
 * The database is older than the clouds then. What keeps that harmless is
 * written here: a new epoch (generations that no copy ever used, whatever else
 * was restored before), slot ids with a gap, and every connection counted as
 * used, so that the first sweep looks everywhere. lifecycle/orphan.c does the
 * rest.
 */
#include "coordinator/keep/backup.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/pure/when.h"
#include "coordinator/coord.h"
#include "coordinator/store/store_db.h"
#include "drivers/http.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EPOCH_ZERO_S INT64_C(1767225600) /* 2026-01-01 */
#define SLOT_GAP 65536
#define KEPT_MAX 1000 /* former databases of one second */

struct paths {
	char *db, *wal, *part;
};

static void
paths_make(struct paths *p, const char *dir)
{
	p->db = xasprintf("%s/milkyway.db", dir);
	p->wal = xasprintf("%s/milkyway.db-wal", dir);
	p->part = xasprintf("%s/milkyway.db.restore", dir);
}

static void
paths_free(struct paths *p)
{
	free(p->db);
	free(p->wal);
	free(p->part);
}

bool
restore_unfinished(const char *state_dir)
{
	struct paths p;
	bool there;

	paths_make(&p, state_dir);
	there = access(p.part, F_OK) == 0;
	paths_free(&p);
	return there;
}

static bool
ask(sqlite3 *h, const char *sql, int64_t *out)
{
	sqlite3_stmt *st = NULL;

	*out = 0;
	if (sqlite3_prepare_v2(h, sql, -1, &st, NULL) != SQLITE_OK)
		return false;
	if (sqlite3_step(st) == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	return sqlite3_finalize(st) == SQLITE_OK;
}

/* Is it a whole database of ours, of that deployment, that we understand? */
static bool
check(sqlite3 *h, const struct backup_info *info, struct mw_err *err)
{
	int64_t app, schema, fine, same;
	char *sql = sqlite3_mprintf("SELECT count(*) FROM meta WHERE "
				    "key = 'deployment' AND value = %Q",
	    info->deployment);
	bool ok = ask(h, "PRAGMA application_id", &app) &&
	    ask(h, "PRAGMA user_version", &schema) &&
	    ask(h,
		"SELECT integrity_check = 'ok' FROM pragma_integrity_check(1)",
		&fine) &&
	    ask(h, sql, &same);

	sqlite3_free(sql);
	if (!ok || !fine)
		return err_set(err, MW_INVALID, 0,
		    "the database of the backup is damaged: %s",
		    sqlite3_errmsg(h));
	if (app != DB_APPLICATION || !same)
		return err_set(err, MW_INVALID, 0,
		    "the backup holds no database of deployment %s",
		    info->deployment);
	if (schema > db_newest_schema())
		return err_set(err, MW_UNSUPPORTED, 0,
		    "the backup is of a newer Milkyway (schema %d, this one "
		    "knows %d)",
		    (int)schema, db_newest_schema());
	return true;
}

static int64_t
epoch_of(sqlite3 *h)
{
	int64_t epoch;

	return ask(h,
		   "SELECT CAST(value AS INT) FROM meta WHERE "
		   "key = 'db_epoch'",
		   &epoch)
	    ? epoch
	    : 0;
}

/*
 * The epoch of the database that is there, 0 if it cannot be told. A restore
 * wrote it into the main file: only that is read, and no file made beside it.
 */
static int64_t
epoch_there(const char *path)
{
	struct str uri = STR_INIT;
	sqlite3 *h = NULL;
	int64_t epoch = 0;

	str_add(&uri, "file:");
	http_add_escaped(&uri, path);
	str_add(&uri, "?immutable=1");
	if (sqlite3_open_v2(str_cstr(&uri), &h,
		SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) == SQLITE_OK)
		epoch = epoch_of(h);
	sqlite3_close(h);
	str_free(&uri);
	return epoch;
}

/* after: that of the database that is replaced. */
static bool
begin_epoch(sqlite3 *h, int64_t after, struct backup_info *info,
    struct mw_err *err)
{
	int64_t epoch = clock_wall_ns() / NS_PER_S - EPOCH_ZERO_S;
	int64_t old = epoch_of(h);
	char now[WHEN_LEN], *sql;
	bool ok;

	if (old < after)
		old = after;
	if (epoch <= old) /* in the same second, or a clock that was set back */
		epoch = old + 1;
	when_format(clock_wall_ns(), now);
	sql = sqlite3_mprintf(
	    "BEGIN;"
	    "UPDATE meta SET value = CAST(value AS INT) + %d "
	    "WHERE key = 'lc_next_slot';"
	    "INSERT OR REPLACE INTO meta(key, value) "
	    "SELECT 'epoch_slot', coalesce((SELECT value FROM meta "
	    "WHERE key = 'lc_next_slot'), '1');"
	    "INSERT OR REPLACE INTO meta(key, value) VALUES('db_epoch', %lld),"
	    "('restored_at', %Q), ('restored_from', %Q);"
	    "INSERT OR IGNORE INTO region_used SELECT id FROM conn;"
	    "COMMIT;",
	    SLOT_GAP, (long long)epoch, now, info->made_at);
	ok = sqlite3_exec(h, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) ==
		SQLITE_OK &&
	    sqlite3_exec(h, sql, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_free(sql);
	info->epoch = epoch;
	return ok ||
	    err_set(err, MW_INTERNAL, 0,
		"cannot mark the restored database: %s", sqlite3_errmsg(h));
}

static bool
prepare(const struct paths *p, const char *file, struct backup_info *info,
    struct mw_err *err)
{
	int fd;
	sqlite3 *h = NULL;
	bool ok;

	unlink(p->part);
	fd = open(p->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, MW_INTERNAL, errno, "cannot make %s: %s",
		    p->part, strerror(errno));
	ok = backupfile_read(file, fd, info, err);
	close(fd);
	if (!ok)
		return false;
	if (sqlite3_open_v2(p->part, &h, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK)
		ok = err_set(err, MW_INVALID, 0, "%s: %s", p->part,
		    sqlite3_errmsg(h));
	ok = ok && check(h, info, err) &&
	    begin_epoch(h, epoch_there(p->db), info, err);
	if (sqlite3_close(h) != SQLITE_OK && ok)
		ok = err_set(err, MW_INTERNAL, 0, "cannot close %s", p->part);
	return ok;
}

static bool
sync_path(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/*
 * Gives the former database a second name that nothing has, also when it is
 * not the first one of this second; false with errno.
 */
static bool
keep_old(const struct paths *p)
{
	long long now = (long long)(clock_wall_ns() / NS_PER_S);
	bool ok = false;

	errno = EEXIST;
	for (int i = 0; i < KEPT_MAX && !ok && errno == EEXIST; i++) {
		char *old = xasprintf("%s.before-%lld.%03d", p->db, now, i);
		char *wal = xasprintf("%s-wal", old);

		errno = 0;
		if (access(wal, F_OK) == 0)
			errno = EEXIST;
		else
			ok = (link(p->db, old) == 0 || errno == ENOENT) &&
			    (rename(p->wal, wal) == 0 || errno == ENOENT);
		free(old);
		free(wal);
	}
	return ok;
}

/* The old one is never without a name; the new one comes in one step. */
static bool
put(const struct paths *p, const char *dir, struct mw_err *err)
{
	bool ok = sync_path(p->part, O_RDWR) && keep_old(p) &&
	    rename(p->part, p->db) == 0 &&
	    sync_path(dir, O_RDONLY | O_DIRECTORY);

	return ok ||
	    err_set(err, MW_INTERNAL, errno,
		"cannot put the database into %s: %s", dir, strerror(errno));
}

bool
restore_run(const char *state_dir, const char *file, bool replace,
    struct backup_info *info, struct mw_err *err)
{
	struct paths p;
	bool ok = false;
	int lock = -1;

	/* First the file alone: a wrong one changes nothing. */
	if (!backupfile_read(file, -1, info, err) ||
	    !file_mkdirs(state_dir, 0700, err) ||
	    !coord_lock_dir(state_dir, &lock, err))
		return false;
	paths_make(&p, state_dir);
	if (!replace && (access(p.db, F_OK) == 0 || access(p.wal, F_OK) == 0)) {
		err_set(err, MW_EXISTS, 0, "%s is there already", p.db);
		err_hint(err,
		    "--replace keeps it as milkyway.db.before-..., or name "
		    "another --dir");
	} else {
		ok = prepare(&p, file, info, err) && put(&p, state_dir, err);
		if (!ok)
			unlink(p.part);
	}
	paths_free(&p);
	close(lock);
	return ok;
}
