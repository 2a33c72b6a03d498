/*
 * db_prereq.c - see db_prereq.h.
 */
#include "coordinator/store/db_prereq.h"

#include "common/pure/str.h"

bool
db_prereq_load(struct db *db, db_prereq_fn each, void *arg, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT kind, conn, key_id, zone, ending, asked, sure "
	    "FROM prereq "
	    "ORDER BY conn, key_id, kind, zone");

	while (db_row(db, st, err)) {
		struct prereq_row row = {
			.kind = (enum prereq_kind)sqlite3_column_int(st, 0),
			.ending = sqlite3_column_int(st, 4) != 0,
			.asked = sqlite3_column_int(st, 5) != 0,
			.sure_ns = sqlite3_column_int64(st, 6),
		};

		str_copy(row.connection, sizeof row.connection, db_text(st, 1));
		str_copy(row.key_id, sizeof row.key_id, db_text(st, 2));
		str_copy(row.zone, sizeof row.zone, db_text(st, 3));
		each(arg, &row);
	}
	return err->code == MW_OK;
}

bool
db_prereq_put(struct db *db, const struct prereq_row *row, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT INTO prereq(kind, conn, key_id, zone, ending, asked) "
	    "VALUES(?, ?, ?, ?, 0, 1) "
	    "ON CONFLICT(conn, key_id, kind, zone) DO UPDATE SET asked = 1");

	db_bind(st, "isss", (int64_t)row->kind, row->connection, row->key_id,
	    row->zone);
	return db_exec(db, st, err);
}

bool
db_prereq_sure(struct db *db, const struct prereq_row *row, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "UPDATE prereq SET asked = 0, sure = ? WHERE kind = ? AND conn = ? "
	    "AND key_id = ? AND zone = ?");

	db_bind(st, "iisss", row->sure_ns, (int64_t)row->kind, row->connection,
	    row->key_id, row->zone);
	return db_exec(db, st, err);
}

bool
db_prereq_delete(struct db *db, const struct prereq_row *row,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "DELETE FROM prereq WHERE kind = ? AND conn = ? AND key_id = ? "
	    "AND zone = ?");

	db_bind(st, "isss", (int64_t)row->kind, row->connection, row->key_id,
	    row->zone);
	return db_exec(db, st, err);
}

bool
db_prereq_end(struct db *db, int64_t mcis_id, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "UPDATE prereq SET ending = 1 WHERE key_id = "
	    "(SELECT key_id FROM mcis WHERE id = ?)");

	db_bind(st, "i", mcis_id);
	return db_exec(db, st, err);
}
