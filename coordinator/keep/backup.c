/*
 * backup.c - see backup.h. Owns the directory backup/ below the state
 * directory, which holds the newest backup only: POST makes it (an action), GET
 * gives it away.
 */
#include "coordinator/keep/backup.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/pure/when.h"
#include "coordinator/actions.h"
#include "coordinator/api/api.h"
#include "coordinator/coord.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One backup that is made: copied by the store, checked and packed by a
 * worker. */
struct making {
	struct store_copy copy;
	struct worker_job work;
	struct backup *b;
	char *db, *tar;
	struct backup_info info;
	struct mw_err err;
};

struct backup {
	struct coord *c;
	char *dir;
	char id[ACTION_ID_LEN]; /* of the newest, "" */
	bool busy, ready;
};

static void on_copied(struct store_job *job, bool ok, const struct mw_err *err);
static void pack(struct worker_job *job);
static void on_packed(struct worker_job *job);
static void end(struct making *m);

struct backup *
backup_new(struct coord *c)
{
	struct backup *b = xcalloc(1, sizeof *b);
	struct mw_err err = MW_ERR_INIT;

	b->c = c;
	b->dir = xasprintf("%s/backup", c->conf.state_dir);
	if (access(b->dir, F_OK) == 0 && !file_remove_tree(b->dir, &err))
		log_warn("backup", NULL, "cannot clear %s: %s", b->dir,
		    err.msg);
	return b;
}

void
backup_free(struct backup *b)
{
	if (!b)
		return;
	free(b->dir);
	free(b);
}

static void
post_backup(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct backup *b = c->backup;
	struct mw_err err = MW_ERR_INIT;
	struct making *m;

	if (b->busy)
		err_set(&err, MW_CONFLICT, 0, "a backup is being made: %s",
		    b->id);
	else if (file_remove_tree(b->dir, &err) || err.code == MW_NOT_FOUND ||
	    access(b->dir, F_OK) != 0)
		err.code = file_mkdirs(b->dir, 0700, &err) ? MW_OK : err.code;
	if (err.code != MW_OK) {
		httpd_reply_err(req, &err);
		return;
	}
	m = xcalloc(1, sizeof *m);
	m->b = b;
	m->db = xasprintf("%s/part.db", b->dir);
	b->busy = true;
	b->ready = false;
	actions_new(c->actions, "backup", httpd_path(req), 0, b->id);
	m->tar = xasprintf("%s/%s.tar", b->dir, b->id);
	str_copy(m->info.deployment, sizeof m->info.deployment, c->deployment);
	str_copy(m->info.version, sizeof m->info.version, MW_VERSION);
	when_format(clock_wall_ns(), m->info.made_at);
	m->copy.path = m->db;
	m->copy.job.done = on_copied;
	store_copy(c->store, &m->copy);
	actions_reply(c->actions, req, b->id);
}

static void
on_copied(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct making *m = container_of(job, struct making, copy.job);

	m->work.run = pack;
	m->work.done = on_packed;
	if (!ok)
		m->err = *err;
	if (!ok || !worker_submit(m->b->c->pool, &m->work, &m->err))
		end(m);
}

static bool
ask_int(sqlite3 *h, const char *sql, int64_t *out)
{
	sqlite3_stmt *st = NULL;

	*out = 0;
	if (sqlite3_prepare_v2(h, sql, -1, &st, NULL) != SQLITE_OK)
		return false;
	if (sqlite3_step(st) == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	return sqlite3_finalize(st) == SQLITE_OK;
}

/* On a worker: nobody waits while the copy is read through. */
static void
pack(struct worker_job *job)
{
	struct making *m = container_of(job, struct making, work);
	int64_t good = 0;
	sqlite3 *h = NULL;
	bool ok = sqlite3_open_v2(m->db, &h, SQLITE_OPEN_READWRITE, NULL) ==
		SQLITE_OK &&
	    /* One file, whoever opens it. */
	    sqlite3_exec(h, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) ==
		SQLITE_OK &&
	    ask_int(h,
		"SELECT integrity_check = 'ok' FROM pragma_integrity_check(1)",
		&good) &&
	    ask_int(h, "PRAGMA user_version", &m->info.schema) &&
	    ask_int(h,
		"SELECT CAST(value AS INT) FROM meta WHERE key = 'db_epoch'",
		&m->info.epoch);

	if (!ok || !good)
		err_set(&m->err, MW_INTERNAL, 0,
		    "the copy of the database is damaged: %s",
		    h ? sqlite3_errmsg(h) : "no memory");
	sqlite3_close(h);
	if (ok && good && !backupfile_write(m->tar, m->db, &m->info, &m->err))
		ok = false;
}

static void
on_packed(struct worker_job *job)
{
	struct making *m = container_of(job, struct making, work);

	end(m);
}

static void
end(struct making *m)
{
	struct backup *b = m->b;
	bool ok = m->err.code == MW_OK && m->info.db_bytes > 0;

	b->busy = false;
	b->ready = ok;
	unlink(m->db);
	if (ok)
		log_info("backup", b->id, "made\tbytes=%lld",
		    (long long)m->info.db_bytes);
	else if (m->err.code == MW_OK)
		err_set(&m->err, MW_CANCELED, 0, "the coordinator stops");
	if (!ok)
		log_warn("backup", b->id, "not made: %s", m->err.msg);
	actions_end(b->c->actions, b->id, ok ? ACTION_DONE : ACTION_FAILED,
	    ok ? "ok" : "failed", ok ? NULL : &m->err);
	free(m->db);
	free(m->tar);
	free(m);
}

static void
get_backup(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct backup *b = c->backup;
	struct mw_err err = MW_ERR_INIT;
	struct stat st;
	char *path;
	int fd;

	if (!b->ready || !str_eq(httpd_param(req, "id"), b->id)) {
		err_set(&err, MW_NOT_FOUND, 0,
		    "no such backup is here: only the newest is kept");
		err_hint(&err, "milkyway backup FILE");
		httpd_reply_err(req, &err);
		return;
	}
	path = xasprintf("%s/%s.tar", b->dir, b->id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (fd < 0 || fstat(fd, &st) < 0) {
		if (fd >= 0)
			close(fd);
		err_set(&err, MW_INTERNAL, errno, "the backup cannot be read");
		httpd_reply_err(req, &err);
		return;
	}
	httpd_extend(req, INT64_C(24) * 3600 * 1000);
	httpd_reply_file(req, "application/x-tar", fd, (uint64_t)st.st_size);
}

static const struct httpd_route routes[] = {
	{ "POST", "/v1/backups", post_backup, ROLE_ADMIN },
	{ "GET", "/v1/backups/{id}", get_backup, ROLE_ADMIN },
};
const struct api_routes api_backup_routes = { routes, ARRAY_LEN(routes) };
