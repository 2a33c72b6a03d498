/*
 * db_sched.c - SQL of schedules.
 */
#include "coordinator/store/db_sched.h"

bool
db_sched_put(struct db *db, const struct db_sched *s, struct mw_err *err)
{
	const struct sched_state *t = &s->state;
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO schedule(ns, mcis, id, json, enabled, "
	    "created, anchor, due, next, tries, last, last_end, last_action, "
	    "last_run, last_outcome, last_reason, last_missed, runs, missed, "
	    "skipped) VALUES(?, ?, ?, ?, ?, ?, ?, nullif(?, 0), nullif(?, 0), "
	    "?, nullif(?, 0), nullif(?, 0), nullif(?, ''), nullif(?, ''), "
	    "nullif(?, ''), nullif(?, ''), ?, ?, ?, ?)");

	db_bind(st, "ssssiiiiiiiissssiiii", s->ns, s->mcis, s->id, s->json,
	    (int64_t)s->enabled, t->created, t->anchor, t->due, t->at, t->tries,
	    t->last, t->last_end, s->action, s->run, s->outcome, s->reason,
	    t->last_missed, t->runs, t->missed, t->skipped);
	return db_exec(db, st, err);
}

bool
db_sched_delete(struct db *db, const char *ns, const char *mcis, const char *id,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "DELETE FROM schedule WHERE ns = ? AND mcis = ? AND id = ?");

	db_bind(st, "sss", ns, mcis, id);
	return db_exec(db, st, err);
}

bool
db_sched_each(struct db *db, void (*each)(void *arg, const struct db_sched *s),
    void *arg, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT ns, mcis, id, json, enabled, created, anchor, due, next, "
	    "tries, last, last_end, last_action, last_run, last_outcome, "
	    "last_reason, last_missed, runs, missed, skipped FROM schedule "
	    "ORDER BY ns, mcis, id");

	while (db_row(db, st, err)) {
		struct db_sched s = {
			.ns = db_text(st, 0),
			.mcis = db_text(st, 1),
			.id = db_text(st, 2),
			.json = db_text(st, 3),
			.enabled = sqlite3_column_int(st, 4) != 0,
			.state = { .created = sqlite3_column_int64(st, 5),
			    .anchor = sqlite3_column_int64(st, 6),
			    .due = sqlite3_column_int64(st, 7),
			    .at = sqlite3_column_int64(st, 8),
			    .tries = sqlite3_column_int64(st, 9),
			    .last = sqlite3_column_int64(st, 10),
			    .last_end = sqlite3_column_int64(st, 11),
			    .last_missed = sqlite3_column_int64(st, 16),
			    .runs = sqlite3_column_int64(st, 17),
			    .missed = sqlite3_column_int64(st, 18),
			    .skipped = sqlite3_column_int64(st, 19) },
			.action = db_text(st, 12),
			.run = db_text(st, 13),
			.outcome = db_text(st, 14),
			.reason = db_text(st, 15),
		};

		each(arg, &s);
	}
	return err->code == MW_OK;
}

bool
db_sched_seen(struct db *db, int64_t *mcis_id, struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "SELECT value FROM meta WHERE key = 'schedule.mcis'");

	*mcis_id = -1;
	if (db_row(db, st, err))
		*mcis_id = sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}

bool
db_sched_seen_put(struct db *db, int64_t mcis_id, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO meta(key, value) "
	    "VALUES('schedule.mcis', ?)");

	db_bind(st, "i", mcis_id);
	return db_exec(db, st, err);
}
