/*
 * db_quota.c - SQL of quotas.
 */
#include "coordinator/store/db_quota.h"

bool
db_quota_put(struct db *db, const struct db_quota *q, struct mw_err *err)
{
	sqlite3_stmt *st;

	if (q->max_vms < 0 && q->max_micros < 0) {
		st = db_stmt(db, "DELETE FROM quota WHERE ns = ?");
		db_bind(st, "s", q->ns);
		return db_exec(db, st, err);
	}
	st = db_stmt(db,
	    "INSERT OR REPLACE INTO quota(ns, max_vms, max_cost, "
	    "allow_unknown) VALUES(?, nullif(?, -1), nullif(?, -1), ?)");
	db_bind(st, "siii", q->ns, q->max_vms, q->max_micros,
	    (int64_t)q->allow_unknown);
	return db_exec(db, st, err);
}

bool
db_quota_load(struct db *db, void (*each)(void *arg, const struct db_quota *q),
    void *arg, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT ns, ifnull(max_vms, -1), ifnull(max_cost, -1), "
	    "allow_unknown FROM quota");

	while (db_row(db, st, err)) {
		const struct db_quota q = {
			.ns = db_text(st, 0),
			.max_vms = sqlite3_column_int64(st, 1),
			.max_micros = sqlite3_column_int64(st, 2),
			.allow_unknown = sqlite3_column_int(st, 3) != 0,
		};

		each(arg, &q);
	}
	return err->code == MW_OK;
}
