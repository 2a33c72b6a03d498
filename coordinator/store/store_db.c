/*
 * store_db.c - the sqlite connection of the store.
 *
 * Owns the rules that make "acknowledged" mean "on disk":
 *  - WAL, synchronous=FULL, one exclusive connection;
 *  - checkpoints are ours: the built-in one drops errors of fsync;
 *  - any error of the disk ends the process with 70, nothing is retried;
 *  - at start the log is read and written back before it is opened: a commit
 *    whose fsync failed is still in the page cache, marked clean, and would be
 *    believed now and lost at the next power cut;
 *  - a new database is made under another name and renamed when complete.
 */
#include "coordinator/store/store_db.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/mutant.h"
#include "common/pure/str.h"
#include "coordinator/store/store_migrate.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "coordinator/store/migrate_2.sql.h"
#include "coordinator/store/migrate_3.sql.h"
#include "coordinator/store/schema.sql.h"
#pragma GCC diagnostic pop

#define DB_EXIT 70
#define DB_CACHE 1024 /* statements; a power of two */
#define DB_USED_MAX 256 /* different statements in one job */
#define DB_WAL_PAGES 1000

struct db {
	sqlite3 *h;
	struct {
		const char *sql;
		sqlite3_stmt *st;
	} cache[DB_CACHE];
	size_t ncache;
	sqlite3_stmt *used[DB_USED_MAX];
	size_t nused;
	int wal_pages;
};

/* Older files are brought up step by step; a new file is made from
 * schema.sql, which always describes the newest version. */
struct migration {
	int version; /* after it */
	const char *sql; /* may be NULL */
	/* After the SQL, in the same transaction; may be NULL. */
	bool (*run)(struct db *db, struct mw_err *err);
};

static const struct migration migrations[] = {
	{ 1, NULL, NULL }, /* the first schema */
	{ 2, migrate_2_sql, migrate_2_rounds },
	{ 3, migrate_3_sql, NULL },
	{ 4, NULL, migrate_4_columns },
};

static int real_exists(const char *path);
static void real_remove(const char *path);
static bool real_rename(const char *from, const char *to);
static bool real_sync_dir(const char *path);
static bool real_rewrite(const char *path);
static mw_noreturn void real_die(struct db *db);
static bool make_new(const char *path, struct mw_err *err);
static bool rewrite_wal(const char *path, struct mw_err *err);
static bool setup(struct db *db, const char *path, struct mw_err *err);
static bool migrate(struct db *db, const char *path, struct mw_err *err);
static void run_sql(struct db *db, const char *sql);
static void run_cached(struct db *db, const char *sql);
static int on_wal(void *arg, sqlite3 *h, const char *name, int pages);
static int64_t pragma_int(struct db *db, const char *sql);
static mw_noreturn void fatal(struct db *db, int rc, const char *what);
static void checkpoint(struct db *db, int mode);

static const struct db_io real_io = {
	.exists = real_exists,
	.remove = real_remove,
	.rename = real_rename,
	.sync_dir = real_sync_dir,
	.rewrite = real_rewrite,
	.die = real_die,
};
static const struct db_io *io = &real_io;

void
db_set_io(const struct db_io *to)
{
	io = to ? to : &real_io;
}

const struct db_io *
db_real_io(void)
{
	return &real_io;
}

struct db *
db_open(const char *path, struct mw_err *err)
{
	struct db *db = xcalloc(1, sizeof *db);
	int there = io->exists(path);

	if (there < 0) {
		err_set(err, MW_INTERNAL, errno, "cannot look at %s", path);
		goto fail;
	}
	if (!there && !make_new(path, err))
		goto fail;
	if (!(mutant(MUT_NO_START_SYNC) || mutant(MUT_NO_REWRITE) ||
		rewrite_wal(path, err)) ||
	    !setup(db, path, err))
		goto fail;
	return db;
fail:
	db_forget(db);
	return NULL;
}

void
db_forget(struct db *db)
{
	for (size_t i = 0; i < DB_CACHE; i++)
		sqlite3_finalize(db->cache[i].st);
	if (db->h)
		sqlite3_close(db->h);
	free(db);
}

void
db_close(struct db *db)
{
	if (!db)
		return;
	checkpoint(db, SQLITE_CHECKPOINT_PASSIVE);
	for (size_t i = 0; i < DB_CACHE; i++)
		sqlite3_finalize(db->cache[i].st);
	if (sqlite3_close(db->h) != SQLITE_OK)
		fatal(db, sqlite3_errcode(db->h), "close");
	free(db);
}

int
db_newest_schema(void)
{
	return migrations[ARRAY_LEN(migrations) - 1].version;
}

sqlite3 *
db_handle(struct db *db)
{
	return db->h;
}

void
db_begin(struct db *db)
{
	run_cached(db, "BEGIN IMMEDIATE");
}

void
db_commit(struct db *db)
{
	run_cached(db, "COMMIT");
}

void
db_savepoint(struct db *db)
{
	run_cached(db, "SAVEPOINT job");
}

void
db_savepoint_end(struct db *db, bool keep)
{
	for (size_t i = 0; i < db->nused; i++)
		sqlite3_reset(db->used[i]);
	db->nused = 0;
	if (!keep)
		run_cached(db, "ROLLBACK TO job");
	run_cached(db, "RELEASE job");
}

void
db_checkpoint_if_due(struct db *db)
{
	if (db->wal_pages >= (io->wal_pages ? io->wal_pages : DB_WAL_PAGES))
		checkpoint(db, SQLITE_CHECKPOINT_PASSIVE);
}

sqlite3_stmt *
db_stmt(struct db *db, const char *sql)
{
	size_t i = ((uintptr_t)sql >> 3) * 2654435761u & (DB_CACHE - 1);

	while (db->cache[i].sql && db->cache[i].sql != sql)
		i = (i + 1) & (DB_CACHE - 1);
	if (!db->cache[i].sql) {
		int rc;

		assert(db->ncache < DB_CACHE - 1);
		rc = sqlite3_prepare_v3(db->h, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, &db->cache[i].st, NULL);
		if (rc == SQLITE_ERROR) {
			log_error("store", NULL, "bad statement: %s in: %s",
			    sqlite3_errmsg(db->h), sql);
			abort();
		}
		if (rc != SQLITE_OK) /* the schema could not be read */
			fatal(db, rc, sql);
		db->cache[i].sql = sql;
		db->ncache++;
	}
	sqlite3_reset(db->cache[i].st);
	sqlite3_clear_bindings(db->cache[i].st);
	/* What a job leaves open would keep the log from being folded. */
	if (db->nused < DB_USED_MAX)
		db->used[db->nused++] = db->cache[i].st;
	return db->cache[i].st;
}

void
db_bind(sqlite3_stmt *st, const char *types, ...)
{
	va_list ap;
	int rc = SQLITE_OK;

	va_start(ap, types);
	for (int i = 1; *types && rc == SQLITE_OK; types++, i++) {
		const void *p;
		size_t n;

		switch (*types) {
		case 'i':
			rc = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 'd':
			rc = sqlite3_bind_double(st, i, va_arg(ap, double));
			break;
		case 's':
			rc = sqlite3_bind_text(st, i, va_arg(ap, const char *),
			    -1, SQLITE_TRANSIENT);
			break;
		case 'b':
			p = va_arg(ap, const void *);
			n = va_arg(ap, size_t);
			rc = sqlite3_bind_blob64(st, i, p, n, SQLITE_TRANSIENT);
			break;
		case 'n': rc = sqlite3_bind_null(st, i); break;
		default: abort();
		}
	}
	va_end(ap);
	if (rc != SQLITE_OK) {
		log_error("store", NULL, "bad binding: %s in: %s",
		    sqlite3_errstr(rc), sqlite3_sql(st));
		abort();
	}
}

bool
db_exec(struct db *db, sqlite3_stmt *st, struct mw_err *err)
{
	err->code = MW_OK;
	while (db_row(db, st, err))
		;
	return err->code == MW_OK;
}

bool
db_row(struct db *db, sqlite3_stmt *st, struct mw_err *err)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return true;
	if (rc == SQLITE_DONE) {
		sqlite3_reset(st);
		return false;
	}
	if ((rc & 0xff) == SQLITE_CONSTRAINT) {
		err_set(err, MW_CONFLICT, 0, "%s", sqlite3_errmsg(db->h));
		sqlite3_reset(st);
		return false;
	}
	fatal(db, rc, sqlite3_sql(st));
}

const char *
db_text(sqlite3_stmt *st, int col)
{
	const unsigned char *s = sqlite3_column_text(st, col);

	return s ? (const char *)s : "";
}

int64_t
db_last_id(struct db *db)
{
	return sqlite3_last_insert_rowid(db->h);
}

int64_t
db_changes(struct db *db)
{
	return sqlite3_changes64(db->h);
}

/* A file that is torn while it is made never carries the real name. */
static bool
make_new(const char *path, struct mw_err *err)
{
	const char *aside = mutant(MUT_DB_IN_PLACE) ? "" : ".new";
	char *tmp = xasprintf("%s%s", path, aside),
	     *wal = xasprintf("%s-wal", path);
	char *junk[3] = { xasprintf("%s-wal", tmp), xasprintf("%s-shm", tmp),
		xasprintf("%s-journal", tmp) };
	sqlite3 *h = NULL;
	bool ok = false;

	if (io->exists(wal) != 0) {
		err_set(err, MW_INTERNAL, 0,
		    "%s exists, but its database %s does not", wal, path);
		err_hint(err,
		    "restore the database from a backup, or move "
		    "the log away");
		goto out;
	}
	io->remove(tmp);
	for (size_t i = 0; i < ARRAY_LEN(junk); i++)
		io->remove(junk[i]);
	/* Without a log of its own: one file is complete after close. */
	if (sqlite3_open_v2(tmp, &h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
		io->vfs) != SQLITE_OK ||
	    sqlite3_exec(h, "PRAGMA synchronous=FULL; BEGIN", NULL, NULL,
		NULL) != SQLITE_OK ||
	    sqlite3_exec(h, schema_sql, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(h, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
		err_set(err, MW_INTERNAL, 0, "cannot make %s: %s", tmp,
		    h ? sqlite3_errmsg(h) : "no memory");
		goto out;
	}
	ok = sqlite3_close(h) == SQLITE_OK;
	h = NULL;
	if (!ok || (!mutant(MUT_DB_IN_PLACE) && !io->rename(tmp, path)))
		ok = err_set(err, MW_INTERNAL, errno, "cannot make %s", path);
	else if (!io->sync_dir(path))
		ok = err_set(err, MW_INTERNAL, errno,
		    "cannot sync the directory of %s", path);
out:
	if (h)
		sqlite3_close(h);
	for (size_t i = 0; i < ARRAY_LEN(junk); i++)
		free(junk[i]);
	free(wal);
	free(tmp);
	return ok;
}

static bool
rewrite_wal(const char *path, struct mw_err *err)
{
	char *wal = xasprintf("%s-wal", path);
	bool ok = io->rewrite(wal);

	if (!ok)
		err_set(err, MW_INTERNAL, errno, "cannot write back %s", wal);
	free(wal);
	return ok;
}

static bool
setup(struct db *db, const char *path, struct mw_err *err)
{
	const char *const pragmas[] = {
		"PRAGMA locking_mode=EXCLUSIVE",
		"PRAGMA journal_mode=WAL",
		mutant(MUT_SYNC_NORMAL) ? "PRAGMA synchronous=NORMAL"
					: "PRAGMA synchronous=FULL",
		mutant(MUT_AUTOCHECKPOINT) ? "PRAGMA wal_autocheckpoint=20"
					   : "PRAGMA wal_autocheckpoint=0",
		"PRAGMA foreign_keys=ON",
		"PRAGMA trusted_schema=OFF",
		"PRAGMA temp_store=MEMORY",
		"PRAGMA cache_size=-16384",
	};

	if (sqlite3_open_v2(path, &db->h, SQLITE_OPEN_READWRITE, io->vfs) !=
	    SQLITE_OK)
		return err_set(err, MW_INTERNAL, 0, "cannot open %s: %s", path,
		    sqlite3_errmsg(db->h));
	for (size_t i = 0; i < ARRAY_LEN(pragmas); i++)
		if (sqlite3_exec(db->h, pragmas[i], NULL, NULL, NULL) !=
		    SQLITE_OK) {
			err_set(err, MW_INTERNAL, 0, "cannot use %s: %s", path,
			    sqlite3_errmsg(db->h));
			return err_hint(err,
			    "a damaged database is never replaced: restore a "
			    "backup, or move the file away");
		}
	if (!mutant(MUT_AUTOCHECKPOINT))
		sqlite3_wal_hook(db->h, on_wal, db);
	if (!mutant(MUT_NO_START_SYNC))
		checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE);
	if (pragma_int(db, "PRAGMA application_id") != DB_APPLICATION)
		return err_set(err, MW_INTERNAL, 0,
		    "%s is not a database of Milkyway", path);
	return migrate(db, path, err);
}

static bool
migrate(struct db *db, const char *path, struct mw_err *err)
{
	const int newest = db_newest_schema();
	int64_t now = pragma_int(db, "PRAGMA user_version");

	if (now > newest)
		return err_set(err, MW_UNSUPPORTED, 0,
		    "%s was written by a newer Milkyway (schema %d, we know "
		    "%d)",
		    path, (int)now, newest);
	if (now == newest)
		return true;
	/* All steps or none: a death in the middle leaves the old file. */
	run_sql(db, "BEGIN IMMEDIATE");
	for (size_t i = 0; i < ARRAY_LEN(migrations); i++) {
		const struct migration *m = &migrations[i];
		char *mark;

		if (m->version <= now)
			continue;
		if (m->sql)
			run_sql(db, m->sql);
		if (m->run && !m->run(db, err)) {
			run_sql(db, "ROLLBACK");
			return err_wrap(err, "schema %d", m->version);
		}
		mark = xasprintf("PRAGMA user_version=%d; INSERT INTO "
				 "migration(version, at) VALUES(%d, %lld)",
		    m->version, m->version, (long long)clock_wall_ns());
		run_sql(db, mark);
		free(mark);
	}
	run_sql(db, "COMMIT");
	log_info("store", NULL, "schema brought up\tfrom=%d to=%d", (int)now,
	    newest);
	return true;
}

static void
run_sql(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		fatal(db, rc, sql);
}

/* As run_sql(), for a literal that runs often: it is compiled once. */
static void
run_cached(struct db *db, const char *sql)
{
	sqlite3_stmt *st = db_stmt(db, sql);
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	if (rc != SQLITE_DONE)
		fatal(db, rc, sql);
}

static int
on_wal(void *arg, sqlite3 *h, const char *name, int pages)
{
	struct db *db = arg;

	(void)h;
	(void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

static int64_t
pragma_int(struct db *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;
	int rc;

	if (sqlite3_prepare_v2(db->h, sql, -1, &st, NULL) != SQLITE_OK)
		fatal(db, sqlite3_errcode(db->h), sql);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		fatal(db, rc, sql);
	return v;
}

/* The state on disk is not known any more: a restart reads what is there. */
static mw_noreturn void
fatal(struct db *db, int rc, const char *what)
{
	log_error("store", NULL, "disk error, ending: %s\trc=%d errno=%d in=%s",
	    db->h ? sqlite3_errmsg(db->h) : sqlite3_errstr(rc), rc,
	    db->h ? sqlite3_system_errno(db->h) : 0, what);
	io->die(db);
}

static void
checkpoint(struct db *db, int mode)
{
	int rc = sqlite3_wal_checkpoint_v2(db->h, NULL, mode, NULL, NULL);

	/* Busy: a reader is inside; the next one folds the rest. */
	if (rc != SQLITE_OK && rc != SQLITE_BUSY)
		fatal(db, rc, "checkpoint");
	db->wal_pages = 0;
}

/* ---- the real files ------------------------------------------------------ */

static int
real_exists(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

static void
real_remove(const char *path)
{
	unlink(path);
}

static bool
real_rename(const char *from, const char *to)
{
	return chmod(from, 0600) == 0 && rename(from, to) == 0;
}

static bool
real_sync_dir(const char *path)
{
	char *copy = xstrdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	free(copy);
	return ok;
}

static bool
real_rewrite(const char *path)
{
	char buf[65536];
	int fd = open(path, O_RDWR | O_CLOEXEC);
	off_t at = 0;
	ssize_t n;
	bool ok;

	if (fd < 0)
		return errno == ENOENT;
	while ((n = pread(fd, buf, sizeof buf, at)) > 0) {
		if (pwrite(fd, buf, (size_t)n, at) != n)
			break;
		at += n;
	}
	ok = n == 0 && fsync(fd) == 0;
	close(fd);
	return ok;
}

static mw_noreturn void
real_die(struct db *db)
{
	(void)db;
	_exit(DB_EXIT);
}
