/*
 * db_backup.c - see db_backup.h. Its own disk errors are no reason to end: the
 * copy is given up.
 */
#include "coordinator/store/db_backup.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/store/store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_PAGES 128 /* 512 KiB: a few milliseconds */

struct db_copy {
	char *path;
	sqlite3 *to;
	sqlite3_backup *b;
};

static bool
fail(struct db_copy *c, int rc, struct mw_err *err)
{
	return err_set(err, rc == SQLITE_FULL ? MW_LIMIT : MW_INTERNAL, 0,
	    "cannot write %s: %s", c->path, sqlite3_errstr(rc));
}

struct db_copy *
db_copy_begin(struct db *db, const char *path, struct mw_err *err)
{
	struct db_copy *c = xcalloc(1, sizeof *c);
	int fd, rc;

	c->path = xstrdup(path);
	unlink(path);
	/* Made here, so that no moment shows it to others. */
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_set(err, errno == ENOSPC ? MW_LIMIT : MW_INTERNAL, errno,
		    "cannot make %s: %s", path, strerror(errno));
		db_copy_end(c, false);
		return NULL;
	}
	close(fd);
	rc = sqlite3_open_v2(path, &c->to, SQLITE_OPEN_READWRITE, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(c->to,
		    "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF", NULL,
		    NULL, NULL);
	if (rc == SQLITE_OK)
		c->b =
		    sqlite3_backup_init(c->to, "main", db_handle(db), "main");
	if (!c->b) {
		fail(c, rc == SQLITE_OK ? sqlite3_errcode(c->to) : rc, err);
		db_copy_end(c, false);
		return NULL;
	}
	return c;
}

static bool
sync_file(struct db_copy *c, struct mw_err *err)
{
	int fd = open(c->path, O_RDWR | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		err_set(err, MW_INTERNAL, errno, "cannot sync %s: %s", c->path,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

bool
db_copy_step(struct db_copy *c, bool *more, struct mw_err *err)
{
	int rc = sqlite3_backup_step(c->b, STEP_PAGES);

	*more = rc == SQLITE_OK;
	if (rc == SQLITE_OK)
		return true;
	if (rc != SQLITE_DONE)
		return fail(c, rc, err);
	rc = sqlite3_backup_finish(c->b);
	c->b = NULL;
	if (rc == SQLITE_OK)
		rc = sqlite3_close(c->to);
	c->to = rc == SQLITE_OK ? NULL : c->to;
	return rc == SQLITE_OK ? sync_file(c, err) : fail(c, rc, err);
}

void
db_copy_end(struct db_copy *c, bool keep)
{
	if (c->b)
		sqlite3_backup_finish(c->b);
	if (c->to)
		sqlite3_close(c->to);
	if (!keep)
		unlink(c->path);
	free(c->path);
	free(c);
}
