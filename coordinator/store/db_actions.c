/*
 * db_actions.c - rows of the action resources.
 */
#include "coordinator/store/db_actions.h"

static const char *
text_or_null(sqlite3_stmt *st, int col)
{
	return sqlite3_column_type(st, col) == SQLITE_NULL ? NULL
							   : db_text(st, col);
}

bool
db_action_put(struct db *db, const struct db_action *a, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO action(n, kind, target, actor, state, "
	    "outcome, done, failed, total, error_code, error, hint, steps, "
	    "started, ended) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");

	db_bind(st, "isssssiiissssii", a->n, a->kind, a->target, a->actor,
	    a->state, a->outcome, a->done, a->failed, a->total, a->error_code,
	    a->error, a->hint, a->steps, a->started, a->ended);
	return db_exec(db, st, err);
}

bool
db_action_load(struct db *db, int64_t newest,
    void (*each)(void *arg, const struct db_action *a), void *arg,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT * FROM (SELECT n, kind, target, actor, state, outcome, "
	    "done, failed, total, error_code, error, hint, steps, started, "
	    "ended, act FROM action ORDER BY n DESC LIMIT ?) ORDER BY n");

	db_bind(st, "i", newest);
	while (db_row(db, st, err)) {
		struct db_action a = {
			.n = sqlite3_column_int64(st, 0),
			.kind = db_text(st, 1),
			.target = db_text(st, 2),
			.actor = db_text(st, 3),
			.state = db_text(st, 4),
			.outcome = text_or_null(st, 5),
			.done = sqlite3_column_int64(st, 6),
			.failed = sqlite3_column_int64(st, 7),
			.total = sqlite3_column_int64(st, 8),
			.error_code = text_or_null(st, 9),
			.error = text_or_null(st, 10),
			.hint = text_or_null(st, 11),
			.steps = text_or_null(st, 12),
			.started = sqlite3_column_int64(st, 13),
			.ended = sqlite3_column_int64(st, 14),
			.act = text_or_null(st, 15),
		};

		each(arg, &a);
	}
	return err->code == MW_OK;
}
